"""Solids as runs of voxels along x: kept in one piece, painted, measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import FloatArray, IntArray
from simcell.cells.solids import Shorts
from simcell.cells.warp import Ints

MOMENTS = 14
"""Columns of ``Runs.moments``."""


@dataclass(frozen=True)
class Runs:
    """Runs of voxels along x, those of solid i from ``at[i]`` to ``at[i + 1]``.

    Attributes
    ----------
    start : Ints
        First voxel (n, 3) of each solid's box.
    size : Ints
        Its sides (n, 3).
    at : Ints
    runs : int16 array
        z, y, first x, end of x (m, 4), counted from the box's first voxel.
    moments : FloatArray
        Of the voxels inside the field, places counted from the box (n, 14): number;
        sums of z, y, x, zz, yy, xx, zy, zx, yx; first voxel in raster order;
        whether any touches the field's border; number before others took any; the
        same, in and beyond the field.
    """

    start: Ints
    size: Ints
    at: Ints
    runs: Shorts
    moments: FloatArray


@njit(cache=True, error_model="numpy")
def settle(
    start: Ints, size: Ints, at: Ints, runs: Shorts, field: Ints, moments: FloatArray
) -> tuple[Ints, Shorts]:
    """Keep each solid's largest piece inside the field, and sum up what lies there.

    Runs come sorted by y, then z, then x; they are moved up in place.
    """
    kept, kept_at = 0, np.zeros_like(at)
    root, first = np.empty(1 << 10, np.int64), np.empty(1 << 10, np.int64)
    for i in range(len(start)):
        own, nz = runs[at[i] : at[i + 1]], size[i, 0]
        rows = nz * size[i, 1]
        if max(rows + 1, len(own)) > len(root):
            root = np.empty(2 * max(rows + 1, len(own)), np.int64)
            first = np.empty_like(root)
        _link(own, start[i], nz, rows, field, root, first)
        best = _largest(own, root)
        for k in range(len(own)):
            if root[k] >= 0:
                if _top(root, k) != best:
                    continue
                _add(runs, at[i] + k, start, i, field, moments)
            for j in range(4):
                runs[kept, j] = own[k, j]
            kept += 1
        kept_at[i + 1] = kept
    return kept_at, runs[:kept]


@njit(cache=True, error_model="numpy")
def _link(
    runs: Shorts, start: Ints, nz: int, rows: int, field: Ints, root: Ints, first: Ints
) -> None:
    """Link the runs inside the field that touch; the root of those outside is -1."""
    n, k = len(runs), 0
    for r in range(rows):
        first[r] = k
        while k < n and runs[k, 1] * nz + runs[k, 0] == r:
            root[k] = k if _inside(runs, k, start, field) else -1
            k += 1
        if first[r] == k:
            continue
        if r % nz > 0:
            _join(runs, root, first[r - 1], first[r], first[r], k)
        if r >= nz:
            _join(runs, root, first[r - nz], first[r - nz + 1], first[r], k)


@njit(cache=True, error_model="numpy")
def _inside(runs: Shorts, k: int, start: Ints, field: Ints) -> bool:
    z, y, x = runs[k, 0] + start[0], runs[k, 1] + start[1], runs[k, 2] + start[2]
    return bool(0 <= z < field[0] and 0 <= y < field[1] and 0 <= x < field[2])


@njit(cache=True, error_model="numpy")
def _top(root: Ints, k: int) -> int:
    while root[k] != k:
        root[k] = root[root[k]]
        k = root[k]
    return k


@njit(cache=True, error_model="numpy")
def _join(runs: Shorts, root: Ints, a: int, stop: int, b: int, end: int) -> None:
    """Unite the runs [b, end) of a row with those that they touch among [a, stop)."""
    while a < stop and b < end:
        inside = root[a] >= 0 and root[b] >= 0
        if inside and min(runs[a, 3], runs[b, 3]) > max(runs[a, 2], runs[b, 2]):
            p, q = _top(root, a), _top(root, b)
            root[max(p, q)] = min(p, q)
        if runs[a, 3] < runs[b, 3]:
            a += 1
        else:
            b += 1


@njit(cache=True, error_model="numpy")
def _largest(runs: Shorts, root: Ints) -> int:
    """Return the piece with most voxels, the first of equals; -1 where there is none."""
    n, best = len(runs), -1
    size = np.zeros(n, np.int64)
    for k in range(n):
        if root[k] >= 0:
            size[_top(root, k)] += runs[k, 3] - runs[k, 2]
    for k in range(n):
        if size[k] > 0 and (best < 0 or size[k] > size[best]):
            best = k
    return best


@njit(cache=True, error_model="numpy")
def _add(runs: Shorts, k: int, start: Ints, i: int, field: Ints, moments: FloatArray) -> None:
    """Add the voxels of run k to the sums of solid i."""
    oz, oy, ox = start[i, 0], start[i, 1], start[i, 2]
    z, y, x, end = float(runs[k, 0]), float(runs[k, 1]), float(runs[k, 2]), float(runs[k, 3])
    n = end - x
    sx = 0.5 * n * (x + end - 1)
    sxx = ((end - 1) * end * (2 * end - 1) - (x - 1) * x * (2 * x - 1)) / 6.0
    place = ((z + oz) * field[1] + y + oy) * field[2] + x + ox
    moments[i, 10] = place if moments[i, 0] == 0 else min(moments[i, 10], place)
    moments[i, 0] += n
    moments[i, 1] += n * z
    moments[i, 2] += n * y
    moments[i, 3] += sx
    moments[i, 4] += n * z * z
    moments[i, 5] += n * y * y
    moments[i, 6] += sxx
    moments[i, 7] += n * z * y
    moments[i, 8] += z * sx
    moments[i, 9] += y * sx
    if (
        z + oz == 0
        or z + oz == field[0] - 1
        or y + oy == 0
        or y + oy == field[1] - 1
        or x + ox == 0
        or end + ox == field[2]
    ):
        moments[i, 11] = 1.0


def paint(
    runs: Runs, start: tuple[int, ...], out: NDArray[np.integer], number: NDArray[np.integer]
) -> None:
    """Paint the number of its solid on every voxel of a block; runs are sorted by y."""
    low, high = np.array(start), np.array(start) + out.shape
    chosen = np.flatnonzero(np.all((runs.start < high) & (runs.start + runs.size > low), axis=1))
    _paint(chosen, number, runs.start, runs.at, runs.runs, low, out)


@njit(cache=True, error_model="numpy")
def _paint(
    chosen: Ints,
    number: NDArray[np.integer],
    start: Ints,
    at: Ints,
    runs: Shorts,
    low: Ints,
    out: NDArray[np.integer],
) -> None:
    nz, ny, nx = out.shape
    for i in chosen:
        oz, oy, ox = start[i] - low
        # They are sorted by y: those of the block are found without a look at the others.
        first = at[i] + np.searchsorted(runs[at[i] : at[i + 1], 1], -oy)
        for k in range(first, at[i + 1]):
            z, y = runs[k, 0] + oz, runs[k, 1] + oy
            if y >= ny:
                break
            if 0 <= z < nz:
                begin, end = max(runs[k, 2] + ox, 0), min(runs[k, 3] + ox, nx)
                if end > begin:
                    out[z, y, begin:end] = number[i]


@njit(cache=True, error_model="numpy")
def touching(
    chosen: Ints,
    start: Ints,
    at: Ints,
    runs: Shorts,
    field: Ints,
    band: tuple[int, int],
    rows: int,
) -> NDArray[np.int64]:
    """Return a << 32 | b of solids a < b that share a face in the first ``rows`` rows of a band.

    The same pair may come more than once. ``band``: first row along y, and one past the
    last, which may be one more than ``rows``: faces towards the row after are counted.
    """
    ends = np.zeros((band[1] - band[0]) * field[0] + 1, np.int64)
    for i in chosen:
        own = runs[at[i] : at[i + 1]]
        for k in _in_band(own, start[i], band):
            row = _row(own, k, start[i], field, band[0])
            if row >= 0:
                ends[row + 1] += 1
    most = ends.max()
    ends = np.cumsum(ends)
    here, sorted_runs = ends[:-1].copy(), np.empty((ends[-1], 3), np.int32)
    for i in chosen:
        own = runs[at[i] : at[i + 1]]
        for k in _in_band(own, start[i], band):
            row = _row(own, k, start[i], field, band[0])
            if row >= 0:
                x = start[i, 2]
                _insert(sorted_runs[ends[row] : here[row] + 1], own[k, 2] + x, own[k, 3] + x, i)
                here[row] += 1
    return _meeting(sorted_runs, ends, field[0], rows, most)


@njit(cache=True, error_model="numpy")
def _in_band(runs: Shorts, start: Ints, band: tuple[int, int]) -> range:
    """Return which of a solid's runs lie in a band; they are sorted by y."""
    y = runs[:, 1]
    return range(np.searchsorted(y, band[0] - start[1]), np.searchsorted(y, band[1] - start[1]))


