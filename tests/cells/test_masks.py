"""A user's own objects: what is read, how it is turned, and that it never overlaps more."""

import os
from itertools import combinations

import cv2
import numpy as np
import pytest
import tifffile
from scipy.ndimage import affine_transform
from scipy.stats import kstest

from simcell import cells
from simcell.arrays import Grid, Pattern
from simcell.cells.library import _renumbered, open_library
from simcell.cells.masks import _factors, _transforms, place, warp
from simcell.errors import SimcellError
from simcell.rng import Streams
from simcell.scene.masks import Masks

GRID = Grid((200, 240), (0.5, 0.5))


def bean(side=40):
    """An object without symmetry, with a bay."""
    y, x = np.mgrid[:side, :side] - side / 2
    body = (x / 15) ** 2 + (y / 8) ** 2 < 1
    return body & ~((x - 4) ** 2 + (y - 7) ** 2 < 25) | ((x + 10) ** 2 + (y + 6) ** 2 < 16)


@pytest.fixture
def folder(tmp_path):
    labels = np.zeros((60, 120), np.uint16)
    labels[10:50, 10:50][bean()] = 7
    y, x = np.mgrid[:60, :120]
    labels[np.hypot(y - 30, x - 75) < 9] = 300
    labels[20:40, 95:104] = 12
    labels[0:9, 60:70] = 9  # cut by the edge
    labels[55:57, 100:102] = 11  # a speck
    tifffile.imwrite(tmp_path / "b.tif", labels)
    binary = np.zeros((40, 40), np.uint8)
    binary[5:15, 5:15] = binary[20:32, 20:30] = 255
    cv2.imwrite(str(tmp_path / "a.png"), binary)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".hidden.png").write_bytes(b"no picture")
    return tmp_path


def grow(spec, points, seed=0, periodic=False, margin=20, grid=GRID, **marks):
    pattern = Pattern(np.atleast_2d(np.asarray(points, float)), marks)
    region = np.ones(grid.padded(0 if periodic else margin).shape, bool)
    return cells.grow(spec, pattern, region, grid, margin, Streams(seed, 0), periodic=periodic)


def crowd(count, seed=1):
    return np.random.default_rng(seed).uniform(0, 1, (count, 2)) * [100, 120]


def source(library):
    return library.bits, library.start, library.height, library.width, library.centre


def stamp_of(library, k):
    at = library.start[k]
    shape = library.height[k], library.width[k]
    return library.bits[at : at + shape[0] * shape[1]].reshape(shape)


# Reading


def test_whole_objects_are_read_in_the_order_of_names(folder):
    library = open_library(str(folder))
    assert len(library) == 5
    assert library.cut == 1
    # a.png comes first, its two pieces in raster order; then the labels of b.tif.
    assert library.area[:2].tolist() == [100, 120]
    assert set(library.area[2:]) == {bean().sum(), 249, 180}
    assert library.centre[0].tolist() == [6, 6]
    assert np.array_equal(stamp_of(library, 0), np.pad(np.ones((10, 10)), 1))


def test_of_a_label_in_pieces_the_largest_counts(tmp_path):
    labels = np.zeros((30, 60), np.int64)
    labels[5:15, 5:15] = labels[20:24, 5:10] = 2
    labels[5:10, 30:50] = 4_000_000_000
    np.save(tmp_path / "labels.npy", labels)
    assert sorted(open_library(str(tmp_path)).area) == [100, 100]


