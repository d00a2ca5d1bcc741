"""COCO instances: PNG images and one JSON file.

Decision: masks are run-length encoded, not polygons, because a cell may have
holes and COCO polygons may not. Counts are written plainly (uncompressed), which
pycocotools and every reader on top of it accept for ``iscrowd`` = 0: each
annotation is one object, never a crowd.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from simcell.arrays import IntArray
from simcell.io.dataset import Dataset
from simcell.io.files import file_name
from simcell.io.png import flat_picture
from simcell.sample import Sample


def write_coco(dataset: Dataset, folder: Path) -> None:
    """Write images/ and annotations.json.

    Categories are the types of the objects, numbered from 1 as COCO wants them.
    Annotations are written as they come, so that memory does not grow.
    """
    (folder / "images").mkdir()
    images: list[dict[str, Any]] = []
    types: set[int] = set()
    count = 0
    with (folder / "annotations.json").open("w", encoding="utf-8") as file:
        file.write('{"annotations": [')
        for place, sample in enumerate(dataset):
            name = file_name(place, len(dataset), "png")
            array = flat_picture(sample)
            Image.fromarray(array).save(folder / "images" / name)
            height, width = array.shape[:2]
            images.append({"id": place + 1, "file_name": name, "width": width, "height": height})
            for annotation in _annotations(sample):
                separator = ",\n" if count else "\n"
                count += 1
                line = {"id": count, "image_id": place + 1, **annotation}
                file.write(separator + json.dumps(line, separators=(",", ":")))
                types.add(annotation["category_id"])
        file.write('],\n"images": ' + json.dumps(images))
        file.write(',\n"categories": ' + json.dumps([_category(t) for t in sorted(types)]))
        file.write(',\n"info": ' + json.dumps({"description": _about(dataset)}) + "}\n")


def _category(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"type {number - 1}", "supercategory": "cell"}


def _about(dataset: Dataset) -> str:
    return f"simcell {dataset.header.name}, seed {dataset.header.seed}"


def _annotations(sample: Sample) -> Iterator[dict[str, Any]]:
    """Yield the annotations of one sample, one per label."""
    assert sample.labels is not None
    assert sample.objects is not None
    masks = run_lengths(sample.labels)
    height, width = sample.labels.shape
    for label, kind in zip(
        sample.objects["label"].tolist(), sample.objects["type"].tolist(), strict=True
    ):
        counts = masks[label]
        starts = np.cumsum(counts)[:-1:2]
        ends = np.cumsum(counts)[1::2]
        # Runs go down columns; one that reaches the next column spans a whole one.
        left, right = int(starts[0] // height), int((ends[-1] - 1) // height)
        wraps = bool(np.any(starts // height != (ends - 1) // height))
        top = 0 if wraps else int((starts % height).min())
        bottom = height - 1 if wraps else int(((ends - 1) % height).max())
        yield {
            "category_id": kind + 1,
            "segmentation": {"size": [height, width], "counts": counts},
            "area": int(np.sum(ends - starts)),
            "bbox": [left, top, right - left + 1, bottom - top + 1],
            "iscrowd": 0,
        }


def run_lengths(labels: IntArray) -> dict[int, list[int]]:
    """Return the column-major run lengths of every label.

    Parameters
    ----------
    labels : IntArray
        Label image (y, x).

    Returns
    -------
    dict of int to list of int
        Lengths of alternate runs outside and inside the label, outside first.

    Examples
    --------
    >>> run_lengths(np.array([[1, 0], [1, 2]]))
    {1: [0, 2, 2], 2: [3, 1]}
    """
    flat = labels.ravel(order="F")
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    ends = np.r_[starts[1:], flat.size]
    order = np.argsort(flat[starts], kind="stable")
    owners = flat[starts][order]
    cuts = np.flatnonzero(np.diff(owners)) + 1
    masks: dict[int, list[int]] = {}
    for runs in np.split(order, cuts):
        label = int(flat[starts[runs[0]]])
        if label:
            edges = np.stack([starts[runs], ends[runs]], axis=1).ravel()
            counts = np.diff(np.r_[0, edges, flat.size])
            masks[label] = (counts if counts[-1] else counts[:-1]).tolist()
    return masks
