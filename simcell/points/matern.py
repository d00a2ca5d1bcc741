"""Matérn's two thinnings of a Poisson process.

The Poisson parents are drawn in a window dilated by the distance, so that
points near the edge are judged by neighbours beyond it, and the pattern is
stationary.

References
----------
Matérn (1986), Spatial Variation, 2nd ed., Lecture Notes in Statistics 36.
Chiu et al. (2013), Stochastic Geometry and its Applications, section 5.4.
"""

from __future__ import annotations

from math import exp, log, pi

import numpy as np
from numpy.random import Generator
from scipy.spatial import cKDTree
from scipy.special import lambertw

from simcell.arrays import Pattern, Window, per_um
from simcell.errors import SimcellError
from simcell.points._place import check_count, per_mm, uniform_box
from simcell.scene.points import MaternI, MaternII


def sample(spec: MaternI | MaternII, window: Window, rng: Generator) -> Pattern:
    """Draw a Matérn process of the given density.

    Parameters
    ----------
    spec : MaternI or MaternII
        Density after thinning per mm² or mm³, and distance in µm. With v the
        area or volume of a ball of that radius, the density is at most 1/(e v)
        for type I and below 1/v for type II.
    window : Window
        Where points may lie.
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    Pattern
        Points (n, ndim) in µm, no two within the distance.

    Examples
    --------
    >>> import numpy as np
    >>> window = Window((128.0, 128.0))
    >>> 0 < len(sample(MaternII(density=1500.0), window, np.random.default_rng(1))) < 40
    True
    """
    size = np.asarray(window.size_um)
    margin = 0.0 if window.periodic else spec.distance_um
    parents = parent_density(spec, window.ndim)
    expected = parents * float(np.prod(size + 2 * margin))
    check_count(expected, "density", spec.density)
    points = uniform_box(size + 2 * margin, int(rng.poisson(expected)), rng)
    age = rng.random(len(points))
    tree = cKDTree(points, boxsize=size if window.periodic else None)
    pairs = tree.query_pairs(spec.distance_um, output_type="ndarray")
    kept = np.ones(len(points), bool)
    if isinstance(spec, MaternI):
        kept[pairs.ravel()] = False
    else:
        first, second = pairs.T
        kept[np.where(age[first] > age[second], first, second)] = False
    points = points[kept] - margin
    return Pattern(points[window.contains(points)])


def parent_density(spec: MaternI | MaternII, ndim: int) -> float:
    """Return the density of the parents, per µm² or µm³, that leaves ``spec.density``.

    Examples
    --------
    >>> round(parent_density(MaternII(density=2000.0, distance_um=12.0), 2), 4)
    0.0052
    """
    r = spec.distance_um
    ball = pi * r**2 if ndim == 2 else 4 / 3 * pi * r**3
    packed = per_um(spec.density, ndim) * ball
    most = exp(-1) if isinstance(spec, MaternI) else 1.0
    if packed > most or (packed == most and isinstance(spec, MaternII)):
        allowed = per_mm(most / ball, Window((1.0,) * ndim))
        msg = (
            f"density = {spec.density}: {spec.kind} reaches less than {allowed:.6g} at distance_um"
            f" = {r}; lower the density or the distance, or use kind: hard_core"
        )
        raise SimcellError(msg)
    if isinstance(spec, MaternI):
        return float(-lambertw(-packed).real) / ball
    return -log(1 - packed) / ball
