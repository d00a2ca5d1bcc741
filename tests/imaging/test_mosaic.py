"""How mosaics look: patterns told apart, fields, speckle; all of it by place alone."""

import numpy as np
import pytest

from simcell import hashed, stages
from simcell.arrays import Block
from simcell.imaging import mosaic, stitching
from simcell.imaging.lattice import lattice, see
from simcell.rng import Streams
from simcell.scene import Frame, Scene
from simcell.scene.mosaic import (
    PATTERNS,
    Mosaic,
    MosaicArtifacts,
    MosaicNoise,
    MosaicTiles,
    PatternShares,
    RcmMosaic,
)
from simcell.scene.points import HardCore
from simcell.scene.prior import Classes
from simcell.scene.region import Full

PLAIN = MosaicTiles(gain_sd=0, offset_sd=0, vignette=0, shift_um=0)


def _only(name, spacing=2.0, side=512.0, imaging=None, **cells):
    shares = PatternShares(**{other: float(other == name) for other in PATTERNS})
    return Scene(
        frame=Frame(shape=(int(side / spacing),) * 2, spacing_um=spacing, margin_um=200),
        region=Full(),
        points=HardCore(density=96, distance_um=74),
        cells=Mosaic(shares=shares, **cells),
        prior=Classes(classes=6),
        imaging=imaging or RcmMosaic(),
    )


def _reflectance(scene, seed=1):
    """The painted field and its reflectance, before any optics."""
    layout = stages.lay_out(scene, seed=seed, index=0).layout
    painted = layout.paint(Block((0, 0), scene.frame.shape))
    streams = Streams(seed, 0)
    return painted, mosaic.reflectance(scene.imaging, painted, scene.frame.spacing_um, streams)


def test_rings_are_bright_around_dark_papillae_and_grey_between():
    scene = _only("ring", imaging=RcmMosaic(uneven=0, region_cv=0))
    painted, light = _reflectance(scene)
    look = scene.imaging.papillae
    # Round cells: their walls follow the room as well as the neighbours.
    inside = np.minimum(
        painted.wall_um, 1.12 * painted.room_um[painted.papilla] - painted.radial_um
    )
    inside = inside - look.between_um / 2
    rim = light[np.abs(inside - look.rim_um / 2) < 2].mean()
    dark = light[inside > look.rim_um + 10].mean()
    between = light[inside < -look.rim_um].mean()
    assert rim > 2 * between
    assert between > 1.5 * dark
    assert dark == pytest.approx(1.3 * look.interior, rel=0.3)


def test_cords_of_a_meshwork_are_bright_and_as_wide_as_asked():
    shares = []
    for width in (25.0, 50.0):
        spec = RcmMosaic(uneven=0, region_cv=0)
        spec = spec.model_copy(
            update={"papillae": spec.papillae.model_copy(update={"cord_um": width})}
        )
        painted, light = _reflectance(_only("meshwork", imaging=spec))
        cord, hole = light[painted.wall_um < 5].mean(), light[painted.wall_um > 38].mean()
        assert cord > 2 * hole
        assert cord == pytest.approx(spec.papillae.cord, rel=0.2)
        shares.append((light > 0.35).mean())
    assert shares[1] > 1.3 * shares[0]


def test_nests_are_dense_bright_clusters():
    spec = RcmMosaic(uneven=0, region_cv=0)
    painted, light = _reflectance(_only("nested", imaging=spec))
    nests = mosaic._papillae(spec, painted.room_um, Streams(1, 0)).nest
    radius = nests[painted.papilla]
    core = light[painted.radial_um < radius - 10]
    ground = light[(painted.radial_um > radius + 20)]
    assert core.mean() > 2.5 * ground.mean()
    assert core.mean() == pytest.approx(0.95 * spec.nests.brightness, rel=0.25)
    assert (nests == 0).mean() == pytest.approx(1 - spec.nests.present, abs=0.1)
    whole = nests[nests > 0]
    assert np.all(whole <= np.maximum(1.05 * painted.room_um[nests > 0], 8.0))
    assert 50 < 2 * np.median(whole) < 150


