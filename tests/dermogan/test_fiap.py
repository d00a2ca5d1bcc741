"""The classical pipeline: texture by hand, its machine, regions, sizes, and cells."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import simcell
from dermogan import metrics
from dermogan.classical import load_fiap
from dermogan.classical.fiap import SVM, Fiap, FiapMethod, between, contour
from dermogan.classical.texture import Machine, features, informative, learnt
from dermogan.segmentation import segment
from simcell import SimcellError


def stripes(period: int) -> NDArray[np.float32]:
    """Return vertical stripes of two grey levels, the darkest and the brightest."""
    image = np.zeros((48, 64), np.float32)
    image[:, np.arange(64) % (2 * period) >= period] = 1
    return image


def test_features_of_stripes() -> None:
    # Half of the pairs side by side are 15 levels apart, and none of those one below the other.
    found = features(stripes(2))
    assert found.shape == (2, 3, 4)
    apart = 0.25
    wanted = [1 - apart + apart / 226, 225 * apart, 15 * apart]
    assert found[0, 0, :3] == pytest.approx(wanted, rel=1e-6)
    same = (1 - apart) / 2
    assert found[0, 0, 3] == pytest.approx(np.sqrt(2 * same**2 + 2 * (apart / 2) ** 2), rel=1e-6)


def test_a_machine_is_learnt() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 4)) * [1, 10, 0.1, 5] + [0, 50, 1, -3]
    y = x[:, 0] - 0.1 * (x[:, 1] - 50) > 0.2
    machine = learnt([x[:300]], [y[:300]])
    assert ((machine(x[300:]) > 0) == y[300:]).mean() > 0.95
    assert abs(machine.weights[2]) < 0.2 * machine.weights[0]
    flipped = learnt([x[:300]], [~y[:300]])
    assert ((flipped(x[300:]) > 0) == y[300:]).mean() < 0.05


def test_texture_tells_where_something_is() -> None:
    rng = np.random.default_rng(2)
    image = rng.normal(0, 1, (96, 160)).astype(np.float32)
    image[:, 80:] *= 0.05
    rough = Machine((0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 0), -10.0)
    found = informative(image, rough)
    assert found.shape == image.shape
    assert found[:, :60].all()
    assert not found[:, 100:].any()
    assert informative(image[:20, :20], rough).all()


def tissue(furrow: bool = True) -> simcell.Sample:
    sets = ["frame.shape=[224, 224]", "frame.spacing_um=1.0", "imaging.noise=low"]
    sets += ["region.coverage=0.6"] if furrow else ["region.coverage=1.0"]
    scene = simcell.load_preset("rcm-sg").with_set(sets).scene(seed=3, index=1)
    return simcell.simulate(scene, seed=3, index=1)


def test_the_contour_stops_at_the_edge_of_tissue() -> None:
    across = np.linspace(1, 0.2, 200, dtype=np.float32)  # light that falls off is no edge
    image = np.tile(across, (160, 1))
    image[:, 150:] = 0.001
    image[100:] = 0.001
    found = contour(image, 60)
    assert found[:95, :145].mean() > 0.98
    assert found[125:].mean() < 0.02
    assert found[:, 175:].mean() < 0.02
    assert contour(image, 0).sum() < found.sum()


def test_cells_of_a_simulated_image() -> None:
    sample = tissue()
    assert sample.image is not None
    method = load_fiap()
    found = segment(method, sample.image, diameter_px=22)
    f1 = metrics.objects(sample.labels, found.labels, [0.5])[0].f1
    assert f1 > 0.5
    outside = sample.labels == 0
    kept = (found.labels[outside] > 0).mean()
    everywhere = segment(
        FiapMethod(Fiap(steps=0, texture=False)), sample.image, diameter_px=22
    ).labels
    assert kept < 0.5 * (everywhere[outside] > 0).mean()
    dark = segment(load_fiap(["polarity=dark"]), 255 - sample.image, diameter_px=22)
    assert metrics.objects(sample.labels, dark.labels, [0.5])[0].f1 == pytest.approx(f1, abs=0.1)


def test_small_cells_are_dropped_by_layer() -> None:
    sample = tissue()
    assert sample.image is not None
    found = {}
    for layer, least in (("granulosum", 100), ("spinosum", 50)):
        method = FiapMethod(Fiap(layer=layer))  # type: ignore[arg-type]
        labels, _ = method.cells(sample.image.astype(np.float32), 40.0, 0.5)  # seen at half size
        areas = np.bincount(labels.reshape(-1))[1:]
        found[layer] = (areas > 0).sum()
        assert areas[areas > 0].min() >= 3.5 * least  # of four, but for borders that are rounded
    assert found["spinosum"] > found["granulosum"]


def test_large_cells_are_looked_at_again() -> None:
    image = np.full((90, 120), 0.2, np.float32)
    image[25:27, 35:75] = image[45:47, 35:75] = image[25:47, 35:37] = image[25:47, 73:75] = 1
    image[27:45, 54:56] = 0.4  # parts the cell in two, faintly beside what is around
    image[5:8] = image[70:73] = image[:, 5:8] = image[:, 100:103] = 3
    image += np.random.default_rng(0).normal(0, 0.01, image.shape).astype(np.float32)
    spec = Fiap(steps=0, texture=False)
    once, _ = FiapMethod(spec.model_copy(update={"largest": 99.0})).cells(image, None, 0.5)
    twice, _ = FiapMethod(spec).cells(image, None, 0.5)
    assert once[36, 45] == once[36, 64] > 0
    assert 0 < twice[36, 45] != twice[36, 64] > 0
    faint = image.copy()
    faint[27:45, 54:56] = 0.2  # nothing parts it
    whole, _ = FiapMethod(spec).cells(faint, None, 0.5)
    assert whole[36, 45] == whole[36, 64] > 0


def test_between_membranes() -> None:
    membrane = np.zeros((41, 41), np.float32)
    membrane[::20], membrane[:, ::20] = 1, 1
    labels = between(membrane, np.ones(membrane.shape, bool), 0.5)
    assert labels[10, [10, 30]].tolist() == [1, 2]
    assert labels.max() == 4


def test_settings_are_checked() -> None:
    assert load_fiap(["layer=spinosum"]).spec.layer == "spinosum"
    with pytest.raises(SimcellError, match="give FIELD=VALUE; fiap has polarity, layer"):
        load_fiap(["level"])
    with pytest.raises(SimcellError, match=r"--set largest=0\.5"):
        load_fiap(["largest=0.5"])
    with pytest.raises(SimcellError, match="give a larger one"):
        FiapMethod().cells(np.zeros((3000, 3000), np.float32), 3.0, 0.5)
    assert any(SVM.weights)
