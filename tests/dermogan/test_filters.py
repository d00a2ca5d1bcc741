"""Filters against slow twins, closed forms, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage import filters as reference

from dermogan.domains import Canny, FilterSpec, Gabor, Sato
from dermogan.filters import apply, canny, gabor, local_normalise, reach_px, sato

RNG = np.random.default_rng(5)


def wave(angle: float, wavelength: float, side: int = 96) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wavelength).astype("f4")


def test_local_normalise_against_its_definition() -> None:
    image = RNG.normal(100, 20, (64, 80)).astype(np.float32)
    image[:, 40:] *= 3
    sigma, radius = 6.0, reach_px(6.0)

    def blur(a: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(a, sigma, mode="reflect", radius=radius)

    wide = image.astype(np.float64) - image.mean()
    variance = blur(wide**2) - blur(wide) ** 2 + (0.1 * wide.std()) ** 2
    expected = np.clip((wide - blur(wide)) / (3 * np.sqrt(variance)), -1, 1)
    np.testing.assert_allclose(local_normalise(image, sigma), expected, atol=2e-5)


def test_what_is_dim_stays_dim_above_the_floor() -> None:
    """A square wave a fifth as strong as the other half's: a floor of half the whole's spread."""
    half = np.tile(np.float32([-1, 1]), (128, 64))
    image = np.concatenate([half, 5 * half], axis=1)
    whole = float(image.std())
    for floor in (0.1, 0.5):
        dim = local_normalise(image, 8, floor=floor)[64, 64]
        assert abs(dim) == pytest.approx(1 / (3 * np.hypot(1, floor * whole)), rel=0.02)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_local_normalise_forgets_gain_and_offset(dtype: type) -> None:
    image = RNG.integers(0, 100, (64, 64)).astype(np.float32)
    other = (image * 2 + np.iinfo(dtype).max - 200).astype(dtype).astype(np.float32)
    np.testing.assert_allclose(local_normalise(image, 8), local_normalise(other, 8), atol=2e-4)


def test_a_flat_image_becomes_zero() -> None:
    assert np.abs(local_normalise(np.full((40, 40), 7, np.float32), 5)).max() == 0


def test_gabor_answers_its_own_wave_with_its_amplitude() -> None:
    middle = (slice(30, 66), slice(30, 66))
    for angle in (0, np.pi / 4, np.pi / 2):
        answer = gabor(0.5 * wave(angle, 8), 8, 8, 0.56)[middle]
        assert answer.max() == pytest.approx(0.5, abs=0.02)
    assert np.abs(gabor(np.full((64, 64), 3, np.float32), 8, 8, 0.56)).max() < 1e-4
    assert gabor(0.5 * wave(0, 40), 8, 8, 0.56)[middle].max() < 0.1


def test_gabor_turns_with_the_image() -> None:
    image = RNG.normal(size=(48, 48)).astype(np.float32)
    turned = gabor(np.ascontiguousarray(np.rot90(image)), 8, 8, 0.56)
    np.testing.assert_allclose(turned, np.rot90(gabor(image, 8, 8, 0.56)), atol=1e-4)


def test_sato_against_scikit_image() -> None:
    image = ndimage.gaussian_filter(RNG.normal(size=(64, 64)), 2).astype(np.float32)
    ours = sato(image, (2.0,))
    theirs = reference.sato(image, sigmas=[2.0], black_ridges=False, mode="reflect")
    inside = (slice(12, -12), slice(12, -12))
    # They take differences of a blurred image, we blur with derivatives: alike, not equal.
    assert np.corrcoef(ours[inside].ravel(), theirs[inside].ravel())[0, 1] > 0.99


def test_sato_sees_bright_lines_alone() -> None:
    line = np.zeros((41, 41), np.float32)
    line[:, 20] = 1
    assert sato(line, (1.0, 2.0))[20, 20] > 0.3
    assert sato(-line, (1.0, 2.0))[20, 20] == 0


def test_canny_finds_the_rim_of_a_disc() -> None:
    y, x = np.mgrid[:64, :64] - 31.5
    radius = np.hypot(y, x)
    disc = (radius < 16).astype(np.float32)
    edges = canny(disc, 1.5, 0.8, 0.95)
    assert edges.any()
    assert np.abs(radius[edges] - 16).max() < 2
    assert not canny(np.zeros((20, 20), np.float32), 2, 0.7, 0.85).any()


@pytest.mark.parametrize("spec", [Gabor(), Sato(), Canny()])
def test_domain_c_has_the_range_of_networks(spec: FilterSpec) -> None:
    image = local_normalise(RNG.normal(size=(64, 64)).astype(np.float32), 10)
    made = apply(spec, image)
    assert made.dtype == np.float32
    assert made.shape == image.shape
    assert -1 <= made.min() < 0.2
    assert 0.8 < made.max() <= 1


@pytest.mark.parametrize("kind", [Gabor, Sato])
def test_dark_lines_are_those_of_the_inverted_image(kind: type[Gabor | Sato]) -> None:
    line = np.zeros((41, 41), np.float32)
    line[:, 19:22] = -1
    np.testing.assert_array_equal(apply(kind(polarity="dark"), line), apply(kind(), -line))
    assert apply(kind(polarity="dark"), line)[20, 20] > 0.9
    assert apply(kind(), line)[20, 20] < 0.1


def test_filters_tell_membranes_from_grain() -> None:
    """On a simulated confocal image, both ridge filters rank membranes above the rest."""
    import simcell

    preset = simcell.load_preset("rcm-sg").with_set(["region.kind=full"])
    sample = simcell.simulate(preset.scene(seed=3, index=0), seed=3, index=0)
    image = local_normalise(sample.image.astype(np.float32), 20)
    lines = sample.prior > 127
    for spec in (Gabor(), Sato()):
        made = apply(spec, image)
        chance = np.mean(RNG.choice(made[lines], 4000) > RNG.choice(made[~lines], 4000))
        assert chance > 0.65
