"""Samplers against closed forms, balance identities and exact enumeration, above all in 3-D."""

import numpy as np
import pytest
from points.reference import LIMIT, draws, z_of
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist, pdist

from simcell.arrays import Window
from simcell.points import sample
from simcell.rng import stream
from simcell.scene.points import (
    Geyer,
    HardCore,
    HardCoreGibbs,
    MaternCluster,
    MaternI,
    MaternII,
    MultiStrauss,
    Poisson,
    SimcepCluster,
    Strauss,
    Thomas,
)

CUBE = Window((40.0, 40.0, 40.0))


def disc_mask(shape, share=0.45):
    """A disc or ball in a box, as a mask."""
    at = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n - 0.5 for n in shape], indexing="ij"))
    return (at**2).sum(0) < share**2


@pytest.mark.parametrize(
    "window",
    [
        CUBE,
        Window((40.0, 40.0, 40.0), periodic=True),
        Window((40.0, 40.0, 40.0), disc_mask((10, 20, 20))),
        Window((300.0, 200.0), disc_mask((60, 40))),
    ],
    ids=["free3", "periodic3", "mask3", "mask2"],
)
@pytest.mark.parametrize("kind", ["poisson", "matern_i", "matern_ii", "thomas", "matern_cluster"])
def test_stationary_processes_have_their_density_in_any_window(kind, window):
    density = 1e6 if window.ndim == 3 else 1000.0
    spec = {
        "poisson": Poisson(density=density),
        "matern_i": MaternI(density=density, distance_um=4.0),
        "matern_ii": MaternII(density=density, distance_um=4.0),
        "thomas": Thomas(density=density, cluster_size=4.0, spread_um=3.0),
        "matern_cluster": MaternCluster(density=density, cluster_size=4.0, radius_um=5.0),
    }[kind]
    counts = [len(p) for p in draws(spec, window, 300)]
    assert abs(z_of(counts, density / 1000**window.ndim * window.volume)) < LIMIT
    if kind == "poisson":
        squares = (np.array(counts) - np.mean(counts)) ** 2
        assert abs(z_of(squares, np.mean(counts))) < LIMIT


@pytest.mark.parametrize(
    ("window", "distance", "coverage", "runs"),
    [
        (Window((256.0, 256.0), periodic=True), 6.0, 0.54707, 60),
        (Window((40.0, 40.0, 40.0), periodic=True), 4.0, 0.38413, 20),
    ],
    ids=["2D", "3D"],
)
def test_saturated_hard_core_reaches_jamming(window, distance, coverage, runs):
    """Literature values for infinite space; a torus this size agrees to 1e-4."""
    spec = HardCore(density=None, distance_um=distance)
    ball = np.pi * distance**2 / 4 if window.ndim == 2 else np.pi * distance**3 / 6
    covered = [len(p) * ball / window.volume for p in draws(spec, window, runs)]
    assert abs(z_of(covered, coverage)) < LIMIT
    assert np.std(covered) / runs**0.5 < 0.0009


@pytest.mark.parametrize(
    ("window", "spread"),
    [
        (Window((60.0, 60.0)), 0.0),
        (Window((60.0, 60.0), periodic=True), 0.3),
        (Window((60.0, 60.0), disc_mask((30, 30))), 0.0),
        (Window((60.0, 60.0), disc_mask((30, 30))), 0.2),
        (Window((25.0, 25.0, 25.0)), 0.0),
        (Window((25.0, 25.0, 25.0), disc_mask((5, 10, 10))), 0.2),
    ],
)
def test_saturation_leaves_no_room(window, spread):
    spec = HardCore(density=1e9, distance_um=5.0, spread=spread)
    pattern = sample(spec, window, stream(3, 1, "jam"))
    radii = pattern.marks.get("radius_um", np.full(len(pattern), 2.5))
    size = np.asarray(window.size_um) if window.periodic else None
    i, j = cKDTree(pattern.points, boxsize=size).query_pairs(8.0, output_type="ndarray").T
    gap = pattern.points[i] - pattern.points[j]
    if window.periodic:
        gap -= size * np.round(gap / size)
    assert np.all(np.linalg.norm(gap, axis=1) >= (radii[i] + radii[j]) * (1 - 1e-12))
    probes = stream(3, 2, "jam").random((200_000, window.ndim)) * window.size_um
    probes = probes[window.contains(probes)]
    low = 2.5 * (1 - 3**0.5 * spread)
    offsets = np.zeros((1, window.ndim))
    if window.periodic:
        grid = np.meshgrid(*[[-1, 0, 1]] * window.ndim)
        offsets = np.stack(grid, -1).reshape(-1, window.ndim) * size
    images = (pattern.points + offsets[:, None]).reshape(-1, window.ndim)
    near, who = cKDTree(images).query(probes, k=8)
    room = near - low - radii[who % len(pattern)]
    assert np.all(room.min(axis=1) < 0)
    assert pattern.notes["requested_density"] == 1e9
    assert pattern.notes["achieved_density"] == pytest.approx(
        len(pattern) / window.volume * 1000**window.ndim
    )


