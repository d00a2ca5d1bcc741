"""Exact draws from repulsive pairwise processes: dominated coupling from the past.

A Poisson birth-and-death process, in equilibrium at time 0, is run backwards.
Forwards again, each of its births is accepted by an upper and a lower process
that enclose the one wanted; where the two agree at time 0 they are the draw.
If they do not, start twice as far back, with the same births.

References
----------
Kendall & Møller (2000), Perfect simulation using dominating processes on
ordered spaces, Adv. Appl. Prob. 32:844-865.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Window
from simcell.errors import SimcellError
from simcell.points._kernel import (
    Cells,
    Domain,
    Ints,
    cells_for,
    domain_of,
    insert,
    kernel,
    neighbours,
    remove,
    seed_words,
    uniform,
    uniform_in,
)
from simcell.points._place import check_count
from simcell.points._potentials import Pairwise, Scratch, draw_mark, energy, scratch_for

MOST_EVENTS = 40_000_000
"""Births and deaths to go back at most: about a minute."""


def draw(
    potential: Pairwise, activity: float, window: Window, rng: Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw exactly from a repulsive pairwise process.

    Parameters
    ----------
    potential : Pairwise
        Interaction; no cost may be negative.
    activity : float
        Total activity per µm² or µm³.
    window : Window
        Where points may lie.
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    points, marks : FloatArray
        Positions (n, ndim) in µm, and types (n, 1).
    """
    expected = activity * window.volume
    check_count(expected, "activity", activity * 1000**window.ndim)
    domain, state = domain_of(window), seed_words(rng)
    alive = int(rng.poisson(expected))
    alive_ids = np.arange(alive)
    points, marks, luck = np.zeros((0, 3)), np.zeros((0, 1)), np.zeros(0)
    events, past, known = np.zeros(0, np.int64), 0, 0
    future = int(2 * expected) + 16
    while future <= MOST_EVENTS:
        events = np.concatenate([events, np.zeros(future - past, np.int64)])
        # Each event backwards meets at most one point not met before.
        room = known + (alive if past == 0 else 0) + future - past
        points = np.concatenate([points[:known], np.zeros((room - known, 3))])
        marks = np.concatenate([marks[:known], np.zeros((room - known, 1))])
        luck = np.concatenate([luck[:known], np.zeros(room - known)])
        alive_ids = np.concatenate([alive_ids[:alive], np.zeros(future - past, np.int64)])
        if past == 0:
            known = alive
            populate(domain, potential, points, marks, luck, alive, state)
        known, alive = look_back(
            domain,
            potential,
            points,
            marks,
            luck,
            events,
            past,
            alive_ids,
            known,
            alive,
            expected,
            state,
        )
        cells = cells_for(window, potential.reach, room)
        held = np.zeros(room, np.int8)
        if sandwich(
            domain,
            cells,
            potential,
            points,
            marks,
            luck,
            events,
            alive_ids[:alive],
            held,
            scratch_for(room),
        ):
            chosen = held == BOTH
            return points[chosen, 3 - window.ndim :].copy(), marks[chosen].copy()
        past, future = future, 2 * future
    msg = (
        f"method = 'perfect': upper and lower process still differ {past:,} events back;"
        " use method='mh', or lower the activity or the distance"
    )
    raise SimcellError(msg)


UPPER, BOTH = 1, 2


@kernel
def populate(
    domain: Domain,
    potential: Pairwise,
    points: FloatArray,
    marks: FloatArray,
    luck: FloatArray,
    n: int,
    state: NDArray[np.uint64],
) -> None:
    """Draw the n points of the dominating process that are alive at time 0."""
    for row in range(n):
        uniform_in(domain, state, points, row)
        draw_mark(potential, state, marks, row)
        luck[row] = uniform(state)


@kernel
def look_back(
    domain: Domain,
    potential: Pairwise,
    points: FloatArray,
    marks: FloatArray,
    luck: FloatArray,
    events: Ints,
    past: int,
    alive_ids: Ints,
    known: int,
    alive: int,
    expected: float,
    state: NDArray[np.uint64],
) -> tuple[int, int]:
    """Run the dominating process backwards through ``events[past:]``.

    An event is id + 1 for the birth of a point and −(id + 1) for its death, as
    time runs forwards. Returns the numbers of points known and alive.
    """
    for k in range(past, events.size):
        if uniform(state) * (expected + alive) < expected:
            uniform_in(domain, state, points, known)
            draw_mark(potential, state, marks, known)
            luck[known] = uniform(state)
            events[k] = -(known + 1)
            alive_ids[alive] = known
            alive += 1
            known += 1
        else:
            i = int(uniform(state) * alive)
            events[k] = alive_ids[i] + 1
            alive -= 1
            alive_ids[i] = alive_ids[alive]
    return known, alive


@kernel
def sandwich(
    domain: Domain,
    cells: Cells,
    potential: Pairwise,
    points: FloatArray,
    marks: FloatArray,
    luck: FloatArray,
    events: Ints,
    start: Ints,
    held: NDArray[np.int8],
    scratch: Scratch,
) -> bool:
    """Run the upper and the lower process forwards; tell whether they meet.

    ``held`` becomes 1 for points of the upper process alone, 2 for both.
    """
    apart = start.size
    for id_ in start:
        insert(cells, points, id_)
        held[id_] = UPPER
    for k in range(events.size - 1, -1, -1):
        if events[k] < 0:
            id_ = -events[k] - 1
            if held[id_]:
                remove(cells, points, id_)
                apart -= held[id_] == UPPER
                held[id_] = 0
            continue
        id_ = events[k] - 1
        near = neighbours(
            domain, cells, points, id_, -1, potential.reach, scratch.found, scratch.apart2
        )
        upper = energy(potential, domain, cells, points, marks, id_, -1, near, scratch)
        sure = 0
        for j in range(near):
            if held[scratch.found[j]] == BOTH:
                scratch.found[sure] = scratch.found[j]
                scratch.apart2[sure] = scratch.apart2[j]
                sure += 1
        lower = energy(potential, domain, cells, points, marks, id_, -1, sure, scratch)
        # Few neighbours make a birth likely, so each process asks the other.
        if luck[id_] < np.exp(-lower):
            insert(cells, points, id_)
            held[id_] = BOTH if luck[id_] < np.exp(-upper) else UPPER
            apart += held[id_] == UPPER
    return bool(apart == 0)
