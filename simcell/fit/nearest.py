"""The numbers whose samples look most like the images, from numbers that are near already.

A regression on what images measure is right where the model is the microscope. Where it is not,
numbers make up for each other in ways that no draw has shown, and it may lead to samples that look
like nothing. Asking for likeness itself does not: near the answer, what samples measure is
nearly a square function of the numbers; learn it from draws, go where it comes nearest to the
images, draw there, and so on (method of simulated moments; McFadden, Econometrica 57, 995 (1989),
Gourieroux, Monfort & Renault, J. Appl. Econometrics 8, S85 (1993)).

Decision: only where the numbers are is told in this way. How well they are known is what the match
says: near the answer, squares learnt from few draws take chance for knowledge.

Decision: patches on labels count less than squares of whole images do. Annotators choose what is
clear, and their lines lie beside the borders; samples should look like all that a network is shown.

Decision: nearness is told by all measures together, each in the spread that it has from patch to
patch of one and the same tissue, and less where measures go together: two that always agree and
here do not tell more than two that are both a little off.

Decision: a measure that no sample reaches counts the less the farther off it is, and the loss
grows no faster than the gap, so that it does not pull all others off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import least_squares

from simcell.arrays import BoolArray, FloatArray
from simcell.batch.progress import reported
from simcell.fit.matching import Match, Rig, draws_per_round, match, rows_of
from simcell.rng import stream

STEPS = 6
_HALF = 0.2  # of the first range: how far draws lie from the middle in the first step, to each side
_NARROWER = 0.8  # from step to step
_SHARED = 0.1  # of a unit spread, added along all directions: few patches tell the small ones badly
_OFF = 2.0  # spreads, from which on the loss grows with the gap and not with its square
_HOME = 0.3  # spreads that going all the way to the edge of the draws costs
_DOUBT = 5.0  # times the spread of the match that its answer counts with
_NARROW = 0.02  # of the first range: no match is surer than this
_FLAT = (0.03, 0.015)  # penalties of slopes and curvatures, for a sum of weights of one per draw
_PARTLY = 0.4  # how much gaps of all rigs but the last count
_STARTS = 4
_LEAST = 2  # draws of a step, for each number
_AGAIN = 3  # times that the measures out of reach are told anew
_STRANGE = 1.5  # spreads from patch to patch, from which on a measure is out of reach


def closest(
    rigs: Sequence[Rig],
    *,
    seed: int,
    minutes: float = 5.0,
    workers: int = 1,
    progress: bool | None = False,
) -> Match:
    """Match with the first rig, then go where samples look most like the images.

    Parameters
    ----------
    rigs : sequence of Rig
        Ways to look at the same images, with the same unknowns; can be pickled, where there are
        several workers.
    seed, minutes, workers, progress
        See `simcell.fit.matching.match`; half of the budget is for the match.
    """
    found = match(rigs[0], seed=seed, minutes=0.5 * minutes, workers=workers, progress=progress)
    pixels = sum(rig.pixels for rig in rigs)
    count = max(_LEAST * rigs[0].unknowns, draws_per_round(0.5 * minutes, pixels))
    with reported(STEPS * count, 0, progress, "draws nearer") as advance:
        return nearest(rigs, found, seed=seed, count=count, workers=workers, advance=advance)


def nearest(
    rigs: Sequence[Rig],
    found: Match,
    *,
    seed: int,
    count: int,
    workers: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> Match:
    """Go from a match to the numbers whose samples look most like the images.

    Parameters
    ----------
    rigs : sequence of Rig
        All of them look at every draw; the last counts most.
    found : Match
        Where to begin.
    seed : int
    count : int
        Draws of each step.
    workers : int
    advance : callable
        Told how many draws are done.

    Returns
    -------
    Match
        As sure as the one given, about other numbers.
    """
    start = np.median(found.samples, axis=0)
    spread = np.cov(found.samples.T) * _DOUBT**2 + _NARROW**2 * np.eye(len(start))
    known = np.linalg.cholesky(np.linalg.inv(spread)).T
    views = [_View(rig) for rig in rigs]
    middle, half, draws = start, _HALF, found.draws
    for step in range(STEPS):
        half = _HALF * _NARROWER**step
        rng = stream(seed, step, "fit.nearest")
        units = np.clip(middle + rng.uniform(-half, half, (count, len(middle))), 0.0, 1.0)
        for i, (view, rig) in enumerate(zip(views, rigs, strict=True)):
            # The bar counts draws, not looks at them.
            told = advance if i == len(rigs) - 1 else _silent
            view.add(units, rows_of(rig, units, seed, draws, workers, told))
        draws += count
        middle = _best(views, middle, half, start, known)
    strange = dict.fromkeys(name for view in views for name in view.strange(middle, half))
    samples = np.clip(middle + found.samples - start, 0.0, 1.0)
    return Match(samples, found.between, found.images, draws, tuple(strange))


def _silent(_: int) -> None:
    pass


def _best(
    views: Sequence[_View], middle: FloatArray, half: float, start: FloatArray, known: FloatArray
) -> FloatArray:
    """Return the numbers near the middle that come nearest to the images and to the start."""
    learnt = [view.around(middle, half) for view in views]
    trust = [np.ones(table.shape[1]) for table, _ in learnt]
    counts = [_PARTLY] * (len(views) - 1) + [1.0]
    tight = _HOME / half * np.sqrt(max(view.patches for view in views))

    def gaps(numbers: FloatArray) -> FloatArray:
        away = numbers - middle
        features = _features(away[None])
        seen = [
            ((features @ table)[0] * t) @ white * np.sqrt(view.patches) * count
            for view, (table, white), t, count in zip(views, learnt, trust, counts, strict=True)
        ]
        return np.concatenate([*seen, known @ (numbers - start), tight * away])

    low, high = np.maximum(middle - half, -1e-6), np.minimum(middle + half, 1.0 + 1e-6)
    # Squares can have several valleys.
    rng = np.random.default_rng(len(views))
    starts = [middle] + [rng.uniform(low, high) for _ in range(_STARTS - 1)]
    best = middle
    for _ in range(_AGAIN):
        runs = [
            least_squares(
                gaps,
                np.clip(one, low + 1e-7, high - 1e-7),
                bounds=(low, high),
                loss="soft_l1",
                f_scale=_OFF * np.sqrt(max(view.patches for view in views)),
            )
            for one in starts
        ]
        best = np.clip(min(runs, key=lambda run: run.cost).x, 0.0, 1.0)
        features = _features((best - middle)[None])
        trust = [_trust((features @ table)[0]) for table, _ in learnt]
        starts = [best]
    return np.asarray(best, np.float64)


class _View:
    """What samples of a rig measure, about some place, from all draws so far."""

    def __init__(self, rig: Rig) -> None:
        self._names = rig.measures
        self._real = rig.observed()
        self._units: list[FloatArray] = []
        self._rows: list[FloatArray] = []

    @property
    def patches(self) -> int:
        """How many real ones there are."""
        return len(self._real)

    def add(self, units: FloatArray, rows: FloatArray) -> None:
        """Learn from draws (n, unknowns), and what their patches (n, patches, k) measure."""
        self._units.append(units)
        self._rows.append(rows)

    @property
    def _good(self) -> BoolArray:
        """Measures that all patches have, and that vary."""
        every = np.concatenate(self._rows)
        good = np.isfinite(self._real).all(axis=0) & np.isfinite(every).all(axis=(0, 1))
        return np.asarray(good & (every.std(axis=(0, 1)) > 1e-9))

    def _spread(self, good: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Return each measure's spread over patches of one draw, and what whitens them."""
        every = np.concatenate(self._rows)[:, :, good]
        # Patches of real labels differ by these; what is left is chance.
        rest = every - every.mean(axis=0)
        rest = (rest - rest.mean(axis=1, keepdims=True)).reshape(-1, rest.shape[2])
        patches = every.shape[1]
        spread = np.maximum(rest.std(axis=0), 1e-9)
        size, turned = np.linalg.eigh((rest / spread).T @ (rest / spread) / len(rest))
        spread *= np.sqrt(patches / max(patches - 1, 1))
        return spread, turned / np.sqrt(np.maximum(size, 0.0) + _SHARED)

    def around(self, middle: FloatArray, half: float) -> tuple[FloatArray, FloatArray]:
        """Return coefficients of the gaps by numbers and their squares, and what whitens gaps."""
        good = self._good
        spread, white = self._spread(good)
        units = np.concatenate(self._units) - middle
        rows = np.concatenate([r.mean(axis=1) for r in self._rows])[:, good]
        gaps = (rows - self._real.mean(axis=0)[good]) / spread
        weight = np.exp(-0.5 * (np.abs(units).max(axis=1) / half) ** 2)
        features = _features(units)
        penalty = np.repeat([0.0, *_FLAT], [1, units.shape[1], units.shape[1]])
        moment = (features * weight[:, None]).T @ features + np.diag(penalty)
        return np.linalg.solve(moment, (features * weight[:, None]).T @ gaps), white

    def strange(self, middle: FloatArray, half: float) -> list[str]:
        """Name the measures that samples do not reach."""
        table, _ = self.around(middle, half)
        names = [n for n, good in zip(self._names, self._good, strict=True) if good]
        return [n for n, gap in zip(names, table[0], strict=True) if abs(gap) > _STRANGE]


def _trust(gaps: FloatArray) -> FloatArray:
    """Return how much measures count that samples are so many spreads off."""
    return np.asarray(_STRANGE / np.maximum(np.abs(gaps), _STRANGE))


def _features(away: FloatArray) -> FloatArray:
    return np.concatenate([np.ones((len(away), 1)), away, away * away], axis=1)
