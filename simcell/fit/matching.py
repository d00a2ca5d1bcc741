"""Match simulated images to real ones: draw numbers, compare what images measure, narrow.

A round draws the unknown numbers evenly from a box, simulates every image with each draw, and
learns from these to tell the numbers back from what the images measure (ridge regression on
the measures and on squares of their main directions). What it tells of the real images, with
the errors it makes on simulated ones that look alike, is how well the numbers are known: the
next round draws from the box around that.

Decision: boxes, not clouds. Within a box, which moves to where the answer is, numbers are
as likely as in the first one, so that the last round's answer needs no weights (Deistler,
Goncalves & Macke, NeurIPS 2022); the adjustment by regression is that of Beaumont, Zhang &
Balding, Genetics 162, 2025 (2002).

Decision: a budget is a number of draws, worked out from minutes at a nominal speed. A clock would
make the answer depend on how busy the machine is.

Decision: measures that not even the draws that look most like the real images have, as the model
is not the microscope, are named and left out: a regression would follow a single one of them to
numbers that fit nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from simcell.arrays import BoolArray, FloatArray
from simcell.batch.pool import Job, run_here, run_in_processes
from simcell.batch.progress import reported
from simcell.rng import stream

ROUNDS = 4
_DRAW_SECONDS_PER_PIXEL = 1.0e-6
_FEWEST, _MOST = 60, 1500  # draws in a round
_RIDGES = np.logspace(-2, 4, 13)  # strengths of the penalty, in squares of a unit feature
_DIRECTIONS = 6  # of the measures, whose squares are features too
_NEAR = 0.5  # share of a round's draws whose errors count
_TAIL, _ROOM = 0.005, 0.15  # of the answer that a box leaves out; of its width that it adds
_LEAST = 0.12  # width of a box
_ALIKE = 0.1  # share of a round's draws that count as the best
_LEAST_ALIKE = 20  # draws
_FIRST = 0.25  # of a measure's spread over a round, in which its gap is told
_FAR = 4.0  # spreads, from which on a gap counts no more
_STRANGE = 2.5  # spreads from which on a measure is out of the model's reach


class Rig(Protocol):
    """A set of images, and a way to simulate their like."""

    @property
    def unknowns(self) -> int:
        """How many numbers are looked for; each runs from 0 to 1."""
        ...

    @property
    def measures(self) -> tuple[str, ...]:
        """Names (k,) of what images measure."""
        ...

    @property
    def pixels(self) -> int:
        """Pixels that one draw simulates."""
        ...

    def observed(self) -> FloatArray:
        """Measures (images, k) of the real images."""
        ...

    def simulated(self, units: FloatArray, seed: int, index: int) -> FloatArray:
        """Measures (images, k) of images simulated with these numbers."""
        ...


@dataclass(frozen=True)
class Match:
    """What images tell of the unknown numbers, each from 0 to 1.

    Attributes
    ----------
    samples : FloatArray
        Numbers (m, unknowns) as likely as the images make them.
    between : FloatArray
        Spread (unknowns,) of the numbers from image to image; standard deviation.
    images, draws : int
        How many images were matched, and how often they were simulated.
    strange : tuple of str
        Measures that no simulated image comes near.
    """

    samples: FloatArray
    between: FloatArray
    images: int
    draws: int
    strange: tuple[str, ...]


def match(
    rig: Rig,
    *,
    seed: int,
    minutes: float = 5.0,
    workers: int = 1,
    progress: bool | None = False,
) -> Match:
    """Find the numbers with which simulated images measure what the real ones do.

    Parameters
    ----------
    rig : Rig
        Can be pickled, where there are several workers.
    seed : int
    minutes : float
        Budget of work on one ordinary core; sets how many draws are made.
    workers : int
        Processes; the answer does not depend on it.
    progress : bool or None
        See ``simcell.batch.progress.reported``.

    Returns
    -------
    Match
    """
    observed = rig.observed()
    count = draws_per_round(minutes, rig.pixels)
    box = np.stack([np.zeros(rig.unknowns), np.ones(rig.unknowns)])
    rounds: list[tuple[FloatArray, FloatArray]] = []
    with reported(ROUNDS * count, 0, progress, "draws") as advance:
        for number in range(ROUNDS):
            units = _spread_out(box, count, seed, number)
            rounds.append((units, rows_of(rig, units, seed, number * count, workers, advance)))
            # Far from the answer nothing looks alike, and every measure shows the way.
            strict = number >= ROUNDS // 2
            samples, strange = infer(*most_alike(rounds, observed), observed, strict=strict)
            samples = np.clip(samples, 0.0, 1.0)
            box = _around(samples)
    between = _between(rounds, observed)
    names = tuple(name for name, odd in zip(rig.measures, strange, strict=True) if odd)
    return Match(samples, between, len(observed), ROUNDS * count, names)


def draws_per_round(minutes: float, pixels: int) -> int:
    """Return how often a budget allows images of so many pixels to be simulated each round.

    Examples
    --------
    >>> draws_per_round(5, 150_000)
    500
    """
    count = int(60.0 * minutes / (_DRAW_SECONDS_PER_PIXEL * max(pixels, 1)) / ROUNDS)
    return min(max(count, _FEWEST), _MOST)


def rows_of(
    rig: Rig,
    units: FloatArray,
    seed: int,
    first: int,
    workers: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> FloatArray:
    """Simulate with numbers (n, unknowns), draws ``first`` and on; measure: (n, patches, k)."""
    job = _Draw(rig, units, seed, first)
    rows: dict[int, FloatArray] = {}
    for i, row in _run(job, len(units), workers):
        rows[i] = row
        advance(1)
    return np.stack([rows[i] for i in range(len(units))])


@dataclass(frozen=True)
class _Draw:
    """Simulate one draw of a round, by its number."""

    rig: Rig
    units: FloatArray
    seed: int
    first: int

    def __call__(self, number: int) -> Any:  # noqa: ANN401 - (number, measures)
        return number, self.rig.simulated(self.units[number], self.seed, self.first + number)


def _run(job: _Draw, count: int, workers: int) -> Iterator[tuple[int, FloatArray]]:
    """Do all draws, here or in processes, in whatever order they come."""
    task, numbers = cast("Job", job), range(count)
    runs = run_here(task, numbers) if workers <= 1 else run_in_processes(task, numbers, workers)
    with closing(runs):
        yield from cast("Iterator[tuple[int, FloatArray]]", runs)


def _spread_out(box: FloatArray, count: int, seed: int, number: int) -> FloatArray:
    """Draw evenly from a box; each number alone is spread out as evenly as can be."""
    rng = stream(seed, number, "fit.draws")
    unknowns = box.shape[1]
    order = rng.permuted(np.tile(np.arange(count)[:, None], (1, unknowns)), axis=0)
    units = (order + rng.random((count, unknowns))) / count
    return np.asarray(box[0] + units * (box[1] - box[0]), np.float64)


def _around(samples: FloatArray) -> FloatArray:
    """Return the box of the next round; it may move, and never closes on a single value."""
    low, high = np.quantile(samples, [_TAIL, 1.0 - _TAIL], axis=0)
    room = np.maximum(_ROOM * (high - low), 0.5 * (_LEAST - (high - low)))
    return np.asarray(np.clip(np.stack([low - room, high + room]), 0.0, 1.0), np.float64)


def most_alike(
    rounds: list[tuple[FloatArray, FloatArray]], observed: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the draws (units, measured) that look most like the real images, one round's worth."""
    units = np.concatenate([u for u, _ in rounds])
    measured = np.concatenate([m for _, m in rounds])
    rows, row = measured.mean(axis=1), observed.mean(axis=0)
    good = np.isfinite(row) & np.isfinite(rows).all(axis=0)
    scale = _FIRST * rounds[0][1].mean(axis=1)[:, good].std(axis=0) + 1e-9
    gaps = _gaps(rows[:, good] / scale, row[good] / scale)
    chosen = np.sort(np.argsort(gaps, kind="stable")[: len(rounds[-1][0])])
    return units[chosen], measured[chosen]