@njit(cache=True, error_model="numpy", inline="always")
def _row(runs: Shorts, k: int, start: Ints, field: Ints, first: int) -> int:
    """Return the row along x of run k, counted along z, then along y from ``first`` on.

    -1 = outside the field.
    """
    if not _inside(runs, k, start, field):
        return -1
    return int((runs[k, 1] + start[1] - first) * field[0] + runs[k, 0] + start[0])


@njit(cache=True, error_model="numpy")
def _insert(row: IntArray, begin: int, end: int, owner: int) -> None:
    """Put a run among those of its row, sorted by x; the last place is free."""
    place = len(row) - 1
    while place > 0 and row[place - 1, 0] > begin:
        row[place] = row[place - 1]
        place -= 1
    row[place, 0], row[place, 1], row[place, 2] = begin, end, owner


@njit(cache=True, error_model="numpy")
def _meeting(runs: IntArray, ends: Ints, nz: int, rows: int, most: int) -> NDArray[np.int64]:
    """Return the pairs of solids of sorted runs that share a face; ``most`` runs share a row."""
    found, used = np.empty(1 << 12, np.int64), 0
    recent = np.zeros(1 << 12, np.int64)
    for row in range(rows * nz):
        first, end = ends[row], ends[row + 1]
        if first == end:
            continue
        # A row meets itself and two others, each at fewer places than both have runs.
        if used + 5 * most > len(found):
            found = np.concatenate((found, np.empty(len(found) + 5 * most, np.int64)))
        for k in range(first + 1, end):
            if runs[k - 1, 1] == runs[k, 0]:
                used = _note(runs[k - 1, 2], runs[k, 2], recent, found, used)
        here = runs[first:end]
        if (row + 1) % nz > 0:
            below = runs[ends[row + 1] : ends[row + 2]]
            used = _overlaps(here, below, recent, found, used)
        if row + nz + 1 < len(ends):
            after = runs[ends[row + nz] : ends[row + nz + 1]]
            used = _overlaps(here, after, recent, found, used)
    return found[:used]


@njit(cache=True, error_model="numpy")
def _overlaps(one: IntArray, other: IntArray, recent: Ints, found: Ints, used: int) -> int:
    """Note the pairs of solids whose runs in two rows lie over each other."""
    a, b = 0, 0
    while a < len(one) and b < len(other):
        if min(one[a, 1], other[b, 1]) > max(one[a, 0], other[b, 0]):
            used = _note(one[a, 2], other[b, 2], recent, found, used)
        if one[a, 1] < other[b, 1]:
            a += 1
        else:
            b += 1
    return used


@njit(cache=True, error_model="numpy")
def _note(one: int, other: int, recent: Ints, found: Ints, used: int) -> int:
    """Note a pair of solids, unless they are one, or were noted of late."""
    if one == other:
        return used
    pair = (np.int64(min(one, other)) << 32) | np.int64(max(one, other))
    slot = (pair * 0x9E3779B1 >> 7) & (len(recent) - 1)
    if recent[slot] == pair:
        return used
    recent[slot] = pair
    found[used] = pair
    return used + 1
