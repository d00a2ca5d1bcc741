"""Fluorescence volumes: point spread function, depth, photons, clutter."""

import numpy as np
import pytest

from simcell.arrays import Block, Grid, VolumePainted
from simcell.hashed import gaussian, reach, smooth, soften
from simcell.imaging import glow, volume
from simcell.imaging.focus import blur_planes, row_of
from simcell.imaging.knots import knots, plane_at, row_at
from simcell.rng import Streams
from simcell.scene.imaging import FluoCamera
from simcell.scene.volume import (
    FluorescenceVolume,
    VolumeClutter,
    VolumeGolgi,
    VolumeOptics,
    VolumePart,
)
from simcell.words import key

GRID = Grid((40, 48, 48), (0.5, 0.25, 0.25))
DARK = VolumeClutter(haze=0, spots=0)
CLEAN = FluoCamera(photons=1e6, read_noise=0, gain=0.002, offset=0, bits=16)
LEVEL = 1e6 * 0.002


def flat(cls, brightness):
    return cls(brightness=brightness, cell_cv=0, texture=0)


def spec(**changes):
    base = {
        "nucleus": flat(VolumePart, 1.0),
        "golgi": flat(VolumeGolgi, 1.0),
        "clutter": DARK,
        "optics": VolumeOptics(lateral_um=0, axial_um=0, attenuation_um=None),
        "camera": CLEAN,
    }
    return FluorescenceVolume(**(base | changes))


def painted(owner, imaging, grid=GRID):
    """Lay an owner image of the field into a block with the halo that imaging needs."""
    edge = volume.halo(imaging, grid)
    wide = np.pad(owner.astype(np.int32), [(h, h) for h in edge])
    block = Block((0, 0, 0), owner.shape).grown(edge)
    return VolumePainted(block, wide, np.zeros(wide.shape, np.uint8), wide)


def shot(owner, imaging, grid=GRID, seed=0):
    return volume.image(imaging, painted(owner, imaging, grid), grid, Streams(seed, 0))


def test_a_point_spreads_as_wide_as_asked_along_each_axis():
    optics = VolumeOptics(lateral_um=1.0, axial_um=3.0, attenuation_um=None)
    owner = np.zeros(GRID.shape)
    owner[20, 24, 24] = 1
    bright = FluoCamera(photons=1e6, read_noise=0, gain=0.05, offset=0, bits=16)
    picture = shot(
        owner, spec(optics=optics, nucleus=flat(VolumePart, 20.0), camera=bright)
    ).astype(float)
    total = picture.sum()
    assert total == pytest.approx(1e6, rel=0.01)
    for axis, width in enumerate((3.0, 1.0, 1.0)):
        at = (np.arange(GRID.shape[axis]) + 0.5) * GRID.spacing_um[axis]
        line = picture.sum(axis=tuple({0, 1, 2} - {axis})) / total
        mean = at @ line
        sigma = np.sqrt(((at - mean) ** 2) @ line)
        assert mean == pytest.approx(at[(20, 24, 24)[axis]], abs=0.02)
        assert sigma * 2.3548 == pytest.approx(width, rel=0.03)


def test_light_fades_with_depth_as_asked():
    optics = VolumeOptics(lateral_um=0, axial_um=0, attenuation_um=10.0)
    picture = shot(np.ones(GRID.shape), spec(optics=optics)).mean(axis=(1, 2))
    depth = (np.arange(40) + 0.5) * 0.5
    slope = np.polyfit(depth, np.log(picture), 1)[0]
    assert slope == pytest.approx(-1 / 10.0, rel=0.01)
    assert picture[0] == pytest.approx(LEVEL * np.exp(-0.025), rel=0.01)


@pytest.mark.parametrize("photons", [3.0, 15.0, 100.0])
def test_variance_of_photons_is_their_mean(photons):
    camera = FluoCamera(photons=photons, read_noise=0, gain=1, offset=0, bits=16)
    picture = shot(np.ones(GRID.shape), spec(camera=camera)).astype(float)
    n = picture.size
    assert picture.mean() == pytest.approx(photons, abs=4 * np.sqrt(photons / n))
    error = np.sqrt((2 * photons**2 + photons) / n)
    assert picture.var() == pytest.approx(photons + 1 / 24, abs=4 * error + 0.1)


def test_read_noise_adds_its_variance_and_gain_and_offset_apply():
    camera = FluoCamera(photons=100, read_noise=7, gain=2, offset=50, bits=16)
    picture = shot(np.ones(GRID.shape), spec(camera=camera)).astype(float)
    assert picture.mean() == pytest.approx(250, rel=0.01)
    assert picture.var() == pytest.approx(4 * (100 + 49), rel=0.03)


