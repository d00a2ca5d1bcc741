"""A dataset is the same bytes in whatever order, and after whatever crash, it is written."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Never

import numpy as np
import pytest
import zarr
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from simcell.errors import SimcellError
from simcell.io import store
from simcell.io.files import sole_writer, write_whole
from simcell.io.header import read_header
from simcell.io.parts import finished, part_path, sweep
from simcell.io.store import codecs, create, encoded
from simcell.io.tables import Column, finalise


def tree(path: Path) -> dict[str, bytes | None]:
    """All folders and files below ``path`` with their bytes."""
    return {
        str(item.relative_to(path)): item.read_bytes() if item.is_file() else None
        for item in path.rglob("*")
    }


def test_order_of_shards_does_not_matter(tmp_path: Path, builder: type) -> None:
    forward = builder(tmp_path / "a", 7)
    forward.build()
    backward = builder(tmp_path / "b", 7)
    backward.start()
    for shard in reversed(range(backward.header.shards)):
        backward.shard(shard)
        backward.shard(shard)  # A lost worker may come back and do it again.
    finalise(backward.path, backward.header)
    assert tree(forward.path) == tree(backward.path)


def test_ten_thousand_samples_are_not_ten_thousand_files(builder: type, tmp_path: Path) -> None:
    header = builder(tmp_path, 10_000).header
    assert header.shards * len(header.arrays) < 500


class Crash(BaseException):
    """As if the process were killed: nothing catches it."""


class Countdown:
    """Lets a number of operations pass and crashes at the next, before or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left: int, *, after: bool) -> None:
        self.left, self.after = left, after
        for name in ("replace", "rename", "mkdir", "unlink", "rmdir"):
            monkeypatch.setattr(os, name, self.counted(getattr(os, name)))

    def counted(self, operation: Callable[..., None]) -> Callable[..., None]:
        def run(*args: object, **kwargs: object) -> None:
            if threading.current_thread() is not threading.main_thread():
                operation(*args, **kwargs)
                return
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Crash
            try:
                operation(*args, **kwargs)
            finally:
                if self.left == 0:
                    raise Crash

        return run


def resumed(build: object) -> None:
    """What a resumed run does, without workers."""
    path = build.path
    if (path / "zarr.json").exists():
        header = read_header(path)
        if not header.complete:
            sweep(path)
            create(path, header)
            for shard in sorted(set(range(header.shards)) - finished(path, header)):
                build.shard(shard)
        finalise(path, header)
    else:
        build.build()


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_step_can_be_resumed_to_the_same_bytes(
    tmp_path: Path, builder: type, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    monkeypatch.setattr(os, "sync", lambda: None, raising=False)  # Slow on a busy disk.
    builder(tmp_path / "whole", 2).build()
    expected = tree(tmp_path / "whole")
    for step in range(1, 200, 3 if after else 1):
        build = builder(tmp_path / f"{step}", 2)
        with monkeypatch.context() as patch:
            countdown = Countdown(patch, step, after=after)
            try:
                build.build()
            except Crash:
                crashed = True
            else:
                crashed = False
        resumed(build)
        assert tree(build.path) == expected, f"crashed at operation {step}"
        shutil.rmtree(build.path)
        if not crashed:
            assert countdown.left > 0
            break
    assert 20 < step < 190


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
    ],
)
def test_a_full_disk_is_one_clear_line(
    tmp_path: Path, builder: type, monkeypatch: pytest.MonkeyPatch, number: int, text: str
) -> None:
    builder(tmp_path / "whole", 4).build()
    build = builder(tmp_path / "a", 4)
    build.start()
    build.shard(0)

    def refuse(source: Path, target: Path) -> Never:
        assert source != target
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(SimcellError, match=rf"cannot write .*a: .*{text}"):
            build.shard(1)
    assert finished(build.path, build.header) == {0}
    resumed(build)
    assert tree(build.path) == tree(tmp_path / "whole")


def test_other_errors_are_not_hidden(
    tmp_path: Path, builder: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = builder(tmp_path / "a", 2)
    build.start()

    def break_down(source: Path, target: Path) -> Never:
        assert source != target
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "replace", break_down)
    with pytest.raises(OSError, match="broken"):
        build.shard(0)


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_whole(file, b"before")

    def refuse(source: Path, target: Path) -> Never:
        assert source != target
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="full"):
        write_whole(file, b"after")
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    second = sole_writer(tmp_path)
    with sole_writer(tmp_path), pytest.raises(SimcellError, match="another run is writing"):
        second.__enter__()
    with sole_writer(tmp_path):
        pass


@pytest.mark.parametrize(("samples", "shard"), [(5, 5), (3, 8), (1, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_shards_are_the_bytes_that_zarr_writes(samples: int, shard: int, dtype: str) -> None:
    stored: dict[str, Buffer] = {}
    data = np.random.default_rng(0).integers(0, 200, (samples, 12, 10)).astype(dtype)
    data[0] = 0
    array = zarr.create_array(
        MemoryStore(stored),
        shape=data.shape,
        chunks=(1, 12, 10),
        shards=(shard, 12, 10),
        dtype=dtype,
        compressors=codecs(),
        fill_value=0,
        config={"write_empty_chunks": True},
    )
    array[:] = data
    assert encoded(data, shard) == stored["c/0/0/0"].to_bytes()


def test_columns_are_written_in_whole_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ROW_CHUNK", 4)
    monkeypatch.setattr(store, "ROW_SHARD", 8)
    values = np.arange(43)
    column = Column(store.create_table_array(zarr.open_group(tmp_path), "a", (43,), values.dtype))
    for piece in np.split(values, [0, 1, 9, 9, 30, 31]):
        column.append(piece)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a")[:], values)
    assert len(list((tmp_path / "a/c").iterdir())) == 6


@pytest.mark.parametrize("lost", [".parts/000001.npz", "image/c/1/0/0", "labels/c/1/0/0"])
@pytest.mark.parametrize("kept", [None, 0, 20])
def test_what_a_power_cut_lost_is_made_again(
    tmp_path: Path, builder: type, lost: str, kept: int | None
) -> None:
    builder(tmp_path / "whole", 3).build()
    build = builder(tmp_path / "a", 3)
    build.start()
    for shard in range(3):
        build.shard(shard)
    file = build.path / lost
    file.unlink() if kept is None else file.write_bytes(file.read_bytes()[:kept])
    assert finished(build.path, build.header) == {0, 2}
    resumed(build)
    assert tree(build.path) == tree(tmp_path / "whole")


def test_a_part_that_is_damaged_while_running_is_named(tmp_path: Path, builder: type) -> None:
    build = builder(tmp_path / "a", 1)
    build.start()
    build.shard(0)
    part_path(build.path, 0).write_bytes(b"PK")
    with pytest.raises(SimcellError, match=r"000000.npz: damaged .*; run again with --resume"):
        finalise(build.path, build.header)
