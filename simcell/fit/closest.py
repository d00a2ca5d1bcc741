"""The numbers with which samples look most like the images, by looking alone.

A regression on what images measure is right where the model is the microscope. Where it is not,
numbers make up for each other in ways that no draw has shown, and the regression may lead to
samples that look like nothing. The cross-entropy method (Rubinstein & Kroese 2004) asks for
no more than likeness: draw about a middle, keep the quarter that looks most like the images, move
and narrow the middle to it, and so on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from simcell.arrays import FloatArray

_GENERATIONS = 12
_FEWEST = 20  # draws in a generation
_KEPT = 0.25  # share of a generation that is kept
_FASTER = 0.7  # how much of the way to those kept the middle goes
_LEAST = 0.02  # spread of a generation, so that it does not stop before it is there

Gaps = Callable[[FloatArray, int], FloatArray]


def closest(gaps: Gaps, start: FloatArray, count: int, rng: Generator) -> FloatArray:
    """Return the numbers (unknowns,), each from 0 to 1, whose samples are nearest the images.

    Parameters
    ----------
    gaps : callable
        Simulates with numbers (n, unknowns) and says how far each is from the images (n,);
        its second argument is how many were asked for before.
    start : FloatArray
        Good numbers (m, unknowns) to begin about.
    count : int
        Draws.
    rng : numpy.random.Generator

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> wanted = np.array([0.2, 0.9, 0.5])
    >>> found = closest(lambda u, _: np.abs(u - wanted).sum(axis=1), rng.random((30, 3)), 400, rng)
    >>> bool(np.abs(found - wanted).max() < 0.03)
    True
    """
    generations = max(min(_GENERATIONS, count // _FEWEST), 1)
    middle, spread = start.mean(axis=0), start.std(axis=0)
    for numbers in np.array_split(np.arange(count), generations):
        away = rng.normal(size=(len(numbers), len(middle)))
        units = np.clip(middle + spread * away, 0.0, 1.0)
        best = np.argsort(gaps(units, int(numbers[0])), kind="stable")
        best = best[: max(round(_KEPT * len(numbers)), 1)]
        kept = units[best]
        middle = middle + _FASTER * (kept.mean(axis=0) - middle)
        spread = np.maximum(spread + _FASTER * (kept.std(axis=0) - spread), _LEAST)
    return np.asarray(middle, np.float64)
