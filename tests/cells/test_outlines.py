"""Objects that stand apart: sizes, hidden parts, z-order."""

import numpy as np
import pytest

from simcell import cells
from simcell.arrays import Grid, Pattern
from simcell.rng import Streams
from simcell.scene.cells import Outlines

GRID = Grid((128, 128), (0.5, 0.5))


def _grow(spec, points, margin=10, **marks):
    pattern = Pattern(
        np.atleast_2d(np.asarray(points, float)),
        {k: np.asarray(v, float) for k, v in marks.items()},
    )
    region = np.ones(GRID.padded(margin).shape, bool)
    return cells.grow(spec, pattern, region, GRID, margin, Streams(0, 0))


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_disc_and_ellipse_have_the_area_of_their_radius(ratio):
    grown = _grow(
        Outlines(), [32.0, 32.0], radius_um=[10.0], axis_ratio=[ratio], orientation_rad=[0.7]
    )
    row = grown.objects[0]
    assert row["area_um2"] == pytest.approx(np.pi * 100, rel=0.01)
    assert row["minor_um"] / row["major_um"] == pytest.approx(ratio, abs=0.02)
    if ratio < 1:
        assert row["orientation_rad"] == pytest.approx(0.7, abs=0.02)
    assert row["perimeter_um"] >= 2 * np.pi * 10 * 0.97
    assert (row["seed_y_um"], row["seed_x_um"]) == (32.0, 32.0)


def test_overlap_is_the_shared_area_and_the_later_object_is_on_top():
    d, r = 8.0, 10.0
    grown = _grow(Outlines(), [[32, 28], [32, 36]], radius_um=[r, r])
    below, above = grown.objects[np.argsort(grown.objects["seed_x_um"])]
    shared = 2 * r**2 * np.arccos(d / 2 / r) - d / 2 * np.sqrt(4 * r**2 - d**2)
    assert below["overlap"] == pytest.approx(shared / (np.pi * r**2), abs=0.01)
    assert above["overlap"] == 0
    assert below["amodal_area_um2"] == pytest.approx(np.pi * r**2, rel=0.01)
    assert below["area_um2"] == pytest.approx(np.pi * r**2 - shared, rel=0.02)
    assert grown.adjacency.tolist() == [[1, 2]]


def test_cut_object_knows_its_whole_area_but_counts_no_overlap():
    grown = _grow(Outlines(), [32.0, 0.0], radius_um=[6.0])
    row = grown.objects[0]
    assert row["touches_border"]
    assert row["amodal_area_um2"] == pytest.approx(np.pi * 36, rel=0.02)
    assert row["area_um2"] == pytest.approx(np.pi * 18, rel=0.03)
    assert row["overlap"] == 0


def test_buried_objects_are_left_out():
    points, radii = [[32, 32], [32, 33], [50, 50]], [5.0, 9.0, 4.0]
    assert len(_grow(Outlines(), points, radius_um=radii).objects) == 2
    # A disc that keeps only a thin crescent counts as buried below `min_visible`.
    crescent = [[32, 26.5], [32, 32]]
    assert len(_grow(Outlines(min_visible=0.0), crescent, radius_um=[9, 14]).objects) == 2
    assert len(_grow(Outlines(min_visible=0.3), crescent, radius_um=[9, 14]).objects) == 1


def test_an_object_split_in_two_keeps_one_connected_label():
    grown = _grow(
        Outlines(),
        [[32, 32], [32, 34]],
        radius_um=[8.0, 9.0],
        axis_ratio=[0.25, 0.25],
        orientation_rad=[0.0, np.pi / 2],
    )
    assert len(grown.objects) == 2
    from skimage.measure import label

    for number in (1, 2):
        assert label(grown.labels == number, connectivity=1).max() == 1


def test_waviness_has_the_spread_asked_for():
    y, x = np.mgrid[8:64:12, 8:64:12]
    points = np.stack([y.ravel(), x.ravel()], axis=1)
    smooth = _grow(Outlines(radius_um=4), points).objects
    wavy = _grow(Outlines(radius_um=4, waviness=0.15), points).objects
    assert np.ptp(smooth["area_um2"]) < 2
    assert wavy["perimeter_um"].mean() > 1.05 * smooth["perimeter_um"].mean()
    # The radius is that of the disc of equal area, waves or not.
    assert np.abs(wavy["area_um2"] / (np.pi * 16) - 1).max() < 0.03


def test_unmarked_points_draw_their_radius():
    y, x = np.mgrid[8:64:8, 8:64:8]
    points = np.stack([y.ravel(), x.ravel()], axis=1)
    table = _grow(Outlines(radius_um=2.5, radius_cv=0.2), points).objects
    radius = np.sqrt(table["amodal_area_um2"] / np.pi)
    assert abs(radius.mean() - 2.5) < 4 * 0.5 / np.sqrt(len(table))
    assert 0.6 < radius.std() / 0.5 < 1.4
