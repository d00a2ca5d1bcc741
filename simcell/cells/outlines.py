"""Cells that stand apart: discs, ellipses and wavy outlines, with hidden parts."""

from __future__ import annotations

import numpy as np
from numba import njit

from simcell.arrays import FloatArray, Grid, IntArray, Pattern
from simcell.cells.pieces import merge_into_neighbours, split
from simcell.cells.table import Cells, tabulate
from simcell.cells.wrap import reach_of, wrapped
from simcell.rng import Streams
from simcell.scene.cells import Outlines

_LEAST_RADIUS = 0.15  # share of its mean radius that a wavy outline never goes below


def grow(
    spec: Outlines,
    pattern: Pattern,
    grid: Grid,
    margin_px: int,
    streams: Streams,
    periodic: bool,
) -> Cells:
    """Stamp the objects in order; later ones lie on top. See ``simcell.cells.grow``."""
    spacing = grid.spacing_um[0]
    pattern = _with_shapes(spec, pattern, streams)
    if periodic:
        size = np.asarray(grid.size_um)
        reach = reach_of(len(pattern), size, margin_px * spacing)
        pattern = wrapped(pattern, grid.size_um, reach)
    shape = grid.padded(margin_px).shape
    centres = pattern.points / spacing + margin_px
    waves = np.array([pattern.marks[name] for name in _wave_names(spec)]).T
    # The radius is that of the disc with the same area, whatever the ratio.
    stretch = 1.0 / np.sqrt(pattern.marks["axis_ratio"])
    radius = pattern.marks["radius_um"] / spacing
    axes = np.stack([radius * stretch, radius / stretch], axis=1)
    turn = pattern.marks["orientation_rad"]
    waves = waves.reshape(len(pattern), len(_wave_names(spec)) // 2, 2)
    # Waves add to the area: r² (1 + sum of squared coefficients / 2) on average over angles.
    axes /= np.sqrt(1.0 + 0.5 * np.square(waves).sum(axis=(1, 2)))[:, None]
    image, total, in_field = stamp(shape[0], shape[1], margin_px, centres, axes, turn, waves)
    inner = slice(margin_px, -margin_px or None)
    seen = np.bincount(image[inner, inner].ravel(), minlength=len(pattern) + 1)[1:]
    overlap = 1.0 - seen / np.maximum(in_field, 1)
    image = tidy(image, total, spec.min_visible)
    amodal = total.astype(np.float64)
    return tabulate(image, pattern, amodal, np.clip(overlap, 0, 1), grid, margin_px)


def _with_shapes(spec: Outlines, pattern: Pattern, streams: Streams) -> Pattern:
    """Draw the marks of the outline that the point process has not given."""
    count = len(pattern)
    marks = dict(pattern.marks)
    if "radius_um" not in marks:
        spread = streams("cells.radius").standard_normal(count)
        marks["radius_um"] = spec.radius_um * np.clip(1 + spec.radius_cv * spread, 0.1, 4.0)
    marks.setdefault("axis_ratio", np.ones(count))
    marks.setdefault("orientation_rad", np.zeros(count))
    if spec.waviness > 0:
        marks |= dict(zip(_wave_names(spec), _waves(spec, count, streams).T, strict=True))
    return Pattern(pattern.points, marks, pattern.notes)


def _wave_names(spec: Outlines) -> list[str]:
    """Name the marks that hold the harmonics: cosine and sine of each order."""
    orders = range(2, spec.harmonics + 1) if spec.waviness > 0 else ()
    return [f"{part}_{order}" for order in orders for part in ("cos", "sin")]


def _waves(spec: Outlines, count: int, streams: Streams) -> FloatArray:
    """Harmonic coefficients (n, 2 (harmonics - 1)) of the relative radius.

    Amplitudes fall with the order as 1/k, so that outlines stay smooth; together
    they give the radius the relative standard deviation ``waviness``.
    """
    orders = np.repeat(np.arange(2, spec.harmonics + 1), 2)
    size = spec.waviness * (1.0 / orders) / np.sqrt(0.5 * np.sum(1.0 / orders**2))
    return np.asarray(size * streams("cells.waves").standard_normal((count, len(orders))))


def tidy(image: IntArray, total: IntArray, min_visible: float) -> IntArray:
    """Keep each object's largest visible piece; the rest goes to what covers it."""
    pieces = split(image)
    main = pieces.main
    whole = np.concatenate([[1], np.maximum(total, 1)])[pieces.owner]
    hidden = main & (pieces.area_px < min_visible * whole)
    lost = ~main | hidden
    lost[0] = False
    if not lost.any():
        return image
    owner = pieces.owner[merge_into_neighbours(pieces, lost)]
    owner[0] = 0
    return owner[pieces.image]


@njit(cache=True)
def _inside(
    dy: float, dx: float, axes: FloatArray, turn: float, waves: FloatArray, swell: float
) -> bool:
    """Tell whether a point lies inside a wavy ellipse; ``swell`` bounds its relative radius.

    Cosines and sines of multiple angles come from those of the angle itself.
    """
    cos, sin = np.cos(turn), np.sin(turn)
    u = (dx * cos + dy * sin) / axes[0]
    v = (dy * cos - dx * sin) / axes[1]
    d = np.sqrt(u * u + v * v)
    if d > swell or d < _LEAST_RADIUS or len(waves) == 0:
        return bool(d <= 1.0)
    cos1, sin1 = u / d, v / d
    cos, sin = cos1, sin1
    radius = 1.0
    for k in range(len(waves)):
        cos, sin = cos * cos1 - sin * sin1, sin * cos1 + cos * sin1
        radius += waves[k, 0] * cos + waves[k, 1] * sin
    return bool(d <= radius)


@njit(cache=True)
def stamp(
    height: int,
    width: int,
    margin: int,
    centres: FloatArray,
    axes: FloatArray,
    turn: FloatArray,
    waves: FloatArray,
) -> tuple[IntArray, IntArray, IntArray]:
    """Draw objects in order on a label image.

    Parameters
    ----------
    height, width : int
        Size of the padded image.
    margin : int
        Its margin around the field.
    centres, axes, turn, waves : FloatArray
        Centre (n, 2), semi-axes (n, 2) in pixels, orientation (n,), harmonics (n, k, 2).

    Returns
    -------
    image : IntArray
        1 + the number of the topmost object, 0 = none.
    total : IntArray
        Pixels of each whole object, also beyond the image.
    in_field : IntArray
        Pixels of each whole object inside the field.
    """
    image = np.zeros((height, width), np.int32)
    count = len(centres)
    total = np.zeros(count, np.int32)
    in_field = np.zeros(count, np.int32)
    for i in range(count):
        swell = 1.0
        for k in range(waves.shape[1]):
            swell += np.hypot(waves[i, k, 0], waves[i, k, 1])
        cy, cx = centres[i]
        reach = axes[i].max() * swell + 1.0
        for r in range(int(np.floor(cy - reach)), int(np.ceil(cy + reach)) + 1):
            for c in range(int(np.floor(cx - reach)), int(np.ceil(cx + reach)) + 1):
                if not _inside(r + 0.5 - cy, c + 0.5 - cx, axes[i], turn[i], waves[i], swell):
                    continue
                total[i] += 1
                if margin <= r < height - margin and margin <= c < width - margin:
                    in_field[i] += 1
                if 0 <= r < height and 0 <= c < width:
                    image[r, c] = i + 1
    return image, total, in_field
