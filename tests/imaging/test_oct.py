"""Tomograms: speckle of the right law, decay with depth, layers as bright as asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage, stats

from simcell import imaging
from simcell.arrays import Grid, Image, Layers, Pattern
from simcell.errors import SimcellError
from simcell.imaging import View, coherent, oct, skin
from simcell.rng import Streams
from simcell.scene.oct import Oct, OctDisplay, OctEpidermis, OctField, OctMissing

SPACING = 0.9
SHAPE = (224, 512)
GLASS_UM, SURFACE_UM, JUNCTION_UM = 14.4, 23.4, 90.0
QUIET: dict[str, Any] = {
    "glass": {"brightness": 0.01, "face": 0, "glycerol": 0.02},
    "corneum": {"brightness": 0.8, "surface": 0, "thickness_cv": 0, "lamellae": 0},
    "epidermis": {"brightness": 0.2, "uneven": 0, "nucleus_depth": 0, "basal": 1, "junction": 0.5},
    "dermis": {"brightness": 0.4, "fibres": 0},
    "attenuation": {"epidermis_per_mm": 0, "dermis_per_mm": 0},
    "field": {"falloff": 0, "uneven": 0},
    "missing": {"columns": 0, "patches": 0},
    "speckle": {"looks": 32, "speckle_um": 0},
    "psf_um": 0,
    "floor": 0,
    "display": {"scale": "linear", "white": 1.0},
}


def _spec(**changes: Any) -> Oct:
    tree = {k: dict(v) if isinstance(v, dict) else v for k, v in QUIET.items()}
    for path, value in changes.items():
        tree[path] = {**tree.get(path, {}), **value} if isinstance(value, dict) else value
    return Oct.model_validate(tree)


def _layers(*things: tuple[int, float, float, float, float]) -> Layers:
    """Flat layers with confounders (kind, y, x, radius, slope)."""
    y = np.repeat((np.arange(SHAPE[0])[:, None] + 0.5) * SPACING, SHAPE[1], axis=1)
    steps = [0, GLASS_UM, SURFACE_UM, JUNCTION_UM - 2.5, JUNCTION_UM + 2.5]
    classes = np.searchsorted(steps, y[:, 0]).astype(np.uint8)[:, None].repeat(SHAPE[1], 1)
    table = np.reshape(np.asarray(things, np.float64), (-1, 5))
    marks = {"confounder": table[:, 0], "radius_um": table[:, 3], "slope": table[:, 4]}
    flat = np.ones(SHAPE[1])
    return Layers(
        classes,
        (y - SURFACE_UM).astype(np.float32),
        np.clip(y - JUNCTION_UM, -10, 10).astype(np.float32),
        (JUNCTION_UM - SURFACE_UM) * flat,
        GLASS_UM * flat,
        Pattern(table[:, 1:3], marks),
    )


def _view(layers: Layers | None) -> View:
    labels = np.ones(SHAPE, np.int32)
    grid = Grid(SHAPE, (SPACING, SPACING))
    return View(labels, labels.astype(np.float32), np.zeros((1, 2)), labels > 0, grid, None, layers)


def _reflectance(spec: Oct, layers: Layers, seed: int = 0) -> Image:
    return oct.reflectance(spec, layers, SPACING, Streams(seed, 0))


@pytest.mark.parametrize("looks", [1.0, 1.4, 2.0, 3.7, 9.0])
@pytest.mark.parametrize("grain", [0.0, 2.5])
def test_speckle_has_mean_one_and_contrast_of_its_looks(looks: float, grain: float) -> None:
    field = coherent.speckle((600, 600), looks, grain, np.random.default_rng(0))
    grains = field.size / max(1.0, 1.13 * grain**2)
    assert field.mean() == pytest.approx(1, abs=5 / np.sqrt(looks * grains))
    # The standard error of a gamma's contrast is below 1.5 over the root of its grains.
    assert field.std() / field.mean() == pytest.approx(
        1 / np.sqrt(looks), abs=5 * 1.5 / np.sqrt(looks * grains)
    )


@pytest.mark.parametrize("looks", [1, 2, 5])
@pytest.mark.parametrize("grain", [0.0, 3.0])
def test_speckle_of_whole_looks_is_gamma_distributed(looks: int, grain: float) -> None:
    field = coherent.speckle((600, 600), looks, grain, np.random.default_rng(1))
    apart = max(1, int(3 * grain))  # pixels so far apart are independent
    values = field[::apart, ::apart].ravel()[:4000]
    law = stats.gamma(looks, scale=1 / looks)
    assert stats.kstest(values, law.cdf).pvalue > 0.01
    # The test has power: a contrast a tenth lower does not pass it.
    assert stats.kstest(1 + 0.9 * (values - 1), law.cdf).pvalue < 1e-3


@pytest.mark.parametrize("grain", [3.0, 6.0, 11.0])
@pytest.mark.parametrize("looks", [1.0, 2.5])
def test_grain_is_the_width_of_the_autocovariance(grain: float, looks: float) -> None:
    field = coherent.speckle((1024, 1024), looks, grain, np.random.default_rng(2))
    power = np.abs(np.fft.fft2(field - field.mean())) ** 2
    covariance = np.fft.ifft2(power).real
    covariance /= covariance[0, 0]
    lags = np.arange(int(1.5 * grain))
    sigma = grain / 2.3548
    for axis in (covariance[0], covariance[:, 0]):
        expected = np.exp(-0.5 * (lags / sigma) ** 2)
        np.testing.assert_allclose(axis[: len(lags)], expected, atol=0.04)
        half = np.interp(0.5, axis[len(lags) - 1 :: -1], lags[::-1])
        assert 2 * half == pytest.approx(grain, rel=0.08)


def test_image_of_even_tissue_is_speckled_as_asked() -> None:
    spec = _spec(speckle={"looks": 4, "speckle_um": 2.7}, dermis={"brightness": 0.1})
    grey = imaging.render(spec, _view(_layers()), Streams(0, 0))
    assert grey is not None
    deep = grey[120:].astype(float)
    assert deep.mean() / 255 == pytest.approx(0.1, rel=0.05)
    assert deep.std() / deep.mean() == pytest.approx(0.5, rel=0.05)


def test_layers_are_as_bright_as_asked() -> None:
    spec = _spec(corneum={"thickness_um": 18.0})
    light, layers = _reflectance(spec, _layers()), _layers()
    shallow = layers.depth_um
    expected = {
        1: (layers.classes == 1, 0.01),
        2: (layers.classes == 2, 0.02),
        3: ((shallow > 1) & (shallow < 16), 0.8),
        4: ((layers.classes == 3) & (shallow > 20), 0.2),
        5: (layers.classes == 4, 0.1),
        6: (layers.classes == 5, 0.4),
    }
    for where, level in expected.values():
        assert where.any()
        np.testing.assert_allclose(light[where], level, rtol=1e-5)


def test_textures_keep_the_mean_of_their_layer() -> None:
    spec = _spec(epidermis={"uneven": 0.5}, dermis={"fibres": 0.6}, corneum={"thickness_um": 0})
    layers = _layers()
    for number, level, spread in ((3, 0.2, 0.5), (5, 0.4, 0.6)):
        where = layers.classes == number
        values = np.concatenate([_reflectance(spec, layers, seed)[where] for seed in range(16)])
        assert values.mean() == pytest.approx(level, rel=0.05)
        assert values.std() / values.mean() == pytest.approx(spread, rel=0.12)


@pytest.mark.parametrize(("upper", "lower"), [(6.0, 12.0), (15.0, 3.0)])
def test_intensity_falls_with_depth_at_the_rates_asked_for(upper: float, lower: float) -> None:
    spec = _spec(
        attenuation={"epidermis_per_mm": upper, "dermis_per_mm": lower},
        corneum={"thickness_um": 0},
        speckle={"looks": 4},
        display={"scale": "linear", "white": 1.0},
    )
    view = _view(_layers())
    total = np.zeros(SHAPE[0])
    for seed in range(4):
        grey = imaging.render(spec, view, Streams(seed, 0))
        assert grey is not None
        total += grey.mean(axis=1)
    y = (np.arange(SHAPE[0]) + 0.5) * SPACING
    for low, high, rate in ((SURFACE_UM + 3, 85, upper), (95, 150, lower)):
        rows = (y > low) & (y < high)
        slope = np.polyfit(y[rows], np.log(total[rows]), 1)[0]
        assert -slope * 1000 / 2 == pytest.approx(rate, rel=0.08)


def test_surface_and_glass_are_bright_lines() -> None:
    layers = _layers()
    spec = _spec(corneum={"surface": 2.0, "surface_um": 3.6}, glass={"face": 3.0, "tail": 0.25})
    light = _reflectance(spec, layers)[:, 0]
    plain = _reflectance(_spec(), layers)[:, 0]
    added = light - plain
    y = (np.arange(SHAPE[0]) + 0.5) * SPACING
    assert added[y > SURFACE_UM + 6].max() < 1e-3
    near = np.abs(y - SURFACE_UM) < 1
    assert added[near].max() == pytest.approx(2.0, rel=0.15)
    assert np.abs(y[added[: len(y)].argmax()] - GLASS_UM) < 1
    trail = added[(y < GLASS_UM - 6)]
    np.testing.assert_allclose(
        trail, 3.0 * 0.25 * np.exp(-(GLASS_UM - y[: len(trail)]) / 8.0), rtol=1e-3
    )


def test_nuclei_are_dark_and_lie_in_the_living_epidermis() -> None:
    layers = _layers()
    spec = _spec(epidermis={"nucleus_depth": 1.0, "cell_um": 12, "nucleus_um": 3})
    light, plain = _reflectance(spec, layers), _reflectance(_spec(), layers)
    dark = light < 0.8 * plain
    assert np.all(layers.classes[dark] == 3)
    assert layers.depth_um[dark].min() > 12
    count = ndimage.label(dark)[1]
    area = 512 * SPACING * (JUNCTION_UM - SURFACE_UM - 12 - 3 - 2.5 - 3)
    assert count == pytest.approx(area / (12 * 12 * 0.8), rel=0.15)
    shapes = ndimage.find_objects(ndimage.label(dark)[0])
    tall = np.array([(s[0].stop - s[0].start) / (s[1].stop - s[1].start) for s in shapes])
    row = np.array([s[0].start for s in shapes])
    assert tall[row > 80].mean() > 1.3 * tall[row < 50].mean()


def test_nuclei_at_the_left_end_do_not_follow_the_right_end() -> None:
    layers = _layers()
    layers.junction_um[:, :12] = 10.0  # nothing but dermis there
    for seed in range(4):
        factor = np.ones(SHAPE, np.float32)
        skin.nuclei(factor, OctEpidermis(nucleus_um=6), layers, 0.0, SPACING, Streams(seed, 0))
        assert np.all(factor[:, :4] == 1)
        assert np.any(factor[:, -4:] < 1)


def test_bright_cells_are_where_the_pattern_has_them() -> None:
    places = [(3, 80.0, 100.0, 3.2, 0.0), (4, 60.0, 300.0, 3.2, 0.0)]
    light = _reflectance(_spec(), _layers(*places)) / _reflectance(_spec(), _layers())
    for _, y, x, _, _ in places:
        blob = light[int(y / SPACING) - 1 : int(y / SPACING) + 2, int(x / SPACING)]
        assert blob.max() > 3
    labels, count = ndimage.label(light > 1.2)
    assert count == 2
    middle = np.array(ndimage.center_of_mass(labels > 0, labels, [1, 2])) + 0.5
    wanted = [p[1:3] for p in sorted(places, key=lambda p: p[1])]
    np.testing.assert_allclose(middle * SPACING, wanted, atol=1.0)


def test_follicles_slant_and_shade_what_lies_below() -> None:
    hair = (1, SURFACE_UM, 230.0, 16.0, 0.5)
    light = _reflectance(_spec(), _layers(hair)) / _reflectance(_spec(), _layers())
    assert np.all(light[:, : int(160 / SPACING)] == 1)
    assert np.all(light[: int(SURFACE_UM / SPACING)] == 1)
    deep = light[200]
    assert deep[int(225 / SPACING) : int(285 / SPACING)].max() < 0.6, "all below the tube"
    dark = np.flatnonzero(deep < 0.8) * SPACING
    # The shadow reaches from the opening to the tube, 0.5 µm sideways per µm of depth.
    assert dark.min() == pytest.approx(230 - 16, abs=8)
    assert dark.max() == pytest.approx(230 + 0.5 * (200 * SPACING - SURFACE_UM) + 16, abs=10)


def test_ducts_are_bright_coils() -> None:
    duct = (2, SURFACE_UM, 230.0, 4.5, 0.0)
    light = _reflectance(_spec(), _layers(duct)) / _reflectance(_spec(), _layers())
    coil = light[int(SURFACE_UM / SPACING) + 1 : int(80 / SPACING)]
    assert np.all(coil.max(axis=1) > 1.5)
    middle = coil.argmax(axis=1) * SPACING
    assert np.ptp(middle) == pytest.approx(2 * 1.5 * 4.5, abs=2)
    spectrum = np.abs(np.fft.rfft(middle - middle.mean(), 4096))
    pitch = 4096 * SPACING / (spectrum[1:].argmax() + 1)
    assert pitch == pytest.approx(28, rel=0.15)


def test_light_falls_off_towards_the_ends() -> None:
    field = OctField(falloff=0.8, falloff_power=4, offset=0, uneven=0)
    light = oct.illumination(field, SHAPE, SPACING, Streams(0, 0))[0]
    assert light[256] == pytest.approx(1, abs=1e-6)
    assert light[0] == pytest.approx(0.2, abs=0.01)
    assert light[128] == pytest.approx(1 - 0.8 / 16, abs=0.01)
    np.testing.assert_allclose(light, light[::-1], atol=1e-6)


def test_lost_columns_and_patches_come_as_often_as_asked() -> None:
    bands, spots = [], []
    for seed in range(300):
        for spec, found in (
            (OctMissing(columns=0.8, column_um=15, patches=0), bands),
            (OctMissing(columns=0, patches=1.5, patch_um=12), spots),
        ):
            light = np.ones(SHAPE, np.float32)
            oct.lose_signal(light, spec, SPACING, Streams(seed, 0))
            found.append(1 - light.mean())
            assert 0 <= light.min() <= light.max() == 1
    # A band of half width h loses 2 h of the columns, 0.8 strength on average.
    wanted = 0.8 * 0.8 * 0.85 * 15 / (512 * SPACING)
    assert np.mean(bands) == pytest.approx(wanted, rel=0.2)
    assert np.mean([b == 0 for b in bands]) == pytest.approx(np.exp(-0.8), abs=0.12)
    assert np.mean([s == 0 for s in spots]) == pytest.approx(np.exp(-1.5), abs=0.1)


def test_displays() -> None:
    light = np.array([[1.0, 0.1, 1e-3, 10.0, 0.0]], np.float32)

    def grey(**changes: Any) -> list[int]:
        return oct.display(light, OctDisplay(**changes))[0].tolist()

    assert grey(scale="linear", white=1) == [255, 26, 0, 255, 0]
    assert grey(scale="amplitude", white=1) == [255, 81, 8, 255, 0]
    assert grey(scale="log", white=1, range_db=40) == [255, 191, 64, 255, 0]
    assert grey(scale="log", white=10, range_db=20) == [128, 0, 0, 255, 0]


def test_noise_floor_shows_where_nothing_reflects() -> None:
    layers = _layers()
    layers.classes[:] = 0
    spec = _spec(floor=0.1, speckle={"looks": 2})
    grey = imaging.render(spec, _view(layers), Streams(0, 0))
    assert grey is not None
    assert grey.mean() / 255 == pytest.approx(0.1, rel=0.03)
    assert grey.std() / grey.mean() == pytest.approx(1 / np.sqrt(2), rel=0.03)


def test_streaks_have_unit_variance_and_follow_their_rows() -> None:
    height, width = 300, 400
    rows = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, 1)
    fields = np.stack(
        [
            skin.streaks(rows, height, np.array([3.0, 20.0]), np.random.default_rng(seed))
            for seed in range(12)
        ]
    )
    assert fields.std() == pytest.approx(1, abs=0.08)
    for axis, scale in ((1, 3), (2, 20)):
        one, other = np.split(fields, [fields.shape[axis] - scale], axis=axis)[0], None
        other = np.split(fields, [scale], axis=axis)[1]
        # Correlation falls as exp(-d² / 2 s²): exp(-1/2) at one correlation length.
        assert np.mean(one * other) == pytest.approx(np.exp(-0.5), abs=0.08)
    bent = skin.streaks(rows + 7, height, np.array([3.0, 20.0]), np.random.default_rng(0))
    np.testing.assert_allclose(bent[:-7], fields[0][7:], atol=1e-5)


def test_no_layers_no_tomogram() -> None:
    with pytest.raises(SimcellError, match=r"there are no layers; use cells.kind = 'skin_layers'"):
        imaging.render(Oct(), _view(None), Streams(0, 0))
