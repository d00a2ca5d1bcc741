"""Random sequential addition: points placed where there is room, up to jamming.

Darts are thrown at the whole window first. Once most of them miss, the window
is covered with voxels, those that a single point blocks entirely are dropped,
and darts fall only into the rest; the voxels are then split and dropped again
until none is left. As the voxels always hold all the room there is, the law of
the sequence is that of plain dart throwing, and an empty list proves that
nothing more fits.

References
----------
Zhang & Torquato (2013), Precise algorithm to generate random sequential
addition of hard hyperspheres at saturation, Phys. Rev. E 88:053312.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from simcell.arrays import Pattern, Window, per_um
from simcell.errors import SimcellError
from simcell.points._kernel import cells_for, domain_of, seed_words
from simcell.points._place import check_count, most_apart, per_mm, whole
from simcell.points._rsa import fill_gaps, throw
from simcell.scene.points import HardCore

MOST_VOXELS = 20_000_000

RUNGS = 12
"""Radii tried, from the largest to the smallest, for what darts found no room for."""


def sample(spec: HardCore, window: Window, rng: Generator) -> Pattern:
    """Draw points no two of which are closer than the sum of their radii.

    Parameters
    ----------
    spec : HardCore
        Density per mm² or mm³ (None = to saturation), mean distance in µm, and
        ``spread``: radii are uniform about half of that distance with that
        coefficient of variation. Balls for which there is no room shrink, an
        eleventh of the range at a time, until they fit.
    window : Window
        Where points may lie.
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    Pattern
        Points (n, ndim) in µm, mark ``radius_um`` where ``spread`` > 0, and notes
        ``requested_density`` (absent for saturation) and ``achieved_density``
        per mm² or mm³: they differ when the window is full.

    Examples
    --------
    >>> import numpy as np
    >>> window = Window((128.0, 128.0), periodic=True)
    >>> full = sample(HardCore(density=None), window, np.random.default_rng(1))
    >>> bool(0.5 < len(full) * np.pi * 6.0**2 / 128.0**2 < 0.59)
    True
    """
    mean = 0.5 * spec.apart_um(window.ndim)
    low, high = mean * (1 - 3**0.5 * spec.spread), mean * (1 + 3**0.5 * spec.spread)
    fits = most_apart(window, 2 * low)
    wanted = fits
    if spec.density is not None:
        wanted = min(per_um(spec.density, window.ndim) * window.volume, fits)
    check_count(wanted, "density", spec.density)
    target = whole(wanted, rng)
    # Radii are drawn once each, and not anew at each dart: that would favour small ones.
    radii = rng.uniform(low, high, target) if spec.spread else np.full(target, mean)
    points = np.zeros((target + 1, 3))
    domain, cells, state = domain_of(window), cells_for(window, 2 * high, target), seed_words(rng)
    n = throw(domain, cells, points, radii, state)
    if n < target:
        _check_voxels(window, low)
    rungs = np.linspace(high, low, RUNGS) if spec.spread else np.array([mean])
    thrown, waiting = n, radii[n:].copy()
    for radius in rungs:
        # Balls that found no room at their own size wait for a smaller one.
        stop = target if radius == rungs[-1] else thrown + int((waiting >= radius).sum())
        if n < stop:
            n = fill_gaps(domain, cells, points, radii, n, stop, float(radius), high, state)
    notes = {"achieved_density": per_mm(n, window)}
    if spec.density is not None:
        notes["requested_density"] = spec.density
    # Alike radii say nothing of the objects' size, only of their distance.
    marks = {"radius_um": radii[:n].copy()} if spec.spread > 0 else {}
    return Pattern(points[:n, 3 - window.ndim :].copy(), marks, notes)


def _check_voxels(window: Window, radius: float) -> None:
    """Refuse to cover a box that is vast against the mask that holds the points."""
    sides = np.asarray(window.size_um) * window.ndim**0.5 / (2 * radius)
    if np.prod(sides) > MOST_VOXELS:
        msg = (
            f"distance_um = {2 * radius:g}: {np.prod(sides):.3g} voxels are needed to fill the box"
            f" of the window, at most {MOST_VOXELS:,} are allowed; crop the window to its mask"
        )
        raise SimcellError(msg)