@pytest.mark.parametrize("photons", [0.5, 3.9, 4.1, 6.0, 25.0, 400.0])
def test_without_read_noise_photons_are_whole_and_their_counts_poisson(photons):
    camera = FluoCamera(photons=1, read_noise=0, gain=20, offset=0, bits=16)
    wide = Grid((60, 80, 80), GRID.spacing_um)
    bright = [flat(VolumePart, min(photons, 20.0)), camera]
    if photons > 20:
        bright = [flat(VolumePart, 1.0), camera.model_copy(update={"photons": photons})]
    picture = shot(np.ones(wide.shape), spec(nucleus=bright[0], camera=bright[1]), wide)
    assert not np.any(picture % 20)
    counts, n = picture.astype(float) / 20, picture.size
    assert counts.mean() == pytest.approx(photons, abs=4 * np.sqrt(photons / n))
    error = np.sqrt((2 * photons**2 + photons) / n)
    assert counts.var() == pytest.approx(photons, abs=4 * error + 0.005 * photons)


@pytest.mark.parametrize("read", [0.5, 0.8, 2.0])
@pytest.mark.parametrize("photons", [0.3, 2.0, 6.0])
def test_counts_under_read_noise_keep_their_first_three_moments(photons, read):
    camera = FluoCamera(photons=1, read_noise=read, gain=20, offset=1000, bits=16)
    wide = Grid((60, 80, 80), GRID.spacing_um)
    bright = flat(VolumePart, photons)
    picture = shot(np.ones(wide.shape), spec(camera=camera, nucleus=bright), wide)
    counts = (picture.astype(float) - 1000) / 20
    variance, n = photons + read**2, counts.size
    assert counts.mean() == pytest.approx(photons, abs=4 * np.sqrt(variance / n))
    # Of a sum of independent numbers, cumulants add up; a Poisson count's are its mean.
    fourth = photons + 3 * variance**2
    assert counts.var() == pytest.approx(
        variance, abs=4 * np.sqrt((fourth - variance**2) / n) + 0.006 * variance
    )
    third = ((counts - counts.mean()) ** 3).mean()
    assert third == pytest.approx(photons, abs=4 * np.sqrt(30 * variance**3 / n) + 0.03 * photons)


def test_noise_of_neighbouring_voxels_and_of_samples_is_independent():
    one, other = (shot(np.ones(GRID.shape), spec(), seed=s).astype(float) for s in (0, 1))
    one, other = ((a - a.mean()) / a.std() for a in (one, other))
    limit = 4 / np.sqrt(one.size)
    assert abs((one * other).mean()) < limit
    for axis in range(3):
        a = np.moveaxis(one, axis, 0)
        assert abs((a[1:] * a[:-1]).mean()) < limit


def test_texture_and_spread_of_objects_have_the_laws_asked_for():
    owner = np.zeros(GRID.shape)
    owner[:] = 2 * np.arange(GRID.shape[1] * GRID.shape[2]).reshape(GRID.shape[1:]) + 1
    spread = spec(nucleus=VolumePart(brightness=1.0, cell_cv=0.4, texture=0))
    levels = shot(owner, spread)[0].astype(float) / LEVEL
    assert levels.mean() == pytest.approx(1, abs=4 * 0.4 / 48)
    assert levels.std() == pytest.approx(0.4, rel=0.1)
    rough = spec(nucleus=VolumePart(brightness=0.3, cell_cv=0, texture=0.5, texture_um=0.6))
    logs = np.log(shot(np.ones(GRID.shape), rough).astype(float) / LEVEL)
    assert logs.std() == pytest.approx(0.5, rel=0.1)
    along = logs - logs.mean()
    # Correlated over 0.6 µm: exp(-d² / 2 s²) at d = 0.5 µm along z and along x.
    for near in (along[1:] * along[:-1], along[:, :, 2:] * along[:, :, :-2]):
        assert near.mean() / along.var() == pytest.approx(np.exp(-0.5 * (0.5 / 0.6) ** 2), abs=0.1)


def test_specks_are_as_many_and_as_bright_as_asked():
    clutter = VolumeClutter(haze=0, spots=5e8, spot_brightness=0.1)
    picture = shot(np.zeros(GRID.shape), spec(clutter=clutter)).astype(float) / LEVEL
    voxel = 0.5 * 0.25 * 0.25
    expected = 5e8 * 1e-9 * voxel * picture.size
    found = np.sum(picture > 0)
    assert abs(found - expected) < 4 * np.sqrt(expected) + 0.01 * expected
    light = picture.sum() * voxel / found
    assert light == pytest.approx(0.1, abs=4 * 0.1 / np.sqrt(found))


def test_haze_has_the_mean_asked_for():
    clutter = VolumeClutter(haze=0.2, haze_um=0.5, haze_cv=0.5, spots=0)
    picture = shot(np.zeros(GRID.shape), spec(clutter=clutter)).astype(float) / LEVEL
    assert picture.mean() == pytest.approx(0.2, rel=0.05)
    assert np.log(picture).std() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("start", [-5, 2])
