"""Multiple birth and death: right as the time step goes to 0, and an optimiser when cooled."""

import numpy as np
import pytest
from points.reference import load, shared_ratio

from simcell.arrays import Window
from simcell.points import sample
from simcell.rng import stream
from simcell.scene.points import Objects, ObjectType

TYPES = (ObjectType(activity=6000, radius_um=6, radius_cv=2 / 3**0.5 / 6),)
WINDOW = Window((36.0, 36.0))


def counts(delta, runs):
    spec = Objects(
        types=TYPES,
        overlap_penalty=10,
        overlap_limit=1,
        method="mbd",
        delta=delta,
        cooling=1.0,
        steps=int(10 / delta),
    )
    return [len(sample(spec, WINDOW, stream(8, k, "mbd"))) for k in range(runs)]


def test_the_bias_of_a_finite_step_vanishes_with_it():
    truth = next(
        mean for name, _, mean, _ in load("exact36_discs_b006_th10") if name == "count_mean"
    )
    coarse, fine = np.array(counts(0.3, 1500)), np.array(counts(0.02, 1000))
    error = 4 * fine.std() / 1000**0.5
    assert abs(fine.mean() - truth) < error + 0.03 * truth
    assert coarse.mean() == pytest.approx(0.86 * truth, abs=error)


def test_no_interaction_keeps_the_poisson_count():
    """Each sweep adds δ times the activity and keeps a share of 1/(1 + δ)."""
    spec = Objects(
        types=TYPES, overlap_penalty=0, overlap_limit=1, method="mbd", delta=0.2, cooling=1.0
    )
    n = np.array([len(sample(spec, WINDOW, stream(8, k, "free"))) for k in range(2000)])
    expected = 0.006 * 36**2
    assert abs(n.mean() - expected) < 4 * n.std() / 2000**0.5
    assert abs(n.var() - expected) < 4 * expected * (2 / 2000) ** 0.5


def test_cooling_removes_the_overlaps_and_not_the_objects():
    warm = Objects(types=TYPES, overlap_penalty=10, overlap_limit=1, method="mh")
    cold = Objects(
        types=TYPES,
        overlap_penalty=10,
        overlap_limit=1,
        method="mbd",
        delta=0.5,
        cooling=0.99,
        steps=1000,
    )
    window = Window((150.0, 150.0))
    before, after = (sample(s, window, stream(8, 0, "cool")) for s in (warm, cold))
    assert shared_ratio(after).sum() < 0.25 * shared_ratio(before).sum()
    assert len(after) > 0.6 * len(before)


def test_cooling_for_long_stays_finite():
    cold = Objects(method="mbd", delta=1.0, cooling=0.9, steps=20_000)
    assert len(sample(cold, Window((40.0, 40.0)), stream(8, 0, "long"))) > 0