def test_brightness_orders_the_classes():
    found = {}
    for name in PATTERNS:
        scene = _only(name, spacing=4.0, side=2000.0)
        found[name] = np.mean([_reflectance(scene, seed)[1].mean() for seed in range(3)])
    assert found["meshwork"] > found["nested"] > found["ring"]
    assert found["ring"] < found["patternless"] < found["meshwork"]
    assert 0.15 < found["non_lesion"] < found["nested"]


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("empty", 0.0, 0.05), ("corneum", 0.6, 1.3), ("bubbles", 0.1, 0.4)]
)
def test_artifacts_are_black_saturated_or_bubbles(kind, low, high):
    chances = {name: float(name == kind) for name in ("bubbles", "stripes", "corneum", "empty")}
    scene = _only("artifact", imaging=RcmMosaic(artifacts=MosaicArtifacts(**chances)))
    _, light = _reflectance(scene)
    assert low <= light.mean() <= high
    if kind == "bubbles":
        assert (light < 0.08).mean() > 0.01
        assert (light > 0.8).mean() > 0.005


def test_artifacts_have_the_chances_asked_for():
    chances = {"bubbles": 0.1, "stripes": 0.5, "corneum": 0.0, "empty": 0.4}
    spec = RcmMosaic(artifacts=MosaicArtifacts(**chances))
    looks = mosaic.regions(spec, np.full(8000, 2, np.uint8), Streams(0, 0))
    counts = np.bincount(looks.variant.astype(int), minlength=4)
    for count, p in zip(counts, chances.values(), strict=True):
        assert abs(count - 8000 * p) <= 4 * np.sqrt(8000 * p * (1 - p))


def test_stripes_run_along_the_rows():
    chances = {"bubbles": 0.0, "stripes": 1.0, "corneum": 0.0, "empty": 0.0}
    scene = _only("artifact", imaging=RcmMosaic(artifacts=MosaicArtifacts(**chances), uneven=0))
    _, light = _reflectance(scene)
    assert light.mean(axis=1).std() > 4 * light.mean(axis=0).std()


def test_cells_are_those_of_brute_force():
    keys = np.array([3, 4, 5], np.uint64)
    cells = lattice(keys, 9.0, 0.3, (-40.0, 60.0, -70.0, 50.0))
    none = np.zeros((100, 120), np.float32)
    seen = see(cells, (-40.0, -70.0), 1.0, none, none, np.ones(none.shape, np.bool_))
    y, x = np.mgrid[-40.0:60.0, -70.0:50.0]
    away = np.hypot(y[..., None] - cells.y.ravel(), x[..., None] - cells.x.ravel())
    order = np.argsort(away, -1)[..., :2]
    near = np.take_along_axis(away, order, -1)
    np.testing.assert_allclose(seen.middle, near[..., 0], atol=1e-5)
    assert np.array_equal(seen.chance, cells.chance.ravel()[order[..., 0]])
    one, two = (
        np.stack([c.ravel()[order] for c in (cells.y, cells.x)], -1)[..., k, :] for k in (0, 1)
    )
    apart = np.linalg.norm(one - two, axis=-1)
    edge = (near[..., 1] ** 2 - near[..., 0] ** 2) / (2 * apart)
    assert (np.abs(seen.edge - edge) < 1e-4).mean() > 0.999
    # As many cells as the lattice has points: one in every 9 x 9 x 0.866 µm².
    inside = (cells.y > -40) & (cells.y < 60) & (cells.x > -70) & (cells.x < 50)
    assert inside.sum() == pytest.approx(100 * 120 / (81 * 0.866), rel=0.05)


@pytest.mark.parametrize("looks", [1.0, 4.0, 25.0])
@pytest.mark.parametrize(("grain", "spacing"), [(0.0, 1.0), (2.4, 2.0), (3.0, 1.0)])
def test_speckle_has_the_contrast_of_its_looks(looks, grain, spacing):
    spec = MosaicNoise(looks=looks, speckle_um=grain)
    field = mosaic.speckle(spec, Block((-7, 300), (500, 500)), spacing, Streams(2, 0)).astype(float)
    assert field.mean() == pytest.approx(1.0, abs=0.02)
    assert field.std() == pytest.approx(looks**-0.5, rel=0.02)
    sigma = grain / 2.3548 / spacing
    if sigma > 1:  # half of the correlation is lost at half of the grain's full width
        lag = round(sigma * 2.3548 / 2)
        steps = field - field.mean()
        found = (steps[lag:] * steps[:-lag]).mean() / steps.var()
        assert found == pytest.approx(np.exp(-((lag / sigma) ** 2) / 2), abs=0.05)


def test_an_even_mosaic_shows_the_signal_itself():
    spec = PLAIN
    signal = hashed.normals(np.uint64(5), Block((0, 0), (90, 70)))
    shown = stitching.stitch(spec, signal, Block((30, 40), (90, 70)), 10.0, Streams(0, 0))
    np.testing.assert_allclose(shown, signal, atol=1e-6)


