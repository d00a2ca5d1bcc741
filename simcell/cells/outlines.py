"""Cells that stand apart: discs, ellipses and wavy outlines, with hidden parts."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Grid, IntArray, Pattern
from simcell.cells.pieces import merge_into_neighbours, split
from simcell.cells.table import Cells, tabulate
from simcell.cells.wrap import reach_of, wrapped
from simcell.rng import Streams
from simcell.scene.cells import Outlines

_LEAST_RADIUS = 0.15  # share of its mean radius that a wavy outline never goes below
_ANGLES = 256  # of a wavy outline; between them the radius is interpolated
_WAVES = 48  # of the random field that neighbours' directions follow


def grow(
    spec: Outlines,
    pattern: Pattern,
    grid: Grid,
    margin_px: int,
    streams: Streams,
    periodic: bool,
) -> Cells:
    """Stamp the objects in order. See ``simcell.cells.grow``."""
    spacing = grid.spacing_um[0]
    pattern = _with_shapes(spec, pattern, streams)
    if periodic:
        size = np.asarray(grid.size_um)
        reach = reach_of(len(pattern), size, margin_px * spacing)
        pattern = wrapped(pattern, grid.size_um, reach)
    shape = grid.padded(margin_px).shape
    centres = pattern.points / spacing + margin_px
    waves = np.array([pattern.marks[name] for name in _wave_names(spec)]).T
    waves = waves.reshape(len(pattern), len(_wave_names(spec)) // 2, 2)
    axes = _axes(spec, pattern.marks, waves) / spacing
    turn = pattern.marks["orientation_rad"]
    share = spec.meet == "share"
    image, total, in_field, claims = stamp(
        (shape[0], shape[1]), margin_px, centres, axes, turn, waves, _spindle(spec.taper), share
    )
    inner = slice(margin_px, -margin_px or None)
    seen = np.bincount(image[inner, inner].ravel(), minlength=len(pattern) + 1)[1:]
    overlap = 1.0 - seen / np.maximum(in_field, 1)
    if share:
        # A fair share of ground that m outlines claim is 1/m of it: crowding hides nobody.
        fair = np.bincount(image.ravel(), claims.ravel(), len(pattern) + 1)[1:]
        got = np.bincount(image.ravel(), minlength=len(pattern) + 1)[1:]
        total = np.ceil(total * got / np.maximum(fair, 1)).astype(np.int32)
    image = tidy(image, total, spec.min_visible)
    if share:
        # What an outline lost to its neighbours is not hidden: the cell never had it.
        total = np.bincount(image.ravel(), minlength=len(pattern) + 1)[1:].astype(np.int32)
        overlap = np.zeros(len(pattern))
    amodal = total.astype(np.float64)
    return tabulate(image, pattern, amodal, np.clip(overlap, 0, 1), grid, margin_px)


def _axes(spec: Outlines, marks: dict[str, FloatArray], waves: FloatArray) -> FloatArray:
    """Semi-axes (n, 2) in µm of outlines that have the area of their radius's disc.

    Waves add to the area: r² (1 + sum of squared coefficients / 2) on average over
    angles. A spindle |v| = (1 - u²)^t has 2 √π Γ(t + 1) / Γ(t + 3/2).
    """
    stretch = 1.0 / np.sqrt(marks["axis_ratio"])
    axes = np.stack([marks["radius_um"] * stretch, marks["radius_um"] / stretch], axis=1)
    axes /= np.sqrt(1.0 + 0.5 * np.square(waves).sum(axis=(1, 2)))[:, None]
    t = spec.taper
    area = 2.0 * math.sqrt(math.pi) * math.gamma(t + 1.0) / math.gamma(t + 1.5)
    return np.asarray(axes * math.sqrt(math.pi / area))


def _directions_of_profile() -> FloatArray:
    """Return unit vectors (2, _ANGLES + 1) as (u, v) at evenly spaced diamond angles.

    A diamond angle runs from 0 to 4 along |u| + |v| = 1 and needs no arc tangent.
    """
    at = np.linspace(0.0, 4.0, _ANGLES + 1)
    u = np.where(at < 2.0, 1.0 - at, at - 3.0)
    v = np.where(at < 2.0, 1.0 - np.abs(u), np.abs(u) - 1.0)
    return np.asarray(np.stack([u, v]) / np.hypot(u, v))


_UNIT = _directions_of_profile()


@lru_cache(maxsize=64)
def _spindle(taper: float) -> FloatArray:
    """Radius of |v| = (1 - u²)^taper at each diamond angle; 1 all round for an ellipse."""
    if taper == 0.5:
        return np.ones(_ANGLES + 1)
    u, v = np.abs(_UNIT)
    low, high = np.zeros(_ANGLES + 1), np.full(_ANGLES + 1, np.sqrt(2.0))
    for _ in range(50):
        middle = 0.5 * (low + high)
        inside = middle * v <= np.maximum(1.0 - (middle * u) ** 2, 0.0) ** taper
        inside &= middle * u <= 1.0
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low


def _with_shapes(spec: Outlines, pattern: Pattern, streams: Streams) -> Pattern:
    """Draw the marks of the outline that the point process has not given."""
    count = len(pattern)
    marks = dict(pattern.marks)
    if "radius_um" not in marks:
        spread = streams("cells.radius").standard_normal(count)
        marks["radius_um"] = spec.radius_um * np.clip(1 + spec.radius_cv * spread, 0.1, 4.0)
    if "axis_ratio" not in marks:
        low, high = spec.axis_ratio_min, spec.axis_ratio_max
        marks["axis_ratio"] = streams("cells.axis_ratio").uniform(low, high, count)
    if "orientation_rad" not in marks:
        marks["orientation_rad"] = _directions(spec, pattern.points, streams)
    if spec.waviness > 0:
        marks |= dict(zip(_wave_names(spec), _waves(spec, count, streams).T, strict=True))
    return Pattern(pattern.points, marks, pattern.notes)


def _directions(spec: Outlines, points: FloatArray, streams: Streams) -> FloatArray:
    """Orientations (n,): uniform, alike for points nearer than ``align_um``.

    Twice the angle is that of a vector of two smooth Gaussian fields (sums of plane
    waves), so that no direction is preferred and an axis has no head.
    """
    if spec.axis_ratio_max == 1.0 and spec.axis_ratio_min == 1.0:
        return np.zeros(len(points))
    rng = streams("cells.orientation")
    if spec.align_um == 0:
        return rng.uniform(-np.pi / 2, np.pi / 2, len(points))
    wave = rng.standard_normal((2, _WAVES, points.shape[1])) / spec.align_um
    start = rng.uniform(0.0, 2.0 * np.pi, (2, 1, _WAVES))
    # einsum keeps one order of summation, which BLAS does not promise.
    field = np.cos(np.einsum("nd,fwd->fnw", points, wave) + start).sum(axis=2)
    return np.asarray(0.5 * np.arctan2(field[0], field[1]))


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
    """Keep each object's largest visible piece; the rest goes to what lies beside it, if any."""
    pieces = split(image)
    main = pieces.main
    whole = np.concatenate([[1], np.maximum(total, 1)])[pieces.owner]
    hidden = main & (pieces.area_px < min_visible * whole)
    lost = ~main | hidden
    lost[0] = False
    if not lost.any():
        return image
    root = merge_into_neighbours(pieces, lost)
    owner = np.where(lost[root], 0, pieces.owner[root]).astype(np.int32)
    owner[0] = 0
    return owner[pieces.image]


