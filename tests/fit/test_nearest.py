"""Going from a match to the numbers whose samples look most like the images."""

from dataclasses import dataclass, field

import numpy as np

from simcell.arrays import FloatArray
from simcell.fit.matching import Match
from simcell.fit.nearest import STEPS, nearest
from simcell.rng import stream

TRUTH = np.array([0.35, 0.6, 0.5])
PATCHES = 6


@dataclass
class Toy:
    """Seven measures of three numbers, bent a little; the last may be out of reach."""

    seed: int = 0
    truth: FloatArray = field(default_factory=lambda: TRUTH)
    off: float = 0.0
    chosen: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    noise: float = 0.1
    unknowns: int = 3
    pixels: int = 1000

    def _mean(self, units: FloatArray) -> FloatArray:
        slopes = np.random.default_rng(1).normal(size=(7, 3))
        away = units - 0.5
        return slopes @ away + 0.4 * (slopes[::-1] @ away**2)

    @property
    def measures(self) -> tuple[str, ...]:
        return tuple(f"measure {i}" for i in self.chosen)

    def _rows(self, units: FloatArray, rng: np.random.Generator) -> FloatArray:
        rows = self._mean(units) + self.noise * rng.normal(size=(PATCHES, 7))
        return rows[:, list(self.chosen)]

    def observed(self) -> FloatArray:
        rows = self._rows(self.truth, np.random.default_rng(100 + self.seed))
        rows[:, -1] += self.off
        return rows

    def simulated(self, units: FloatArray, seed: int, index: int) -> FloatArray:
        return self._rows(units, stream(seed, index, "toy"))


def _from(place: FloatArray) -> Match:
    samples = np.tile(place, (40, 1)) + np.random.default_rng(0).normal(0, 0.15, (40, 3))
    return Match(samples, np.zeros(3), PATCHES, 0, ())


def test_it_finds_the_numbers_from_a_wrong_start():
    found = nearest([Toy()], _from(np.array([0.7, 0.3, 0.2])), seed=0, count=60)
    assert np.abs(np.median(found.samples, axis=0) - TRUTH).max() < 0.08
    assert not found.strange
    assert found.draws == STEPS * 60


def test_the_answer_is_as_sure_as_the_match_and_lies_elsewhere():
    start = _from(np.array([0.6, 0.4, 0.4]))
    found = nearest([Toy()], start, seed=0, count=60)
    shift = found.samples - start.samples
    inside = (found.samples > 0) & (found.samples < 1)
    assert np.allclose(shift[inside.all(axis=1)], np.median(shift, axis=0))


def test_a_measure_out_of_reach_is_named_and_pulls_little():
    found = nearest([Toy(off=4.0)], _from(TRUTH), seed=0, count=60)
    assert found.strange == ("measure 6",)
    assert np.abs(np.median(found.samples, axis=0) - TRUTH).max() < 0.12


def test_all_rigs_are_listened_to():
    first, second = Toy(chosen=(0,), noise=0.03), Toy(chosen=(1, 2), noise=0.03)
    start = _from(np.array([0.6, 0.4, 0.4]))
    off = [
        float(
            np.abs(np.median(nearest(rigs, start, seed=0, count=40).samples, axis=0) - TRUTH).max()
        )
        for rigs in ([first], [first, second], [second, first])
    ]
    assert off[0] > 0.2
    assert max(off[1:]) < 0.15
