"""Several rounded islands with dark furrows between them, as in skin micro-relief."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.random import Generator
from scipy.ndimage import map_coordinates

from simcell.arrays import BoolArray, FloatArray, Grid
from simcell.fields import smooth_noise
from simcell.region.bezier import closed_curve, rasterise
from simcell.scene.region import Relief

_CANDIDATES = 8  # per island centre: the farthest from all others is kept
_KNOT_SHARE = 0.5  # distance of outline knots, in rounding radii


def islands(spec: Relief, grid: Grid, margin_px: int, rng: Generator) -> BoolArray:
    """Partition the field into islands, shrink and round them, and make them wavy.

    Parameters
    ----------
    spec : Relief
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
    margin = margin_px * np.asarray(grid.spacing_um)
    spacing = float(np.sqrt(np.prod(size) / spec.islands))
    # Islands are laid out well beyond the field, so that its rim is like its middle.
    reach = margin + 1.5 * spacing
    plates = _plates(spec, -reach, size + reach, spacing, rng)
    wander = smooth_noise((64, 64), 4.0, rng), smooth_noise((64, 64), 4.0, rng)
    outlines = []
    for plate in plates:
        outline = _smooth_outline(plate, spec)
        at = (outline + reach) / (size + 2 * reach) * 64 - 0.5
        shift = np.stack(
            [map_coordinates(field, at.T, order=1, mode="nearest") for field in wander], axis=1
        )
        outlines.append(outline + spec.roughness_um * shift)
    return rasterise(outlines, grid, margin_px)


def _plates(
    spec: Relief, low: FloatArray, high: FloatArray, spacing: float, rng: Generator
) -> list[shapely.Polygon]:
    """Lay out the islands' polygons, shrunk by half a furrow and with round corners."""
    box = shapely.box(low[0], low[1], high[0], high[1])
    centres = _spread(round(float(np.prod(high - low)) / spacing**2), low, high, rng)
    cells = shapely.get_parts(
        shapely.voronoi_polygons(shapely.multipoints(centres), extend_to=box, ordered=True)
    )
    widths = spec.furrow_um * np.clip(1 + spec.furrow_cv * rng.standard_normal(len(cells)), 0, 3)
    plates: list[shapely.Polygon] = []
    for cell, width in zip(shapely.intersection(cells, box), widths, strict=True):
        shrunk = shapely.buffer(cell, -0.5 * width)
        # Opening (shrink, then grow) rounds the corners; a plate too small for it keeps them.
        rounded = shapely.buffer(shapely.buffer(shrunk, -spec.rounding_um), spec.rounding_um)
        whole = shrunk if rounded.is_empty else rounded
        plates += [part for part in shapely.get_parts(whole) if part.area > 0]
    return plates


def _spread(count: int, low: FloatArray, high: FloatArray, rng: Generator) -> FloatArray:
    """Place ``count`` points far from each other (best of several candidates each)."""
    chosen = np.empty((max(count, 2), 2))
    chosen[0] = rng.uniform(low, high)
    for i in range(1, len(chosen)):
        candidates = rng.uniform(low, high, (_CANDIDATES, 2))
        gaps = np.linalg.norm(candidates[:, None] - chosen[None, :i], axis=2).min(axis=1)
        chosen[i] = candidates[gaps.argmax()]
    return chosen


def _smooth_outline(plate: shapely.Polygon, spec: Relief) -> FloatArray:
    """Resample the outline at even steps and join them by a closed Bezier curve."""
    ring = plate.exterior
    step = max(_KNOT_SHARE * spec.rounding_um, ring.length / 200)
    knots = max(8, round(ring.length / step))
    along = shapely.line_interpolate_point(ring, np.linspace(0, ring.length, knots, endpoint=False))
    return closed_curve(shapely.get_coordinates(along))