@njit(cache=True)
def _profile(waves: FloatArray, spindle: FloatArray, unit: FloatArray, out: FloatArray) -> float:
    """Write the outline's radius, relative to its axes, at each diamond angle.

    Cosines and sines of multiple angles come from those of the angle itself.
    Returns the largest radius.
    """
    most = 0.0
    for k in range(len(out)):
        cos1, sin1 = unit[0, k], unit[1, k]
        cos, sin = cos1, sin1
        radius = 1.0
        for j in range(len(waves)):
            cos, sin = cos * cos1 - sin * sin1, sin * cos1 + cos * sin1
            radius += waves[j, 0] * cos + waves[j, 1] * sin
        out[k] = max(radius, _LEAST_RADIUS) * spindle[k]
        most = max(most, float(out[k]))
    return most


@njit(cache=True)
def _relative(u: float, v: float, profile: FloatArray) -> float:
    """Distance from the centre over the outline's radius in the same direction."""
    d = np.sqrt(u * u + v * v)
    if len(profile) == 0 or d == 0.0:
        return float(d)
    along = v / (abs(u) + abs(v))
    if u < 0:
        along = 2.0 - along
    elif v < 0:
        along = 4.0 + along
    along *= (len(profile) - 1) / 4.0
    k = min(int(along), len(profile) - 2)
    return float(d / (profile[k] + (along - k) * (profile[k + 1] - profile[k])))


