"""The objects of a user's label images, read once per process.

Decision: an object is one connected piece, the largest of its label. What touches
the edge of its image is cut, and drawing cut objects whole would teach a network
straight edges that no cell has; they are skipped. So are pieces below 9 pixels,
which are slips of annotation.

Decision: the library has a fingerprint, a hash of its files' names and bytes. A
dataset stores it with its preset, so that a run is never resumed, nor a sample made
on another machine, with other masks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import FloatArray, IntArray
from simcell.cells.pieces import split
from simcell.errors import SimcellError
from simcell.pictures import SUFFIXES, decode

LEAST_PX = 9
_LONGEST_TABLE = 10_000_000  # labels that a table renumbers; beyond, they are sorted
_EXACT = 2.0**53  # whole numbers below it are exact as float64
_File = tuple[str, int, int]


@dataclass(frozen=True)
class Library:
    """Objects as bitmaps with a rim of zeros.

    Attributes
    ----------
    bits : uint8 array
        All bitmaps, one after another in rows.
    start, height, width : int64 arrays
        Where each lies in ``bits``, and its sides.
    centre : FloatArray
        Centroid (n, 2) in pixels from the bitmap's corner.
    reach : FloatArray
        Distance (n,) from the centroid to the farthest corner of a pixel.
    area : FloatArray
        Pixels (n,).
    cut : int
        Objects that were left out because the edge of their image cuts them.
    fingerprint : str
    """

    bits: NDArray[np.uint8]
    start: NDArray[np.int64]
    height: NDArray[np.int64]
    width: NDArray[np.int64]
    centre: FloatArray
    reach: FloatArray
    area: FloatArray
    cut: int
    fingerprint: str

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.start)


def open_library(path: str) -> Library:
    """Read the objects of all label images in a folder, in the order of the files' names.

    Raises
    ------
    SimcellError
        Where there is no folder, no label image in it, no whole object in any, or a
        file is no label image; the text names it.
    """
    folder = Path(path)
    if not folder.is_dir():
        found = "no folder" if folder.exists() else "no such folder"
        msg = f"cells.path = {path!r}: {found}; give a folder of label images"
        raise SimcellError(msg)
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
    )
    if not files:
        msg = (
            f"cells.path = {path!r}: holds no label image; put files ending in "
            f"{', '.join(SUFFIXES)} there"
        )
        raise SimcellError(msg)
    stats = [(file, file.stat()) for file in files]
    return _read(str(folder), tuple((f.name, s.st_mtime_ns, s.st_size) for f, s in stats))


@lru_cache(maxsize=8)
def _read(folder: str, files: tuple[_File, ...]) -> Library:
    """Read all files; their times and sizes are part of the cache's key."""
    stamps: list[NDArray[np.uint8]] = []
    cut = 0
    digest = hashlib.sha256()
    for name, _, _ in files:
        path = Path(folder) / name
        found, lost = _objects(_labels(path))
        stamps += found
        cut += lost
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    if not stamps:
        lost_too = f" ({cut} touch the edge of their image)" if cut else ""
        msg = (
            f"cells.path = {folder!r}: no whole object of {LEAST_PX} pixels or more in "
            f"{len(files)} images{lost_too}; add label images with whole objects"
        )
        raise SimcellError(msg)
    return _library(stamps, cut, digest.hexdigest()[:16])


def _labels(path: Path) -> IntArray:
    """Read one label image; its labels are renumbered from 1 without gaps."""
    try:
        pixels = decode(path)
    except Exception as error:
        msg = f"cells.path: {str(path)!r} cannot be read ({error}); give a TIFF, PNG or .npy"
        raise SimcellError(msg) from error
    # Some programs store one plane as a stack of one, and labels as float32.
    if pixels.ndim == 3 and len(pixels) == 1:
        pixels = pixels[0]
    if pixels.dtype.kind == "f" and _whole(pixels):
        pixels = pixels.astype(np.int64)
    if pixels.dtype.kind not in "bui":
        msg = (
            f"cells.path: {str(path)!r} holds {pixels.dtype}; a label image holds whole numbers, "
            "0 = background: save it as such"
        )
        raise SimcellError(msg)
    if pixels.ndim != 2 or min(pixels.shape) < 1:
        msg = (
            f"cells.path: {str(path)!r} has shape {pixels.shape}; a label image has two axes "
            "(y, x): save one plane, one channel"
        )
        raise SimcellError(msg)
    least = int(pixels.min())
    if least < 0:
        msg = (
            f"cells.path: {str(path)!r} holds {least}; labels are numbers from 0 "
            "(background) up: renumber them"
        )
        raise SimcellError(msg)
    return _renumbered(pixels)


def _whole(pixels: NDArray[Any]) -> bool:
    """Return whether all numbers of a float image are whole, and exact as such."""
    return bool(np.all((np.abs(pixels) < _EXACT) & (np.rint(pixels) == pixels)))


def _renumbered(pixels: NDArray[Any]) -> IntArray:
    """Return labels numbered from 1 without gaps, in their order; 0 stays."""
    if pixels.dtype.kind == "b":
        return pixels.astype(np.int32)
    if pixels.max() < _LONGEST_TABLE:
        there = np.zeros(int(pixels.max()) + 1, np.bool_)
        labels = np.empty(pixels.shape, np.int32)
        # Row by row: as an index, a whole image would be copied at eight bytes a pixel.
        for row in pixels:
            there[row] = True
        there[0] = False
        table = np.where(there, np.cumsum(there), 0).astype(np.int32)
        for row, out in zip(pixels, labels, strict=True):
            out[:] = table[row]
        return labels
    numbers, place = np.unique(pixels, return_inverse=True)
    shift = 0 if numbers[0] == 0 else 1
    return np.ascontiguousarray(place.reshape(pixels.shape) + shift, dtype=np.int32)


def _objects(labels: IntArray) -> tuple[list[NDArray[np.uint8]], int]:
    """Cut out each object; also count those that the edge of the image cuts."""
    pieces = split(labels)
    binary = labels.max(initial=0) <= 1
    wanted = (pieces.owner > 0) & (pieces.area_px >= LEAST_PX)
    if not binary:
        wanted &= pieces.main
    image = pieces.image
    edge = np.zeros(len(wanted), np.bool_)
    for side in (image[0], image[-1], image[:, 0], image[:, -1]):
        edge[side] = True
    from scipy.ndimage import find_objects

    boxes = find_objects(image)
    stamps = [
        np.pad((image[boxes[k - 1]] == k).astype(np.uint8), 1)
        for k in np.flatnonzero(wanted & ~edge)
    ]
    return stamps, int((wanted & edge).sum())


def _library(stamps: list[NDArray[np.uint8]], cut: int, fingerprint: str) -> Library:
    """Lay the bitmaps end to end and measure them."""
    shapes = np.array([stamp.shape for stamp in stamps], dtype=np.int64)
    sizes = shapes.prod(axis=1)
    centre, reach = np.zeros((len(stamps), 2)), np.zeros(len(stamps))
    for i, stamp in enumerate(stamps):
        at = np.argwhere(stamp) + 0.5
        centre[i] = at.mean(axis=0)
        reach[i] = np.hypot(*(np.abs(at - centre[i]) + 0.5).T).max()
    return Library(
        np.concatenate([stamp.ravel() for stamp in stamps]),
        np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64),
        shapes[:, 0].copy(),
        shapes[:, 1].copy(),
        centre,
        reach,
        np.array([float(stamp.sum()) for stamp in stamps]),
        cut,
        fingerprint,
    )
