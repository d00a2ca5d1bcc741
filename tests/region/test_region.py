"""Regions cover what they were asked to cover."""

import numpy as np
import pytest
import shapely
import tifffile
from scipy.ndimage import label

from simcell import region
from simcell.arrays import Grid
from simcell.errors import SimcellError
from simcell.region.bezier import closed_curve, rasterise
from simcell.scene.region import Bezier, Full, MaskFile, Polygon, Relief

GRID = Grid((128, 160), (0.5, 0.5))


def _build(spec, seed=0, margin=10):
    return region.build(spec, GRID, margin, np.random.default_rng(seed))


def _field(mask, margin=10):
    return mask[margin:-margin, margin:-margin]


def test_full_covers_field_and_margin():
    assert _build(Full()).shape == (148, 180)
    assert _build(Full()).all()


@pytest.mark.parametrize("coverage", [0.05, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("seed", range(5))
def test_bezier_covers_the_share_asked_for(coverage, seed):
    mask = _field(_build(Bezier(coverage=coverage, roughness=0.4, wander=0.3), seed))
    assert abs(mask.mean() - coverage) < 0.003


def test_bezier_is_one_piece_and_random():
    masks = [_build(Bezier(coverage=0.4, roughness=0.2, wander=0.0), seed) for seed in range(4)]
    assert all(label(mask)[1] == 1 for mask in masks)
    assert not np.array_equal(masks[0], masks[1])


def test_full_coverage_is_full():
    assert _build(Bezier(coverage=1.0)).all()


def test_closed_curve_passes_its_knots_and_is_smooth():
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    curve = closed_curve(np.stack([np.sin(turn), np.cos(turn)], axis=1))
    assert abs(np.hypot(*curve.T) - 1).max() < 0.002
    assert abs(shapely.Polygon(curve).area - np.pi) < 0.01


@pytest.mark.parametrize("islands", [3, 6, 12])
def test_relief_has_about_the_islands_asked_for(islands):
    spec = Relief(islands=islands, furrow_um=4, rounding_um=4, roughness_um=0.3)
    grid = Grid((256, 256), (0.5, 0.5))
    counts = []
    for seed in range(20):
        mask = region.build(spec, grid, 0, np.random.default_rng(seed))
        pieces, found = label(mask)
        rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
        cut = len(np.unique(rim[rim > 0]))
        # An island cut by the frame counts half, as half of it lies outside.
        counts.append(found - 0.5 * cut)
    assert abs(np.mean(counts) - islands) < 0.25 * islands + 0.5


def test_wider_furrows_leave_less_tissue():
    shares = [
        np.mean([_build(Relief(islands=4, furrow_um=w), s).mean() for s in range(6)])
        for w in (2, 8, 16)
    ]
    assert shares[0] > shares[1] + 0.03
    assert shares[1] > shares[2] + 0.03


def test_furrows_that_eat_all_tissue_are_refused():
    with pytest.raises(SimcellError, match="no pixel of the field is tissue"):
        _build(Relief(islands=40, furrow_um=200, furrow_cv=0, rounding_um=0))


def test_tissue_in_the_margin_alone_is_refused():
    with pytest.raises(SimcellError, match="no pixel of the field is tissue"):
        _build(Polygon(points_um=((-4, -4), (-4, 200), (-1, 200), (-1, -4))))


def test_polygon_area_and_place():
    mask = _field(_build(Polygon(points_um=((10, 20), (10, 60), (40, 60), (40, 20)))))
    assert mask.sum() * 0.25 == 1200
    rows, columns = np.nonzero(mask)
    assert ((rows + 0.5) * 0.5).mean() == pytest.approx(25)
    assert ((columns + 0.5) * 0.5).mean() == pytest.approx(40)


def test_fill_is_that_of_the_pixel_centres():
    rng = np.random.default_rng(0)
    turn = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    star = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    outlines = [
        rng.uniform(10, 70, 2) + closed_curve(rng.uniform(10, 30, (9, 1)) * star)[::way]
        for way in (1, -1, 1, -1)  # overlapping, of either orientation
    ]
    y, x = np.mgrid[: GRID.shape[0], : GRID.shape[1]] * 0.5 + 0.25
    whole = shapely.union_all([shapely.Polygon(outline) for outline in outlines])
    assert np.array_equal(rasterise(outlines, GRID, 0), shapely.contains_xy(whole, y, x))


def test_crossing_polygon_is_refused():
    with pytest.raises(SimcellError, match="crosses itself"):
        _build(Polygon(points_um=((0, 0), (40, 40), (0, 40), (40, 0))))


@pytest.mark.parametrize("suffix", ["tif", "png", "npy"])
def test_mask_file_is_stretched_over_the_field(tmp_path, suffix):
    small = np.zeros((32, 40), np.uint8)
    small[8:24, 10:30] = 200
    path = tmp_path / f"mask.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, small)
    elif suffix == "npy":
        np.save(path, small)
    else:
        import cv2

        cv2.imwrite(str(path), small)
    mask = _build(MaskFile(path=str(path)))
    expected = np.zeros(GRID.shape, bool)
    expected[32:96, 40:120] = True
    assert np.array_equal(_field(mask), expected)
    assert np.array_equal(mask[:10], np.repeat(mask[10:11], 10, axis=0))


def test_bad_mask_files_are_refused(tmp_path):
    with pytest.raises(SimcellError, match="no such file"):
        _build(MaskFile(path=str(tmp_path / "none.tif")))
    (tmp_path / "bad.tif").write_bytes(b"not a tiff")
    with pytest.raises(SimcellError, match="cannot be read"):
        _build(MaskFile(path=str(tmp_path / "bad.tif")))
    tifffile.imwrite(tmp_path / "rgb.tif", np.ones((8, 8, 3), np.uint8))
    with pytest.raises(SimcellError, match="two axes"):
        _build(MaskFile(path=str(tmp_path / "rgb.tif")))
    np.save(tmp_path / "nan.npy", np.full((8, 8), np.nan))
    np.save(tmp_path / "text.npy", np.full((8, 8), "yes"))
    for name in ("nan", "text"):
        with pytest.raises(SimcellError, match="no numbers"):
            _build(MaskFile(path=str(tmp_path / f"{name}.npy")))
    tifffile.imwrite(tmp_path / "zero.tif", np.zeros((8, 8), np.uint8))
    with pytest.raises(SimcellError, match="no pixel"):
        _build(MaskFile(path=str(tmp_path / "zero.tif")))
