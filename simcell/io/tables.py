"""Joining the parts of all shards into the tables of a finished dataset.

Decision: parts are read twice, once for the rows of each sample and once for the
rows themselves, and columns are written a block at a time, so that memory hardly
grows with the dataset. The tables are built in ``.parts/tables`` and moved into
place; the header turns complete after them; the parts go last. A run killed
anywhere in between joins again from the parts, to the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from simcell.io.files import explained, flush_tree, remove_tree
from simcell.io.header import GROUPS, PARTS, Header
from simcell.io.parts import Part, read_part, sweep
from simcell.io.store import create_table_array, write_header

INT64 = np.iinfo(np.int64)


def finalise(path: Path, header: Header) -> Header:
    """Join the tables of a dataset whose shards are all done, and mark it complete.

    Returns
    -------
    Header
        The header of the complete dataset.
    """
    with explained(path):
        if not header.complete:
            scratch = path / PARTS / "tables"
            remove_tree(scratch)
            spacing_um = _build(path, scratch, header)
            for name in (*GROUPS, "spacing_um"):
                remove_tree(path / name)
                (scratch / name).rename(path / name)
            flush_tree(path)
            header = header.model_copy(update={"complete": True, "spacing_um": spacing_um})
            write_header(path, header)
        sweep(path)
        remove_tree(path / PARTS)
    return header


def _build(path: Path, scratch: Path, header: Header) -> tuple[float, ...] | None:
    """Write all tables below ``scratch``; return the spacing if samples share it."""
    small = [_without_rows(read_part(path, shard)) for shard in range(header.shards)]
    root = zarr.open_group(scratch, mode="w")
    objects, adjacency = root.create_group("objects"), root.create_group("adjacency")
    total = _write_offset(objects, [part.object_counts for part in small])
    pairs = _write_offset(adjacency, [part.pair_counts for part in small])
    columns = {
        name: Column(create_table_array(objects, name, (total,), np.dtype(kind)))
        for name, kind in header.columns.items()
    }
    neighbours = Column(create_table_array(adjacency, "pairs", (pairs, 2), np.dtype("<i4")))
    for shard in range(header.shards):
        part = read_part(path, shard)
        neighbours.append(part.pairs)
        for name, column in columns.items():
            column.append(part.objects[name])
    drawn = root.create_group("drawn")
    for name in header.drawn:
        _write_values(drawn, name, [value for part in small for value in part.drawn[name]])
    spacing = np.concatenate([part.spacing_um for part in small])
    _write(root, "spacing_um", spacing)
    return tuple(spacing[0].tolist()) if (spacing == spacing[0]).all() else None


def _without_rows(part: Part) -> Part:
    """Keep what is small: a few numbers per sample."""
    return replace(part, objects=part.objects[:0].copy(), pairs=part.pairs[:0].copy())


def _write_offset(group: zarr.Group, counts: list[NDArray[np.int64]]) -> int:
    """Write where each sample's rows begin, and where the last one's end; return that."""
    offset = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
    _write(group, "offset", offset)
    return int(offset[-1])


def _write(group: zarr.Group, name: str, values: NDArray[Any]) -> zarr.Array[Any]:
    target = create_table_array(group, name, values.shape, values.dtype)
    target[:] = values
    return target


class Column:
    """A column on disk that takes rows in pieces and writes whole shards.

    Parameters
    ----------
    target : zarr.Array
        Has room for exactly the rows that will come.
    """

    def __init__(self, target: zarr.Array[Any]) -> None:
        assert target.shards is not None
        self._target = target
        self._written = self._waiting = 0
        rows = min(target.shards[0], target.shape[0])
        self._block = np.empty((rows, *target.shape[1:]), target.dtype)

    def append(self, rows: NDArray[Any]) -> None:
        """Take the next rows."""
        while len(rows):
            taken = min(len(rows), len(self._block) - self._waiting)
            self._block[self._waiting : self._waiting + taken] = rows[:taken]
            rows, self._waiting = rows[taken:], self._waiting + taken
            end = self._written + self._waiting
            if self._waiting == len(self._block) or end == self._target.shape[0]:
                self._target[self._written : end] = self._block[: self._waiting]
                self._written, self._waiting = end, 0


def _write_values(group: zarr.Group, name: str, values: list[Any]) -> None:
    """Write one varied number: as it is, or coded where it is text or mixed.

    Coded values are positions in the attribute ``values``, which loses nothing.
    """
    plain = _as_numbers(values)
    if plain is not None:
        _write(group, name, plain)
        return
    texts = [json.dumps(value) for value in values]
    known = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    codes = np.array([known[text] for text in texts], np.uint32)
    target = _write(group, name, codes)
    target.update_attributes({"values": [json.loads(text) for text in known]})


def _as_numbers(values: list[Any]) -> NDArray[Any] | None:
    """Return values as an array if no value or type is lost, else None.

    Examples
    --------
    >>> _as_numbers([1, 2]).dtype.name, _as_numbers([1, 2.5]), _as_numbers(["a"])
    ('int64', None, None)
    """
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    shapes = {len(value) if isinstance(value, list) else -1 for value in values}
    kinds = {type(item) for item in flat}
    if len(shapes) != 1 or 0 in shapes or len(kinds) != 1:
        return None
    match kinds.pop():
        case kind if kind is bool:
            return np.array(values, np.bool_)
        case kind if kind is float:
            return np.array(values, np.float64)
        case kind if kind is int and all(INT64.min <= item <= INT64.max for item in flat):
            return np.array(values, np.int64)
        case _:
            return None
