"""Skin layers: exact classes, a band of constant thickness, and the laws of their curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

import simcell
from simcell import cells
from simcell.arrays import Grid, Pattern
from simcell.cells import layers, profiles
from simcell.rng import Streams
from simcell.scene.skin import SkinConfounders, SkinLayers

GRID = Grid((224, 512), (0.9, 0.9))
BEYOND = 21  # columns of the curves on either side, for a margin of 20
FLAT = {"surface_um": 0, "furrows_per_mm": 0, "epidermis_cv": 0, "rete_um": 0, "glass_slope": 0}


def _grown(spec: SkinLayers, seed: int = 0, points: object = (), grid: Grid = GRID) -> cells.Cells:
    pattern = Pattern(np.reshape(np.asarray(points, np.float64), (-1, 2)))
    region = np.ones(grid.padded(20).shape, np.bool_)
    return cells.grow(spec, pattern, region, grid, 20, Streams(seed, 0))


def _curves(spec: SkinLayers, seed: int, grid: Grid = GRID) -> profiles.Profiles:
    """The curves that ``_grown`` has used, with 21 columns on either side."""
    return profiles.draw(spec, grid.shape[1], BEYOND, grid.spacing_um[0], Streams(seed, 0))


def _brute_distance(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Distance of points (n, 2) as (y, x) to a polygon, segment by segment."""
    best = np.full(len(at), np.inf)
    for k in range(len(x) - 1):
        start, along = np.array([y[k], x[k]]), np.array([y[k + 1] - y[k], x[k + 1] - x[k]])
        t = np.clip((at - start) @ along / (along @ along), 0, 1)
        best = np.minimum(best, np.linalg.norm(at - start - t[:, None] * along, axis=1))
    return best


@pytest.mark.parametrize("seed", range(3))
def test_classes_are_those_of_the_curves_pixel_by_pixel(seed: int) -> None:
    grid = Grid((160, 130), (0.9, 0.9))
    spec = SkinLayers(rete_um=60, rete_period_um=50, furrows_per_mm=10, dej_um=5 + seed)
    near = 10.0
    curves = _curves(spec, seed, grid)
    made = layers.classify(spec, curves, grid, near, Pattern(np.zeros((0, 2))))
    slope = np.gradient(curves.junction, curves.x_um)
    assert np.abs(slope).max() > 1.5, "steep flanks are where a band goes wrong"
    expected = np.zeros(grid.shape, int)
    centre = (np.indices(grid.shape) + 0.5) * 0.9
    at = centre.reshape(2, -1).T
    distance = _brute_distance(curves.x_um, curves.junction, at).reshape(grid.shape)
    height = {
        name: np.interp(centre[1], curves.x_um, getattr(curves, name))
        for name in ("glass", "surface", "junction")
    }
    expected[:] = np.where(centre[0] > height["junction"], 5, 3)
    expected[distance <= 0.5 * spec.dej_um] = 4
    expected[centre[0] <= height["surface"]] = 2
    expected[centre[0] <= height["glass"]] = 1
    assert np.array_equal(made.classes, expected)
    assert set(np.unique(expected)) == {1, 2, 3, 4, 5}
    sign = np.where(centre[0] > height["junction"], 1, -1)
    np.testing.assert_allclose(made.junction_um, sign * np.minimum(distance, near), atol=1e-4)
    np.testing.assert_allclose(made.depth_um, centre[0] - height["surface"], atol=1e-4)


@pytest.mark.parametrize("dej", [5.0, 9.0])
def test_the_band_is_as_thick_on_flanks_as_on_tops(dej: float) -> None:
    """Area over length along flanks, and on tops: both are the thickness asked for."""
    spec = SkinLayers(rete_um=50, rete_period_um=90, furrows_per_mm=0, dej_um=dej, epidermis_um=90)
    area, length = np.zeros(2), np.zeros(2)
    for seed in range(40):
        made, curves = _grown(spec, seed), _curves(spec, seed)
        assert made.layers is not None
        step = np.diff(curves.junction[BEYOND - 1 : BEYOND + 513]) / 0.9
        slope = 0.5 * (step[1:] + step[:-1])
        # Away from curved places, up and down is the normal's length over the cosine.
        up_down = (made.layers.classes == 4).sum(axis=0) * 0.9
        steep = (np.abs(slope) > 0.8).astype(int)
        np.add.at(area, steep, up_down * 0.9)
        np.add.at(length, steep, 0.9 * np.sqrt(1 + slope**2))
    assert length.min() > 1000
    np.testing.assert_allclose(area / length, dej, rtol=0.02)


