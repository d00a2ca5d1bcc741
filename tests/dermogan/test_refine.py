"""From maps to cells: exact shapes in, the right cells out; and what must not happen."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_cases import nearest, seeds
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.measure import label

from dermogan import metrics
from dermogan.bands import stitched
from dermogan.refine import (
    Refinement,
    evidence,
    refine,
    relief_of,
    typical_diameter,
    without_small,
    without_specks,
)
from dermogan.roi import circumradii, tissue
from dermogan.split import basins
from dermogan.stars import load, star_cells
from simcell import SimcellError


def one_piece_each(labels: np.ndarray) -> bool:
    return int(label(labels, connectivity=1).max()) == len(np.unique(labels[labels > 0]))


def mosaic(n: int = 150, side: int = 200, key: int = 3) -> np.ndarray:
    """About n cells of a full mosaic: the nearest of the points of a shaken lattice."""
    pitch = side / np.sqrt(n)
    y, x = np.meshgrid(*[np.arange(-pitch, side + pitch, pitch)] * 2, indexing="ij")
    x[::2] += pitch / 2
    points = np.stack([y, x], axis=-1).reshape(-1, 2)
    points += np.random.default_rng(key).uniform(-0.22, 0.22, points.shape) * pitch
    pixels = np.indices((side, side)).reshape(2, -1).T
    place = KDTree(points).query(pixels)[1]
    return (np.unique(place, return_inverse=True)[1] + 1).reshape(side, side).astype(np.int32)


def membrane_of(labels: np.ndarray, sigma: float = 0.8) -> np.ndarray:
    lines = metrics.outlines(labels).astype(np.float32)
    lines = cv2.dilate(lines, np.ones((2, 2)))
    return np.clip(1.3 * cv2.GaussianBlur(lines, (0, 0), sigma), 0, 1)


# The splitter


def plain_basins(relief: np.ndarray, area: np.ndarray, height: float) -> np.ndarray:
    """The same by sets of pixels that are merged one after the other."""
    owner: dict[tuple[int, int], int] = {}
    members: dict[int, set[tuple[int, int]]] = {}
    peak: dict[int, float] = {}
    order = sorted(zip(*np.nonzero(area), strict=True), key=lambda p: -relief[p])
    for pixel in order:
        y, x = pixel
        beside = [p for p in ((y, x - 1), (y, x + 1), (y - 1, x), (y + 1, x)) if p in owner]
        if not beside:
            number = len(peak) + 1
            peak[number], members[number], owner[pixel] = relief[pixel], {pixel}, number
            continue
        steepest = owner[max(beside, key=lambda p: relief[p])]
        around = {owner[p] for p in beside}
        top = max(around, key=lambda k: peak[k])
        low = [k for k in around if k != top and peak[k] - relief[pixel] < height]
        for k in low:
            for p in members[k]:
                owner[p] = top
            members[top] |= members.pop(k)
        owner[pixel] = top if low else steepest
        members[owner[pixel]].add(pixel)
    out = np.zeros(relief.shape, np.int32)
    for k, pixels in members.items():
        for p in pixels:
            out[p] = k if peak[k] > 0 else 0
    return out


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1).T
    one_to_one = len(pairs) == len(np.unique(one)) == len(np.unique(other))
    return one_to_one and bool(((one > 0) == (other > 0)).all())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 2), st.floats(0.3, 1), st.floats(0, 2))
def test_basins_are_those_of_plain_sets(
    seed: int, height: float, share: float, smooth: float
) -> None:
    rng = np.random.default_rng(seed)
    relief = ndimage.gaussian_filter(rng.normal(0.3, 1, (14, 17)), smooth).astype(np.float32)
    area = rng.random(relief.shape) < share
    height = float(np.float32(height))
    found = basins(relief, area, height)
    assert same_partition(found, plain_basins(relief, area, height))
    assert one_piece_each(found)
    first = [np.flatnonzero(found == k)[0] for k in range(1, found.max() + 1)]
    assert first == sorted(first)


def test_peaks_are_the_h_maxima() -> None:
    from skimage.morphology import h_maxima

    rng = np.random.default_rng(4)
    relief = ndimage.gaussian_filter(rng.normal(0, 1, (120, 120)), 3).astype(np.float32)
    relief = (relief - relief.min() + 0.1) / np.ptp(relief)
    for height in (0.02, 0.1, 0.3):
        found = basins(relief, np.ones(relief.shape, bool), height)
        maxima = int(label(h_maxima(relief, height)).max())
        assert abs(int(found.max()) - maxima) <= 1  # equal heights, and shared edges or corners
    assert basins(relief, np.ones(relief.shape, bool), 0.02).max() > 3 * found.max()


def test_a_dumbbell_is_two_cells_until_the_height_forgives_it() -> None:
    y, x = np.indices((40, 70))
    mask = ((y - 20) ** 2 + (x - 20) ** 2 < 150) | ((y - 20) ** 2 + (x - 40) ** 2 < 150)
    probability = mask[None].astype(np.float32)
    assert refine(probability, "filled", Refinement(diameter_px=24)).max() == 2
    assert refine(probability, "filled", Refinement(diameter_px=24, depth=0.5)).max() == 1


# The tissue


def plain_alpha_shape(membrane: np.ndarray, radius: float) -> np.ndarray:
    """Pixels inside a triangle of outline pixels with a small circumcircle, one by one."""
    from scipy.spatial import Delaunay

    points = np.argwhere(membrane & ~ndimage.binary_erosion(membrane, np.ones((3, 3))))
    net = Delaunay(points)
    small = circumradii(points[net.simplices].astype(float)) < radius
    pixels = np.argwhere(np.ones(membrane.shape, bool))
    inside = net.find_simplex(pixels)
    found = (inside >= 0) & small[inside]
    return ndimage.binary_fill_holes(found.reshape(membrane.shape) | membrane)


def test_tissue_is_the_alpha_shape() -> None:
    membrane = np.zeros((160, 170), bool)
    y, x = np.indices(membrane.shape)
    island = (y - 80) ** 2 / 1.3 + (x - 80) ** 2 < 45**2
    cells = mosaic(60, 170)[:160]
    membrane[island] = (membrane_of(cells) > 0.5)[island]
    rng = np.random.default_rng(1)
    membrane &= ~(
        cv2.dilate((rng.random(membrane.shape) < 0.004).astype(np.uint8), np.ones((5, 5))) > 0
    )
    radius = 22.0
    found, plain = tissue(membrane, radius), plain_alpha_shape(membrane, radius)
    assert label(found).max() == 1
    assert ndimage.binary_fill_holes(found).sum() == found.sum()
    # Drawn triangles have their rims, points are thinned.
    differ = np.count_nonzero(found != plain)
    assert differ < 0.03 * plain.sum()
    assert metrics.dice(island.astype(int), found.astype(int)) > 0.9


def test_tissue_does_not_depend_on_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    membrane = membrane_of(mosaic()) > 0.5
    membrane[:, :40] = False
    membrane[90:, 120:] = False
    whole = tissue(membrane, 14.0)
    monkeypatch.setattr("dermogan.roi._TILE", 64)
    assert 0.5 < whole.mean() < 0.8
    assert np.count_nonzero(tissue(membrane, 14.0) != whole) <= 0.001 * whole.size


def test_tissue_reaches_the_frame_only_where_membranes_come_near() -> None:
    membrane = membrane_of(mosaic()) > 0.5
    assert tissue(membrane, 20.0).all()
    membrane[:, :60] = False
    found = tissue(membrane, 20.0)
    assert found[:, 70:].all()
    assert not found[:, :35].any()


def test_islands_stay_apart_and_specks_are_dropped() -> None:
    membrane = np.zeros((100, 220), bool)
    for left in (10, 130):
        membrane[20:81:10, left : left + 61] = membrane[20:81, left : left + 61 : 10] = True
    membrane[50:53, 100:103] = True
    found = tissue(membrane, 12.0, smallest_px=100)
    assert label(found).max() == 2
    assert not found[:, 85:120].any()


def test_tissue_of_nothing_or_a_line() -> None:
    empty = np.zeros((50, 50), bool)
    assert not tissue(empty, 10).any()
    line = empty.copy()
    line[25, 15:35] = True
    assert (tissue(line, 5.0) == line).all()
    with pytest.raises(SimcellError, match=r"radius_px = 0: must be at least 1"):
        tissue(empty, 0)


# The steps


def test_holes_and_specks_by_connected_components() -> None:
    mask = np.ones((30, 30), bool)
    mask[10] = False  # a border, one pixel wide: no hole
    mask[20, 5:8] = False  # a hole of 3
    mask[25:27, 20:25] = False  # one of 10
    mask[3:8, 3:8] = False
    mask[5, 5] = True  # a speck within a hole
    found = without_specks(mask, 2, 5)
    assert not found[10].any()
    assert found[20].all()
    assert not found[25, 20:25].any()
    assert not found[5, 5]
    assert (without_specks(mask, 0, 0) == mask).all()


@pytest.mark.parametrize("diameter", [8, 14, 25, 50])
def test_the_diameter_is_measured_within_a_fifth(diameter: int) -> None:
    n = int((300 / diameter) ** 2 * 4 / np.pi)
    cells = mosaic(n, 300)
    equal_area = np.sqrt(4 / np.pi * 300**2 / n)
    mask = membrane_of(cells) < 0.5
    assert typical_diameter(mask, shared=True) == pytest.approx(equal_area, rel=0.22)


def test_small_pieces_go_and_numbers_run_by_rows() -> None:
    labels = np.int32([[0, 7, 7, 7, 0, 3], [0, 0, 0, 0, 3, 3], [7, 7, 0, 5, 3, 3]])
    found = without_small(labels, 2)
    assert found.tolist() == [[0, 1, 1, 1, 0, 2], [0, 0, 0, 0, 2, 2], [0, 0, 0, 0, 2, 2]]
    assert without_small(labels * 0, 3).max() == 0
    corner = np.int32([[4, 4, 0], [0, 0, 4]])  # pixels that share corners alone are no piece
    assert without_small(corner, 1).tolist() == [[1, 1, 0], [0, 0, 0]]


def test_relief_is_above_zero_inside_alone() -> None:
    mask = np.zeros((21, 21), bool)
    mask[5:16, 5:16] = True
    relief = relief_of(mask, np.where(mask, 1, -1).astype(np.float32), 11.0, Refinement())
    assert relief[10, 10] == relief.max() > 3
    assert relief[0, 0] < 0


# All together


@pytest.mark.parametrize("output", ["membrane", "interior_boundary"])
def test_a_mosaic_comes_back(output: str) -> None:
    cells = mosaic()
    between = membrane_of(cells)
    probability = between[None] if output == "membrane" else np.stack([1 - between, between])
    found = refine(probability, output)
    assert one_piece_each(found)
    assert (found > 0).mean() > 0.99
    # All but slivers at the frame, and with their share of the membrane.
    counts = metrics.objects(cells, found, [0.5, 0.75])
    assert counts[0].f1 > 0.97
    assert counts[1].f1 > 0.93


def test_gaps_in_membranes_do_not_join_cells() -> None:
    cells = mosaic()
    rng = np.random.default_rng(7)
    gaps = cv2.dilate((rng.random(cells.shape) < 0.004).astype(np.uint8), np.ones((5, 5)))
    probability = np.where(gaps > 0, 0.1, membrane_of(cells))[None].astype(np.float32)
    pieces, _ = ndimage.label(probability[0] < 0.5)
    joined = metrics.objects(cells, pieces, [0.5])[0].f1
    mended = metrics.objects(cells, refine(probability, "membrane"), [0.5])[0].f1
    assert joined < 0.75
    assert mended > 0.93


def test_filled_cells_keep_their_outline() -> None:
    truth = nearest(seeds(40, 1), (96, 80))
    found = refine((truth > 0)[None].astype(np.float32), "filled", Refinement(diameter_px=14))
    kept = np.count_nonzero(found > 0)
    assert np.count_nonzero((found > 0) & (truth == 0)) < 0.02 * kept  # small holes
    assert kept > 0.95 * np.count_nonzero(truth)
    assert metrics.objects(truth, found, [0.7])[0].f1 > 0.85


def test_touching_cells_of_interior_and_boundary_share_no_pixel_and_fill_their_rim() -> None:
    y, x = np.indices((60, 90))
    one, two = (((y - 30) ** 2 + (x - c) ** 2) for c in (30, 56))
    body = (one < 169) | (two < 169)
    core = (one < 100) | (two < 100)
    probability = np.stack([core, body & ~core]).astype(np.float32)
    found = refine(probability, "interior_boundary")
    assert found.max() == 2
    assert ((found > 0) == body).mean() > 0.99
    assert found[30, 30] != found[30, 56]


def test_an_island_has_one_outer_contour() -> None:
    cells = mosaic()
    y, x = np.indices(cells.shape)
    inside = (y - 100) ** 2 + (x - 100) ** 2 < 70**2
    truth = np.where(np.isin(cells, np.unique(cells[~inside])), 0, cells)
    probability = membrane_of(truth)[None]
    found = refine(probability, "membrane", Refinement(tissue_radius=1.0, diameter_px=18))
    assert metrics.objects(truth, found, [0.5])[0].f1 > 0.95
    everywhere = refine(probability, "membrane", Refinement(tissue_radius=0, diameter_px=18))
    assert everywhere[0, 0] > 0
    assert found[0, 0] == 0


@pytest.mark.parametrize("output", ["membrane", "filled", "interior_boundary"])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_maps_that_show_nothing(output: str, level: float) -> None:
    channels = 2 if output == "interior_boundary" else 1
    found = refine(np.full((channels, 40, 50), level, np.float32), output)
    assert found.shape == (40, 50)
    assert found.max() <= 1
    assert refine(np.full((channels, 1, 1), level, np.float32), output).shape == (1, 1)


def test_wrong_channels_are_refused() -> None:
    with pytest.raises(SimcellError, match=r"'membrane' needs \(1, y, x\)"):
        refine(np.zeros((2, 9, 9), np.float32), "membrane")
    with pytest.raises(SimcellError, match="needs"):
        refine(np.zeros((9, 9), np.float32), "filled")
    assert [e.tolist() for e in evidence(np.float32([[[0.25]]]), "membrane")] == [
        [[0.75]],
        [[0.25]],
    ]


def test_bands_give_the_cells_of_the_whole() -> None:
    cells = mosaic(400, 300)
    probability = membrane_of(cells)[None]
    options = Refinement(diameter_px=17)
    whole = refine(probability, "membrane", options)
    banded = refine(probability, "membrane", options, band_px=300 * 70)
    assert one_piece_each(banded)
    assert metrics.objects(whole, banded, [0.95])[0].f1 == 1.0
    assert np.count_nonzero((banded > 0) != (whole > 0)) < 20


def test_bands_that_disagree_share_no_pixel_and_leave_no_pieces() -> None:
    def cells(seen: slice) -> np.ndarray:
        """Two wide cells a band, of other rows in every band."""
        height = seen.stop - seen.start
        y, x = np.indices((height, 30))
        tall = (np.abs(y - height / 2) < 6 + 4 * (x % 8 < 3)) * (1 + x // 15)
        return tall.astype(np.int32)

    found = stitched((60, 30), 20, 9, cells)
    assert one_piece_each(found)
    assert sorted(np.unique(found)) == list(range(7))


def test_of_a_cell_cut_in_two_the_larger_piece_stays() -> None:
    def cells(seen: slice) -> np.ndarray:
        """One column above; below a cell that it cuts, two columns to the left, three right."""
        found = np.zeros((seen.stop - seen.start, 6), np.int32)
        if seen.start == 0:
            found[:7, 2] = 1
        else:
            found[2:4] = 1
        return found

    found = stitched((10, 6), 5, 2, cells)
    assert (found[:7, 2] == 1).all()
    assert (found[5:7, 3:] == 2).all()
    assert np.count_nonzero(found) == 7 + 6
    assert one_piece_each(found)


# StarDist


class FakeModel:
    opened: list[tuple[object, ...]] = []  # noqa: RUF012

    def __init__(self, *words: object, **named: object) -> None:
        self.opened.append((*words, *named.items()))

    def predict_instances(self, picture: np.ndarray, **named: object) -> tuple[np.ndarray, None]:
        self.picture, self.named = picture, named
        labels = np.zeros(picture.shape, np.int32)
        labels[5:15, 5:15] = 1
        labels[5:15, 15:25] = 2
        return labels, None


@pytest.fixture
def _stardist(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("stardist.models")
    module.StarDist2D = FakeModel
    monkeypatch.setitem(sys.modules, "stardist", ModuleType("stardist"))
    monkeypatch.setitem(sys.modules, "stardist.models", module)
    FakeModel.opened.clear()
    load.cache_clear()


@pytest.mark.usefixtures("_stardist")
def test_stars_split_what_the_mask_joins_and_keep_what_stars_miss(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    probability = np.zeros((1, 40, 40), np.float32)
    probability[0, 5:15, 5:25] = 0.9
    probability[0, 25:35, 25:35] = 0.9
    options = Refinement(split="stardist", weights=str(tmp_path / "mine"), diameter_px=10)
    found = refine(probability, "filled", options)
    assert FakeModel.opened == [(None, ("name", "mine"), ("basedir", str(tmp_path)))]
    assert [found[10, 8], found[10, 22], found[30, 30]] == [1, 2, 3]
    assert ((found > 0) == (probability[0] > 0.5)).all()


@pytest.mark.usefixtures("_stardist")
def test_weights_that_are_nowhere(tmp_path: Path) -> None:
    with pytest.raises(SimcellError, match=r"no folder with config.json, and none of stardist"):
        load(str(tmp_path))
    FakeModel.from_pretrained = classmethod(lambda *_: 1 / 0)
    with pytest.raises(SimcellError, match="2D_versatile_fluo: cannot be loaded"):
        load("2D_versatile_fluo")


def test_without_stardist_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stardist", None)
    monkeypatch.setitem(sys.modules, "stardist.nms", None)  # imported already, perhaps
    load.cache_clear()
    with pytest.raises(SimcellError, match="pip install stardist, or use --split water"):
        refine(np.zeros((1, 9, 9), np.float32), "filled", Refinement(split="stardist"))


def test_pictures_for_stardist_are_dark_outside_the_mask() -> None:
    seen = []

    def predict(picture: np.ndarray, diameter: float) -> np.ndarray:
        seen.extend((picture, diameter))
        return np.zeros(picture.shape, np.int32)

    mask = np.zeros((10, 10), bool)
    mask[2:5, 2:5] = True
    labels = star_cells(predict, np.full((10, 10), 0.8, np.float32), mask, 3.0)
    assert (labels == mask).all()
    assert seen[1] == 3.0
    assert (seen[0] == np.where(mask, np.float32(0.8), 0)).all()
