"""Colonies: their number, sizes, distances, and what happens when the window is full."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import kstest

from simcell.arrays import Window
from simcell.points import sample
from simcell.rng import stream
from simcell.scene.colony import Colony

TORUS = Window((600.0, 600.0), periodic=True)


def draw(spec, window=TORUS, index=0):
    return sample(spec, window, stream(3, index, "points"))


def sizes(pattern):
    return np.bincount(pattern.marks["colony"].astype(int))[1:]


@pytest.mark.parametrize("density", [50.0, 600.0, 2500.0])
def test_the_density_is_what_was_asked_for(density):
    counts = [len(draw(Colony(density=density, distance_um=14), index=i)) for i in range(20)]
    assert set(counts) == {round(density * 0.36)}


def test_there_are_as_many_colonies_as_their_size_says():
    pattern = draw(Colony(density=800, colony_size=12))
    assert len(sizes(pattern)) == 288 / 12
    assert sizes(pattern).min() >= 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_points_keep_their_distance_and_lie_beside_one_of_their_colony(ndim):
    window = Window((300.0,) * ndim if ndim == 2 else (100.0,) * 3)
    spec = Colony(density=900 if ndim == 2 else 1e5, distance_um=12, looseness=0.5)
    pattern = draw(spec, window)
    tree = cKDTree(pattern.points)
    nearest = tree.query(pattern.points, k=2)[0][:, 1]
    assert nearest.min() >= 12
    alone = sizes(pattern)[pattern.marks["colony"].astype(int) - 1] == 1
    assert (~alone).sum() > 50
    assert nearest[~alone].max() <= 18


def test_a_daughter_lies_anywhere_about_her_mother():
    window = Window((100.0, 100.0), periodic=True)
    steps = []
    for index in range(3000):
        pair = draw(Colony(density=200, colony_size=2, distance_um=10, looseness=1), window, index)
        assert len(pair) == 2
        steps.append((pair.points[1] - pair.points[0] + 50) % 100 - 50)
    y, x = np.array(steps).T
    assert kstest(np.hypot(y, x), "uniform", (10, 10)).pvalue > 1e-3
    assert kstest(np.arctan2(y, x), "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3


def test_colony_sizes_follow_yule():
    """With room for all, every way to share the points among the colonies is as likely."""
    window = Window((5000.0, 5000.0), periodic=True)
    spec = Colony(density=12, colony_size=10, distance_um=3, looseness=5)
    drawn = np.concatenate([sizes(draw(spec, window, index)) for index in range(40)])
    n, k = 300, 30
    assert drawn.mean() == n / k
    spare = n - k
    variance = spare * (spare + k) * (k - 1) / (k**2 * (k + 1))
    # Excess kurtosis of a geometric law is about 6: its variance has a spread of sqrt(8 / n).
    assert abs(drawn.var() / variance - 1) < 4 * np.sqrt(8 / len(drawn))


def test_a_full_window_ends_the_growth_and_says_so():
    for size in (1, 20, 1e6):
        pattern = draw(Colony(density=6000, colony_size=size, distance_um=15))
        notes = pattern.notes
        assert notes["requested_density"] == 6000
        assert notes["achieved_density"] == pytest.approx(len(pattern) / 0.36)
        covered = len(pattern) * np.pi * 7.5**2 / 600**2
        # Random packing jams at 0.547 of the plane; daughters nestle up a little closer.
        assert 0.5 < covered < 0.65


def test_points_of_a_mask_stay_inside_and_reach_its_islands():
    mask = np.zeros((60, 60), bool)
    mask[:20, :20] = mask[40:, 40:] = True
    window = Window((600.0, 600.0), mask)
    pattern = draw(Colony(density=2500, colony_size=1e6, distance_um=15), window)
    assert window.contains(pattern.points).all()
    low = pattern.points[:, 0] < 300
    assert min(low.sum(), (~low).sum()) > 50


def test_no_room_for_founders_leaves_more_to_the_others():
    pattern = draw(Colony(density=50, colony_size=1, distance_um=280))
    assert 1 <= len(pattern) < 10
    assert len(pattern.points) == pattern.notes["achieved_density"] * 0.36
