"""Summary functions against spatstat's values on fixed patterns, and against theory."""

import csv

import numpy as np
import pytest
from points.reference import DATA, LIMIT

from simcell.arrays import Pattern, Window
from simcell.errors import SimcellError
from simcell.points import sample
from simcell.points.summary import (
    envelope,
    f_function,
    g_function,
    intensity,
    j_function,
    k_function,
    l_function,
    mark_correlation,
    pair_correlation,
)
from simcell.rng import stream
from simcell.scene.points import HardCore, Poisson

SQUARE = Window((256.0, 256.0))
CORRECTION = {
    "un": "none",
    "border": "border",
    "trans": "translation",
    "iso": "isotropic",
    "raw": "none",
    "rs": "border",
    "km": "km",
    "han": "hanisch",
}
# Where spatstat itself bins distances (rs, km, han) or smooths on a grid (pcf), its
# values are off by up to this much against direct sums: absolute, relative.
BINNED = {
    "K": (0, 1e-9),
    "G_raw": (1e-9, 0),
    "G_han": (2e-4, 0),
    "G_rs": (7.5e-3, 0),
    "G_km": (2e-3, 0),
    "F_raw": (4e-4, 0),
    "F_rs": (3e-3, 0),
    "F_km": (2.5e-3, 0),
    "pcf": (1e-3, 4e-3),
}


