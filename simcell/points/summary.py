"""Summary statistics of point patterns: intensity, K, L, pair correlation, mark correlation.

Nearest-neighbour functions G, F and J and simulation envelopes live in
:mod:`simcell.points.nearest` and :mod:`simcell.points.envelope`; all can be
imported from here. Estimators follow spatstat's conventions, so that curves
can be laid over each other: λ² is estimated by n(n − 1)/|W|². In a periodic
window nothing is hidden and ``correction`` does not matter.

References
----------
Baddeley, Rubak & Turner (2015), Spatial Point Patterns, chapters 7, 8, 15.
"""

from __future__ import annotations

import numpy as np

from simcell.arrays import FloatArray, Window
from simcell.errors import SimcellError
from simcell.points._edges import (
    PairCorrection,
    Pairs,
    check_points,
    edge_distance,
    pair_weights,
    pairs_within,
)
from simcell.points._place import per_mm
from simcell.points.envelope import Envelope, envelope
from simcell.points.nearest import f_function, g_function, j_function

__all__ = [
    "Envelope",
    "envelope",
    "f_function",
    "g_function",
    "intensity",
    "j_function",
    "k_function",
    "l_function",
    "mark_correlation",
    "pair_correlation",
]


def intensity(points: FloatArray, window: Window) -> float:
    """Return the number of points per mm² or mm³.

    Parameters
    ----------
    points : FloatArray
        Positions (n, ndim) in µm inside the window.
    window : Window
        Where points may lie.

    Returns
    -------
    float

    Examples
    --------
    >>> intensity(np.full((5, 2), 1.0), Window((100.0, 50.0)))
    1000.0
    """
    return per_mm(len(check_points(points, window)), window)


def k_function(
    points: FloatArray,
    window: Window,
    r_um: FloatArray,
    correction: PairCorrection = "translation",
) -> FloatArray:
    """Estimate Ripley's K: points within r of a point, over the intensity.

    Parameters
    ----------
    points : FloatArray
        Positions (n, ndim) in µm inside the window.
    window : Window
        Where points may lie.
    r_um : FloatArray
        Distances in µm.
    correction : {"none", "border", "translation", "isotropic"}
        Edge correction; "isotropic" in 2-D boxes only.

    Returns
    -------
    FloatArray
        K at each distance, in µm² or µm³: πr² or 4/3 πr³ for a Poisson process.

    Examples
    --------
    >>> square = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0]])
    >>> k_function(square, Window((4.0, 4.0)), np.array([0.5, 1.0]), "none")
    array([ 0.        , 10.66666667])
    """
    points, r = check_points(points, window), np.asarray(r_um, np.float64)
    n = len(points)
    if n < 2:
        return np.full(len(r), np.nan)
    pairs = pairs_within(points, window, float(r.max()))
    if correction == "border" and not window.periodic:
        return _k_border(edge_distance(points, window), pairs, r) * window.volume / n
    weights = pair_weights(points, pairs, window, correction)
    order = np.argsort(pairs.distance)
    upto = np.concatenate([[0.0], np.cumsum(weights[order])])
    sums = upto[np.searchsorted(pairs.distance[order], r, side="right")]
    return np.asarray(sums * window.volume / (n * (n - 1)))


def _k_border(edge: FloatArray, pairs: Pairs, r: FloatArray) -> FloatArray:
    """Return the mean number of neighbours of the points at least r from the edge."""
    result = np.full(len(r), np.nan)
    for k, radius in enumerate(r):
        deep = edge >= radius
        if deep.any():
            close = pairs.distance <= radius
            result[k] = deep[pairs.first[close]].sum() / deep.sum()
    return result


def l_function(
    points: FloatArray,
    window: Window,
    r_um: FloatArray,
    correction: PairCorrection = "translation",
) -> FloatArray:
    """Estimate Besag's L: the radius of the ball of size K; r for a Poisson process.

    Parameters
    ----------
    points, window, r_um, correction
        As in :func:`k_function`.

    Returns
    -------
    FloatArray
        L at each distance in µm.

    Examples
    --------
    >>> points = np.random.default_rng(1).random((500, 3)) * 50.0
    >>> l = l_function(points, Window((50.0, 50.0, 50.0)), np.array([5.0, 10.0]))
    >>> bool(np.all(abs(l - [5.0, 10.0]) < 0.3))
    True
    """
    k = k_function(points, window, r_um, correction)
    ball = np.pi if window.ndim == 2 else 4 / 3 * np.pi
    return np.asarray((k / ball) ** (1 / window.ndim))


