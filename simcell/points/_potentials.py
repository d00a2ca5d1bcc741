# ruff: noqa: ARG001, ANN401 - numba's overloads must share one signature of any types
"""Interaction energies of the Gibbs processes, as the chains call them.

Decision: there is one Markov chain for all processes. It knows a process by its
potential, a named tuple of arrays; numba compiles the chain once per potential
class and picks ``energy`` and ``draw_mark`` by that class. So a user of the
Strauss process never waits for the overlap of ellipsoids to compile. The price:
numba's cache watches only the file of the chain; after editing this one, delete
``__pycache__/*.nb*``.

An energy is minus the logarithm of the conditional intensity over the activity:
what a point adds to the configuration of all the others. ``inf`` forbids.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from simcell.arrays import FloatArray
from simcell.points._kernel import Cells, Domain, Ints, neighbours, part, shortest, uniform
from simcell.points._overlap import shared_size

State: TypeAlias = NDArray[np.uint64]


class Scratch(NamedTuple):
    """Lists that one evaluation of an energy fills and forgets."""

    found: Ints
    apart2: FloatArray
    other_found: Ints
    other_apart2: FloatArray


class Pairwise(NamedTuple):
    """Strauss and hard-core terms between types: energy per close pair."""

    reach: float
    share: FloatArray
    cost: FloatArray
    within2: FloatArray
    core2: FloatArray


class Saturated(NamedTuple):
    """Geyer's term: neighbours within ``reach`` count up to a limit."""

    reach: float
    cost: float
    limit: float


class Area(NamedTuple):
    """Area interaction: energy per covered part of a ball, seen on lines through it.

    ``lines`` has a row (z, y, half length, weight) per line.
    """

    reach: float
    radius: float
    cost: float
    lines: FloatArray


class Overlap(NamedTuple):
    """Marked objects: penalty on the shared part, and what is forbidden.

    ``quantiles`` (types, 4, nodes) hold the inverse distribution functions of
    radius, axis ratio, orientation and sin(elevation).
    """

    reach: float
    share: FloatArray
    quantiles: FloatArray
    penalty: float
    limit: float
    packing: float
    flat: bool


Potential: TypeAlias = Pairwise | Saturated | Area | Overlap
MARKS = {Pairwise: 1, Saturated: 1, Area: 1, Overlap: 5}
"""Columns of the mark array: type, radius, axis ratio, orientation, sin(elevation)."""


def scratch_for(capacity: int) -> Scratch:
    """Return scratch lists that hold all points."""
    found = np.empty((2, capacity), np.int64)
    apart2 = np.empty((2, capacity))
    return Scratch(found[0], apart2[0], found[1], apart2[1])


# The three functions below stand for what numba's `overload` picks by the potential's type.
_COMPILED_ONLY = "only compiled kernels can call this"


def energy(
    potential: Potential,
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    marks: FloatArray,
    row: int,
    skip: int,
    near: int,
    scratch: Scratch,
) -> float:
    """Return what the object in ``row`` adds; its ``near`` neighbours are in scratch."""
    raise RuntimeError(_COMPILED_ONLY)


def draw_mark(potential: Potential, state: State, marks: FloatArray, row: int) -> None:
    """Draw the marks of a new object into a row."""
    raise RuntimeError(_COMPILED_ONLY)


def redraw_mark(potential: Potential, state: State, marks: FloatArray, row: int) -> None:
    """Draw one mark of a row anew, or all with the type."""
    raise RuntimeError(_COMPILED_ONLY)


@part
def _pairwise(
    potential: Pairwise,
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    marks: FloatArray,
    row: int,
    skip: int,
    near: int,
    scratch: Scratch,
) -> float:
    mine = int(marks[row, 0])
    total = 0.0
    for k in range(near):
        theirs = int(marks[scratch.found[k], 0])
        if scratch.apart2[k] < potential.core2[mine, theirs]:
            return np.inf
        if scratch.apart2[k] <= potential.within2[mine, theirs]:
            total += potential.cost[mine, theirs]
    return total


@part
def _saturated(
    potential: Saturated,
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    marks: FloatArray,
    row: int,
    skip: int,
    near: int,
    scratch: Scratch,
) -> float:
    gained = min(potential.limit, float(near))
    for k in range(near):
        # The neighbour finds itself too, hence the 1.
        theirs = neighbours(
            domain,
            cells,
            points,
            scratch.found[k],
            skip,
            potential.reach,
            scratch.other_found,
            scratch.other_apart2,
        )
        gained += min(potential.limit, float(theirs)) - min(potential.limit, theirs - 1.0)
    return potential.cost * gained if gained > 0.0 else 0.0


