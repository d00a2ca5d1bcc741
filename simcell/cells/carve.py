"""Who owns which voxel: solids that overlap, made into runs of voxels.

Decision: a voxel inside objects of two pairs goes to the pair of the smallest implicit
value, that is, of the object that it lies deepest in, whatever their order; within
its pair, a Golgi goes before the nucleus. Inside the field each solid keeps its
largest piece, joined by faces, since labels are connected; smaller pieces become
background. Every voxel of a solid is computed once: it claims its place in a band of
rows, and the deepest claim stays. Bands are low, so that memory does not grow with
the field.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from simcell.arrays import FloatArray
from simcell.cells.bodies import MOMENTS, Runs, settle
from simcell.cells.solids import Shorts, Solids, parabola, slab_at, span_of
from simcell.cells.warp import Ints

_CLAIMS = 2**20
"""Voxels of a band in which solids claim voxels at a time, of at least 8 rows along y."""
_DEEP = 2.0**30
"""Steps of a claim's depth."""
_ABOVE = 1.0 + 1e-6
"""Claims count from here, so that none is 0, be it rounded."""
_LAST = (1 << 31) - 1
"""The lower half of a claim says whose it is: this, less the number of the solid."""


def carve(solids: Solids, shape: tuple[int, ...]) -> Runs:
    """Share the voxels among solids; 2 i and 2 i + 1 are a nucleus and its Golgi."""
    start, size, n = solids.start, solids.size, len(solids.start)
    field, moments = np.array(shape, np.int64), np.zeros((n, MOMENTS))
    counts, parts = [np.zeros(n, np.int64)], [np.zeros((0, 4), np.int16)]
    some = size.all(axis=1)
    if some.any():
        low, high = start[some].min(axis=0), (start + size)[some].max(axis=0)
        sides = high - low
        rows = int(min(max(8, _CLAIMS // (sides[0] * sides[2])), sides[1]))
        claims = np.zeros((rows, sides[0], sides[2]), np.int64)
        for top in range(low[1], high[1], rows):
            corner = np.array([low[0], top, low[2]])
            spans, at = _claim_all(solids, corner, claims)
            runs, count = _cut_all(solids, corner, claims, spans, at, field, moments)
            counts.append(count)
            parts.append(runs)
    at = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.sum(counts, axis=0))])
    runs, place = np.empty((at[-1], 4), np.int16), at[:-1].copy()
    for part, count in zip(parts, counts, strict=True):
        _put(part, count, place, runs)
    at, runs = settle(start, size, at, runs, field, moments)
    return Runs(start, size, at, runs, moments)


@njit(cache=True, error_model="numpy")
def _claim_all(solids: Solids, corner: Ints, claims: Ints) -> tuple[Shorts, Ints]:
    """Let all solids claim voxels of a band; return the spans that they claimed.

    Parameters
    ----------
    corner : Ints
        First voxel (z, y, x) of the band.
    claims : Ints
        The deepest claim (y, z, x) on each voxel, 0 = none.
    """
    start, size, n = solids.start, solids.size, len(solids.start)
    spans, used, at = np.empty((1 << 14, 4), np.int16), 0, np.zeros(n + 1, np.int64)
    most = 2
    for i in range(n):
        most = max(most, solids.nodes_along[i, 0], solids.nodes_along[i, 2])
    slab, row = np.empty((most, most, 3)), np.empty((most, 3))
    for i in range(n):
        room = size[i, 0] * solids.nodes_along[i, 2]
        first = max(corner[1], start[i, 1])
        for y in range(first, min(corner[1] + len(claims), start[i, 1] + size[i, 1])):
            if used + room > len(spans):
                spans = np.concatenate((spans, np.empty((len(spans) + room, 4), np.int16)))
            slab_at(solids, i, y, slab)
            used = _claim_slab(solids, i, y, slab, row, corner, claims, spans, used)
        at[i + 1] = used
    return spans, at


@njit(cache=True, error_model="numpy")
def _claim_slab(
    solids: Solids,
    i: int,
    y: int,
    slab: FloatArray,
    row: FloatArray,
    corner: Ints,
    claims: Ints,
    spans: Shorts,
    used: int,
) -> int:
    """Claim the voxels of solid i at one y; return how many spans there are now."""
    oz, ox, lz, lx = (
        solids.start[i, 0],
        solids.start[i, 2],
        solids.origin[i, 0],
        solids.origin[i, 2],
    )
    steps, pace, cells = solids.steps, 1.0 / solids.steps[2], solids.nodes_along[i, 0] - 1
    low, high = ox - lx, ox - lx + solids.size[i, 2]
    for cell in range(cells):
        first, last = span_of(slab, cell, solids.nodes_along[i, 2] - 1)
        begin, end = cell * steps[0], cell * steps[0] + steps[0] + (cell == cells - 1)
        end = min(end, oz - lz + solids.size[i, 0]) if first < last else begin
        for z in range(max(begin, oz - lz), end):
            t = (z - begin) / steps[0]
            for c in range(first, last + 1):
                for k in range(3):
                    row[c, k] = (1.0 - t) * slab[cell, c, k] + t * slab[cell + 1, c, k]
            line, before = claims[y - corner[1], z + lz - corner[0]], -1
            for c in range(first, last):
                p, q, r = parabola(row, c)
                at = c * steps[2]
                a, b = _within(p, q, r, at, steps[2])
                a, b = max(a, low), min(b, high)
                if a >= b:
                    continue
                shift = lx - corner[2]
                _claim(line[a + shift : b + shift], (a - at) * pace, pace, p, q, r, i)
                if a == before:
                    spans[used - 1, 3] = b - low
                else:
                    spans[used, 0], spans[used, 1] = z + lz - oz, y - solids.start[i, 1]
                    spans[used, 2], spans[used, 3] = a - low, b - low
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


