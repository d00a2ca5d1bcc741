"""How far apart two sets of numbers are, and what to call it.

Decision: the unit is the image. Cells and pixels of one image are alike, so that counting
them would make every difference certain.

References
----------
Hedges & Olkin (1985), Statistical methods for meta-analysis, chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simcell.arrays import FloatArray

Verdict = Literal["alike", "close", "in range", "off", "too few"]
VERDICTS: tuple[Verdict, ...] = ("alike", "close", "in range", "off", "too few")

SMALL = 0.5
"""Effect below which two sources count as alike."""
MEDIUM = 1.0
"""Effect below which they count as close."""
_LARGEST = 20.0
_LEAST = 0.02  # spread that counts at least, as a share of the level
_SURE = 2.576  # standard errors in half of a 99 % interval
_COVERED = 0.9


@dataclass(frozen=True)
class Effect:
    """One statistic of real images against synthetic ones.

    Attributes
    ----------
    real, synthetic : float
        Medians over images.
    real_low, real_high, synthetic_low, synthetic_high : float
        5 % and 95 % of the images.
    size : float
        Hedges' g: how far the synthetic mean lies above the real one, in standard
        deviations between images.
    low, high : float
        99 % interval of ``size``.
    covered : float
        Share of the real images that lie within the synthetic ones.
    verdict : str
        "alike", "close", "in range" (the means differ, but the synthetic images reach
        over the real ones), "off", or "too few" images to tell.
    """

    real: float
    real_low: float
    real_high: float
    synthetic: float
    synthetic_low: float
    synthetic_high: float
    size: float
    low: float
    high: float
    covered: float
    verdict: Verdict


def effect(
    real: FloatArray, synthetic: FloatArray, least: float = 0.0, *, log: bool = False
) -> Effect | None:
    """Compare a number measured in real images with that of synthetic ones.

    Parameters
    ----------
    real, synthetic : FloatArray
        One number an image; NaN where an image cannot tell.
    least : float
        Spread between images that counts at least, where both sources hardly vary.
    log : bool
        Compare logarithms, as of numbers that differ by factors; what is not above 0
        counts as unknown.

    Returns
    -------
    Effect or None
        None where one of the two sources has no number at all.

    Examples
    --------
    >>> found = effect(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    >>> round(found.size, 2), found.verdict
    (0.8, 'too few')
    """
    a, b = (v[np.isfinite(v) & (v > 0 if log else True)] for v in (real, synthetic))
    if min(len(a), len(b)) == 0:
        return None
    ends = np.quantile(a, [0.05, 0.5, 0.95]), np.quantile(b, [0.05, 0.5, 0.95])
    slack = max(0.0 if log else least, _LEAST * abs(float(ends[1][1])))
    covered = float(((a >= ends[1][0] - slack) & (a <= ends[1][2] + slack)).mean())
    size = hedges(np.log(a), np.log(b), max(least, _LEAST)) if log else hedges(a, b, least)
    error = np.sqrt((len(a) + len(b)) / (len(a) * len(b)) + size**2 / (2 * (len(a) + len(b))))
    low, high = size - _SURE * error, size + _SURE * error
    return Effect(
        float(ends[0][1]),
        float(ends[0][0]),
        float(ends[0][2]),
        float(ends[1][1]),
        float(ends[1][0]),
        float(ends[1][2]),
        size,
        float(low),
        float(high),
        covered,
        _verdict(size, low <= 0 <= high, covered),
    )


def hedges(a: FloatArray, b: FloatArray, least: float = 0.0) -> float:
    """Return Hedges' g of b over a, between -20 and 20.

    The spread counts as ``least``, or as 2 % of the level, where it is below.

    Examples
    --------
    >>> round(hedges(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])), 4)
    0.8
    """
    freedom = len(a) + len(b) - 2
    squares = ((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()
    spread = np.sqrt(squares / freedom) if freedom > 0 else 0.0
    floor = max(least, _LEAST * 0.5 * (abs(a.mean()) + abs(b.mean())), 1e-12)
    # Small samples overrate differences; the exact correction is nearly this.
    correction = 1 - 3 / (4 * freedom - 1) if freedom > 0 else 1.0
    g = correction * (b.mean() - a.mean()) / max(spread, floor)
    return float(np.clip(g, -_LARGEST, _LARGEST))


def _verdict(size: float, none_possible: bool, covered: float) -> Verdict:
    if abs(size) < SMALL:
        return "alike"
    if none_possible:
        return "alike" if abs(size) < 0.75 else "too few"
    if abs(size) < MEDIUM:
        return "close"
    return "in range" if covered >= _COVERED else "off"


def largest_gap(a: FloatArray, b: FloatArray) -> float:
    """Return the largest gap of two distributions (Kolmogorov-Smirnov), 0 to 1.

    Examples
    --------
    >>> largest_gap(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.5
    """
    if min(len(a), len(b)) == 0:
        return float("nan")
    everything = np.concatenate([a, b])
    first = np.searchsorted(np.sort(a), everything, side="right") / len(a)
    second = np.searchsorted(np.sort(b), everything, side="right") / len(b)
    return float(np.abs(first - second).max())
