"""Mosaics: the partition's law, what is annotated, and that blocks do not show."""

import numpy as np
import pytest
from pydantic import ValidationError

from simcell import stages
from simcell.arrays import Block, Grid, Pattern
from simcell.cells import lay_out
from simcell.rng import Streams
from simcell.scene import Frame, Scene
from simcell.scene.imaging import NoImage, Rcm
from simcell.scene.mosaic import (
    PATTERNS,
    Mosaic,
    MosaicArtifacts,
    MosaicTiles,
    PatternShares,
    RcmMosaic,
)
from simcell.scene.points import HardCore
from simcell.scene.prior import Classes, Membrane
from simcell.scene.region import Bezier, Full

ARTIFACTS = ("bubbles", "stripes", "corneum", "empty")


def scene(shape=(120, 150), spacing=4.0, imaging=None, **cells):
    return Scene(
        frame=Frame(shape=shape, spacing_um=spacing, margin_um=200),
        region=Full(),
        points=HardCore(density=90, distance_um=72),
        cells=Mosaic(**({"region_um": 120, "wave_um": 15, "wave_scale_um": 50} | cells)),
        prior=Classes(classes=6),
        imaging=imaging or NoImage(),
    )


def layouts(count, **cells):
    grid = Grid((80, 80), (10.0, 10.0))
    for index in range(count):
        spec = Mosaic(**({"region_um": 150} | cells))
        yield lay_out(spec, Pattern(np.zeros((0, 2))), grid, Streams(3, index))


def test_classes_take_the_shares_asked_for():
    shares = {"non_lesion": 0.1, "artifact": 0.2, "meshwork": 0.0, "ring": 0.4, "nested": 0.05}
    asked = np.array([shares.get(name, 0.25) for name in PATTERNS])
    found = []
    for layout in layouts(150, shares=PatternShares(**shares, patternless=0.25)):
        classes = layout.objects["type"] - 1
        found.append(np.bincount(classes, layout.objects["area_um2"], 6) / 800.0**2)
    found = np.array(found)
    error = found.std(axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - asked) <= 4 * error)
    assert error.max() < 0.015


def test_regions_have_the_sizes_of_a_random_partition():
    """Cells of a Poisson-Voronoi diagram spread by 0.529 of their mean area."""
    rows = np.concatenate([m.objects for m in layouts(120, wave_um=0, wobble_um=0)])
    inside = np.all([(rows[f"seed_{a}_um"] >= 0) & (rows[f"seed_{a}_um"] < 800) for a in "yx"], 0)
    area = rows["amodal_area_um2"][inside]
    error = 0.53 / np.sqrt(len(area))
    assert abs(area.mean() / 150**2 - 1) < 4 * error
    assert abs(area.std() / area.mean() - 0.529) < 4 * error
    # With wavy borders, areas still fill the field.
    for layout in layouts(3, wave_um=30, wave_scale_um=60):
        assert layout.objects["area_um2"].sum() == 800.0**2


def test_waves_move_borders_by_their_amplitude():
    straight, wavy = (next(layouts(1, wave_um=w, wobble_um=0)) for w in (0.0, 40.0))
    whole = Block((0, 0), (80, 80))
    plan = wavy.plan
    waves = plan._displacement(whole, plan.wave, 40.0, plan.spec.wave_scale_um)
    y = (np.arange(80) + 0.5)[:, None] * 10.0 + waves[0]
    x = (np.arange(80) + 0.5)[None] * 10.0 + waves[1]
    seeds = straight.plan.regions.seeds
    away = (y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2
    region = away.argmin(-1)
    kinds = straight.plan.kinds
    assert np.array_equal(kinds[region], wavy.paint(whole).classes)
    assert not np.array_equal(straight.paint(whole).classes, wavy.paint(whole).classes)


def test_the_share_asked_for_is_annotated():
    found = []
    for layout in layouts(150, annotated=0.6):
        found.append(layout.objects["area_um2"].sum() / 800.0**2)
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - 0.6) < 4 * error
    assert error < 0.02


def test_annotation_changes_labels_alone():
    grown = {"imaging": RcmMosaic(), "shape": (64, 80)}
    whole, part = (
        stages.simulate(scene(annotated=a, annotation_gap_um=g, **grown), seed=2, index=0)
        for a, g in ((1.0, 0.0), (0.5, 12.0))
    )
    assert np.array_equal(whole.image, part.image)
    known = part.labels > 0
    assert 0.05 < known.mean() < 0.6
    assert np.all(whole.labels > 0)
    assert np.array_equal(part.classes, np.where(known, whole.classes, 0))
    assert not part.prior[~known].any()


