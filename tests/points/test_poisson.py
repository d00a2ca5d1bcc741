"""Uneven Poisson and binomial processes."""

import numpy as np
import pytest
import tifffile
from points.reference import LIMIT, z_of

from simcell.arrays import Window
from simcell.errors import SimcellError
from simcell.points import poisson, sample
from simcell.rng import stream
from simcell.scene.points import Binomial, Poisson

SQUARE = Window((100.0, 100.0))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_linear_gradient(axis):
    window = Window((50.0, 80.0, 100.0))
    spec = Binomial(count=20_000, gradient_axis=axis, gradient_ratio=4.0)
    points = sample(spec, window, stream(1, axis, "gradient")).points
    for other in range(3):
        u = points[:, other] / window.size_um[other]
        # Density 2/5 (1 + 3u): mean 3/5, mean square 13/30.
        assert abs(z_of(u, 0.6 if other == axis else 0.5)) < LIMIT
        assert abs(z_of(u**2, 13 / 30 if other == axis else 1 / 3)) < LIMIT


def test_gradient_within_a_mask():
    mask = np.zeros((4, 4), bool)
    mask[1:3, 2] = True
    window = Window((100.0, 100.0), mask)
    spec = Binomial(count=20_000, gradient_axis=0, gradient_ratio=3.0)
    points = sample(spec, window, stream(1, 3, "gradient")).points
    assert window.contains(points).all()
    u = points[:, 0] / 100
    # Density 1 + 2u on [1/4, 3/4].
    whole = 0.5 + (0.75**2 - 0.25**2)
    mean = (0.5 * (0.75**2 - 0.25**2) + 2 / 3 * (0.75**3 - 0.25**3)) / whole
    assert abs(z_of(u, mean)) < LIMIT


@pytest.mark.parametrize("suffix", ["npy", "tif", "array"])
def test_intensity_map(tmp_path, suffix):
    values = np.array([[1.0, 3.0], [0.0, 4.0]], np.float32)
    spec, given = Poisson(density=1e6), None
    if suffix == "array":
        given = values
    else:
        path = str(tmp_path / f"map.{suffix}")
        np.save(path, values) if suffix == "npy" else tifffile.imwrite(path, values)
        spec = Poisson(density=1e6, intensity_map=path)
    counts = []
    for k in range(200):
        points = poisson.sample(spec, SQUARE, stream(1, k, "map"), given).points
        upper = points >= 50
        counts.append([(~upper[:, 0] & ~upper[:, 1]).sum(), (upper[:, 0] & upper[:, 1]).sum()])
        assert not (upper[:, 0] & ~upper[:, 1]).any()
    # The mean density stays: 10,000 points, 1/8 and 4/8 of them.
    for column, share in zip(np.array(counts).T, (1 / 8, 1 / 2), strict=True):
        assert abs(z_of(column, 1e4 * share)) < LIMIT
        assert abs(z_of((column - column.mean()) ** 2, column.mean())) < LIMIT


def test_map_on_a_mask_of_another_shape():
    mask = np.ones((8, 4), bool)
    mask[:, 0] = False
    window = Window((100.0, 100.0), mask)
    values = np.array([[1.0, 3.0]])
    points = poisson.sample(Binomial(count=20_000), window, stream(1, 4, "map"), values).points
    assert window.contains(points).all()
    assert abs(z_of(points[:, 1] >= 50, 6 / 7)) < LIMIT


@pytest.mark.parametrize(
    "values",
    [np.zeros((2, 2)), np.array([[1.0, -1.0]]), np.array([[np.nan, 1.0]]), np.ones(3)],
)
def test_useless_maps_are_refused(values):
    with pytest.raises(SimcellError, match="intensity_map"):
        poisson.sample(Poisson(), SQUARE, stream(1, 0, "map"), values)