@part
def _area(
    potential: Area,
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    marks: FloatArray,
    row: int,
    skip: int,
    near: int,
    scratch: Scratch,
) -> float:
    lows, highs = scratch.apart2, scratch.other_apart2
    whole = 0.0
    covered = 0.0
    for line in range(potential.lines.shape[0]):
        z, y = potential.lines[line, 0], potential.lines[line, 1]
        half, weight = potential.lines[line, 2], potential.lines[line, 3]
        whole += 2.0 * half * weight
        cuts = 0
        for k in range(near):
            other = scratch.found[k]
            dz = shortest(points[other, 0] - points[row, 0], domain.size[0], domain.periodic) - z
            dy = shortest(points[other, 1] - points[row, 1], domain.size[1], domain.periodic) - y
            rest = potential.radius**2 - dz * dz - dy * dy
            if rest > 0.0:
                dx = shortest(points[other, 2] - points[row, 2], domain.size[2], domain.periodic)
                low = max(dx - np.sqrt(rest), -half)
                high = min(dx + np.sqrt(rest), half)
                if low < high:
                    at = cuts
                    while at > 0 and lows[at - 1] > low:
                        lows[at] = lows[at - 1]
                        highs[at] = highs[at - 1]
                        at -= 1
                    lows[at] = low
                    highs[at] = high
                    cuts += 1
        done = -half
        for k in range(cuts):
            if highs[k] > done:
                covered += weight * (highs[k] - max(lows[k], done))
                done = highs[k]
    return potential.cost * covered / whole


@part
def _overlap(
    potential: Overlap,
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    marks: FloatArray,
    row: int,
    skip: int,
    near: int,
    scratch: Scratch,
) -> float:
    total = 0.0
    for k in range(near):
        other = scratch.found[k]
        least = potential.packing * (marks[row, 1] + marks[other, 1])
        if scratch.apart2[k] < least * least:
            return np.inf
        if potential.penalty == 0.0 and potential.limit >= 1.0:
            continue
        dz = shortest(points[other, 0] - points[row, 0], domain.size[0], domain.periodic)
        dy = shortest(points[other, 1] - points[row, 1], domain.size[1], domain.periodic)
        dx = shortest(points[other, 2] - points[row, 2], domain.size[2], domain.periodic)
        smaller = min(marks[row, 1], marks[other, 1])
        size = np.pi * smaller**2 if potential.flat else np.pi * smaller**3 * 4.0 / 3.0
        ratio = shared_size(dz, dy, dx, marks, row, other, potential.flat) / size
        if potential.limit < 1.0 and ratio > potential.limit:
            return np.inf
        total += potential.penalty * ratio
    return total


@part
def _draw_type(share: FloatArray, state: State) -> float:
    """Draw a type; ``share`` is cumulative and ends at 1."""
    u = uniform(state)
    chosen = 0
    while chosen < share.size - 1 and u >= share[chosen]:
        chosen += 1
    return float(chosen)


@part
def _draw_pairwise(potential: Pairwise, state: State, marks: FloatArray, row: int) -> None:
    marks[row, 0] = _draw_type(potential.share, state)


@part
def _draw_nothing(potential: Potential, state: State, marks: FloatArray, row: int) -> None:
    marks[row, 0] = 0.0


@part
def _draw_column(
    potential: Overlap, column: int, state: State, marks: FloatArray, row: int
) -> None:
    """Draw one mark of the object's type by its inverse distribution function."""
    last = potential.quantiles.shape[2] - 1
    at = uniform(state) * last
    node = min(int(at), last - 1)
    low = potential.quantiles[int(marks[row, 0]), column - 1, node]
    high = potential.quantiles[int(marks[row, 0]), column - 1, node + 1]
    marks[row, column] = low + (at - node) * (high - low)


@part
def _draw_object(potential: Overlap, state: State, marks: FloatArray, row: int) -> None:
    marks[row, 0] = _draw_type(potential.share, state)
    for column in range(1, 5):
        _draw_column(potential, column, state, marks, row)


@part
def _redraw_object(potential: Overlap, state: State, marks: FloatArray, row: int) -> None:
    column = int(uniform(state) * 5.0)
    if column == 0:
        _draw_object(potential, state, marks, row)
    else:
        _draw_column(potential, column, state, marks, row)


_ENERGY = {Pairwise: _pairwise, Saturated: _saturated, Area: _area, Overlap: _overlap}
_DRAW = {
    Pairwise: _draw_pairwise,
    Saturated: _draw_nothing,
    Area: _draw_nothing,
    Overlap: _draw_object,
}
_REDRAW = {**_DRAW, Overlap: _redraw_object}


# numba compares the names of arguments, so each is written out as in its stand-in above.
def _choose_energy(
    potential: Any,
    domain: Any,
    cells: Any,
    points: Any,
    marks: Any,
    row: Any,
    skip: Any,
    near: Any,
    scratch: Any,
) -> Callable[..., Any]:
    chosen: Any = _ENERGY[potential.instance_class]

    def call(
        potential: Any,
        domain: Any,
        cells: Any,
        points: Any,
        marks: Any,
        row: Any,
        skip: Any,
        near: Any,
        scratch: Any,
    ) -> Any:
        return chosen(potential, domain, cells, points, marks, row, skip, near, scratch)

    return call


def _choose_draw(
    potential: Any,
    state: Any,
    marks: Any,
    row: Any,
) -> Callable[..., Any]:
    chosen: Any = _DRAW[potential.instance_class]

    def call(
        potential: Any,
        state: Any,
        marks: Any,
        row: Any,
    ) -> Any:
        return chosen(potential, state, marks, row)

    return call


def _choose_redraw(
    potential: Any,
    state: Any,
    marks: Any,
    row: Any,
) -> Callable[..., Any]:
    chosen: Any = _REDRAW[potential.instance_class]

    def call(
        potential: Any,
        state: Any,
        marks: Any,
        row: Any,
    ) -> Any:
        return chosen(potential, state, marks, row)

    return call


overload(energy)(_choose_energy)
overload(draw_mark)(_choose_draw)
overload(redraw_mark)(_choose_redraw)