def test_the_band_on_a_flat_junction_and_its_distance_from_outside() -> None:
    made = _grown(SkinLayers(**FLAT, dej_um=9.0, epidermis_um=60))
    assert made.layers is not None
    band = made.layers.classes == 4
    assert set(band.sum(axis=0)) == {10}
    steep = SkinLayers(rete_um=40, rete_cv=0, rete_period_um=90, dej_um=9.0, epidermis_um=80)
    made = _grown(steep)
    assert made.layers is not None
    band = made.layers.classes == 4
    depth = distance_transform_edt(np.pad(band, 1, mode="edge"))[1:-1, 1:-1]
    # In every column the band's middle is 4.5 µm, 5 px, from outside; pixels blur it by one.
    deepest = depth.max(axis=0)[12:-12]
    assert deepest.min() >= 4.5
    assert deepest.max() <= 6.2


def test_labels_are_pieces_of_the_classes() -> None:
    made = _grown(SkinLayers(gap_um=1.0, surface_um=5.0), seed=5)
    assert made.layers is not None
    kinds = np.concatenate([[0], made.objects["type"]])
    assert np.array_equal(kinds[made.labels], made.layers.classes)
    assert (made.objects["type"] == 2).sum() > 1, "glycerol in pockets"
    for kind in range(1, 6):
        rows = made.objects[made.objects["type"] == kind]
        np.testing.assert_allclose(rows["amodal_area_um2"], rows["area_um2"].sum())
    np.testing.assert_array_equal(made.objects["seed_y_um"], made.objects["centroid_y_um"])


def test_layers_end_with_the_region() -> None:
    region = np.ones(GRID.padded(20).shape, np.bool_)
    region[:, :100] = False
    empty = Pattern(np.zeros((0, 2)))
    made = cells.grow(SkinLayers(), empty, region, GRID, 20, Streams(0, 0))
    assert made.layers is not None
    assert not made.labels[:, :80].any()
    assert not made.layers.classes[:, :80].any()
    assert made.layers.classes[:, 80:].all()


def test_mean_thickness_and_its_spread_are_those_asked_for() -> None:
    spec = SkinLayers(
        epidermis_um=120, epidermis_cv=0.1, rete_um=40, rete_cv=0.3, rete_sharpness=2.0
    )
    depth = []
    for seed in range(400):
        curves = _curves(spec, seed)
        depth.append((curves.junction - curves.surface)[::400])
    # Three places far apart a section: about 1200 values, those of a section nearly independent.
    values = np.concatenate(depth)
    shape = 35 / 128 - (3 / 8) ** 2  # variance of cos⁴
    variance = (0.1 * 120) ** 2 + 40**2 * (1 + 0.3**2) * shape
    assert values.mean() == pytest.approx(120, abs=4 * np.sqrt(variance / 800))
    assert values.var() == pytest.approx(variance, rel=0.15)


def test_gap_and_glass_have_their_means() -> None:
    spec = SkinLayers(gap_um=40, surface_um=3, furrows_per_mm=4, furrow_um=12, furrow_width_um=20)
    gap, tilt = [], []
    for seed in range(300):
        curves = _curves(spec, seed)
        gap.append((curves.surface - curves.glass).mean())
        tilt.append((curves.glass[-1] - curves.glass[0]) / (curves.x_um[-1] - curves.x_um[0]))
        middle = np.interp(512 * 0.45, curves.x_um, curves.glass)
        assert middle == pytest.approx(spec.glass_um)
    # A furrow's area is its depth times sigma sqrt(2 pi).
    furrows = 4e-3 * 12 * 20 / 2.3548 * np.sqrt(2 * np.pi)
    error = 4 * np.std(gap) / np.sqrt(300)
    assert error < 0.5
    assert np.mean(gap) == pytest.approx(40 + furrows, abs=error)
    assert max(np.abs(tilt)) <= spec.glass_slope
    assert np.std(tilt) == pytest.approx(spec.glass_slope / np.sqrt(3), rel=0.1)


def test_skin_never_enters_the_glass() -> None:
    spec = SkinLayers(gap_um=-5, surface_um=6)
    for seed in range(20):
        curves = _curves(spec, seed)
        assert np.all(curves.surface >= curves.glass)
        assert np.all(curves.junction >= curves.surface + spec.dej_um)
        assert np.any(curves.surface == curves.glass)


