"""Choice of a point process, and intervals of its numbers, both by simulation.

Every family is fitted, and drawn from in the same windows. How far the pattern lies from
the draws, beside how far these lie from each other, gives a p-value (a global envelope of L
and G together); refitting the draws gives bias and interval of every number (parametric
bootstrap). The simplest family that is not refused is chosen, and of several alike the one
whose draws the pattern lies nearest.

References
----------
Baddeley et al. (2014), On tests of spatial pattern based on simulation envelopes, Ecol.
Monogr. 84:477-489.
Davison & Hinkley (1997), Bootstrap Methods and their Application, ch. 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from simcell.arrays import FloatArray, Window
from simcell.errors import SimcellError
from simcell.fit.families import FAMILIES, Family, Seen, farthest, pooled_k, side_of
from simcell.points import sample
from simcell.points._edges import edge_distance
from simcell.points.nearest import g_function
from simcell.rng import stream
from simcell.scene.points import PointSpec

DRAWS = 49
"""Simulations of each family."""
_REFUSED = 0.05
_FEWEST = 20  # points, all patterns together
_BEYOND = 2.0  # sides of a cell around a window that its draws are cut from
_UNEVEN = 0.4  # relative spread of densities that no process is asked to explain
_TOLD = 8.0  # ratio of an interval's ends from which a number counts as unknown
_TOLD_SHARE = 0.7  # width of an interval of gamma, likewise
_PAIRS = 5.0  # that independent points would have within a distance, for it to be told
_MEMBERS = 0.1  # of a cluster, below which there is none to speak of
_STEPS = 24  # distances at which L and G are compared


@dataclass(frozen=True)
class Fit:
    """A family fitted to patterns.

    Attributes
    ----------
    family : Family
    value, low, high : FloatArray
        Its numbers, corrected for bias, with 90 % intervals.
    identified : array of bool
        Whether the interval of each says more than nothing.
    p_value : float
        Of its envelope.
    distance : float
        How far the pattern lies from its draws, in standard deviations at the worst place.
    """

    family: Family
    value: FloatArray
    low: FloatArray
    high: FloatArray
    identified: tuple[bool, ...]
    p_value: float
    distance: float


@dataclass(frozen=True)
class Choice:
    """The chosen family, and all that were looked at."""

    chosen: Fit
    others: tuple[Fit, ...]

    @property
    def words(self) -> str:
        """Say what was looked at, and how it did."""
        each = ", ".join(f"{fit.family.kind} p = {fit.p_value:.2g}" for fit in self.others)
        return f"simulation envelopes of L and G: {each}"


def choose(
    seen: Seen,
    seed: int,
    *,
    families: Sequence[Family] = FAMILIES,
    draws: int = DRAWS,
    report: Callable[[float], None] | None = None,
) -> Choice:
    """Choose a family of point processes for patterns, and fit it.

    Parameters
    ----------
    seen : sequence of (points, window)
    seed : int
        Of the simulations.
    families : sequence of Family
    draws : int
        Simulations a family.
    report : callable, optional
        Told the share of the work done.

    Examples
    --------
    >>> from simcell.arrays import Window
    >>> from simcell.scene.points import HardCore
    >>> window = Window((200.0, 200.0))
    >>> points = sample(HardCore(density=2500.0), window, np.random.default_rng(1)).points
    >>> choose([(points, window)], 0, draws=39).chosen.family.repels
    True
    """
    count = sum(len(points) for points, _ in seen)
    if count < _FEWEST:
        msg = f"points: {count} in all; at least {_FEWEST} are needed to tell a point process"
        raise SimcellError(msg)
    radii = _distances(seen)
    observed = _curves(seen, radii)
    clumped = float(observed[:_STEPS].mean()) > 0
    fitting = [f for f in families if f.repels != clumped or len(f.names) == 1]
    wanted = fitting or list(families)
    fits: list[Fit] = []
    # Simplest first: what is not refused makes the rest superfluous.
    for size in sorted({len(family.names) for family in wanted}):
        for family in (f for f in wanted if len(f.names) == size):
            fits.append(_fitted(family, seen, observed, radii, seed, draws))
            if report is not None:
                report(len(fits) / len(wanted))
        if any(fit.p_value >= _REFUSED and all(fit.identified) for fit in fits):
            break
    standing = [fit for fit in fits if fit.p_value >= _REFUSED and all(fit.identified)]
    if standing:
        chosen = min(standing, key=lambda fit: fit.distance)
    else:
        # A process with a number that could be anything explains nothing.
        chosen = max(fits, key=lambda fit: (all(fit.identified), fit.p_value, -fit.distance))
    return Choice(_sharpened(chosen, seen, seed, draws), tuple(fits))


def _fitted(
    family: Family, seen: Seen, observed: FloatArray, radii: FloatArray, seed: int, draws: int
) -> Fit:
    """Fit a family, and draw from it to see how well it does and how well it is known."""
    value = family.fit(seen)
    drawn = _drawn(family, value, seen, seed, draws)
    if len(drawn) < 10:
        bad = np.full(len(value), np.nan)
        return Fit(family, value, bad, bad, (False,) * len(value), 0.0, np.inf)
    p_value, distance = _outlying(observed, np.array([_curves(one, radii) for one in drawn]))
    again = np.array([family.fit(one) for one in drawn])
    low, middle, high = _interval(family, value, value, again)
    return Fit(family, middle, low, high, _known(family, seen, value, low, high), p_value, distance)


def _sharpened(fit: Fit, seen: Seen, seed: int, draws: int) -> Fit:
    """Return the fit with bias and intervals as draws from its corrected numbers tell them.

    Those of the first round come from numbers that are off by the bias: of clusters taken for
    smaller than they are, counts vary less than they do.
    """
    value = fit.family.fit(seen)
    middle = _allowed(fit.family, fit.value)
    drawn = _drawn(fit.family, middle, seen, seed + 1, 2 * draws)
    if len(drawn) < 10:
        return fit
    again = np.array([fit.family.fit(one) for one in drawn])
    low, middle, high = _interval(fit.family, value, middle, again)
    known = _known(fit.family, seen, value, low, high)
    return replace(fit, value=middle, low=low, high=high, identified=known)


def _drawn(family: Family, value: FloatArray, seen: Seen, seed: int, draws: int) -> list[Seen]:
    """Draw patterns of a family in the windows of those seen; few points are left out."""
    specs = [family.spec(_allowed(family, value * _scaled(f, family))) for f in uneven(seen)]
    found: list[Seen] = []
    for k in range(draws):
        rng = stream(seed, k, f"fit.points.{family.kind}")
        drawn = [
            (drawn_in(spec, window, side_of(seen), rng), window)
            for spec, (_, window) in zip(specs, seen, strict=True)
        ]
        if sum(len(points) for points, _ in drawn) >= 3:
            found.append(drawn)
    return found


def _known(
    family: Family, seen: Seen, value: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[bool, ...]:
    """Tell of each number whether its interval says more than nothing."""
    known = tuple(
        bool(b - a < _TOLD_SHARE if name == "gamma" else b < _TOLD * max(a, 1e-12))
        for a, b, name in zip(low, high, family.names, strict=True)
    )
    if "gamma" in family.names:
        # Pairs that would be that near by chance, of points whose neighbourhood is seen whole:
        # that none is there says nothing where few were due.
        count = sum(_deep(points, window, seen) for points, window in seen)
        due = 0.5 * count * np.pi * (value[2] / side_of(seen)) ** 2
        if due < _PAIRS or not known[1]:
            known = (known[0], False, False)
    if "cluster_size" in family.names and value[1] < _MEMBERS:
        known = (known[0], False, False)
    return known


def _deep(points: FloatArray, window: Window, seen: Seen) -> int:
    """Count points that are farther from the edge than the farthest pairs that are looked at."""
    return int((edge_distance(points, window) >= farthest(seen)).sum()) if len(points) else 0


def drawn_in(spec: PointSpec, window: Window, side_um: float, rng: Generator) -> FloatArray:
    """Draw points of a process that goes on beyond the window.

    A torus some sides of a cell wider stands in for the plane: a process that lives in the
    window alone is denser along its edges.
    """
    margin = _BEYOND * side_um
    size = tuple(side + 2 * margin for side in window.size_um)
    points = sample(spec, Window(size, periodic=True), rng).points - margin
    return np.ascontiguousarray(points[window.contains(points)])


def uneven(seen: Seen) -> FloatArray:
    """Return the density of each pattern over that of all, where they differ widely; else 1.

    Chance, and clusters, make counts differ too: only what is far beyond that counts.
    """
    counts = np.array([len(points) for points, _ in seen], np.float64)
    areas = np.array([window.volume for _, window in seen])
    expected = counts.sum() * areas / areas.sum()
    relative = (counts + 0.5) / (expected + 0.5)
    spread = float(((counts - expected) ** 2 / expected).sum() / max(len(seen) - 1, 1))
    return relative if relative.std() > _UNEVEN and spread > 10 else np.ones(len(seen))


def _scaled(factor: float, family: Family) -> FloatArray:
    return np.array([factor, *([1.0] * (len(family.names) - 1))])


def _allowed(family: Family, value: FloatArray) -> FloatArray:
    """Return numbers that the scene takes."""
    low = np.array([0.0 if name == "gamma" else 1e-3 for name in family.names])
    high = np.array([1.0 if name == "gamma" else 1e5 for name in family.names])
    high[0] = 1e9
    return np.clip(value, low, high)


def _distances(seen: Seen) -> FloatArray:
    shortest = min(min(window.size_um) for _, window in seen)
    return np.linspace(0.1, 1.0, _STEPS) * min(2.5 * side_of(seen), 0.25 * shortest)


def _curves(seen: Seen, radii: FloatArray) -> FloatArray:
    """Return L - r over the side of a cell, and G, of all patterns together."""
    spread = np.sqrt(pooled_k(seen, radii) / np.pi) - radii
    total, weights = np.zeros(len(radii)), np.zeros(len(radii))
    for points, window in seen:
        if len(points) > 2:
            g = g_function(points, window, 0.6 * radii)
            good = np.isfinite(g)
            total[good] += len(points) * g[good]
            weights[good] += len(points)
    return np.concatenate([spread / side_of(seen), total / np.maximum(weights, 1.0)])


def _outlying(observed: FloatArray, curves: FloatArray) -> tuple[float, float]:
    """Return the p-value of the largest deviation in standard deviations, and that deviation."""
    everything = np.vstack([observed, curves])
    spread = np.maximum(everything.std(axis=0), 1e-3)
    worst = np.abs((everything - everything.mean(axis=0)) / spread).max(axis=1)
    clear = np.abs((observed - curves.mean(axis=0)) / np.maximum(curves.std(axis=0), 1e-3))
    return float((worst >= worst[0]).mean()), float(clear.max())


def _interval(
    family: Family, value: FloatArray, truth: FloatArray, again: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return 90 % intervals (basic bootstrap) and values without bias.

    ``again`` are fits of draws from ``truth``. Their errors are taken as the same on the scale of
    logarithms; those of gamma, which may be 0, on that of roots.
    """
    roots = np.array([name == "gamma" for name in family.names])

    def bent(x: FloatArray) -> FloatArray:
        return np.where(roots, np.sqrt(np.maximum(x, 0.0)), np.log(np.maximum(x, 1e-9)))

    def straight(x: FloatArray) -> FloatArray:
        return np.where(roots, np.clip(x, 0.0, 1.0) ** 2, np.exp(np.minimum(x, 40.0)))

    low, middle, high = np.quantile(bent(again) - bent(truth), (0.05, 0.5, 0.95), axis=0)
    base = bent(value)
    return straight(base - high), straight(base - middle), straight(base - low)
