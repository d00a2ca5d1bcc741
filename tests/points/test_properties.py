"""What holds for every spec in every window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.spatial import cKDTree
from strategies_points import point_specs, specs_by_kind, windows

from simcell.arrays import Window
from simcell.errors import SimcellError
from simcell.points import perfect, sample
from simcell.rng import stream
from simcell.scene.points import (
    AreaInteraction,
    Binomial,
    Geyer,
    HardCore,
    HardCoreGibbs,
    MaternI,
    MaternII,
    MultiStrauss,
    Objects,
    ObjectType,
    PointSpec,
    Poisson,
    Strauss,
    Thomas,
)


def closest(pattern, window):
    if len(pattern) < 2:
        return np.inf
    size = np.asarray(window.size_um) if window.periodic else None
    return cKDTree(pattern.points, boxsize=size).query(pattern.points, k=2)[0][:, 1].min()


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", specs_by_kind())
@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.data())
def test_points_lie_inside_and_the_same_stream_gives_the_same_pattern(kind, ndim, data):
    spec, window = data.draw(specs_by_kind(ndim)[kind]), data.draw(windows(ndim))
    seed = data.draw(st.integers(0, 1000))
    pattern = sample(spec, window, stream(seed, 0, "points"))
    again = sample(spec, window, stream(seed, 0, "points"))
    assert pattern.points.shape == (len(pattern), window.ndim)
    assert window.contains(pattern.points).all()
    np.testing.assert_array_equal(pattern.points, again.points)
    for name, values in pattern.marks.items():
        assert values.shape == (len(pattern),)
        np.testing.assert_array_equal(values, again.marks[name])
    match spec:
        case HardCore(spread=0):
            assert closest(pattern, window) >= spec.apart_um(window.ndim) * (1 - 1e-12)
        case HardCoreGibbs() | MaternI() | MaternII():
            assert closest(pattern, window) >= spec.distance_um * (1 - 1e-12)
        case Binomial():
            assert len(pattern) == spec.count
        case _:
            pass


@given(point_specs())
def test_specs_survive_json(spec):
    adapter = TypeAdapter(PointSpec)
    assert adapter.validate_json(adapter.dump_json(spec)) == spec


@pytest.mark.parametrize(
    ("spec", "size", "text"),
    [
        (Poisson(density=1e9), (100.0, 1e5), "density"),
        (Binomial(gradient_axis=2), (9.0, 9.0), "gradient_axis"),
        (Poisson(intensity_map="map.png"), (9.0, 9.0), "intensity_map"),
        (Poisson(intensity_map="absent.npy"), (9.0, 9.0), "intensity_map"),
        (MaternI(density=2000.0), (99.0, 99.0), "density"),
        (MaternII(density=3000.0), (99.0, 99.0), "density"),
        (Strauss(activity=1e12), (99.0, 99.0), "activity"),
        (Strauss(activity=1e12, method="perfect"), (99.0, 99.0), "activity"),
        (HardCoreGibbs(activity=1e12, distance_um=1e-3), (99.0, 99.0), "activity"),
        (Geyer(gamma=100.0, saturation=20.0), (99.0, 99.0), "activity"),
        (AreaInteraction(activity=1e12), (99.0, 99.0), "activity"),
        (MultiStrauss(activities=(1e12, 1e3)), (99.0, 99.0), "activity"),
        (Objects(types=(ObjectType(activity=1e12),)), (99.0, 99.0), "activity"),
        (Objects(types=(ObjectType(activity=1e12),), method="mbd"), (99.0, 99.0), "activity"),
        (Thomas(density=1e12), (99.0, 99.0), "density"),
        (HardCore(density=None, distance_um=1e-3), (99.0, 99.0), "density"),
    ],
)
def test_impossible_requests_are_refused_in_one_line(spec, size, text):
    with pytest.raises(SimcellError, match=text) as caught:
        sample(spec, Window(size), stream(0, 0, "points"))
    assert "\n" not in str(caught.value)


def test_a_speck_in_a_vast_box_is_refused_and_not_filled():
    mask = np.zeros((400, 400), bool)
    mask[7, 7] = True
    window = Window((40_000.0, 40_000.0), mask)
    with pytest.raises(SimcellError, match="crop the window"):
        sample(HardCore(density=None, distance_um=6.0), window, stream(0, 0, "points"))
    pattern = sample(HardCore(distance_um=6.0), window, stream(0, 0, "points"))
    assert len(pattern) == 20


def test_perfect_simulation_gives_up_in_bounded_time(monkeypatch):
    monkeypatch.setattr(perfect, "MOST_EVENTS", 200_000)
    spec = HardCoreGibbs(activity=2e5, distance_um=12.0, method="perfect")
    with pytest.raises(SimcellError, match="method='mh'"):
        sample(spec, Window((60.0, 60.0)), stream(0, 0, "points"))


@pytest.mark.parametrize(
    "fields",
    [
        {"gamma": ((0.3, 0.7), (0.6, 0.5))},
        {"gamma": ((0.3,),)},
        {"interaction_um": ((0.0, 1.0), (1.0, 1.0))},
        {"gamma": ((0.3, 1.5), (1.5, 0.5))},
        {"activities": (1.0, -1.0)},
    ],
)
def test_multi_strauss_checks_its_matrices(fields):
    with pytest.raises(ValidationError):
        MultiStrauss(**fields)


def test_axis_ratios_must_be_in_order():
    with pytest.raises(ValidationError, match="axis_ratio_min"):
        ObjectType(axis_ratio_min=0.9, axis_ratio_max=0.5)
