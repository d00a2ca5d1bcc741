"""How arrays lie in Zarr: one sample a chunk, many chunks a file, each checked.

Decision: an inner chunk is one sample (zstd, then crc32c), and a shard is the unit
of work, of writing and of resuming. A sample too large for that is stored in bands of
rows: a shard is one band, its chunks are boxes that a viewer can read alone. Two
writers of one shard lose data silently, so a shard is encoded in memory by one process
and written as one whole file. Empty chunks are written too: with Zarr a missing file
reads as zeros, and only a file that must exist can be missed. Shards are put together
here, to the very bytes that zarr writes (a test compares them), because zarr's general
way costs 3 ms an array.
"""

from __future__ import annotations

from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numcodecs.zstd import Zstd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.core.array import ShardsLike
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from simcell.io.files import write_whole
from simcell.io.header import PARTS, ArraySpec, Header

ROW_CHUNK = 2**14
ROW_SHARD = 2**18
"""Rows of a table in one chunk and in one file: 128 KiB and 2 MiB of float64."""

_LEVEL = 3
_DEPTH = 32
_SIDE = {2: 256, 3: 128}
"""Sides of a chunk of a sample that is stored in bands: along z, and along y and x."""
_ABSENT = 2**64 - 1


def codecs() -> list[BytesBytesCodec]:
    """Return the compressor and the checksum of every chunk."""
    return [ZstdCodec(level=_LEVEL), Crc32cCodec()]


def _metadata(spec: ArraySpec, header: Header) -> bytes:
    """Return the zarr.json of an array."""
    files: dict[str, Buffer] = {}
    chunk = chunk_shape(spec, header)
    shards: ShardsLike = (header.shard, *_shard_shape(spec, header))
    ndim = len(header.arrays["labels"].shape)
    zarr.create_array(
        MemoryStore(files),
        shape=(header.n, *spec.shape),
        chunks=(1, *chunk),
        shards=shards,
        dtype=spec.dtype,
        compressors=codecs(),
        fill_value=0,
        dimension_names=("sample", *"c"[: len(spec.shape) - ndim], *"zyx"[-ndim:]),
    )
    return files["zarr.json"].to_bytes()


def create(path: Path, header: Header) -> None:
    """Write the skeleton of a dataset; doing it again changes nothing."""
    root = path / "zarr.json"
    if not root.exists():
        write_header(path, header)
    (path / PARTS).mkdir(exist_ok=True)
    for name, spec in header.arrays.items():
        metadata = _metadata(spec, header)
        write_whole(path / name / "zarr.json", metadata, path / PARTS)


def write_header(path: Path, header: Header) -> None:
    """Write the attributes of a dataset in one step."""
    files: dict[str, Buffer] = {}
    zarr.create_group(MemoryStore(files), attributes=header.model_dump(mode="json"))
    write_whole(path / "zarr.json", files["zarr.json"].to_bytes())


def chunk_shape(spec: ArraySpec, header: Header) -> tuple[int, ...]:
    """Return the shape of a chunk of one sample's array: all of it, or a box in a band."""
    if header.rows is None:
        return spec.shape
    ndim = len(header.arrays["labels"].shape)
    rows = min(header.rows, _SIDE[ndim])
    sides = (
        *(min(n, _DEPTH) for n in spec.shape[-ndim:-2]),
        rows,
        min(spec.shape[-1], _SIDE[ndim]),
    )
    return (*(1,) * (len(spec.shape) - ndim), *sides)


def _shard_shape(spec: ArraySpec, header: Header) -> tuple[int, ...]:
    """Return the shape of a shard: of one sample, or one band rounded up to whole chunks."""
    if header.rows is None:
        return spec.shape
    held = (*spec.shape[:-2], header.rows, spec.shape[-1])
    chunk = chunk_shape(spec, header)
    return tuple(ceil(n / c) * c for n, c in zip(held, chunk, strict=True))


