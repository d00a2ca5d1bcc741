"""Every sampler against spatstat and exact enumeration, two-sided at four standard errors."""

import numpy as np
import pytest
from points.reference import assert_close, load

from simcell.arrays import Window
from simcell.points import sample
from simcell.rng import stream
from simcell.scene.points import (
    AreaInteraction,
    Geyer,
    HardCore,
    HardCoreGibbs,
    MaternCluster,
    MaternI,
    MaternII,
    MultiStrauss,
    Objects,
    ObjectType,
    Poisson,
    Strauss,
    Thomas,
)

BALL = np.pi * 64
TYPES = (ObjectType(activity=6000, radius_um=6, radius_cv=2 / 3**0.5 / 6),)
HARD = HardCoreGibbs(activity=1e4, distance_um=8)
SOFT = Strauss(activity=1e4, gamma=0.5, distance_um=8)
MULTI = MultiStrauss(
    activities=(6000, 4000),
    gamma=((0.3, 0.7), (0.7, 0.5)),
    interaction_um=((12, 10), (10, 8)),
)
MULTI_HARD = MULTI.model_copy(update={"hard_core_um": ((6, 5), (5, 4))})
AREA = AreaInteraction(activity=6000, eta=0.2, radius_um=8)


def discs(penalty):
    return Objects(types=TYPES, overlap_penalty=penalty, overlap_limit=1)


def perfect(spec):
    return spec.model_copy(update={"method": "perfect"})


CASES = [
    ("poisson", Poisson(density=200 / 256**2 * 1e6), 256, False, 500),
    (
        "matern1_0.003",
        MaternI(density=3000 * np.exp(-0.003 * BALL), distance_um=8),
        256,
        False,
        500,
    ),
    (
        "matern2_0.01",
        MaternII(density=1e6 * (1 - np.exp(-0.01 * BALL)) / BALL, distance_um=8),
        256,
        False,
        400,
    ),
    ("rsa_n300", HardCore(density=300 / 256**2 * 1e6, distance_um=8), 256, False, 400),
    ("thomas", Thomas(density=200 / 256**2 * 1e6, cluster_size=8, spread_um=8), 256, False, 600),
    (
        "matclust",
        MaternCluster(density=200 / 256**2 * 1e6, cluster_size=8, radius_um=16),
        256,
        False,
        600,
    ),
    ("exact32_hardcore_b01", HARD, 32, False, 3000),
    ("exact32_hardcore_b01", perfect(HARD), 32, False, 3000),
    ("hardcore_b01_free", HARD, 256, False, 200),
    ("long_hardcore_01_torus", HARD, 256, True, 200),
    ("long_hardcore_01_torus", perfect(HARD), 256, True, 200),
    ("long_hardcore_016_free", HARD.model_copy(update={"activity": 1.6e4}), 256, False, 100),
    ("exact48_strauss_b01_g05", SOFT, 48, False, 3000),
    ("exact48_strauss_b01_g05", perfect(SOFT), 48, False, 3000),
    ("strauss_b01_g01_free", SOFT.model_copy(update={"gamma": 0.1}), 256, False, 200),
    ("strauss_b01_g01_free", perfect(SOFT.model_copy(update={"gamma": 0.1})), 256, False, 200),
    ("long_strauss_01_free", SOFT, 256, False, 200),
    ("long_strauss_01_torus", SOFT, 256, True, 200),
    ("exact32_multistrauss", MULTI, 32, False, 3000),
    ("multistrauss_free_rmh", MULTI, 256, False, 150),
    ("exact32_straushm", MULTI_HARD, 32, False, 3000),
    ("exact32_straushm", perfect(MULTI_HARD), 32, False, 3000),
    ("exact40_areaint_b006_eta02", AREA, 40, False, 1500),
    ("areaint_b006_eta02_free_rmh", AREA, 256, False, 100),
    (
        "geyer_b004_g13_s2_free_rmh",
        Geyer(activity=2000, gamma=1.3, distance_um=10, saturation=2),
        256,
        False,
        200,
    ),
    ("exact48_discs_b006_th3", discs(3), 48, False, 1000),
    ("exact36_discs_b006_th10", discs(10), 36, False, 1000),
    ("mh256_discs_b006_th3", discs(3), 256, False, 50),
]


@pytest.mark.parametrize(
    ("name", "spec", "side", "periodic", "runs"),
    CASES,
    ids=[f"{c[0]}-{getattr(c[1], 'method', 'draw')}" for c in CASES],
)
def test_sampler_matches_reference(name, spec, side, periodic, runs):
    window = Window((float(side), float(side)), periodic=periodic)
    patterns = [sample(spec, window, stream(11, index, name)) for index in range(runs)]
    assert_close(patterns, window, load(name))
