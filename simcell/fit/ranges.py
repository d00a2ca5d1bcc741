"""From intervals of estimates to the ranges that a preset draws from.

Decision: a range is meant for domain randomisation. It holds the interval of the estimate
and all that images differ by, and is a little wider than either.
"""

from __future__ import annotations

from collections.abc import Mapping

from scipy.stats import chi2

from simcell.fit.estimate import Estimate, Status
from simcell.vary import LogUniform, Uniform

_WIDER = 0.15  # of the interval's width, added at either end
_GUESS = 3.0  # factor about a number that the data do not tell
_RATIO = 2.0  # of a range's ends, from which ratios count


def drawn_within(low: float, high: float) -> Uniform | LogUniform | None:
    """Return a range; by ratios where it is wide, None where there is none.

    Examples
    --------
    >>> drawn_within(1.0, 1.5).kind, drawn_within(1.0, 9.0).kind, drawn_within(1.0, 1.0)
    ('uniform', 'loguniform', None)
    """
    low, high = float(f"{low:.4g}"), float(f"{high:.4g}")
    if not low < high:
        return None
    if low > 0 and high / low > _RATIO:
        return LogUniform(low=low, high=high)
    return Uniform(low=low, high=high)


def clearly(images: int, chance: float = 0.95) -> float:
    """Return what times the spread by chance alike images seldom differ by.

    Examples
    --------
    >>> round(clearly(5), 2), round(clearly(50), 2)
    (1.54, 1.16)
    """
    free = max(images - 1, 1)
    return float((chi2.ppf(chance, free) / free) ** 0.5)


def around(
    path: str,
    ends: Mapping[str, float],
    how: str,
    status: Status = "estimated",
    *,
    least: float = 0.0,
    most: float = float("inf"),
) -> Estimate:
    """Return an estimate whose range is its interval and a little more.

    Parameters
    ----------
    path : str
    ends : mapping
        ``value``, ``low`` and ``high``.
    how : str
    status : {"estimated", "taken", "unidentified"}
    least, most : float
        What the field of the scene allows.
    """
    low, value, high = (min(max(ends[k], least), most) for k in ("low", "value", "high"))
    if status == "unidentified" and value > 0:
        low, high = max(low, value / _GUESS), min(high, value * _GUESS)
    more = _WIDER * (high - low)
    vary = drawn_within(max(low - more, least), min(high + more, most))
    return Estimate(path, float(f"{value:.4g}"), low, high, vary, how, status)