def infer(
    units: FloatArray, measured: FloatArray, observed: FloatArray, *, strict: bool = True
) -> tuple[FloatArray, BoolArray]:
    """Tell the numbers from what images measure, after one round.

    Parameters
    ----------
    units : FloatArray
        Numbers (n, unknowns) drawn.
    measured : FloatArray
        What the images (n, images, k) simulated with each draw measure.
    observed : FloatArray
        What the real images (images, k) measure.
    strict : bool
        Leave out what none of the draws that look most alike measures.

    Returns
    -------
    samples : FloatArray
        Numbers (m, unknowns) as likely as the images make them.
    strange : BoolArray
        Measures (k,) that are out of the model's reach.
    """
    rows, row = measured.mean(axis=1), observed.mean(axis=0)
    usable = np.isfinite(row) & np.isfinite(rows).all(axis=0) & (rows.std(axis=0) > 1e-9)
    rows, row = rows[:, usable], row[usable]
    off = _beyond(rows, row) if strict else np.zeros(len(row))
    rows, row = rows[:, off <= _STRANGE], row[off <= _STRANGE]
    told, errors, answer = Regression(rows, np.ones(rows.shape[1])).tell(units, row)
    near = _nearest(told, errors, answer)
    strange = np.zeros(len(usable), np.bool_)
    strange[np.flatnonzero(usable)[off > _STRANGE]] = True
    return answer + errors[near], strange


def _nearest(told: FloatArray, errors: FloatArray, answer: FloatArray) -> BoolArray:
    """Choose the draws that look most like the answer, by the errors' own spread."""
    distance = (((told - answer) / (errors.std(axis=0) + 1e-9)) ** 2).sum(axis=1)
    return np.asarray(distance <= np.quantile(distance, _NEAR), np.bool_)


def _beyond(rows: FloatArray, row: FloatArray) -> FloatArray:
    """Return by how many spreads each measure lies off those of the draws that look most alike."""
    scale = _FIRST * rows.std(axis=0) + 1e-9
    count = max(int(_ALIKE * len(rows)), min(_LEAST_ALIKE, len(rows)))
    best = np.argsort(_gaps(rows / scale, row / scale), kind="stable")[:count]
    return np.asarray(np.abs(row - rows[best].mean(axis=0)) / (rows[best].std(axis=0) + 1e-9))


