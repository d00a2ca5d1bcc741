"""OME-Zarr 0.5: one image a sample, with its labels, for napari and every NGFF viewer.

Decision: ``images/0000.ome.zarr`` is an image of its own, which any viewer opens
alone, with ``labels/labels`` and, where there are any, ``labels/classes`` inside it.
The prior is no label, and its channels are not the image's: it is a second image,
``priors/0000.ome.zarr``, at the same place in space. Where a preset makes no image,
the labels lie with the prior.

Decision: the origin of space is the corner of the field, as in the objects table, so
that ``centroid_y_um`` is where a viewer draws it. The centre of the first pixel of
each level is then half a pixel of that level away, which its translation says.

Decision: an array is written in bands along y and each level is made from the one
below it, so that memory does not grow with the sample.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.core.array import ShardsLike

from simcell.io.dataset import Dataset
from simcell.io.files import file_name
from simcell.io.ngff import Greys, Json, image_label, multiscales, omero
from simcell.io.objects import objects_csv
from simcell.io.pyramid import Halve, Level, averages, levels, majorities

_FOLDERS = {"image": "images", "prior": "priors"}
_CHUNK = {2: (512, 512), 3: (16, 128, 128)}
_SHARD = {2: (1024, 4096), 3: (64, 256, 512)}
"""Pixels of a chunk, which a viewer reads at once, and at most of a file."""


def write_ome_zarr(dataset: Dataset, folder: Path) -> None:
    """Write images/, priors/ and objects.csv."""
    arrays = dataset.header.arrays
    pictures = [name for name in _FOLDERS if name in arrays]
    labels = [name for name in ("labels", "classes") if name in arrays]
    with objects_csv(dataset, folder) as add:
        for place in range(len(dataset)):
            group = file_name(place, len(dataset), "ome.zarr")
            for name in pictures:
                _write_picture(_Source(dataset, place, name), folder / _FOLDERS[name] / group)
            home = folder / _FOLDERS[pictures[0]] / group / "labels"
            _write_group(home, {"labels": labels})
            for name in labels:
                _write_labels(_Source(dataset, place, name), home / name)
            add(place, group)


@dataclass(frozen=True)
class _Source:
    """One array of one sample."""

    dataset: Dataset
    place: int
    name: str

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.dataset.header.arrays[self.name].dtype)

    @property
    def channels(self) -> tuple[int, ...]:
        """Length of the channel axis, or nothing where there is none."""
        arrays = self.dataset.header.arrays
        return arrays[self.name].shape[: -len(arrays["labels"].shape)]

    @property
    def pyramid(self) -> list[Level]:
        shape = self.dataset.header.arrays["labels"].shape
        return levels(shape, self.dataset.spacing_um(self.place))

    def reader(self) -> Callable[[range], NDArray[Any]]:
        """Return what reads rows: from the disk only where they are stored in bands."""
        if self.dataset.header.rows is not None:
            return partial(self.dataset.band, self.name, self.place)
        whole = self.dataset.read(self.name, self.place)
        return lambda rows: whole[..., rows.start : rows.stop, :]

    @property
    def title(self) -> str:
        return f"{self.dataset.header.name} {self.dataset.number(self.place)}"


def _write_picture(source: _Source, group: Path) -> None:
    """Write an image, or a prior, of which all greys are shown."""
    greys = Greys(prod(source.channels), source.dtype)
    if source.name == "image":
        _write_levels(source, group, averages, greys.add)
        windows = greys.windows()
    else:
        _write_levels(source, group, averages, lambda _: None)
        full = int(np.iinfo(source.dtype).max)
        windows = [{"min": 0, "max": full, "start": 0, "end": full}] * prod(source.channels)
    where = multiscales(source.title, source.pyramid, "mean", sum(source.channels))
    header = source.dataset.header
    origin = {
        "preset": header.name,
        "seed": header.seed,
        "index": source.dataset.number(source.place),
        "versions": header.versions,
    }
    _write_group(group, {**where, "omero": omero(source.name, windows)}, simcell=origin)


def _write_labels(source: _Source, group: Path) -> None:
    """Write labels or classes; the rows of the objects table become their properties."""
    classes = {0}
    watched = source.name == "classes"
    _write_levels(
        source,
        group,
        majorities,
        lambda band: classes.update(np.unique(band).tolist() if watched else ()),
    )
    label = image_label(sorted(classes))
    if not watched:
        objects = source.dataset.objects(source.place)
        label = image_label(objects["label"].tolist() or [0], objects)
    where = multiscales(source.title, source.pyramid, "mode")
    _write_group(group, {**where, "image-label": label})


def _write_group(group: Path, ome: Json, **others: Json) -> None:
    """Write the metadata of a group, and nothing below it."""
    group.mkdir(parents=True, exist_ok=True)
    attributes = {"ome": {"version": "0.5", **ome}, **others}
    content = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    (group / "zarr.json").write_text(json.dumps(content, allow_nan=False), "utf-8")


def _write_levels(
    source: _Source, group: Path, halve: Halve, seen: Callable[[NDArray[Any]], None]
) -> None:
    """Write all levels of one array, each from the one below it, band by band.

    ``seen`` is given every band of the finest level.
    """
    read = source.reader()
    below: zarr.Array[Any] | NDArray[Any] | None = None
    for number, level in enumerate(source.pyramid):
        array = _create(source, group / str(number), level)
        height = level.shape[-2]
        band = (array.shards or array.chunks)[-2]
        for top in range(0, height, band):
            rows = range(top, min(top + band, height))
            if below is None:
                block = read(rows)
                seen(block)
            else:
                step = level.steps[-2]
                wanted = slice(rows.start * step, rows.stop * step)
                block = halve(np.asarray(below[..., wanted, :]), level.steps)
            array[..., rows.start : rows.stop, :] = block
        below = block if height <= band else array


def _create(source: _Source, path: Path, level: Level) -> zarr.Array[Any]:
    """Create one level: small chunks to look at, in large files where there are many."""
    ones = (1,) * len(source.channels)
    chunk = tuple(map(min, level.shape, _CHUNK[len(level.shape)]))
    shards: ShardsLike | None = None
    if chunk != level.shape:
        most = _SHARD[len(level.shape)]
        sides = zip(level.shape, chunk, most, strict=True)
        shards = (*ones, *(ceil(min(n, s) / c) * c for n, c, s in sides))
    return zarr.create_array(
        path,
        shape=(*source.channels, *level.shape),
        chunks=(*ones, *chunk),
        shards=shards,
        dtype=source.dtype,
        compressors=ZstdCodec(level=3),
        fill_value=0,
        dimension_names=tuple("c" * len(ones) + "zyx"[-len(chunk) :]),
    )
