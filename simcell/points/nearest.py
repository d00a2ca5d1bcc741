"""Nearest-neighbour functions of point patterns: G, F and J.

References
----------
Baddeley, Rubak & Turner (2015), Spatial Point Patterns, chapter 8.
van Lieshout & Baddeley (1996), A nonparametric measure of spatial interaction
in point patterns, Stat. Neerl. 50:344-361.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, assert_never

import numpy as np

from simcell.arrays import FloatArray, Window
from simcell.errors import SimcellError
from simcell.points._edges import check_points, edge_distance, nearest_distance

NearestCorrection: TypeAlias = Literal["none", "border", "km", "hanisch"]

MOST_PROBES = 10_000_000


def g_function(
    points: FloatArray,
    window: Window,
    r_um: FloatArray,
    correction: NearestCorrection = "km",
) -> FloatArray:
    """Estimate G: the distribution of the distance from a point to its nearest other.

    Parameters
    ----------
    points : FloatArray
        Positions (n, ndim) in µm inside the window.
    window : Window
        Where points may lie.
    r_um : FloatArray
        Distances in µm.
    correction : {"none", "border", "km", "hanisch"}
        Edge correction: none, reduced sample, Kaplan–Meier, Hanisch (boxes only).

    Returns
    -------
    FloatArray
        G at each distance; NaN where no point tells.

    Examples
    --------
    >>> square = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0]])
    >>> g_function(square, Window((4.0, 4.0)), np.array([0.5, 1.0]), "none")
    array([0., 1.])
    """
    points, r = check_points(points, window), np.asarray(r_um, np.float64)
    if len(points) < 2:
        return np.full(len(r), np.nan)
    nearest = nearest_distance(points, points, window, rank=2)
    return _distribution(nearest, edge_distance(points, window), window, r, correction)


def f_function(
    points: FloatArray,
    window: Window,
    r_um: FloatArray,
    correction: NearestCorrection = "km",
    step_um: float | None = None,
) -> FloatArray:
    """Estimate F: the distribution of the distance from a place to the nearest point.

    Parameters
    ----------
    points, window, r_um, correction : see :func:`g_function`
        Pattern, window, distances and edge correction.
    step_um : float, optional
        Spacing of the regular grid of places in µm; by default a 128th of the
        longest side (a 32nd in 3-D).

    Returns
    -------
    FloatArray
        F at each distance.

    Examples
    --------
    >>> points = np.random.default_rng(1).random((400, 2)) * 100.0
    >>> f = f_function(points, Window((100.0, 100.0)), np.array([2.0]))
    >>> bool(abs(f[0] - (1 - np.exp(-0.04 * np.pi * 4))) < 0.05)
    True
    """
    points, r = check_points(points, window), np.asarray(r_um, np.float64)
    if len(points) == 0:
        return np.zeros(len(r))
    size = np.asarray(window.size_um)
    step = size.max() / (128 if window.ndim == 2 else 32) if step_um is None else step_um
    counts = np.maximum(np.round(size / step), 1).astype(int)
    if counts.prod() > MOST_PROBES:
        msg = f"step_um = {step}: makes {counts.prod():,} places, at most {MOST_PROBES:,}; widen it"
        raise SimcellError(msg)
    axes = [(np.arange(n) + 0.5) * (s / n) for n, s in zip(counts, size, strict=True)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, window.ndim)
    places = places[window.contains(places)]
    nearest = nearest_distance(points, places, window)
    return _distribution(nearest, edge_distance(places, window), window, r, correction)


def j_function(
    points: FloatArray,
    window: Window,
    r_um: FloatArray,
    correction: NearestCorrection = "km",
    step_um: float | None = None,
) -> FloatArray:
    """Estimate J = (1 − G)/(1 − F): 1 for a Poisson process, above 1 for order.

    Parameters
    ----------
    points, window, r_um, correction, step_um
        As in :func:`f_function`.

    Returns
    -------
    FloatArray
        J at each distance; NaN where F is 1.

    Examples
    --------
    >>> grid = np.stack(np.meshgrid(*[np.arange(5.0, 100.0, 10.0)] * 2), -1).reshape(-1, 2)
    >>> bool(j_function(grid, Window((100.0, 100.0)), np.array([5.0]))[0] > 2)
    True
    """
    g = g_function(points, window, r_um, correction)
    f = f_function(points, window, r_um, correction, step_um)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(f < 1, (1 - g) / (1 - f), np.nan)


def _distribution(
    nearest: FloatArray,
    edge: FloatArray,
    window: Window,
    r: FloatArray,
    correction: NearestCorrection,
) -> FloatArray:
    """Estimate a distribution of distances that the edge may censor."""
    match correction:
        case "none":
            return np.asarray(np.searchsorted(np.sort(nearest), r, side="right") / len(nearest))
        case "border":
            return _reduced_sample(nearest, edge, r)
        case "km":
            return _kaplan_meier(nearest, edge, r)
        case "hanisch":
            return _hanisch(nearest, edge, window, r)
        case _:
            assert_never(correction)


def _reduced_sample(nearest: FloatArray, edge: FloatArray, r: FloatArray) -> FloatArray:
    """Count among those at least r from the edge only."""
    deep = len(edge) - np.searchsorted(np.sort(edge), r, side="left")
    # min(nearest, edge): leaves the count when either is passed
    seen = nearest <= edge
    gone = np.searchsorted(np.sort(nearest[seen]), r, side="right")
    left = np.searchsorted(np.sort(edge[seen]), r, side="left")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(deep > 0, (gone - left) / deep, np.nan)


def _kaplan_meier(nearest: FloatArray, edge: FloatArray, r: FloatArray) -> FloatArray:
    """Multiply the chances of surviving each distance observed."""
    shown = np.sort(np.minimum(nearest, edge))
    times, deaths = np.unique(nearest[nearest <= edge], return_counts=True)
    at_risk = len(shown) - np.searchsorted(shown, times, side="left")
    survival = np.concatenate([[1.0], np.cumprod(1 - deaths / at_risk)])
    return np.asarray(1 - survival[np.searchsorted(times, r, side="right")])


def _hanisch(nearest: FloatArray, edge: FloatArray, window: Window, r: FloatArray) -> FloatArray:
    """Weigh each distance seen whole by the size of the window it can be seen in."""
    if window.mask is not None:
        msg = "correction = 'hanisch': needs a window without mask; use 'km' or 'border'"
        raise SimcellError(msg)
    seen = np.sort(nearest[nearest <= edge])
    inner = np.asarray(window.size_um) - (0 if window.periodic else 2 * seen[:, None])
    weight = 1 / np.prod(np.broadcast_to(inner, (len(seen), window.ndim)), axis=1)
    upto = np.concatenate([[0.0], np.cumsum(weight)])
    if upto[-1] == 0:
        return np.full(len(r), np.nan)
    return np.asarray(upto[np.searchsorted(seen, r, side="right")] / upto[-1])
