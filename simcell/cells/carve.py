"""Who owns which voxel: solids that overlap, made into runs of voxels.

Decision: a voxel inside objects of two pairs goes to the pair of the smallest implicit
value, that is, of the object that it lies deepest in, whatever their order; within
its pair, a Golgi goes before the nucleus. Inside the field each solid keeps its
largest piece, joined by faces, since labels are connected; smaller pieces become
background. Every solid is resolved on its own, against the few that it meets, so
that memory does not grow with the field.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import FloatArray
from simcell.cells.bodies import MOMENTS, Runs, emit
from simcell.cells.solids import Shorts, Solids, plane_of, row_of, values_of, within
from simcell.cells.warp import Ints

_BUFFER = 1 << 20


def carve(solids: Solids, shape: tuple[int, ...]) -> Runs:
    """Share the voxels among solids; 2 i and 2 i + 1 are a nucleus and its Golgi."""
    n = len(solids.start)
    near_at, near = _neighbours(solids)
    box = int((solids.size.prod(axis=1)).max(initial=1))
    mask = np.zeros(box, np.uint8)
    at, moments = np.zeros(n + 1, np.int64), np.zeros((n, MOMENTS))
    parts, done, field = [], 0, np.array(shape, np.int64)
    room = max(_BUFFER, box)
    while done < n:
        buffer = np.empty((room, 4), np.int16)
        done, used = _carve(solids, done, near_at, near, field, mask, buffer, at, moments)
        parts.append(buffer[:used].copy())
    runs = np.concatenate(parts) if parts else np.zeros((0, 4), np.int16)
    return Runs(solids.start, solids.size, np.cumsum(at), runs, moments)


@njit(cache=True, error_model="numpy")
def _neighbours(solids: Solids) -> tuple[Ints, Ints]:
    """List for every solid the others whose boxes share a voxel with its box."""
    start, size = solids.start, solids.size
    n, used = len(start), 0
    at, near = np.zeros(n + 1, np.int64), np.empty(32 * n + 64, np.int64)
    if n == 0:
        return at, near
    low, reach, first, later = _sorted(start, size)
    for i in range(n):
        # At most all others are near.
        if used + n > len(near):
            near = np.concatenate((near, np.empty(len(near) + n, np.int64)))
        cell = (start[i] - low) // reach
        used = _collect(start, size, i, cell, first, later, near, used)
        at[i + 1] = used
    return at, near[:used]


@njit(cache=True, error_model="numpy")
def _sorted(start: Ints, size: Ints) -> tuple[Ints, int, Ints, Ints]:
    """Sort boxes into cells as wide as the widest: the first of each cell, the next of each."""
    reach = max(1, size.max())
    low = np.array([start[:, 0].min(), start[:, 1].min(), start[:, 2].min()])
    high = np.array([start[:, 0].max(), start[:, 1].max(), start[:, 2].max()])
    sides = (high - low) // reach + 1
    while sides[0] * sides[1] * sides[2] > 8 * len(start) + 64:
        reach *= 2
        sides = (high - low) // reach + 1
    first = np.full((sides[0], sides[1], sides[2]), -1, np.int64)
    later = np.empty(len(start), np.int64)
    for i in range(len(start) - 1, -1, -1):
        z, y, x = (start[i] - low) // reach
        later[i] = first[z, y, x]
        first[z, y, x] = i
    return low, reach, first, later


@njit(cache=True, error_model="numpy")
def _collect(
    start: Ints, size: Ints, i: int, cell: Ints, first: Ints, later: Ints, near: Ints, used: int
) -> int:
    """Add the solids near solid i to the list."""
    sides = first.shape
    for cz in range(max(cell[0] - 1, 0), min(cell[0] + 2, sides[0])):
        for cy in range(max(cell[1] - 1, 0), min(cell[1] + 2, sides[1])):
            for cx in range(max(cell[2] - 1, 0), min(cell[2] + 2, sides[2])):
                j = first[cz, cy, cx]
                while j >= 0:
                    if j != i and _meet(start, size, i, j):
                        near[used] = j
                        used += 1
                    j = later[j]
    return used


@njit(cache=True, error_model="numpy")
def _meet(start: Ints, size: Ints, i: int, j: int) -> bool:
    for k in range(3):
        if start[i, k] >= start[j, k] + size[j, k] or start[j, k] >= start[i, k] + size[i, k]:
            return False
    return True


@njit(cache=True, error_model="numpy")
def _carve(
    solids: Solids,
    begin: int,
    near_at: Ints,
    near: Ints,
    field: Ints,
    mask: NDArray[np.uint8],
    buffer: Shorts,
    at: Ints,
    moments: FloatArray,
) -> tuple[int, int]:
    """Carve solids from ``begin`` on until the buffer is full; tell where it stopped."""
    used, most, wide = 0, 2, 2
    for i in range(len(solids.start)):
        most = max(most, solids.nodes_along[i, 1], solids.nodes_along[i, 2])
        wide = max(wide, solids.nodes_along[i, 2], solids.size[i, 2])
    found, root = np.empty((1 << 14, 4), np.int64), np.empty(1 << 14, np.int64)
    planes, rows = np.empty((3, most, most, 3)), np.empty((3, wide, 4))
    for i in range(begin, len(solids.start)):
        moments[i, 12] = _fill(solids, i, field, planes[0], rows[0], mask)
        for k in range(near_at[i], near_at[i + 1]):
            j = near[k]
            if j != (i ^ 1) or i % 2 == 0:
                _give(solids, i, j, planes, rows, mask)
        many = 3 * _count_runs(solids, i, mask)
        if many > len(root):
            found, root = np.empty((2 * many, 4), np.int64), np.empty(2 * many, np.int64)
        if used + many > len(buffer):
            _clear(solids, i, mask)
            return i, used
        at[i + 1] = emit(solids, i, field, mask, found, root, buffer[used:], moments[i])
        used += at[i + 1]
    return len(solids.start), used


@njit(cache=True, error_model="numpy")
def _clear(solids: Solids, i: int, mask: NDArray[np.uint8]) -> None:
    mask[: solids.size[i, 0] * solids.size[i, 1] * solids.size[i, 2]] = 0


@njit(cache=True, error_model="numpy")
def _fill(
    solids: Solids,
    i: int,
    field: Ints,
    plane: FloatArray,
    row: FloatArray,
    mask: NDArray[np.uint8],
) -> int:
    """Mark the solid's voxels in its box; return how many lie in the field."""
    nz, ny, nx = solids.size[i]
    oz, oy, ox = solids.start[i]
    inside = 0
    for z in range(nz):
        if not solids.plain[i]:
            plane_of(solids, i, z + oz, plane)
        for y in range(ny):
            r = z * ny + y
            low, high = solids.low[solids.row_at[i] + r], solids.high[solids.row_at[i] + r]
            if low >= high:
                continue
            if solids.plain[i]:
                mask[r * nx + low : r * nx + high] = 1
            else:
                _fill_gappy(solids, i, y, plane, row, mask[r * nx : (r + 1) * nx])
            if 0 <= z + oz < field[0] and 0 <= y + oy < field[1]:
                for x in range(max(low, -ox), min(high, field[2] - ox)):
                    inside += mask[r * nx + x]
    return inside


