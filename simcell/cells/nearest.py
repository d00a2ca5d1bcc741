"""Exact Voronoi and power diagrams as label images.

Seeds are culled per tile of 16 x 16 pixels: a seed whose nearest possible power
distance to the tile exceeds another seed's farthest cannot win there. What is
left is compared by brute force. This is exact for real-valued seeds and, at the
sizes used here, faster than distance transforms, which round seeds to pixels
and get 3-5 % of the pixels wrong.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from simcell.arrays import BoolArray, FloatArray, Image, IntArray

_BLOCK = 64
_TILE = 16


def nearest_seed(
    seeds_px: FloatArray,
    weights_px2: FloatArray,
    mask: BoolArray,
    warp: tuple[Image, Image] | None = None,
) -> IntArray:
    """Give every pixel of the mask the number of its nearest seed.

    Parameters
    ----------
    seeds_px : FloatArray
        Seeds (n, 2) as (y, x) in pixels; pixel ``i`` has its centre at ``i + 0.5``.
    weights_px2 : FloatArray
        Power weights (n,); the diagram minimises ``distance² - weight``. Zeros
        give the Voronoi diagram.
    mask : BoolArray
        Pixels to number.
    warp : tuple of Image, optional
        Displacement (y, x) in pixels added to a pixel's centre before the look-up.

    Returns
    -------
    IntArray
        1 + the seed's row, 0 outside the mask.
    """
    if len(seeds_px) == 0:
        return np.zeros(mask.shape, np.int32)
    none = np.zeros((0, 0), np.float32)
    shift_y, shift_x = (none, none) if warp is None else warp
    return _nearest(
        np.ascontiguousarray(seeds_px[:, 0]),
        np.ascontiguousarray(seeds_px[:, 1]),
        weights_px2,
        mask,
        shift_y,
        shift_x,
    )


@njit(cache=True)
def _bounds(
    r0: int, r1: int, c0: int, c1: int, shift_y: Image, shift_x: Image
) -> tuple[float, float, float, float]:
    """Bounding box of the (warped) pixel centres of a tile."""
    if shift_y.size == 0:
        return r0 + 0.5, r1 - 0.5, c0 + 0.5, c1 - 0.5
    y0 = x0 = 1e30
    y1 = x1 = -1e30
    for r in range(r0, r1):
        for c in range(c0, c1):
            y = r + 0.5 + shift_y[r, c]
            x = c + 0.5 + shift_x[r, c]
            y0 = min(y0, y)
            y1 = max(y1, y)
            x0 = min(x0, x)
            x1 = max(x1, x)
    return y0, y1, x0, x1


@njit(cache=True)
def _cull(
    box: tuple[float, float, float, float],
    candidates: IntArray,
    count: int,
    sy: FloatArray,
    sx: FloatArray,
    w: FloatArray,
    kept: IntArray,
    near: FloatArray,
) -> int:
    """Copy the candidates that can win somewhere in the box to ``kept``."""
    y0, y1, x0, x1 = box
    bound = 1e300
    for k in range(count):
        i = candidates[k]
        dy = max(abs(sy[i] - y0), abs(sy[i] - y1))
        dx = max(abs(sx[i] - x0), abs(sx[i] - x1))
        bound = min(bound, dy * dy + dx * dx - w[i])
        ny = max(0.0, max(y0 - sy[i], sy[i] - y1))
        nx = max(0.0, max(x0 - sx[i], sx[i] - x1))
        near[k] = ny * ny + nx * nx - w[i]
    n = 0
    for k in range(count):
        if near[k] <= bound:
            kept[n] = candidates[k]
            n += 1
    return n


@njit(cache=True)
def _fill(
    r0: int,
    r1: int,
    c0: int,
    c1: int,
    kept: IntArray,
    n: int,
    sy: FloatArray,
    sx: FloatArray,
    w: FloatArray,
    mask: BoolArray,
    shift_y: Image,
    shift_x: Image,
    out: IntArray,
) -> None:
    warped = shift_y.size > 0
    for r in range(r0, r1):
        for c in range(c0, c1):
            if not mask[r, c]:
                continue
            y = r + 0.5
            x = c + 0.5
            if warped:
                y += shift_y[r, c]
                x += shift_x[r, c]
            best = 1e300
            winner = 0
            for k in range(n):
                i = kept[k]
                d = (sy[i] - y) * (sy[i] - y) + (sx[i] - x) * (sx[i] - x) - w[i]
                if d < best:
                    best = d
                    winner = i
            out[r, c] = winner + 1


@njit(cache=True)
def _nearest(
    sy: FloatArray,
    sx: FloatArray,
    w: FloatArray,
    mask: BoolArray,
    shift_y: Image,
    shift_x: Image,
) -> IntArray:
    height, width = mask.shape
    count = len(sy)
    out = np.zeros((height, width), np.int32)
    everyone = np.arange(count).astype(np.int32)
    in_block = np.empty(count, np.int32)
    in_tile = np.empty(count, np.int32)
    near = np.empty(count, np.float64)
    for br in range(0, height, _BLOCK):
        for bc in range(0, width, _BLOCK):
            block = _bounds(
                br, min(br + _BLOCK, height), bc, min(bc + _BLOCK, width), shift_y, shift_x
            )
            m = _cull(block, everyone, count, sy, sx, w, in_block, near)
            for r0 in range(br, min(br + _BLOCK, height), _TILE):
                for c0 in range(bc, min(bc + _BLOCK, width), _TILE):
                    r1, c1 = min(r0 + _TILE, height), min(c0 + _TILE, width)
                    tile = _bounds(r0, r1, c0, c1, shift_y, shift_x)
                    n = _cull(tile, in_block, m, sy, sx, w, in_tile, near)
                    _fill(r0, r1, c0, c1, in_tile, n, sy, sx, w, mask, shift_y, shift_x, out)
    return out
