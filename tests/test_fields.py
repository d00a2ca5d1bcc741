"""Random fields have the variance and the correlation that they promise."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from simcell.fields import (
    blur,
    border_distance,
    perlin_noise,
    smooth_line,
    smooth_noise,
    white_noise,
)


def _correlation(field, lag):
    return np.mean(field[:, lag:] * field[:, :-lag]) / np.mean(field**2)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("scale", [1.0, 3.0, 8.0, 25.0])
def test_smooth_noise_has_unit_variance_and_gaussian_correlation(scale, periodic):
    rng = np.random.default_rng(5)
    fields = np.stack([smooth_noise((256, 256), scale, rng, periodic=periodic) for _ in range(24)])
    # About this many independent patches bound the error of a variance.
    patches = fields.size / (2 * np.pi * scale**2 + 1)
    assert abs(fields.var() - 1) < max(0.04, 4 * np.sqrt(2 / patches))
    assert abs(fields.mean()) < 4 / np.sqrt(patches)
    lag = max(1, round(scale))
    expected = np.exp(-0.5 * (lag / scale) ** 2)
    measured = np.mean([_correlation(f, lag) for f in fields])
    assert abs(measured - expected) < max(0.03, 4 / np.sqrt(patches))


@pytest.mark.parametrize(("shape", "scale"), [((12, 600), 300.0), ((700, 9), 250.0), ((8, 9), 1e7)])
def test_noise_far_longer_than_a_side_is_bounded_and_keeps_its_law(shape, scale):
    # Blurred at the resolution of the short side, the last one needs a hundred terabytes.
    rng = np.random.default_rng(6)
    fields = np.stack([smooth_noise(shape, scale, rng) for _ in range(2000)])
    assert fields.shape[1:] == shape
    assert fields.dtype == np.float32
    variance = fields.var(axis=0)
    error = np.sqrt(2 / len(fields))
    assert np.all(np.abs(variance - 1) < 6 * error)
    assert abs(fields.mean()) < 5 / np.sqrt(len(fields))
    lines = fields if shape[1] > shape[0] else fields.swapaxes(1, 2)
    for lag in (0, lines.shape[2] // 4, lines.shape[2] - 1):
        measured = np.mean(lines[:, 0, 0] * lines[:, 0, lag])
        assert abs(measured - np.exp(-0.5 * (lag / scale) ** 2)) < 5 * error


def test_periodic_noise_meets_itself():
    field = smooth_noise((96, 64), 6.0, np.random.default_rng(0), periodic=True)
    step = np.abs(np.diff(field, axis=1)).mean()
    assert np.abs(field[:, 0] - field[:, -1]).mean() < 2 * step


def test_interpolated_noise_is_even_between_nodes():
    rng = np.random.default_rng(1)
    fields = np.stack([smooth_noise((64, 64), 9.0, rng) for _ in range(600)])
    variance = fields.var(axis=0)
    assert variance.min() > 0.75
    assert variance.max() < 1.3


@pytest.mark.parametrize("sigma", [0.1, 0.6, 2.0])
def test_white_noise_keeps_unit_variance(sigma):
    field = white_noise((512, 512), sigma, np.random.default_rng(2))
    assert abs(field.var() - 1) < 0.03


def test_perlin_noise_has_unit_variance_and_no_clouds():
    rng = np.random.default_rng(3)
    perlin = np.stack([perlin_noise((256, 256), 16.0, rng) for _ in range(12)])
    value = np.stack([smooth_noise((256, 256), 8.0, rng) for _ in range(12)])
    assert abs(perlin.var() - 1) < 0.05

    def low_power(fields):
        power = np.abs(np.fft.fft2(fields)) ** 2
        return power[:, 1:4, 1:4].mean() / power.mean()

    assert low_power(perlin) < 0.3 * low_power(value)


def test_perlin_noise_resembles_the_noise_package():
    noise = pytest.importorskip("noise")
    theirs = np.array([[noise.pnoise2(x / 16, y / 16) for x in range(256)] for y in range(256)])
    ours = np.stack([perlin_noise((256, 256), 16.0, np.random.default_rng(i)) for i in range(8)])
    theirs = theirs / theirs.std()
    for lag in (2, 5, 8):
        got = np.mean([_correlation(f, lag) for f in ours])
        assert abs(got - _correlation(theirs, lag)) < 0.12


@pytest.mark.parametrize("sigma", [1.0, 4.0, 6.0, 12.0])
def test_fast_blur_is_a_gaussian(sigma):
    from scipy.ndimage import gaussian_filter

    image = np.random.default_rng(0).random((128, 160)).astype(np.float32)
    image[30:60, 40:90] += 3
    exact = gaussian_filter(image, sigma, mode="reflect", truncate=3.0)
    assert np.abs(blur(image, sigma) - exact).max() < 0.04 * np.ptp(exact)


def test_border_distance_against_brute_force():
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 4, (6, 6)), np.ones((9, 9))).astype(np.int32)
    touching = np.zeros(labels.shape, bool)
    touching[1:] |= labels[1:] != labels[:-1]
    touching[:-1] |= labels[1:] != labels[:-1]
    touching[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    touching[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    exact = distance_transform_edt(~touching) + 0.5
    # The 5 x 5 chamfer mask is within 2 % of Euclidean distances.
    assert np.abs(border_distance(labels) / exact - 1).max() < 0.02


def test_border_distance_without_borders_is_large():
    assert border_distance(np.ones((16, 16), np.int32)).min() >= 16


@pytest.mark.parametrize("scale", [1.0, 2.0, 9.0, 60.0])
def test_smooth_lines_have_unit_variance_and_gaussian_correlation(scale):
    rng = np.random.default_rng(8)
    lines = np.stack([smooth_line(600, scale, rng) for _ in range(300)])
    pieces = lines.size / (1 + np.sqrt(np.pi) * scale)
    assert abs(lines.var() - 1) < max(0.03, 4 * np.sqrt(2 / pieces))
    assert abs(lines.mean()) < 4 * np.sqrt(2.5 * scale / lines.size + 1 / lines.size)
    # No node shows: variance is the same everywhere, and so is that of the slope.
    assert np.ptp(lines.var(axis=0)) < 1.3
    lag = max(1, round(scale))
    expected = np.exp(-0.5 * (lag / scale) ** 2)
    measured = np.mean(lines[:, lag:] * lines[:, :-lag])
    assert abs(measured - expected) < max(0.03, 4 / np.sqrt(pieces))


def test_smooth_lines_have_no_kinks():
    line = smooth_line(4000, 60.0, np.random.default_rng(0))
    # The curvature of a Gaussian process is 3 / s⁴ in variance; a kink would be a spike in it.
    bend = np.diff(line, 2)
    assert np.abs(bend).max() < 6 * np.sqrt(3) / 60**2
