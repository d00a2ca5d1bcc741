"""Marked objects and area interaction: shared sizes, balance identity, mark laws."""

import numpy as np
import pytest
from numba import njit
from points.reference import LIMIT, lens_ratio, z_of
from scipy.spatial.distance import cdist

from simcell.arrays import Window
from simcell.points import gibbs, objects, sample
from simcell.points._chain import adds, run
from simcell.points._kernel import cells_for, domain_of, insert, pad, seed_words
from simcell.points._overlap import shared_size
from simcell.points._potentials import scratch_for
from simcell.rng import stream
from simcell.scene.points import AreaInteraction, Objects, ObjectType


@njit
def added(domain, cells, potential, points, marks, n, scratch):
    for i in range(n):
        insert(cells, points, i)
    return adds(domain, cells, potential, points, marks, n, -1, scratch)


@pytest.mark.parametrize("ndim", [2, 3])
def test_covered_part_of_a_ball_matches_monte_carlo(ndim):
    window, rng = Window((40.0,) * ndim), np.random.default_rng(2)
    spec = AreaInteraction(eta=0.2, radius_um=8.0)
    potential, _ = gibbs.potential_of(spec, ndim)
    for n in (1, 3, 6):
        points = 14 + 12 * rng.random((n + 1, ndim))
        ball = rng.standard_normal((100_000, ndim))
        ball *= (8 * rng.random(100_000) ** (1 / ndim) / np.linalg.norm(ball, axis=1))[:, None]
        covered = (cdist(points[-1] + ball, points[:-1]).min(axis=1) < 8).mean()
        padded = pad(points)
        cells, scratch = cells_for(window, 16.0, n + 1), scratch_for(n + 1)
        cost = added(domain_of(window), cells, potential, padded, np.zeros((n + 1, 1)), n, scratch)
        assert cost / potential.cost == pytest.approx(covered, abs=0.008)


@njit
def shared(dz, dy, dx, marks, flat):
    return shared_size(dz, dy, dx, marks, 0, 1, flat)


def solid(mark, flat):
    """Return the matrix of the quadratic form of an object."""
    _, r, ratio, turn, rise = mark
    level = np.sqrt(1 - rise**2)
    axis = np.array([rise, level * np.sin(turn), level * np.cos(turn)])
    short = r * ratio ** (1 / 2 if flat else 1 / 3)
    long = short / ratio
    form = (np.eye(3) - np.outer(axis, axis)) / short**2 + np.outer(axis, axis) / long**2
    return form[1:, 1:] if flat else form


@pytest.mark.parametrize("flat", [True, False])
def test_shared_size_matches_a_raster(flat):
    rng = np.random.default_rng(7)
    ndim = 2 if flat else 3
    for case in range(25):
        marks = np.zeros((2, 5))
        marks[:, 1] = rng.uniform(4, 8, 2)
        marks[:, 2] = rng.uniform(0.3, 1, 2) if case % 5 else 1.0
        marks[:, 3] = rng.uniform(-3, 3, 2)
        marks[:, 4] = 0 if flat else rng.uniform(-1, 1, 2)
        gap = rng.uniform(-6, 6, ndim) * (case % 7 / 6)
        side = 1200 if flat else 110
        reach = 16.0
        axis = (np.arange(side) + 0.5) / side * 2 * reach - reach
        grid = np.stack(np.meshgrid(*[axis] * ndim, indexing="ij"), -1).reshape(-1, ndim)
        inside = np.ones(len(grid), bool)
        for mark, shift in zip(marks, (0 * gap, gap), strict=True):
            here = grid - shift
            inside &= np.einsum("ni,ij,nj->n", here, solid(mark, flat), here) <= 1
        raster = inside.sum() * (2 * reach / side) ** ndim
        r = marks[:, 1].min()
        whole = np.pi * r**2 if flat else 4 / 3 * np.pi * r**3
        ours = shared(*np.concatenate([[0.0] * (3 - ndim), gap]), marks, flat)
        assert abs(ours - raster) / whole < (0.002 if flat else 0.006)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_objects_satisfy_the_balance_identity(ndim, ratio):
    """Two types, stretched or not, soft and forbidden overlap and packing together."""
    window = Window((60.0, 60.0), periodic=True) if ndim == 2 else Window((26.0, 26.0, 26.0))
    activity = 3000.0 if ndim == 2 else 3e5
    few = ObjectType(activity=activity / 2, radius_um=6.0, radius_cv=0.2, radius_law="lognormal")
    spec = Objects(
        types=(
            ObjectType(
                activity=activity, radius_um=5.0, axis_ratio_min=ratio, axis_ratio_max=ratio
            ),
            few,
        ),
        overlap_penalty=3.0,
        overlap_limit=0.4,
        packing=0.4,
    )
    potential, total = objects.potential_of(spec, ndim)
    free = Objects(types=spec.types, overlap_penalty=0.0, overlap_limit=1.0)
    balance, counts = [], []
    for k in range(80):
        pattern = sample(spec, window, stream(9, k, "objects"))
        # Objects without interaction supply positions and marks at random.
        probes = sample(free, window, stream(9, k, "probes"))
        n = len(pattern)
        points = pad(np.vstack([pattern.points, np.zeros((1, ndim))]))
        marks = np.zeros((n + 1, 5))
        marks[:-1] = columns(pattern)
        ratios = []
        for spot, mark in zip(pad(probes.points), columns(probes), strict=True):
            points[-1], marks[-1] = spot, mark
            cells, scratch = cells_for(window, potential.reach, n + 1), scratch_for(n + 1)
            cost = added(domain_of(window), cells, potential, points, marks, n, scratch)
            ratios.append(np.exp(-cost))
        balance.append(n - np.sum(ratios))
        counts.append(n)
    assert abs(z_of(balance, 0.0)) < LIMIT
    assert np.mean(counts) < 0.9 * total * window.volume


