"""How arrays lie in Zarr: one sample a chunk, many chunks a file, each checked.

Decision: an inner chunk is one sample (zstd, then crc32c), and a shard is the unit
of work, of writing and of resuming. Two writers of one shard lose data silently, so
a shard is encoded in memory by one process and written as one whole file. Empty
chunks are written too: with Zarr a missing file reads as zeros, and only a file
that must exist can be missed. Shards are put together here, to the very bytes that
zarr writes (a test compares them), because zarr's general way costs 3 ms an array.
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
_ABSENT = 2**64 - 1


def codecs() -> list[BytesBytesCodec]:
    """Return the compressor and the checksum of every chunk."""
    return [ZstdCodec(level=_LEVEL), Crc32cCodec()]


def _metadata(spec: ArraySpec, n: int, shard: int) -> bytes:
    """Return the zarr.json of an array of ``n`` samples."""
    files: dict[str, Buffer] = {}
    shards: ShardsLike = (shard, *spec.shape)
    zarr.create_array(
        MemoryStore(files),
        shape=(n, *spec.shape),
        chunks=(1, *spec.shape),
        shards=shards,
        dtype=spec.dtype,
        compressors=codecs(),
        fill_value=0,
        dimension_names=("sample", *"zyx"[-len(spec.shape) :]),
    )
    return files["zarr.json"].to_bytes()


def create(path: Path, header: Header) -> None:
    """Write the skeleton of a dataset; doing it again changes nothing."""
    root = path / "zarr.json"
    if not root.exists():
        write_header(path, header)
    (path / PARTS).mkdir(exist_ok=True)
    for name, spec in header.arrays.items():
        metadata = _metadata(spec, header.n, header.shard)
        write_whole(path / name / "zarr.json", metadata, path / PARTS)


def write_header(path: Path, header: Header) -> None:
    """Write the attributes of a dataset in one step."""
    files: dict[str, Buffer] = {}
    zarr.create_group(MemoryStore(files), attributes=header.model_dump(mode="json"))
    write_whole(path / "zarr.json", files["zarr.json"].to_bytes())


def write_array_shard(path: Path, header: Header, name: str, shard: int, data: NDArray[Any]) -> int:
    """Write all samples (n, y, x) of one shard of one array as one file; return its size."""
    content = encoded(data, header.shard)
    write_whole(array_file(path, header, name, shard), content, path / PARTS)
    return len(content)


def array_file(path: Path, header: Header, name: str, shard: int) -> Path:
    """Return the file of one shard of one array."""
    zeros = ["0"] * len(header.arrays[name].shape)
    return path.joinpath(name, "c", str(shard), *zeros)


def encoded(data: NDArray[Any], shard: int) -> bytes:
    """Return the samples (n, y, x) as one Zarr shard that has room for ``shard`` of them.

    The samples' chunks stand one after another; where each begins and how long it is
    stands after them, little-endian; every chunk, and that index, ends with its crc32c.
    """
    zstd = Zstd(level=_LEVEL)
    little = data.astype(data.dtype.newbyteorder("<"), copy=False)
    chunks = [_checked(bytes(zstd.encode(np.ascontiguousarray(sample)))) for sample in little]
    index = np.full((shard, 2), _ABSENT, "<u8")
    sizes = np.array([len(chunk) for chunk in chunks])
    index[: len(chunks), 0] = np.cumsum(sizes) - sizes
    index[: len(chunks), 1] = sizes
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
