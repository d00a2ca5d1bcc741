"""Smooth random fields in space, a row at a time and only where they are looked at.

The fields are those of ``simcell.hashed.smooth``, joined along x, z and y in that order:
after x, all that is left to do runs along rows. Numbers are drawn and joined only where
the lattice is near a voxel that is looked at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell import hashed, words
from simcell.arrays import Block, Image, IntArray

Ints = NDArray[np.intp]


class Knots(NamedTuple):
    """Numbers on a lattice along z and y, of every voxel along x.

    ``values``: (nodes along z, nodes along y, x), arbitrary where nothing near is looked at.
    ``spans``: first voxel and end of what is looked at, near each plane's rows of nodes.
    ``z``, ``y``: the first node of each plane and row of the block; ``weight_z``,
    ``weight_y``: (n, 4) or (n, 1), as those of `hashed.joins`.
    """

    values: Image
    spans: IntArray
    z: Ints
    y: Ints
    weight_z: Image
    weight_y: Image


def knots(
    of: np.uint64, block: Block, scale_px: tuple[float, ...], spans: IntArray | None = None
) -> Knots:
    """Draw the lattice of a field of these correlation lengths; see `hashed.smooth`.

    Parameters
    ----------
    of : uint64
        Key of the field.
    block : Block
    scale_px : tuple of float
    spans : IntArray, optional
        First voxel and end (z, y, 2) of what is looked at in each row of the block;
        a first one behind the end means nothing. All of it by default.
    """
    first, ((z, weight_z), (y, weight_y), (x, weight_x)) = hashed.joins(block, scale_px)
    if spans is None:
        spans = np.empty((*block.shape[:2], 2), np.int32)
        spans[:] = 0, block.shape[2]
    many = int(z[-1]) + weight_z.shape[1], int(y[-1]) + weight_y.shape[1]
    of_planes = np.empty((len(z), many[1], 2), np.int32)
    of_nodes = np.empty((many[1], many[0], 2), np.int32)
    _widen(spans, y, weight_y.shape[1], of_planes)
    _widen(of_planes.swapaxes(0, 1), z, weight_z.shape[1], of_nodes)
    values = np.empty((*many, block.shape[2]), np.float32)
    _draw(of, (first[0], first[1], first[2]), of_nodes, x, weight_x, values)
    return Knots(values, of_planes, z, y, weight_z, weight_y)


@njit(cache=True)
def plane_at(of: Knots, z: int, plane: Image) -> None:
    """Join the planes of the lattice about plane z of the block, where it is looked at."""
    nz, ny, nx = of.values.shape
    rows, out = of.values.reshape(nz, ny * nx), plane.ravel()
    for b in range(ny):
        begin, end = b * nx + of.spans[z, b, 0], b * nx + of.spans[z, b, 1]
        if begin < end:
            _join(rows, begin, of.z[z], of.weight_z[z], out[begin:end])


@njit(cache=True)
def row_at(of: Knots, plane: Image, y: int, begin: int, line: Image) -> None:
    """Join the rows of a plane from `plane_at`: row y of the block, voxels from ``begin`` on."""
    _join(plane, begin, of.y[y], of.weight_y[y], line)


@njit(cache=True)
def _join(rows: Image, begin: int, first: int, weight: Image, out: Image) -> None:
    end = begin + len(out)
    if len(weight) == 1:
        out[:] = rows[first, begin:end]
        return
    a, b = rows[first, begin:end], rows[first + 1, begin:end]
    c, d = rows[first + 2, begin:end], rows[first + 3, begin:end]
    p, q, r, s = weight[0], weight[1], weight[2], weight[3]
    for x in range(len(out)):
        out[x] = (p * a[x] + q * b[x]) + (r * c[x] + s * d[x])


@njit(cache=True)
def _widen(spans: IntArray, first: Ints, taps: int, out: IntArray) -> None:
    """Tell for every node what is looked at (rows, nodes, 2) where it has a share."""
    out[:, :, 0], out[:, :, 1] = np.int32(2**31 - 1), 0
    for r in range(len(spans)):
        for i in range(len(first)):
            for node in range(first[i], first[i] + taps):
                out[r, node, 0] = min(out[r, node, 0], spans[r, i, 0])
                out[r, node, 1] = max(out[r, node, 1], spans[r, i, 1])


@njit(cache=True)
def _draw(
    of: np.uint64,
    first: tuple[int, int, int],
    spans: IntArray,
    node: Ints,
    weight: Image,
    values: Image,
) -> None:
    """Draw the nodes' numbers that voxels of the spans depend on, and join them along x."""
    taps = weight.shape[1]
    drawn = np.empty(node[-1] + taps, np.float32)
    for a in range(values.shape[0]):
        for b in range(values.shape[1]):
            begin, end = spans[b, a]
            if begin >= end:
                continue
            row = words.row_key(of, a + first[0], b + first[1])
            for k in range(node[begin], node[end - 1] + taps):
                drawn[k] = words.normal_of(words.word_at(row, k + first[2]))
            line = values[a, b]
            if taps == 1:
                line[begin:end] = drawn[node[begin] : node[end - 1] + 1]
                continue
            for x in range(begin, end):
                k, w = node[x], weight[x]
                near = (w[0] * drawn[k] + w[1] * drawn[k + 1]) + w[2] * drawn[k + 2]
                line[x] = near + w[3] * drawn[k + 3]
