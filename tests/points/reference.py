"""Reference statistics and how patterns are held against them."""

import csv
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from simcell.arrays import Window
from simcell.points import sample
from simcell.points.summary import g_function, k_function
from simcell.rng import stream

DATA = Path(__file__).parents[1] / "data"
LIMIT = 4.0


def load(name):
    """Return rows (statistic, r, mean, se) of one reference."""
    with (DATA / "point_statistics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["name"] == name]
    assert rows, name
    return [
        (row["statistic"], float(row["r"] or "nan"), float(row["mean"]), float(row["se"]))
        for row in rows
    ]


def _between(first, second, r):
    if len(first) == 0 or len(second) == 0:
        return 0
    return cKDTree(first).count_neighbors(cKDTree(second), r)


def lens_ratio(d, a, b):
    """Return shared area over the smaller area of discs of radii a and b, d apart."""
    small = np.minimum(a, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = (d * d + a * a - b * b) / (2 * d)
        h = np.sqrt(np.maximum(a * a - x * x, 0))
        lens = a * a * np.arctan2(h, x) + b * b * np.arctan2(h, d - x) - d * h
    lens = np.where(d <= abs(a - b), np.pi * small**2, np.where(d >= a + b, 0, lens))
    return lens / (np.pi * small**2)


def shared_ratio(pattern):
    """Return shared area over the smaller disc's area for all pairs of discs."""
    i, j = np.triu_indices(len(pattern), 1)
    d = np.linalg.norm(pattern.points[i] - pattern.points[j], axis=1)
    radii = pattern.marks["radius_um"]
    return lens_ratio(d, radii[i], radii[j])


def value(pattern, window, statistic, r):
    """Return one statistic of one pattern."""
    points, free = pattern.points, Window(window.size_um)
    n = len(points)
    if statistic.startswith("count"):
        return n
    if statistic in {"npairs_raw"} or statistic.startswith("pairs_d_le_"):
        r = float(statistic.rsplit("_", 1)[1]) if statistic.startswith("pairs") else r
        return 0 if n < 2 else (pdist(points) <= r).sum()
    if statistic == "lam2K_trans":
        k = k_function(points, free, np.array([r]))[0]
        return k * n * (n - 1) / free.volume**2
    if statistic == "G_raw":
        return n * g_function(points, free, np.array([r]), "none")[0] if n > 1 else 0
    return _of_marks(pattern, statistic)


def _of_marks(pattern, statistic):
    if statistic == "sum_overlap_ratio":
        return shared_ratio(pattern).sum()
    if statistic == "n_overlapping_pairs":
        return (shared_ratio(pattern) > 0).sum()
    if statistic.startswith("sum_rho"):
        return (pattern.marks["radius_um"] ** (2 if statistic.endswith("2") else 1)).sum()
    points = pattern.points
    a, b = (points[pattern.marks["type"] == t] for t in (0, 1))
    if statistic in {"n_A", "n_B", "nA_nB"}:
        return {"n_A": len(a), "n_B": len(b), "nA_nB": len(a) * len(b)}[statistic]
    _, kinds, r = statistic.split("_")
    first, second = {"A": a, "B": b}[kinds[0]], {"A": a, "B": b}[kinds[1]]
    pairs = _between(first, second, float(r))
    return pairs if kinds == "AB" else (pairs - len(first)) / 2


def z_scores(patterns, window, references):
    """Return rows (statistic, r, reference, ours, z)."""
    result = []
    for statistic, r, mean, se in references:
        x = np.array([value(p, window, statistic, r) for p in patterns], float)
        if statistic == "count_var":
            x = (x - x.mean()) ** 2 * len(x) / (len(x) - 1)
        ours, spread = x.mean(), x.std(ddof=1) / len(x) ** 0.5
        if statistic == "G_raw":
            # Pooled: close points of all patterns over points of all patterns.
            n = np.array([len(p) for p in patterns])
            ours = x.sum() / n.sum()
            spread = (x - ours * n).std(ddof=1) / n.mean() / len(x) ** 0.5
        combined = np.hypot(se, spread)
        # Integers that never vary, such as pairs within a hard core.
        z = (ours - mean) / combined if combined > 0 else (0.0 if ours == mean else np.inf)
        if ours == 0 and mean > 0:
            # Nothing seen: the spread is that of a Poisson count of the expected number.
            z = -mean / np.hypot(se, (mean / len(x)) ** 0.5)
        result.append((statistic, r, mean, ours, z))
    return result


def assert_close(patterns, window, references):
    """Check that every statistic is within four combined standard errors."""
    rows = z_scores(patterns, window, references)
    wrong = [row for row in rows if not abs(row[-1]) <= LIMIT]
    assert not wrong, "\n".join(
        f"{s} {r}: {m:.5g}, ours {o:.5g}, z {z:.2f}" for s, r, m, o, z in rows
    )


def draws(spec, window, runs, name="theory"):
    """Return independent patterns of a spec."""
    return [sample(spec, window, stream(5, k, name)) for k in range(runs)]


def z_of(values, truth):
    """Return how many standard errors the mean of independent values is off."""
    values = np.asarray(values, float)
    return (values.mean() - truth) / (values.std(ddof=1) / len(values) ** 0.5)
