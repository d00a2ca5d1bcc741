"""Grey levels by where they lie in labelled cells: borders, bodies, middles, background.

Decision: a pixel's place is its distance to the nearest border over the radius of the disc
that is as large as the mean cell, so that one set of steps serves all tissue; and in pixels next to
the border, where blur and drawn lines show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import BoolArray, FloatArray, Image, IntArray
from simcell.describe.grey import Curve, illumination
from simcell.fields import border_distance, distance_to_zero

_NEAR_PX = (1.0, 2.0, 3.0)  # steps next to a border; those beyond are shares of the radius
_SHARES = (0.15, 0.25, 0.4, 0.55, 0.75)
_OUTSIDE_PX = (1.0, 2.0, 4.0, 8.0)
_RIM, _MIDDLE = 0.3, 0.6  # shares of a cell's own depth that part its rim, body and middle
_FEW = 5


@dataclass(frozen=True)
class Zones:
    """Where the pixels of a labelled field lie.

    Attributes
    ----------
    labels : IntArray
        0 background, 1 to n.
    known : BoolArray
        Pixels that count.
    spacing_um : float
    radius_px : float
        Radius of the disc as large as the mean cell; one for all fields that are compared.
    """

    labels: IntArray
    known: BoolArray
    spacing_um: float
    radius_px: float

    @property
    def count(self) -> int:
        """Number of cells."""
        return int(self.labels.max(initial=0))

    @cached_property
    def depth_px(self) -> Image:
        """Distance to the nearest border, negative in the background."""
        cells = self.labels > 0
        inside = border_distance(self.labels)
        if cells.all():
            return inside
        outside = distance_to_zero((~cells).astype(np.uint8)) - np.float32(0.5)
        return np.where(cells, inside, -outside).astype(np.float32)

    @cached_property
    def edges_px(self) -> FloatArray:
        """Steps of distance at which the profile is taken, outermost first."""
        radius = self.radius_px
        inner = sorted({*_NEAR_PX, *(share * radius for share in _SHARES)})
        inner = [edge for edge in inner if edge < 0.9 * radius]
        return np.array([*(-edge for edge in reversed(_OUTSIDE_PX)), 0.0, *inner])

    @cached_property
    def step(self) -> NDArray[np.intp]:
        """Step of the profile that each pixel belongs to; -1 where it does not count."""
        step = np.digitize(self.depth_px, self.edges_px)
        return np.where(self.known, step, -1)

    @cached_property
    def part(self) -> NDArray[np.intp]:
        """Three numbers a cell, 3 (label - 1) + 0 rim, 1 body, 2 middle; -1 elsewhere."""
        deepest = np.zeros(self.count + 1, np.float32)
        np.maximum.at(deepest, self.labels, self.depth_px)
        share = self.depth_px / np.maximum(deepest[self.labels], 1.0)
        place = np.digitize(share, [_RIM, _MIDDLE])
        good = self.known & (self.labels > 0)
        return np.where(good, 3 * (self.labels - 1) + place, -1).astype(np.intp)


@dataclass(frozen=True)
class Levels:
    """Grey levels of the parts of cells.

    Attributes
    ----------
    profile : Curve
        Mean grey level over the distance to the border in µm; negative outside cells.
    spread : Curve
        Standard deviation there, slow changes of illumination taken out.
    border, interior, background : float
        Mean grey level of pixels on borders, of those deeper than a third of a cell, and
        of those outside; NaN where there is none.
    cell_cv : float
        Spread of the cells' mean levels over the mean, illumination taken out.
    texture_cv : float
        Spread within cells, away from their rims, over the mean.
    middle, middle_sd : float
        Middle of a cell less its body over the body: mean, and spread between cells.
    """

    profile: Curve
    spread: Curve
    border: float
    interior: float
    background: float
    cell_cv: float
    texture_cv: float
    middle: float
    middle_sd: float

    @property
    def contrast(self) -> float:
        """Border over interior less 1: above 0 where borders are bright; NaN unknown."""
        return self.border / self.interior - 1.0 if self.interior > 0 else float("nan")


def mean_radius_px(labels: IntArray) -> float:
    """Return the radius of the disc that is as large as the mean cell."""
    area = float((labels > 0).sum()) / max(int(labels.max(initial=0)), 1)
    return float(np.sqrt(area / np.pi))


def levels_of(image: Image, zones: Zones) -> Levels:
    """Measure the grey levels of the parts of labelled cells.

    Parameters
    ----------
    image : Image
        float32 (y, x), 0 to 255.
    zones : Zones

    Returns
    -------
    Levels

    Examples
    --------
    >>> labels = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((16, 16))).astype(np.int32)
    >>> zones = Zones(labels, np.ones((64, 64), np.bool_), 0.5, mean_radius_px(labels))
    >>> image = np.where(zones.depth_px < 2, 50, 150).astype(np.float32)
    >>> round(levels_of(image, zones).contrast, 2)
    -0.67
    """
    flat = image - illumination(image) + np.float32(image.mean())
    steps = len(zones.edges_px) + 1
    which, image_1d, flat_1d = zones.step.ravel() + 1, image.ravel(), flat.ravel()
    counts = _sums(which, np.ones_like(image_1d), steps)
    mean = _over(_sums(which, image_1d, steps), counts)
    flat_mean = _over(_sums(which, flat_1d, steps), counts)
    square = _over(_sums(which, flat_1d * flat_1d, steps), counts)
    x = _middles(zones.edges_px) * zones.spacing_um
    deep = zones.edges_px >= zones.radius_px / 3
    return Levels(
        Curve(x, mean),
        Curve(x, np.sqrt(np.maximum(square - flat_mean**2, 0.0))),
        _weighted(mean, counts, np.r_[False, zones.edges_px == 0.0]),
        _weighted(mean, counts, np.r_[False, deep]),
        _weighted(mean, counts, np.r_[True, zones.edges_px < 0.0]),
        *_between(flat, zones),
    )


def summary(levels: Levels) -> dict[str, float]:
    """Return the numbers of `levels_of` by name."""
    numbers = {f"level at step {i}": v for i, v in enumerate(levels.profile.y)}
    numbers |= {f"spread at step {i}, log": _log(v) for i, v in enumerate(levels.spread.y)}
    numbers["between cells, log"] = _log(levels.cell_cv, 0.005)
    numbers["within cells, log"] = _log(levels.texture_cv, 0.005)
    numbers["middle"] = levels.middle
    numbers["middle, spread, log"] = _log(levels.middle_sd, 0.005)
    return {name: float(value) for name, value in numbers.items()}


def _log(value: float, least: float = 0.05) -> float:
    return float(np.log(max(value, 0.0) + least)) if np.isfinite(value) else float("nan")


def _sums(which: NDArray[np.intp], values: Image, n: int) -> FloatArray:
    """Add up the values of pixels 1 to n; 0 stands for those that do not count."""
    return np.asarray(np.bincount(which, values, n + 1)[1:], np.float64)


def _over(sums: FloatArray, counts: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts >= _FEW, sums / counts, np.nan)


def _middles(edges: FloatArray) -> FloatArray:
    between = 0.5 * (edges[1:] + edges[:-1])
    return np.concatenate([[edges[0] * 1.5], between, [edges[-1] * 1.2]])


def _weighted(values: FloatArray, counts: FloatArray, chosen: BoolArray) -> float:
    chosen = chosen & np.isfinite(values)
    total = counts[chosen].sum()
    return float((values[chosen] * counts[chosen]).sum() / total) if total > 0 else float("nan")


def _between(flat: Image, zones: Zones) -> tuple[float, float, float, float]:
    """Spread of levels between cells and within, and how the middle stands out."""
    n = 3 * zones.count
    which, values = zones.part.ravel() + 1, flat.ravel()
    counts = _sums(which, np.ones_like(values), n).reshape(-1, 3)
    sums = _sums(which, values, n).reshape(-1, 3)
    squares = _sums(which, values * values, n).reshape(-1, 3)
    inner, total = counts[:, 1:].sum(axis=1), sums[:, 1:].sum(axis=1)
    good = inner >= _FEW
    if good.sum() < 3:
        return (float("nan"),) * 4
    level = total[good] / inner[good]
    within = squares[good, 1:].sum(axis=1) / inner[good] - level**2
    mean = max(float(level.mean()), 1.0)
    texture = float(np.sqrt(max(float(np.average(within, weights=inner[good])), 0.0))) / mean
    both = (counts[:, 1] >= _FEW) & (counts[:, 2] >= _FEW)
    if both.sum() < 3:
        return float(level.std()) / mean, texture, float("nan"), float("nan")
    body, middle = (sums[both, k] / counts[both, k] for k in (1, 2))
    step = (middle - body) / mean
    return float(level.std()) / mean, texture, float(step.mean()), float(step.std())
