"""How wide the ranges of a preset may be.

A preset draws its numbers one by one. What is left of each when all others are known, and what
images differ by, are wide enough together; whether they are too wide shows only in what is drawn:
a strong blur, much light from below and a faint border, each seen now and then, hide every cell
where they meet.

Decision: ranges are as wide as they can be without samples looking less like the real images than
those of narrow ranges do. Samples are simulated for a few widths, and each is compared with the
real image that it looks most like. All ranges narrow together first; then one after the other,
those that cost least before, are as wide as can be again: images may differ in noise alone.
"""

from __future__ import annotations

import numpy as np

from simcell.arrays import FloatArray
from simcell.fit.matching import Match, Rig
from simcell.rng import stream

SHARES = (1.0, 0.7, 0.5, 0.35, 0.2)
"""Widths that are tried, as shares of the widest."""
ENDS = (0.05, 0.95)
"""Quantiles between which a preset draws."""

_SAMPLES = (8, 16)  # of each width, at least and at most
_DRAWS = 60  # of the match, for one sample
_WORSE = 1.1  # gap of samples to the images, over the least of all widths
_FAR = 4.0  # spreads, from which on a gap counts no more
_NORMAL_90 = 1.645
_LEAST_WIDE = 0.03  # of the first range, to either side, that a preset varies at least
_LOOSE = 0.1  # of what numbers seem to share, taken for chance: draws are few


def population(found: Match, share: float | FloatArray = 1.0) -> FloatArray:
    """Return numbers (m, unknowns) as a preset that draws them one by one should have them.

    Parameters
    ----------
    found : Match
    share : float or FloatArray
        Width of all ranges, or of each, of the widest.
    """
    middle = np.median(found.samples, axis=0)
    apart = found.samples - middle
    spread = np.maximum(apart.std(axis=0), 1e-6)
    wide = np.sqrt(_alone(found.samples) ** 2 + found.between**2 / spread**2)
    least = _LEAST_WIDE / (_NORMAL_90 * spread)
    return np.asarray(middle + apart * np.maximum(share * wide, least), np.float64)


def widest(rig: Rig, found: Match, seed: int) -> FloatArray:
    """Return the largest share of each range's width with which samples look like the images.

    Parameters
    ----------
    rig : Rig
    found : Match
    seed : int

    Returns
    -------
    FloatArray
        One for each unknown, 1 = as wide as `population` makes it.
    """
    observed = rig.observed()
    first = _made(rig, found, 1.0, seed, 0)
    good = np.isfinite(observed).all(axis=0) & np.isfinite(first).all(axis=0)
    scale = first[:, good].std(axis=0) + 1e-9
    real = observed[:, good] / scale

    def gap(share: float | FloatArray, number: int) -> float:
        made = np.nan_to_num(_made(rig, found, share, seed, number)[:, good] / scale, nan=np.inf)
        return float(np.median([_nearest(row, real) for row in made]))

    gaps = [gap(share, k) for k, share in enumerate(SHARES)]
    together = max(s for s, g in zip(SHARES, gaps, strict=True) if g <= _WORSE * min(gaps))
    shares = np.full(rig.unknowns, together)
    if together == 1:
        return shares
    # The same streams each time: what differs is how wide single ranges are.
    number, alone = len(SHARES), np.eye(rig.unknowns) * (1.0 - together)
    cost = [gap(shares + wider, number) for wider in alone]
    most = _WORSE * min(*gaps, *cost)
    for k in np.argsort(cost, kind="stable"):
        if gap(shares + alone[k], number) <= most:
            shares = shares + alone[k]
    return shares


def _made(rig: Rig, found: Match, share: float | FloatArray, seed: int, number: int) -> FloatArray:
    """Simulate images with numbers drawn one by one, and measure them: (samples, measures)."""
    low, high = np.clip(np.quantile(population(found, share), ENDS, axis=0), 0.0, 1.0)
    count = min(max(found.draws // _DRAWS, _SAMPLES[0]), _SAMPLES[1])
    units = low + (high - low) * stream(seed, number, "fit.width").random((count, len(low)))
    first = found.draws + number * count
    return np.concatenate([rig.simulated(row, seed, first + i) for i, row in enumerate(units)])


def _nearest(row: FloatArray, real: FloatArray) -> float:
    """Return how far an image is from the real one that it looks most like."""
    return float(np.minimum(np.abs(real - row), _FAR).mean(axis=1).min())


def _alone(samples: FloatArray) -> FloatArray:
    """Return the share of each number's spread that is left when all others are known.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> one, other = rng.normal(size=(2, 4000))
    >>> _alone(np.stack([one, one + 0.5 * other, other], axis=1)[:, :2]).round(1).tolist()
    [0.6, 0.6]
    """
    shared = np.atleast_2d(np.cov(samples.T))
    own = np.diag(np.maximum(np.diag(shared), 1e-12))
    precision = np.linalg.inv((1.0 - _LOOSE) * shared + _LOOSE * own)
    return np.asarray(1.0 / np.sqrt(np.diag(precision) * np.diag(own)), np.float64)