def test_haze_of_few_planes_is_that_of_all(start):
    block, grid = Block((start, 0, 0), (23, 60, 60)), Grid((64, 64, 64), (0.5, 0.25, 0.25))
    clutter = VolumeClutter(haze=2.0, haze_um=8.0, haze_cv=0.6, spots=0)
    light = np.empty(block.shape, np.float32)
    glow._add_clutter(clutter, block, grid, Streams(4, 0), light)
    field = smooth(key(Streams(4, 0)("imaging.haze")), block, (16.0, 32.0, 32.0))
    whole = 2.0 * np.exp(0.6 * field - 0.18)
    # Every fourth plane, from 0 on, is worked out itself.
    exact = (np.arange(start, start + 23) % 4) == 0
    assert np.allclose(light[exact], whole[exact], rtol=1e-4)
    error = (light - whole)[~exact]
    assert 0 < np.sqrt(np.mean(error**2)) < 0.02


@pytest.mark.parametrize("scale", [(2.5, 9.0, 4.0), (0.5, 3.0, 0.5)])
def test_textures_row_by_row_are_the_smooth_field(scale):
    block, key = Block((-3, 10, -20), (9, 12, 40)), np.uint64(9)
    lattice = knots(key, block, scale)
    plane, line = np.empty(lattice.values.shape[1:], np.float32), np.empty(33, np.float32)
    whole = smooth(key, block, scale)
    for z, y in ((0, 0), (4, 11), (8, 5)):
        plane_at(lattice, z, plane)
        row_at(lattice, plane, y, 7, line)
        np.testing.assert_allclose(line, whole[z, y, 7:], atol=1e-5)


@pytest.mark.parametrize("scale", [(2.5, 9.0, 4.0), (0.5, 3.0, 0.5)])
def test_textures_drawn_near_some_voxels_alone_are_the_same_there(scale):
    block, key = Block((-3, 10, -20), (9, 12, 40)), np.uint64(9)
    rng = np.random.default_rng(1)
    spans = np.sort(rng.integers(0, 41, (9, 12, 2)), axis=2).astype(np.int32)
    spans[rng.random((9, 12)) < 0.6] = 40, 0
    some, whole = knots(key, block, scale, spans), knots(key, block, scale)
    planes = [np.full(whole.values.shape[1:], np.nan, np.float32) for _ in range(2)]
    for z in range(9):
        plane_at(some, z, planes[0])
        plane_at(whole, z, planes[1])
        for y in range(12):
            first, end = spans[z, y]
            lines = np.zeros((2, max(end - first, 0)), np.float32)
            for lattice, plane, line in zip((some, whole), planes, lines, strict=True):
                row_at(lattice, plane, y, first, line)
            assert np.array_equal(lines[0], lines[1])


@pytest.mark.parametrize("sigma", [0.0, 0.3, 0.6, 1.2, 1.5, 2.4, 3.2])
def test_the_blur_in_place_is_that_of_a_plain_gaussian(sigma):
    from scipy.ndimage import gaussian_filter

    halo, weight = reach(sigma), gaussian(sigma)
    light = np.random.default_rng(0).random((40, 37, 41)).astype(np.float32)
    plain = gaussian_filter(light.astype(float), sigma, radius=halo)
    plain = plain[(slice(halo, -halo or None),) * 3]
    blur_planes(light, weight)
    between, line = np.empty(41, np.float32), np.empty(41 - 2 * halo, np.float32)
    for z, y in ((0, 0), (len(plain) - 1, plain.shape[1] - 1)):
        row_of(light[z], y, weight, weight, between, line)
        np.testing.assert_allclose(line, plain[z, y], atol=1e-5)


def test_two_channels_show_one_stain_each_and_bleed():
    owner = np.zeros(GRID.shape)
    owner[:20], owner[20:] = 1, 2
    both = shot(owner, spec(channels=2, bleed=0.1)).astype(float) / LEVEL
    assert both.shape == (2, *GRID.shape)
    np.testing.assert_allclose(
        [[both[0, :20].mean(), both[0, 20:].mean()], [both[1, :20].mean(), both[1, 20:].mean()]],
        [[1, 0.1], [0.1, 1]],
        rtol=0.01,
    )


def test_the_blur_is_that_of_a_plain_gaussian():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    light = rng.random((40, 40, 40)).astype(np.float32)
    ours = soften(light, (2.0, 1.0, 1.0))
    plain = gaussian_filter(light.astype(float), (2.0, 1.0, 1.0), truncate=3.5)
    np.testing.assert_allclose(ours, plain[7:-7, 4:-4, 4:-4], atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ({"jpeg": 90}, r"camera.jpeg = 90: volumes are not compressed"),
        ({"smooth_px": 1.0}, r"camera.smooth_px = 1.0: volumes are not smoothed"),
    ],
)
def test_what_needs_one_plane_is_refused(setting, line):
    with pytest.raises(ValueError, match=line):
        FluorescenceVolume(camera=FluoCamera(**setting))
