"""Fluorescence: photons, point sources, depth of field, light, texture, files."""

import cv2
import numpy as np
import pytest

from simcell.arrays import Grid, Parts
from simcell.fields import FWHM
from simcell.imaging import View, camera, render
from simcell.imaging.camera import expose, photons
from simcell.imaging.fluorescence import clouds, illumination, out_of_focus
from simcell.imaging.texture import textures
from simcell.rng import Streams
from simcell.scene.imaging import (
    FluoCamera,
    FluoField,
    FluoFocus,
    FluoPart,
    Fluorescence,
    FluoTexture,
)

FLAT = FluoTexture(bias=1.0)
DARK = FluoPart(brightness=0.0)
CLEAN = FluoCamera(photons=1e7, read_noise=0, gain=4e-3, offset=0, bits=16)


def view_of(owner, depth_um=0.0, spacing=1.0, part="body"):
    count = int(owner.max())
    there, none = owner > 0, np.zeros(owner.shape, bool)
    parts = Parts(
        owner,
        *(there if part == name else none for name in ("body", "nucleus", "spot")),
        np.broadcast_to(np.asarray(depth_um, float), (count,)).copy(),
    )
    grid = Grid(owner.shape, (spacing, spacing))
    return View(
        owner, np.ones(owner.shape, np.float32), np.zeros((count, 2)), owner > 0, grid, parts
    )


def points(*places, shape=(101, 101)):
    owner = np.zeros(shape, np.int32)
    for number, (y, x) in enumerate(places):
        owner[y, x] = number + 1
    return owner


def clean(**changes):
    """Flat cytoplasm of brightness 1 and an ideal camera."""
    body = FluoPart(brightness=1.0, cell_cv=0.0, texture=FLAT)
    fields = {"cytoplasm": body, "nucleus": DARK, "spots": DARK, "psf_um": 0.0, "camera": CLEAN}
    return Fluorescence(**(fields | changes))


def sigma(grey):
    """Standard deviation along y of a blob, from its second moment."""
    grey = grey.astype(float)
    y = np.arange(len(grey))
    weight = grey.sum(axis=1) / grey.sum()
    middle = (weight * y).sum()
    return np.sqrt((weight * (y - middle) ** 2).sum())


@pytest.mark.parametrize("mean", [0.02, 0.5, 3.0, 12.0, 19.9, 20.1, 60.0, 4000.0])
def test_the_variance_of_photons_is_their_mean(mean):
    normal = np.random.default_rng(1).standard_normal((400, 400), dtype=np.float32)
    counts = photons(np.full((400, 400), mean / 100, np.float32), 100.0, normal).astype(float)
    error = np.sqrt(mean / counts.size)
    assert abs(counts.mean() - mean) < 4 * error
    assert counts.var() == pytest.approx(mean, rel=0.02 + 4 / np.sqrt(mean * counts.size))
    skew = np.mean((counts - mean) ** 3) / mean**1.5
    assert skew == pytest.approx(1 / np.sqrt(mean), rel=0.04, abs=0.03)


def test_few_photons_are_poisson_distributed():
    normal = np.random.default_rng(2).standard_normal((500, 500), dtype=np.float32)
    counts = photons(np.full((500, 500), 1.5, np.float32), 1.0, normal).astype(int)
    share = np.bincount(counts.ravel(), minlength=6)[:6] / counts.size
    wanted = [0.22313, 0.33470, 0.25102, 0.12551, 0.04707, 0.01412]
    assert np.allclose(share, wanted, atol=4 * np.sqrt(0.25 / counts.size))


def test_gain_read_noise_and_offset_have_their_units():
    light = np.full((300, 300), 0.5, np.float32)
    spec = FluoCamera(photons=2000, read_noise=30, gain=2.0, offset=100, bits=16)
    grey = expose(light, spec, Streams(0, 0)).astype(float)
    assert grey.mean() == pytest.approx(2.0 * 1000 + 100, abs=1)
    assert grey.var() == pytest.approx(4.0 * (1000 + 900) + 1 / 12, rel=0.02)


def test_smoothing_spares_the_light_and_ties_the_noise_of_neighbours():
    light = np.full((400, 400), 0.5, np.float32)
    spec = FluoCamera(photons=2000, read_noise=30, smooth_px=1.2, gain=2.0, offset=100, bits=16)
    grey = expose(light, spec, Streams(0, 0)).astype(float) - 2100
    at = np.arange(-12, 13)
    kernel = np.exp(-(at**2) / (2 * 1.2**2))
    kernel /= kernel.sum()
    tied = np.correlate(kernel, kernel, "full")[24:]
    assert grey.mean() == pytest.approx(0, abs=1)
    # Of the noise after one Gaussian, as long as the kernel's tails do not matter.
    assert grey.var() == pytest.approx(4.0 * (1000 + 900) * tied[0] ** 2 + 1 / 12, rel=0.03)
    for lag in (1, 2):
        both = (grey[:, lag:] * grey[:, :-lag]).mean() / grey.var()
        assert both == pytest.approx(tied[lag] / tied[0], abs=0.02)
    edge = np.zeros((64, 64), np.float32)
    edge[:, 32:] = 1.0
    spec = FluoCamera(photons=1e6, read_noise=0, smooth_px=1.2, gain=0.01, offset=0, bits=16)
    slope = np.diff(expose(edge, spec, Streams(0, 0)).astype(float).mean(axis=0))[24:39]
    spread = np.sqrt(np.average((np.arange(15) - 7) ** 2, weights=slope))
    assert spread == pytest.approx(1.2, rel=0.05)


