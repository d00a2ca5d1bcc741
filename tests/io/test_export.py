"""Exports: every file is read back by something other than what wrote it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import yaml
import zarr
from large_samples import deep_sample, large_sample

from simcell.arrays import IntArray
from simcell.errors import SimcellError
from simcell.io import FORMATS, Format, export
from simcell.io.coco import run_lengths
from simcell.io.dataset import Dataset
from simcell.io.export import read_card
from simcell.io.tiff import save_tiff
from simcell.sample import Sample


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_tiff_keeps_pixels_scale_and_table(dataset: Dataset, tmp_path: Path) -> None:
    out = export(dataset, tmp_path / "out", "tiff")
    assert names(out) == [
        "images",
        "labels",
        "objects.csv",
        "preset.yaml",
        "priors",
        "simcell.json",
    ]
    for folder, array in (("images", "image"), ("priors", "prior"), ("labels", "labels")):
        assert names(out / folder) == [f"000{i}.tif" for i in range(9)]
        for index in range(9):
            with tifffile.TiffFile(out / folder / f"000{index}.tif") as file:
                assert file.is_imagej
                assert file.imagej_metadata["unit"] == "um"
                tag = file.pages[0].tags["XResolution"].value
                assert tag[0] / tag[1] == pytest.approx(1 / 0.5)
                np.testing.assert_array_equal(file.asarray(), dataset.read(array, index))
    with (out / "objects.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == dataset.counts.sum()
    third = [row for row in rows if row["file"] == "0003.tif"]
    for row, want in zip(third, dataset[3].objects, strict=True):
        assert int(row["label"]) == want["label"]
        assert float(row["area_um2"]) == want["area_um2"]
        assert row["touches_border"] == str(bool(want["touches_border"]))
    assert yaml.safe_load((out / "preset.yaml").read_text()) == {"name": "handmade"}


def test_stardist_folder_has_masks_beside_images(dataset: Dataset, tmp_path: Path) -> None:
    out = export(dataset[2:5], tmp_path / "out", "stardist")
    assert names(out / "images") == names(out / "masks") == ["0000.tif", "0001.tif", "0002.tif"]
    for place, sample in enumerate(dataset[2:5]):
        mask = tifffile.imread(out / "masks" / f"000{place}.tif")
        assert mask.dtype == np.uint16
        np.testing.assert_array_equal(mask, sample.labels)
        image = cv2.imread(str(out / "images" / f"000{place}.tif"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(image, sample.image)


def test_large_labels_keep_their_resolution(tmp_path: Path) -> None:
    labels = np.array([[0, 70_000], [1, 2]], np.uint32)
    save_tiff(tmp_path / "a.tif", labels, (0.5, 0.25))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.asarray(), labels)
        page = file.pages[0]
        assert page.tags["ResolutionUnit"].value == 3  # centimetres
        pixels, of = page.tags["XResolution"].value
        assert pixels / of == pytest.approx(1e4 / 0.25)


def decoded(segmentation: dict[str, list[int]]) -> IntArray:
    """COCO's uncompressed run lengths, pixel by pixel, down the columns."""
    height, width = segmentation["size"]
    column_major, inside = [], 0
    for count in segmentation["counts"]:
        column_major += [inside] * count
        inside = 1 - inside
    assert len(column_major) <= height * width
    column_major += [0] * (height * width - len(column_major))
    return np.array([column_major[x * height : (x + 1) * height] for x in range(width)]).T