def _gaps(rows: FloatArray, row: FloatArray) -> FloatArray:
    """Return how far rows (n, k) are from one, on average over the measures."""
    return np.asarray(np.minimum(np.abs(rows - row), _FAR).mean(axis=1), np.float64)


class Regression:
    """Ridge regression of numbers on measures, each number with a penalty of its own.

    Parameters
    ----------
    rows : FloatArray
        Measures (n, k) of the draws.
    trust : FloatArray
        Scale (k,) of each measure as a feature; below 1 it counts less.
    """

    def __init__(self, rows: FloatArray, trust: FloatArray) -> None:
        self._mean, self._sd = rows.mean(axis=0), rows.std(axis=0) + 1e-12
        self._ends = np.quantile(rows, [0.001, 0.999], axis=0)
        self._trust = trust
        plain = self._scaled(rows)
        _, _, turned = np.linalg.svd(plain, full_matrices=False)
        self._main = turned[:_DIRECTIONS].T
        squares = self._squares(plain)
        self._square_mean, self._square_sd = squares.mean(axis=0), squares.std(axis=0) + 1e-12
        self._left, self._size, self._right = np.linalg.svd(
            self._features(rows), full_matrices=False
        )

    def _scaled(self, rows: FloatArray) -> FloatArray:
        return np.asarray(
            (np.clip(rows, *self._ends) - self._mean) / self._sd * self._trust, np.float64
        )

    def _squares(self, plain: FloatArray) -> FloatArray:
        along = plain @ self._main
        first, second = np.triu_indices(along.shape[1])
        return np.asarray(along[:, first] * along[:, second], np.float64)

    def _features(self, rows: FloatArray) -> FloatArray:
        plain = self._scaled(rows)
        squares = (self._squares(plain) - self._square_mean) / self._square_sd
        return np.concatenate([plain, squares], axis=1)

    def tell(self, units: FloatArray, row: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Learn to tell numbers (n, unknowns); tell them of ``row`` (k,) or rows (j, k).

        Returns
        -------
        told, errors : FloatArray
            Of each draw (n, unknowns), by a regression that has not seen it.
        answer : FloatArray
            Of the row (unknowns,), or of each (j, unknowns).
        """
        mean = units.mean(axis=0)
        turned = self._left.T @ (units - mean)
        errors = np.full(units.shape, np.inf)
        weights = np.zeros((self._right.shape[1], units.shape[1]))
        for ridge in _RIDGES:
            shrunk = self._size**2 / (self._size**2 + ridge)
            left_out = 1.0 - 1.0 / len(units) - (self._left**2 * shrunk).sum(axis=1)
            found = (units - mean - self._left @ (shrunk[:, None] * turned)) / np.maximum(
                left_out[:, None], 1e-3
            )
            better = (found**2).mean(axis=0) < (errors**2).mean(axis=0)
            errors[:, better] = found[:, better]
            scaled = (shrunk / np.maximum(self._size, 1e-12))[:, None] * turned
            weights[:, better] = (self._right.T @ scaled)[:, better]
        answer = mean + self._features(np.atleast_2d(row)) @ weights
        return units - errors, errors, answer[0] if row.ndim == 1 else answer


def _between(rounds: list[tuple[FloatArray, FloatArray]], observed: FloatArray) -> FloatArray:
    """Return how far the numbers differ from image to image (standard deviation).

    A regression on single images tells each its own numbers. It tells too little of a
    difference, and sees some where there is none; both show on the simulated images,
    which share their numbers.
    """
    images, unknowns = len(observed), rounds[0][0].shape[1]
    if images < 2:
        return np.zeros(unknowns)
    units = np.concatenate([u for u, _ in rounds])
    measured = np.concatenate([m for _, m in rounds])
    usable = np.isfinite(observed).all(axis=0) & np.isfinite(measured).all(axis=(0, 1))
    measured, observed = measured[:, :, usable], observed[:, usable]
    # Each image's own geometry must not pass for a difference of its numbers.
    usual = measured.mean(axis=0)
    middle = usual.mean(axis=0)
    rows = (measured - usual + middle).reshape(-1, measured.shape[2])
    keep = rows.std(axis=0) > 1e-9
    told, _, answer = Regression(rows[:, keep], np.ones(int(keep.sum()))).tell(
        np.repeat(units, images, axis=0), (observed - usual + middle)[:, keep]
    )
    single = told.reshape(len(units), images, unknowns)
    spread = units - units.mean(axis=0)
    slope = (spread * (single.mean(axis=1) - single.mean(axis=(0, 1)))).mean(axis=0)
    slope = np.clip(slope / np.maximum((spread**2).mean(axis=0), 1e-12), 0.25, 1.0)
    last = single[-len(rounds[-1][0]) :]
    noise = last.var(axis=1, ddof=1).mean(axis=0)
    excess = np.maximum(answer.var(axis=0, ddof=1) - noise, 0.0)
    return np.asarray(np.sqrt(excess) / slope, np.float64)
