"""Multi-scale texture of objects, as SIMCEP makes it.

Octave k is a grid of 2^k by 2^k uniform random values, averaged over 3 x 3,
stretched over the object's bounding box by bicubic interpolation. Octaves are
added, each weaker by the persistence, and the sum is scaled to [bias, 1] within
each box.

Decision: an octave finer than the pixels is white noise with the standard
deviation that the average leaves, a third of that of the values; all such octaves
are drawn as one. SIMCEP draws grids of up to 512 x 512 for an object of 60 pixels.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from simcell.arrays import BoolArray, Image, IntArray
from simcell.scene.imaging import FluoTexture


def textures(
    owner: IntArray, part: BoolArray, level: Image, spec: FluoTexture, rng: Generator
) -> Image:
    """Draw the part of every cell with a texture of its own.

    Parameters
    ----------
    owner : IntArray
        Cell (y, x) of every pixel, 0 = none.
    part : BoolArray
        Pixels that show the part.
    level : Image
        Brightness (n + 1,) of each cell's part at its brightest.
    spec : FluoTexture
    rng : numpy.random.Generator

    Returns
    -------
    Image
        Brightness (y, x), 0 outside the part.
    """
    boxes = _boxes(owner, part, len(level))
    needs = _needs(boxes, spec.first, spec.octaves)
    values = rng.random(int(needs.sum()), dtype=np.float32)
    out = np.zeros(owner.shape, np.float32)
    law = (spec.first, spec.octaves, spec.persistence, spec.bias)
    _draw(out, owner, part, level, boxes, needs, values, law)
    return out


@njit(cache=True)
def _boxes(owner: IntArray, part: BoolArray, count: int) -> IntArray:
    """Bounding box (r0, r1, c0, c1) of each cell's part; empty where r1 = 0."""
    boxes = np.zeros((count, 4), np.int32)
    for r in range(owner.shape[0]):
        for c in range(owner.shape[1]):
            i = owner[r, c]
            if i == 0 or not part[r, c]:
                continue
            if boxes[i, 1] == 0:
                boxes[i, 0], boxes[i, 2] = r, c
            boxes[i, 1] = r + 1
            boxes[i, 2] = min(boxes[i, 2], c)
            boxes[i, 3] = max(boxes[i, 3], c + 1)
    return boxes


@njit(cache=True)
def _needs(boxes: IntArray, first: int, octaves: int) -> NDArray[np.int64]:
    """Random values that each box needs: a grid per coarse octave, and one noise of pixels."""
    needs = np.zeros(len(boxes), np.int64)
    for i in range(len(boxes)):
        height, width = boxes[i, 1] - boxes[i, 0], boxes[i, 3] - boxes[i, 2]
        if height == 0:
            continue
        for k in range(first, first + octaves):
            if 2**k > max(height, width):
                needs[i] += height * width
                break
            needs[i] += 4**k
    return needs


@njit(cache=True)
def _averaged(grid: Image) -> Image:
    """Mean over 3 x 3 values; the rim repeats."""
    n = len(grid)
    out = np.empty_like(grid)
    for r in range(n):
        up, down = max(r - 1, 0), min(r + 1, n - 1)
        for c in range(n):
            left, right = max(c - 1, 0), min(c + 1, n - 1)
            total = grid[up, left] + grid[up, c] + grid[up, right]
            total += grid[r, left] + grid[r, c] + grid[r, right]
            total += grid[down, left] + grid[down, c] + grid[down, right]
            out[r, c] = total / np.float32(9)
    return out


@njit(cache=True)
def _cubic(nodes: int, pixels: int) -> tuple[IntArray, Image]:
    """Four nodes (pixels, 4) and Keys weights for stretching a row of nodes over pixels."""
    at = np.empty((pixels, 4), np.int32)
    weight = np.empty((pixels, 4), np.float32)
    for p in range(pixels):
        x = (p + 0.5) * nodes / pixels - 0.5
        base = int(np.floor(x))
        t = x - base
        weight[p, 0] = ((-0.5 * t + 1.0) * t - 0.5) * t
        weight[p, 1] = (1.5 * t - 2.5) * t * t + 1.0
        weight[p, 2] = ((-1.5 * t + 2.0) * t + 0.5) * t
        weight[p, 3] = (0.5 * t - 0.5) * t * t
        for k in range(4):
            at[p, k] = min(max(base - 1 + k, 0), nodes - 1)
    return at, weight


@njit(cache=True)
def _stretch(grid: Image, amplitude: float, out: Image) -> None:
    """Add the grid, stretched over ``out`` by bicubic interpolation."""
    n, (height, width) = len(grid), out.shape
    at, weight = _cubic(n, width)
    rows = np.empty((n, width), np.float32)
    for r in range(n):
        for c in range(width):
            total = np.float32(0)
            for k in range(4):
                total += weight[c, k] * grid[r, at[c, k]]
            rows[r, c] = total * np.float32(amplitude)
    at, weight = _cubic(n, height)
    for r in range(height):
        for k in range(4):
            row, share = rows[at[r, k]], weight[r, k]
            for c in range(width):
                out[r, c] += share * row[c]


@njit(cache=True)
def _octaves(out: Image, values: Image, first: int, octaves: int, persistence: float) -> None:
    """Fill ``out`` with the sum of octaves drawn from the uniform ``values``."""
    height, width = out.shape
    used = 0
    amplitude = 1.0
    for k in range(first, first + octaves):
        n = 2**k
        if n > max(height, width):
            power = 0.0
            for _ in range(k, first + octaves):
                power += amplitude**2
                amplitude *= persistence
            noise = values[used : used + height * width].reshape((height, width))
            for r in range(height):
                for c in range(width):
                    out[r, c] += np.float32(np.sqrt(power) / 3.0) * noise[r, c]
            return
        grid = values[used : used + n * n].reshape((n, n))
        _stretch(_averaged(grid), amplitude, out)
        used += n * n
        amplitude *= persistence


@njit(cache=True)
def _draw(
    out: Image,
    owner: IntArray,
    part: BoolArray,
    level: Image,
    boxes: IntArray,
    needs: NDArray[np.int64],
    values: Image,
    law: tuple[int, int, float, float],
) -> None:
    first, octaves, persistence, bias = law
    used = 0
    for i in range(len(boxes)):
        r0, r1, c0, c1 = boxes[i]
        if r1 == 0:
            continue
        field = np.zeros((r1 - r0, c1 - c0), np.float32)
        _octaves(field, values[used : used + needs[i]], first, octaves, persistence)
        used += needs[i]
        low, high = field.min(), field.max()
        slope = np.float32(1.0 - bias) / max(high - low, np.float32(1e-9))
        for r in range(r0, r1):
            for c in range(c0, c1):
                if owner[r, c] == i and part[r, c]:
                    out[r, c] = level[i] * (
                        np.float32(bias) + slope * (field[r - r0, c - c0] - low)
                    )
