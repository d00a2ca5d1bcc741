"""Families of point processes: estimates, intervals, and the choice among them."""

import numpy as np
import pytest

from simcell import SimcellError
from simcell.arrays import Window
from simcell.fit.families import FAMILIES, Seen, pooled_k, side_of
from simcell.fit.invert import Free, Observed, invert
from simcell.fit.points import choose, drawn_in
from simcell.scene.points import (
    HardCore,
    HardCoreGibbs,
    MaternCluster,
    PointSpec,
    Poisson,
    Strauss,
    Thomas,
)

WINDOW = Window((260.0, 200.0))
BY_KIND = {family.kind: family for family in FAMILIES}


def drawn(spec: PointSpec, count: int = 5, window: Window = WINDOW) -> Seen:
    return [(drawn_in(spec, window, 25.0, np.random.default_rng(k)), window) for k in range(count)]


@pytest.mark.parametrize(
    ("spec", "off"),
    [
        (Poisson(density=2000), (0.1,)),
        (HardCore(density=2200, distance_um=13), (0.05, 0.05)),
        (HardCoreGibbs(activity=5000, distance_um=12), (0.3, 0.05)),
        (Strauss(activity=4000, gamma=0.2, distance_um=13), (0.3, 0.5, 0.15)),
        (Thomas(density=2000, cluster_size=8, spread_um=5), (0.3, 0.5, 0.4)),
        (MaternCluster(density=2000, cluster_size=8, radius_um=10), (0.3, 0.5, 0.4)),
    ],
)
def test_estimates_are_near_the_truth(spec: PointSpec, off: tuple[float, ...]) -> None:
    family = BY_KIND[spec.kind]
    found = family.fit(drawn(spec))
    truth = [getattr(spec, name) for name in family.names]
    for name, value, wanted, most in zip(family.names, found, truth, off, strict=True):
        assert abs(value / wanted - 1) < most, name


def test_a_mask_changes_neither_density_nor_activity() -> None:
    mask = np.ones((100, 130), np.bool_)
    mask[:, 60:] = False
    spec = HardCoreGibbs(activity=5000, distance_um=12)
    whole = BY_KIND["hard_core_gibbs"].fit(drawn(spec, 6))
    half = [(p[p[:, 1] < 200 * 60 / 130], Window((260.0, 200.0), mask)) for p, _ in drawn(spec, 6)]
    assert BY_KIND["hard_core_gibbs"].fit(half)[0] == pytest.approx(whole[0], rel=0.3)


def test_a_repulsion_that_shows_nowhere_is_not_told() -> None:
    sparse = drawn(Strauss(activity=300, gamma=0.3, distance_um=3), 5)
    found = choose(sparse, 0, families=[BY_KIND["strauss"]], draws=19).chosen
    assert found.identified[1:] == (False, False)


def test_patterns_of_unlike_density_do_not_look_clustered() -> None:
    seen = [*drawn(Poisson(density=500), 4), *drawn(Poisson(density=4000), 4)]
    radii = np.array([20.0, 30.0, 40.0])
    assert pooled_k(seen, radii) / (np.pi * radii**2) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("spec", "kinds"),
    [
        (Poisson(density=1500), {"poisson"}),
        (HardCore(density=2200, distance_um=14), {"hard_core"}),
        (Strauss(activity=3500, gamma=0.15, distance_um=14), {"strauss"}),
        (Thomas(density=1500, cluster_size=8, spread_um=5), {"thomas", "matern_cluster"}),
    ],
)
def test_the_right_family_is_chosen(spec: PointSpec, kinds: set[str]) -> None:
    choice = choose(drawn(spec, 4), 0, draws=39)
    assert choice.chosen.family.kind in kinds
    assert choice.chosen.p_value >= 0.05
    assert all(choice.chosen.identified)


def test_the_choice_is_the_same_for_a_seed() -> None:
    seen = drawn(Poisson(density=1000), 3)
    first, second = choose(seen, 3, draws=19), choose(seen, 3, draws=19)
    assert np.array_equal(first.chosen.low, second.chosen.low)
    assert not np.array_equal(first.chosen.low, choose(seen, 4, draws=19).chosen.low)


def test_few_points_are_refused() -> None:
    with pytest.raises(SimcellError, match="at least 20"):
        choose([(np.full((3, 2), 5.0), WINDOW)], 0)


def test_the_mean_area_of_a_point_is_that_of_all_windows() -> None:
    assert side_of([(np.zeros((13, 2)), WINDOW), (np.zeros((0, 2)), WINDOW)]) == pytest.approx(
        (2 * 260 * 200 / 13) ** 0.5
    )


