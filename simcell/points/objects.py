"""Marked objects: discs, ellipses, balls or ellipsoids with controlled overlap.

The density against the unit-rate Poisson process of objects with marks drawn
from their laws is ``Π activity · exp(−overlap_penalty · Σ w)``, where w of a
pair is the size it shares over the size of the smaller; zero where w exceeds
``overlap_limit`` or two centres are closer than ``packing`` times the sum of
the radii. Objects may reach over the window's edge, only centres may not.

References
----------
Descombes (2017), Multiple objects detection in biological images using a
marked point process framework, Methods 115:2-8.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.special import erfinv, i0e

from simcell.arrays import FloatArray, Pattern, Window, per_um
from simcell.points import birthdeath, gibbs
from simcell.points._potentials import Overlap
from simcell.scene.points import Objects, ObjectType

NODES = 513
"""Nodes of a tabulated inverse distribution function."""


def sample(spec: Objects, window: Window, rng: Generator) -> Pattern:
    """Draw objects with marks.

    Parameters
    ----------
    spec : Objects
        Types with their activities and mark laws, and the interaction.
        ``method="mh"`` samples the process; ``"mbd"`` is the multiple birth and
        death optimiser, see :mod:`simcell.points.birthdeath` for its bias.
    window : Window
        Where centres may lie.
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    Pattern
        Centres (n, ndim) in µm; marks ``type``, ``radius_um`` (of the disc or
        ball of equal size), ``axis_ratio``, ``orientation_rad`` (from the x
        towards the y axis) and, in 3-D, ``elevation_rad`` (towards z).

    Examples
    --------
    >>> import numpy as np
    >>> window = Window((128.0, 128.0))
    >>> pattern = sample(Objects(), window, np.random.default_rng(1))
    >>> sorted(pattern.marks)
    ['axis_ratio', 'orientation_rad', 'radius_um', 'type']
    """
    potential, activity = potential_of(spec, window.ndim)
    if spec.method == "mbd":
        schedule = birthdeath.Schedule(spec.delta, spec.cooling, spec.steps)
        points, marks = birthdeath.draw(potential, activity, window, schedule, rng)
    else:
        points, marks = gibbs.chain(potential, activity, window, spec.steps, rng)
    named = {
        "type": marks[:, 0],
        "radius_um": marks[:, 1],
        "axis_ratio": marks[:, 2],
        "orientation_rad": marks[:, 3],
    }
    if window.ndim == 3:
        named["elevation_rad"] = np.arcsin(marks[:, 4])
    return Pattern(points, {name: values.copy() for name, values in named.items()})


def potential_of(spec: Objects, ndim: int) -> tuple[Overlap, float]:
    """Return the potential of a spec and its total activity per µm² or µm³."""
    tables = np.array([[*_laws(law)] for law in spec.types])
    betas = np.array([per_um(law.activity, ndim) for law in spec.types])
    share = np.cumsum(betas) / betas.sum()
    widest, thinnest = tables[:, 0].max(axis=1), tables[:, 1].min(axis=1)
    longest = float((widest * thinnest ** (-0.5 if ndim == 2 else -2 / 3)).max())
    reach = max(2 * longest, 2 * spec.packing * float(widest.max()))
    potential = Overlap(
        reach,
        share,
        tables,
        spec.overlap_penalty,
        spec.overlap_limit,
        spec.packing,
        ndim == 2,
    )
    return potential, float(betas.sum())


def _laws(law: ObjectType) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Tabulate the inverse distribution functions of the four marks of a type."""
    u = np.linspace(0, 1, NODES)
    ratio = law.axis_ratio_min + u * (law.axis_ratio_max - law.axis_ratio_min)
    return _radius(law, u), ratio, _orientation(law, u), law.tilt * (2 * u - 1)


def _radius(law: ObjectType, u: FloatArray) -> FloatArray:
    """Tabulate the radius: uniform, or lognormal cut at its 0.1 and 99.9 percentiles."""
    if law.radius_law == "uniform":
        return np.asarray(law.radius_um * (1 + 3**0.5 * law.radius_cv * (2 * u - 1)))
    sigma = np.log1p(law.radius_cv**2) ** 0.5
    normal = 2**0.5 * erfinv(2 * np.clip(u, 1e-3, 1 - 1e-3) - 1)
    return np.asarray(law.radius_um * np.exp(sigma * normal - sigma**2 / 2))


def _orientation(law: ObjectType, u: FloatArray) -> FloatArray:
    """Tabulate the axis's direction: von Mises of the doubled angle, over half a turn."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 40 * NODES)
    weight = np.exp(law.alignment * (np.cos(2 * angle) - 1)) / i0e(law.alignment)
    below = np.concatenate([[0.0], np.cumsum(0.5 * (weight[1:] + weight[:-1]))])
    turned = np.interp(u, below / below[-1], angle)
    return np.asarray(law.orientation_rad + turned)
