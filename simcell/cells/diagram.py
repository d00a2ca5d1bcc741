"""Voronoi diagrams that any pixel can be looked up in, however large the field.

A pixel's cell is found by walking over the Delaunay triangulation from the cell
of the pixel before: each step goes to the neighbour whose border the pixel lies
farthest beyond, and the walk ends in the nearest seed's cell. Borders are kept
as straight lines, so one pass over the cell's neighbours (six on average) gives
both the next step and the distances to the borders. The line of j seen from i is
the negative of that of i seen from j, to the last bit: which cell a pixel falls
into does not depend on where the walk began.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError

from simcell.arrays import BoolArray, FloatArray, Image, IntArray

_FEW = 8  # so many seeds are all taken for neighbours of each other
_STEPS = 100_000
FAR_UM = 1e6
"""Distance to the border of a cell that has none."""


class Diagram(NamedTuple):
    """Seeds with their neighbours and the borders to them.

    Attributes
    ----------
    seeds : FloatArray
        Positions (n, 2) in µm.
    first : int64 array
        Neighbours of seed i are entries ``first[i]`` to ``first[i + 1]`` of the rest.
    other : IntArray
        The neighbour's row.
    along_y, along_x, along_1 : FloatArray
        A point (y, x) lies ``along_y * y + along_x * x + along_1`` µm from the border
        with the neighbour, above 0 on the seed's own side.
    """

    seeds: FloatArray
    first: NDArray[np.int64]
    other: IntArray
    along_y: FloatArray
    along_x: FloatArray
    along_1: FloatArray


def diagram(seeds_um: FloatArray) -> Diagram:
    """Triangulate seeds (n, 2) in µm.

    Examples
    --------
    >>> import numpy as np
    >>> made = diagram(np.array([[0.0, 0.0], [0.0, 10.0]]))
    >>> made.other.tolist(), made.along_x.tolist(), made.along_1.tolist()
    ([1, 0], [-1.0, 1.0], [5.0, -5.0])
    """
    seeds = np.ascontiguousarray(np.unique(seeds_um, axis=0))
    pairs = _pairs(seeds)
    low, high = pairs.T
    between = seeds[low] - seeds[high]
    apart = np.hypot(between[:, 0], between[:, 1])[:, None]
    square = np.square(seeds).sum(axis=1)
    lines = np.hstack([between, 0.5 * (square[high] - square[low])[:, None]]) / apart
    owner, other = np.concatenate([low, high]), np.concatenate([high, low])
    order = np.lexsort((other, owner))
    first = np.searchsorted(owner[order], np.arange(len(seeds) + 1))
    along = np.ascontiguousarray(np.concatenate([lines, -lines])[order].T)
    return Diagram(seeds, first.astype(np.int64), other[order].astype(np.int32), *along)


def _pairs(seeds: FloatArray) -> NDArray[np.intp]:
    """Return the pairs (m, 2) of neighbours, lower row first, in order."""
    if len(seeds) > _FEW:
        try:
            corners = Delaunay(seeds).simplices
        except QhullError:  # all on one line
            along = np.arange(len(seeds))
            return np.stack([along[:-1], along[1:]], axis=1)
        sides = np.sort(corners[:, [0, 1, 1, 2, 0, 2]].reshape(-1, 2), axis=1)
        return np.asarray(np.unique(sides, axis=0), dtype=np.intp)
    return np.stack(np.triu_indices(len(seeds), 1), axis=1)


def start(of: Diagram, place: tuple[float, float]) -> int:
    """Return the seed nearest to a place: where a block's walk begins."""
    return int(np.argmin(np.square(of.seeds - np.asarray(place)).sum(axis=1)))


@njit(cache=True, inline="always")
def walk(of: Diagram, at: int, y: float, x: float) -> tuple[int, float, float, int, int]:
    """Return the cell of a point, walking from the cell ``at``.

    With it come the distances to the nearest two borders and the cells beyond them.
    """
    one = two = -1
    near = next_near = FAR_UM
    for _ in range(_STEPS):
        near = next_near = FAR_UM
        one = two = -1
        for k in range(of.first[at], of.first[at + 1]):
            gap = of.along_y[k] * y + of.along_x[k] * x + of.along_1[k]
            if gap < near:
                near, next_near, one, two = gap, near, of.other[k], one
            elif gap < next_near:
                next_near, two = gap, of.other[k]
        # On a border, the cell with the lower number: wherever the walk came from.
        if near > 0.0 or one < 0 or (near == 0.0 and at < one):
            break
        at = one
    return at, near, next_near, one, two


@njit(cache=True)
def cells_of(
    of: Diagram,
    at: int,
    origin: tuple[float, float],
    spacing: float,
    shift_y: Image,
    shift_x: Image,
    reach: float,
    near: IntArray,
    gaps: Image,
) -> None:
    """Find every pixel's cell, and the two nearest borders closer than ``reach``.

    Pixel centres lie at ``origin + index * spacing`` plus the shift, in µm. Writes
    the cells (3, y, x), own and beyond the two borders, and the distances (2, y, x);
    where no border is so near, -1 and ``reach``.
    """
    height, width = shift_y.shape
    line = at
    for r in range(height):
        at, safe = line, -1.0
        last_y = last_x = 0.0
        for c in range(width):
            y = origin[0] + r * spacing + shift_y[r, c]
            x = origin[1] + c * spacing + shift_x[r, c]
            # No border comes nearer by more than the way to the next pixel.
            safe -= abs(y - last_y) + abs(x - last_x)
            last_y, last_x = y, x
            first, second = reach, reach
            one = two = -1
            if safe <= reach + 1e-6 or c == 0:
                at, first, second, one, two = walk(of, at, y, x)
                safe = first
            if c == 0:
                line = at
            near[0, r, c] = at
            near[1, r, c] = one if first < reach else -1
            near[2, r, c] = two if second < reach else -1
            gaps[0, r, c] = min(first, reach)
            gaps[1, r, c] = min(second, reach)


@njit(cache=True)
def papillae_of(
    of: Diagram,
    at: int,
    origin: tuple[float, float],
    spacing: float,
    shift_y: Image,
    shift_x: Image,
    corner: float,
    wanted: BoolArray,
    owner: IntArray,
    wall: Image,
    radial: Image,
) -> None:
    """Find the seed of every wanted pixel, its distances to the cell's border and to it.

    Corners of the cell are rounded over ``corner`` µm (a polynomial smooth minimum
    of the two nearest borders).
    """
    height, width = owner.shape
    line = at
    for r in range(height):
        at, fresh = line, True
        for c in range(width):
            if not wanted[r, c]:
                continue
            y = origin[0] + r * spacing + shift_y[r, c]
            x = origin[1] + c * spacing + shift_x[r, c]
            at, near, next_near, _, _ = walk(of, at, y, x)
            if fresh:
                line, fresh = at, False
            both = max(0.0, corner - (next_near - near))
            owner[r, c] = at
            wall[r, c] = near - 0.25 * both * both / corner
            y -= of.seeds[at, 0]
            x -= of.seeds[at, 1]
            radial[r, c] = np.sqrt(y * y + x * x)
