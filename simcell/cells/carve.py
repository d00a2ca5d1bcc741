"""Who owns which voxel: solids that overlap, made into runs of voxels.

Decision: a voxel inside objects of two pairs goes to the pair of the smallest implicit
value, that is, of the object that it lies deepest in, whatever their order; within
its pair, a Golgi goes before the nucleus. Inside the field each solid keeps its
largest piece, joined by faces, since labels are connected; smaller pieces become
background. Every voxel of a solid is computed once: it claims its place in a plane
across y, and the deepest claim stays. One plane at a time, so that memory does not grow
with the field.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from simcell.arrays import FloatArray
from simcell.cells.bodies import MOMENTS, Runs, settle
from simcell.cells.solids import Shorts, Solids, parabola, slab_at, span_of
from simcell.cells.warp import Ints

_ROWS = 64
"""Rows along y whose runs are sorted by solid at a time."""
_DEEP = 2.0**30
"""Steps of a claim's depth."""
_ABOVE = 1.0 + 1e-6
"""Claims count from here, so that none is 0, be it rounded."""
_LAST = (1 << 31) - 1
"""The lower half of a claim says whose it is: this, less the number of the solid."""


def carve(solids: Solids, shape: tuple[int, ...], over: int, *, amodal: bool = True) -> Runs:
    """Share the voxels among solids; 2 i and 2 i + 1 are a nucleus and its Golgi.

    Parameters
    ----------
    solids : Solids
    shape : tuple of int
        The field.
    over : int
        Voxels farther than this beyond the field are nobody's.
    amodal : bool
        Count those voxels all the same, for the last column of ``Runs.moments``.
    """
    start, size, n = solids.start, solids.size, len(solids.start)
    field, moments = np.array(shape, np.int64), np.zeros((n, MOMENTS))
    counts, parts = [np.zeros(n, np.int64)], []
    some = size.all(axis=1)
    if some.any():
        least, most = start[some].min(axis=0), (start + size)[some].max(axis=0)
        low, high = np.maximum(least, -over), np.minimum(most, field + over)
        first, last = (least[1], most[1]) if amodal else (low[1], high[1])
        claims = np.zeros(np.maximum(high - low, 0)[[0, 2]], np.int64)
        for top in range(first, last, _ROWS):
            rows = top, min(top + _ROWS, last)
            runs, owner = _share(solids, rows, (low, high), claims, field, moments)
            counts.append(np.bincount(owner, minlength=n))
            parts.append((runs, owner))
    at = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.sum(counts, axis=0))])
    runs, place = np.empty((at[-1], 4), np.int16), at[:-1].copy()
    for part, owner in parts:
        _put(part, owner, place, runs)
    at, runs = settle(start, size, at, runs, field, moments)
    return Runs(start, size, at, runs, moments)


@njit(cache=True, error_model="numpy")
def _share(
    solids: Solids,
    rows: tuple[int, int],
    bounds: tuple[Ints, Ints],
    claims: Ints,
    field: Ints,
    moments: FloatArray,
) -> tuple[Shorts, Ints]:
    """Let solids claim the voxels of rows along y; return the runs they get, and whose each is.

    Parameters
    ----------
    rows : tuple of int
        First, and one past the last.
    bounds : tuple of Ints
        First voxel, and one past the last, that can be claimed; ``claims[0, 0]`` is the
        first, along z and x.
    claims : Ints
        Room for the deepest claim (z, x) on each voxel of a plane, all 0 = none.
    """
    n, low = len(solids.start), bounds[0]
    most, here, at = 2, np.empty(n, np.int64), np.zeros(n + 1, np.int64)
    for i in range(n):
        most = max(most, solids.nodes_along[i, 0], solids.nodes_along[i, 2])
    slab, row = np.empty((most, most, 3)), np.empty((most, 3))
    spans = np.empty((1 << 12, 4), np.int16)
    runs, owner, used = np.empty((1 << 16, 4), np.int16), np.empty(1 << 16, np.int64), 0
    for y in range(rows[0], rows[1]):
        spans, m = _claim_plane(solids, y, slab, row, bounds, claims, spans, here, at, moments)
        # A run ends where a span does, where another owner begins, or at the field's edge.
        room = used + at[m] + claims.size
        if room > len(runs):
            runs = np.concatenate((runs, np.empty((room, 4), np.int16)))
            owner = np.concatenate((owner, np.empty(room, np.int64)))
        for k in range(m):
            before, i = used, here[k]
            used = _cut(
                solids, i, spans[at[k] : at[k + 1]], low, claims, field, moments, runs, used
            )
            owner[before:used] = i
        for k in range(m):
            _clear(solids, here[k], spans[at[k] : at[k + 1]], low, claims)
    return runs[:used], owner[:used]