def test_smoothing_takes_planes_one_by_one():
    stack = np.zeros((3, 16, 16), np.float32)
    stack[1] = 1000.0
    smooth = camera._smooth(stack, 2.0)
    assert not smooth[[0, 2]].any()
    assert np.allclose(smooth[1], 1000)


def test_a_point_source_shows_the_psf():
    image = render(clean(psf_um=4.0), view_of(points((50, 50))), Streams(0, 0))
    assert image.dtype == np.uint16
    assert sigma(image) == pytest.approx(4.0 / FWHM, rel=0.02)
    half = image[50] > image[50].max() / 2
    assert 3 <= half.sum() <= 5


def test_the_psf_is_in_micrometres():
    image = render(clean(psf_um=4.0), view_of(points((50, 50)), spacing=0.5), Streams(0, 0))
    assert sigma(image) == pytest.approx(8.0 / FWHM, rel=0.02)


def test_every_object_is_blurred_by_its_own_depth():
    depth = np.array([0.0, 1.0, -2.5, 4.0])
    owner = points((40, 40), (40, 120), (120, 40), (120, 120), shape=(160, 160))
    spec = clean(psf_um=2.0, focus=FluoFocus(plane_um=0.5, blur=0.8))
    image = render(spec, view_of(owner, depth), Streams(0, 0))
    quarters = [image[:80, :80], image[:80, 80:], image[80:, :80], image[80:, 80:]]
    for quarter, z in zip(quarters, depth, strict=True):
        assert sigma(quarter) == pytest.approx(np.hypot(2 / FWHM, 0.8 * (z - 0.5)), rel=0.04)


def test_touching_objects_have_depths_of_their_own():
    owner = np.zeros((80, 160), np.int32)
    owner[20:60, 40:80], owner[20:60, 80:120] = 1, 2
    spec = clean(focus=FluoFocus(blur=1.0))
    image = render(spec, view_of(owner, [0.0, 5.0]), Streams(0, 0)).astype(float)
    steep = np.abs(np.diff(image[40]))
    assert steep[30:50].max() > 5 * steep[110:130].max()


def test_blur_keeps_the_light():
    owner = points((50, 50), (50, 60), (60, 50), (40, 52))
    light = (owner > 0).astype(np.float32)
    parts = view_of(owner).parts
    blurred = out_of_focus(light, parts, np.array([0.3, 1.1, 2.6, 5.5]))
    assert blurred.sum() == pytest.approx(4.0, rel=1e-3)


def test_uneven_light_is_an_inverted_paraboloid():
    shade = illumination(FluoField(misalignment=0), (64, 96), np.random.default_rng(0))
    assert shade.max() == pytest.approx(1, abs=1e-3)
    assert 0 <= shade[0, 0] < 0.03
    distance = (np.arange(96) + 0.5 - 48) ** 2 / (0.25 * (64**2 + 96**2))
    assert np.allclose(1 - shade[32], distance, atol=1e-3)
    tops = [
        np.unravel_index(
            illumination(FluoField(misalignment=0.2), (64, 64), np.random.default_rng(s)).argmax(),
            (64, 64),
        )
        for s in range(50)
    ]
    off = np.abs(np.array(tops) - 31.5) / 64
    assert 0.15 < off.max() <= 0.21


def test_glow_is_added_and_falloff_multiplies():
    owner = np.ones((64, 64), np.int32)
    base = render(clean(), view_of(owner), Streams(0, 0)).astype(float)
    level = base.mean()
    glow = render(
        clean(field=FluoField(glow=0.3, misalignment=0)), view_of(owner), Streams(0, 0)
    ).astype(float)
    assert glow[32, 32] - level == pytest.approx(0.3 * level, rel=0.01)
    assert glow[0, 0] == pytest.approx(level, rel=0.02)
    fall = render(
        clean(field=FluoField(falloff=0.4, misalignment=0)), view_of(owner), Streams(0, 0)
    ).astype(float)
    assert fall[32, 32] == pytest.approx(level, rel=0.01)
    assert fall[0, 0] == pytest.approx(0.6 * level, rel=0.03)


def test_autofluorescence_is_a_cloud_over_all():
    cloud = clouds((80, 120), np.random.default_rng(0))
    assert cloud.min() == 0
    assert cloud.max() == pytest.approx(1)
    assert np.abs(np.diff(cloud, axis=0)).max() < 0.1
    dark = np.zeros((64, 64), np.int32)
    image = render(clean(field=FluoField(autofluorescence=0.5)), view_of(dark), Streams(0, 0))
    assert image.max() == pytest.approx(0.5 * 40_000, rel=0.02)


