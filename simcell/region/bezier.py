"""One tissue island bounded by a random closed Bezier curve."""

from __future__ import annotations

import numpy as np
import shapely
from numba import njit
from numpy.random import Generator

from simcell.arrays import BoolArray, FloatArray, Grid, IntArray
from simcell.scene.region import Bezier

_STEPS = 24  # samples of each Bezier segment
_COVERAGE_TOLERANCE = 1e-4


def island(spec: Bezier, grid: Grid, margin_px: int, rng: Generator) -> BoolArray:
    """Draw the island and scale it until it covers the asked share of the field.

    Parameters
    ----------
    spec : Bezier
    grid : Grid
        The field.
    margin_px : int
        Margin of the returned mask around it.
    rng : numpy.random.Generator

    Returns
    -------
    BoolArray
        Mask on the padded grid.
    """
    size = np.asarray(grid.size_um)
    centre = size * (0.5 + np.clip(rng.normal(0.0, spec.wander, 2), -0.6, 0.6))
    outline = closed_curve(_knots(spec, rng))
    if spec.coverage >= 1.0:
        return np.ones(grid.padded(margin_px).shape, np.bool_)
    scale = _scale_for(outline, centre, size, spec.coverage)
    return rasterise([centre + scale * outline], grid, margin_px)


def _knots(spec: Bezier, rng: Generator) -> FloatArray:
    turn = (np.arange(spec.knots) + rng.uniform(-0.3, 0.3, spec.knots)) * (2 * np.pi / spec.knots)
    radius = np.clip(1.0 + spec.roughness * rng.standard_normal(spec.knots), 0.35, 2.0)
    ring: FloatArray = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    return np.asarray(radius[:, None] * ring, dtype=np.float64)


def closed_curve(knots: FloatArray) -> FloatArray:
    """Sample the smooth closed cubic Bezier curve through ``knots`` (n, 2).

    Control points are a sixth of the chord between the neighbours away
    (Catmull-Rom), which makes the tangent continuous.
    """
    before, after = np.roll(knots, 1, axis=0), np.roll(knots, -1, axis=0)
    tangent = (after - before) / 6.0
    first, second = knots + tangent, after - np.roll(tangent, -1, axis=0)
    t = np.linspace(0.0, 1.0, _STEPS, endpoint=False)[:, None]
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    controls = (knots, first, second, after)
    pieces = sum(w[None] * c[:, None, :] for w, c in zip(weights, controls, strict=True))
    return np.asarray(pieces, dtype=np.float64).reshape(-1, 2)


def _scale_for(outline: FloatArray, centre: FloatArray, size: FloatArray, coverage: float) -> float:
    """Find the scale at which the curve covers ``coverage`` of the field (Illinois rule)."""
    unit = shapely.make_valid(shapely.polygons(outline))
    box = float(np.prod(size))

    def excess(scale: float) -> float:
        # Scaling the field down is cheaper than scaling the curve up.
        low, high = -centre / scale, (size - centre) / scale
        seen = shapely.area(shapely.clip_by_rect(unit, low[0], low[1], high[0], high[1]))
        return float(seen) * scale**2 / box - coverage

    low = float(np.sqrt(coverage * box / shapely.area(unit)))
    below = excess(low)  # at most 0: the curve's whole area is just the area asked for
    high, above = 1.5 * low, excess(1.5 * low)
    while above < 0:
        low, below, high = high, above, 1.5 * high
        above = excess(high)
    for _ in range(40):
        middle = high - above * (high - low) / (above - below) if above > below else high
        value = excess(middle)
        if abs(value) < _COVERAGE_TOLERANCE or above <= below:
            break
        if value > 0:
            high, above, below = middle, value, 0.5 * below
        else:
            low, below, above = middle, value, 0.5 * above
    return float(middle)


def rasterise(outlines: list[FloatArray], grid: Grid, margin_px: int) -> BoolArray:
    """Fill outlines, (y, x) in µm from the field's corner, on the padded grid.

    A pixel is inside where its centre is, which OpenCV's and Pillow's fills, made
    for drawing, do not promise: they add half a pixel all around. Outlines may
    overlap and cross themselves.
    """
    height, width = grid.padded(margin_px).shape
    turns = np.zeros((height, width + 1), np.int32)
    for outline in outlines:
        pixels = outline / np.asarray(grid.spacing_um) + margin_px
        clockwise = _signed_area(pixels) < 0
        _add_turns(turns, pixels[::-1].copy() if clockwise else pixels)
    return _wound(turns)


def _signed_area(outline: FloatArray) -> float:
    y, x = outline.T
    return float(np.dot(np.roll(y, 1), x) - np.dot(y, np.roll(x, 1)))


@njit(cache=True)
def _add_turns(turns: IntArray, outline: FloatArray) -> None:
    """Add what each edge does to the winding number of the pixels to its right."""
    height, last = turns.shape[0], turns.shape[1] - 1
    for i in range(len(outline)):
        y0, x0 = outline[i - 1]
        y1, x1 = outline[i]
        sign = 1 if y1 > y0 else -1
        low, high = min(y0, y1), max(y0, y1)
        # Rows whose centre r + 1/2 lies in [low, high): shared corners count once.
        for r in range(max(0, int(np.ceil(low - 0.5))), min(height, int(np.ceil(high - 0.5)))):
            x = x0 + (r + 0.5 - y0) / (y1 - y0) * (x1 - x0)
            turns[r, min(max(int(np.ceil(x - 0.5)), 0), last)] += sign


@njit(cache=True)
def _wound(turns: IntArray) -> BoolArray:
    """Sum the turns along each row; inside is where they do not cancel."""
    height, width = turns.shape[0], turns.shape[1] - 1
    inside = np.empty((height, width), np.bool_)
    for r in range(height):
        winding = 0
        for c in range(width):
            winding += turns[r, c]
            inside[r, c] = winding != 0
    return inside