def test_an_image_without_background_has_no_whole_object(tmp_path):
    np.save(tmp_path / "full.npy", np.arange(1, 10).reshape(3, 3).repeat(5, 0).repeat(5, 1))
    library = open_library(str(tmp_path))
    assert library.area.tolist() == [25]
    assert library.cut == 8


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint64, np.int64])
@pytest.mark.parametrize("background", [0, 3])
def test_labels_are_renumbered_as_sorting_would(dtype, background, monkeypatch):
    pixels = np.random.default_rng(0).choice([background, 5, 9, 250], (30, 40)).astype(dtype)
    _, place = np.unique(pixels, return_inverse=True)
    wanted = place.reshape(pixels.shape) + (background != 0)
    by_table = _renumbered(pixels)
    monkeypatch.setattr("simcell.cells.library._LONGEST_TABLE", 0)
    for labels in (by_table, _renumbered(pixels)):
        assert labels.dtype == np.int32
        assert np.array_equal(labels, wanted)


def test_a_table_renumbers_without_sorting(monkeypatch):
    monkeypatch.setattr(np, "unique", None)
    assert _renumbered(np.array([[0, 7], [9_999_999, 7]])).tolist() == [[0, 1], [2, 1]]
    assert _renumbered(np.array([[False, True]])).tolist() == [[0, 1]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_stacks_of_one_plane_and_whole_floats_are_label_images(tmp_path, dtype):
    labels = np.zeros((1, 40, 40))
    labels[0, 5:15, 5:15] = 7
    tifffile.imwrite(tmp_path / "a.tif", labels.astype(dtype), shaped=True)
    np.save(tmp_path / "b.npy", labels.astype(dtype))
    assert open_library(str(tmp_path)).area.tolist() == [100, 100]


@pytest.mark.parametrize("worst", [0.5, np.nan, np.inf, 1e300, -1.0])
def test_floats_that_are_no_labels_are_refused(tmp_path, worst):
    labels = np.zeros((40, 40))
    labels[5:15, 5:15] = worst
    np.save(tmp_path / "a.npy", labels)
    with pytest.raises(SimcellError, match=r"holds (float64|-1)"):
        open_library(str(tmp_path))


@pytest.mark.parametrize("name", ["half.tif", "garbage.tif", "half.png"])
def test_a_broken_image_is_told_once(tmp_path, name, capfd, caplog):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    if name == "garbage.tif":
        (tmp_path / name).write_bytes(b"II*\0garbage")
    else:
        cv2.imwrite(str(tmp_path / name), pixels)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(SimcellError, match=r"cannot be read \([^\n]+\); give a TIFF") as error:
        open_library(str(tmp_path))
    if name == "garbage.tif":
        assert "(not a readable image)" in str(error.value)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_lzw_is_read_without_a_plugin(tmp_path):
    labels = np.zeros((30, 30), np.uint16)
    labels[5:15, 5:15] = 700
    cv2.imwrite(str(tmp_path / "a.tif"), labels, [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    assert open_library(str(tmp_path)).area.tolist() == [100]


def test_the_fingerprint_follows_names_and_bytes(folder):
    first = open_library(str(folder))
    assert open_library(str(folder)) is first
    (folder / "notes.txt").write_text("more")
    assert open_library(str(folder)) is first
    os.utime(folder / "a.png", ns=(1, 1))
    assert open_library(str(folder)).fingerprint == first.fingerprint
    (folder / "a.png").rename(folder / "c.png")
    renamed = open_library(str(folder))
    assert renamed.fingerprint != first.fingerprint
    binary = np.zeros((40, 40), np.uint8)
    binary[5:15, 5:16] = 255
    cv2.imwrite(str(folder / "c.png"), binary)
    changed = open_library(str(folder))
    assert changed.fingerprint not in (first.fingerprint, renamed.fingerprint)
    assert changed.area.tolist()[-1] == 110


def test_changed_masks_are_refused_where_a_fingerprint_is_given(folder):
    mark = open_library(str(folder)).fingerprint
    spec = Masks(path=str(folder), fingerprint=mark)
    assert len(grow(spec, [50.0, 60.0]).objects) == 1
    (folder / "a.png").unlink()
    with pytest.raises(SimcellError, match=f"the masks have changed .fingerprint .*, not {mark}"):
        grow(spec, [50.0, 60.0])


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        ("a.npy", np.full((9, 9), 0.5), "holds float64"),
        ("a.npy", np.zeros((9, 9, 3), np.uint8), r"shape \(9, 9, 3\)"),
        ("a.npy", np.zeros((0, 9), np.uint8), r"shape \(0, 9\)"),
        ("a.npy", np.full((9, 9), -1), "holds -1"),
        ("a.npy", np.zeros((9, 9), np.uint8), "no whole object"),
        ("a.npy", np.ones((9, 9), np.uint8), "1 touch the edge"),
        ("a.tif", np.zeros((5, 9, 9), np.uint16), r"shape \(5, 9, 9\)"),
        ("a.png", np.zeros((9, 9, 3), np.uint8), r"shape \(9, 9, 3\)"),
        ("a.tif", None, "cannot be read"),
        ("a.txt", None, "holds no label image"),
    ],
)
def test_what_is_no_label_image_is_refused_in_one_line(tmp_path, name, array, text):
    file = tmp_path / name
    if array is None:
        file.write_bytes(b"nothing of the kind")
    elif name.endswith("npy"):
        np.save(file, array)
    elif name.endswith("tif"):
        tifffile.imwrite(file, array)
    else:
        cv2.imwrite(str(file), array)
    with pytest.raises(SimcellError, match=text) as caught:
        open_library(str(tmp_path))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("cells.path")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(SimcellError, match="no such folder; give a folder"):
        open_library(str(tmp_path / "absent"))
    (tmp_path / "file").write_text("")
    with pytest.raises(SimcellError, match="no folder; give a folder"):
        open_library(str(tmp_path / "file"))


# Turning and rescaling


def warped(stamp, back, side=101, at=50.5):
    out = np.ones((side, side), np.uint8)
    centre = np.argwhere(stamp).mean(axis=0) + 0.5
    total = warp(
        np.pad(stamp.astype(np.uint8), 1), centre + 1, np.asarray(back, float), at, at, out
    )
    assert total == out.sum()
    return out


def matrix(turn, mirror, size):
    spec = Masks(turn_deg=turn, flip=mirror, scale_min=size, scale_max=size)
    return _transforms(spec, np.array([size]), Streams(0, 0))[0]


def test_without_change_an_object_stays_as_it_is():
    stamp = bean()
    centre = np.argwhere(stamp).mean(axis=0) + 0.5
    out = np.ones((80, 80), np.uint8)
    warp(np.pad(stamp.astype(np.uint8), 1), centre + 1, np.eye(2), *(centre + 20), out)
    assert np.array_equal(out[20:60, 20:60], stamp)
    assert out.sum() == stamp.sum()


def test_quarter_turns_and_mirrors_are_exact():
    stamp = bean()
    centre = np.full(2, 21.0)
    padded = np.pad(stamp.astype(np.uint8), 1)
    for back, wanted in (
        ([[0, 1], [-1, 0]], np.rot90(stamp, -1)),
        ([[-1, 0], [0, -1]], np.rot90(stamp, 2)),
        ([[1, 0], [0, -1]], stamp[:, ::-1]),
    ):
        out = np.ones((40, 40), np.uint8)
        warp(padded, centre, np.array(back, float), 20.0, 20.0, out)
        assert np.array_equal(out, wanted) or np.array_equal(out, np.rot90(wanted, 2))
        assert out.sum() == stamp.sum()


@pytest.mark.parametrize("size", [0.6, 1.0, 2.3])
def test_warping_equals_scipys(size):
    stamp = bean().astype(np.uint8)
    back = _transforms(Masks(), np.full(6, size), Streams(2, 0))
    centre = np.argwhere(stamp).mean(axis=0)
    for one in back:
        shift = centre - one @ np.array([50.0, 50.0])
        wanted = affine_transform(stamp.astype(float), one, shift, (101, 101), order=1) >= 0.5
        assert np.mean(warped(stamp, one) != wanted) < 2e-4


def test_areas_scale_with_the_square_whatever_the_turn():
    stamp = bean()
    for size in (0.7, 1.0, 1.8):
        back = _transforms(Masks(), np.full(60, size), Streams(1, 0))
        area = np.array([warped(stamp, one).sum() for one in back]) / (stamp.sum() * size**2)
        assert abs(area.mean() - 1) < 0.012
        assert area.std() < 0.03


def test_turns_mirrors_and_scales_follow_their_laws():
    spec = Masks(scale_min=0.5, scale_max=2.0, flip=0.3, turn_deg=60, spacing_um=0.8)
    size = _factors(spec, 4000, 0.4, Streams(0, 0))
    assert kstest(np.log(size / 2), "uniform", (np.log(0.5), np.log(4))).pvalue > 1e-3
    back = _transforms(spec, size, Streams(0, 0))
    determinant = np.linalg.det(back)
    np.testing.assert_allclose(np.abs(determinant), size**-2.0)
    assert abs(np.mean(determinant < 0) - 0.3) < 4 * np.sqrt(0.21 / 4000)
    turn = np.rad2deg(np.arctan2(back[:, 0, 1], back[:, 0, 0]))
    assert kstest(turn, "uniform", (-60, 120)).pvalue > 1e-3
    assert np.all(_factors(Masks(scale_min=1, scale_max=1), 5, 0.4, Streams(0, 0)) == 1)


# Placing


@pytest.mark.parametrize("limit", [0.0, 0.15, 0.5])
@pytest.mark.parametrize("periodic", [False, True])
def test_no_two_objects_share_more_than_the_limit(folder, limit, periodic):
    library = open_library(str(folder))
    n, tries = 130, 25
    rng = np.random.default_rng(3)
    centres = rng.uniform(0, 150, (n, 2))
    size = rng.uniform(0.7, 1.3, n)
    chosen = rng.integers(0, len(library), n)
    shapes = _transforms(Masks(), size, Streams(0, 0))
    reach = library.reach[chosen] * size
    steps = reach[:, None, None] * rng.standard_normal((n, tries, 2))
    steps[:, 0] = 0
    placed, kept = place(
        source(library),
        chosen,
        shapes,
        reach,
        centres,
        steps,
        np.ones((150, 150), bool),
        (150, 150) if periodic else (0, 0),
        limit,
    )
    whole = []
    for i in np.flatnonzero(kept):
        side, at, (r, c) = placed.side[i], placed.start[i], placed.corner[i]
        bitmap = placed.bits[at : at + side**2].reshape(side, side)
        rows, columns = np.nonzero(bitmap)
        rows, columns = rows + r, columns + c
        if periodic:
            rows, columns = rows % 150, columns % 150
        whole.append(set(zip(rows.tolist(), columns.tolist(), strict=True)))
        assert len(whole[-1]) == placed.area[i]
    shared = [len(a & b) / min(len(a), len(b)) for a, b in combinations(whole, 2)]
    assert max(shared) <= limit
    assert 15 < kept.sum() < n
    if limit:
        assert max(shared) > 0.5 * limit


def test_boxes_may_overlap_where_objects_do_not(tmp_path):
    """Two L-shaped objects fit into each other's boxes."""
    labels = np.zeros((60, 60), np.uint8)
    labels[10:50, 10:14] = labels[46:50, 10:50] = 1
    np.save(tmp_path / "a.npy", labels)
    spec = Masks(path=str(tmp_path), turn_deg=0, flip=0, scale_min=1, scale_max=1, tries=1)
    grown = grow(spec, [[50, 60], [47, 63]])
    assert len(grown.objects) == 2
    assert not grown.objects["overlap"].any()
    box = [np.argwhere(grown.labels == k) for k in (1, 2)]
    assert np.all(box[0].min(axis=0) < box[1].max(axis=0))
    assert np.all(box[1].min(axis=0) < box[0].max(axis=0))


def test_with_room_every_point_gets_its_object_where_it_is(folder):
    y, x = np.meshgrid(np.arange(15.0, 100, 23), np.arange(15.0, 120, 23), indexing="ij")
    points = np.stack([y.ravel(), x.ravel()], axis=1)
    grown = grow(Masks(path=str(folder)), points)
    notes = grown.pattern.notes
    assert (notes["rejected"], notes["moved"]) == (0, 0)
    assert notes["achieved_density"] == pytest.approx(notes["requested_density"])
    assert len(grown.objects) == len(points)
    whole = ~grown.objects["touches_border"]
    np.testing.assert_allclose(grown.objects["area_um2"], grown.objects["amodal_area_um2"])
    centroid = np.stack([grown.objects["centroid_y_um"], grown.objects["centroid_x_um"]], axis=1)
    seeds = np.stack([grown.objects["seed_y_um"], grown.objects["seed_x_um"]], axis=1)
    assert np.abs(centroid - seeds)[whole].max() < 0.3
    library = open_library(str(folder))
    expected = library.area[grown.pattern.marks["object"].astype(int) - 1]
    expected = expected * grown.pattern.marks["scale"] ** 2 * 0.25
    assert grown.objects["area_um2"].sum() == pytest.approx(expected.sum(), rel=0.02)


@pytest.mark.parametrize("periodic", [False, True])
def test_without_room_objects_are_left_out_and_the_density_reached_is_noted(folder, periodic):
    points = crowd(500)
    grown = grow(Masks(path=str(folder)), points, periodic=periodic, margin=0)
    notes = grown.pattern.notes
    left = 500 - notes["rejected"]
    assert 20 < left < 250
    assert notes["moved"] > 0
    assert notes["requested_density"] == pytest.approx(500 / 0.012)
    assert notes["achieved_density"] == pytest.approx(left / 0.012)
    assert not grown.objects["overlap"].any()


def test_more_tries_fit_more_objects(folder):
    left = [
        500 - grow(Masks(path=str(folder), tries=tries), crowd(500)).pattern.notes["rejected"]
        for tries in (1, 10, 60)
    ]
    assert left[0] < left[1] < left[2]


def test_every_object_of_the_library_is_drawn_as_often(folder):
    spec = Masks(path=str(folder), overlap_limit=1)
    drawn = grow(spec, crowd(3000)).pattern.marks["object"]
    counts = np.bincount(drawn.astype(int), minlength=6)[1:]
    assert abs(counts - 600).max() < 4 * np.sqrt(3000 * 0.2 * 0.8)


def test_placing_changes_nothing_that_is_drawn(folder):
    one, other = (
        grow(Masks(path=str(folder), overlap_limit=limit), crowd(12)) for limit in (0.0, 1.0)
    )
    assert one.pattern.notes["moved"] > 0
    kept = one.pattern.marks["shape"].astype(int)
    for mark in ("object", "scale"):
        assert np.array_equal(one.pattern.marks[mark], other.pattern.marks[mark][kept])


def test_the_order_of_the_files_on_disk_does_not_matter(folder, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("b.tif", "a.png"):
        (copy / name).write_bytes((folder / name).read_bytes())
    one, other = (grow(Masks(path=str(f)), crowd(20)) for f in (folder, copy))
    assert np.array_equal(one.labels, other.labels)


def test_objects_too_large_for_memory_are_refused(folder):
    spec = Masks(path=str(folder), spacing_um=1e3)
    with pytest.raises(SimcellError, match=r"at most 500,000,000 are allowed; lower"):
        grow(spec, crowd(5))


def test_scales_must_be_in_order():
    with pytest.raises(ValueError, match=r"scale_min = 2: must not exceed scale_max = 1"):
        Masks(scale_min=2, scale_max=1)
