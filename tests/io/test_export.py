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

from simcell.arrays import IntArray
from simcell.errors import SimcellError
from simcell.io import export
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


def test_half_an_export_never_appears(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = export(dataset[:1], tmp_path / "out", "png")
    monkeypatch.setattr(Dataset, "_sample", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(dataset, tmp_path / "out", "tiff", overwrite=True)
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
    with pytest.raises(SimcellError, match=f"format = '{format}': use one of tiff, stardist"):
        export(dataset, tmp_path / "out", format)
