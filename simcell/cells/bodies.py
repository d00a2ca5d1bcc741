"""Solids as runs of voxels along x: cut from masks, kept in one piece, painted, measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import FloatArray, IntArray
from simcell.cells.solids import Shorts, Solids
from simcell.cells.warp import Ints

MOMENTS = 13
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
        Of the voxels inside the field, places counted from the box (n, 13): number;
        sums of z, y, x, zz, yy, xx, zy, zx, yx; first voxel in raster order;
        whether any touches the field's border; number before others took any.
    """

    start: Ints
    size: Ints
    at: Ints
    runs: Shorts
    moments: FloatArray


@njit(cache=True, error_model="numpy")
def emit(
    solids: Solids,
    i: int,
    field: Ints,
    mask: NDArray[np.uint8],
    runs: Ints,
    root: Ints,
    out: Shorts,
    moments: FloatArray,
) -> int:
    """Write the runs of a solid, clear its mask, and sum up what lies in the field."""
    nz, ny, nx = solids.size[i]
    oz, oy, ox = solids.start[i]
    first = np.zeros(nz * ny + 1, np.int64)
    n = 0
    for r in range(nz * ny):
        at = solids.row_at[i] + r
        low, high = int(solids.low[at]), int(solids.high[at])
        if low >= high:
            first[r + 1] = n
            continue
        z, y = r // ny, r % ny
        rim = 0 <= z + oz < field[0] and 0 <= y + oy < field[1]
        n = _cut(mask[r * nx : (r + 1) * nx], low, high, rim, -ox, field[2] - ox, runs, root, n)
        for k in range(first[r], n):
            runs[k, 0], runs[k, 1] = z, y
        first[r + 1] = n
        if rim:
            _join(runs, root, first[max(r - 1, 0)] if y else first[r], first[r], first[r], n)
            _join(runs, root, first[max(r - ny, 0)], first[max(r - ny + 1, 0)], first[r], n)
    best = _largest(runs, root, n)
    kept = 0
    for k in range(n):
        if root[k] >= 0 and _top(root, k) != best:
            continue
        out[kept] = runs[k]
        kept += 1
        if root[k] >= 0:
            _add(runs[k], oz, oy, ox, field, moments)
    return kept


@njit(cache=True, error_model="numpy")
def _cut(
    line: NDArray[np.uint8],
    low: int,
    high: int,
    rim: bool,
    left: int,
    right: int,
    runs: Ints,
    root: Ints,
    n: int,
) -> int:
    """Cut a row into runs, also at the field's edges; clear it. Outside, root is -1."""
    if not rim:
        return _cut_part(line, low, high, False, runs, root, n)
    n = _cut_part(line, low, min(high, left), False, runs, root, n)
    n = _cut_part(line, max(low, left), min(high, right), True, runs, root, n)
    return _cut_part(line, max(low, right), high, False, runs, root, n)


@njit(cache=True, error_model="numpy")
def _cut_part(
    line: NDArray[np.uint8], x: int, high: int, inside: bool, runs: Ints, root: Ints, n: int
) -> int:
    """Cut the voxels [x, high) of a row into runs."""
    while x < high:
        if line[x] == 0:
            x += 1
            continue
        end = x
        while end < high and line[end] != 0:
            end += 1
        line[x:end] = 0
        runs[n, 2], runs[n, 3] = x, end
        root[n] = n if inside else -1
        n += 1
        x = end
    return n


@njit(cache=True, error_model="numpy")
def _top(root: Ints, k: int) -> int:
    while root[k] != k:
        root[k] = root[root[k]]
        k = root[k]
    return k


@njit(cache=True, error_model="numpy")
def _join(runs: Ints, root: Ints, a: int, stop: int, b: int, end: int) -> None:
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
def _largest(runs: Ints, root: Ints, n: int) -> int:
    """Return the piece with most voxels, the first of equals; -1 where there is none."""
    size = np.zeros(n, np.int64)
    best = -1
    for k in range(n):
        if root[k] >= 0:
            size[_top(root, k)] += runs[k, 3] - runs[k, 2]
    for k in range(n):
        if size[k] > 0 and (best < 0 or size[k] > size[best]):
            best = k
    return best


