"""Priors show what they say, in µm."""

import numpy as np
import pytest

from simcell import prior
from simcell.fields import border_distance
from simcell.scene.prior import BoundaryInterior, Distance, Filled, Membrane


def _render(spec, labels, spacing=0.5):
    labels = np.asarray(labels, np.int32)
    return prior.render(spec, labels, border_distance(labels) * np.float32(spacing), spacing)


def _halves():
    return np.repeat([[1] * 20 + [2] * 20], 40, axis=0)


@pytest.mark.parametrize(
    ("thickness", "pixels"), [(0.5, 1), (1.0, 2), (1.5, 3), (2.0, 4), (2.6, 5), (3.0, 6), (4.5, 9)]
)
def test_membrane_has_the_thickness_asked_for(thickness, pixels):
    picture, classes = _render(Membrane(thickness_um=thickness), _halves())
    assert classes is None
    assert set(np.unique(picture)) == {0, 255}
    assert (picture[20] == 255).sum() == pixels


def test_membrane_is_thinner_in_pixels_on_a_coarser_grid():
    picture, _ = _render(Membrane(thickness_um=2.0), _halves(), spacing=1.0)
    assert (picture[20] == 255).sum() == 2


def test_filled_with_a_gap():
    labels = np.pad(_halves(), 6)
    picture, _ = _render(Filled(), labels)
    assert np.array_equal(picture == 255, labels > 0)
    gapped, _ = _render(Filled(gap_um=1.0), labels)
    assert (gapped[20, 6:46] == 0).sum() == 4  # two pixels between the cells, one at each end
    assert (gapped[20, 25:27] == 0).all()


def test_boundary_and_interior_classes():
    labels = np.pad(_halves(), 6)
    picture, classes = _render(BoundaryInterior(thickness_um=2.0), labels)
    assert set(np.unique(classes)) == {0, 1, 2}
    assert np.array_equal(classes > 0, labels > 0)
    assert np.array_equal(np.unique(picture), [0, 128, 255])
    assert np.array_equal(picture == 255, classes == 2)
    assert (classes[20] == 2).sum() == 8  # 4 between the cells, 2 inside each outer border


def test_distance_is_one_at_the_deepest_point_of_every_cell():
    labels = np.pad(_halves(), 6)
    labels[10:16, 10:16] = 3
    picture, _ = _render(Distance(), labels)
    for number in (1, 2, 3):
        assert picture[labels == number].max() == 255
    assert picture[labels == 0].max() == 0
    edge = picture[20, 25]
    assert 0 < edge < 30


def test_empty_field():
    for spec in (Membrane(), Filled(), BoundaryInterior(), Distance()):
        picture, _ = _render(spec, np.zeros((16, 16)))
        assert not picture.any()
