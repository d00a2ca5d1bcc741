"""Cells that need no list: a shaken hexagonal lattice, looked up by place.

Decision: a mosaic of 24 megapixels shows a hundred thousand keratinocytes and more
basal cells. Their centres are hashed from their place on a lattice, so any block
finds its own without drawing the field, and a pixel needs to look at nine only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell import hashed
from simcell.arrays import Block, BoolArray, FloatArray, Image

_ROW = float(np.sqrt(0.75))
"""Distance of the rows of a hexagonal lattice, in distances of its points."""


class Lattice(NamedTuple):
    """Shaken lattice points of a block and around it.

    Attributes
    ----------
    pitch : float
        Distance of the points before they are shaken, in µm.
    top, left : int
        Row and column of the first point.
    y, x : FloatArray
        Positions (rows, columns) in µm.
    chance : Image
        A number between 0 and 1 for every point, to draw its look from.
    """

    pitch: float
    top: int
    left: int
    y: FloatArray
    x: FloatArray
    chance: Image


def lattice(
    keys: NDArray[np.uint64], pitch: float, shake: float, box: tuple[float, float, float, float]
) -> Lattice:
    """Return the lattice points that pixels in a box may look at.

    Parameters
    ----------
    keys : uint64 array
        Three keys: of the shifts along y and x, and of the points' chance.
    pitch : float
        Distance of the points in µm.
    shake : float
        Largest shift along each axis, share of the pitch, up to 0.5.
    box : tuple
        Lowest y, highest y, lowest x, highest x of the pixels, in µm.
    """
    top, bottom = int(np.floor(box[0] / (_ROW * pitch))) - 2, int(np.ceil(box[1] / (_ROW * pitch)))
    left, right = int(np.floor(box[2] / pitch)) - 3, int(np.ceil(box[3] / pitch))
    block = Block((top, left), (bottom - top + 3, right - left + 4))
    rows = np.arange(top, top + block.shape[0])[:, None]
    columns = np.arange(left, left + block.shape[1])[None]
    off_y, off_x, chance = (hashed.uniforms(key, block) for key in keys)
    y = ((rows + 0.5) * _ROW + shake * (2.0 * off_y - 1.0)) * pitch
    x = (columns + 0.5 + 0.5 * (rows % 2) + shake * (2.0 * off_x - 1.0)) * pitch
    return Lattice(pitch, top, left, y, x, chance)


class Seen(NamedTuple):
    """Cells of a lattice as a block's pixels see them, each (y, x).

    Attributes
    ----------
    edge : Image
        Distance to the border with the next cell, in µm.
    middle : Image
        Distance to the cell's centre.
    chance : Image
        The cell's own random number.
    """

    edge: Image
    middle: Image
    chance: Image


@njit(cache=True)
def see(
    of: Lattice,
    origin: tuple[float, float],
    spacing: float,
    bend_y: Image,
    bend_x: Image,
    wanted: BoolArray,
) -> Seen:
    """Look up the cell of every wanted pixel; 0 elsewhere."""
    height, width = bend_y.shape
    seen = np.zeros((3, height, width), np.float32)
    per_row, per_column = 1.0 / (_ROW * of.pitch), 1.0 / of.pitch
    top, left, columns = of.top, of.left, of.y.shape[1]
    all_y, all_x, chance = of.y.ravel(), of.x.ravel(), of.chance.ravel()
    for r in range(height):
        for c in range(width):
            if not wanted[r, c]:
                continue
            y = origin[0] + r * spacing + bend_y[r, c]
            x = origin[1] + c * spacing + bend_x[r, c]
            row, across = int(np.floor(y * per_row)), x * per_column
            best = second = 1e30
            one = two = 0
            for i in range(row - 1, row + 2):
                # Rows of odd number are shifted by half a pitch.
                column = int(np.floor(across - 0.5 * (i & 1))) - left - 1
                j = (i - top) * columns + column
                for k in range(j, j + 3):
                    dy, dx = all_y[k] - y, all_x[k] - x
                    away = dy * dy + dx * dx
                    if away < best:
                        best, second, one, two = away, best, k, one
                    elif away < second:
                        second, two = away, k
            dy, dx = all_y[one] - all_y[two], all_x[one] - all_x[two]
            seen[0, r, c] = 0.5 * (second - best) / np.sqrt(dy * dy + dx * dx)
            seen[1, r, c] = np.sqrt(best)
            seen[2, r, c] = chance[one]
    return Seen(seen[0], seen[1], seen[2])
