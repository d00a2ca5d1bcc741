"""Noise obeys its physics."""

import numpy as np
import pytest
from scipy import stats

from simcell.imaging.detector import detect, interlace, peaked, shift_lines, speckle

SHAPE = (512, 512)


@pytest.mark.parametrize("looks", [1.0, 2.5, 4.0, 9.0, 25.0])
@pytest.mark.parametrize("grain", [0.0, 2.0, 4.0])
def test_speckle_contrast_is_one_over_root_looks(looks, grain):
    rng = np.random.default_rng(1)
    field = np.stack([speckle(SHAPE, looks, grain, rng) for _ in range(4)])
    patches = field.size / max(1.0, 1.1 * grain**2)
    error = np.sqrt(1 / looks / patches)
    assert abs(field.mean() - 1) < 4 * error + 0.002
    contrast = field.std() / field.mean()
    # Of a gamma distribution: var(sample variance) = variance² (2 + 6 / looks) / n.
    spread = 0.5 * np.sqrt((2 + 6 / looks) / patches)
    assert abs(contrast * np.sqrt(looks) - 1) < 4 * spread + 0.004


def test_speckle_is_gamma_distributed():
    values = speckle((256, 256), 4.0, 0.0, np.random.default_rng(2)).ravel()
    assert stats.kstest(values, stats.gamma(4.0, scale=0.25).cdf).statistic < 0.008


def test_speckle_grain_is_the_width_of_the_autocorrelation():
    rng = np.random.default_rng(3)
    for grain in (2.0, 4.0, 6.0):
        fields = np.stack([speckle((256, 256), 400.0, grain, rng) - 1 for _ in range(6)])
        lag = round(grain / 2)
        got = np.mean(fields[:, :, lag:] * fields[:, :, :-lag]) / np.mean(fields**2)
        # The sampled kernel is a little wider than the continuous one at fine grain.
        assert abs(got - 0.5) < (0.08 if grain < 3 else 0.04)


@pytest.mark.parametrize("level", [0.2, 0.5])
@pytest.mark.parametrize("gain", [0.5, 1.0])
def test_variance_equals_mean_in_photons(level, gain):
    photons = 200.0
    flat = np.full(SHAPE, level, np.float32)
    grey = detect(flat, gain, 0.0, photons, 0.0, np.random.default_rng(4)) / 255.0
    count = grey / gain * photons
    rounding = (photons / gain / 255) ** 2 / 12
    assert count.mean() == pytest.approx(level * photons, rel=0.005)
    variance = count.var() - rounding
    # The error of a variance estimate from n normal values is sqrt(2 / n).
    assert abs(variance / count.mean() - 1) < 4 * np.sqrt(2 / count.size) + 0.005


def test_read_noise_adds_in_quadrature_and_offset_shifts():
    dark = (
        detect(np.zeros(SHAPE, np.float32), 1.0, 0.3, 100.0, 0.05, np.random.default_rng(5)) / 255
    )
    assert dark.mean() == pytest.approx(0.3, abs=0.001)
    assert dark.std() == pytest.approx(np.hypot(0.05, 1 / 255 / np.sqrt(12)), rel=0.01)


def test_saturation_clips():
    bright = detect(
        np.full((64, 64), 3.0, np.float32), 1.0, 0.0, 1e6, 0.0, np.random.default_rng(6)
    )
    assert (bright == 255).all()
    below = detect(
        np.full((64, 64), 0.1, np.float32), 1.0, -0.5, 1e6, 0.0, np.random.default_rng(6)
    )
    assert (below == 0).all()


def test_lines_shift_by_the_spread_asked_for():
    ramp = np.repeat(np.arange(400, dtype=np.float32)[None], 900, axis=0)
    moved = shift_lines(ramp, 0.8, np.random.default_rng(7)) - ramp
    shift = moved[:, 200]
    assert np.allclose(moved[:, 50:350], shift[:, None], atol=0.02)
    assert abs(shift.mean()) < 4 * 0.8 / 30
    assert abs(shift.std() / 0.8 - 1) < 4 / np.sqrt(2 * 900)


def test_no_jitter_is_no_change():
    image = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    assert shift_lines(image, 0.0, np.random.default_rng(1)) is image


def test_every_other_line_is_brighter_by_what_was_asked_for():
    image = np.full((20, 30), 0.5, np.float32)
    interlace(image, 0.1)
    assert image[0::2].mean() - image[1::2].mean() == pytest.approx(0.1 * 0.5, rel=1e-5)
    assert image.mean() == pytest.approx(0.5, rel=1e-6)


def test_peaking_sharpens_across_lines_and_not_along_them():
    step = np.zeros((32, 32), np.float32)
    step[:, 16:] = 1.0
    across = peaked(step, 0.5, 2.0)
    assert across.max() > 1.2
    assert across.min() < -0.2
    # Half of the detail of a step beside its middle: half a pixel off, a Gaussian's tail.
    expected = 1 + 0.5 * (1 - stats.norm.cdf(0.25))
    assert across[5, 16] == pytest.approx(expected, abs=0.01)
    assert np.allclose(peaked(step.T.copy(), 0.5, 2.0), step.T)


def test_peaking_below_zero_smears_lines():
    step = np.zeros((8, 32), np.float32)
    step[:, 16:] = 1.0
    assert peaked(step, -0.5, 2.0).max() <= 1.0
    assert 0.1 < peaked(step, -0.5, 2.0)[0, 15] < 0.3