@njit(cache=True, error_model="numpy")
def _claim(line: Ints, t: float, pace: float, p: float, q: float, r: float, i: int) -> None:
    """Claim voxels where |w|² is p + 2 q t + r t², from ``t`` on; the deeper claim stays.

    A Golgi, of odd number, takes over what its nucleus has.
    """
    mine, nucleus = _LAST - i, _LAST - (i - 1)
    if i % 2 == 0:
        for x in range(len(line)):
            s = t + x * pace
            deep = np.int64(np.int32((_ABOVE - (p + s * (2.0 * q + s * r))) * _DEEP))
            line[x] = max(line[x], (deep << 31) | mine)
        return
    for x in range(len(line)):
        s = t + x * pace
        deep = np.int64(np.int32((_ABOVE - (p + s * (2.0 * q + s * r))) * _DEEP))
        here = line[x]
        if (here & _LAST) == nucleus:
            line[x] = (max(deep, here >> 31) << 31) | mine
        else:
            line[x] = max(here, (deep << 31) | mine)


@njit(cache=True, error_model="numpy")
def _cut_all(
    solids: Solids,
    corner: Ints,
    claims: Ints,
    spans: Shorts,
    at: Ints,
    field: Ints,
    moments: FloatArray,
) -> tuple[Shorts, Ints]:
    """Return the runs that each solid has got, cut at the field's edges; clear the claims."""
    n = len(at) - 1
    runs, used, count = np.empty((2 * at[n] + 64, 4), np.int16), 0, np.zeros(n, np.int64)
    for i in range(n):
        oz, oy, ox = solids.start[i]
        before, left, right = used, -ox, field[2] - ox
        for k in range(at[i], at[i + 1]):
            z, y, a, b = spans[k, 0], spans[k, 1], spans[k, 2], spans[k, 3]
            line = claims[y + oy - corner[1], z + oz - corner[0]]
            if used + b - a + 2 > len(runs):
                runs = np.concatenate((runs, np.empty((len(runs) + b - a + 2, 4), np.int16)))
            rim = 0 <= z + oz < field[0] and 0 <= y + oy < field[1]
            moments[i, 13] += b - a
            if rim:
                moments[i, 12] += max(0, min(b, right) - max(a, left))
            own = line[a + ox - corner[2] : b + ox - corner[2]]
            used = _cut(
                own, _LAST - i, z, y, a, left if rim else a, right if rim else a, runs, used
            )
        count[i] = used - before
    for i in range(n):
        oz, oy, shift = solids.start[i, 0], solids.start[i, 1], solids.start[i, 2] - corner[2]
        for k in range(at[i], at[i + 1]):
            z, y, a, b = spans[k, 0], spans[k, 1], spans[k, 2], spans[k, 3]
            claims[y + oy - corner[1], z + oz - corner[0], a + shift : b + shift] = 0
    return runs[:used].copy(), count


@njit(cache=True, error_model="numpy")
def _cut(
    line: Ints, mine: int, z: int, y: int, a: int, left: int, right: int, runs: Shorts, used: int
) -> int:
    """Write the runs of a span from ``a`` on, cut at ``left`` and ``right`` too."""
    x, n, lost = 0, len(line), 0
    for k in range(n):
        lost |= (line[k] & _LAST) ^ mine
    whole = lost == 0 and not (a < left < a + n or a < right < a + n)
    while x < n:
        if (line[x] & _LAST) != mine:
            x += 1
            continue
        begin, x = x, n if whole else x + 1
        while x < n and (line[x] & _LAST) == mine and x + a != left and x + a != right:
            x += 1
        runs[used, 0], runs[used, 1], runs[used, 2], runs[used, 3] = z, y, a + begin, a + x
        used += 1
    return used


@njit(cache=True, error_model="numpy")
def _put(part: Shorts, count: Ints, place: Ints, runs: Shorts) -> None:
    """Put the runs of a band behind those that their solids have so far."""
    k = 0
    for i in range(len(count)):
        runs[place[i] : place[i] + count[i]] = part[k : k + count[i]]
        place[i] += count[i]
        k += count[i]