def test_fields_differ_by_the_spread_asked_for():
    spec = MosaicTiles(
        tile_um=100, overlap_um=0, gain_sd=0.1, offset_sd=0.0, vignette=0, shift_um=0
    )
    block = Block((0, 0), (4000, 4000))
    flat = np.full(block.shape, 0.5, np.float32)
    shown = stitching.stitch(spec, flat, block, 1.0, Streams(7, 0)).astype(float)
    along = np.abs(np.diff(shown, axis=1)).max(axis=0) > 0
    seams = np.flatnonzero(along)
    assert np.all(np.diff(seams) == 100)
    assert len(seams) == 40
    levels = shown[50::100, seams[0] + 50 :: 100] / 0.5
    assert levels.std() == pytest.approx(0.1, rel=4 / np.sqrt(2 * levels.size))
    steps = np.diff(levels, axis=1)
    assert steps.std() == pytest.approx(0.1 * np.sqrt(2), rel=5 / np.sqrt(2 * steps.size))


def test_offsets_add_and_vignettes_darken_the_corners():
    spec = MosaicTiles(
        tile_um=100, overlap_um=20, gain_sd=0, offset_sd=0.0, vignette=0.4, shift_um=0
    )
    block = Block((0, 0), (400, 400))
    flat = np.ones(block.shape, np.float32)
    shown = stitching.stitch(spec, flat, block, 1.0, Streams(7, 0))
    assert shown.max() == pytest.approx(1.0, abs=1e-3)
    # Darkest in the middle of an overlap, a tenth of the field away from its corner.
    assert shown.min() == pytest.approx(1 - 0.2 * 2 * 0.8**2, abs=2e-3)
    hazy = spec.model_copy(update={"vignette": 0.0, "offset_sd": 0.05})
    shown = stitching.stitch(hazy, np.zeros_like(flat), block, 1.0, Streams(7, 0))
    assert 0.02 < shown.std() < 0.09


def test_fields_are_out_of_register_by_the_error_asked_for():
    spec = MosaicTiles(tile_um=60, overlap_um=0, gain_sd=0, offset_sd=0, vignette=0, shift_um=2)
    edge = stitching.halo(spec, 1.0)
    assert edge == 6
    block = Block((0, 0), (1200, 1200))
    ramp = np.broadcast_to(np.arange(1200.0 + 2 * edge, dtype=np.float32), (1200 + 2 * edge,) * 2)
    shown = stitching.stitch(spec, np.ascontiguousarray(ramp), block, 1.0, Streams(1, 0))
    shift = shown - np.arange(1200.0) - edge
    assert np.abs(shift).max() <= 6
    found = shift[30::60, 30::60]
    assert found.std() == pytest.approx(np.sqrt(4 + 1 / 12), rel=4 / np.sqrt(2 * found.size))


def test_regions_fade_into_each_other_over_the_border():
    """Left of a straight border all is dark, right of it bright: a smooth ramp between."""
    from simcell.imaging.tissue import weights

    region = np.zeros((3, 1, 40), np.int32)
    region[1], region[2] = 1, -1
    region[0, 0, 20:], region[1, 0, 20:] = 1, 0
    away = np.abs(np.arange(40) - 19.5)
    gaps = np.stack([away, np.full(40, 1e3)])[:, None].astype(np.float32)
    share = weights(region, gaps, 20.0)
    bright = np.where(region[0] == 1, 1 - share[0], share[0])[0]
    assert np.all(np.diff(bright) >= 0)
    assert np.all(bright[:10] == 0)
    assert np.all(bright[30:] == 1)
    assert 0.4 < bright[19] < 0.5 < bright[20] < 0.6
    assert np.allclose(bright + bright[::-1], 1)
    assert not weights(region, gaps, 0.0).any()


def test_the_tissue_looks_alike_at_any_pixel_size():
    """Means over 8 µm of the reflectance at 1 and 2 µm belong to the same tissue."""
    for name in ("ring", "meshwork", "nested"):
        spec = RcmMosaic()
        fine = _reflectance(_only(name, spacing=1.0, imaging=spec))[1]
        coarse = _reflectance(_only(name, spacing=2.0, imaging=spec))[1]
        small = coarse.reshape(64, 4, 64, 4).mean((1, 3))
        large = fine.reshape(64, 8, 64, 8).mean((1, 3))
        assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.95
        assert small.mean() == pytest.approx(large.mean(), rel=0.03)
