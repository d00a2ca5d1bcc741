"""Where objects lie: point processes in 2-D and 3-D, and their summary statistics."""

from __future__ import annotations

from typing import assert_never

from numpy.random import Generator

from simcell.arrays import Pattern, Window
from simcell.points import cluster, colony, gibbs, hardcore, matern, objects, poisson
from simcell.scene.colony import Colony
from simcell.scene.points import (
    AreaInteraction,
    Binomial,
    Geyer,
    HardCore,
    HardCoreGibbs,
    MaternCluster,
    MaternI,
    MaternII,
    MultiStrauss,
    Objects,
    PointSpec,
    Poisson,
    SimcepCluster,
    Strauss,
    Thomas,
)

__all__ = ["sample"]


def sample(spec: PointSpec, window: Window, rng: Generator) -> Pattern:
    """Draw a point pattern.

    Parameters
    ----------
    spec : PointSpec
        Any of the point processes of :mod:`simcell.scene.points`.
    window : Window
        Where points may lie; 2-D or 3-D, free or periodic, whole or masked.
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    Pattern
        Points (n, ndim) in µm with the process's marks and notes.

    Examples
    --------
    >>> from simcell.rng import stream
    >>> pattern = sample(HardCore(), Window((128.0, 128.0)), stream(7, 0, "points"))
    >>> pattern.points.shape, round(pattern.notes["achieved_density"])
    ((32, 2), 1953)
    """
    match spec:
        case Poisson() | Binomial():
            return poisson.sample(spec, window, rng)
        case MaternI() | MaternII():
            return matern.sample(spec, window, rng)
        case HardCore():
            return hardcore.sample(spec, window, rng)
        case Strauss() | HardCoreGibbs() | MultiStrauss() | Geyer() | AreaInteraction():
            return gibbs.sample(spec, window, rng)
        case Objects():
            return objects.sample(spec, window, rng)
        case Thomas() | MaternCluster() | SimcepCluster():
            return cluster.sample(spec, window, rng)
        case Colony():
            return colony.sample(spec, window, rng)
        case _:
            assert_never(spec)
