"""A user's own objects, turned, flipped and rescaled, around the points.

An object moves farther from its point until it shares few enough pixels with those
placed before it, counted pixel by pixel: bounding boxes may overlap as they like.
Work is bounded by the number of tries, and what finds no place is left out.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import BoolArray, FloatArray, Grid, Pattern
from simcell.cells.bitmaps import Bits, Placed, free, stamp, target
from simcell.cells.library import open_library
from simcell.cells.outlines import tidy
from simcell.cells.placing import hidden, settled, steps_away
from simcell.cells.table import Cells, tabulate
from simcell.errors import SimcellError
from simcell.rng import Streams
from simcell.scene.masks import Masks

MOST_PX = 500_000_000
"""Largest size of all objects' bitmaps together."""


def grow(
    spec: Masks,
    pattern: Pattern,
    region: BoolArray,
    grid: Grid,
    margin_px: int,
    streams: Streams,
    periodic: bool,
) -> Cells:
    """Draw, turn, place and stamp the objects. See ``simcell.cells.grow``."""
    library = open_library(spec.path)
    if spec.fingerprint not in (None, library.fingerprint):
        msg = (
            f"cells.path = {spec.path!r}: the masks have changed (fingerprint "
            f"{library.fingerprint}, not {spec.fingerprint}); restore them, or start anew"
        )
        raise SimcellError(msg)
    spacing, count = grid.spacing_um[0], len(pattern)
    chosen = streams("cells.object").integers(0, len(library), count)
    size = _factors(spec, count, spacing, streams)
    shapes = _transforms(spec, size, streams)
    reach = library.reach[chosen] * size
    _check_size(reach)
    steps = steps_away(reach, spec.tries if spec.overlap_limit < 1 else 1, streams)
    centres = pattern.points / spacing + (0 if periodic else margin_px)
    wanted = centres.copy()
    period = (grid.shape[0], grid.shape[1]) if periodic else (0, 0)
    source = (library.bits, library.start, library.height, library.width, library.centre)
    placed, kept = place(
        source, chosen, shapes, reach, centres, steps, region, period, spec.overlap_limit
    )
    marks: dict[str, FloatArray] = pattern.marks | {
        "object": chosen.astype(np.float64) + 1.0,
        "scale": size,
    }
    notes = pattern.notes | {"moved": float(np.sum(kept & np.any(centres != wanted, axis=1)))}
    notes |= _density(pattern, region, grid, kept, periodic)
    pattern = Pattern(pattern.points, marks, notes)
    pattern, shape, shift = settled(pattern, centres, kept, grid, margin_px, periodic)
    height, width = grid.padded(margin_px).shape
    image, in_field = stamp(height, width, margin_px, placed, shape, shift)
    inner = (slice(margin_px, -margin_px or None),) * 2
    overlap = hidden(image[inner], in_field)
    amodal = placed.area[shape]
    image = tidy(image, amodal, spec.min_visible)
    return tabulate(image, pattern, amodal.astype(np.float64), overlap, grid, margin_px)


def _factors(spec: Masks, count: int, spacing_um: float, streams: Streams) -> FloatArray:
    """Factors (n,) from the masks' pixels to the field's: every ratio of sizes alike."""
    low, high = np.log(spec.scale_min), np.log(spec.scale_max)
    scale = np.exp(streams("cells.scale").uniform(low, high, count))
    return np.asarray(scale * ((spec.spacing_um or spacing_um) / spacing_um))


def _transforms(spec: Masks, size: FloatArray, streams: Streams) -> FloatArray:
    """Matrices (n, 2, 2) from offsets (y, x) in the field to offsets in the masks."""
    most = np.deg2rad(spec.turn_deg)
    turn = streams("cells.turn").uniform(-most, most, len(size))
    mirror = np.where(streams("cells.flip").random(len(size)) < spec.flip, -1.0, 1.0)
    cos, sin = np.cos(turn) / size, np.sin(turn) / size
    rows = [np.stack([cos, sin], axis=1), np.stack([-sin * mirror, cos * mirror], axis=1)]
    return np.stack(rows, axis=1)


def _check_size(reach: FloatArray) -> None:
    total = float(np.square(2.0 * np.ceil(reach) + 3.0).sum())
    if total > MOST_PX:
        msg = (
            f"cells: {len(reach)} objects of up to {2 * reach.max():.0f} px across need {total:.3g}"
            f" px, at most {MOST_PX:,} are allowed; lower points.density, or give cells.spacing_um"
        )
        raise SimcellError(msg)