def pair_correlation(
    points: FloatArray,
    window: Window,
    r_um: FloatArray,
    correction: PairCorrection = "translation",
    bandwidth_um: float | None = None,
) -> FloatArray:
    """Estimate the pair correlation function: 1 for a Poisson process.

    Parameters
    ----------
    points, window, r_um : see :func:`k_function`
        Distances must be above 0.
    correction : {"none", "translation", "isotropic"}
        Edge correction.
    bandwidth_um : float, optional
        Standard deviation of the Epanechnikov kernel in µm; by default Stoyan's
        rule, half width 0.15 λ^(-1/ndim).

    Returns
    -------
    FloatArray
        g at each distance.

    Examples
    --------
    >>> points = np.random.default_rng(1).random((800, 2)) * 100.0
    >>> g = pair_correlation(points, Window((100.0, 100.0)), np.array([10.0, 20.0]))
    >>> bool(np.all(abs(g - 1) < 0.1))
    True
    """
    points, r = check_points(points, window), np.asarray(r_um, np.float64)
    n = len(points)
    if n < 2:
        return np.full(len(r), np.nan)
    half = _half_width(bandwidth_um, n, window)
    pairs = pairs_within(points, window, float(r.max()) + half)
    weights = pair_weights(points, pairs, window, correction)
    sums = _smooth(pairs.distance, weights, r, half)
    sphere = 2 * np.pi * r if window.ndim == 2 else 4 * np.pi * r**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums * window.volume / (n * (n - 1) * sphere))


def mark_correlation(
    points: FloatArray,
    marks: FloatArray,
    window: Window,
    r_um: FloatArray,
    bandwidth_um: float | None = None,
) -> FloatArray:
    """Estimate Stoyan's mark correlation: mean product of marks r apart, over the mean squared.

    Parameters
    ----------
    points : FloatArray
        Positions (n, ndim) in µm inside the window.
    marks : FloatArray
        One positive number per point, such as a radius.
    window : Window
        Where points may lie.
    r_um : FloatArray
        Distances in µm.
    bandwidth_um : float, optional
        As in :func:`pair_correlation`.

    Returns
    -------
    FloatArray
        The correlation at each distance: 1 for independent marks, NaN without pairs.

    Examples
    --------
    >>> points = np.random.default_rng(1).random((50, 2)) * 50.0
    >>> mark_correlation(points, np.full(50, 3.0), Window((50.0, 50.0)), np.array([10.0]))
    array([1.])
    """
    points, r = check_points(points, window), np.asarray(r_um, np.float64)
    values = np.asarray(marks, np.float64)
    if values.shape != (len(points),):
        msg = f"marks: shape {values.shape}, one number for each of {len(points)} points is needed"
        raise SimcellError(msg)
    if len(points) < 2:
        return np.full(len(r), np.nan)
    half = _half_width(bandwidth_um, len(points), window)
    pairs = pairs_within(points, window, float(r.max()) + half)
    weights = pair_weights(points, pairs, window, "translation")
    products = weights * values[pairs.first] * values[pairs.second]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _smooth(pairs.distance, products, r, half) / _smooth(
            pairs.distance, weights, r, half
        )
    return np.asarray(ratio / values.mean() ** 2)


def _half_width(bandwidth_um: float | None, n: int, window: Window) -> float:
    """Return the half width of the Epanechnikov kernel in µm."""
    if bandwidth_um is None:
        return float(0.15 * (window.volume / n) ** (1 / window.ndim))
    return float(bandwidth_um * 5**0.5)


def _smooth(distance: FloatArray, weights: FloatArray, r: FloatArray, half: float) -> FloatArray:
    """Return sums of weights under an Epanechnikov kernel about each r."""
    order = np.argsort(distance)
    distance, weights = distance[order], weights[order]
    low, high = np.searchsorted(distance, r - half), np.searchsorted(distance, r + half)
    sums = np.empty(len(r))
    for k, centre in enumerate(r):
        near = slice(low[k], high[k])
        sums[k] = (weights[near] * (1 - ((distance[near] - centre) / half) ** 2)).sum()
    return np.asarray(sums * 0.75 / half)