def fixture(name):
    points = np.loadtxt(DATA / f"fixture_{name}_points.csv", delimiter=",", skiprows=1)
    with (DATA / "fixture_values.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["pattern"] == name]
    values = {}
    for row in rows:
        values.setdefault(row["statistic"], []).append((float(row["r"]), float(row["value"])))
    return points[:, ::-1].copy(), values


@pytest.mark.parametrize("name", ["poisson", "strauss", "thomas"])
def test_estimators_match_spatstat(name):
    points, values = fixture(name)
    assert len(values) == 13
    for statistic, rows in values.items():
        r, truth = np.array(rows).T
        family, last = statistic.split("_")[0], statistic.split("_")[-1]
        correction = CORRECTION[last]
        if family == "K":
            ours = k_function(points, SQUARE, r, correction)
        elif family == "G":
            ours = g_function(points, SQUARE, r, correction)
        elif family == "F":
            ours = f_function(points, SQUARE, r, correction, step_um=1.0)
        else:
            ours = pair_correlation(points, SQUARE, r, correction, bandwidth_um=2.0)
        absolute, relative = BINNED.get(statistic) or BINNED[family]
        np.testing.assert_allclose(ours, truth, rtol=relative, atol=absolute, err_msg=statistic)


CUBE, TORUS = Window((60.0, 60.0, 60.0)), Window((60.0, 60.0, 60.0), periodic=True)
BALL = Window((60.0,) * 3, ((np.indices((20, 20, 20)) - 9.5) ** 2).sum(0) < 95)


def curves(statistic, window, runs=60, density=2e6):
    return np.array(
        [
            statistic(sample(Poisson(density=density), window, stream(4, k, "summary")).points)
            for k in range(runs)
        ]
    )


def assert_mean(values, truth):
    z = (values.mean(0) - truth) / (values.std(0, ddof=1) / len(values) ** 0.5)
    assert np.all(np.abs(z) < LIMIT), z


@pytest.mark.parametrize("window", [CUBE, TORUS, BALL], ids=["free", "periodic", "mask"])
def test_translation_k_of_a_poisson_process_in_3d(window):
    r = np.array([3.0, 6.0, 9.0])
    n = window.volume * 2e-3

    def scaled(points):
        k = k_function(points, window, r, "translation")
        return k * len(points) * (len(points) - 1) / n**2

    assert_mean(curves(scaled, window), 4 / 3 * np.pi * r**3)


@pytest.mark.parametrize("window", [CUBE, TORUS], ids=["free", "periodic"])
def test_border_k_of_a_poisson_process_in_3d(window):
    r = np.array([3.0, 6.0, 9.0])
    values = curves(lambda p: k_function(p, window, r, "border"), window)
    assert_mean(values, 4 / 3 * np.pi * r**3)


@pytest.mark.parametrize("window", [CUBE, TORUS], ids=["free", "periodic"])
def test_pcf_of_a_poisson_process_in_3d(window):
    r = np.array([4.0, 6.0, 8.0])
    n = window.volume * 2e-3
    half = 0.5 * 5**0.5
    # The kernel smooths 4πr²: its mean over the kernel is 4π(r² + half²/5).
    truth = 1 + half**2 / 5 / r**2

    def scaled(points):
        g = pair_correlation(points, window, r, bandwidth_um=0.5)
        return g * len(points) * (len(points) - 1) / n**2

    assert_mean(curves(scaled, window), truth)


@pytest.mark.parametrize("window", [CUBE, TORUS], ids=["free", "periodic"])
@pytest.mark.parametrize("correction", ["border", "km", "hanisch"])
def test_nearest_neighbours_of_a_poisson_process_in_3d(window, correction):
    r = np.array([2.0, 4.0, 5.0])
    truth = 1 - np.exp(-2e-3 * 4 / 3 * np.pi * r**3)
    g = curves(lambda p: g_function(p, window, r, correction), window)
    f = curves(lambda p: f_function(p, window, r, correction), window, 20)
    # Ratio estimators carry a bias of the order of one over the number of points.
    assert np.all(np.abs(g.mean(0) - truth) < LIMIT * g.std(0) / 60**0.5 + 2 / 432)
    assert np.all(np.abs(f.mean(0) - truth) < LIMIT * f.std(0) / 20**0.5 + 2 / 432)


def test_uncorrected_k_is_too_low_at_a_free_edge():
    r = np.array([9.0])
    free = curves(lambda p: k_function(p, CUBE, r, "none"), CUBE).mean()
    assert free < 0.85 * 4 / 3 * np.pi * 9**3


def test_order_shows_in_l_and_j():
    points = sample(HardCore(), Window((500.0, 500.0)), stream(4, 0, "order")).points
    window = Window((500.0, 500.0))
    assert l_function(points, window, np.array([10.0]))[0] == 0
    assert j_function(points, window, np.array([10.0]))[0] > 1.5
    assert intensity(points, window) == pytest.approx(2000)


def test_mark_correlation_sees_similar_neighbours():
    rng = np.random.default_rng(5)
    points = rng.random((2000, 2)) * 100
    window, r = Window((100.0, 100.0)), np.array([1.0, 5.0, 10.0])
    alike = mark_correlation(points, 1.0 + (points[:, 0] > 50), window, r)
    mixed = mark_correlation(points, rng.permutation(1.0 + (points[:, 0] > 50)), window, r)
    # All pairs within one half: E m² / (E m)² = 2.5 / 2.25.
    assert alike[0] == pytest.approx(2.5 / 2.25, abs=0.02)
    np.testing.assert_allclose(mixed, 1.0, atol=0.04)


def test_few_points_give_nan_or_zero_and_never_fail():
    r, window = np.array([1.0, 2.0]), Window((9.0, 9.0))
    for points in (np.empty((0, 2)), np.ones((1, 2))):
        for function in (k_function, l_function, pair_correlation, g_function):
            assert np.isnan(function(points, window, r)).all()
        assert np.isnan(mark_correlation(points, np.ones(len(points)), window, r)).all()
    np.testing.assert_array_equal(f_function(np.empty((0, 2)), window, r), 0)


@pytest.mark.parametrize("kind", ["pointwise", "global"])
def test_envelopes_have_their_level(kind):
    """Patterns of the model leave the band as often as the level says."""
    window, r = Window((100.0, 100.0)), np.array([5.0, 10.0, 15.0])

    def simulate(rng):
        return Pattern(rng.random((50, 2)) * 100)

    left = []
    rng = np.random.default_rng(6)
    for _ in range(150):
        band = envelope(
            simulate(rng),
            simulate,
            lambda p: k_function(p.points, window, r),
            rng,
            simulations=19,
            level=0.1 if kind == "pointwise" else 0.05,
            kind=kind,
        )
        outside = (band.observed < band.low) | (band.observed > band.high)
        left.append(outside[1] if kind == "pointwise" else outside.any())
    truth = 0.1 if kind == "pointwise" else 0.05
    # The global band's mean leaves the pattern out, so it is a little strict.
    assert abs(np.mean(left) - truth) < LIMIT * (truth * (1 - truth) / 150) ** 0.5 + 0.01


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: k_function(np.full((2, 2), 300.0), SQUARE, np.array([1.0])), "points"),
        (lambda: k_function(np.ones((2, 3)), CUBE, np.array([1.0]), "isotropic"), "isotropic"),
        (lambda: k_function(np.ones((2, 3)), TORUS, np.array([40.0])), "half"),
        (lambda: g_function(np.full((2, 3), 30.0), BALL, np.array([1.0]), "hanisch"), "hanisch"),
        (lambda: f_function(np.ones((2, 2)), SQUARE, np.array([1.0]), step_um=1e-3), "step_um"),
        (lambda: mark_correlation(np.ones((2, 2)), np.ones(3), SQUARE, np.ones(1)), "marks"),
        (
            lambda: envelope(Pattern(np.ones((1, 2))), Pattern, len, np.random.default_rng(), 9),
            "simulations",
        ),
    ],
)
def test_impossible_requests_are_refused(call, text):
    with pytest.raises(SimcellError, match=text):
        call()