def test_a_gap_is_left_along_every_border():
    from scipy.ndimage import distance_transform_edt

    gap, spacing = 30.0, 3.0
    spec = {"shape": (160, 160), "spacing": spacing, "wave_um": 0.0, "wobble_um": 0.0}
    whole, part = (
        stages.simulate(scene(annotation_gap_um=g, **spec), seed=4, index=0) for g in (0.0, gap)
    )
    line = np.zeros(whole.labels.shape, np.bool_)
    line[1:] |= whole.labels[1:] != whole.labels[:-1]
    line[:, 1:] |= whole.labels[:, 1:] != whole.labels[:, :-1]
    away = distance_transform_edt(~line) * spacing
    known = part.labels > 0
    inner = (slice(20, -20),) * 2  # borders just beyond the frame count too
    assert away[known].min() > gap - 2 * spacing
    assert known[inner][away[inner] > gap + 2 * spacing].all()


@pytest.mark.parametrize("rows", [1, 13, 64])
def test_bands_fit_together_to_the_last_bit(rows):
    made = scene(imaging=RcmMosaic(), annotated=0.8, annotation_gap_um=5.0, border_um=30)
    canvas = stages.lay_out(made, seed=1, index=0)
    whole = canvas.paint(range(120))
    bands = [canvas.paint(range(top, min(top + rows, 120))) for top in range(0, 120, rows)]
    for name, array in whole.items():
        assert np.array_equal(np.concatenate([band[name] for band in bands]), array), name
    assert set(whole) == {"labels", "classes", "prior", "image"}
    sample = stages.simulate(made, seed=1, index=0)
    assert np.array_equal(sample.image, whole["image"])


def test_any_block_is_part_of_the_whole_and_of_what_lies_beyond():
    layout = stages.lay_out(scene(), seed=6, index=0).layout
    big = layout.paint(Block((-20, -30), (160, 210)))
    part = layout.paint(Block((-5, 100), (77, 60)))
    cut = (slice(15, 92), slice(130, 190))
    assert np.array_equal(part.labels, big.labels[cut])
    for name in ("papilla", "wall_um", "radial_um"):
        assert np.array_equal(getattr(part, name), getattr(big, name)[cut]), name
    for name in ("region", "region_gap_um"):
        assert np.array_equal(getattr(part, name), getattr(big, name)[:, *cut]), name
    inside = big.labels[20:140, 30:180]
    assert inside.min() > 0
    assert not np.delete(big.labels, np.s_[20:140], 0).any()


def test_a_layout_is_small_against_its_pixels():
    layout = stages.lay_out(scene(shape=(1000, 1000), spacing=1.0), seed=6, index=0).layout
    assert sum(part.nbytes for part in layout.runs) < 1000 * 1000 / 4


def test_sizes_in_um_do_not_depend_on_the_pixels():
    fine, coarse = (
        stages.lay_out(scene(shape=shape, spacing=um, border_um=20), seed=8, index=0).layout
        for shape, um in (((400, 500), 1.0), ((200, 250), 2.0))
    )
    small = coarse.paint(Block((0, 0), (200, 250)))
    large = fine.paint(Block((0, 0), (400, 500)))
    assert np.array_equal(fine.pattern.points, coarse.pattern.points)
    agree = small.classes == large.classes[::2, ::2]
    assert agree.mean() > 0.97
    shown = (small.radial_um < 1e5) & (large.radial_um[::2, ::2] < 1e5)
    steps = np.abs(small.wall_um - large.wall_um[::2, ::2])[shown]
    assert shown.any()
    assert np.median(steps) < 1.0
    assert len(fine.objects) == pytest.approx(len(coarse.objects), rel=0.2)


def test_papillae_keep_their_distance():
    pattern = stages.lay_out(scene(), seed=1, index=0).layout.pattern.points
    away = np.linalg.norm(pattern[:, None] - pattern, axis=-1)
    assert away[~np.eye(len(pattern), dtype=bool)].min() >= 72.0


def test_a_mosaic_without_any_point_can_be_painted():
    made = scene(imaging=RcmMosaic(), shape=(32, 40)).model_copy(
        update={"points": HardCore(density=0.01, distance_um=20)}
    )
    sample = stages.simulate(made, seed=1, index=0)
    assert len(sample.pattern) == 0
    assert sample.image.shape == (32, 40)


@pytest.mark.parametrize(
    ("spec", "given", "said"),
    [
        (PatternShares, dict.fromkeys(PATTERNS, 0.0), "give at least one class a share"),
        (MosaicArtifacts, dict.fromkeys(ARTIFACTS, 0.0), "give one of them a chance"),
        (MosaicTiles, {"tile_um": 100, "overlap_um": 60}, "overlap_um = 60: must not be above"),
    ],
)
def test_what_cannot_be_is_refused(spec, given, said):
    with pytest.raises(ValidationError, match=said):
        spec(**given)


def test_a_mosaic_needs_a_full_region_and_a_fitting_prior():
    fine = scene()
    for update in (
        {"region": Bezier()},
        {"frame": fine.frame.model_copy(update={"edges": "periodic"})},
        {"prior": Membrane()},
        {"imaging": Rcm()},
    ):
        parts = {name: getattr(fine, name) for name in Scene.model_fields}
        with pytest.raises(ValidationError, match="mosaic"):
            Scene(**(parts | update))