@njit(cache=True)
def stamp(
    shape: tuple[int, int],
    margin: int,
    centres: FloatArray,
    axes: FloatArray,
    turn: FloatArray,
    waves: FloatArray,
    spindle: FloatArray,
    share: bool,
) -> tuple[IntArray, IntArray, IntArray, NDArray[np.uint16]]:
    """Draw objects on a label image.

    Parameters
    ----------
    shape : tuple of int
        Size of the padded image.
    margin : int
        Its margin around the field.
    centres, axes, turn, waves : FloatArray
        Centre (n, 2), semi-axes (n, 2) in pixels, orientation (n,), harmonics (n, k, 2).
    spindle : FloatArray
        Radius (_ANGLES + 1,) of the outline without waves at each diamond angle.
    share : bool
        A pixel in several outlines goes to the object of which it is the innermost,
        as a share of the radius in its direction; else to the last of them.

    Returns
    -------
    image : IntArray
        1 + the number of the object that has the pixel, 0 = none.
    total : IntArray
        Pixels of each whole object, also beyond the image.
    in_field : IntArray
        Pixels of each whole object inside the field.
    claims : uint16 array
        Objects in whose outline each pixel lies.
    """
    height, width = shape
    image = np.zeros((height, width), np.int32)
    depth = np.full((height, width), 2.0, np.float32)
    claims = np.zeros((height, width), np.uint16)
    count = len(centres)
    total = np.zeros(count, np.int32)
    in_field = np.zeros(count, np.int32)
    plain = waves.shape[1] == 0 and np.all(spindle == 1.0)
    profile = np.empty(0 if plain else len(spindle))
    for i in range(count):
        swell = 1.0 if plain else _profile(waves[i], spindle, _UNIT, profile)
        cy, cx = centres[i]
        cos, sin = np.cos(turn[i]), np.sin(turn[i])
        reach = axes[i].max() * swell + 1.0
        for r in range(int(np.floor(cy - reach)), int(np.ceil(cy + reach)) + 1):
            dy = r + 0.5 - cy
            for c in range(int(np.floor(cx - reach)), int(np.ceil(cx + reach)) + 1):
                dx = c + 0.5 - cx
                u = (dx * cos + dy * sin) / axes[i, 0]
                v = (dy * cos - dx * sin) / axes[i, 1]
                out = 2.0 if u * u + v * v > swell * swell else _relative(u, v, profile)
                if out > 1.0:
                    continue
                total[i] += 1
                if margin <= r < height - margin and margin <= c < width - margin:
                    in_field[i] += 1
                if 0 <= r < height and 0 <= c < width:
                    claims[r, c] += 1
                    if out < depth[r, c]:
                        image[r, c] = i + 1
                        depth[r, c] = out if share else 2.0
    return image, total, in_field, claims
