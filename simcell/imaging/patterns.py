"""How the patterns of a mosaic reflect light, pixel by pixel.

Every pattern is put together from what dermatologists describe: honeycomb (bright
borders, dark nuclei) or cobblestone (bright bodies) with dark furrows; dark
papillae with a rim of bright basal cells, or between thick bright cords; round
dense clusters of bright cells; plain grey with faint fibres; and bubbles, stripes,
corneum or nothing. All functions are of one pixel and take plain numbers, lengths
in µm: arrays passed from kernel to kernel would cost more than the patterns.

Decision: no exponentials or sines here, only what rounds alike in vector and scalar
code: a pixel must not depend on where in a block it lies.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

NON_LESION, ARTIFACT, MESHWORK, RING, NESTED, PATTERNLESS = 1, 2, 3, 4, 5, 6
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
    nucleus: float  # radius
    basal: float  # distance of basal cells
    plate: float  # distance of furrows, and of bubbles


class Cell(NamedTuple):
    """What a pixel sees of a cell: see ``lattice.Seen``."""

    edge: float
    middle: float
    chance: float


class Papilla(NamedTuple):
    """What a pixel sees of the papilla or nest around it."""

    wall: float
    radial: float
    chance: float
    focus: float
    room: float
    nest: float  # radius, 0 without a nest


class Place(NamedTuple):
    """Smooth random fields at a pixel, each of unit variance."""

    grain: float
    fibre: float
    cloud: float
    broad: float
    stripe: float


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
def honeycomb(place: Place, light: Light, cell: Cell) -> float:
    """Bright borders around cells with darker nuclei."""
    body = light.body * (0.75 + 0.5 * cell.chance) * (1.0 + 0.25 * place.grain)
    nucleus = 1.0 - 0.55 * (1.0 - step(cell.middle, light.nucleus, 3.0))
    border = light.membrane * bump(cell.edge, 2.0 * light.line) * (1.0 + 0.3 * place.fibre)
    return body * nucleus + border


@njit(cache=True)
def cobblestone(place: Place, light: Light, cell: Cell) -> float:
    """Bright bodies with darker borders."""
    inside = step(cell.edge, 1.6, 3.0)
    return (0.55 + (0.75 + 1.1 * cell.chance) * inside) * light.body * (1.0 + 0.2 * place.grain)


@njit(cache=True)
def furrows(place: Place, light: Light, plate: Cell) -> float:
    """Furrows that part the skin into plates, some of them shallow: a factor."""
    if light.furrow <= 0.0:
        return 1.0
    depth = min(max(0.45 + 0.4 * place.broad, 0.0), 0.85)
    return 1.0 - depth * bump(plate.edge, light.furrow * max(0.3, 1.0 + 0.25 * place.fibre))


@njit(cache=True)
def _basal(cell: Cell, contrast: float) -> float:
    """Bright basal cells with darker borders, some brighter than others; mean about 1."""
    inside = step(cell.edge, 1.4, 2.8)
    return (1.0 - contrast) + contrast * inside * (0.7 + 1.3 * cell.chance)


@njit(cache=True)
def _granules(place: Place, light: Light, cell: Cell, contrast: float) -> float:
    """Round cells packed so densely that their borders are lost; mean about 1."""
    seen = (0.35 + 1.1 * cell.chance) * (0.55 + 0.65 * bump(cell.middle, 0.9 * light.basal))
    seen *= 0.8 + 0.25 * step(cell.edge, 1.5, 4.0)
    return (1.0 - contrast) + contrast * 1.3 * seen * (1.0 + 0.25 * place.grain)


@njit(cache=True)
def _interior(place: Place, light: Light, chance: float) -> float:
    """Inside a papilla: dark, with delicate fibres."""
    fibre = max(0.0, 1.0 - 2.2 * abs(place.fibre))
    return light.interior * (0.6 + 0.8 * chance + 1.3 * fibre + 0.3 * place.grain)


@njit(cache=True, inline="always")
def _rounded(wall: float, round_wall: float, over: float) -> float:
    """Smooth minimum of the distances to a cell's border and to a disc's rim."""
    both = max(0.0, over - abs(wall - round_wall))
    return min(wall, round_wall) - both * both / (4.0 * over)


@njit(cache=True)
def ring(place: Place, light: Light, cell: Cell, papilla: Papilla) -> float:
    """Bright basal cells that rim a dark papilla."""
    # Round where neighbours are far, else flattened against them.
    wall = _rounded(papilla.wall, 1.12 * papilla.room - papilla.radial, 10.0)
    inside = wall - 0.5 * light.between
    rim = bump(inside - 0.5 * light.rim_um, 0.9 * light.rim_um)
    basal = _basal(cell, 0.75)
    outer = 1.3 * light.body * (0.5 + 0.5 * basal) * (1.0 + 0.2 * place.grain)
    dark = step(inside, 0.9 * light.rim_um, light.rim_um)
    ground = outer + dark * (_interior(place, light, papilla.chance) - outer)
    # Rims are brighter here and fade there: few rings are whole.
    along = min(max(0.75 + 0.35 * place.cloud + 0.2 * place.fibre, 0.1), 1.3)
    return ground + rim * (0.6 + 0.5 * papilla.chance) * along * light.rim * basal


@njit(cache=True)
def meshwork(place: Place, light: Light, cell: Cell, papilla: Papilla) -> float:
    """Thick bright cords between papillae without a rim."""
    width = light.cord_um * (0.7 + 0.6 * papilla.chance)
    # The corners of the network are filled: holes are rounder than the cell's border.
    wall = _rounded(papilla.wall, 1.5 * papilla.room - papilla.radial, 16.0)
    # One papilla in eight is closed over by the cords around it.
    closed = 0.55 if papilla.chance > 0.875 else 1.0
    dark = closed * step(wall, 0.5 * width + 2.0 * place.fibre, 17.0)
    cord = light.cord * _basal(cell, 0.5) * (1.0 + 0.15 * place.fibre) * (1.0 + 0.2 * place.cloud)
    return cord + dark * (1.6 * _interior(place, light, papilla.chance) - cord)


@njit(cache=True)
def nested(place: Place, light: Light, cell: Cell, papilla: Papilla) -> float:
    """Dense clusters of bright cells; some in focus, others a bright haze."""
    fibre = max(0.0, 1.0 - 2.0 * abs(place.fibre))
    ground = light.around * (0.7 + 0.5 * fibre + 0.25 * place.grain + 0.2 * place.cloud)
    if papilla.nest == 0.0 or papilla.radial > papilla.nest + 20.0:
        return ground
    inside = 1.0 - step(papilla.radial + 2.0 * place.fibre, papilla.nest, 14.0)
    bright = light.nest * (0.7 + 0.5 * papilla.chance) * (1.0 + 0.12 * place.cloud)
    body = bright * _granules(place, light, cell, 0.35 + 0.4 * papilla.focus)
    return ground + inside * (body - ground)


@njit(cache=True)
def patternless(place: Place, light: Light, cell: Cell, variant: float) -> float:
    """Grey to bright, with faint fibres and a few bright cells."""
    level = light.darkest + (light.brightest - light.darkest) * variant
    fibre = max(0.0, 1.0 - 2.0 * abs(place.fibre)) - 0.3
    plain = level * (1.0 + light.fibres * fibre + 0.25 * place.grain + 0.12 * place.broad)
    lit = 0.5 * step(cell.edge, 1.5, 3.0) if cell.chance < light.cells else 0.0
    return plain + lit


@njit(cache=True)
def artifact(place: Place, light: Light, cell: Cell, plate: Cell, variant: float) -> float:
    """Bubbles, stripes over tissue, corneum, or nothing."""
    if variant == BUBBLES:
        plain = light.around * (1.0 + 0.3 * place.cloud + 0.25 * place.grain)
        radius = light.plate * (0.06 + 0.24 * plate.chance)
        dark = 1.0 - step(plate.middle, radius, 6.0)
        rim = bump(plate.middle - radius, 5.0) + 0.25 * bump(plate.middle - 0.8 * radius, 5.0)
        return plain * (1.0 - 0.85 * dark) + 0.9 * rim
    if variant == STRIPES:
        tissue = honeycomb(place, light, cell)
        return tissue * (1.0 - 0.85 * step(place.stripe, 0.7, 0.6))
    if variant == CORNEUM:
        fold = bump(plate.edge, 11.0 * max(0.3, 1.0 + 0.3 * place.fibre))
        flat = 0.72 + 0.3 * plate.chance + 0.16 * place.broad + 0.1 * place.cloud
        return (flat + 0.12 * place.fibre) * (1.0 - 0.6 * fold)
    return 0.02


@njit(cache=True)
def _on_points(kind: int, place: Place, light: Light, small: Cell, papilla: Papilla) -> float:
    if kind == MESHWORK:
        return meshwork(place, light, small, papilla)
    if kind == RING:
        return ring(place, light, small, papilla)
    return nested(place, light, small, papilla)


@njit(cache=True)
def look(
    kind: int,
    variant: float,
    place: Place,
    light: Light,
    large: Cell,
    small: Cell,
    plate: Cell,
    papilla: Papilla,
) -> float:
    """Reflectance of a place if it belonged to a region of this class."""
    if kind == NON_LESION:
        cells = cobblestone(place, light, small) if variant else honeycomb(place, light, large)
        return cells * furrows(place, light, plate)
    if kind == ARTIFACT:
        return artifact(place, light, large, plate, variant)
    if kind == PATTERNLESS:
        return patternless(place, light, small, variant)
    return _on_points(kind, place, light, small, papilla)
