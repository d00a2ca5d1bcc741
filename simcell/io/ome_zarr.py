"""OME-Zarr 0.5: one image a sample, with its labels, for napari and every NGFF viewer.

Decision: ``images/0000.ome.zarr`` is an image of its own, which any viewer opens
alone, with ``labels/labels`` and, where there are any, ``labels/classes`` inside it.
The prior is no label, and its channels are not the image's: it is a second image,
``priors/0000.ome.zarr``, at the same place in space. Where a preset makes no image,
the labels lie with the prior.

Decision: the origin of space is the corner of the field, as in the objects table, so
that ``centroid_y_um`` is where a viewer draws it. The centre of the first pixel of
each level is then half a pixel of that level away, which its translation says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcell.io.dataset import Dataset
from simcell.io.files import file_name
from simcell.io.ngff import Greys, image_label, multiscales, omero
from simcell.io.ngff_store import write_group, write_levels
from simcell.io.objects import objects_csv
from simcell.io.pyramid import Level, averages, levels, majorities

_FOLDERS = {"image": "images", "prior": "priors"}


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
            write_group(home, {"labels": labels})
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
        write_levels(source, group, averages, greys.add)
        windows = greys.windows()
    else:
        write_levels(source, group, averages, lambda _: None)
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
    write_group(group, {**where, "omero": omero(source.name, windows)}, simcell=origin)


def _write_labels(source: _Source, group: Path) -> None:
    """Write labels or classes; the rows of the objects table become their properties."""
    classes = {0}
    watched = source.name == "classes"
    write_levels(
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
    write_group(group, {**where, "image-label": label})