@njit(cache=True, error_model="numpy")
def _claim_plane(
    solids: Solids,
    y: int,
    slab: FloatArray,
    row: FloatArray,
    bounds: tuple[Ints, Ints],
    claims: Ints,
    spans: Shorts,
    here: Ints,
    at: Ints,
    moments: FloatArray,
) -> tuple[Shorts, int]:
    """Let all solids claim voxels of a plane; return their spans, and how many solids.

    ``here``: these solids. ``at``: their first span each, and the end of the last.
    """
    m = 0
    for i in range(len(solids.start)):
        if not solids.start[i, 1] <= y < solids.start[i, 1] + solids.size[i, 1]:
            continue
        room = at[m] + solids.size[i, 0] * solids.nodes_along[i, 2]
        if room > len(spans):
            spans = np.concatenate((spans, np.empty((room, 4), np.int16)))
        slab_at(solids, i, y, slab)
        here[m], at[m + 1] = (
            i,
            _claim_slab(solids, i, y, slab, row, bounds, claims, spans, at[m], moments),
        )
        m += 1
    return spans, m


@njit(cache=True, error_model="numpy")
def _claim_slab(
    solids: Solids,
    i: int,
    y: int,
    slab: FloatArray,
    row: FloatArray,
    bounds: tuple[Ints, Ints],
    claims: Ints,
    spans: Shorts,
    used: int,
    moments: FloatArray,
) -> int:
    """Claim the voxels of solid i at one y; return how many spans there are now."""
    oz, ox, lz, lx = (
        solids.start[i, 0],
        solids.start[i, 2],
        solids.origin[i, 0],
        solids.origin[i, 2],
    )
    steps, pace, cells = solids.steps, 1.0 / solids.steps[2], solids.nodes_along[i, 0] - 1
    left, right = ox - lx, ox - lx + solids.size[i, 2]
    for cell in range(cells):
        first, last = span_of(slab, cell, solids.nodes_along[i, 2] - 1)
        begin, end = cell * steps[0], cell * steps[0] + steps[0] + (cell == cells - 1)
        end = min(end, oz - lz + solids.size[i, 0]) if first < last else begin
        for z in range(max(begin, oz - lz), end):
            t = (z - begin) / steps[0]
            for c in range(first, last + 1):
                for k in range(3):
                    row[c, k] = (1.0 - t) * slab[cell, c, k] + t * slab[cell + 1, c, k]
            before = -1
            for c in range(first, last):
                p, q, r = parabola(row, c)
                at = c * steps[2]
                a, b = _within(p, q, r, at, steps[2])
                a, b = max(a, left), min(b, right)
                moments[i, 13] += max(b - a, 0)
                a, b = _clip(a, b, z + lz, y, lx, bounds)
                if a >= b:
                    continue
                t, shift = -at * pace, lx - bounds[0][2]
                _claim(
                    claims,
                    z + lz - bounds[0][0],
                    a + shift,
                    b + shift,
                    (t - shift * pace, pace),
                    (p, q, r),
                    i,
                )
                if a == before:
                    spans[used - 1, 3] = b - left
                else:
                    spans[used, 0], spans[used, 1] = z + lz - oz, y - solids.start[i, 1]
                    spans[used, 2], spans[used, 3] = a - left, b - left
                    used += 1
                before = b
    return used


