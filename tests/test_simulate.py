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
    assert sample.versions == {"simcell": simcell.__version__, "numpy": np.__version__}


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
