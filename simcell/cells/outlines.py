"""Cells that stand apart: discs, ellipses and wavy outlines, with hidden parts."""

from __future__ import annotations

import numpy as np
from numba import njit

from simcell.arrays import FloatArray, Grid, IntArray, Pattern
from simcell.cells.pieces import merge_into_neighbours, split
from simcell.cells.table import Cells, tabulate
from simcell.rng import Streams
from simcell.scene.cells import Outlines


def grow(
    spec: Outlines, pattern: Pattern, grid: Grid, margin_px: int, streams: Streams
) -> Cells:
    """Stamp the objects in order; later ones lie on top. See ``simcell.cells.grow``."""
    spacing = grid.spacing_um[0]
    shape = grid.padded(margin_px).shape
    centres = pattern.points / spacing + margin_px
    axes, turn = _axes(spec, pattern, spacing, streams)
    waves = _waves(spec, len(pattern), streams)
    image, total, in_field = stamp(shape[0], shape[1], margin_px, centres, axes, turn, waves)
    inner = slice(margin_px, -margin_px or None)
    seen = np.bincount(image[inner, inner].ravel(), minlength=len(pattern) + 1)[1:]
    overlap = 1.0 - seen / np.maximum(in_field, 1)
    image = _tidy(image, total, spec.min_visible)
    amodal = total.astype(np.float64)
    return tabulate(image, pattern, amodal, np.clip(overlap, 0, 1), grid, margin_px)


def _axes(
    spec: Outlines, pattern: Pattern, spacing: float, streams: Streams
) -> tuple[FloatArray, FloatArray]:
    """Semi-axes (n, 2) in pixels, major first, and orientations (n,) in radians."""
    count = len(pattern)
    radius = pattern.marks.get("radius_um")
    if radius is None:
        spread = streams("cells.radius").standard_normal(count)
        radius = spec.radius_um * np.clip(1 + spec.radius_cv * spread, 0.1, 4.0)
    ratio = pattern.marks.get("axis_ratio", np.ones(count))
    turn = pattern.marks.get("orientation_rad", np.zeros(count))
    # The radius is that of the disc with the same area, whatever the ratio.
    stretch = 1.0 / np.sqrt(ratio)
    axes = np.stack([radius * stretch, radius / stretch], axis=1) / spacing
    return axes, np.asarray(turn, dtype=np.float64)


def _waves(spec: Outlines, count: int, streams: Streams) -> FloatArray:
    """Harmonic coefficients (n, harmonics - 1, 2) of the relative radius.

    Amplitudes fall with the order as 1/k, so that outlines stay smooth.
    """
    orders = np.arange(2, spec.harmonics + 1)
    if spec.waviness == 0:
        return np.zeros((count, 0, 2))
    rng = streams("cells.waves")
    size = (1.0 / orders) / np.sqrt(np.sum(1.0 / orders**2))
    draws = rng.standard_normal((count, len(orders), 2))
    return spec.waviness * size[None, :, None] * draws


def _tidy(image: IntArray, total: IntArray, min_visible: float) -> IntArray:
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


@njit(cache=True)  # type: ignore[untyped-decorator]
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
    orders = waves.shape[1]
    for i in range(count):
        cy, cx = centres[i]
        a, b = axes[i]
        cos, sin = np.cos(turn[i]), np.sin(turn[i])
        swell = 1.0
        for k in range(orders):
            swell += np.hypot(waves[i, k, 0], waves[i, k, 1])
        reach = max(a, b) * swell + 1.0
        for r in range(int(np.floor(cy - reach)), int(np.ceil(cy + reach)) + 1):
            for c in range(int(np.floor(cx - reach)), int(np.ceil(cx + reach)) + 1):
                dy = r + 0.5 - cy
                dx = c + 0.5 - cx
                u = (dx * cos + dy * sin) / a
                v = (dy * cos - dx * sin) / b
                d2 = u * u + v * v
                if d2 > swell * swell:
                    continue
                if orders > 0:
                    phi = np.arctan2(v, u)
                    radius = 1.0
                    for k in range(orders):
                        angle = (k + 2) * phi
                        radius += waves[i, k, 0] * np.cos(angle) + waves[i, k, 1] * np.sin(angle)
                    radius = max(radius, 0.15)
                    if d2 > radius * radius:
                        continue
                elif d2 > 1.0:
                    continue
                total[i] += 1
                if margin <= r < height - margin and margin <= c < width - margin:
                    in_field[i] += 1
                if 0 <= r < height and 0 <= c < width:
                    image[r, c] = i + 1
    return image, total, in_field