@njit(cache=True, error_model="numpy", inline="always")
def _within(p: float, q: float, r: float, at: int, step: int) -> tuple[int, int]:
    """Return the voxels [a, b) of a cell from ``at`` on where p + 2 q t + r t² is at most 1."""
    root = q * q - r * (p - 1.0)
    if root < 0.0 or r <= 0.0:
        return 0, 0
    root, pace = np.sqrt(root), step / r
    a, b = int(np.ceil((-q - root) * pace)), int(np.floor((root - q) * pace)) + 1
    return at + max(a, 0), at + min(b, step)


@njit(cache=True, error_model="numpy", inline="always")
def _clip(a: int, b: int, z: int, y: int, shift: int, bounds: tuple[Ints, Ints]) -> tuple[int, int]:
    """Return the voxels of [a, b) that can be claimed; they are counted from ``shift``."""
    low, high = bounds
    if not (low[0] <= z < high[0] and low[1] <= y < high[1]):
        return 0, 0
    return max(a, low[2] - shift), min(b, high[2] - shift)


@njit(cache=True, error_model="numpy")
def _claim(
    claims: Ints,
    z: int,
    begin: int,
    end: int,
    place: tuple[float, float],
    curve: tuple[float, float, float],
    i: int,
) -> None:
    """Claim voxels where |w|² is p + 2 q t + r t², t = a + b x; the deeper claim stays.

    A Golgi, of odd number, takes over what its nucleus has.
    """
    (a, b), (p, q, r) = place, curve
    mine, nucleus, golgi = _LAST - i, _LAST - (i - 1), i % 2 == 1
    for x in range(begin, end):
        t = a + b * x
        deep = np.int64(np.int32((_ABOVE - (p + t * (2.0 * q + t * r))) * _DEEP))
        here = claims[z, x]
        if golgi and (here & _LAST) == nucleus:
            claims[z, x] = (max(deep, here >> 31) << 31) | mine
        else:
            claims[z, x] = max(here, (deep << 31) | mine)


@njit(cache=True, error_model="numpy")
def _cut(
    solids: Solids,
    i: int,
    spans: Shorts,
    low: Ints,
    claims: Ints,
    field: Ints,
    moments: FloatArray,
    runs: Shorts,
    used: int,
) -> int:
    """Write the runs that solid i has got of its spans, cut at the field's edges too."""
    oz, oy, ox = solids.start[i, 0], solids.start[i, 1], solids.start[i, 2]
    shift, mine = ox - low[2], _LAST - i
    for k in range(len(spans)):
        z, y = np.int64(spans[k, 0]), np.int64(spans[k, 1])
        a, b = np.int64(spans[k, 2]), np.int64(spans[k, 3])
        left, right = -ox, field[2] - ox
        if 0 <= z + oz < field[0] and 0 <= y + oy < field[1]:
            moments[i, 12] += max(0, min(b, right) - max(a, left))
        else:
            left, right = a, a
        up, x = z + oz - low[0], a
        while x < b:
            if (claims[up, x + shift] & _LAST) != mine:
                x += 1
                continue
            runs[used, 0], runs[used, 1], runs[used, 2] = z, y, x
            x += 1
            while x < b and (claims[up, x + shift] & _LAST) == mine and x != left and x != right:
                x += 1
            runs[used, 3] = x
            used += 1
    return used


@njit(cache=True, error_model="numpy")
def _clear(solids: Solids, i: int, spans: Shorts, low: Ints, claims: Ints) -> None:
    up, shift = solids.start[i, 0] - low[0], solids.start[i, 2] - low[2]
    for k in range(len(spans)):
        for x in range(spans[k, 2] + shift, spans[k, 3] + shift):
            claims[spans[k, 0] + up, x] = 0


@njit(cache=True, error_model="numpy")
def _put(part: Shorts, owner: Ints, place: Ints, runs: Shorts) -> None:
    """Put runs behind those that their solids have so far."""
    for k in range(len(owner)):
        i = owner[k]
        for j in range(4):
            runs[place[i], j] = part[k, j]
        place[i] += 1
