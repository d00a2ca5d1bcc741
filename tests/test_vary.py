"""Draws follow their laws: two-sided tests at fixed seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from simcell.paths import build
from simcell.vary import Choice, Distribution, Integers, LogUniform, Normal, Uniform

DRAWS = 4000
Floats = NDArray[np.float64]


def drawn(law: Distribution, seed: int = 7) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [law.draw(rng) for _ in range(DRAWS)]


def plausible(p: float) -> bool:
    """Neither far from the law, nor too good to be drawn from it."""
    return 1e-3 < p < 1 - 1e-3


CONTINUOUS: list[tuple[Distribution, Callable[[Floats], Floats]]] = [
    (Uniform(low=-2, high=5), stats.uniform(-2, 7).cdf),
    (Uniform(low=1e-6, high=2e-6), stats.uniform(1e-6, 1e-6).cdf),
    (LogUniform(low=0.1, high=300), stats.loguniform(0.1, 300).cdf),
    (LogUniform(low=4, high=4.001), stats.loguniform(4, 4.001).cdf),
    (Normal(low=-1, high=4, mean=1, sd=1.5), stats.truncnorm(-4 / 3, 2, 1, 1.5).cdf),
    (Normal(low=0, high=9, mean=0, sd=2), stats.truncnorm(0, 4.5, 0, 2).cdf),
    (Normal(low=-100, high=100, mean=3, sd=0.1), stats.norm(3, 0.1).cdf),
]


@pytest.mark.parametrize(("law", "cdf"), CONTINUOUS, ids=lambda item: getattr(item, "kind", ""))
def test_continuous_laws(law: Distribution, cdf: Callable[[Floats], Floats]) -> None:
    values = np.array(drawn(law))
    low, high = law.ends()
    assert low <= values.min() < values.max() <= high
    assert plausible(stats.kstest(values, cdf).pvalue)


def frequencies(values: list[Any], shares: dict[Any, float]) -> float:
    """Chi-square p-value of what was drawn against the shares."""
    counts = Counter(values)
    assert set(counts) <= set(shares)
    expected = [DRAWS * share for share in shares.values()]
    return float(stats.chisquare([counts[value] for value in shares], expected).pvalue)


def test_integers_include_both_ends() -> None:
    values = drawn(Integers(low=-2, high=4))
    assert all(type(value) is int for value in values)
    assert plausible(frequencies(values, dict.fromkeys(range(-2, 5), 1 / 7)))


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        (None, {"low": 1 / 3, "medium": 1 / 3, "high": 1 / 3}),
        ((1, 2, 1), {"low": 0.25, "medium": 0.5, "high": 0.25}),
        ((3, 0, 1), {"low": 0.75, "high": 0.25}),
        ((1e-9, 3e-9, 1e-9), {"low": 0.2, "medium": 0.6, "high": 0.2}),
    ],
)
def test_choices_follow_their_weights(
    weights: tuple[float, ...] | None, shares: dict[str, float]
) -> None:
    law = Choice(values=("low", "medium", "high"), weights=weights)
    assert plausible(frequencies(drawn(law), shares))


def test_a_choice_may_hold_anything() -> None:
    law = Choice(values=({"kind": "none"}, [1, 2], None))
    assert all(value in law.values for value in drawn(law)[:50])


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.data())
def test_draws_never_leave_their_range(data: st.DataObject) -> None:
    low = data.draw(st.floats(1e-12, 1e12))
    high = data.draw(st.floats(low, 1e13).filter(lambda value: value > low))
    mean, sd = data.draw(st.floats(low, high)), data.draw(st.floats(1e-12, 1e12))
    rng = np.random.default_rng(0)
    for law in (
        Uniform(low=low, high=high),
        LogUniform(low=low, high=high),
        Normal(low=low, high=high, mean=mean, sd=sd),
    ):
        for _ in range(5):
            assert low <= law.draw(rng) <= high


@pytest.mark.parametrize(
    "law",
    [
        Uniform(low=0, high=1),
        LogUniform(low=0.1, high=1),
        Normal(low=0, high=1, mean=0.3, sd=0.1),
        Integers(low=0, high=3),
        Choice(values=(1, "a", [2.5]), weights=(1, 2, 3)),
    ],
    ids=lambda law: law.kind,
)
def test_laws_survive_text(law: Distribution) -> None:
    again = build(type(law), law.model_dump(mode="json"), "")
    assert again.model_dump(mode="json") == law.model_dump(mode="json")
    assert drawn(again)[:20] == drawn(law)[:20]
