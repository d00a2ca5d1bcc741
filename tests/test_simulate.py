"""A scene becomes a sample: the same for the same address, stage by stage."""

import numpy as np
import pytest

import simcell
from simcell.errors import SimcellError
from simcell.preset import preset_files
from simcell.stages import STAGES

NAMES = sorted(file.stem for file in preset_files())
PARTS = ("region", "labels", "objects", "adjacency", "prior", "classes", "image")


def _sample(name, index=0, seed=3, **more):
    preset = simcell.load_preset(name)
    return simcell.simulate(preset.scene(seed=seed, index=index), seed=seed, index=index, **more)


def _same(a, b):
    return (a is None and b is None) or np.array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_same_address_same_sample(name):
    first, again = _sample(name), _sample(name)
    assert all(_same(getattr(first, part), getattr(again, part)) for part in PARTS)
    other = _sample(name, index=1)
    assert not np.array_equal(first.labels, other.labels)


@pytest.mark.parametrize("stage", STAGES)
def test_upto_stops_after_the_stage(stage):
    whole, part = _sample("rcm-sg"), _sample("rcm-sg", upto=stage)
    done = STAGES[: STAGES.index(stage) + 1]
    made = {
        "region": ["region"],
        "points": ["pattern"],
        "cells": ["labels", "objects"],
        "prior": ["prior"],
        "image": ["image"],
    }
    for name, parts in made.items():
        for attribute in parts:
            got = getattr(part, attribute)
            assert (got is not None) == (name in done)
            if got is not None and attribute != "pattern":
                assert np.array_equal(got, getattr(whole, attribute))


def test_unknown_stage_is_refused():
    with pytest.raises(SimcellError, match="upto = 'noise': no such stage; use one of region"):
        _sample("rcm-sg", upto="noise")


def test_samples_are_read_only_and_know_their_versions():
    sample = _sample("rcm-sg")
    with pytest.raises(ValueError, match="read-only"):
        sample.image[0, 0] = 1
    assert set(sample.versions) == {"simcell", "numpy", "opencv", "numba"}
    assert sample.versions["numpy"] == np.__version__


def test_imaging_does_not_move_cells():
    preset = simcell.load_preset("rcm-sg")
    loud = preset.with_set(["imaging.noise=high", "imaging.keratin.density=9000"])
    a = simcell.simulate(preset.base, seed=1, index=0)
    b = simcell.simulate(loud.base, seed=1, index=0)
    assert np.array_equal(a.labels, b.labels)
    assert not np.array_equal(a.image, b.image)


def test_one_resolution_like_another():
    """The same µm on a finer grid: density and sizes stay, pixels do not matter."""
    base = simcell.load_preset("rcm-sg-clean").with_set(["region.kind=full"])
    fine = base.with_set(["frame.spacing_um=0.25", "frame.shape=[512, 512]"])
    areas = [
        np.mean(
            [
                simcell.simulate(p.base, seed=s, index=0).objects["amodal_area_um2"].mean()
                for s in range(6)
            ]
        )
        for p in (base, fine)
    ]
    assert abs(areas[0] / areas[1] - 1) < 0.03


def test_big_field():
    preset = simcell.load_preset("rcm-sg").with_set(["frame.shape=[1000, 1000]"])
    sample = simcell.simulate(preset.base, seed=0, index=0)
    assert sample.image.shape == (1000, 1000)
    assert len(sample.objects) > 300


@pytest.mark.parametrize("name", ["honeycomb", "discs"])
def test_periodic_samples_tile(name):
    preset = simcell.load_preset(name).with_set(["frame.edges=periodic"])
    sample = simcell.simulate(preset.base, seed=2, index=0)
    labels = sample.labels
    first, last = labels[:, 0], labels[:, -1]
    seeds = np.stack([sample.objects["seed_y_um"], sample.objects["seed_x_um"]], axis=1)
    size = np.asarray(sample.grid.size_um)
    if name == "discs":
        assert np.mean((first > 0) == (last > 0)) > 0.97
        return
    apart = seeds[last - 1] - seeds[first - 1]
    wrapped = np.linalg.norm(apart - size * np.round(apart / size), axis=1)
    # Across the seam most neighbouring pixels belong to the same cell of the torus.
    assert np.mean(wrapped < 1e-6) > 0.7


@pytest.mark.parametrize("lloyd", [0.6, 8])
def test_seeds_are_as_dense_along_the_frame_as_in_the_middle(lloyd):
    """In a box, packing and Lloyd steps would line cells up along its sides."""
    preset = simcell.load_preset("honeycomb").with_set([f"cells.lloyd={lloyd}"])
    counts = np.zeros(4)
    widths = np.array([0.0, 6.0, 12.0, 24.0, 64.0])
    for index in range(60):
        sample = simcell.simulate(preset.base, seed=5, index=index, upto="cells")
        points = sample.pattern.points
        size = np.asarray(sample.grid.size_um)
        depth = np.minimum(points, size - points).min(axis=1)
        counts += np.histogram(depth[depth >= 0], widths)[0]
    area = np.diff([128.0**2 - (128.0 - 2 * w) ** 2 for w in widths])
    density = counts / area
    # Regular patterns count with less spread than Poisson ones: this bound is wide.
    error = np.sqrt(counts) / area
    assert np.all(np.abs(density - density[-1]) < 4 * np.hypot(error, error[-1]))


def test_the_frame_leaves_no_trace_in_prior_and_light():
    preset = simcell.load_preset("rcm-ss").with_set(
        [
            "region.kind=full",
            "imaging.field.uneven=0",
            "imaging.field.tilt=0",
            "prior.thickness_um=4",
        ]
    )
    samples = [simcell.simulate(preset.base, seed=s, index=0) for s in range(24)]
    for part in ("prior", "image"):
        mean = np.mean([getattr(s, part) for s in samples], axis=0)
        rim = np.concatenate([mean[:2].ravel(), mean[-2:].ravel(), mean[:, :2].ravel()])
        assert rim.mean() == pytest.approx(mean[20:-20, 20:-20].mean(), rel=0.035), part


def test_islands_have_no_specks():
    preset = simcell.load_preset("islands")
    for index in range(20):
        sample = simcell.simulate(preset.scene(seed=2, index=index), seed=2, index=index)
        alone = (sample.objects["neighbours"] == 0) & ~sample.objects["touches_border"]
        assert not (sample.objects["area_um2"][alone] < 20).any()


def test_vacancies_of_a_torus_meet():
    preset = simcell.load_preset("honeycomb").with_set(
        ["frame.edges=periodic", "cells.vacancy=0.3", "imaging.kind=none"]
    )
    sample = simcell.simulate(preset.base, seed=4, index=0)
    tissue = sample.labels > 0
    seam = np.mean(tissue[:, 0] != tissue[:, -1])
    assert seam < np.mean(tissue[:, 1:] != tissue[:, :-1]) * 3 + 0.02
