"""Gibbs processes of points: Strauss, hard core, several types, Geyer, area interaction.

All are finite processes on the window, with density
``Π activity · exp(−energy)`` against the unit-rate Poisson process. Points
beyond the window do not exist, so that without ``window.periodic`` the
intensity rises towards the edge of a repulsive process.

References
----------
Møller & Waagepetersen (2004), Statistical Inference and Simulation for Spatial
Point Processes, chapters 6, 7, 11.
Baddeley & van Lieshout (1995), Area-interaction point processes, Ann. Inst.
Statist. Math. 47:601-619.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

import numpy as np
from numpy.random import Generator

from simcell.arrays import FloatArray, Pattern, Window, per_um
from simcell.points import perfect
from simcell.points._chain import run
from simcell.points._kernel import cells_for, domain_of, seed_words
from simcell.points._place import check_count, most_apart
from simcell.points._potentials import (
    MARKS,
    Area,
    Overlap,
    Pairwise,
    Potential,
    Saturated,
    scratch_for,
)
from simcell.scene.points import AreaInteraction, Geyer, HardCoreGibbs, MultiStrauss, Strauss

GibbsSpec: TypeAlias = Strauss | HardCoreGibbs | MultiStrauss | Geyer | AreaInteraction

STEPS_PER_POINT = 100
"""Default chain length per expected point; correlations fade in about 5."""

LINES = 48
"""Lines through a disc in area interaction; a ball has a third of it, squared."""


def sample(spec: GibbsSpec, window: Window, rng: Generator) -> Pattern:
    """Draw from a Gibbs process on the window.

    Parameters
    ----------
    spec : Strauss, HardCoreGibbs, MultiStrauss, Geyer or AreaInteraction
        Activities per mm² or mm³, distances in µm; ``method="perfect"`` draws
        exactly (dominated coupling from the past) where the spec offers it.
    window : Window
        Where points may lie.
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    Pattern
        Points (n, ndim) in µm; mark ``type`` for MultiStrauss.

    Examples
    --------
    >>> import numpy as np
    >>> window = Window((128.0, 128.0))
    >>> spec = HardCoreGibbs(activity=3000.0, distance_um=10.0)
    >>> points = sample(spec, window, np.random.default_rng(1)).points
    >>> gaps = np.linalg.norm(points[:, None] - points, axis=2) + 99 * np.eye(len(points))
    >>> bool(gaps.min() >= 10.0)
    True
    """
    potential, activity = potential_of(spec, window.ndim)
    if isinstance(spec, Strauss | HardCoreGibbs | MultiStrauss) and spec.method == "perfect":
        assert isinstance(potential, Pairwise)
        points, marks = perfect.draw(potential, activity, window, rng)
    else:
        points, marks = chain(potential, activity, window, spec.steps, rng)
    named = {"type": marks[:, 0]} if isinstance(spec, MultiStrauss) else {}
    return Pattern(points, named)


def potential_of(spec: GibbsSpec, ndim: int) -> tuple[Potential, float]:
    """Return the potential of a spec and its total activity per µm² or µm³."""
    if isinstance(spec, MultiStrauss):
        return _multi(spec, ndim)
    activity, one = per_um(spec.activity, ndim), np.ones(1)
    match spec:
        case Strauss() | HardCoreGibbs():
            gamma = spec.gamma if isinstance(spec, Strauss) else 0.0
            within2 = np.full((1, 1), spec.distance_um**2)
            core2 = within2 if gamma == 0 else np.zeros((1, 1))
            cost = np.full((1, 1), -np.log(gamma) if gamma else 0.0)
            return Pairwise(spec.distance_um, one, cost, within2, core2), activity
        case Geyer():
            cost1 = -float(np.log(spec.gamma)) if spec.gamma else np.inf
            return Saturated(spec.distance_um, cost1, spec.saturation), activity
        case AreaInteraction():
            radius, cost1 = spec.radius_um, -float(np.log(spec.eta))
            return Area(2 * radius, radius, cost1, _lines(radius, ndim)), activity
        case _:
            assert_never(spec)


def _multi(spec: MultiStrauss, ndim: int) -> tuple[Pairwise, float]:
    """Return the potential and the total activity of several types."""
    gamma, core = np.array(spec.gamma), np.array(spec.hard_core_um)
    within = np.array(spec.interaction_um)
    core = np.where(gamma == 0, np.maximum(core, within), core)
    cost = -np.log(np.where(gamma == 0, 1.0, gamma))
    betas = np.array([per_um(activity, ndim) for activity in spec.activities])
    share = np.cumsum(betas) / betas.sum()
    reach = float(max(within.max(), core.max()))
    return Pairwise(reach, share, cost, within**2, core**2), float(betas.sum())


def chain(
    potential: Potential, activity: float, window: Window, steps: int | None, rng: Generator
) -> tuple[FloatArray, FloatArray]:
    """Run the Markov chain from the empty pattern.

    Parameters
    ----------
    potential : Potential
        Interaction.
    activity : float
        Total activity per µm² or µm³.
    window : Window
        Where points may lie.
    steps : int or None
        Length; None for 100 steps per expected point and 3,000 more.
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    points : FloatArray
        Positions (n, ndim) in µm.
    marks : FloatArray
        Mark columns (n, 1 or 5).
    """
    expected = activity * window.volume
    bound = min(expected * _attraction(potential), most_apart(window, _core(potential)))
    most = check_count(bound, "activity", activity * 1000**window.ndim)
    capacity = int(most + 8 * most**0.5 + 50)
    if steps is None:
        steps = 3000 + STEPS_PER_POINT * most
    points = np.zeros((capacity, 3))
    marks = np.zeros((capacity, MARKS[type(potential)]))
    changes = 0.25 if isinstance(potential, Overlap) else 0.1 * float(_types(potential) > 1)
    n = run(
        domain_of(window),
        cells_for(window, potential.reach, capacity),
        potential,
        points,
        marks,
        0,
        expected,
        steps,
        changes,
        scratch_for(capacity),
        seed_words(rng),
    )
    if n < 0:
        check_count(np.inf, "activity", activity * 1000**window.ndim)
    return points[:n, 3 - window.ndim :].copy(), marks[:n].copy()


def _types(potential: Potential) -> int:
    """Return the number of types that a potential tells apart."""
    return len(potential.share) if isinstance(potential, Pairwise | Overlap) else 1


def _attraction(potential: Potential) -> float:
    """Return the factor by which neighbours may raise the intensity at a place."""
    if isinstance(potential, Area):
        return max(1.0, float(np.exp(-potential.cost)))
    if isinstance(potential, Saturated) and potential.cost < 0:
        # Its own neighbours and one more each for as many: no strict bound, as a place may
        # serve more, but a chain that outgrows its arrays is refused and never cut short.
        return float(np.exp(-potential.cost * potential.limit * 2))
    return 1.0


def _core(potential: Potential) -> float:
    """Return the distance that no two points can lie within, or 0."""
    if isinstance(potential, Pairwise):
        return float(np.sqrt(potential.core2.min()))
    if isinstance(potential, Overlap):
        return float(2 * potential.packing * potential.quantiles[:, 0].min())
    return 0.0


def _lines(radius: float, ndim: int) -> FloatArray:
    """Return lines (z, y, half length, weight) that integrate over a disc or ball.

    Midpoint rule in the angle, whose sine cancels the square root at either end.
    """
    n = LINES if ndim == 2 else LINES // 3
    angle = np.pi * (np.arange(n) + 0.5) / n
    if ndim == 2:
        z, y, weight = np.zeros(n), radius * np.cos(angle), np.sin(angle)
    else:
        first, second = (a.ravel() for a in np.meshgrid(angle, angle, indexing="ij"))
        z, y = radius * np.cos(first), radius * np.sin(first) * np.cos(second)
        weight = np.sin(first) ** 2 * np.sin(second)
    half = np.sqrt(np.maximum(radius**2 - z**2 - y**2, 0.0))
    return np.stack([z, y, half, weight], axis=1)