def columns(pattern):
    """Return the marks as the kernels hold them."""
    m = pattern.marks
    rise = np.sin(m["elevation_rad"]) if "elevation_rad" in m else np.zeros(len(pattern))
    return np.stack([m["type"], m["radius_um"], m["axis_ratio"], m["orientation_rad"], rise], 1)


def test_mark_changes_alone_reach_the_law_of_two_discs_held_in_place():
    """Radii r, s uniform on (4, 8), 9 µm apart: density exp(-10 w(r, s)), by quadrature."""
    law = ObjectType(activity=1000.0, radius_um=6.0, radius_cv=2 / 3**0.5 / 6)
    potential, _ = objects.potential_of(
        Objects(types=(law,), overlap_penalty=10.0, overlap_limit=1.0), 2
    )
    window, rng = Window((60.0, 60.0)), stream(9, 0, "held")
    places = np.array([[0.0, 30.0, 30.0], [0.0, 30.0, 39.0], [0.0, 0.0, 0.0]])

    def radii():
        points, marks = places.copy(), np.zeros((3, 5))
        marks[:, 1:3] = 6.0, 1.0
        cells, scratch = cells_for(window, potential.reach, 3), scratch_for(3)
        place_both(cells, points)
        words, domain = seed_words(rng), domain_of(window)
        run(domain, cells, potential, points, marks, 2, 1.0, 150, 1.0, scratch, words)
        return marks[:2, 1]

    side = 4 + 4 * (np.arange(200) + 0.5) / 200
    r, s = (a.ravel() for a in np.meshgrid(side, side))
    weight = np.exp(-10 * lens_ratio(np.full(len(r), 9.0), r, s))
    ours = np.array([radii() for _ in range(3000)])
    assert abs(z_of(ours.sum(axis=1), np.average(r + s, weights=weight))) < LIMIT
    assert abs(z_of(ours.prod(axis=1), np.average(r * s, weights=weight))) < LIMIT


@njit
def place_both(cells, points):
    insert(cells, points, 0)
    insert(cells, points, 1)


def test_marks_follow_their_laws_without_interaction():
    law = ObjectType(
        activity=20_000.0,
        radius_um=5.0,
        radius_cv=0.2,
        radius_law="lognormal",
        axis_ratio_min=0.4,
        axis_ratio_max=0.8,
        orientation_rad=0.5,
        alignment=3.0,
    )
    spec = Objects(
        types=(law, law.model_copy(update={"activity": 10_000.0})),
        overlap_penalty=0.0,
        overlap_limit=1.0,
    )
    marks = sample(spec, Window((500.0, 500.0)), stream(2, 0, "marks")).marks
    assert abs(z_of(marks["type"], 1 / 3)) < LIMIT
    assert marks["radius_um"].mean() == pytest.approx(5.0, rel=0.01)
    assert marks["radius_um"].std() / 5 == pytest.approx(0.2, rel=0.05)
    assert abs(z_of(marks["axis_ratio"], 0.6)) < LIMIT
    # Mean resultant of the doubled angle: I1(3)/I0(3).
    doubled = np.exp(2j * (marks["orientation_rad"] - 0.5))
    assert abs(z_of(doubled.real, 0.81)) < LIMIT
    assert abs(z_of(doubled.imag, 0.0)) < LIMIT


def test_direction_of_ellipsoids_is_isotropic_at_full_tilt():
    spec = Objects(
        types=(ObjectType(activity=2e6, axis_ratio_min=0.5, axis_ratio_max=0.5),),
        overlap_penalty=0.0,
        overlap_limit=1.0,
    )
    marks = sample(spec, Window((100.0, 100.0, 100.0)), stream(2, 1, "marks")).marks
    level = np.cos(marks["elevation_rad"])
    axis = [
        np.sin(marks["elevation_rad"]),
        level * np.sin(marks["orientation_rad"]),
        level * np.cos(marks["orientation_rad"]),
    ]
    assert all(abs(z_of(v**2, 1 / 3)) < LIMIT for v in axis)
