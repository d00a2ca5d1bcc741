"""Label images as runs of equal pixels, row by row: whole fields in little memory.

A mosaic of 24 megapixels has about a hundred thousand runs. Pieces are numbered,
measured and painted from the runs alone, with the results that
:mod:`simcell.cells.pieces` has from the pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import Block, BoolArray, FloatArray, IntArray


class Runs(NamedTuple):
    """Rows of a field cut into runs of one value.

    Attributes
    ----------
    first : int64 array
        Runs of row r are entries ``first[r]`` to ``first[r + 1]`` of the rest.
    begin, end : IntArray
        Columns of the run: from ``begin`` up to, not including, ``end``.
    value : IntArray
        What its pixels hold.
    """

    first: NDArray[np.int64]
    begin: IntArray
    end: IntArray
    value: IntArray


def join(parts: list[Runs]) -> Runs:
    """Put bands of rows below each other."""
    offset, firsts = 0, [np.zeros(1, np.int64)]
    for part in parts:
        firsts.append(part.first[1:] + offset)
        offset += len(part.value)
    columns = (np.concatenate([part[k] for part in parts]) for k in (1, 2, 3))
    return Runs(np.concatenate(firsts), *columns)


@njit(cache=True)
def runs_of(image: IntArray) -> Runs:
    """Cut the rows of an image into runs."""
    height, width = image.shape
    first = np.zeros(height + 1, np.int64)
    for r in range(height):
        first[r + 1] = first[r] + 1
        for c in range(1, width):
            first[r + 1] += image[r, c] != image[r, c - 1]
    begin = np.empty(first[height], np.int32)
    end = np.empty(first[height], np.int32)
    value = np.empty(first[height], np.int32)
    k = -1
    for r in range(height):
        for c in range(width):
            if c == 0 or image[r, c] != image[r, c - 1]:
                k += 1
                begin[k], value[k] = c, image[r, c]
            end[k] = c + 1
    return Runs(first, begin, end, value)


def pieces(runs: Runs) -> tuple[IntArray, IntArray]:
    """Tell connected pieces (by edges) apart, numbered from 1 in raster order.

    Returns
    -------
    label : IntArray
        Piece of every run, 0 where the value is 0.
    owner : IntArray
        Value of every piece, (n + 1,); entry 0 unused.

    Examples
    --------
    >>> import numpy as np
    >>> label, owner = pieces(runs_of(np.array([[7, 0, 7], [7, 7, 7]], np.int32)))
    >>> label.tolist(), owner.tolist()
    ([1, 0, 1, 1], [0, 7])
    """
    return _number(runs, _unite(runs))


@njit(cache=True)
def _root(parent: IntArray, k: int) -> int:
    while parent[k] != k:
        k = parent[k]
    return k


@njit(cache=True)
def _overlap(runs: Runs, a: int, b: int, shift: int) -> int:
    """Count the columns that run a shares with run b moved by ``shift``."""
    end = min(runs.end[a], runs.end[b] + shift)
    return int(end - max(runs.begin[a], runs.begin[b] + shift))


@njit(cache=True)
def _unite(runs: Runs) -> IntArray:
    """Link every run to a lower one of its piece; the first run of a piece to itself."""
    parent = np.arange(len(runs.value)).astype(np.int32)
    for r in range(1, len(runs.first) - 1):
        above = runs.first[r - 1]
        for k in range(runs.first[r], runs.first[r + 1]):
            while runs.end[above] <= runs.begin[k]:
                above += 1
            j = above
            while j < runs.first[r] and runs.begin[j] < runs.end[k]:
                if runs.value[j] == runs.value[k]:
                    one, two = _root(parent, j), _root(parent, k)
                    parent[max(one, two)] = min(one, two)
                j += 1
    return parent


@njit(cache=True)
def _number(runs: Runs, parent: IntArray) -> tuple[IntArray, IntArray]:
    label = np.zeros(len(parent), np.int32)
    owner = np.zeros(len(parent) + 1, np.int32)
    count = 0
    for k in range(len(parent)):
        if runs.value[k] == 0:
            continue
        root = _root(parent, k)
        if root == k:
            count += 1
            owner[count] = runs.value[k]
            label[k] = count
        else:
            label[k] = label[root]
    return label, owner[: count + 1].copy()


def measure(runs: Runs, count: int) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Measure pieces 0..count of runs that hold them; as ``cells.pieces.measure`` does."""
    moments, straight, diagonal, at_frame = _measure(runs, count)
    crossings = straight + np.sqrt(0.5) * diagonal
    crossings[0] = 0.0
    return moments, crossings, at_frame


