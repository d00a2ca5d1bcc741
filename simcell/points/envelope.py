"""Simulation envelopes, which tell whether a pattern looks like those of a model.

References
----------
Baddeley et al. (2014), On tests of spatial pattern based on simulation
envelopes, Ecol. Monogr. 84:477-489.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from simcell.arrays import FloatArray, Pattern
from simcell.errors import SimcellError


@dataclass(frozen=True)
class Envelope:
    """A statistic of a pattern against that of simulations.

    Parameters
    ----------
    observed, mean, low, high : FloatArray
        The statistic of the pattern, its mean over simulations, and the band.
    p_value : float
        Of the maximum absolute deviation from the mean: the test that the
        global band draws. It does not depend on the kind of band.
    """

    observed: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: float


def envelope(
    observed: Pattern,
    simulate: Callable[[Generator], Pattern],
    statistic: Callable[[Pattern], FloatArray],
    rng: Generator,
    simulations: int = 99,
    level: float = 0.05,
    kind: Literal["pointwise", "global"] = "global",
) -> Envelope:
    """Compare a pattern with simulations of a model.

    Parameters
    ----------
    observed : Pattern
        The pattern in question.
    simulate : callable
        Draws a pattern of the model: ``simulate(rng) -> Pattern``.
    statistic : callable
        A curve of a pattern, such as L, of the same length for each.
    rng : numpy.random.Generator
        Random stream.
    simulations : int
        How many to draw.
    level : float
        Chance to leave the band: at each distance ("pointwise"), or anywhere
        ("global", mean ± the largest absolute deviation).
    kind : {"pointwise", "global"}
        Kind of band.

    Returns
    -------
    Envelope

    Examples
    --------
    >>> from simcell.arrays import Window
    >>> from simcell.points import sample, summary
    >>> from simcell.scene.points import HardCore, Poisson
    >>> window, rng = Window((128.0, 128.0)), np.random.default_rng(1)
    >>> band = envelope(
    ...     sample(HardCore(), window, rng),
    ...     lambda rng: sample(Poisson(), window, rng),
    ...     lambda p: summary.l_function(p.points, window, np.arange(1.0, 20.0)),
    ...     rng,
    ... )
    >>> band.p_value
    0.01
    """
    rank = int(level * (simulations + 1) / (2 if kind == "pointwise" else 1) + 1e-9)
    if rank < 1:
        msg = (
            f"simulations = {simulations}: too few for level = {level} of a {kind} band;"
            f" use {int(np.ceil((2 if kind == 'pointwise' else 1) / level)) - 1} or more"
        )
        raise SimcellError(msg)
    curve = np.asarray(statistic(observed), np.float64)
    curves = np.stack([np.asarray(statistic(simulate(rng))) for _ in range(simulations)])
    everything = np.vstack([curve, curves])
    # The observed curve is one of n + 1 alike under the model, so it takes part in the mean.
    deviation = np.nanmax(np.abs(everything - np.nanmean(everything, axis=0)), axis=1)
    p_value = float((deviation >= deviation[0]).mean())
    mean = np.nanmean(curves, axis=0)
    if kind == "pointwise":
        ordered = np.sort(curves, axis=0)
        return Envelope(curve, mean, ordered[rank - 1], ordered[-rank], p_value)
    width = np.sort(np.nanmax(np.abs(curves - mean), axis=1))[-rank]
    return Envelope(curve, mean, mean - width, mean + width, p_value)