@njit(cache=True, error_model="numpy")
def _fill_gappy(
    solids: Solids, i: int, y: int, plane: FloatArray, row: FloatArray, line: NDArray[np.uint8]
) -> None:
    cells = solids.nodes_along[i, 2] - 1
    y += solids.start[i, 1] - solids.origin[i, 1]
    row_of(plane, solids.nodes_along[i, 1] - 1, solids.steps[1], y, 0, cells + 1, row)
    shift = solids.origin[i, 2] - solids.start[i, 2]
    for cell in range(cells):
        first, end = within(row, cell, solids.steps[2])
        if end > first:
            line[first + shift : end + shift] = 1


@njit(cache=True, error_model="numpy")
def _give(
    solids: Solids,
    i: int,
    j: int,
    planes: FloatArray,
    rows: FloatArray,
    mask: NDArray[np.uint8],
) -> None:
    """Take off solid i the voxels that lie deeper in solid j than in i or its mate.

    A Golgi has all that it shares with its nucleus, j = i + 1.
    """
    start, size, lows, highs = solids.start, solids.size, solids.low, solids.high
    row_at, mate, steps = solids.row_at, i ^ 1, (solids.steps[1], solids.steps[2])
    easy = j == mate and solids.plain[j]
    mine, other, mates = _lattice(solids, i), _lattice(solids, j), _lattice(solids, mate)
    top, left = max(start[i, 0], start[j, 0]), max(start[i, 1], start[j, 1])
    end = min(start[i, 1] + size[i, 1], start[j, 1] + size[j, 1])
    xi, xj, xm, nx = start[i, 2], start[j, 2], start[mate, 2], size[i, 2]
    for z in range(top, min(start[i, 0] + size[i, 0], start[j, 0] + size[j, 0])):
        drawn = easy
        at_i = row_at[i] + (z - start[i, 0]) * size[i, 1] - start[i, 1]
        at_j = row_at[j] + (z - start[j, 0]) * size[j, 1] - start[j, 1]
        first, last, at_m = _mate_rows(solids, mate, j, z)
        for y in range(left, end):
            low = max(lows[at_i + y] + xi, lows[at_j + y] + xj)
            high = min(highs[at_i + y] + xi, highs[at_j + y] + xj)
            if low >= high:
                continue
            line = (at_i + y - row_at[i]) * nx - xi
            if easy:
                mask[line + low : line + high] = 0
                continue
            drawn = drawn or _planes(solids, i, j, z, planes)
            _look(other, steps, y, low, high, planes[1], rows[1])
            _look(mine, steps, y, low, high, planes[0], rows[0])
            if first <= y < last:
                a, b = max(lows[at_m + y] + xm, low), min(highs[at_m + y] + xm, high)
                _deepen(mates, steps, y, a, b, low, planes[2], rows)
            nothing = j == mate
            _yield(rows[0, :, 3], rows[1, :, 3], high - low, j < i, nothing, mask[line + low :])


