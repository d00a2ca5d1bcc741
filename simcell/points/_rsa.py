"""Kernels of random sequential addition: darts, and voxels that prove saturation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import FloatArray
from simcell.points._kernel import (
    Cells,
    Domain,
    insert,
    inside,
    kernel,
    neighbours,
    part,
    shortest,
    uniform,
    uniform_in,
)

DEEPEST = 40
"""Splittings after which a voxel is a rounding error of the window."""

DARTS = 2
"""Darts per voxel before the voxels are split."""


@part
def _free(
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    radii: FloatArray,
    row: int,
    radius: float,
    reach: float,
    found: NDArray[np.int64],
    apart2: FloatArray,
) -> bool:
    """Tell whether a ball fits at the position in a row."""
    near = neighbours(domain, cells, points, row, -1, reach, found, apart2)
    for k in range(near):
        room = radius + radii[found[k]]
        if apart2[k] < room * room:
            return False
    return True


@kernel
def throw(
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    radii: FloatArray,
    state: NDArray[np.uint64],
) -> int:
    """Throw darts until all balls lie or one of them misses 200 times in a row.

    Writes ``points``, which has a row more than there are balls; returns how
    many lie.
    """
    reach = 2.0 * radii.max() if radii.size else 0.0
    found, apart2 = np.empty(radii.size, np.int64), np.empty(radii.size)
    n = 0
    misses = 0
    while n < radii.size and misses < 200:
        uniform_in(domain, state, points, n)
        if _free(domain, cells, points, radii, n, radii[n], reach, found, apart2):
            insert(cells, points, n)
            n += 1
            misses = 0
        else:
            misses += 1
    return n


@part
def _pixels_along(domain: Domain, axis: int, low: float, side: float) -> tuple[int, int]:
    """Return the first and last pixel that a voxel touches along an axis."""
    last = domain.mask.shape[axis] - 1
    per_um = 1.0 / domain.pixel[axis]
    return min(int(low * per_um), last), min(int((low + side) * per_um), last)


@part
def _touches_mask(domain: Domain, voxels: FloatArray, row: int, side: FloatArray) -> bool:
    """Tell whether any part of a voxel lies in the window."""
    first_z, last_z = _pixels_along(domain, 0, voxels[row, 0], side[0])
    first_y, last_y = _pixels_along(domain, 1, voxels[row, 1], side[1])
    first_x, last_x = _pixels_along(domain, 2, voxels[row, 2], side[2])
    for z in range(first_z, last_z + 1):
        for y in range(first_y, last_y + 1):
            for x in range(first_x, last_x + 1):
                if domain.mask[z, y, x]:
                    return True
    return False


@part
def _open(
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    radii: FloatArray,
    voxels: FloatArray,
    row: int,
    side: FloatArray,
    radius: float,
    reach: float,
    found: NDArray[np.int64],
    apart2: FloatArray,
) -> bool:
    """Tell whether a voxel reaches into the window and no point alone blocks it."""
    if domain.pixels.size and not _touches_mask(domain, voxels, row, side):
        return False
    spare = radii.size
    for k in range(3):
        # The last voxels may end a rounding error past the box.
        points[spare, k] = min(voxels[row, k] + 0.5 * side[k], domain.size[k] * (1.0 - 1e-15))
    near = neighbours(domain, cells, points, spare, -1, reach, found, apart2)
    for j in range(near):
        other = found[j]
        far2 = 0.0
        for k in range(3):
            gap = points[other, k] - points[spare, k]
            gap = abs(shortest(gap, domain.size[k], domain.periodic)) + 0.5 * side[k]
            far2 += gap * gap
        room = radius + radii[other]
        if far2 < room * room:
            return False
    return True


@part
def _cover(
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    radii: FloatArray,
    side: FloatArray,
    radius: float,
    reach: float,
    found: NDArray[np.int64],
    apart2: FloatArray,
) -> tuple[FloatArray, int]:
    """Cover the box with voxels no wider than what a point can block; keep the open ones.

    Writes ``side``; returns the voxels' low corners and how many are open.
    """
    across = np.ones(3, np.int64)
    first = 1 if domain.flat else 0
    for k in range(first, 3):
        across[k] = int(np.ceil(domain.size[k] * np.sqrt(3.0 - first) / (2.0 * radius)))
        side[k] = domain.size[k] / across[k]
    count = across[0] * across[1] * across[2]
    voxels = np.empty((count + 1, 3))
    kept = 0
    for flat in range(count):
        voxels[kept, 0] = flat // (across[1] * across[2]) * side[0]
        voxels[kept, 1] = flat // across[2] % across[1] * side[1]
        voxels[kept, 2] = flat % across[2] * side[2]
        if _open(domain, cells, points, radii, voxels, kept, side, radius, reach, found, apart2):
            kept += 1
    return voxels, kept


@part
def _split(
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    radii: FloatArray,
    voxels: FloatArray,
    count: int,
    side: FloatArray,
    radius: float,
    reach: float,
    found: NDArray[np.int64],
    apart2: FloatArray,
) -> tuple[FloatArray, int]:
    """Halve the voxels along each axis and keep the open ones; halves ``side``."""
    axes = 2 if domain.flat else 3
    for k in range(3):
        side[k] *= 0.5
    children = np.empty(((count << axes) + 1, 3))
    kept = 0
    for child in range(count << axes):
        children[kept, 0] = voxels[child >> axes, 0]
        for k in range(3 - axes, 3):
            children[kept, k] = voxels[child >> axes, k] + ((child >> (2 - k)) & 1) * side[k]
        if _open(domain, cells, points, radii, children, kept, side, radius, reach, found, apart2):
            kept += 1
    return children, kept


@kernel
def fill_gaps(
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    radii: FloatArray,
    n: int,
    stop: int,
    radius: float,
    widest: float,
    state: NDArray[np.uint64],
) -> int:
    """Add balls of one radius until nothing fits or ``stop`` balls lie.

    Returns how many balls lie.
    """
    reach = 2.0 * widest
    found, apart2 = np.empty(radii.size, np.int64), np.empty(radii.size)
    side = np.zeros(3)
    voxels, count = _cover(domain, cells, points, radii, side, radius, reach, found, apart2)
    for _ in range(DEEPEST):
        for _dart in range(DARTS * count):
            chosen = int(uniform(state) * count)
            for k in range(3):
                points[n, k] = voxels[chosen, k] + uniform(state) * side[k]
            if inside(domain, points, n) and _free(
                domain, cells, points, radii, n, radius, reach, found, apart2
            ):
                radii[n] = radius
                insert(cells, points, n)
                n += 1
                if n == stop:
                    return n
        if count == 0:
            break
        voxels, count = _split(
            domain, cells, points, radii, voxels, count, side, radius, reach, found, apart2
        )
    return n