def test_ridges_have_the_period_and_height_asked_for() -> None:
    regular = SkinLayers(rete_um=30, rete_cv=0, rete_period_um=64, rete_period_cv=0)
    for seed in range(20):
        wave = profiles.rete(regular, 1024, 1.0, Streams(seed, 0))
        assert np.ptp(wave) == pytest.approx(30, rel=0.01)
        power = np.abs(np.fft.rfft(wave))
        assert power[1:].argmax() + 1 == 16
        assert np.mean(wave) == pytest.approx(0, abs=0.1)
    steps = []
    uneven = SkinLayers(rete_cv=0, rete_period_um=64, rete_period_cv=0.4, rete_sharpness=1)
    for seed in range(40):
        wave = profiles.rete(uneven, 4096, 1.0, Streams(seed, 0))
        tips = np.flatnonzero((wave[1:-1] > wave[:-2]) & (wave[1:-1] >= wave[2:]))
        steps.append(np.diff(tips))
    distance = np.concatenate(steps)
    # Along x, the mean pace is that of a log-normal: above its median by exp(s² / 2).
    assert 1 / distance.mean() == pytest.approx(np.sqrt(1.16) / 64, rel=0.03)
    assert 0.2 < distance.std() / distance.mean() < 0.5


def test_confounders_come_in_their_shares_and_lie_where_they_belong() -> None:
    rng = np.random.default_rng(1)
    points = rng.random((4000, 2)) * [300, 560] - [50, 50]
    shares = {"hair": 0.1, "duct": 0.2, "merkel": 0.3, "langerhans": 0.4}
    spec = SkinLayers(confounders=SkinConfounders(**shares, radius_cv=0))
    made, curves = _grown(spec, 0, points), _curves(spec, 0)
    used = made.pattern
    inside = (points[:, 0] >= 0) & (points[:, 0] < 224 * 0.9)
    np.testing.assert_array_equal(used.points[:, 1], points[inside, 1])
    kind = used.marks["confounder"]
    for number, share in enumerate(shares.values(), start=1):
        wanted = share * len(used)
        assert np.sum(kind == number) == pytest.approx(wanted, abs=4 * np.sqrt(wanted))
    # The curves reach 21 columns beyond the field; farther points take the last depth.
    near = np.abs(used.points[:, 1] - 230) < 250
    surface = np.interp(used.points[:, 1], curves.x_um, curves.surface)
    thick = np.interp(used.points[:, 1], curves.x_um, curves.junction) - surface
    depth = used.points[:, 0] - surface
    assert made.layers is not None
    assert made.layers.confounders is used
    np.testing.assert_allclose(depth[near & (kind <= 2)], 0, atol=1e-9)
    merkel, langerhans = near & (kind == 3), near & (kind == 4)
    above = thick[merkel] - depth[merkel]
    assert 3.2 <= above.min() < above.max() <= 6.4
    relative = depth[langerhans] / thick[langerhans]
    assert 0.35 <= relative.min() < 0.4 < 0.7 < relative.max() <= 0.75
    assert np.all(used.marks["slope"][kind != 1] == 0)
    assert np.ptp(used.marks["slope"][kind == 1]) > 0.8


def test_confounders_leave_the_classes_alone() -> None:
    points = np.random.default_rng(0).random((50, 2)) * [200, 460]
    one, other = _grown(SkinLayers(), 4, points), _grown(SkinLayers(), 4)
    assert one.layers is not None
    assert other.layers is not None
    np.testing.assert_array_equal(one.layers.classes, other.layers.classes)


def test_mean_of_ridge() -> None:
    angle = (np.arange(10000) + 0.5) / 10000 * np.pi
    for sharpness in (0.5, 1.0, 1.3, 2.0, 8.0):
        expected = np.mean(np.abs(np.cos(angle)) ** (2 * sharpness))
        assert profiles.mean_of_ridge(sharpness) == pytest.approx(expected, abs=1e-6)


def test_priors_show_the_layers_in_greys_or_channels() -> None:
    preset = simcell.load_preset("skin-oct")
    grey = simcell.simulate(preset.base, seed=0, index=0)
    assert grey.prior is not None
    assert grey.classes is not None
    np.testing.assert_array_equal(grey.prior, 51 * grey.classes)
    channels = preset.with_set(["prior.kind=channels", "prior.classes=5"])
    apart = simcell.simulate(channels.base, seed=0, index=0)
    assert apart.prior is not None
    assert apart.prior.shape == (5, 224, 512)
    for number, channel in enumerate(apart.prior, start=1):
        np.testing.assert_array_equal(channel == 255, grey.classes == number)
