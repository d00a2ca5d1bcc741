"""Multiple birth and death: an optimiser for marked objects.

Each iteration adds a Poisson number of objects (``delta`` times the activity)
wherever they fall, then asks every object, one after another, whether it dies:
with probability δa/(1 + δa), a = exp(energy it adds / temperature). Lowering
the temperature and δ by the factor ``cooling`` at each iteration leads to a
configuration of least energy: hardly any overlap is left.

At a fixed temperature (``cooling = 1``) its equilibrium is that of the Gibbs
process only as δ → 0. For discs of overlap penalty 10 it has 14 % too few
objects and half the overlap at δ = 0.3, 3 % and 15 % short at 0.03, and is
right within 2 % at 0.01: use ``method="mh"`` where the distribution matters.

References
----------
Descombes, Minlos & Zhizhina (2009), Object extraction using a stochastic
birth-and-death dynamics in continuum, J. Math. Imaging Vis. 33:347-359.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Window
from simcell.points._chain import adds, copy_row, drop
from simcell.points._kernel import (
    Cells,
    Domain,
    cells_for,
    domain_of,
    insert,
    kernel,
    part,
    remove,
    seed_words,
    uniform,
    uniform_in,
)
from simcell.points._place import check_count
from simcell.points._potentials import MARKS, Overlap, Potential, Scratch, draw_mark, scratch_for

LIFETIMES = 20.0
"""Default length in mean lifetimes of an object that nothing presses."""


class Schedule(NamedTuple):
    """Time step, factor on it and on the temperature, and iterations (None = default)."""

    delta: float
    cooling: float
    iterations: int | None


def draw(
    potential: Overlap, activity: float, window: Window, schedule: Schedule, rng: Generator
) -> tuple[FloatArray, FloatArray]:
    """Run multiple births and deaths from the empty pattern.

    Parameters
    ----------
    potential : Overlap
        Interaction and mark laws.
    activity : float
        Total activity per µm² or µm³.
    window : Window
        Where centres may lie.
    schedule : Schedule
        Step, cooling and length; the default length is 20 lifetimes (20/delta).
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    points, marks : FloatArray
        Positions (n, ndim) in µm, and mark columns (n, 5).
    """
    expected = activity * window.volume
    # Without interaction the chain settles at (1 + δ) times the expected number.
    most = check_count(2 * expected, "activity", activity * 1000**window.ndim)
    capacity = int(most + 12 * most**0.5 + 50)
    points, marks = np.zeros((capacity, 3)), np.zeros((capacity, MARKS[Overlap]))
    iterations = schedule.iterations or int(np.ceil(LIFETIMES / schedule.delta))
    n = sweep(
        domain_of(window),
        cells_for(window, potential.reach, capacity),
        potential,
        points,
        marks,
        expected,
        schedule.delta,
        schedule.cooling,
        iterations,
        scratch_for(capacity),
        seed_words(rng),
    )
    if n < 0:
        check_count(np.inf, "activity", activity * 1000**window.ndim)
    return points[:n, 3 - window.ndim :].copy(), marks[:n].copy()


@kernel
def sweep(
    domain: Domain,
    cells: Cells,
    potential: Potential,
    points: FloatArray,
    marks: FloatArray,
    expected: float,
    delta: float,
    cooling: float,
    iterations: int,
    scratch: Scratch,
    state: NDArray[np.uint64],
) -> int:
    """Alternate births and deaths; return the number of objects, -1 if too many."""
    n = 0
    inverse_temperature = 1.0
    for _ in range(iterations):
        # A Poisson number of births: exponential gaps that fit into the rate.
        time = -np.log(1.0 - uniform(state))
        while time < delta * expected:
            if n == points.shape[0] - 1:
                return -1
            uniform_in(domain, state, points, n)
            draw_mark(potential, state, marks, n)
            insert(cells, points, n)
            n += 1
            time -= np.log(1.0 - uniform(state))
        # In random order: each object trades places with one not yet asked.
        for k in range(n - 1, -1, -1):
            i = int(uniform(state) * (k + 1))
            if i != k:
                trade(cells, points, marks, i, k, n)
            pressure = adds(domain, cells, potential, points, marks, k, k, scratch)
            rate = delta * np.exp(inverse_temperature * pressure)
            # Written so that an infinite rate kills.
            if uniform(state) * (1.0 / rate + 1.0) < 1.0:
                drop(cells, points, marks, k, n - 1)
                n -= 1
        # Bounded, so that no product of zero and infinity arises.
        inverse_temperature = min(inverse_temperature / cooling, 1e9)
        delta = max(delta * cooling, 1e-9)
    return n


@part
def trade(cells: Cells, points: FloatArray, marks: FloatArray, i: int, k: int, spare: int) -> None:
    """Swap two rows by way of a spare one."""
    for source, target in ((i, spare), (k, i), (spare, k)):
        if target != spare:
            remove(cells, points, target)
        copy_row(points, marks, source, target)
        if target != spare:
            insert(cells, points, target)