@njit(cache=True)
def _measure(runs: Runs, count: int) -> tuple[FloatArray, FloatArray, FloatArray, BoolArray]:
    moments = np.zeros((count + 1, 6))
    straight = np.zeros(count + 1)
    diagonal = np.zeros(count + 1)
    at_frame = np.zeros(count + 1, np.bool_)
    height = len(runs.first) - 1
    width = runs.end[-1]
    for r in range(height):
        for k in range(runs.first[r], runs.first[r + 1]):
            piece = runs.value[k]
            if piece == 0:
                continue
            a, b, y = runs.begin[k], runs.end[k], r + 0.5
            n = b - a
            along = 0.5 * (np.float64(b) * b - np.float64(a) * a)
            # Sum of (c + 1/2)² over the columns c of the run.
            squares = (np.float64(b) ** 3 - np.float64(a) ** 3) / 3 - n / 12
            m = moments[piece]
            m[0] += n
            m[1] += n * y
            m[2] += along
            m[3] += n * y * y
            m[4] += squares
            m[5] += along * y
            at_frame[piece] |= r == 0 or r == height - 1 or a == 0 or b == width
            # Both ends are crossings; so are pixels whose neighbour above or below differs.
            straight[piece] += 2 + 2 * n
            diagonal[piece] += 4 * n
        if r > 0:
            _match(runs, r, straight, diagonal)
    return moments, straight, diagonal, at_frame


@njit(cache=True)
def _match(runs: Runs, r: int, straight: FloatArray, diagonal: FloatArray) -> None:
    """Take away the pixels of row r that meet their own piece in the row above."""
    above = runs.first[r - 1]
    for k in range(runs.first[r], runs.first[r + 1]):
        while runs.end[above] < runs.begin[k]:
            above += 1
        j = above
        while j < runs.first[r] and runs.begin[j] <= runs.end[k]:
            if runs.value[j] == runs.value[k]:
                straight[runs.value[k]] -= 2 * max(0, _overlap(runs, k, j, 0))
                for shift in (-1, 1):
                    diagonal[runs.value[k]] -= 2 * max(0, _overlap(runs, k, j, shift))
            j += 1


def adjacent(runs: Runs) -> IntArray:
    """Return pairs (m, 2) of pieces that share an edge, lower first, sorted."""
    pairs = np.sort(_touching(runs), axis=1)
    pairs = pairs[(pairs[:, 0] > 0) & (pairs[:, 0] != pairs[:, 1])]
    return np.ascontiguousarray(np.unique(pairs, axis=0), dtype=np.int32)


@njit(cache=True)
def _touching(runs: Runs) -> IntArray:
    out = np.zeros((3 * len(runs.value), 2), np.int32)
    n = 0
    for r in range(len(runs.first) - 1):
        above = runs.first[max(r - 1, 0)]
        for k in range(runs.first[r], runs.first[r + 1]):
            if k > runs.first[r]:
                out[n, 0], out[n, 1] = runs.value[k - 1], runs.value[k]
                n += 1
            if r == 0:
                continue
            while runs.end[above] <= runs.begin[k]:
                above += 1
            j = above
            while j < runs.first[r] and runs.begin[j] < runs.end[k]:
                out[n, 0], out[n, 1] = runs.value[j], runs.value[k]
                n += 1
                j += 1
    return out[:n]


def paint(runs: Runs, block: Block) -> IntArray:
    """Paint the runs of a block; pixels beyond the field are 0."""
    out = np.zeros(block.shape, np.int32)
    _paint(runs, block.start[0], block.start[1], out)
    return out


@njit(cache=True)
def _paint(runs: Runs, top: int, left: int, out: IntArray) -> None:
    for r in range(max(0, -top), min(out.shape[0], len(runs.first) - 1 - top)):
        for k in range(runs.first[r + top], runs.first[r + top + 1]):
            a = max(0, runs.begin[k] - left)
            b = min(out.shape[1], runs.end[k] - left)
            if a < b:
                out[r, a:b] = runs.value[k]
