"""Cluster processes: Thomas, Matérn's, and that of the SIMCEP simulator.

References
----------
Chiu et al. (2013), Stochastic Geometry and its Applications, section 5.3.
Lehmussola et al. (2007), Computational framework for simulating fluorescence
microscope images with cell populations, IEEE Trans. Med. Imaging 26:1010.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.random import Generator

from simcell.arrays import FloatArray, Pattern, Window, per_um
from simcell.points._place import check_count, uniform_box, uniform_points, whole
from simcell.scene.points import MaternCluster, SimcepCluster, Thomas

BEYOND = 6.0
"""Standard deviations beyond the window at which parents no longer matter."""

TRIES = 100
"""Times a clustered point that falls outside the window is drawn again."""


def sample(spec: Thomas | MaternCluster | SimcepCluster, window: Window, rng: Generator) -> Pattern:
    """Draw a clustered pattern.

    Parameters
    ----------
    spec : Thomas, MaternCluster or SimcepCluster
        Density of all points per mm² or mm³, and the clusters' size.
    window : Window
        Where points may lie. Parents of Thomas and Matérn clusters may lie
        beyond it, so that the pattern is stationary.
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    Pattern
        Points (n, ndim) in µm; for SIMCEP the mark ``type``: 1 where a point
        belongs to a cluster, 0 where it is alone.

    Examples
    --------
    >>> import numpy as np
    >>> window = Window((128.0, 128.0))
    >>> pattern = sample(Thomas(density=2000.0), window, np.random.default_rng(1))
    >>> bool(window.contains(pattern.points).all())
    True
    """
    match spec:
        case Thomas():
            return _neyman_scott(spec, BEYOND * spec.spread_um, window, rng)
        case MaternCluster():
            return _neyman_scott(spec, spec.radius_um, window, rng)
        case SimcepCluster():
            return _simcep(spec, window, rng)
        case _:
            assert_never(spec)


def _neyman_scott(
    spec: Thomas | MaternCluster, margin: float, window: Window, rng: Generator
) -> Pattern:
    """Draw Poisson parents in the dilated box, and Poisson numbers of children."""
    size = np.asarray(window.size_um)
    margin = 0.0 if window.periodic else margin
    expected = per_um(spec.density, window.ndim) * float(np.prod(size + 2 * margin))
    check_count(expected, "density", spec.density)
    n_parents = expected / spec.cluster_size
    check_count(n_parents, "cluster_size", spec.cluster_size)
    parents = uniform_box(size + 2 * margin, int(rng.poisson(n_parents)), rng) - margin
    children = rng.poisson(spec.cluster_size, len(parents))
    points = np.repeat(parents, children, axis=0)
    steps = rng.standard_normal(points.shape)
    if isinstance(spec, Thomas):
        points += spec.spread_um * steps
    else:
        out = spec.radius_um * rng.random(len(points)) ** (1 / window.ndim)
        points += steps * (out / np.linalg.norm(steps, axis=1))[:, None]
    if window.periodic:
        points %= size
    return Pattern(points[window.contains(points)])


def _simcep(spec: SimcepCluster, window: Window, rng: Generator) -> Pattern:
    """Draw a few uniform centres, and points about them or anywhere."""
    expected = per_um(spec.density, window.ndim) * window.volume
    check_count(expected, "density", spec.density)
    n = whole(expected, rng)
    centres = uniform_points(window, spec.clusters, rng)
    points = uniform_points(window, n, rng)
    clustered = rng.random(n) < spec.probability
    waiting = np.flatnonzero(clustered)
    for _ in range(TRIES):
        drawn = _about(centres, len(waiting), spec.spread, window, rng)
        fine = window.contains(drawn)
        points[waiting[fine]] = drawn[fine]
        waiting = waiting[~fine]
        if waiting.size == 0:
            break
    # What found no place near a cluster stays where it was: uniform, and alone.
    clustered[waiting] = False
    return Pattern(points, {"type": clustered.astype(np.float64)})


def _about(
    centres: FloatArray, n: int, spread: float, window: Window, rng: Generator
) -> FloatArray:
    """Return n normally scattered positions, each about one of the centres."""
    size = np.asarray(window.size_um)
    offsets = rng.standard_normal((n, window.ndim)) * (spread * size)
    points: FloatArray = centres[rng.integers(0, len(centres), n)] + offsets
    return points % size if window.periodic else points