def _density(
    pattern: Pattern, region: BoolArray, grid: Grid, kept: BoolArray, periodic: bool
) -> dict[str, float]:
    """Density asked for, and that of the objects placed, per mm²."""
    pixels = float(np.prod(grid.shape)) if periodic else float(region.sum())
    per_mm2 = 1e6 / (pixels * grid.spacing_um[0] ** 2)
    asked = pattern.notes.get("requested_density", len(pattern) * per_mm2)
    return {
        "requested_density": asked,
        "achieved_density": float(kept.sum()) * per_mm2,
        "rejected": float(np.sum(~kept)),
    }


@njit(cache=True)
def warp(source: Bits, centre: FloatArray, back: FloatArray, y: float, x: float, out: Bits) -> int:
    """Draw an object turned and rescaled about its centroid; return its pixels.

    Parameters
    ----------
    source : uint8 array
        Bitmap (h, w) of the object, its rim 0.
    centre : FloatArray
        Its centroid, in pixels from the bitmap's corner.
    back : FloatArray
        Matrix (2, 2) from offsets in ``out`` to offsets in ``source``.
    y, x : float
        Where the centroid comes to lie in ``out``.
    out : uint8 array
        Square bitmap to write: 1 where the source, interpolated, reaches a half.
    """
    height, width = source.shape
    total = 0
    for r in range(out.shape[0]):
        dy = r + 0.5 - y
        for c in range(out.shape[1]):
            dx = c + 0.5 - x
            v = centre[0] + back[0, 0] * dy + back[0, 1] * dx - 0.5
            u = centre[1] + back[1, 0] * dy + back[1, 1] * dx - 0.5
            out[r, c] = 0
            if v <= 0.0 or u <= 0.0 or v >= height - 1 or u >= width - 1:
                continue
            i, j = int(v), int(u)
            v -= i
            u -= j
            level = (1.0 - v) * ((1.0 - u) * source[i, j] + u * source[i, j + 1])
            level += v * ((1.0 - u) * source[i + 1, j] + u * source[i + 1, j + 1])
            if level >= 0.5:
                out[r, c] = 1
                total += 1
    return total


_Source = tuple[Bits, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], FloatArray]


@njit(cache=True)
def place(
    source: _Source,
    chosen: NDArray[np.int64],
    shapes: FloatArray,
    reach: FloatArray,
    centres: FloatArray,
    steps: FloatArray,
    inside: BoolArray,
    period: tuple[int, int],
    limit: float,
) -> tuple[Placed, BoolArray]:
    """Place objects one after another where they overlap little enough.

    As ``bitmaps.place``, of objects from a library: an object is drawn once and
    moves by whole pixels.

    Parameters
    ----------
    source : tuple
        Bits, starts, heights, widths and centroids of the library.
    chosen : int64 array
        Number (n,) in the library of each object.
    shapes : FloatArray
        Matrices (n, 2, 2) from offsets in the field to offsets in the library.
    reach : FloatArray
        Distance (n,) from an object's centre within which it lies, in pixels.
    centres, steps, inside, period, limit
        As in ``bitmaps.place``.

    Returns
    -------
    placed : Placed
    kept : BoolArray
        False for objects that found no place.
    """
    bits, starts, heights, widths, middles = source
    n = len(centres)
    side = np.empty(n, np.int64)
    start = np.zeros(n + 1, np.int64)
    for i in range(n):
        side[i] = 2 * int(np.ceil(reach[i])) + 3
        start[i + 1] = start[i] + side[i] ** 2
    corner, area = np.zeros((n, 2), np.int64), np.zeros(n, np.int32)
    placed = Placed(np.zeros(start[n], np.uint8), start, side, corner, area)
    kept = np.zeros(n, np.bool_)
    for i in range(n):
        k = chosen[i]
        own = bits[starts[k] : starts[k] + heights[k] * widths[k]].reshape((heights[k], widths[k]))
        bitmap = placed.bits[start[i] : start[i + 1]].reshape((side[i], side[i]))
        part_y, part_x = centres[i, 0] % 1.0, centres[i, 1] % 1.0
        half = side[i] // 2
        area[i] = warp(own, middles[k], shapes[i], half + part_y, half + part_x, bitmap)
        for t in range(steps.shape[1]):
            fits, y, x = target(centres[i], np.rint(steps[i, t]), t, inside, period)
            if not fits:
                continue
            corner[i, 0], corner[i, 1] = int(np.floor(y)) - half, int(np.floor(x)) - half
            if area[i] > 0 and (limit >= 1 or free(i, placed, kept, period, limit)):
                kept[i] = True
                centres[i, 0], centres[i, 1] = y, x
                break
    return placed, kept
