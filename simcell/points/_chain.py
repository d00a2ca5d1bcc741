"""The Markov chain of the Gibbs processes: births, deaths, moves, mark changes.

References
----------
Geyer & Møller (1994), Simulation procedures and likelihood inference for
spatial point processes, Scand. J. Stat. 21:359-373.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import FloatArray
from simcell.points._kernel import (
    Cells,
    Domain,
    insert,
    kernel,
    neighbours,
    part,
    remove,
    step_near,
    uniform,
    uniform_in,
)
from simcell.points._potentials import Potential, Scratch, draw_mark, energy, redraw_mark


@part
def adds(
    domain: Domain,
    cells: Cells,
    potential: Potential,
    points: FloatArray,
    marks: FloatArray,
    row: int,
    skip: int,
    scratch: Scratch,
) -> float:
    """Return the energy that the object in ``row`` adds to all others but ``skip``."""
    near = neighbours(
        domain, cells, points, row, skip, potential.reach, scratch.found, scratch.apart2
    )
    return energy(potential, domain, cells, points, marks, row, skip, near, scratch)


@part
def copy_row(points: FloatArray, marks: FloatArray, source: int, target: int) -> None:
    """Copy an object from one row to another."""
    for k in range(3):
        points[target, k] = points[source, k]
    for k in range(marks.shape[1]):
        marks[target, k] = marks[source, k]


@part
def drop(cells: Cells, points: FloatArray, marks: FloatArray, index: int, last: int) -> None:
    """Delete row ``index``; row ``last`` takes its place."""
    remove(cells, points, index)
    if index != last:
        remove(cells, points, last)
        copy_row(points, marks, last, index)
        insert(cells, points, index)


# One long function: cut into parts, the reference counts of its arrays double the time.
@kernel
def run(  # noqa: C901
    domain: Domain,
    cells: Cells,
    potential: Potential,
    points: FloatArray,
    marks: FloatArray,
    n: int,
    expected: float,
    steps: int,
    changes: float,
    scratch: Scratch,
    state: NDArray[np.uint64],
) -> int:
    """Run a chain of ``steps`` from the ``n`` objects in the first rows.

    What is proposed is written to row ``n``, so the arrays hold one object less
    than they have rows. ``expected`` is activity times window size, ``changes``
    the share of steps that change a mark; of the others a third moves an
    object. Returns the number of objects, or -1 where they outgrow the arrays.
    """
    births = changes + (1.0 - changes) * 2.0 / 3.0
    for _ in range(steps):
        u = uniform(state)
        if u >= births:
            uniform_in(domain, state, points, n)
            draw_mark(potential, state, marks, n)
            after = adds(domain, cells, potential, points, marks, n, -1, scratch)
            if uniform(state) * (n + 1) < expected * np.exp(-after):
                if n == points.shape[0] - 1:
                    return -1
                insert(cells, points, n)
                n += 1
        elif n > 0:
            i = int(uniform(state) * n)
            before = adds(domain, cells, potential, points, marks, i, i, scratch)
            if u > 0.5 * (changes + births):
                if uniform(state) * expected < n * np.exp(before):
                    drop(cells, points, marks, i, n - 1)
                    n -= 1
                continue
            copy_row(points, marks, i, n)
            if u < changes:
                redraw_mark(potential, state, marks, n)
            elif not step_near(domain, state, points, n, 0.5 * potential.reach):
                continue
            after = adds(domain, cells, potential, points, marks, n, i, scratch)
            if uniform(state) < np.exp(before - after):
                remove(cells, points, i)
                copy_row(points, marks, n, i)
                insert(cells, points, i)
    return n
