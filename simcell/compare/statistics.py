"""The numbers that are compared, one of each an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from simcell.arrays import MM_IN_UM, FloatArray
from simcell.compare.effects import Effect, effect
from simcell.compare.measured import Measured
from simcell.describe.cells import weighted
from simcell.describe.grey import Curve
from simcell.points.nearest import g_function
from simcell.points.summary import pair_correlation

Group = Literal["centres", "cells", "grey"]
GROUPS: dict[Group, str] = {
    "centres": "Where cells lie",
    "cells": "Size, shape and neighbours",
    "grey": "Grey levels",
}
_FEWEST = 5
_SEEN = 0.05  # grey levels of noise that nobody would tell from none


@dataclass(frozen=True)
class Statistic:
    """A number that is measured in every image.

    Attributes
    ----------
    name : str
    group : str
    about : str
        What it is, with its unit.
    of : callable
        From a measured field to the number; NaN where it cannot tell.
    cause : str
        What in the simulation it mainly hangs on; see `simcell.compare.advice`.
    least : float
        Difference that nobody would see.
    words : pair of str
        What synthetic images are where the number is too low, and too high.
    log : bool
        Whether it is compared on a scale of ratios; ``least`` then is a logarithm.
    """

    name: str
    group: Group
    about: str
    of: Callable[[Measured], float]
    cause: str
    least: float = 0.0
    words: tuple[str, str] = field(default=("too low", "too high"))
    log: bool = False


def _density(m: Measured) -> float:
    if m.cells is not None:
        area, _ = _mean(m, "area_um2")
        return m.covered / area * MM_IN_UM**2
    return np.nan if m.centres is None else len(m.centres) / m.known_um2 * MM_IN_UM**2


def _mean(m: Measured, name: str) -> tuple[float, float]:
    if m.cells is None or m.cells["whole"].sum() < _FEWEST:
        return np.nan, np.nan
    whole = m.cells[m.cells["whole"]]
    return weighted(whole[name], whole["weight"])


def _cell(name: str) -> Callable[[Measured], float]:
    return lambda m: _mean(m, name)[0]


def _inner(m: Measured) -> FloatArray:
    if m.cells is None:
        return np.zeros(0)
    sides = m.cells["neighbours"][m.cells["surrounded"]].astype(np.float64)
    return sides if len(sides) >= 2 * _FEWEST else np.zeros(0)


def _hexagons(m: Measured) -> float:
    sides = _inner(m)
    return float((sides == 6).mean()) if len(sides) else np.nan


def _lewis(m: Measured) -> float:
    sides = _inner(m)
    if len(sides) == 0 or np.ptp(sides) == 0:
        return np.nan
    assert m.cells is not None
    area = m.cells["area_um2"][m.cells["surrounded"]]
    return float(np.polyfit(sides, area / area.mean(), 1)[0])


def _nearest(m: Measured) -> tuple[float, float]:
    """Mean and relative spread of the distance to the nearest centre, in mean distances."""
    found = m.pattern()
    if found is None:
        return np.nan, np.nan
    r = np.linspace(0.0, 2.0, 101)
    # From its distribution, corrected for what lies beyond the edge.
    g = np.maximum.accumulate(np.nan_to_num(g_function(*found, r), nan=0.0))
    if g[-1] <= 0:
        return np.nan, np.nan
    return weighted(0.5 * (r[1:] + r[:-1]), np.diff(g / g[-1]))


def _peak(m: Measured) -> float:
    found = m.pattern()
    if found is None:
        return np.nan
    return float(np.nanmax(pair_correlation(*found, np.linspace(0.5, 2.0, 31))))


def _grey(name: str) -> Callable[[Measured], float]:
    return lambda m: np.nan if m.grey is None else float(getattr(m.grey, name))


def _of_curve(name: str, reduce: Callable[[Curve], float]) -> Callable[[Measured], float]:
    return lambda m: np.nan if m.grey is None else reduce(getattr(m.grey, name))


def _noise(curve: Curve) -> float:
    told = curve.y[np.isfinite(curve.y)]
    return float(told.mean()) + _SEEN if len(told) else np.nan


def _noise_rise(curve: Curve) -> float:
    """Slope of noise on signal in logs: 0 constant, 1/2 photons, 1 speckle."""
    x, y = np.log(np.maximum(curve.x, 1.0)), np.log(np.maximum(curve.y, 0.05))
    good = np.isfinite(x + y)
    if good.sum() < 3 or np.ptp(x[good]) < 0.05:
        return np.nan
    return float(np.polyfit(x[good], y[good], 1)[0])


def _spectral_slope(curve: Curve) -> float:
    """Slope of log power on log frequency above 1/16 cycle per pixel."""
    good = np.isfinite(curve.y) & (curve.x > 1 / 16) & (curve.y > 0)
    if good.sum() < 3:
        return np.nan
    return float(np.polyfit(np.log(curve.x[good]), np.log(curve.y[good]), 1)[0])


def _fine(curve: Curve) -> float:
    total = float(curve.y.sum())
    return float(curve.y[:2].sum() / total) if total > 0 else np.nan


def _level(share: int) -> Callable[[Curve], float]:
    return lambda curve: float(curve.y[share])


STATISTICS: tuple[Statistic, ...] = (
    Statistic("density", "centres", "cells per mm²", _density, "density",
              words=("too few cells", "too many cells"), log=True),
    Statistic("nearest", "centres", "distance to the nearest centre, in mean distances",
              lambda m: _nearest(m)[0], "order", 0.01,
              ("cells too close to each other", "cells too evenly apart")),
    Statistic("nearest_cv", "centres", "relative spread of that distance",
              lambda m: _nearest(m)[1], "order", 0.01, ("too regular", "too irregular")),
    Statistic("pcf_peak", "centres", "highest pair correlation", _peak, "order", 0.05,
              ("too little order among neighbours", "too much order among neighbours")),
    Statistic("area_um2", "cells", "mean area of a cell, µm²", _cell("area_um2"), "size",
              words=("cells too small", "cells too large"), log=True),
    Statistic("area_cv", "cells", "relative spread of areas",
              lambda m: _mean(m, "area_um2")[1], "spread", 0.01,
              ("cells too much of one size", "cells of too many sizes")),
    Statistic("covered", "cells", "share of the tissue that is cells", lambda m: m.covered,
              "cover", 0.01, ("too much empty space", "too little empty space")),
    Statistic("elongation", "cells", "long over short axis", _cell("elongation"), "shape", 0.02,
              ("cells too round", "cells too long")),
    Statistic("circularity", "cells", "4π area / perimeter²", _cell("circularity"), "outline", 0.01,
              ("outlines too ragged", "outlines too round")),
    Statistic("solidity", "cells", "area over that of the convex hull", _cell("solidity"),
              "outline", 0.005, ("outlines too wavy", "outlines too convex")),
    Statistic("hexagons", "cells", "share of cells with six neighbours", _hexagons, "order", 0.02,
              ("too few hexagons", "too many hexagons")),
    Statistic("lewis", "cells", "relative area that one neighbour more adds", _lewis, "order", 0.01,
              ("area follows neighbours too little", "area follows neighbours too much")),
    Statistic("mean", "grey", "mean grey level, 0 to 255", _grey("mean"), "brightness", 2.0,
              ("too dark", "too bright")),
    Statistic("sd", "grey", "spread of grey levels", _grey("sd"), "depth", 0.02,
              ("too flat", "too contrasty"), log=True),
    Statistic("skew", "grey", "skewness, slow changes of light aside", _grey("skew"), "spots", 0.1,
              ("too few bright, or too many dark details",
               "too many bright, or too few dark details")),
    Statistic("dark", "grey", "grey level of the darkest 1 %", _of_curve("quantiles", _level(0)),
              "floor", 2.0, ("darkest parts too dark", "darkest parts too bright")),
    Statistic("bright", "grey", "grey level of the brightest 1 %",
              _of_curve("quantiles", _level(-1)), "depth", 2.0,
              ("brightest parts too dark", "brightest parts too bright")),
    Statistic("contrast", "grey", "borders of cells against their insides, -1 to 1",
              lambda m: m.contrast, "borders", 0.01,
              ("borders too dark against cells", "borders too bright against cells")),
    Statistic("ground", "grey", "brightness of cells over that of the background",
              lambda m: m.ground, "ground", 0.05,
              ("cells too faint on their background", "cells too bright on their background"),
              log=True),
    Statistic("polarity", "grey", "bright lines around cells (1) or dark ones (-1)",
              _grey("polarity"), "borders", 0.1,
              ("borders too dark, or cells too blurred", "borders too bright, or too sharp")),
    Statistic("slope", "grey", "slope of the spectrum at fine detail",
              _of_curve("spectrum", _spectral_slope), "blur", 0.1, ("too soft", "too sharp")),
    Statistic("noise", "grey", "standard deviation of the noise, grey levels",
              _of_curve("noise", _noise), "noise", 0.05,
              ("too little noise", "too much noise"), log=True),
    Statistic("noise_rise", "grey", "how noise grows with the signal (0, 1/2 photons, 1 speckle)",
              _of_curve("noise", _noise_rise), "noise", 0.05,
              ("noise too much the same everywhere", "noise too strong where it is bright")),
    Statistic("grain_px", "grey", "width of the finest grain, px", _grey("grain_px"), "grain", 0.05,
              ("grain too fine", "grain too coarse")),
    Statistic("fine", "grey", "share of bright grains that is as fine as 2 px",
              _of_curve("bright_grains", _fine), "texture", 0.02,
              ("texture too coarse", "texture too fine")),
    Statistic("uneven", "grey", "relative spread of the illumination", _grey("uneven"), "light",
              0.01, ("light too even", "light too uneven")),
    Statistic("clipped", "grey", "share of pixels at either end of the scale", _grey("clipped"),
              "floor", 0.002, ("too few clipped pixels", "too many clipped pixels")),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A statistic, and how the two sources differ in it."""

    statistic: Statistic
    effect: Effect
    values: tuple[FloatArray, FloatArray]


def rows(real: Sequence[Measured], synthetic: Sequence[Measured]) -> list[Row]:
    """Compare all numbers that both sources have, in the order of ``STATISTICS``."""
    found = []
    for statistic in STATISTICS:
        a, b = (np.array([statistic.of(m) for m in source]) for source in (real, synthetic))
        result = effect(a, b, statistic.least, log=statistic.log)
        if result is not None:
            found.append(Row(statistic, result, (a, b)))
    return found