@njit(cache=True, error_model="numpy")
def _mate_rows(solids: Solids, mate: int, j: int, z: int) -> tuple[int, int, int]:
    """Return the mate's rows [first, last) in plane z, and where row 0 would be; or none."""
    plane = z - solids.start[mate, 0]
    if j == mate or plane < 0 or plane >= solids.size[mate, 0]:
        return 0, 0, 0
    first, n = solids.start[mate, 1], solids.size[mate, 1]
    return first, first + n, solids.row_at[mate] + plane * n - first


@njit(cache=True, error_model="numpy")
def _lattice(solids: Solids, i: int) -> tuple[int, int, int, int, bool]:
    """Return first voxel along y and x, cells along y and x, and whether rows have gaps."""
    nodes, origin = solids.nodes_along[i], solids.origin[i]
    return origin[1], origin[2], nodes[1] - 1, nodes[2] - 1, not solids.plain[i]


@njit(cache=True, error_model="numpy")
def _look(
    lattice: tuple[int, int, int, int, bool],
    steps: tuple[int, int],
    y: int,
    low: int,
    high: int,
    plane: FloatArray,
    row: FloatArray,
) -> None:
    """Fill the last column of ``row`` with a solid's values at [low, high) of a row."""
    oy, ox, cells_y, cells_x, gappy = lattice
    cells = (cells_y, cells_x)
    values_of(plane, cells, steps, y - oy, low - ox, high - ox, gappy, row, row[:, 3])


@njit(cache=True, error_model="numpy")
def _deepen(
    lattice: tuple[int, int, int, int, bool],
    steps: tuple[int, int],
    y: int,
    begin: int,
    end: int,
    low: int,
    plane: FloatArray,
    rows: FloatArray,
) -> None:
    """Lower the first row's values, from place ``low`` on, to those of its mate."""
    if begin >= end:
        return
    _look(lattice, steps, y, begin, end, plane, rows[2])
    for k in range(end - begin):
        rows[0, begin - low + k, 3] = min(rows[0, begin - low + k, 3], rows[2, k, 3])


@njit(cache=True, error_model="numpy")
def _yield(
    here: FloatArray,
    there: FloatArray,
    n: int,
    later: bool,
    nothing: bool,
    mask: NDArray[np.uint8],
) -> None:
    """Clear the mask where the other's value is lower, or equal and it is the later one.

    With ``nothing`` of its own, where the other has any.
    """
    for x in range(n):
        more = nothing or there[x] < here[x] or (later and there[x] == here[x])
        if more and there[x] < np.inf:
            mask[x] = 0


@njit(cache=True, error_model="numpy")
def _planes(solids: Solids, i: int, j: int, z: int, planes: FloatArray) -> bool:
    """Look up plane z of solid i, of the other one, and of i's mate."""
    mate = i ^ 1
    plane_of(solids, i, z, planes[0])
    plane_of(solids, j, z, planes[1])
    if solids.start[mate, 0] <= z < solids.start[mate, 0] + solids.size[mate, 0]:
        plane_of(solids, mate, z, planes[2])
    return True


@njit(cache=True, error_model="numpy")
def _count_runs(solids: Solids, i: int, mask: NDArray[np.uint8]) -> int:
    nx, count = solids.size[i, 2], 0
    for r in range(solids.size[i, 0] * solids.size[i, 1]):
        at, before = solids.row_at[i] + r, 0
        for x in range(solids.low[at], solids.high[at]):
            here = mask[r * nx + x]
            count += here > before
            before = here
    return count