def texture(side=64, seed=0, **law):
    owner = np.ones((side, side), np.int32)
    level = np.array([0.0, 1.0], np.float32)
    spec = FluoTexture(**law)
    return textures(owner, owner > 0, level, spec, np.random.default_rng(seed))


def correlation(field, lag):
    field = field - field.mean()
    return float((field[:, lag:] * field[:, :-lag]).mean() / field.var())


def test_texture_runs_from_its_bias_to_one():
    for bias in (0.0, 0.2, 0.7, 1.0):
        field = texture(bias=bias)
        assert field.min() == pytest.approx(bias, abs=1e-4)
        assert field.max() == pytest.approx(1, abs=1e-4)


def test_texture_has_the_scales_asked_for():
    def at(lag, **law):
        return np.mean([correlation(texture(seed=s, **law), lag) for s in range(8)])

    coarse, fine = at(12, first=2, octaves=1), at(12, first=4, octaves=1)
    assert coarse > 0.5 > 0.2 > abs(fine)
    # More persistence gives finer octaves more weight.
    assert at(1, persistence=0.3) > at(1, persistence=0.6) > at(1, persistence=1.0)
    # An octave beyond the pixels is white noise.
    assert abs(at(3, first=8, octaves=2)) < 0.05


def test_an_octave_is_opencv_s_bicubic_stretch_of_averaged_values():
    side, k = 64, 3
    field = texture(side=side, seed=4, first=k, octaves=1, bias=0.0)
    values = np.random.default_rng(4).random(4**k, dtype=np.float32).reshape(2**k, 2**k)
    padded = cv2.copyMakeBorder(values, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    mean = cv2.blur(padded, (3, 3))[1:-1, 1:-1]
    # OpenCV's kernel has a = -0.75, ours (SIMCEP's, Keys) a = -0.5.
    wanted = cv2.resize(mean, (side, side), interpolation=cv2.INTER_CUBIC)
    wanted = (wanted - wanted.min()) / np.ptp(wanted)
    assert np.corrcoef(field.ravel(), wanted.ravel())[0, 1] > 0.998


def test_objects_have_textures_of_their_own():
    owner = np.zeros((32, 96), np.int32)
    for number in range(3):
        owner[2:30, 32 * number + 2 : 32 * number + 30] = number + 1
    level = np.array([0, 1, 0.5, 2], np.float32)
    field = textures(owner, owner > 0, level, FluoTexture(), np.random.default_rng(0))
    assert not field[owner == 0].any()
    peaks = [field[owner == number].max() for number in (1, 2, 3)]
    assert np.allclose(peaks, level[1:], rtol=1e-3)
    first, second = field[2:30, 2:30], field[2:30, 34:62]
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.6


def test_cells_differ_in_brightness_as_asked():
    owner = np.arange(1, 1025, dtype=np.int32).reshape(32, 32).repeat(2, 0).repeat(2, 1)
    body = FluoPart(brightness=0.5, cell_cv=0.3, texture=FLAT)
    image = render(clean(cytoplasm=body), view_of(owner), Streams(0, 0))[::2, ::2].astype(float)
    assert image.mean() / 4e4 == pytest.approx(0.5, rel=0.04)
    assert image.std() / image.mean() == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("part", ["body", "nucleus", "spot"])
def test_every_part_has_its_brightness(part):
    name = {"body": "cytoplasm", "nucleus": "nucleus", "spot": "spots"}[part]
    lit = FluoPart(brightness=0.6, cell_cv=0.0, texture=FLAT)
    owner = np.ones((16, 16), np.int32)
    image = render(
        clean(**{"cytoplasm": DARK, name: lit}), view_of(owner, part=part), Streams(0, 0)
    )
    assert image.mean() == pytest.approx(0.6 * 4e4, rel=0.01)


def test_cells_without_parts_are_cytoplasm():
    labels = np.zeros((32, 32), np.int32)
    labels[8:24, 8:24] = 1
    distance = np.ones(labels.shape, np.float32)
    grid = Grid((32, 32), (1.0, 1.0))
    view = View(labels, distance, np.array([[16.0, 16.0]]), labels > 0, grid)
    image = render(clean(), view, Streams(0, 0))
    assert np.array_equal(image > 1000, labels > 0)


def test_jpeg_loses_a_little_and_needs_8_bits():
    light = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    spec = {"photons": 1e6, "read_noise": 0, "gain": 2.4e-4}
    plain, good, poor = (
        expose(light, FluoCamera(jpeg=q, **spec), Streams(0, 0)).astype(int) for q in (0, 95, 20)
    )
    assert 0 < np.abs(plain - good).mean() < np.abs(plain - poor).mean()
    with pytest.raises(ValueError, match="JPEG holds 8 bits"):
        FluoCamera(jpeg=90, bits=16)


def test_both_depths_saturate_at_their_top():
    light = np.full((8, 8), 1e3, np.float32)
    for bits, top in ((8, 255), (16, 65535)):
        assert np.all(expose(light, FluoCamera(bits=bits, gain=10), Streams(0, 0)) == top)
