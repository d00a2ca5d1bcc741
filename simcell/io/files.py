"""Files that are wholly there or absent.

Decision: every file that a reader or a resumed run trusts is written beside its
place and renamed. A killed process therefore leaves whole files and ``.partial``
ones, never half a file under its final name. Against a power cut, which may lose
what was written last, a dataset is flushed to the disk before it is called complete,
and a resumed run compares the sizes of files. Flushing each file as it is written
would be simpler, and made runs on a busy disk twice as long.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simcell.errors import SimcellError

PARTIAL = ".partial"

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and run again with --resume",
    errno.EDQUOT: "the disk quota is used up; free some space and run again with --resume",
    errno.EACCES: "permission denied; choose a folder that you may write to",
    errno.EPERM: "permission denied; choose a folder that you may write to",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOENT: "its folder is gone, or is not on a disk that all workers share",
    errno.ENOTDIR: "a parent of it is a file, not a folder; choose another folder",
    errno.EEXIST: "it exists and is not a folder; choose another name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses below ``path`` into a `SimcellError`."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0)
        if remedy is None:
            raise
        msg = f"cannot write {error.filename or path}: {remedy}"
        raise SimcellError(msg) from error


def write_whole(path: Path, data: bytes, scratch: Path | None = None) -> None:
    """Write a file that appears under its name only when it is whole.

    Parameters
    ----------
    path : Path
        Replaced if it exists; its folder is created.
    data : bytes
        Content.
    scratch : Path, optional
        Folder on the same disk for the unfinished file; default the file's own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two writers of one file (a lost cluster worker may come back) must not share it.
    name = f"{path.name}.{os.getpid()}-{threading.get_ident()}{PARTIAL}"
    unfinished = (scratch or path.parent) / name
    try:
        with unfinished.open("wb") as file:
            file.write(data)
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def flush_tree(folder: Path) -> None:
    """Make sure that every file below ``folder`` has reached the disk."""
    if hasattr(os, "sync"):
        # One call for all: thousands of fsync take longer than the simulation.
        os.sync()
        return
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("r+b") as file:
                os.fsync(file.fileno())


def remove_tree(folder: Path) -> None:
    """Delete a folder; nothing happens where there is none."""
    if folder.exists():
        shutil.rmtree(folder)


def size_on_disk(path: Path) -> int:
    """Add up the bytes of all files below ``path``."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold ``folder`` against a second run that would write into it.

    The lock ends with the process that holds it, however it ends. Where the
    system has no such locks (Windows, some network disks) nothing is checked.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{folder}: another run is writing it; wait for it, or stop it first"
            raise SimcellError(msg) from None
        except OSError:
            pass  # The file system does not know locks.
        yield
    finally:
        os.close(handle)


def file_name(place: int, n: int, suffix: str) -> str:
    """Return the name of file ``place`` of ``n``, padded so that names sort.

    Examples
    --------
    >>> file_name(7, 400, "tif"), file_name(7, 20_000, "png")
    ('0007.tif', '00007.png')
    """
    return f"{place:0{max(4, len(str(n - 1)))}d}.{suffix}"
