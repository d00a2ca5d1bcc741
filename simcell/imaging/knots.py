"""Smooth random fields in space, a row at a time and only where they are looked at.

The fields are those of ``simcell.hashed.smooth``, joined along x, z and y in that order:
after x, all that is left to do runs along rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell import hashed
from simcell.arrays import Block, Image

Ints = NDArray[np.intp]


class Knots(NamedTuple):
    """Numbers on a lattice along z and y, of every voxel along x.

    ``z``, ``y``: the first node of each plane and row of the block; ``weight_z``,
    ``weight_y``: (n, 4) or (n, 1), as those of `hashed.lattice`.
    """

    values: Image
    z: Ints
    y: Ints
    weight_z: Image
    weight_y: Image


def knots(of: np.uint64, block: Block, scale_px: tuple[float, ...]) -> Knots:
    """Draw the lattice of a field of these correlation lengths; see `hashed.smooth`."""
    values, joints = hashed.lattice(of, block, scale_px)
    (z, weight_z), (y, weight_y), (x, weight_x) = joints
    return Knots(hashed.along(values, 2, x, weight_x), z, y, weight_z, weight_y)


@njit(cache=True)
def plane_at(of: Knots, z: int, plane: Image) -> None:
    """Join the planes of the lattice about plane z of the block."""
    nz, ny, nx = of.values.shape
    _join(of.values.reshape(nz, ny * nx), 0, of.z[z], of.weight_z[z], plane.ravel())


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