def test_intervals_of_inversion_cover_the_truth() -> None:
    # Many summaries beside few simulations: what is not known of their covariance matters.
    free = [Free(name, 0.0, 1.0) for name in "abc"]
    slopes, bends = np.random.default_rng(5).normal(size=(2, 3, 12))
    sets, inside = 50, 0
    for k in range(sets):
        noise = np.random.default_rng([1, k])
        truth = dict(zip("abc", np.random.default_rng([2, k]).uniform(0.15, 0.85, 3), strict=True))

        def measure(p: dict[str, float], _: int, noise: np.random.Generator = noise) -> np.ndarray:
            at = np.array([p[name] for name in "abc"])
            return np.asarray(at @ slopes + 0.3 * at**2 @ bends + noise.normal(0, 0.5, 12))

        found = invert(
            free, measure, Observed(measure(truth, 0)), np.random.default_rng(k), (50, 45)
        )
        inside += sum(found.low[n] <= t <= found.high[n] for n, t in truth.items())
    assert 0.85 <= inside / (3 * sets) <= 0.96


def test_what_nothing_measures_is_not_identified() -> None:
    noise = np.random.default_rng(0)
    found = invert(
        [Free("told", 0.0, 1.0), Free("untold", 0.0, 1.0)],
        lambda p, _: np.array([p["told"] + noise.normal(0, 0.05)]),
        Observed(np.array([0.5])),
        np.random.default_rng(1),
    )
    assert found.identified == {"told": True, "untold": False}


def test_a_summary_that_cannot_be_reached_does_not_bend_the_rest() -> None:
    noise = np.random.default_rng(0)
    found = invert(
        [Free("a", 0.0, 1.0)],
        lambda p, _: p["a"] * np.array([1.0, 1.0, 0.3]) + noise.normal(0, 0.05, 3),
        Observed(np.array([0.4, 0.4, 2.0])),
        np.random.default_rng(1),
    )
    assert abs(found.value["a"] - 0.4) < 0.12
    assert abs(found.missed[2]) > 3


def test_images_that_differ_count_by_how_much_they_do() -> None:
    # Five images of one tissue that are unlike beyond chance, as real ones are, by the first half.
    free = [Free(name, 0.0, 1.0) for name in "ab"]
    slopes = np.random.default_rng(6).normal(size=(2, 6))
    unlike = np.repeat([1.0, 0.0], 3)
    inside = {"told": 0, "untold": 0}
    sets, images, chance = 60, 5, 0.05
    for k in range(sets):
        noise = np.random.default_rng([3, k])
        truth = dict(zip("ab", np.random.default_rng([4, k]).uniform(0.3, 0.7, 2), strict=True))

        def measure(p: dict[str, float], _: int, noise: np.random.Generator = noise) -> np.ndarray:
            at = np.array([p[name] for name in "ab"])
            return np.asarray(at @ slopes + noise.normal(0, chance, 6))

        mean = np.array([truth[name] for name in "ab"]) @ slopes
        spread = np.hypot(chance * images**0.5, unlike)
        each = mean + noise.normal(0, spread, (images, 6))
        for name, seen in (("told", each), ("untold", None)):
            observed = Observed(each.mean(axis=0), seen)
            found = invert(free, measure, observed, np.random.default_rng(k), (40, 30))
            inside[name] += sum(found.low[n] <= t <= found.high[n] for n, t in truth.items())
    assert 0.83 <= inside["told"] / (2 * sets) <= 0.97
    assert inside["untold"] / (2 * sets) < 0.75


def test_alike_images_differ_by_chance_alone() -> None:
    rng = np.random.default_rng(8)
    added = [
        Observed(np.zeros(4), rng.normal(0, 5**0.5, (5, 4))).between(np.ones(4)) for _ in range(200)
    ]
    assert np.mean(np.array(added) > 0) == pytest.approx(0.05, abs=0.025)
    two = Observed(np.zeros(4), rng.normal(0, 90, (2, 4)))
    assert not two.between(np.ones(4)).any()


def test_data_larger_than_simulations_tell_more() -> None:
    widths = []
    for share in (1.0, 0.25):
        noise = np.random.default_rng(0)
        found = invert(
            [Free("a", 0.0, 1.0)],
            lambda p, _, noise=noise: np.array([p["a"] + noise.normal(0, 0.05)]),
            Observed(np.array([0.5]), None, share),
            np.random.default_rng(1),
            (60, 60),
        )
        widths.append(found.high["a"] - found.low["a"])
    # About half as wide: the surface itself is unsure too.
    assert 0.45 <= widths[1] / widths[0] < 0.65
