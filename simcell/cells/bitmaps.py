"""Objects as small bitmaps: rasterising, refusing overlaps, stamping."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import BoolArray, FloatArray, IntArray

Bits = NDArray[np.uint8]


class Placed(NamedTuple):
    """Objects as bitmaps; object ``i`` covers ``side[i]`` squared pixels from ``corner[i]``."""

    bits: Bits
    start: NDArray[np.int64]
    side: NDArray[np.int64]
    corner: NDArray[np.int64]
    area: IntArray


@njit(cache=True)
def _fill(outline: FloatArray, cy: float, cx: float, r0: int, c0: int, out: Bits) -> int:
    """Set the pixels of ``out`` whose centres lie in the closed outline; return their number."""
    side = len(out)
    out[:] = 0
    total = 0
    crossings = np.empty(len(outline))
    for r in range(side):
        y = r0 + r + 0.5 - cy
        n = 0
        for k in range(len(outline)):
            ya, yb = outline[k - 1, 0], outline[k, 0]
            if (ya <= y) != (yb <= y):
                share = (y - ya) / (yb - ya)
                crossings[n] = outline[k - 1, 1] + share * (outline[k, 1] - outline[k - 1, 1])
                n += 1
        found = np.sort(crossings[:n])
        for k in range(0, n - 1, 2):
            low = max(0, int(np.ceil(found[k] + cx - c0 - 0.5)))
            high = min(side, int(np.ceil(found[k + 1] + cx - c0 - 0.5)))
            for c in range(low, high):
                out[r, c] = 1
                total += 1
    return total


@njit(cache=True)
def _shared(a: Bits, ra: int, ca: int, b: Bits, rb: int, cb: int) -> int:
    """Count the pixels that two bitmaps share."""
    total = 0
    for r in range(max(ra, rb), min(ra + len(a), rb + len(b))):
        for c in range(max(ca, cb), min(ca + len(a), cb + len(b))):
            total += a[r - ra, c - ca] & b[r - rb, c - cb]
    return total


@njit(cache=True)
def _nearest_image(gap: int, period: int) -> int:
    return gap if period == 0 else gap - period * int(np.floor(gap / period + 0.5))


@njit(cache=True)
def free(i: int, placed: Placed, kept: BoolArray, period: tuple[int, int], limit: float) -> bool:
    """Tell whether object ``i`` shares little enough with every kept one before it."""
    n = placed.side[i]
    own = placed.bits[placed.start[i] : placed.start[i] + n * n].reshape((n, n))
    for j in range(i):
        if not kept[j]:
            continue
        m = placed.side[j]
        dr = _nearest_image(placed.corner[j, 0] - placed.corner[i, 0], period[0])
        dc = _nearest_image(placed.corner[j, 1] - placed.corner[i, 1], period[1])
        if dr >= n or dr <= -m or dc >= n or dc <= -m:
            continue
        other = placed.bits[placed.start[j] : placed.start[j] + m * m].reshape((m, m))
        smaller = max(1, min(placed.area[i], placed.area[j]))
        if _shared(own, 0, 0, other, dr, dc) > limit * smaller:
            return False
    return True


@njit(cache=True)
def target(
    centre: FloatArray, step: FloatArray, t: int, inside: BoolArray, period: tuple[int, int]
) -> tuple[bool, float, float]:
    """Where a step leads to, and whether the centre may lie there; step 0 always may."""
    y, x = centre[0] + step[0], centre[1] + step[1]
    if period[0] > 0:
        return True, y % period[0], x % period[1]
    fits = 0 <= y < inside.shape[0] and 0 <= x < inside.shape[1] and inside[int(y), int(x)]
    return t == 0 or fits, y, x


@njit(cache=True)
def place(
    centres: FloatArray,
    outlines: FloatArray,
    steps: FloatArray,
    inside: BoolArray,
    period: tuple[int, int],
    limit: float,
) -> tuple[Placed, BoolArray]:
    """Rasterise objects one after another where they overlap little enough.

    Parameters
    ----------
    centres : FloatArray
        Wanted centres (n, 2) in pixels; moved in place.
    outlines : FloatArray
        Vertices (n, v, 2) about the centre in pixels.
    steps : FloatArray
        Offsets (n, tries, 2) in pixels of the places to try.
    inside : BoolArray
        Pixels on which a moved centre may lie; ignored on a torus.
    period : tuple of int
        Sides of the torus in pixels, 0 = none.
    limit : float
        Shared area over the smaller area beyond which a place is refused.

    Returns
    -------
    placed : Placed
    kept : BoolArray
        False for objects that found no place.
    """
    n = len(centres)
    side = np.empty(n, np.int64)
    for i in range(n):
        side[i] = 2 * int(np.ceil(np.abs(outlines[i]).max())) + 3
    start = np.zeros(n, np.int64)
    for i in range(1, n):
        start[i] = start[i - 1] + side[i - 1] ** 2
    size = 0 if n == 0 else start[n - 1] + side[n - 1] ** 2
    corner, area = np.zeros((n, 2), np.int64), np.zeros(n, np.int32)
    placed = Placed(np.zeros(size, np.uint8), start, side, corner, area)
    kept = np.zeros(n, np.bool_)
    for i in range(n):
        bitmap = placed.bits[start[i] : start[i] + side[i] ** 2].reshape((side[i], side[i]))
        for t in range(steps.shape[1]):
            fits, y, x = target(centres[i], steps[i, t], t, inside, period)
            if not fits:
                continue
            corner[i, 0], corner[i, 1] = int(y) - side[i] // 2, int(x) - side[i] // 2
            area[i] = _fill(outlines[i], y, x, corner[i, 0], corner[i, 1], bitmap)
            if limit >= 1 or free(i, placed, kept, period, limit):
                kept[i] = True
                centres[i, 0], centres[i, 1] = y, x
                break
    return placed, kept


@njit(cache=True)
def stamp(
    height: int, width: int, margin: int, placed: Placed, shape: IntArray, shift: IntArray
) -> tuple[IntArray, IntArray]:
    """Draw bitmaps in order on a padded label image.

    Returns
    -------
    image : IntArray
        1 + the number of the topmost object, 0 = none.
    in_field : IntArray
        Pixels of each whole object inside the field.
    """
    image = np.zeros((height, width), np.int32)
    in_field = np.zeros(len(shape), np.int32)
    for i in range(len(shape)):
        k = shape[i]
        n, at = placed.side[k], placed.start[k]
        r0, c0 = placed.corner[k] + shift[i]
        for r in range(max(0, r0), min(height, r0 + n)):
            for c in range(max(0, c0), min(width, c0 + n)):
                if placed.bits[at + (r - r0) * n + c - c0]:
                    image[r, c] = i + 1
                    in_field[i] += margin <= r < height - margin and margin <= c < width - margin
    return image, in_field


@njit(cache=True)
def stamp_inside(
    owner: IntArray, margin: int, placed: Placed, shape: IntArray, shift: IntArray
) -> tuple[BoolArray, IntArray]:
    """Draw bitmaps only where their own object is on top; see ``stamp``."""
    height, width = owner.shape
    image = np.zeros((height, width), np.bool_)
    in_field = np.zeros(len(shape), np.int32)
    for i in range(len(shape)):
        k = shape[i]
        n, at = placed.side[k], placed.start[k]
        r0, c0 = placed.corner[k] + shift[i]
        for r in range(max(0, r0), min(height, r0 + n)):
            for c in range(max(0, c0), min(width, c0 + n)):
                if placed.bits[at + (r - r0) * n + c - c0]:
                    in_field[i] += margin <= r < height - margin and margin <= c < width - margin
                    if owner[r, c] == i + 1:
                        image[r, c] = True
    return image, in_field


@njit(cache=True)
def discs(owner: IntArray, own: BoolArray, at: NDArray[np.int64], radius: FloatArray) -> BoolArray:
    """Mark discs about the pixels ``at`` (n, 2), each within its pixel's own cell."""
    height, width = owner.shape
    image = np.zeros((height, width), np.bool_)
    for i in range(len(at)):
        y, x = at[i]
        reach = int(radius[i])
        for r in range(max(0, y - reach), min(height, y + reach + 1)):
            for c in range(max(0, x - reach), min(width, x + reach + 1)):
                near = (r - y) ** 2 + (c - x) ** 2 <= radius[i] ** 2
                if near and own[r, c] and owner[r, c] == owner[y, x]:
                    image[r, c] = True
    return image
