"""Samples stored in bands of rows: what zarr reads of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from simcell.io.header import ArraySpec, Header, plan_in_bands
from simcell.io.store import array_file, codecs, create, missing_file, write_array_shard


@pytest.mark.parametrize("shape", [(5, 70, 90), (2, 5, 70, 90), (40, 100), (3, 40, 100)])
def test_bands_read_back_and_their_chunks_are_those_of_zarr(shape, tmp_path: Path) -> None:
    """A sample in three bands, the last one short, of chunks that do not divide it."""
    ndim = 3 if shape[-2:] == (70, 90) else 2
    spec = ArraySpec(shape=shape, dtype="uint16")
    labels = ArraySpec(shape=shape[-ndim:], dtype="uint16")
    header = Header(
        name="x", preset="", seed=0, n=2, versions={}, shard=1, rows=32,
        arrays={"labels": labels, "prior": spec}, columns={"label": "<i4"}, drawn=(),
    )  # fmt: skip
    create(tmp_path, header)
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 60_000, (2, *shape), dtype=np.uint16)
    for shard in range(header.shards):
        rows, sample = header.band(shard), header.indices(shard)[0]
        part = whole[sample : sample + 1, ..., rows.start : rows.stop, :]
        write_array_shard(tmp_path, header, "prior", shard, part)
    array = zarr.open_array(tmp_path / "prior", mode="r")
    assert np.array_equal(array[:], whole)
    assert missing_file(tmp_path / "prior", array) is None
    copy = zarr.create_array(
        tmp_path / "copy",
        shape=array.shape,
        chunks=array.chunks,
        shards=array.shards,
        dtype=array.dtype,
        compressors=codecs(),
        fill_value=0,
        config={"write_empty_chunks": True},
    )
    copy[:] = whole
    for shard in range(header.shards):
        ours = array_file(tmp_path, header, "prior", shard)
        theirs = tmp_path / "copy" / ours.relative_to(tmp_path / "prior")
        # Of chunks wholly beyond the array's end, zarr stores zeros; ours are absent.
        if len(header.band(shard)) == header.rows:
            assert ours.read_bytes() == theirs.read_bytes()


def test_a_band_is_as_high_as_memory_allows():
    def rows(shape):
        made = {"labels": np.zeros((*shape[:-2], 1, shape[-1]), np.int32)}
        header = plan_in_bands(
            name="x", preset="", seed=0, n=1, first=made, height=shape[-2],
            columns=np.dtype([("label", "i4")]), versions={}, drawn=(),
        )  # fmt: skip
        assert sum(len(header.band(k)) for k in range(header.shards)) == shape[-2]
        return header.rows

    assert rows((4900, 4900)) == 512
    assert rows((55, 1010, 1143)) == 256
    assert rows((61, 1981, 2694)) == 96
    assert rows((500, 2000, 4000)) == 32
