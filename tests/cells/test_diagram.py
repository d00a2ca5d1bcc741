"""Walks over a triangulation end in the cells that brute force finds."""

import numpy as np
import pytest
from scipy.spatial import Voronoi

from simcell.cells.diagram import FAR_UM, cells_of, diagram, papillae_of, start

SHAPE, SPACING, ORIGIN = (40, 50), 1.7, (-3.0, 5.0)


def _place(shift):
    y = ORIGIN[0] + np.arange(SHAPE[0])[:, None] * SPACING + shift[0]
    x = ORIGIN[1] + np.arange(SHAPE[1])[None] * SPACING + shift[1]
    return np.stack(np.broadcast_arrays(y, x), -1)


def _by_force(seeds, place):
    """Nearest seed, and distances to the lines of its cell's sides, nearest first."""
    away = np.linalg.norm(place[:, :, None] - seeds, axis=-1)
    own = away.argmin(-1)
    touch = ~np.eye(len(seeds), dtype=bool)
    if len(seeds) > 8:
        touch[:] = False
        touch[tuple(Voronoi(seeds).ridge_points.T)] = True
        touch |= touch.T
    apart = np.linalg.norm(seeds[own][:, :, None] - seeds, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        gaps = (away**2 - away.min(-1, keepdims=True) ** 2) / (2 * apart)
    gaps[~touch[own]] = FAR_UM
    return own, np.sort(gaps, -1)


@pytest.mark.parametrize("count", [1, 2, 3, 9, 60])
def test_cells_and_borders_are_those_of_brute_force(count):
    rng = np.random.default_rng(count)
    made = diagram(rng.uniform(-20, 110, (count, 2)))
    shift = rng.normal(0, 3, (2, *SHAPE)).astype(np.float32)
    own, gaps = _by_force(made.seeds, _place(shift))
    for at in {0, count - 1, start(made, ORIGIN)}:
        near = np.empty((3, *SHAPE), np.int32)
        found = np.empty((2, *SHAPE), np.float32)
        cells_of(made, at, ORIGIN, SPACING, *shift, 6.0, near, found)
        assert np.array_equal(near[0], own)
        for k in range(2):
            wanted = gaps[:, :, k] if count > k + 1 else np.full(SHAPE, FAR_UM)
            np.testing.assert_allclose(found[k], np.minimum(wanted, 6.0), atol=1e-4)
            assert np.array_equal(near[k + 1] >= 0, found[k] < 6.0)


def test_papillae_are_rounded_voronoi_cells():
    rng = np.random.default_rng(5)
    made = diagram(rng.uniform(-40, 130, (40, 2)))
    none = np.zeros((2, *SHAPE), np.float32)
    owner = np.full(SHAPE, -7, np.int32)
    wall, radial = np.zeros((2, *SHAPE), np.float32)
    wanted = np.ones(SHAPE, np.bool_)
    wanted[3, 4:9] = False
    papillae_of(made, 0, ORIGIN, SPACING, *none, 8.0, wanted, owner, wall, radial)
    own, gaps = _by_force(made.seeds, _place(none))
    near, next_near = gaps[:, :, 0], gaps[:, :, 1]
    rounded = near - np.maximum(8.0 - (next_near - near), 0) ** 2 / 32
    assert np.array_equal(owner[wanted], own[wanted])
    assert np.all(owner[~wanted] == -7)
    np.testing.assert_allclose(wall[wanted], rounded[wanted], atol=1e-4)
    away = np.linalg.norm(_place(none) - made.seeds[own], axis=-1)
    np.testing.assert_allclose(radial[wanted], away[wanted], atol=1e-4)


def test_seeds_on_a_line_and_seeds_at_one_place_do():
    along = np.stack([np.zeros(12), np.arange(12.0) * 9], 1)
    made = diagram(np.concatenate([along, along]))
    near, gaps = np.empty((3, *SHAPE), np.int32), np.empty((2, *SHAPE), np.float32)
    none = np.zeros((2, *SHAPE), np.float32)
    cells_of(made, 11, ORIGIN, SPACING, *none, 2.0, near, gaps)
    own = np.linalg.norm(_place(none)[:, :, None] - made.seeds, axis=-1).argmin(-1)
    assert len(made.seeds) == 12
    assert np.array_equal(near[0], own)


def test_on_a_border_the_lower_number_wins_wherever_the_walk_begins():
    made = diagram(np.array([[0.0, 0.0], [0.0, 8.0], [50.0, 4.0]]))
    none = np.zeros((2, 1, 1), np.float32)
    found = []
    for at in range(3):
        near, gaps = np.empty((3, 1, 1), np.int32), np.empty((2, 1, 1), np.float32)
        cells_of(made, at, (0.0, 4.0), 1.0, *none, 1.0, near, gaps)
        found.append(int(near[0, 0, 0]))
    assert found == [0, 0, 0]
