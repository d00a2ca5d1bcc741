"""The tiled diagrams equal brute force, pixel for pixel."""

import numpy as np
import pytest

from simcell.cells.nearest import nearest_seed


def _brute(seeds, weights, mask, warp=None):
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    if warp is not None:
        y, x = y + warp[0], x + warp[1]
    square = (y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2
    return np.where(mask, np.argmin(square - weights, axis=-1) + 1, 0)


@pytest.mark.parametrize("count", [1, 2, 7, 60, 400])
@pytest.mark.parametrize("kind", ["voronoi", "power", "warped"])
def test_equals_brute_force(count, kind):
    rng = np.random.default_rng(count)
    shape = (75, 130)
    seeds = rng.uniform(-15, 145, (count, 2))
    weights = rng.uniform(0, 200, count) if kind == "power" else np.zeros(count)
    mask = rng.random(shape) > 0.2
    warp = None
    if kind == "warped":
        y, x = np.mgrid[:75, :130].astype(np.float32)
        warp = (4 * np.sin(x / 9, dtype=np.float32), 5 * np.cos(y / 7, dtype=np.float32))
    assert np.array_equal(
        nearest_seed(seeds, weights, mask, warp), _brute(seeds, weights, mask, warp)
    )


def test_no_seeds_no_cells():
    assert not nearest_seed(np.zeros((0, 2)), np.zeros(0), np.ones((9, 9), bool)).any()