@njit(cache=True, error_model="numpy")
def _add(run: Ints, oz: int, oy: int, ox: int, field: Ints, moments: FloatArray) -> None:
    """Add the voxels of a run to the sums."""
    z, y, x, end = float(run[0]), float(run[1]), run[2], run[3]
    n = float(end - x)
    sx = 0.5 * n * (x + end - 1)
    sxx = ((end - 1) * end * (2 * end - 1) - (x - 1) * x * (2 * x - 1)) / 6.0
    if moments[0] == 0:
        moments[10] = (float(run[0] + oz) * field[1] + run[1] + oy) * field[2] + x + ox
    moments[0] += n
    moments[1] += n * z
    moments[2] += n * y
    moments[3] += sx
    moments[4] += n * z * z
    moments[5] += n * y * y
    moments[6] += sxx
    moments[7] += n * z * y
    moments[8] += z * sx
    moments[9] += y * sx
    if (
        run[0] + oz == 0
        or run[0] + oz == field[0] - 1
        or run[1] + oy == 0
        or run[1] + oy == field[1] - 1
        or x + ox == 0
        or end + ox == field[2]
    ):
        moments[11] = 1.0


def paint(runs: Runs, start: tuple[int, ...], out: IntArray) -> None:
    """Paint 1 + the number of its owner on every voxel of a block."""
    low, high = np.array(start), np.array(start) + out.shape
    chosen = np.flatnonzero(np.all((runs.start < high) & (runs.start + runs.size > low), axis=1))
    _paint(chosen, runs.start, runs.at, runs.runs, low, out)


@njit(cache=True, error_model="numpy")
def _paint(chosen: Ints, start: Ints, at: Ints, runs: Shorts, low: Ints, out: IntArray) -> None:
    nz, ny, nx = out.shape
    for i in chosen:
        oz, oy, ox = start[i] - low
        for k in range(at[i], at[i + 1]):
            z, y = runs[k, 0] + oz, runs[k, 1] + oy
            if 0 <= z < nz and 0 <= y < ny:
                first, end = max(runs[k, 2] + ox, 0), min(runs[k, 3] + ox, nx)
                if end > first:
                    out[z, y, first:end] = i + 1


@njit(cache=True, error_model="numpy")
def touching(owners: IntArray, rows: int) -> NDArray[np.int64]:
    """Return a << 32 | b of owners a < b that share a face, of the first ``rows`` rows along y.

    The same pair may come more than once. Faces towards the row after are counted.
    """
    nz, ny, nx = owners.shape
    found, used = np.empty(1 << 12, np.int64), 0
    recent = np.zeros(1 << 14, np.int64)
    for z in range(nz):
        for y in range(rows):
            # Room for all three faces of every voxel of a row.
            if used + 3 * nx > len(found):
                found = np.concatenate((found, np.empty(len(found) + 3 * nx, np.int64)))
            for x in range(nx):
                here = owners[z, y, x]
                if here == 0:
                    continue
                used = _note(here, owners[z, y, min(x + 1, nx - 1)], recent, found, used)
                used = _note(here, owners[z, min(y + 1, ny - 1), x], recent, found, used)
                used = _note(here, owners[min(z + 1, nz - 1), y, x], recent, found, used)
    return found[:used]


@njit(cache=True, error_model="numpy")
def _note(here: int, there: int, recent: Ints, found: Ints, used: int) -> int:
    """Note a pair of owners, unless they are one, or none, or were noted of late."""
    if there == here or there == 0:
        return used
    pair = (np.int64(min(here, there)) << 32) | np.int64(max(here, there))
    slot = (pair * 0x9E3779B1 >> 7) & (len(recent) - 1)
    if recent[slot] == pair:
        return used
    recent[slot] = pair
    found[used] = pair
    return used + 1
