"""From summaries of data to parameters, by simulation: draw, compare, narrow.

Parameters are drawn evenly from their ranges and simulated with. A quadratic surface is
laid through what each summary of the simulations measures, with the covariance of what is
left about it: a likelihood of the data's summaries for any parameters (Wood 2010, with
the mean and covariance of Gutmann & Corander's emulators). A second round draws from the
narrower ranges that the first one leaves.

Decision: the surface and the covariance are themselves estimates, from few simulations. The
first adds its own error; the second gives the likelihood wider tails, as wide as intervals need
to cover as often as they say (Percival et al. 2022).

Decision: no simulator makes all that tissue does. A summary that even the best parameters
miss by more than chance is counted less, by as much as it is missed, and is named, instead
of bending all parameters until it fits.

Decision: images of one tissue differ by more than chance, as no simulation does in which all
have the same parameters. A summary counts by how much images differ in it, not by how much
simulations do, where the former is clearly more.

A parameter whose interval is nearly as wide as its range is not identified by
the data.

References
----------
Gutmann & Corander (2016), Bayesian optimization for likelihood-free inference of
simulator-based statistical models, J. Mach. Learn. Res. 17:1-47.
Percival, Friedrich, Sellentin & Heavens (2022), Matching Bayesian and frequentist coverage
probabilities when using an approximate data covariance matrix, Mon. Not. R. Astron. Soc.
510:3207-3221.
Wood (2010), Statistical inference for noisy nonlinear ecological dynamic systems, Nature
466:1102-1104.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from simcell.arrays import BoolArray, FloatArray
from simcell.fit.ranges import clearly

_DRAWS = 20_000  # parameters whose likelihood is looked at
_MISSED = 3.0  # standard deviations from which a summary counts less
_SPREAD = 0.25  # by which the next round's ranges are wider than what the last one leaves
_WIDE = 0.7  # an interval of more of the range tells nothing: of an even one, it is 0.9


@dataclass(frozen=True)
class Free:
    """A parameter that is free: its name and its range."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Inverted:
    """What the data tell of the free parameters.

    Attributes
    ----------
    value, low, high : dict of str to float
        Median and 90 % interval.
    identified : dict of str to bool
        Whether the interval is clearly narrower than the range.
    left : tuple of Free
        The ranges that are left.
    missed : FloatArray
        By how many standard deviations each summary is missed by the best parameters;
        NaN where the data have none.
    """

    value: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    identified: dict[str, bool]
    left: tuple[Free, ...]
    missed: FloatArray


Measure = Callable[[dict[str, float], int], FloatArray]


@dataclass(frozen=True)
class Observed:
    """What the data measure.

    Attributes
    ----------
    value : FloatArray
        Their summaries; those that are NaN are left out.
    each : FloatArray
        Summaries of every image alone (image, summary); none where there are few.
    share : float
        How large a simulation is relative to the data.
    """

    value: FloatArray
    each: FloatArray | None = None
    share: float = 1.0

    def only(self, good: BoolArray) -> Observed:
        """Return some of the summaries."""
        return Observed(
            self.value[good], None if self.each is None else self.each[:, good], self.share
        )

    def between(self, noise: FloatArray) -> FloatArray:
        """Return what is to be added to the variances of the summaries for unlike images."""
        if self.each is None:
            return np.zeros(len(noise))
        images = np.isfinite(self.each).sum(axis=0)
        added = np.zeros(len(noise))
        for k in np.flatnonzero(images > 2):
            mean = float(np.nanvar(self.each[:, k], ddof=1)) / images[k]
            if mean > clearly(int(images[k])) ** 2 * noise[k]:
                added[k] = mean - noise[k]
        return added


