"""From what lies at each pixel of a mosaic to the light that it reflects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import BoolArray, FloatArray, Image, IntArray
from simcell.imaging.lattice import Seen
from simcell.imaging.patterns import Cell, Light, Papilla, Place, look


class Regions(NamedTuple):
    """Looks of the field's regions: class, brightness, and what kind of its class."""

    kind: NDArray[np.uint8]
    level: FloatArray
    variant: FloatArray  # 0 to 1; which of the artifacts, as a number, for those


class Papillae(NamedTuple):
    """Looks of the field's papillae and nests."""

    chance: FloatArray
    focus: FloatArray
    room: FloatArray
    nest: FloatArray  # radius, 0 without a nest


class Fields(NamedTuple):
    """Smooth random fields of a block, each of unit variance: (y, x), stripes (y,)."""

    grain: Image
    fibre: Image
    cloud: Image
    broad: Image
    stripe: Image


class Ground(NamedTuple):
    """What the layout painted, as plain arrays; see ``arrays.PaintedMosaic``."""

    region: IntArray
    gaps: Image
    papilla: IntArray
    wall: Image
    radial: Image


@njit(cache=True)
def weights(region: IntArray, gaps: Image, border: float) -> Image:
    """Share of the two regions beyond the nearest borders in every pixel, (2, y, x).

    A region and its neighbour have equal shares on their border and fade into each
    other over ``border`` µm.
    """
    _, height, width = region.shape
    out = np.zeros((2, height, width), np.float32)
    if border <= 0.0:
        return out
    for r in range(height):
        for c in range(width):
            if region[1, r, c] < 0:
                continue
            total = 1.0
            for k in range(2):
                t = max(0.0, 1.0 - 2.0 * gaps[k, r, c] / border)
                share = t * t * (3.0 - 2.0 * t) if region[k + 1, r, c] >= 0 else 0.0
                out[k, r, c] = share
                total += share
            out[0, r, c] /= total
            out[1, r, c] /= total
    return out


@njit(cache=True)
def wanted(region: IntArray, share: Image, chosen: BoolArray) -> BoolArray:
    """Tell for every pixel whether a chosen region has a share in it."""
    _, height, width = region.shape
    out = np.empty((height, width), np.bool_)
    for r in range(height):
        for c in range(width):
            found = chosen[region[0, r, c]]
            for k in range(2):
                found |= share[k, r, c] > 0.0 and chosen[region[k + 1, r, c]]
            out[r, c] = found
    return out


@njit(cache=True)
def reflect(
    ground: Ground,
    share: Image,
    fields: Fields,
    light: Light,
    large: Seen,
    small: Seen,
    plate: Seen,
    regions: Regions,
    papillae: Papillae,
    uneven: float,
) -> Image:
    """Put the reflectance of a block together, regions fading into each other."""
    _, height, width = ground.region.shape
    out = np.empty((height, width), np.float32)
    for r in range(height):
        for c in range(width):
            place = Place(
                fields.grain[r, c],
                fields.fibre[r, c],
                fields.cloud[r, c],
                fields.broad[r, c],
                fields.stripe[r],
            )
            p = ground.papilla[r, c]
            papilla = Papilla(
                ground.wall[r, c],
                ground.radial[r, c],
                papillae.chance[p],
                papillae.focus[p],
                papillae.room[p],
                papillae.nest[p],
            )
            keratinocyte = Cell(large.edge[r, c], large.middle[r, c], large.chance[r, c])
            basal = Cell(small.edge[r, c], small.middle[r, c], small.chance[r, c])
            skin = Cell(plate.edge[r, c], plate.middle[r, c], plate.chance[r, c])
            total = 0.0
            for k in range(3):
                weight = share[k - 1, r, c] if k else 1.0 - share[0, r, c] - share[1, r, c]
                if weight <= 0.0:
                    continue
                i = ground.region[k, r, c]
                total += (
                    weight
                    * regions.level[i]
                    * look(
                        regions.kind[i],
                        regions.variant[i],
                        place,
                        light,
                        keratinocyte,
                        basal,
                        skin,
                        papilla,
                    )
                )
            even = 1.0 + uneven * (0.6 * place.cloud + 0.8 * place.broad)
            out[r, c] = max(0.0, total * even)
    return out
