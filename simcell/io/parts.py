"""Finished shards: their arrays go to Zarr, their tables to a part beside it.

Decision: the tables of a dataset are one long column each, whose rows cannot be
placed before all samples are known. Until then a shard's rows wait in
``.parts/000012.npz``. A part is written after its arrays and knows their sizes: where
it exists and they agree, the shard is done.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import FloatArray, IntArray
from simcell.errors import SimcellError
from simcell.io.files import PARTIAL, explained, write_whole
from simcell.io.header import PARTS, ArraySpec, Header
from simcell.io.store import array_file, write_array_shard
from simcell.sample import Sample

Drawn: TypeAlias = Mapping[str, Any]
"""Numbers that a preset drew for one sample, by dotted path; JSON values."""


class Tables(NamedTuple):
    """What one sample adds to the tables."""

    objects: NDArray[np.void]
    pairs: IntArray
    spacing_um: tuple[float, ...]
    drawn: Drawn


def write_shard(
    path: Path, header: Header, shard: int, samples: Iterable[tuple[Sample, Drawn]]
) -> None:
    """Simulate (by consuming ``samples``) and write one shard, wholly.

    Parameters
    ----------
    path : Path
        A dataset whose skeleton exists.
    header : Header
        Its header.
    shard : int
        Number of the shard.
    samples : iterable of (Sample, dict)
        Its samples in order, each with its drawn numbers.
    """
    indices = header.indices(shard)
    arrays = {
        name: np.empty((len(indices), *spec.shape), spec.dtype)
        for name, spec in header.arrays.items()
    }
    rows: list[Tables] = []
    for place, (index, (sample, drawn)) in enumerate(zip(indices, samples, strict=True)):
        assert sample.index == index
        _check(sample, header)
        for name, stack in arrays.items():
            stack[place] = getattr(sample, name)
        rows.append(_rows(sample, drawn, header))
    with explained(path):
        sizes = [
            write_array_shard(path, header, name, shard, stack) for name, stack in arrays.items()
        ]
        write_whole(part_path(path, shard), _pack(rows, header, sizes))


def write_band(
    path: Path,
    header: Header,
    shard: int,
    arrays: Mapping[str, NDArray[Any]],
    tables: Tables | None,
) -> None:
    """Write one band of a sample that is stored in bands.

    Parameters
    ----------
    path : Path
        A dataset whose skeleton exists.
    header : Header
        Its header.
    shard : int
        Number of the shard.
    arrays : mapping of str to array
        The band's rows of every array.
    tables : Tables, optional
        What the sample adds to the tables; for its first band alone.
    """
    assert (tables is not None) == (shard % header.bands == 0)
    stored = {}
    for name, spec in header.arrays.items():
        array = arrays[name]
        wanted = (*spec.shape[:-2], len(header.band(shard)), spec.shape[-1])
        _check_array(name, array, wanted, spec, header.indices(shard)[0])
        stored[name] = array.astype(spec.dtype, copy=False)[None]
    with explained(path):
        sizes = [
            write_array_shard(path, header, name, shard, array) for name, array in stored.items()
        ]
        rows = [] if tables is None else [tables]
        write_whole(part_path(path, shard), _pack(rows, header, sizes))


def _check(sample: Sample, header: Header) -> None:
    """Refuse a sample that does not fit the dataset."""
    for name, spec in header.arrays.items():
        _check_array(name, getattr(sample, name), spec.shape, spec, sample.index)


def _check_array(
    name: str,
    array: NDArray[Any] | None,
    wanted: tuple[int, ...],
    spec: ArraySpec,
    index: int,
) -> None:
    """Refuse an array of another shape than planned, or of numbers too large for its dtype."""
    found = None if array is None else array.shape
    if array is None or found != wanted:
        msg = (
            f"sample {index}: {name} has shape {found}, sample 0 has {wanted}; "
            "all samples of a dataset have one shape: do not vary frame.shape"
        )
        raise SimcellError(msg)
    top = int(array.max(initial=0))
    if top > np.iinfo(spec.dtype).max:
        msg = (
            f"sample {index}: {name} runs to {top}, {spec.dtype} ends at "
            f"{np.iinfo(spec.dtype).max}; use a lower density or a smaller field"
        )
        raise SimcellError(msg)


def _rows(sample: Sample, drawn: Drawn, header: Header) -> Tables:
    """Take the tables of a sample; its arrays are copied already."""
    assert sample.objects is not None
    assert sample.adjacency is not None
    return tables_of(sample.objects, sample.adjacency, sample.grid.spacing_um, drawn, header)


def tables_of(
    objects: NDArray[np.void],
    pairs: IntArray,
    spacing_um: tuple[float, ...],
    drawn: Drawn,
    header: Header,
) -> Tables:
    """Check that what a sample adds to the tables fits the dataset."""
    assert {key: objects.dtype[key].str for key in header.columns} == header.columns
    assert tuple(drawn) == header.drawn
    return Tables(objects, pairs, spacing_um, drawn)


def _pack(rows: list[Tables], header: Header, sizes: list[int]) -> bytes:
    """Serialise the tables of one shard, one member a table: opening members is slow."""
    drawn = {name: [row.drawn[name] for row in rows] for name in header.drawn}
    no_objects = np.empty(0, np.dtype(list(header.columns.items())))
    no_pairs = np.empty((0, 2), np.int32)
    spacing = np.array([row.spacing_um for row in rows], np.float64)
    ndim = len(header.arrays["labels"].shape)
    members: dict[str, NDArray[Any]] = {
        "objects": np.concatenate([row.objects for row in rows] or [no_objects]),
        "object_counts": np.array([len(row.objects) for row in rows], np.int64),
        "pairs": np.concatenate([row.pairs for row in rows] or [no_pairs]),
        "pair_counts": np.array([len(row.pairs) for row in rows], np.int64),
        "spacing_um": spacing.reshape(len(rows), ndim),
        "sizes": np.array(sizes, np.int64),
        "drawn": np.frombuffer(json.dumps(drawn).encode(), np.uint8),
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **members)
    return buffer.getvalue()


@dataclass(frozen=True)
class Part:
    """The tables of one shard.

    Attributes
    ----------
    objects : structured array
        The objects of all its samples.
    object_counts, pair_counts : int64 array
        Rows of each sample.
    pairs : IntArray
        Pairs (m, 2) of adjacent labels.
    spacing_um : FloatArray
        Size of a pixel (samples, ndim).
    sizes : int64 array
        Bytes of the shard's file of every array.
    drawn : dict of str to list
        Values of every varied number.
    """

    objects: NDArray[np.void]
    object_counts: NDArray[np.int64]
    pairs: IntArray
    pair_counts: NDArray[np.int64]
    spacing_um: FloatArray
    sizes: NDArray[np.int64]
    drawn: dict[str, list[Any]]


def read_part(path: Path, shard: int) -> Part:
    """Read the tables of one finished shard."""
    file = part_path(path, shard)
    try:
        with file.open("rb") as whole, np.load(whole, allow_pickle=False) as archive:
            members = {name: archive[name] for name in archive.files}
        drawn = json.loads(members.pop("drawn").tobytes())
        return Part(**members, drawn=drawn)
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile) as error:
        msg = f"{file}: damaged ({str(error)[:100]}); run again with --resume"
        raise SimcellError(msg) from error


def part_path(path: Path, shard: int) -> Path:
    """Return the file whose existence says that a shard is done."""
    return path / PARTS / f"{shard:06d}.npz"


def finished(path: Path, header: Header) -> set[int]:
    """Return the numbers of the shards that are done."""
    return {shard for shard in range(header.shards) if _is_finished(path, header, shard)}


def _is_finished(path: Path, header: Header, shard: int) -> bool:
    """Tell whether a shard is done, and nothing of it was lost in a power cut."""
    if not part_path(path, shard).is_file():
        return False
    files = [array_file(path, header, name, shard) for name in header.arrays]
    try:
        sizes: list[int] = read_part(path, shard).sizes.tolist()
        return sizes == [file.stat().st_size for file in files]
    except (SimcellError, FileNotFoundError):
        return False


def samples_done(path: Path, header: Header) -> int:
    """Return how many samples are done."""
    done = finished(path, header)
    groups = range(0, header.shards, header.bands)
    return sum(
        len(header.indices(group))
        for group in groups
        if all(group + band in done for band in range(header.bands))
    )


def sweep(path: Path) -> None:
    """Delete the unfinished files of an interrupted run."""
    for folder in (path, path / PARTS):
        for leftover in folder.glob(f"*{PARTIAL}"):
            leftover.unlink(missing_ok=True)
