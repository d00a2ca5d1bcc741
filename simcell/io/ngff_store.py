"""Arrays and groups of OME-Zarr 0.5 on disk.

Decision: an array is written in bands along y and each level is made from the one
below it, so that memory does not grow with the image.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.core.array import ShardsLike

from simcell.io.ngff import Json
from simcell.io.pyramid import Halve, Level

_CHUNK = {2: (512, 512), 3: (16, 128, 128)}
_SHARD = {2: (1024, 4096), 3: (64, 256, 512)}
"""Pixels of a chunk, which a viewer reads at once, and at most of a file."""


class Source(Protocol):
    """An array to write.

    Attributes
    ----------
    dtype : dtype
    channels : tuple of int
        Length of the channel axis, or nothing where there is none.
    pyramid : list of Level
        Its levels, the finest first.
    """

    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    @property
    def channels(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def pyramid(self) -> list[Level]: ...  # noqa: D102

    def reader(self) -> Callable[[range], NDArray[Any]]:
        """Return what reads rows along y."""
        ...


def write_group(group: Path, ome: Json, **others: Json) -> None:
    """Write the metadata of a group, and nothing below it."""
    group.mkdir(parents=True, exist_ok=True)
    attributes = {"ome": {"version": "0.5", **ome}, **others}
    content = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    (group / "zarr.json").write_text(json.dumps(content, allow_nan=False), "utf-8")


def write_levels(
    source: Source, group: Path, halve: Halve, seen: Callable[[NDArray[Any]], None]
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


def _create(source: Source, path: Path, level: Level) -> zarr.Array[Any]:
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
