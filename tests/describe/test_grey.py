"""Grey levels: against images of which the answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from simcell import load_preset, simulate
from simcell.arrays import Image, IntArray
from simcell.describe import grey, zones
from simcell.describe.lines import register
from simcell.fields import white_noise


def noisy(level: float = 100.0, sd: float = 4.0, blur_px: float = 0.0, seed: int = 0) -> Image:
    field = white_noise((128, 128), blur_px, np.random.default_rng(seed))
    return np.asarray(level + sd * field, np.float32)


def squares(side: int = 16, count: int = 8) -> IntArray:
    blocks = np.arange(1, count**2 + 1).reshape(count, count)
    return np.kron(blocks, np.ones((side, side))).astype(np.int32)


def where(labels: IntArray) -> zones.Zones:
    return zones.Zones(labels, np.ones(labels.shape, np.bool_), 0.5, zones.mean_radius_px(labels))


@pytest.mark.parametrize("sd", [1.0, 4.0, 12.0])
def test_white_noise_has_its_variance_at_all_frequencies_and_its_spread_at_all_levels(
    sd: float,
) -> None:
    image = noisy(sd=sd)
    power = grey.spectrum(image).y
    assert np.max(np.abs(power[-3:] / sd**2 - 1)) < 0.06  # thousands of frequencies a band
    assert np.nanmax(np.abs(grey.noise(image).y / sd - 1)) < 0.05


def test_noise_of_photons_grows_with_the_root_of_the_signal() -> None:
    rng = np.random.default_rng(1)
    ramp = np.tile(np.linspace(20, 200, 256), (256, 1))
    gain = 0.5  # grey levels per photon: variance = gain · level
    curve = grey.noise((gain * rng.poisson(ramp / gain)).astype(np.float32))
    assert np.max(np.abs(curve.y**2 / (gain * curve.x) - 1)) < 0.12


def test_noise_is_blind_to_slopes_and_straight_edges() -> None:
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    assert grey.noise(2 * rows + columns).y.max() < 1e-3
    step = np.where(columns > 31, 200, 50).astype(np.float32)
    assert np.nanmax(grey.noise(step).y) < 1e-3


@pytest.mark.parametrize("sigma", [0.8, 1.2])
def test_grain_of_blurred_noise_is_that_of_a_gaussian(sigma: float) -> None:
    # What is left of noise blurred by sigma after a blur by 2.5 px is taken off: three Gaussians.
    def left(distance: float) -> float:
        terms = ((1, 2 * sigma**2), (-2, 2 * sigma**2 + 2.5**2), (1, 2 * sigma**2 + 2 * 2.5**2))
        return float(sum(s * np.exp(-(distance**2) / (2 * v)) / v for s, v in terms))

    lags = grey.grain(noisy(blur_px=sigma))
    for value, distance in zip(lags.y, (1, 1, 2, 2, 4, 4), strict=True):
        assert value == pytest.approx(left(distance) / left(0), abs=0.04)


def test_lines_out_of_register_show_along_one_axis_only() -> None:
    image = noisy(sd=10, blur_px=1.0)
    shifts = np.random.default_rng(2).integers(-1, 2, 128)
    shifted = np.stack([np.roll(row, s) for row, s in zip(image, shifts, strict=True)])
    lags = grey.grain(shifted)
    assert lags.y[1] < lags.y[0] - 0.1  # along y less alike than along x


@pytest.mark.parametrize(("radius", "lost"), [(1, 2), (2, 3), (3, 5)])
def test_discs_are_lost_with_the_first_disc_that_is_larger(radius: int, lost: int) -> None:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    tile = 10.0 + 70.0 * np.pad(disc, 6)
    steps = grey.granularity(np.tile(tile, (8, 8)).astype(np.float32))
    assert steps.x[int(np.argmax(steps.y))] == lost
    assert steps.y.sum() == pytest.approx(tile.mean() - 10.0, rel=0.05)


@pytest.mark.parametrize("brightness", [0.0, 0.15, 0.8, 1.1])
def test_polarity_tells_bright_lines_from_dark_ones(brightness: float) -> None:
    preset = load_preset("confluent").with_set(
        [
            "region.kind=full",
            f"imaging.membrane.brightness={brightness}",
            "imaging.cytoplasm.brightness=0.4",
            "frame.spacing_um=1.0",
            "imaging.noise=medium",
        ]
    )
    told = []
    for index in range(4):
        scene = preset.scene(seed=4, index=index)
        image = simulate(scene, seed=4, index=index).image
        assert image is not None
        told.append(grey.polarity(image.astype(np.float32)))
    assert np.sign(np.median(told)) == np.sign(brightness - 0.4)


@pytest.mark.parametrize("side", [10, 16, 24])
def test_the_ring_is_as_wide_as_cells_are_apart(side: int) -> None:
    labels = squares(side, 192 // side)
    image = np.where(where(labels).depth_px < 2, 60, 120) + noisy(0, 5)[:1, :1]
    rng = np.random.default_rng(side)
    image = (image + 5 * rng.standard_normal(labels.shape)).astype(np.float32)
    assert grey.ring(image) == pytest.approx(side, rel=0.15)


def test_illumination_that_doubles_across_is_seen() -> None:
    even = noisy()
    ramp = np.linspace(2 / 3, 4 / 3, 128, dtype=np.float32)[None, :]
    seen = grey.grey_of(even * ramp)
    # A ramp from 2/3 to 4/3 has a spread of (2/3) / sqrt(12).
    assert seen.tilt == pytest.approx((2 / 3) / np.sqrt(12), rel=0.05)
    assert grey.grey_of(even).tilt < 0.01


def test_summary_has_a_finite_number_under_every_name() -> None:
    numbers = grey.summary(grey.grey_of(noisy()))
    assert len(numbers) > 40
    assert all(np.isfinite(v) for name, v in numbers.items() if "power" not in name)


def test_levels_of_borders_bodies_and_ground_are_told_apart() -> None:
    labels = squares()
    labels[:, :32] = 0
    place = where(labels)
    image = np.where(place.depth_px < 0, 20.0, np.where(place.depth_px < 1, 60.0, 150.0))
    levels = zones.levels_of(image.astype(np.float32), place)
    assert (levels.border, levels.interior, levels.background) == pytest.approx((60, 150, 20))
    assert levels.contrast == pytest.approx(60 / 150 - 1)


def test_spread_between_cells_is_not_spread_within() -> None:
    labels, rng = squares(), np.random.default_rng(3)
    own = 100 * (1 + 0.2 * rng.standard_normal(65))
    between = zones.levels_of(own[labels].astype(np.float32), where(labels))
    within = zones.levels_of(noisy(sd=20), where(labels))
    assert between.cell_cv == pytest.approx(0.2, rel=0.35)
    assert between.texture_cv < 0.08
    assert within.texture_cv == pytest.approx(0.2, rel=0.1)
    assert within.cell_cv < 0.05


def test_dark_middles_show_as_such() -> None:
    labels = squares()
    place = where(labels)
    image = np.where(place.depth_px > 5.5, 50.0, 100.0).astype(np.float32)
    assert zones.levels_of(image, place).middle < -0.1
    assert zones.levels_of(noisy(), place).middle == pytest.approx(0, abs=0.02)


def test_slow_light_is_no_ring() -> None:
    preset = load_preset("confluent").with_set(["frame.shape=[256, 128]"])
    told = []
    for index in range(6):
        image = simulate(preset.scene(seed=5, index=index), seed=5, index=index).image
        assert image is not None
        waves = np.sin(np.arange(256) * 2 * np.pi / 80)[:, None]
        told.append(grey.ring(image.astype(np.float32) + np.float32(90) * waves.astype(np.float32)))
    assert max(told) < 128 / 3


def test_the_ring_of_orderly_tissue_is_empty() -> None:
    dips = []
    for lloyd in (0, 12):
        preset = load_preset("confluent").with_set(
            [f"cells.lloyd={lloyd}", "points.distance_um=4", "imaging.cytoplasm.cell_cv=0"]
        )
        scenes = [preset.scene(seed=6, index=i) for i in range(10)]
        images = [simulate(s, seed=6, index=i).image for i, s in enumerate(scenes)]
        dips.append(np.nanmean([grey.dip(i.astype(np.float32)) for i in images if i is not None]))
    assert dips[1] > dips[0] + 0.2


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.8])
def test_lines_out_of_register_are_told(shift: float) -> None:
    rng = np.random.default_rng(3)
    image = noisy(blur_px=3.0, sd=30.0)
    at = np.arange(128)
    moved = [
        np.interp(at - by, at, row)
        for by, row in zip(shift * rng.standard_normal(128), image, strict=True)
    ]
    told = register(np.array(moved, np.float32))
    # Against the mean of two neighbours that are shifted themselves.
    assert told == pytest.approx(np.sqrt(1.5) * shift, rel=0.2, abs=0.06)