def write_array_shard(path: Path, header: Header, name: str, shard: int, data: NDArray[Any]) -> int:
    """Write all samples (n, …) of one shard of one array as one file; return its size."""
    spec = header.arrays[name]
    if header.rows is None:
        content = encoded(data, header.shard)
    else:
        content = encoded_box(data[0], chunk_shape(spec, header), _shard_shape(spec, header))
    write_whole(array_file(path, header, name, shard), content, path / PARTS)
    return len(content)


def array_file(path: Path, header: Header, name: str, shard: int) -> Path:
    """Return the file of one shard of one array."""
    place = [0] * len(header.arrays[name].shape)
    place[-2] = shard % header.bands
    return path.joinpath(name, "c", str(shard // header.bands), *map(str, place))


def encoded(data: NDArray[Any], shard: int) -> bytes:
    """Return the samples (n, y, x) as one Zarr shard that has room for ``shard`` of them.

    The samples' chunks stand one after another; where each begins and how long it is
    stands after them, little-endian; every chunk, and that index, ends with its crc32c.
    """
    return _joined(list(data), np.arange(len(data)), shard)


def encoded_box(data: NDArray[Any], chunk: tuple[int, ...], shard: tuple[int, ...]) -> bytes:
    """Return one band as a Zarr shard of several chunks, in C order.

    Chunks that reach over the array's end are filled up with zeros; those wholly
    beyond it are absent.
    """
    counts = [ceil(n / c) for n, c in zip(data.shape, chunk, strict=True)]
    whole = [n // c for n, c in zip(shard, chunk, strict=True)]
    boxes, places = [], []
    for at in product(*(range(count) for count in counts)):
        box = np.zeros(chunk, data.dtype)
        part = data[tuple(slice(i * c, (i + 1) * c) for i, c in zip(at, chunk, strict=True))]
        box[tuple(slice(n) for n in part.shape)] = part
        boxes.append(box)
        places.append(int(np.ravel_multi_index(at, whole)))
    return _joined(boxes, np.array(places), int(np.prod(whole)))


def _joined(boxes: list[NDArray[Any]], places: NDArray[np.int64], count: int) -> bytes:
    """Return encoded chunks one after another, and the index of ``count`` of them."""
    zstd = Zstd(level=_LEVEL)
    chunks = []
    for box in boxes:
        little = box.astype(box.dtype.newbyteorder("<"), copy=False)
        chunks.append(_checked(bytes(zstd.encode(np.ascontiguousarray(little)))))
    index = np.full((count, 2), _ABSENT, "<u8")
    sizes = np.array([len(chunk) for chunk in chunks])
    index[places, 0] = np.cumsum(sizes) - sizes
    index[places, 1] = sizes
    return b"".join([*chunks, _checked(index.tobytes())])


def _checked(data: bytes) -> bytes:
    return data + int(google_crc32c.value(data)).to_bytes(4, "little")


def create_table_array(
    group: zarr.Group, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> zarr.Array[Any]:
    """Create an array (rows, ...) of a table inside ``group``."""
    shards: ShardsLike = (ROW_SHARD, *shape[1:])
    return group.create_array(
        name,
        shape=shape,
        chunks=(ROW_CHUNK, *shape[1:]),
        shards=shards,
        dtype=dtype,
        compressors=codecs(),
        fill_value=0,
        config={"write_empty_chunks": True},
    )


def missing_file(path: Path, array: zarr.Array[Any]) -> Path | None:
    """Return the first file that ``array`` at ``path`` lacks, or None.

    An empty file is lacking too: Zarr would read both as zeros.
    """
    whole = array.shards or array.chunks
    counts = [range(ceil(size / step)) for size, step in zip(array.shape, whole, strict=True)]
    for key in product(*counts):
        file = path.joinpath("c", *map(str, key))
        if not file.is_file() or file.stat().st_size == 0:
            return file
    return None