def test_hard_core_keeps_the_radius_law_while_all_fit():
    spec = HardCore(density=1500.0, distance_um=12.0, spread=0.25)
    window = Window((1000.0, 1000.0))
    radii = sample(spec, window, stream(3, 3, "radii")).marks["radius_um"]
    assert len(radii) == 1500
    assert abs(z_of(radii, 6.0)) < LIMIT
    assert radii.std() / radii.mean() == pytest.approx(0.25, abs=0.015)


def test_hard_core_keeps_the_radius_law_in_a_crowd():
    """Darts give up at this density, voxels place the rest near their own size."""
    spec = HardCore(density=4100.0, distance_um=12.0, spread=0.2)
    pattern = sample(spec, Window((1000.0, 1000.0)), stream(3, 4, "radii"))
    radii = pattern.marks["radius_um"]
    assert len(radii) == 4100
    assert radii.mean() == pytest.approx(6.0, rel=0.02)
    assert radii.std() / radii.mean() == pytest.approx(0.2, abs=0.015)


def test_random_sequential_addition_of_four_discs_matches_plain_darts():
    """Darts with rejection are the definition; on a small torus they are cheap."""
    window = Window((20.0, 20.0), periodic=True)
    rng = np.random.default_rng(4)

    def nearest(points):
        gap = points[:, None] - points
        gap -= 20 * np.round(gap / 20)
        return pdist_min(np.linalg.norm(gap, axis=2))

    def pdist_min(d):
        return (d + 99 * np.eye(len(d))).min()

    def darts():
        points = np.empty((0, 2))
        while len(points) < 4:
            new = rng.random(2) * 20
            gap = new - points
            gap -= 20 * np.round(gap / 20)
            if len(points) == 0 or np.linalg.norm(gap, axis=1).min() >= 7:
                points = np.vstack([points, new])
        return points

    spec = HardCore(density=4 / 400 * 1e6, distance_um=7.0)
    ours = np.array([nearest(p.points) for p in draws(spec, window, 3000)])
    plain = np.array([nearest(darts()) for _ in range(3000)])
    z = (ours.mean() - plain.mean()) / np.hypot(ours.std(), plain.std()) * 3000**0.5
    assert abs(z) < LIMIT


def interaction(spec, points, window, spots):
    """Return each spot's conditional intensity over the activity, brute force."""
    gap = spots[:, None] - points
    size = np.asarray(window.size_um)
    if window.periodic:
        gap -= size * np.round(gap / size)
    d = np.linalg.norm(gap, axis=2)
    close = (d <= spec.distance_um).sum(axis=1)
    if isinstance(spec, HardCoreGibbs):
        return (close == 0).astype(float)
    if isinstance(spec, Strauss):
        return spec.gamma**close
    own = points[:, None] - points
    if window.periodic:
        own -= size * np.round(own / size)
    have = (np.linalg.norm(own, axis=2) <= spec.distance_um).sum(axis=1) - 1
    s = spec.saturation
    gained = np.minimum(s, have + 1) - np.minimum(s, have)
    total = np.minimum(s, close) + ((d <= spec.distance_um) * gained).sum(axis=1)
    return spec.gamma**total


