"""How the patterns of a mosaic reflect light, pixel by pixel.

Every pattern is put together from what dermatologists describe: honeycomb (bright
borders, dark nuclei) or cobblestone (bright bodies) with dark furrows; dark
papillae with a rim of bright basal cells, or between thick bright cords; round
dense clusters of bright cells; plain grey with faint fibres; and bubbles, stripes,
corneum or nothing. Functions of one pixel take lengths in µm.

Decision: no exponentials or sines here, only what rounds alike in vector and scalar
code: a pixel must not depend on where in a block it lies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Image, IntArray
from simcell.imaging.lattice import Lattice, cell_at

NON_LESION, ARTIFACT, MESHWORK, RING, NESTED = 1, 2, 3, 4, 5
BUBBLES, STRIPES, CORNEUM = 0, 1, 2


class Light(NamedTuple):
    """Brightnesses and widths of the patterns: the spec's numbers, in µm."""

    body: float
    membrane: float
    furrow: float
    interior: float
    rim: float
    rim_um: float
    between: float
    cord: float
    cord_um: float
    nest: float
    around: float
    darkest: float
    brightest: float
    fibres: float
    cells: float
    line: float  # half width of a membrane


class Regions(NamedTuple):
    """Looks of the field's regions: class, brightness, and what kind of its class."""

    kind: NDArray[np.uint8]
    level: FloatArray
    variant: FloatArray  # 0 to 1; which of the artifacts, as a number, for those


class Papillae(NamedTuple):
    """Looks of papillae and nests."""

    chance: FloatArray
    room: FloatArray
    nest: FloatArray  # radius, 0 without a nest


class Place(NamedTuple):
    """What lies at a pixel."""

    y: float
    x: float
    papilla: int
    wall: float
    radial: float
    grain: float
    fibre: float
    cloud: float
    broad: float
    stripe: float


class Lattices(NamedTuple):
    """Cells of three sizes: keratinocytes, basal cells, bubbles."""

    large: Lattice
    small: Lattice
    bubbles: Lattice