def invert(
    free: Sequence[Free],
    measure: Measure,
    observed: Observed,
    rng: Generator,
    rounds: Sequence[int] = (90, 80),
    report: Callable[[int], None] | None = None,
) -> Inverted:
    """Find the parameters with which simulations measure what the data do.

    Parameters
    ----------
    free : sequence of Free
    measure : callable
        Summaries of a simulation with these parameters; its number addresses its streams.
    observed : Observed
    rng : numpy.random.Generator
    rounds : sequence of int
        Simulations a round.
    report : callable, optional
        Called with the number of finished simulations.

    Examples
    --------
    >>> noise = np.random.default_rng(1)
    >>> found = invert(
    ...     [Free("mean", 0.0, 10.0)],
    ...     lambda p, k: np.array([p["mean"] + noise.normal(0, 0.1)]),
    ...     Observed(np.array([4.0])),
    ...     np.random.default_rng(0),
    ... )
    >>> abs(found.value["mean"] - 4) < 0.1, found.high["mean"] - found.low["mean"] < 0.5
    (True, True)
    """
    good = np.isfinite(observed.value)
    low = np.array([f.low for f in free])
    high = np.array([f.high for f in free])
    first = high - low
    at, rows = np.zeros((0, len(free))), np.zeros((0, int(good.sum())))
    ends, missed = np.zeros((len(free), 5)), np.zeros(int(good.sum()))
    for count in rounds:
        new = low + (high - low) * _spread_out(rng, count, len(free))
        measured: list[FloatArray] = []
        for values in new:
            named = {f.name: float(v) for f, v in zip(free, values, strict=True)}
            measured.append(np.asarray(measure(named, len(rows) + len(measured)))[good])
            if report is not None:
                report(len(rows) + len(measured))
        at, rows = np.vstack([at, new]), np.vstack([rows, measured])
        inside = np.all((at >= low) & (at <= high), axis=1)
        draws = low + (high - low) * _spread_out(rng, _DRAWS, len(free))
        weights, missed = _likelihood(
            at[inside], rows[inside], observed.only(good), draws, low, high
        )
        ends = np.stack([_quantile(column, weights) for column in draws.T])
        wider = _SPREAD * (ends[:, 4] - ends[:, 0]) + 0.01 * first
        low, high = np.maximum(ends[:, 0] - wider, low), np.minimum(ends[:, 4] + wider, high)
    everything = np.full(len(good), np.nan)
    everything[good] = missed
    names = [f.name for f in free]
    return Inverted(
        dict(zip(names, ends[:, 2].tolist(), strict=True)),
        dict(zip(names, ends[:, 1].tolist(), strict=True)),
        dict(zip(names, ends[:, 3].tolist(), strict=True)),
        dict(zip(names, (ends[:, 3] - ends[:, 1] < _WIDE * first).tolist(), strict=True)),
        tuple(replace(f, low=a, high=b) for f, a, b in zip(free, low, high, strict=True)),
        everything,
    )


def _spread_out(rng: Generator, count: int, axes: int) -> FloatArray:
    """Draw points of the unit cube, evenly along each axis (Latin hypercube)."""
    ranks = np.stack([rng.permutation(count) for _ in range(axes)], axis=1)
    return np.asarray((ranks + rng.random((count, axes))) / count)


def _likelihood(
    at: FloatArray,
    rows: FloatArray,
    observed: Observed,
    draws: FloatArray,
    low: FloatArray,
    high: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return weights of the drawn parameters, and by how much the best miss each summary."""
    rows = np.where(
        np.isfinite(rows), rows, np.nanmedian(np.vstack([rows, observed.value]), axis=0)
    )
    centre, scale = (low + high) / 2, np.maximum((high - low) / 2, 1e-12)
    features, wanted = _surface((at - centre) / scale), _surface((draws - centre) / scale)
    unit = np.maximum(rows.std(axis=0), 1e-9)
    slopes, *_ = np.linalg.lstsq(features, rows / unit, rcond=None)
    inside = np.linalg.pinv(features.T @ features)
    unsure = np.einsum("nj,jk,nk->n", wanted, inside, wanted)  # of the surface, over the noise
    left = rows / unit - features @ slopes
    spare = max(len(rows) - features.shape[1], 1)
    noise = left.T @ left / spare
    power = _power(spare, len(noise), at.shape[1])
    # Few simulations tell single variances well, and correlations less so.
    noise = 0.9 * noise + 0.1 * np.diag(np.diag(noise)) + 1e-6 * np.eye(len(noise))
    # The surface is as unsure as simulations are, whatever the size of the data.
    noise *= observed.share
    unsure /= observed.share
    gaps = observed.value / unit - wanted @ slopes
    missed = np.zeros(len(unit))
    between = observed.between(np.diag(noise) * unit**2) / unit**2
    extra = between
    for _ in range(4):
        inverse = np.linalg.inv(noise + np.diag(extra))
        distance = np.einsum("nj,jk,nk->n", gaps, inverse, gaps) / (1.0 + unsure)
        energy = 0.5 * power * np.log1p(distance / spare)
        best = gaps[energy.argmin()]
        missed = best / np.sqrt(np.diag(noise) + between)
        extra = np.where(np.abs(missed) > _MISSED, best**2, extra)
    weights = np.exp(-(energy - energy.min()))
    return np.asarray(weights), np.asarray(missed)


def _power(spare: int, summaries: int, parameters: int) -> float:
    """Power of the likelihood's tails by which intervals cover as often as they say.

    Percival et al. 2022, with a covariance that was estimated with `spare` degrees of freedom.
    """
    more = max(spare + 1 - summaries, 6)
    lost = (more - 2) / ((more - 1) * (more - 4)) * max(summaries - parameters, 0)
    return parameters + 2 + (spare + lost) / (1 + lost)


def _surface(x: FloatArray) -> FloatArray:
    """Return what a quadratic surface is made of: 1, x, x² and products."""
    i, j = np.triu_indices(x.shape[1])
    return np.hstack([np.ones((len(x), 1)), x, x[:, i] * x[:, j]])


def _quantile(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return weighted quantiles: 1, 5, 50, 95 and 99 %."""
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[order]) - 0.5 * weights[order]
    at = (0.01, 0.05, 0.5, 0.95, 0.99)
    return np.asarray(np.interp(at, upto / weights.sum(), values[order]))
