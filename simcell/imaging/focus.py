"""Gaussian blur of a block, nearly in place: planes first, rows while they are looked at.

Decision: two voxels as far from the middle on either side have one weight, so that they
are added first. Sums have the same order at every voxel, so that blocks do not show.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from simcell.arrays import Image

_STRETCH = 4096
"""Voxels of all planes that are blurred along z together, so that they stay in fast memory."""


@njit(cache=True)
def blur_planes(light: Image, weight: Image) -> None:
    """Blur (z, y, x) along z, in place; plane z then holds what was about plane z + halo.

    Parameters
    ----------
    light : Image
        The last ``2 * halo`` planes are left as they were.
    weight : Image
        From the middle to the halo, both included; see ``simcell.hashed.gaussian``.
    """
    halo, plane = len(weight) - 1, light.shape[1] * light.shape[2]
    if halo == 0:
        return
    voxels, room = light.ravel(), np.empty(_STRETCH, np.float32)
    for start in range(0, plane, _STRETCH):
        end = min(plane, start + _STRETCH)
        line = room[: end - start]
        for z in range(light.shape[0] - 2 * halo):
            _fold(voxels, (z + halo) * plane + start, plane, weight, line)
            voxels[z * plane + start : z * plane + end] = line


@njit(cache=True)
def row_of(
    plane: Image, y: int, weight_y: Image, weight_x: Image, between: Image, out: Image
) -> None:
    """Blur row y of a plane along y and x; rows and voxels are counted from the halo.

    Parameters
    ----------
    plane : Image
        (y, x) with its halo.
    y : int
    weight_y, weight_x : Image
    between : Image
        Room for a row with its halo.
    out : Image
    """
    wide = plane.shape[1]
    _fold(plane.ravel(), (y + len(weight_y) - 1) * wide, wide, weight_y, between)
    _fold(between, len(weight_x) - 1, 1, weight_x, out)


@njit(cache=True)
def _fold(source: Image, at: int, skip: int, weight: Image, out: Image) -> None:
    """Add up weighed stretches of ``source``: that from ``at`` on, and those around it.

    Up to four pairs at a time: more do not make use of the processor's registers.
    """
    n, pairs, k = len(out), len(weight) - 1, 1
    middle, p = source[at : at + n], weight[0]
    for x in range(n):
        out[x] = p * middle[x]
    while k <= pairs:
        i, j = at - k * skip, at + k * skip
        # Weights are read before the loops, which else could not tell them from sums.
        a, b, p = source[i : i + n], source[j : j + n], weight[k]
        if k == pairs:
            for x in range(n):
                out[x] += p * (a[x] + b[x])
            k += 1
            continue
        i, j = i - skip, j + skip
        c, d = source[i : i + n], source[j : j + n]
        if k + 3 > pairs:
            q = weight[k + 1]
            for x in range(n):
                out[x] = (out[x] + p * (a[x] + b[x])) + q * (c[x] + d[x])
            k += 2
            continue
        e, f = source[i - skip : i - skip + n], source[j + skip : j + skip + n]
        i, j = i - 2 * skip, j + 2 * skip
        g, h = source[i : i + n], source[j : j + n]
        q, r, s = weight[k + 1], weight[k + 2], weight[k + 3]
        for x in range(n):
            near = (out[x] + p * (a[x] + b[x])) + q * (c[x] + d[x])
            out[x] = (near + r * (e[x] + f[x])) + s * (g[x] + h[x])
        k += 4
