"""Curves of real images laid over those of synthetic ones.

Decision: distances between centres are in mean distances of the field, so that a
curve tells how cells are arranged, whatever their density; that has a number of its own.
All fields are cut to one window before, as small windows make curves restless.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import FloatArray, IntArray, Pattern, Window
from simcell.compare.effects import largest_gap
from simcell.compare.measured import Measured
from simcell.compare.statistics import Group
from simcell.describe.cells import SIDES
from simcell.describe.grey import LAGS, histogram
from simcell.points.envelope import envelope
from simcell.points.nearest import g_function
from simcell.points.summary import l_function, pair_correlation
from simcell.rng import stream

_LEVEL = 0.05
_ENOUGH = 19  # simulations that a test at this level needs
_FEWEST = 5
_SMALL_ONES = 0.2  # share of the fields that may be too small for the window
_SLACK = 0.1


@dataclass(frozen=True)
class Side:
    """A curve of one source.

    Attributes
    ----------
    x, middle : FloatArray
        Mean over images.
    low, high : FloatArray, optional
        Where 90 % of the images lie; None where all are taken together.
    """

    x: FloatArray
    middle: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None


@dataclass(frozen=True)
class Panel:
    """Curves of both sources.

    Attributes
    ----------
    name, group, title, x_label, y_label : str
    real, synthetic : Side
    note : str
        What the curves say, in one line.
    p_values : tuple of float
        Of each real image against the global envelope of the synthetic ones.
    log_x, log_y : bool
    steps : bool
        Shares of a histogram, drawn as steps.
    reference : tuple of (str, FloatArray), optional
        What the curve is in a case that everybody knows.
    """

    name: str
    group: Group
    title: str
    x_label: str
    y_label: str
    real: Side
    synthetic: Side
    note: str = ""
    p_values: tuple[float, ...] = ()
    log_x: bool = False
    log_y: bool = False
    steps: bool = False
    reference: tuple[str, FloatArray] | None = None


Source = Sequence[Measured]


def panels(real: Source, synthetic: Source, seed: int) -> list[Panel]:
    """Draw up all curves that both sources have."""
    return [*_centres(real, synthetic, seed), *_cells(real, synthetic), *_grey(real, synthetic)]


def _centres(real: Source, synthetic: Source, seed: int) -> list[Panel]:
    """L, pair correlation and G, with envelopes."""
    sides = _common([*real, *synthetic])
    if sides is None:
        return []
    a, b = _cut(real, sides), _cut(synthetic, sides)
    if min(len(a), len(b)) == 0:
        return []
    far = min(3.0, min(sides) / 2.5)
    r, apart = np.linspace(0.0, far, 61), np.linspace(0.15, far, 58)
    label = "distance, in mean distances between cells"
    make = partial(_envelope_panel, a=a, b=b, seed=seed)
    return [
        make("l", "L: cells near by, against chance", (label, "L(r) − r"),
             r, lambda p, w: l_function(p, w, r) - r, ("by chance", np.zeros(len(r)))),
        make("pcf", "Pair correlation: usual distances", (label, "g(r)"),
             apart, lambda p, w: pair_correlation(p, w, apart), ("by chance", np.ones(58))),
        make("g", "G: distance to the nearest neighbour", (label, "G(r)"),
             r, lambda p, w: g_function(p, w, r), ("by chance", 1 - np.exp(-np.pi * r**2))),
    ]  # fmt: skip


def _common(source: Source) -> tuple[float, float] | None:
    """Sides of a window, in mean distances, that fits into that of nearly every field."""
    windows = [found[1].size_um for m in source if (found := m.pattern()) is not None]
    if not windows:
        return None
    sides = np.quantile(np.array(windows), _SMALL_ONES, axis=0)
    return float(sides[0]), float(sides[1])


def _cut(source: Source, sides: tuple[float, float]) -> list[tuple[FloatArray, Window]]:
    """Cut patterns to these sides; those of smaller fields are left out."""
    found = [m.pattern(sides) for m in source]
    least = (1 - _SLACK) * sides[0], (1 - _SLACK) * sides[1]
    return [
        p
        for p in found
        if p is not None and p[1].size_um[0] >= least[0] and p[1].size_um[1] >= least[1]
    ]


def _envelope_panel(
    name: str,
    title: str,
    labels: tuple[str, str],
    r: FloatArray,
    curve: Callable[[FloatArray, Window], FloatArray],
    reference: tuple[str, FloatArray],
    *,
    a: list[tuple[FloatArray, Window]],
    b: list[tuple[FloatArray, Window]],
    seed: int,
) -> Panel:
    real, synthetic = (np.stack([curve(*p) for p in found]) for found in (a, b))
    p_values = tuple(_p_value(one, synthetic, seed) for one in real) if len(b) >= _ENOUGH else ()
    note = ""
    if p_values:
        out = sum(p <= _LEVEL for p in p_values)
        note = f"{out} of {len(p_values)} real images leave the global 95 % envelope"
    return Panel(
        name,
        "centres",
        title,
        *labels,
        _side(r, real),
        _side(r, synthetic),
        note,
        p_values,
        reference=reference,
    )


def _p_value(observed: FloatArray, simulated: FloatArray, seed: int) -> float:
    """Test one real curve against all synthetic ones (maximum absolute deviation)."""
    curves = iter(simulated)
    band = envelope(
        _as_pattern(observed),
        lambda _: _as_pattern(next(curves)),
        lambda pattern: pattern.points[:, 0],
        stream(seed, 0, "compare.envelope"),
        simulations=len(simulated),
        level=_LEVEL,
    )
    return band.p_value


def _as_pattern(curve: FloatArray) -> Pattern:
    """Wrap a curve that is worked out already; a NaN counts as the usual value."""
    return Pattern(np.nan_to_num(curve)[:, None])


def _side(x: FloatArray, curves: FloatArray, share: float = 0.5) -> Side:
    """Mean of curves, and where 90 % of them lie; NaN where fewer than a share can tell."""
    told = np.isfinite(curves)
    enough = told.sum(axis=0) >= max(share * len(curves), 1)
    filled = np.where(told, curves, 0.0)
    middle = np.where(enough, filled.sum(axis=0) / np.maximum(told.sum(axis=0), 1), np.nan)
    low, high = np.full(len(x), np.nan), np.full(len(x), np.nan)
    for k in np.flatnonzero(enough):
        low[k], high[k] = np.quantile(curves[told[:, k], k], [0.05, 0.95])
    return Side(x, middle, low, high)


def _cells(real: Source, synthetic: Source) -> list[Panel]:
    a, b = _table(real), _table(synthetic)
    if a is None or b is None or min(a["whole"].sum(), b["whole"].sum()) < _FEWEST:
        return []
    found = [
        _shares("diameter", "Size of cells", "diameter of the disc of the same area, µm", a, b,
                "diameter_um"),
        _shares("elongation", "Length of cells", "long over short axis", a, b, "elongation"),
        _shares("circularity", "Roundness of cells", "4π area / perimeter²", a, b, "circularity"),
    ]  # fmt: skip
    return [*found, *_neighbours(a, b)]


def _table(source: Source) -> NDArray[np.void] | None:
    tables = [m.cells for m in source if m.cells is not None]
    return np.concatenate(tables) if tables else None


def _shares(
    name: str, title: str, label: str, a: NDArray[np.void], b: NDArray[np.void], column: str
) -> Panel:
    """Histograms of whole cells, each by its weight."""
    whole = [rows[rows["whole"]] for rows in (a, b)]
    values = np.concatenate([rows[column] for rows in whole])
    low, high = np.quantile(values, [0.005, 0.995])
    edges = np.linspace(low, high + 1e-9, 29)

    def side(rows: NDArray[np.void]) -> Side:
        share, _ = np.histogram(rows[column], edges, weights=rows["weight"])
        return Side(0.5 * (edges[1:] + edges[:-1]), share / max(share.sum(), 1e-12))

    a, b = whole
    gap = largest_gap(a[column], b[column])
    note = f"largest gap of the two distributions: {gap:.0%} of the cells"
    y = "share of cells"
    return Panel(name, "cells", title, label, y, side(a), side(b), note, steps=True)


def _neighbours(a: NDArray[np.void], b: NDArray[np.void]) -> list[Panel]:
    """Draw up counts of neighbours, and the laws of Lewis and Aboav."""
    inner = [rows[rows["surrounded"]] for rows in (a, b)]
    if min(len(rows) for rows in inner) < 4 * _FEWEST:
        return []
    x = "neighbours of a cell"

    def both(name: str, title: str, label: str, of: Callable[[NDArray[np.void]], Side]) -> Panel:
        return Panel(name, "cells", title, x, label, of(inner[0]), of(inner[1]))

    return [
        both("neighbours", "Number of neighbours", "share of cells", _counts),
        both("lewis", "Lewis: area by neighbours", "area over the mean",
             lambda rows: _by_sides(rows["neighbours"], _relative(rows["area_um2"]))),
        both("aboav", "Aboav: neighbours of the neighbours", "mean of the neighbours",
             lambda rows: _by_sides(rows["neighbours"], rows["around"])),
    ]  # fmt: skip


def _relative(values: FloatArray) -> FloatArray:
    return np.asarray(values / values.mean())


def _counts(rows: NDArray[np.void]) -> Side:
    share = np.array([(rows["neighbours"] == k).mean() for k in SIDES])
    return Side(SIDES.astype(float), share)


def _by_sides(n: IntArray, values: FloatArray) -> Side:
    """Mean, and two standard errors, of the cells with each number of neighbours."""
    groups = [values[(n == k) & np.isfinite(values)] for k in SIDES]
    mean = np.array([g.mean() if len(g) >= _FEWEST else np.nan for g in groups])
    error = np.array([2 * g.std() / np.sqrt(max(len(g), 1)) if len(g) else np.nan for g in groups])
    return Side(SIDES.astype(float), mean, mean - error, mean + error)


def _grey(real: Source, synthetic: Source) -> list[Panel]:
    a, b = ([m for m in source if m.grey is not None] for source in (real, synthetic))
    if min(len(a), len(b)) == 0:
        return []
    px = "cycles per pixel"
    return [
        _grey_panel("histogram", "Grey levels", ("grey level", "share of pixels"), a, b,
                    _histogram, steps=True),
        _grey_panel("spectrum", "Spectrum: detail from coarse to fine", (px, "power"), a, b,
                    lambda m: _curve(m, "spectrum"), log_x=True, log_y=True),
        _noise(a, b),
        _grey_panel("grain", "Grain: likeness of pixels near by", ("distance, px", "correlation"),
                    a, b, _likeness),
        _grey_panel("bright_grains", "Texture: bright grains by size",
                    ("radius, px", "grey levels"), a, b, lambda m: _curve(m, "bright_grains")),
        _grey_panel("dark_grains", "Texture: dark grains by size",
                    ("radius, px", "grey levels"), a, b, lambda m: _curve(m, "dark_grains")),
    ]  # fmt: skip


def _histogram(m: Measured) -> tuple[FloatArray, FloatArray]:
    assert m.field.image is not None
    found = histogram(m.field.image, 48)
    return found.x, found.y


def _likeness(m: Measured) -> tuple[FloatArray, FloatArray]:
    """Correlation of fine detail with itself, mean over both directions."""
    lags = np.array([dy + dx for dy, dx in LAGS])
    _, y = _curve(m, "grain")
    apart = np.unique(lags)
    return apart.astype(np.float64), np.array([y[lags == lag].mean() for lag in apart])


def _curve(m: Measured, name: str) -> tuple[FloatArray, FloatArray]:
    found = getattr(m.grey, name)
    return found.x, found.y


def _grey_panel(
    name: str,
    title: str,
    labels: tuple[str, str],
    a: Source,
    b: Source,
    of: Callable[[Measured], tuple[FloatArray, FloatArray]],
    *,
    log_x: bool = False,
    log_y: bool = False,
    steps: bool = False,
) -> Panel:
    curves = [[of(m) for m in source] for source in (a, b)]
    real, synthetic = (_side(own[0][0], np.stack([y for _, y in own])) for own in curves)
    x_label, y_label = labels
    return Panel(
        name,
        "grey",
        title,
        x_label,
        y_label,
        real,
        synthetic,
        log_x=log_x,
        log_y=log_y,
        steps=steps,
    )


def _noise(a: Source, b: Source) -> Panel:
    """Noise over signal; images have levels of their own, so curves are read at common ones."""
    levels = np.linspace(5.0, 250.0, 50)

    def of(m: Measured) -> tuple[FloatArray, FloatArray]:
        x, y = _curve(m, "noise")
        good = np.isfinite(x) & np.isfinite(y)
        if good.sum() < 2:
            return levels, np.full(len(levels), np.nan)
        order = np.argsort(x[good])
        return levels, np.interp(levels, x[good][order], y[good][order], np.nan, np.nan)

    real, synthetic = (
        _side(levels, np.stack([of(m)[1] for m in source]), 0.2) for source in (a, b)
    )
    y_label = "noise, grey levels"
    return Panel(
        "noise", "grey", "Noise by grey level", "grey level of the signal", y_label, real, synthetic
    )
