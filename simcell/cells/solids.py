"""Ellipsoids in a volume, elastically deformed, as rows of voxels.

A voxel belongs to an ellipsoid where the implicit function |w|² is at most 1. The
vector w is the voxel's place in the ellipsoid's own frame, in semi-axes, after
the elastic displacement. It is computed on a coarse lattice over the object's box
and is linear between lattice nodes, so that along a row of voxels |w|² is a
parabola from node to node, and where it is at most 1 is solved for, not searched.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Grid
from simcell.cells.warp import Ints, Warp, place_nodes
from simcell.errors import SimcellError

MOST_PX = 200
"""Largest semi-axis, in voxels."""
_COARSEST = 16
"""Voxels between lattice nodes at most."""

Shorts = NDArray[np.int16]


class Solids(NamedTuple):
    """Deformed ellipsoids; axes (z, y, x), a row of arrays per ellipsoid.

    ``start``, ``size``: box of voxels (n, 3). ``nodes``: w at the lattice nodes,
    those of ellipsoid i from ``node_at[i]`` on, ``nodes_along[i]`` of them,
    ``steps`` voxels apart, the first at voxel ``origin[i]``. ``low``, ``high``: first
    and one past the last voxel of each row of the box, from ``row_at[i]`` on.
    ``volume``: voxels. ``plain``: no row has a gap.
    """

    start: Ints
    size: Ints
    origin: Ints
    nodes_along: Ints
    steps: Ints
    node_at: Ints
    nodes: FloatArray
    row_at: Ints
    low: Shorts
    high: Shorts
    volume: Ints
    plain: NDArray[np.bool_]


def build(
    centre: FloatArray,
    turn: FloatArray,
    semi: FloatArray,
    grid: Grid,
    warp: Warp,
    *,
    beyond: bool,
) -> Solids:
    """Deform ellipsoids and find their rows of voxels.

    Parameters
    ----------
    centre, turn, semi : FloatArray
        Centres (n, 3) in µm, rotations (n, 3, 3), semi-axes (n, 3) in µm.
    grid : Grid
    warp : Warp
    beyond : bool
        Also pairs (2 i and 2 i + 1) that do not reach into the field; else they stay
        empty, of size 0.
    """
    spacing = np.asarray(grid.spacing_um)
    _check(semi, spacing)
    half = reach_of(turn, semi)
    furthest = warp.furthest(semi)
    origin, size = _boxes(centre, half + furthest[:, None], spacing)
    steps = np.full(3, 1 << 15)
    if warp.length_um > 0:
        steps = np.clip(warp.step_um / 8 / spacing, 1, _COARSEST).astype(np.int64)
    count = np.maximum(2, -(-(size - 1) // steps) + 1)
    node_at = _starts(count.prod(axis=1))
    nodes, slack = np.empty((node_at[-1], 3)), np.zeros((len(centre), 3))
    frame = np.ascontiguousarray(np.swapaxes(turn, 1, 2) / semi[:, :, None])
    place_nodes(centre, frame, spacing, origin, count, steps, node_at, warp, furthest, nodes, slack)
    start, size = _boxes(centre, half + slack, spacing)
    if not beyond:
        near = np.all((start < grid.shape) & (start + size > 0), axis=1)
        size[~near.reshape(-1, 2).any(axis=1).repeat(2)] = 0
    row_at = _starts(size[:, 0] * size[:, 1])
    low, high = np.zeros(row_at[-1], np.int16), np.zeros(row_at[-1], np.int16)
    volume, plain = np.zeros(len(centre), np.int64), np.ones(len(centre), np.bool_)
    solids = Solids(
        start, size, origin, count, steps, node_at, nodes, row_at, low, high, volume, plain
    )
    _find_rows(solids)
    return _crop(solids)


def _crop(solids: Solids) -> Solids:
    """Shrink the boxes to the rows that hold voxels; an empty solid has none."""
    start, size = solids.start.copy(), solids.size.copy()
    _bound(solids, start, size)
    row_at = _starts(size[:, 0] * size[:, 1])
    low, high = np.empty(row_at[-1], np.int16), np.empty(row_at[-1], np.int16)
    _copy_rows(solids, start, size, row_at, low, high)
    return solids._replace(start=start, size=size, row_at=row_at, low=low, high=high)


def reach_of(turn: FloatArray, semi: FloatArray) -> FloatArray:
    """Return how far ellipsoids reach (n, 3) from their centres along z, y and x."""
    return np.asarray(np.sqrt(np.square(turn * semi[:, None, :]).sum(axis=2)))


def _boxes(centre: FloatArray, half: FloatArray, spacing: FloatArray) -> tuple[Ints, Ints]:
    """Return first voxels and sides of boxes that hold all voxel centres within ``half``."""
    start = np.floor((centre - half) / spacing - 0.5).astype(np.int64)
    return start, np.ceil((centre + half) / spacing + 0.5).astype(np.int64) - start


def _check(semi: FloatArray, spacing: FloatArray) -> None:
    largest = float(semi.max(initial=0.0) / spacing.min())
    if largest > MOST_PX:
        msg = (
            f"cells: a semi-axis of {semi.max():g} µm is {largest:.0f} px, at most {MOST_PX} px "
            "are allowed; use a larger frame.spacing_um (z_spacing_um) or smaller objects"
        )
        raise SimcellError(msg)


def _starts(lengths: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


@njit(cache=True, error_model="numpy")
def plane_of(solids: Solids, i: int, z: int, out: FloatArray) -> None:
    """Fill ``out`` (y, x, 3) with w at the lattice's nodes in a plane z of the volume."""
    step, z = solids.steps[0], z - solids.origin[i, 0]
    ny, nx = solids.nodes_along[i, 1], solids.nodes_along[i, 2]
    a = min(z // step, solids.nodes_along[i, 0] - 2)
    t = (z - a * step) / step
    near, skip, nodes = solids.node_at[i] + a * ny * nx, ny * nx, solids.nodes
    for b in range(ny):
        for c in range(nx):
            at = near + b * nx + c
            for k in range(3):
                out[b, c, k] = (1 - t) * nodes[at, k] + t * nodes[at + skip, k]


@njit(cache=True, error_model="numpy")
def row_of(
    plane: FloatArray, cells: int, step: int, y: int, begin: int, end: int, out: FloatArray
) -> None:
    """Fill ``out`` (x, 3) with w at the nodes ``begin`` to ``end`` of a row of the plane.

    ``cells``: cells of the plane along y. ``y``: row, counted from the lattice's first.
    """
    b = min(y // step, cells - 1)
    t = (y - b * step) / step
    for c in range(begin, end):
        for k in range(3):
            out[c, k] = (1 - t) * plane[b, c, k] + t * plane[b + 1, c, k]


@njit(cache=True, error_model="numpy", inline="always")
def parabola(row: FloatArray, cell: int) -> tuple[float, float, float]:
    """Return a, b, c of |w|² = a + 2 b t + c t² between two nodes, t from 0 to 1."""
    a, b, c = 0.0, 0.0, 0.0
    for k in range(3):
        w, d = row[cell, k], row[cell + 1, k] - row[cell, k]
        a += w * w
        b += w * d
        c += d * d
    return a, b, c


@njit(cache=True, error_model="numpy")
def within(row: FloatArray, cell: int, step: int) -> tuple[int, int]:
    """Return the voxels [first, end) of a cell of the lattice where |w|² is at most 1."""
    a, b, c = parabola(row, cell)
    root = b * b - c * (a - 1.0)
    if root < 0.0 or c <= 0.0:
        return 0, 0
    root = np.sqrt(root)
    begin = cell * step
    first = max(begin, begin + int(np.ceil((-b - root) / c * step)))
    return first, min(begin + step, begin + int(np.floor((-b + root) / c * step)) + 1)


@njit(cache=True, error_model="numpy")
def values_of(
    plane: FloatArray,
    cells: tuple[int, int],
    steps: tuple[int, int],
    y: int,
    low: int,
    high: int,
    gappy: bool,
    row: FloatArray,
    out: FloatArray,
) -> None:
    """Fill ``out`` with |w|² at the places [low, high) of a row, infinite in gaps.

    Places count from the lattice's first node; ``cells``, ``steps``: along y and x.
    """
    step = steps[1]
    begin, end = min(low // step, cells[1] - 1), min((high - 1) // step, cells[1] - 1) + 1
    row_of(plane, cells[0], steps[0], y, begin, end + 1, row)
    pace = 1.0 / step
    if gappy:
        out[: high - low] = np.inf
    for cell in range(begin, end):
        a, b, c = parabola(row, cell)
        first, last = max(low, cell * step), min(high, cell * step + step)
        if cell == end - 1:
            last = high
        left, right = within(row, cell, step) if gappy else (first, last)
        for x in range(max(first, left), min(last, right)):
            t = (x - cell * step) * pace
            out[x - low] = a + t * (2.0 * b + t * c)


@njit(cache=True, error_model="numpy")
def _span(plane: FloatArray, b: int, cells: int) -> tuple[int, int]:
    """Return the cells [first, end) of a row of the plane's cells that may hold the solid.

    A cell holds nothing of it where a component of w is above 1, or below -1, at all
    of its corners.
    """
    first, end = cells, 0
    for c in range(cells):
        out = False
        for k in range(3):
            p, q = plane[b, c, k], plane[b, c + 1, k]
            r, s = plane[b + 1, c, k], plane[b + 1, c + 1, k]
            out = out or min(p, q, r, s) > 1.0 or max(p, q, r, s) < -1.0
        if not out:
            first, end = min(first, c), c + 1
    return first, end


@njit(cache=True, error_model="numpy")
def _find_rows(solids: Solids) -> None:
    """Fill in rows, volumes and whether any row has a gap."""
    most = 2
    for i in range(len(solids.nodes_along)):
        most = max(most, solids.nodes_along[i, 1], solids.nodes_along[i, 2])
    plane, row = np.empty((most, most, 3)), np.empty((most, 3))
    step = solids.steps[1]
    for i in range(len(solids.start)):
        top, cells = solids.start[i, 0], solids.nodes_along[i, 1] - 1
        at = solids.start[i, 1] - solids.origin[i, 1]
        for z in range(solids.size[i, 0]):
            plane_of(solids, i, top + z, plane)
            for b in range(cells):
                first, last = _span(plane, b, solids.nodes_along[i, 2] - 1)
                # The last cell also has the nodes at its end.
                end = b * step + step + (b == cells - 1)
                if first < last:
                    begin, end = max(b * step, at), min(end, at + solids.size[i, 1])
                    _fill_rows(solids, i, z, plane, begin, end, first, last, row)


@njit(cache=True, error_model="numpy")
def _fill_rows(
    solids: Solids,
    i: int,
    z: int,
    plane: FloatArray,
    begin: int,
    end: int,
    first: int,
    last: int,
    row: FloatArray,
) -> None:
    """Fill in the rows [begin, end) of a plane, counted from the lattice's first."""
    step_y, step, cells = solids.steps[1], solids.steps[2], solids.nodes_along[i, 1] - 1
    shift = solids.origin[i, 2] - solids.start[i, 2]
    at = solids.row_at[i] + z * solids.size[i, 1] + solids.origin[i, 1] - solids.start[i, 1]
    lows, highs, volume, plain = solids.low, solids.high, 0, True
    for y in range(begin, end):
        row_of(plane, cells, step_y, y, first, last + 1, row)
        low, high, found = 1 << 30, -1, 0
        for cell in range(first, last):
            a, b = within(row, cell, step)
            if b > a:
                low, high = min(low, a), max(high, b)
                found += b - a
        if found > 0:
            lows[at + y], highs[at + y] = low + shift, high + shift
            volume += found
            plain = plain and found == high - low
    solids.volume[i] += volume
    solids.plain[i] &= plain


@njit(cache=True, error_model="numpy")
def _bound(solids: Solids, start: Ints, size: Ints) -> None:
    for i in range(len(start)):
        nz, ny, nx = solids.size[i]
        first, end = np.array([nz, ny, nx]), np.zeros(3, np.int64)
        for z in range(nz):
            for y in range(ny):
                at = solids.row_at[i] + z * ny + y
                low, high = int(solids.low[at]), int(solids.high[at])
                if low < high:
                    first[0], first[1] = min(first[0], z), min(first[1], y)
                    first[2] = min(first[2], low)
                    end[0], end[1], end[2] = z + 1, max(end[1], y + 1), max(end[2], high)
        for k in range(3):
            start[i, k] += first[k]
            size[i, k] = max(0, end[k] - first[k])


@njit(cache=True, error_model="numpy")
def _copy_rows(
    solids: Solids, start: Ints, size: Ints, row_at: Ints, low: Shorts, high: Shorts
) -> None:
    for i in range(len(start)):
        dz, dy, dx = start[i] - solids.start[i]
        for z in range(size[i, 0]):
            to = row_at[i] + z * size[i, 1]
            at = solids.row_at[i] + (z + dz) * solids.size[i, 1] + dy
            for y in range(size[i, 1]):
                empty = solids.low[at + y] >= solids.high[at + y]
                low[to + y] = 0 if empty else solids.low[at + y] - dx
                high[to + y] = 0 if empty else solids.high[at + y] - dx
