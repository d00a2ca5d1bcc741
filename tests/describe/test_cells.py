"""Cells of labelled fields against shapes whose measures are known."""

import numpy as np
import pytest

import simcell
from simcell.describe.cells import cells_of, closed, tissue_of, weighted
from simcell.describe.field import Field
from simcell.errors import SimcellError


def disc(radius, size=80, centre=(40.0, 40.0)):
    y, x = np.mgrid[:size, :size] + 0.5
    return (np.hypot(y - centre[0], x - centre[1]) <= radius).astype(np.int32)


def bricks(rows=7, columns=7, height=8, width=10):
    """Rows of bricks, each second one shifted by half: six neighbours inside."""
    y, x = np.mgrid[: rows * height, : columns * width]
    row = y // height
    column = (x + (row % 2) * (width // 2)) // width
    return (row * (columns + 1) + column + 1).astype(np.int32)


def test_a_disc():
    row = cells_of(Field("disc", (0.5, 0.5), labels=disc(20.0)))[0]
    assert row["area_um2"] == pytest.approx(np.pi * 100, rel=0.01)
    assert row["diameter_um"] == pytest.approx(20, rel=0.01)
    assert row["perimeter_um"] == pytest.approx(np.pi * 20, rel=0.02)
    assert row["circularity"] == pytest.approx(1, abs=0.04)
    assert row["solidity"] == pytest.approx(1, abs=0.03)
    assert row["elongation"] == pytest.approx(1, abs=0.02)
    assert (row["centroid_y_um"], row["centroid_x_um"]) == pytest.approx((20.0, 20.0))
    assert (row["whole"], row["surrounded"], row["neighbours"]) == (True, False, 0)


def test_pixels_that_are_not_square():
    labels = np.zeros((60, 60), np.int32)
    labels[20:30, 20:40] = 1
    row = cells_of(Field("box", (2.0, 0.5), labels=labels))[0]
    # 20 µm by 10 µm: the axes of the ellipse of the same moments are in the same ratio.
    assert row["area_um2"] == pytest.approx(200)
    assert row["elongation"] == pytest.approx(2)
    assert row["eccentricity"] == pytest.approx(np.sqrt(0.75))


def test_a_crescent_is_not_solid():
    labels = disc(20.0) * (1 - disc(20.0, centre=(40.0, 52.0)))
    row = cells_of(Field("crescent", (1.0, 1.0), labels=labels))[0]
    assert 0.5 < row["solidity"] < 0.85


def test_bricks_have_six_neighbours_and_bricks_around_them():
    tissue = tissue_of([Field("wall", (1.0, 1.0), labels=bricks())])
    assert (tissue.neighbours, tissue.hexagons) == (6.0, 1.0)
    assert (tissue.area_um2, tissue.area_cv) == pytest.approx((80.0, 0.0))
    assert tissue.covered == 1.0
    assert tissue.density_per_mm2 == pytest.approx(1e6 / 80)
    assert tissue.aboav[tissue.sides == 6] == [6.0]
    assert np.isnan(tissue.lewis_slope)


def test_cells_agree_with_the_simulators_own_table():
    preset = simcell.load_preset("rcm-sg")
    sample = simcell.simulate(preset.scene(seed=1, index=0), seed=1, index=0, upto="cells")
    cells = cells_of(Field("sample", sample.grid.spacing_um, labels=sample.labels))
    for name in ("area_um2", "perimeter_um", "neighbours", "centroid_y_um", "centroid_x_um"):
        np.testing.assert_allclose(cells[name], sample.objects[name])
    np.testing.assert_array_equal(cells["whole"], ~sample.objects["touches_border"])


def test_lines_between_cells_are_shared_out():
    whole = bricks()
    drawn = whole.copy()
    drawn[:, 1:][whole[:, 1:] != whole[:, :-1]] = 0
    drawn[1:][whole[1:] != whole[:-1]] = 0
    a, b = (tissue_of([Field("wall", (1.0, 1.0), labels=w)]) for w in (whole, drawn))
    assert b.neighbours == a.neighbours
    assert b.area_um2 == pytest.approx(a.area_um2, rel=0.02)
    assert b.covered == 1.0


def test_free_borders_stay():
    labels = disc(20.0)
    np.testing.assert_array_equal(closed(labels), labels)
    empty = np.zeros((5, 5), np.int32)
    np.testing.assert_array_equal(closed(empty), empty)


def test_the_edge_of_the_annotated_area_cuts_like_the_frame():
    known = np.zeros((56, 70), np.bool_)
    known[10:46, 12:60] = True
    labels = bricks() * known
    cells = cells_of(Field("part", (1.0, 1.0), labels=labels.astype(np.int32), annotated=known))
    assert set(cells["area_um2"][cells["whole"]]) == {80.0}
    assert 0 < cells["whole"].sum() < len(cells)


def test_weights_undo_the_loss_of_large_cells():
    # Windows on a sheet of bars, half of them short and half long: frames cut long ones more.
    rng = np.random.default_rng(0)
    lengths = rng.permutation(np.repeat([6, 36], 2000))
    number = np.repeat(np.arange(1, 4001), lengths).astype(np.int32)
    strip = 60
    values, weights = [], []
    for _ in range(2500):
        start = int(rng.integers(0, len(number) - strip))
        labels = np.tile(number[start : start + strip] - number[start] + 1, (3, 1))
        framed = np.pad(labels, ((2, 2), (0, 0))).astype(np.int32)
        cells = cells_of(Field("strip", (1.0, 1.0), labels=framed))
        whole = cells[cells["whole"]]
        values.append(whole["area_um2"] / 3)
        weights.append(whole["weight"])
    value, weight = np.concatenate(values), np.concatenate(weights)
    assert value.mean() < 18.0
    assert weighted(value, weight)[0] == pytest.approx(21.0, abs=1.0)


def test_labels_with_gaps_and_without():
    labels = np.zeros((12, 12), np.int32)
    labels[2:4, 2:4], labels[7:9, 7:9] = 3, 9
    assert cells_of(Field("gaps", (1.0, 1.0), labels=labels))["label"].tolist() == [3, 9]
    tissue = tissue_of([Field("none", (1.0, 1.0), labels=np.zeros((8, 8), np.int32))])
    assert (tissue.cells, tissue.covered) == (0, 0.0)
    assert np.isnan(tissue.area_um2)
    with pytest.raises(SimcellError, match="has no labels"):
        cells_of(Field("image", (1.0, 1.0), image=np.ones((8, 8), np.float32)))
    with pytest.raises(SimcellError, match="no labelled field"):
        tissue_of([])
