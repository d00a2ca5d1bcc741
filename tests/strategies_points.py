"""Hypothesis strategies for point process specs and windows, moderately sized."""

import numpy as np
from hypothesis import strategies as st

from simcell.arrays import Window
from simcell.scene.colony import Colony
from simcell.scene.points import (
    AreaInteraction,
    Binomial,
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
    SimcepCluster,
    Strauss,
    Thomas,
)


def _floats(low, high):
    return st.floats(low, high, allow_nan=False)


@st.composite
def _matrices(draw, n, low, high):
    """Symmetric n x n matrices."""
    entries = draw(st.lists(_floats(low, high), min_size=n * n, max_size=n * n))
    return tuple(tuple(entries[min(i, j) * n + max(i, j)] for j in range(n)) for i in range(n))


@st.composite
def _multi_strauss(draw, scale):
    n = draw(st.integers(1, 3))
    return MultiStrauss(
        activities=tuple(
            draw(st.lists(_floats(1000 * scale, 5000 * scale), min_size=n, max_size=n))
        ),
        gamma=draw(_matrices(n, 0, 1)),
        interaction_um=draw(_matrices(n, 2, 15)),
        hard_core_um=draw(_matrices(n, 0, 8)),
        method=draw(st.sampled_from(["mh", "perfect"])),
    )


@st.composite
def _object_types(draw, scale):
    ratios = sorted(draw(st.tuples(_floats(0.4, 1), _floats(0.4, 1))))
    return ObjectType(
        activity=draw(_floats(1000 * scale, 5000 * scale)),
        radius_um=draw(_floats(2, 8)),
        radius_cv=draw(_floats(0, 0.3)),
        radius_law=draw(st.sampled_from(["uniform", "lognormal"])),
        axis_ratio_min=ratios[0],
        axis_ratio_max=ratios[1],
        orientation_rad=draw(_floats(-3, 3)),
        alignment=draw(_floats(0, 20)),
        tilt=draw(_floats(0, 1)),
    )


def specs_by_kind(ndim=2):
    """Return a strategy of valid specs for each kind.

    In 3-D densities are scaled by 20 per mm, so that windows of the size of
    :func:`windows` hold a few dozen points either way.
    """
    scale = 1.0 if ndim == 2 else 20.0
    density, distance = _floats(1000 * scale, 10_000 * scale), _floats(1, 15)
    rare, activity = _floats(10 * scale, 300 * scale), _floats(2000 * scale, 10_000 * scale)
    uneven = {
        "gradient_axis": st.integers(0, ndim - 1),
        "gradient_ratio": _floats(0.1, 10),
    }
    return {
        "poisson": st.builds(Poisson, density=density, **uneven),
        "binomial": st.builds(Binomial, count=st.integers(0, 100), **uneven),
        "matern_i": st.builds(MaternI, density=rare, distance_um=_floats(1, 8)),
        "matern_ii": st.builds(MaternII, density=rare, distance_um=_floats(1, 8)),
        "hard_core": st.builds(
            HardCore,
            density=st.none() | density,
            distance_um=_floats(5, 15),
            spread=_floats(0, 0.4),
        ),
        "strauss": st.builds(
            Strauss,
            activity=activity,
            gamma=_floats(0, 1),
            distance_um=distance,
            method=st.sampled_from(["mh", "perfect"]),
        ),
        "hard_core_gibbs": st.builds(
            HardCoreGibbs,
            activity=activity,
            distance_um=_floats(1, 10),
            method=st.just("mh"),
        ),
        "multi_strauss": _multi_strauss(scale),
        "geyer": st.builds(
            Geyer,
            activity=_floats(500 * scale, 2000 * scale),
            gamma=_floats(0, 1.3),
            distance_um=distance,
            saturation=_floats(0, 3),
        ),
        "area_interaction": st.builds(
            AreaInteraction, activity=activity, eta=_floats(0.1, 5), radius_um=_floats(2, 10)
        ),
        "objects": st.builds(
            Objects,
            types=st.lists(_object_types(scale), min_size=1, max_size=2).map(tuple),
            overlap_penalty=_floats(0, 20),
            overlap_limit=_floats(0, 1),
            packing=_floats(0, 1),
            method=st.sampled_from(["mh", "mbd"]),
        ),
        "thomas": st.builds(
            Thomas, density=density, cluster_size=_floats(1, 10), spread_um=_floats(1, 10)
        ),
        "matern_cluster": st.builds(
            MaternCluster, density=density, cluster_size=_floats(1, 10), radius_um=_floats(1, 15)
        ),
        "simcep_cluster": st.builds(
            SimcepCluster,
            density=density,
            clusters=st.integers(1, 5),
            probability=_floats(0, 1),
            spread=_floats(0.01, 0.2),
        ),
        "colony": st.builds(
            Colony,
            density=density,
            colony_size=_floats(1, 50),
            distance_um=_floats(5, 15),
            looseness=_floats(0, 3),
            tries=st.integers(1, 40),
        ),
    }


def point_specs(ndim=2):
    """Return a strategy of valid specs over all kinds."""
    return st.one_of(*specs_by_kind(ndim).values())


@st.composite
def windows(draw, ndim=2):
    """Windows of 20 to 90 µm a side: free, periodic, or with a mask."""
    high = 90 if ndim == 2 else 40
    size = tuple(draw(st.lists(_floats(20, high), min_size=ndim, max_size=ndim)))
    kind = draw(st.sampled_from(["free", "periodic", "mask"]))
    if kind != "mask":
        return Window(size, periodic=kind == "periodic")
    shape = draw(st.lists(st.integers(2, 12), min_size=ndim, max_size=ndim))
    mask = np.random.default_rng(draw(st.integers(0, 99))).random(shape) < 0.6
    mask.flat[0] = True
    return Window(size, mask)
