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
from simcell.arrays import Block, FloatArray, Image

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


@njit(cache=True, inline="always")
def cell_at(of: Lattice, y: float, x: float) -> tuple[float, float, float]:
    """Look up the cell of a point.

    Returns
    -------
    edge : float
        Distance to the border with the next cell, in µm.
    middle : float
        Distance to the cell's centre.
    chance : float
        The cell's own random number.
    """
    row = int(np.floor(y / (_ROW * of.pitch)))
    best = second = 1e30
    best_y = best_x = second_y = second_x = 0.0
    chance = 0.5
    for r in range(row - 1, row + 2):
        i = r - of.top
        column = int(np.floor(x / of.pitch - 0.5 * (r % 2)))
        for j in range(column - 1 - of.left, column + 2 - of.left):
            sy, sx = of.y[i, j], of.x[i, j]
            away = (sy - y) * (sy - y) + (sx - x) * (sx - x)
            if away < best:
                second, second_y, second_x = best, best_y, best_x
                best, best_y, best_x = away, sy, sx
                chance = of.chance[i, j]
            elif away < second:
                second, second_y, second_x = away, sy, sx
    apart = np.sqrt(
        (best_y - second_y) * (best_y - second_y) + (best_x - second_x) * (best_x - second_x)
    )
    return 0.5 * (second - best) / apart, np.sqrt(best), chance
