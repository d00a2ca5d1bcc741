"""Voronoi and power tissue: theory, independent statistics, rules at the rim."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from simcell import cells
from simcell.arrays import Grid, Pattern, Window
from simcell.cells.nearest import nearest_seed
from simcell.cells.pieces import adjacent_pairs, split
from simcell.cells.tissue import relax
from simcell.cells.wrap import copies
from simcell.points import sample as draw
from simcell.rng import Streams
from simcell.scene.cells import Power, Voronoi
from simcell.scene.points import HardCore

DATA = Path(__file__).parents[1] / "data"


def _reference(name):
    with (DATA / f"voronoi_{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {r["statistic"]: (float(r["mean"]), float(r["se"])) for r in rows if r["se"] != "NA"}


def _torus_statistics(seeds, side):
    """Area CV, variance of sides, shares of polygons of all cells on a torus."""
    around, _ = copies(seeds, np.array([side, side]), 90.0)
    frame = 90
    owners = nearest_seed(around + frame, np.zeros(len(around)), np.ones((side + 180,) * 2, bool))
    pieces = split(owners)
    pairs = adjacent_pairs(pieces)
    neighbours = np.bincount(pairs.ravel(), minlength=pieces.count + 1)
    sides = np.zeros(len(seeds))
    area = np.zeros(len(seeds))
    for piece in np.flatnonzero(pieces.main):
        owner = pieces.owner[piece] - 1
        if owner < len(seeds):  # the seed itself, not one of its copies
            sides[owner] = neighbours[piece]
            area[owner] = pieces.area_px[piece]
    assert area.sum() == pytest.approx(side**2, rel=1e-3)
    return {
        "area_cv": area.std() / area.mean(),
        "sides_var": sides.var(),
        **{f"p{k}": np.mean(sides == k) for k in (4, 5, 6, 7, 8)},
        "corr_area_sides": np.corrcoef(area, sides)[0, 1],
    }


def _many(make, side, runs):
    rows = [_torus_statistics(make(np.random.default_rng(i)), side) for i in range(runs)]
    names = rows[0]
    means = {k: np.mean([r[k] for r in rows]) for k in names}
    errors = {k: np.std([r[k] for r in rows], ddof=1) / np.sqrt(runs) for k in names}
    return means, errors


def _poisson(steps):
    def make(rng):
        seeds = rng.uniform(0, 640, (400, 2))
        return relax(
            seeds, np.zeros(400), np.ones((640, 640), bool), steps, np.array([640.0, 640.0])
        )

    return make


def _saturated(rng):
    pattern = draw(
        HardCore(density=None, distance_um=16), Window((400.0, 400.0), periodic=True), rng
    )
    return pattern.points * 1.6


CASES = {
    "poisson": (_poisson(0), 640),
    "lloyd1_poisson": (_poisson(1), 640),
    "lloyd3_poisson": (_poisson(3), 640),
    "rsa_saturated_torus": (_saturated, 640),
}


@pytest.mark.parametrize("case", CASES)
def test_cell_statistics_match_exact_diagrams(case):
    make, side = CASES[case]
    means, errors = _many(make, side, runs=24)
    expected = _reference(case)
    # Pixels hide edges shorter than one pixel; at 32 px per cell that moves shares by .5 %.
    slack = {"area_cv": 0.004, "sides_var": 0.05, "corr_area_sides": 0.01}
    for name, got in means.items():
        want, se = expected[name]
        allowed = 4 * np.hypot(errors[name], se) + slack.get(name, 0.006)
        assert abs(got - want) < allowed, (name, got, want, errors[name])


def test_lloyd_is_a_continuous_knob():
    rng = np.random.default_rng(3)
    seeds = rng.uniform(0, 320, (150, 2))
    whole, one = np.ones((320, 320), bool), np.zeros(150)
    period = np.array([320.0, 320.0])

    def spread(steps):
        return _torus_statistics(relax(seeds, one, whole, steps, period), 320)["area_cv"]

    curve = [spread(s) for s in (0, 0.25, 0.5, 1, 1.5, 3, 6)]
    assert all(a > b for a, b in pairwise(curve))


GRID = Grid((160, 160), (0.5, 0.5))


def _grow(spec, seeds, region=None, margin=0, seed=0):
    region = np.ones(GRID.padded(margin).shape, bool) if region is None else region
    return cells.grow(spec, Pattern(np.asarray(seeds)), region, GRID, margin, Streams(seed, 0))


def _lattice(step=16.0, size=80.0):
    y, x = np.mgrid[step / 2 : size : step, step / 2 : size : step]
    return np.stack([y.ravel(), x.ravel()], axis=1)


def test_square_lattice_gives_squares():
    grown = _grow(Voronoi(undulation_um=0), _lattice())
    table = grown.objects
    assert len(table) == 25
    assert np.allclose(table["area_um2"], 256)
    assert np.allclose(table["major_um"], 4 * 16 / np.sqrt(12))
    inner = ~table["touches_border"]
    assert set(table["neighbours"][inner]) == {4}
    assert np.allclose(table["seed_y_um"], table["centroid_y_um"])


def test_power_cells_follow_radii():
    seeds = Pattern(np.array([[40.0, 20.0], [40.0, 60.0]]), {"radius_um": np.array([5.0, 15.0])})
    region = np.ones(GRID.shape, bool)
    grown = cells.grow(Power(undulation_um=0), seeds, region, GRID, 0, Streams(0, 0))
    # The border lies where d1² - 25 = d2² - 225: 2.5 µm towards the small seed.
    first = grown.objects["area_um2"][np.argmin(grown.objects["seed_x_um"])]
    assert first == pytest.approx(80 * 37.5, rel=0.01)
    plain = cells.grow(Power(undulation_um=0, strength=0), seeds, region, GRID, 0, Streams(0, 0))
    assert np.allclose(plain.objects["area_um2"], 3200)


def test_power_draws_radii_for_unmarked_seeds():
    spread = _grow(Power(undulation_um=0, radius_cv=0.5), _lattice()).objects["area_um2"]
    assert spread.std() > 20


def test_undulation_keeps_areas_and_moves_borders():
    straight = _grow(Voronoi(undulation_um=0), _lattice())
    wavy = _grow(Voronoi(undulation_um=1.0, undulation_scale_um=6), _lattice())

    def seed_of(grown):
        return (
            grown.objects["seed_y_um"][grown.labels - 1] * 1e3
            + grown.objects["seed_x_um"][grown.labels - 1]
        )

    moved = np.mean(seed_of(straight) != seed_of(wavy))
    assert 0.02 < moved < 0.25
    assert abs(wavy.objects["area_um2"].mean() - 256) < 1e-6
    assert wavy.objects["perimeter_um"].mean() > straight.objects["perimeter_um"].mean()


def test_vacancies_have_the_probability_asked_for():
    counts = [
        len(_grow(Voronoi(vacancy=0.3, undulation_um=0), _lattice(4.0), seed=s).objects)
        for s in range(8)
    ]
    missing = 1 - np.sum(counts) / (8 * 400)
    assert abs(missing - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 3200)


def _sliver_region():
    """Tissue whose right rim leaves the last column of cells only 3 of 16 µm."""
    region = np.zeros(GRID.shape, bool)
    region[:, : int(67 / 0.5)] = True
    return region


@pytest.mark.parametrize("rim", ["merge", "drop", "keep"])
def test_rule_for_small_rim_cells(rim):
    margin = 40
    region = np.pad(_sliver_region(), ((margin, margin), (margin, 0)), mode="edge")
    region = np.pad(region, ((0, 0), (0, margin)))
    seeds = _lattice(16.0, 112.0) - 16.0
    grown = _grow(Voronoi(undulation_um=0, rim=rim), seeds, region, margin)
    tissue = (grown.labels > 0).sum()
    full = _sliver_region().sum()
    sliver = 160 * 6
    assert tissue == {"merge": full, "drop": full - sliver, "keep": full}[rim]
    smallest = grown.objects["amodal_area_um2"].min()
    assert smallest < 100 if rim == "keep" else smallest > 200


def test_cut_cells_know_their_whole_area():
    margin = 40
    seeds = _lattice(16.0, 128.0) - 16.0 - 5.0
    grown = _grow(Voronoi(undulation_um=0), seeds, margin=margin)
    cut = grown.objects["touches_border"]
    assert cut.any()
    assert np.allclose(grown.objects["amodal_area_um2"], 256)
    assert grown.objects["area_um2"][cut].min() < 150


def test_types_reach_the_table():
    seeds = Pattern(_lattice(), {"type": np.arange(25) % 3})
    grown = cells.grow(Voronoi(), seeds, np.ones(GRID.shape, bool), GRID, 0, Streams(0, 0))
    assert set(grown.objects["type"]) == {0, 1, 2}


def test_no_seeds_no_cells():
    grown = _grow(Voronoi(lloyd=2), np.zeros((0, 2)))
    assert len(grown.objects) == 0
    assert not grown.labels.any()