def test_coco_masks_decode_to_the_labels(dataset: Dataset, tmp_path: Path) -> None:
    out = export(dataset, tmp_path / "out", "coco")
    content = json.loads((out / "annotations.json").read_text())
    assert [image["file_name"] for image in content["images"]] == names(out / "images")
    assert {c["id"]: c["name"] for c in content["categories"]} == {1: "type 0", 2: "type 1"}
    annotations = content["annotations"]
    assert [a["id"] for a in annotations] == list(range(1, int(dataset.counts.sum()) + 1))
    for image, sample in zip(content["images"], dataset, strict=True):
        png = cv2.imread(str(out / "images" / image["file_name"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(png, sample.image)
        assert (image["height"], image["width"]) == sample.image.shape
        mine = [a for a in annotations if a["image_id"] == image["id"]]
        assert [a["category_id"] for a in mine] == (sample.objects["type"] + 1).tolist()
        for label, annotation in enumerate(mine, 1):
            mask = decoded(annotation["segmentation"])
            np.testing.assert_array_equal(mask, sample.labels == label)
            assert annotation["iscrowd"] == 0
            assert annotation["area"] == mask.sum()
            y, x = np.nonzero(mask)
            box = [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
            assert annotation["bbox"] == box


def test_run_lengths_of_random_labels() -> None:
    labels = np.random.default_rng(0).integers(0, 4, (7, 5))
    runs = run_lengths(labels)
    assert sorted(runs) == [1, 2, 3]
    for label, counts in runs.items():
        assert 0 not in counts[1:]
        mask = decoded({"size": [7, 5], "counts": counts})
        np.testing.assert_array_equal(mask, labels == label)
    assert run_lengths(np.zeros((3, 3), np.int32)) == {}
    assert run_lengths(np.ones((2, 2), np.int32)) == {1: [0, 4]}


def test_boxes_of_runs_that_reach_the_next_column(
    builder: type, handmade: Callable[..., Sample], tmp_path: Path
) -> None:
    labels = np.zeros((24, 20), np.int32)
    labels[20:, 3] = labels[:2, 4] = 1  # One run: down column 3 and on in column 4.
    made = handmade(0)
    sample = replace(made, labels=labels, objects=made.objects[:1].copy())
    dataset = builder(tmp_path / "a", 1, lambda _: sample).build()
    out = export(dataset, tmp_path / "out", "coco")
    (annotation,) = json.loads((out / "annotations.json").read_text())["annotations"]
    assert annotation["bbox"] == [3, 0, 2, 24]


def test_png_has_images_and_one_sheet(dataset: Dataset, tmp_path: Path) -> None:
    out = export(dataset, tmp_path / "out", "png")
    assert len(names(out / "images")) == 9
    sheet = cv2.imread(str(out / "sheet.png"))
    assert sheet.shape[0] > 5 * 300
    image = cv2.imread(str(out / "images" / "0004.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(image, dataset[4].image)


def test_an_export_knows_where_it_came_from(dataset: Dataset, tmp_path: Path) -> None:
    card = read_card(export(dataset[:4], tmp_path / "out", "coco"))
    assert (card.format, card.samples, card.objects) == ("coco", 4, dataset[:4].counts.sum())
    assert card.dataset == dataset.header


def test_without_an_image_the_prior_is_shown(
    builder: type, handmade: Callable[..., Sample], tmp_path: Path
) -> None:
    dataset = builder(tmp_path / "a", 2, lambda i: replace(handmade(i), image=None)).build()
    out = export(dataset, tmp_path / "out", "stardist")
    np.testing.assert_array_equal(tifffile.imread(out / "images/0001.tif"), dataset[1].prior)


@pytest.mark.parametrize("format", FORMATS[1:])
def test_half_an_export_never_appears(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: Format
) -> None:
    earlier = export(dataset[:1], tmp_path / "out", "png")
    rows = Dataset._rows

    def failing(self: Dataset, name: str, at: int | slice) -> object:
        return 1 / 0 if (name, at) == ("labels", 4) else rows(self, name, at)

    monkeypatch.setattr(Dataset, "_rows", failing)
    with pytest.raises(ZeroDivisionError):
        export(dataset, tmp_path / "out", format, overwrite=True)
    assert names(tmp_path) == ["out"]
    assert read_card(earlier).samples == 1


def test_overwriting_replaces_all_of_it(dataset: Dataset, tmp_path: Path) -> None:
    out = export(dataset, tmp_path / "out", "tiff")
    with pytest.raises(SimcellError, match="exists; continue it with --resume, or replace it"):
        export(dataset, out, "coco")
    export(dataset[:2], out, "coco", overwrite=True)
    assert names(out) == ["annotations.json", "images", "preset.yaml", "simcell.json"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("format", ["zarr", "jpeg", ""])
def test_unknown_formats_are_refused(dataset: Dataset, tmp_path: Path, format: str) -> None:
    with pytest.raises(SimcellError, match=f"format = '{format}': use one of ome-zarr"):
        export(dataset, tmp_path / "out", format)


def test_volumes_are_stacks_that_imagej_scales(deep: Dataset, tmp_path: Path) -> None:
    out = export(deep[:1], tmp_path / "out", "tiff")
    for folder, array in (("images", "image"), ("labels", "labels"), ("classes", "classes")):
        with tifffile.TiffFile(out / folder / "0000.tif") as file:
            assert (file.series[0].axes, file.imagej_metadata["spacing"]) == ("ZYX", 2.0)
            np.testing.assert_array_equal(file.asarray(), deep.read(array, 0))
    with tifffile.TiffFile(out / "priors" / "0000.tif") as file:
        assert file.series[0].axes == "ZCYX"
        np.testing.assert_array_equal(file.asarray(), np.moveaxis(deep.read("prior", 0), 0, 1))
    out = export(deep[:1], tmp_path / "train", "stardist")
    for folder, array in (("images", "image"), ("masks", "labels")):
        made = tifffile.imread(out / folder / "0000.tif")
        np.testing.assert_array_equal(made, deep.read(array, 0))


def test_labels_of_32_bits_stay_what_they_are(
    builder: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simcell.io.header.UINT16_PIXELS", 1000)
    dataset = builder(tmp_path / "a", 1, deep_sample).build()
    want = dataset.read("labels", 0)
    assert want.dtype == np.uint32
    for format, file in (("tiff", "0000.tif"), ("ome-tiff", "0000.ome.tif")):
        out = export(dataset, tmp_path / format, format)
        made = tifffile.imread(out / "labels" / file)
        assert made.dtype == np.uint32
        np.testing.assert_array_equal(made, want)
    out = export(dataset, tmp_path / "ome-zarr", "ome-zarr")
    labels = zarr.open_array(out / "images/0000.ome.zarr/labels/labels/0", mode="r")
    assert labels.dtype == np.uint32
    np.testing.assert_array_equal(np.asarray(labels), want)


@pytest.mark.parametrize("format", ["coco", "png"])
def test_flat_formats_refuse_volumes(deep: Dataset, tmp_path: Path, format: str) -> None:
    with pytest.raises(SimcellError, match=rf"format = '{format}': holds flat images, the field"):
        export(deep, tmp_path / "out", format)
    assert not names(tmp_path)


@pytest.mark.parametrize("format", ["coco", "png"])
def test_channels_of_a_flat_prior_are_coloured(builder: type, tmp_path: Path, format: str) -> None:
    def sample(index: int) -> Sample:
        return replace(large_sample(index, ((60, 80), (0.5, 0.5)), channels=2), image=None)

    dataset = builder(tmp_path / "a", 1, sample).build()
    out = export(dataset, tmp_path / "out", format)
    picture = cv2.imread(str(out / "images" / "0000.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (60, 80, 3)
    first, second = dataset.read("prior", 0) > 0
    assert first.any() and second.any()  # noqa: PT018
    colours = [np.unique(picture[mask], axis=0) for mask in (first, second)]
    assert [len(found) for found in colours] == [1, 1]
    assert colours[0].tolist() != colours[1].tolist()