@pytest.mark.parametrize(
    "window",
    [
        CUBE,
        Window((40.0, 30.0, 20.0), periodic=True),
        Window((40.0, 40.0, 40.0), disc_mask((8, 16, 16))),
        Window((80.0, 60.0), disc_mask((16, 12))),
        Window((17.0, 60.0), periodic=True),
    ],
    ids=["free3", "periodic3", "mask3", "mask2", "narrow-torus"],
)
@pytest.mark.parametrize("kind", ["strauss", "hard_core_gibbs", "geyer", "perfect"])
def test_gibbs_processes_satisfy_the_balance_identity(kind, window):
    """Georgii–Nguyen–Zessin: E n = E of the conditional intensity's integral."""
    activity = 1e6 if window.ndim == 3 else 1e4
    reach = 8.0
    spec = {
        "strauss": Strauss(activity=activity, gamma=0.4, distance_um=reach),
        "perfect": Strauss(activity=activity, gamma=0.4, distance_um=reach, method="perfect"),
        "hard_core_gibbs": HardCoreGibbs(activity=activity, distance_um=reach),
        "geyer": Geyer(activity=activity / 4, gamma=1.2, distance_um=reach, saturation=1.5),
    }[kind]
    expected = spec.activity / 1000**window.ndim * window.volume
    rng = stream(6, 0, "probes")
    balance, counts = [], []
    for pattern in draws(spec, window, 150):
        assert window.contains(pattern.points).all()
        spots = rng.random((1500, window.ndim)) * window.size_um
        spots = spots[window.contains(spots)]
        ratio = interaction(spec, pattern.points, window, spots).mean() if len(pattern) else 1.0
        balance.append(len(pattern) - expected * ratio)
        counts.append(len(pattern))
    assert abs(z_of(balance, 0.0)) < LIMIT
    assert abs(np.mean(counts) / expected - 1) > 0.05


def test_hard_core_in_a_small_cube_matches_rejection():
    """Poisson patterns kept when no pair is close are the hard-core process itself."""
    window, rng = Window((12.0, 12.0, 12.0)), np.random.default_rng(8)
    exact = []
    for n in rng.poisson(3.0, 20_000):
        points = rng.random((n, 3)) * 12
        if n < 2 or pdist(points).min() > 6:
            exact.append(n)
    for method in ("mh", "perfect"):
        spec = HardCoreGibbs(activity=3 / 1728 * 1e9, distance_um=6.0, method=method)
        ours = np.array([len(p) for p in draws(spec, window, 3000)])
        spread = np.hypot(np.std(exact) / len(exact) ** 0.5, ours.std() / len(ours) ** 0.5)
        assert abs(ours.mean() - np.mean(exact)) < LIMIT * spread


def test_types_repel_as_told():
    spec = MultiStrauss(
        activities=(3000.0, 3000.0),
        gamma=((1.0, 0.0), (0.0, 1.0)),
        interaction_um=((5.0, 10.0), (10.0, 5.0)),
    )
    pattern = sample(spec, Window((200.0, 200.0)), stream(2, 2, "types"))
    a, b = (pattern.points[pattern.marks["type"] == t] for t in (0, 1))
    assert len(a) > 0
    assert len(b) > 0
    assert cdist(a, b).min() > 10
    assert pdist(a).min() < 5


def test_simcep_clusters_share_and_scatter():
    spec = SimcepCluster(density=20_000.0, clusters=3, probability=0.25, spread=0.02)
    pattern = sample(spec, Window((400.0, 400.0)), stream(2, 3, "simcep"))
    kind = pattern.marks["type"]
    assert len(pattern) == 3200
    assert abs(z_of(kind, 0.25)) < LIMIT
    members = pattern.points[kind == 1]
    # Members scatter by 8 µm: within 4 of those of some other member's centre.
    tree = cKDTree(members)
    assert tree.query(members, k=30)[0][:, -1].max() < 40
    alone = pattern.points[kind == 0]
    assert abs(z_of(alone[:, 0], 200.0)) < LIMIT


@pytest.mark.parametrize(("size", "density"), [((400.0, 400.0), 2e3), ((90.0, 90.0, 90.0), 1e5)])
def test_distances_in_sides_make_points_of_any_density_as_orderly(size, density):
    nearest = []
    for times in (1.0, 4.0):
        spec = HardCore(density=times * density, distance_sides=0.7)
        points = sample(spec, Window(size, periodic=True), stream(3, 0, "points")).points
        gaps = cKDTree(points, boxsize=size).query(points, k=2)[0][:, 1]
        side = (np.prod(size) / len(points)) ** (1 / len(size))
        assert gaps.min() == pytest.approx(0.7 * side, rel=0.02)
        nearest.append(gaps.mean() / side)
    assert nearest[0] == pytest.approx(nearest[1], rel=0.02)
