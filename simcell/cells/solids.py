"""Ellipsoids in a volume, elastically deformed.

A voxel belongs to an ellipsoid where the implicit function |w|² is at most 1. The
vector w is the voxel's place in the ellipsoid's own frame, in semi-axes, after
the elastic displacement. It is computed on a coarse lattice over the object's box
and is linear between lattice nodes, so that along a row of voxels |w|² is a
parabola from node to node, and where it is at most 1 can be solved for.
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
    ``steps`` voxels apart, the first at voxel ``origin[i]``.
    """

    start: Ints
    size: Ints
    origin: Ints
    nodes_along: Ints
    steps: Ints
    node_at: Ints
    nodes: FloatArray


def build(
    centre: FloatArray,
    turn: FloatArray,
    semi: FloatArray,
    grid: Grid,
    warp: Warp,
    over: int,
) -> Solids:
    """Deform ellipsoids.

    Parameters
    ----------
    centre, turn, semi : FloatArray
        Centres (n, 3) in µm, rotations (n, 3, 3), semi-axes (n, 3) in µm.
    grid : Grid
    warp : Warp
    over : int
        Pairs (2 i and 2 i + 1) that do not reach into the field, nor into so many voxels
        beyond it, stay empty, of size 0.
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
    near = np.all((start < np.add(grid.shape, over)) & (start + size > -over), axis=1)
    size[~near.reshape(-1, 2).any(axis=1).repeat(2)] = 0
    return Solids(start, size, origin, count, steps, node_at, nodes)


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
def slab_at(solids: Solids, i: int, y: int, out: FloatArray) -> None:
    """Fill ``out`` (z, x, 3) with w at the lattice's nodes, in the plane y of the volume."""
    step, y = solids.steps[1], y - solids.origin[i, 1]
    nz, ny, nx = solids.nodes_along[i, 0], solids.nodes_along[i, 1], solids.nodes_along[i, 2]
    nodes, b = solids.nodes, min(y // step, ny - 2)
    t = (y - b * step) / step
    for a in range(nz):
        at = solids.node_at[i] + (a * ny + b) * nx
        for c in range(nx):
            for k in range(3):
                out[a, c, k] = (1.0 - t) * nodes[at + c, k] + t * nodes[at + nx + c, k]


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
def span_of(slab: FloatArray, a: int, cells: int) -> tuple[int, int]:
    """Return the cells [first, end) of row ``a`` of a slab's cells that may hold the solid.

    A cell holds nothing of it where a component of w is above 1, or below -1, at all
    of its corners.
    """
    first, end = cells, 0
    for c in range(cells):
        out = False
        for k in range(3):
            p, q = slab[a, c, k], slab[a, c + 1, k]
            r, s = slab[a + 1, c, k], slab[a + 1, c + 1, k]
            out = out or min(p, q, r, s) > 1.0 or max(p, q, r, s) < -1.0
        if not out:
            first, end = min(first, c), c + 1
    return first, end