@njit(cache=True, inline="always")
def step(value: float, middle: float, width: float) -> float:
    """Rise smoothly from 0 to 1 over a width about the middle."""
    t = min(max((value - middle) / width + 0.5, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, inline="always")
def bump(value: float, half: float) -> float:
    """1 at 0, 1/2 at about half of the reach ``half``, 0 beyond it."""
    t = max(0.0, 1.0 - (value / half) * (value / half))
    return t * t


@njit(cache=True)
def _honeycomb(place: Place, light: Light, cells: Lattices) -> float:
    edge, middle, chance = cell_at(cells.large, place.y, place.x)
    body = light.body * (0.75 + 0.5 * chance) * (1.0 + 0.25 * place.grain)
    nucleus = 1.0 - 0.55 * (1.0 - step(middle, 0.24 * cells.large.pitch, 3.0))
    border = light.membrane * bump(edge, 2.0 * light.line) * (1.0 + 0.3 * place.fibre)
    return body * nucleus + border


@njit(cache=True)
def _cobblestone(place: Place, light: Light, cells: Lattices) -> float:
    edge, _, chance = cell_at(cells.small, place.y, place.x)
    inside = step(edge, 1.6, 3.0)
    return (0.55 + (0.75 + 1.1 * chance) * inside) * light.body * (1.0 + 0.2 * place.grain)


@njit(cache=True)
def _non_lesion(place: Place, light: Light, cells: Lattices, cobblestone: bool) -> float:
    if cobblestone:
        tissue = _cobblestone(place, light, cells)
    else:
        tissue = _honeycomb(place, light, cells)
    # Furrows run along the zero lines of a smooth field.
    if light.furrow > 0:
        tissue *= 1.0 - 0.8 * bump(place.broad, light.furrow)
    return tissue


@njit(cache=True)
def _basal(place: Place, cells: Lattices, contrast: float) -> float:
    """Bright basal cells with darker borders, some brighter than others; mean about 1."""
    edge, _, chance = cell_at(cells.small, place.y, place.x)
    inside = step(edge, 1.4, 2.8)
    return (1.0 - contrast) + contrast * inside * (0.7 + 1.3 * chance)


@njit(cache=True)
def _papilla(place: Place, light: Light, chance: float) -> float:
    """Inside a papilla: dark, with delicate fibres and now and then a blood cell."""
    fibre = max(0.0, 1.0 - 2.2 * abs(place.fibre))
    return light.interior * (0.6 + 0.8 * chance + 1.3 * fibre + 0.3 * place.grain)


@njit(cache=True)
def _ring(place: Place, light: Light, cells: Lattices, papillae: Papillae) -> float:
    chance = papillae.chance[place.papilla]
    # Round where neighbours are far, else flattened against them.
    room = papillae.room[place.papilla]
    round_wall = 1.12 * room - place.radial
    wall = min(place.wall, round_wall)
    both = max(0.0, 10.0 - abs(place.wall - round_wall))
    inside = wall - both * both / 40.0 - 0.5 * light.between
    rim = bump(inside - 0.5 * light.rim_um, light.rim_um)
    basal = _basal(place, cells, 0.75)
    outer = 1.35 * light.body * (0.6 + 0.4 * basal)
    dark = step(inside, light.rim_um, 0.5 * light.rim_um)
    ground = outer + dark * (_papilla(place, light, chance) - outer)
    return ground + rim * (0.55 + 0.6 * chance) * light.rim * basal


@njit(cache=True)
def _meshwork(place: Place, light: Light, cells: Lattices, papillae: Papillae) -> float:
    chance = papillae.chance[place.papilla]
    width = light.cord_um * (0.7 + 0.6 * chance)
    # One papilla in eight is closed over by the cords around it.
    closed = 0.6 if chance > 0.875 else 1.0
    dark = closed * step(place.wall, 0.5 * width + 3.0 * place.fibre, 11.0)
    cord = light.cord * _basal(place, cells, 0.45) * (1.0 + 0.15 * place.cloud)
    return cord + dark * (1.7 * _papilla(place, light, chance) - cord)


@njit(cache=True)
def _nested(place: Place, light: Light, cells: Lattices, papillae: Papillae) -> float:
    fibre = max(0.0, 1.0 - 2.0 * abs(place.fibre))
    ground = light.around * (0.7 + 0.5 * fibre + 0.25 * place.grain + 0.2 * place.cloud)
    radius = papillae.nest[place.papilla]
    if place.radial > radius + 6.0 or radius == 0.0:
        return ground
    inside = 1.0 - step(place.radial, radius, 9.0)
    # Clusters are a little brighter towards their rim, where cells lie in focus.
    bright = light.nest * (0.75 + 0.5 * papillae.chance[place.papilla])
    body = bright * _basal(place, cells, 0.7) * (0.85 + 0.2 * place.radial / radius)
    return ground + inside * (body - ground)


@njit(cache=True)
def _patternless(place: Place, light: Light, cells: Lattices, variant: float) -> float:
    level = light.darkest + (light.brightest - light.darkest) * variant
    fibre = max(0.0, 1.0 - 2.0 * abs(place.fibre)) - 0.3
    plain = level * (1.0 + light.fibres * fibre + 0.2 * place.grain + 0.12 * place.cloud)
    edge, _, chance = cell_at(cells.small, place.y, place.x)
    if chance < light.cells:
        plain += 0.5 * step(edge, 1.5, 3.0)
    return plain


@njit(cache=True)
def _artifact(place: Place, light: Light, cells: Lattices, variant: float) -> float:
    plain = light.around * (1.0 + 0.3 * place.cloud + 0.25 * place.grain)
    if variant == BUBBLES:
        _, middle, chance = cell_at(cells.bubbles, place.y, place.x)
        radius = cells.bubbles.pitch * (0.1 + 0.32 * chance)
        dark = 1.0 - step(middle, radius, 6.0)
        rim = bump(middle - radius, 7.0) + 0.25 * bump(middle - 0.8 * radius, 5.0)
        return plain * (1.0 - 0.85 * dark) + 0.9 * rim
    if variant == STRIPES:
        tissue = _honeycomb(place, light, cells)
        return tissue * (1.0 - 0.9 * step(place.stripe, 0.35, 0.5))
    if variant == CORNEUM:
        fold = bump(place.broad, 0.12)
        return (1.05 + 0.35 * place.cloud + 0.15 * place.fibre) * (1.0 - 0.75 * fold)
    return 0.02


@njit(cache=True)
def look(
    region: int,
    place: Place,
    light: Light,
    cells: Lattices,
    regions: Regions,
    papillae: Papillae,
) -> float:
    """Reflectance of a place if it belonged to a region."""
    kind, variant = regions.kind[region], regions.variant[region]
    if kind == NON_LESION:
        found = _non_lesion(place, light, cells, variant > 0.0)
    elif kind == ARTIFACT:
        found = _artifact(place, light, cells, variant)
    elif kind == MESHWORK:
        found = _meshwork(place, light, cells, papillae)
    elif kind == RING:
        found = _ring(place, light, cells, papillae)
    elif kind == NESTED:
        found = _nested(place, light, cells, papillae)
    else:
        found = _patternless(place, light, cells, variant)
    return found * regions.level[region]


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
    bend_y: Image
    bend_x: Image


@njit(cache=True)
def reflect(
    ground: Ground,
    fields: Fields,
    light: Light,
    cells: Lattices,
    regions: Regions,
    papillae: Papillae,
    origin: tuple[float, float],
    spacing: float,
    border: float,
    uneven: float,
) -> Image:
    """Put the reflectance of a block together, regions fading into each other."""
    _, height, width = ground.region.shape
    out = np.empty((height, width), np.float32)
    for r in range(height):
        for c in range(width):
            place = Place(
                origin[0] + r * spacing + ground.bend_y[r, c],
                origin[1] + c * spacing + ground.bend_x[r, c],
                ground.papilla[r, c],
                ground.wall[r, c],
                ground.radial[r, c],
                fields.grain[r, c],
                fields.fibre[r, c],
                fields.cloud[r, c],
                fields.broad[r, c],
                fields.stripe[r],
            )
            total, weight = 0.0, 0.0
            for k in range(3):
                region = ground.region[k, r, c]
                share = 1.0 if k == 0 else _fading(ground.gaps[k - 1, r, c], border)
                if region >= 0 and share > 0.0:
                    total += share * look(region, place, light, cells, regions, papillae)
                    weight += share
            out[r, c] = max(0.0, total / weight * (1.0 + uneven * fields.cloud[r, c] * 0.7))
    return out


@njit(cache=True, inline="always")
def _fading(gap: float, border: float) -> float:
    """Weight of the region beyond a border: 1 at it, 0 half a border's width away."""
    if border <= 0.0:
        return 0.0
    t = max(0.0, 1.0 - 2.0 * gap / border)
    return t * t * (3.0 - 2.0 * t)
