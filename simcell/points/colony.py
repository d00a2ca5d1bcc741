"""Colonies: founders and their descendants, none nearer than a distance.

Founders fall wherever there is room. Then points divide, one after another: a
mother, any point that is not hemmed in, gets a daughter at a random place beside
her. As every point is as likely to divide as any other, colonies differ widely in
size (nearly geometrically: Yule's process), and grow outwards only (Eden's growth).

Decision: a mother that finds no place in ``tries`` directions never divides again.
Work is thus bounded by the number of points, and a full window ends the growth; the
density reached is in the notes.

References
----------
Yule (1925), A mathematical theory of evolution, Phil. Trans. R. Soc. B 213:21.
Eden (1961), A two-dimensional growth process, Proc. 4th Berkeley Symp. 4:223.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Pattern, Window, per_um
from simcell.points._kernel import (
    Cells,
    Domain,
    Ints,
    cells_for,
    domain_of,
    insert,
    inside,
    kernel,
    neighbours,
    part,
    seed_words,
    uniform,
    uniform_in,
)
from simcell.points._place import check_count, most_apart, per_mm, whole
from simcell.scene.colony import Colony

_MISSES = 200  # darts in a row that find no room for a founder


def sample(spec: Colony, window: Window, rng: Generator) -> Pattern:
    """Draw colonies.

    Parameters
    ----------
    spec : Colony
    window : Window
        Where points may lie.
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    Pattern
        Points (n, ndim) in µm, the mark ``colony`` (1 to their number), and the notes
        ``requested_density`` and ``achieved_density`` per mm² or mm³.

    Examples
    --------
    >>> import numpy as np
    >>> window = Window((400.0, 400.0), periodic=True)
    >>> pattern = sample(Colony(density=600), window, np.random.default_rng(1))
    >>> len(pattern), int(pattern.marks["colony"].max())
    (96, 8)
    """
    expected = per_um(spec.density, window.ndim) * window.volume
    expected = min(expected, most_apart(window, spec.distance_um))
    check_count(expected, "density", spec.density)
    target = whole(expected, rng)
    founders = min(whole(expected / spec.colony_size, rng), target)
    points, colony = np.zeros((target + 1, 3)), np.zeros(target + 1, np.int64)
    domain = domain_of(window)
    cells = cells_for(window, spec.distance_um, target)
    law = (spec.distance_um, spec.looseness)
    n = _grow(domain, cells, points, colony, max(founders, 1), law, spec.tries, seed_words(rng))
    notes = {"achieved_density": per_mm(n, window), "requested_density": spec.density}
    marks = {"colony": colony[:n].astype(np.float64)}
    return Pattern(points[:n, 3 - window.ndim :].copy(), marks, notes)


@part
def _beside(
    domain: Domain,
    points: FloatArray,
    row: int,
    mother: int,
    law: tuple[float, float],
    state: NDArray[np.uint64],
) -> None:
    """Write a place in a random direction from the mother to a row."""
    out = law[0] * (1.0 + law[1] * uniform(state))
    turn = 2.0 * np.pi * uniform(state)
    up = 0.0 if domain.flat else 2.0 * uniform(state) - 1.0
    level = out * np.sqrt(1.0 - up * up)
    points[row, 0] = points[mother, 0] + out * up
    points[row, 1] = points[mother, 1] + level * np.sin(turn)
    points[row, 2] = points[mother, 2] + level * np.cos(turn)
    if domain.periodic:
        for k in range(3):
            points[row, k] -= np.floor(points[row, k] / domain.size[k]) * domain.size[k]
            if points[row, k] >= domain.size[k]:
                points[row, k] = 0.0


@part
def _add(
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    row: int,
    mother: int,
    law: tuple[float, float],
    tries: int,
    state: NDArray[np.uint64],
    found: Ints,
    apart2: FloatArray,
) -> bool:
    """Add a point to a row where there is room: beside the mother, or anywhere if she is -1."""
    reach = law[0] * (1.0 - 1e-12)
    for _ in range(tries if mother >= 0 else 1):
        if mother >= 0:
            _beside(domain, points, row, mother, law, state)
        else:
            uniform_in(domain, state, points, row)
        if not inside(domain, points, row):
            continue
        if neighbours(domain, cells, points, row, -1, reach, found, apart2) == 0:
            insert(cells, points, row)
            return True
    return False


@kernel
def _grow(
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    colony: Ints,
    founders: int,
    law: tuple[float, float],
    tries: int,
    state: NDArray[np.uint64],
) -> int:
    """Write ``points`` and ``colony``, a row longer than there are points; return how many lie."""
    target = len(points) - 1
    found, apart2 = np.empty(target, np.int64), np.empty(target)
    active = np.empty(target, np.int64)
    free = 0  # mothers that are not hemmed in
    n = 0
    colonies = 0
    misses = 0
    while n < target and misses < _MISSES:
        founding = colonies < founders or free == 0
        at = int(uniform(state) * free)
        mother = -1 if founding else active[at]
        if _add(domain, cells, points, n, mother, law, tries, state, found, apart2):
            colonies += founding
            colony[n] = colonies if founding else colony[mother]
            active[free] = n
            free, n, misses = free + 1, n + 1, 0
        elif founding:
            misses += 1
            if misses == _MISSES and free > 0:
                founders, misses = colonies, 0  # no room for more; those there go on
        else:
            free -= 1
            active[at] = active[free]
    return n
