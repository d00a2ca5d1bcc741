"""One image with its labels as OME-Zarr 0.5, from arrays in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcell.errors import SimcellError
from simcell.io.files import PARTIAL, remove_tree
from simcell.io.ngff import Greys, Json, image_label, multiscales, omero
from simcell.io.ngff_store import write_group, write_levels
from simcell.io.pyramid import Level, averages, flat_levels, majorities

_LOOKED_AT = 2**20


@dataclass(frozen=True)
class _Held:
    """An array ((c,) y, x) in memory, or in a file that is mapped to it."""

    array: NDArray[Any]
    spacing_um: tuple[float, float]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def channels(self) -> tuple[int, ...]:
        return self.array.shape[:-2]

    @property
    def pyramid(self) -> list[Level]:
        height, width = self.array.shape[-2:]
        return flat_levels((height, width), self.spacing_um)

    def reader(self) -> Callable[[range], NDArray[Any]]:
        return lambda rows: self.array[..., rows.start : rows.stop, :]


def write_ome_zarr(
    path: str | os.PathLike[str],
    image: NDArray[Any],
    labels: Mapping[str, NDArray[Any]] | None = None,
    *,
    spacing_um: tuple[float, float] | None = None,
    tables: Mapping[str, NDArray[np.void]] | None = None,
    title: str = "image",
) -> None:
    """Write an image, with label images inside it; it is wholly there or not at all.

    Parameters
    ----------
    path : str or path
        Folder to make; one that is there is replaced.
    image : array ((c,) y, x)
        Of 8 or 16 bits as it is; other numbers as float32.
    labels : mapping of str to array (y, x)
        Of unsigned integers, 0 = background, by their names.
    spacing_um : tuple of float, optional
        Size of a pixel (y, x); where nobody knows, a pixel is 1, without a unit.
    tables : mapping of str to structured array
        What is known of labels: rows with a column ``label``, by the same names.
    title : str
        Name of the image.

    Notes
    -----
    The origin of space is the centre of the first pixel, as in most images.
    """
    labels, place = labels or {}, Path(path)
    for name, array in labels.items():
        if array.dtype.kind != "u" or array.shape != image.shape[-2:]:
            msg = (
                f"labels {name!r} are {array.dtype} of shape {array.shape}; "
                f"unsigned integers of shape {image.shape[-2:]} are needed"
            )
            raise SimcellError(msg)
    unfinished = place.with_name(place.name + PARTIAL)
    remove_tree(unfinished)
    try:
        measured = spacing_um is not None
        spacing = spacing_um or (1.0, 1.0)
        _write_image(unfinished, _Held(_kept(image), spacing), title, measured)
        if labels:
            write_group(unfinished / "labels", {"labels": list(labels)})
        for name, array in labels.items():
            table = (tables or {}).get(name)
            _write_labels(unfinished / "labels" / name, _Held(array, spacing), table, measured)
        remove_tree(place)
        unfinished.rename(place)
    except BaseException:
        remove_tree(unfinished)
        raise


def _kept(image: NDArray[Any]) -> NDArray[Any]:
    return image if image.dtype in (np.uint8, np.uint16) else image.astype(np.float32, copy=False)


def _write_image(group: Path, held: _Held, title: str, measured: bool) -> None:
    if held.dtype == np.float32:
        write_levels(held, group, averages, lambda _: None)
        windows = [_window(channel) for channel in held.array.reshape(-1, *held.array.shape[-2:])]
    else:
        greys = Greys(prod(held.channels), held.dtype)
        write_levels(held, group, averages, greys.add)
        windows = greys.windows()
    where = multiscales(
        title, held.pyramid, "mean", sum(held.channels), measured=measured, centred=True
    )
    write_group(group, {**where, "omero": omero("image", windows)})


def _window(channel: NDArray[Any]) -> Json:
    """Return the range of greys without its rarest ones, from a part of the pixels."""
    step = max(1, round((channel.size / _LOOKED_AT) ** 0.5))
    low, start, end, high = np.percentile(channel[::step, ::step], [0, 0.1, 99.9, 100]).tolist()
    if start == end:
        start, end = low, high if high > low else low + 1.0
    return {"min": low, "max": max(high, end), "start": start, "end": end}


def _write_labels(group: Path, held: _Held, table: NDArray[np.void] | None, measured: bool) -> None:
    write_levels(held, group, majorities, lambda _: None)
    values = np.unique(held.array) if table is None else table["label"]
    known = image_label([value for value in values.tolist() if value] or [0], table)
    where = multiscales(group.name, held.pyramid, "mode", measured=measured, centred=True)
    write_group(group, {**where, "image-label": known})
