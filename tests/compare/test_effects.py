"""Effect sizes against values worked out by hand."""

import numpy as np
import pytest

from simcell.compare.effects import effect, hedges, largest_gap


def test_hedges_by_hand():
    # Both have variance 1, means 2 and 3; correction 1 - 3 / (4 * 4 - 1) = 0.8.
    assert hedges(np.array([1.0, 2, 3]), np.array([2.0, 3, 4])) == pytest.approx(0.8)
    # Variances 4 and 16 with 3 and 5 numbers: pooled (2 * 4 + 4 * 16) / 6 = 12.
    a, b = np.array([0.0, 2, 4]), np.array([-3.0, 1, 1, 1, 5]) * np.sqrt(2)
    pooled = np.sqrt((8 + b.var(ddof=1) * 4) / 6)
    expected = (1 - 3 / 23) * (b.mean() - 2.0) / pooled
    assert hedges(a, b) == pytest.approx(expected)


def test_hedges_changes_sign_with_the_order_of_sources():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 12), rng.normal(1, 2, 9)
    assert hedges(a, b) == pytest.approx(-hedges(b, a))


def test_logarithms_make_effects_of_ratios():
    a = np.array([1.0, 2.0, 4.0])
    found = effect(a, 2 * a, log=True)
    assert found is not None
    # Logs are one step of ln 2 apart, and spread by ln 2.
    assert found.size == pytest.approx(0.8)
    assert (found.real, found.synthetic) == (2.0, 4.0)
    more = effect(100 * a, 200 * a, log=True)
    assert more is not None
    assert more.size == pytest.approx(found.size)


def test_numbers_that_never_vary_are_alike_or_off():
    same = effect(np.ones(10), np.ones(10))
    other = effect(np.ones(10), np.full(10, 2.0))
    assert same is not None
    assert other is not None
    assert (same.size, same.verdict) == (0.0, "alike")
    assert (other.size, other.verdict) == (20.0, "off")
    unseen = effect(np.zeros(10), np.full(10, 0.01), least=0.1)
    assert unseen is not None
    assert unseen.verdict == "alike"


def test_the_interval_holds_the_true_effect_in_99_of_100():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(600):
        found = effect(rng.normal(50, 5, 10), rng.normal(54, 5, 20))
        assert found is not None
        hits += found.low <= 0.8 <= found.high
    assert 0.975 <= hits / 600 <= 0.9999


@pytest.mark.parametrize(
    ("real", "synthetic", "verdict"),
    [
        (np.linspace(0, 1, 20), np.linspace(0.05, 1.05, 20), "alike"),
        (np.linspace(0, 1, 40), np.linspace(0.25, 1.25, 40), "close"),
        (np.linspace(1.4, 1.6, 20), np.linspace(0, 1.7, 40), "in range"),
        (np.linspace(0, 1, 20), np.linspace(3, 4, 20), "off"),
        (np.array([0.0, 1.0]), np.array([1.0, 2.0]), "too few"),
    ],
)
def test_verdicts(real, synthetic, verdict):
    found = effect(real, synthetic)
    assert found is not None
    assert found.verdict == verdict


def test_images_that_cannot_tell_are_left_out():
    a = np.array([1.0, 2.0, 3.0, np.nan])
    found = effect(a, np.array([np.nan, 2.0, 3.0, 4.0]))
    assert found is not None
    assert found.size == pytest.approx(0.8)
    assert effect(np.array([np.nan]), np.ones(3)) is None
    assert effect(np.array([-1.0]), np.ones(3), log=True) is None


def test_largest_gap_is_that_of_scipy():
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, 40), rng.normal(0.5, 1, 30)
    assert largest_gap(a, b) == pytest.approx(ks_2samp(a, b).statistic)
    assert np.isnan(largest_gap(a, np.zeros(0)))
