"""The models that are shipped: what they say, what they find, and that tiles leave no seams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import simcell
from dermogan.benchmark import volumes
from dermogan.benchmark.maps import measure_maps
from dermogan.benchmark.worlds import WORLDS
from dermogan.cards import SHIPPED, model_files, read_header
from dermogan.metrics import objects
from dermogan.model import load_model
from dermogan.pack import LARGEST
from dermogan.recipe import Recipe, load_recipe
from dermogan.segmentation import segment
from dermogan.solidscores import pairs_of, score, truth_of
from dermogan.solidsegment import segment_volume
from dermogan.tiles import predict

# What each finds in a preset that it was not trained on, of all cells there are: F1 at IoU 0.5.
FOREIGN = {
    "confluent": ("rcm-benchmark", 0.8),
    "rcm": ("rcm-benchmark", 0.8),
    "dermogan2": ("dermogan2", 0.85),
}
# Of models of classes: the least sensitivity in two images of their world, class by class.
WORLDS_OF = {
    "oct": ("oct", (0.98, 0.85, 0.95, 0.8, 0.95)),
    "mosaic": ("mosaic", (0.4, 0.3, 0.5, 0.5, 0.4, 0.5)),
}
# Of models of volumes: the least Dice of nuclei and of Golgi, and pairing, beyond their ranges.
VOLUMES = {"nucleus-golgi": (0.7, 0.6, 0.85)}
SMALL = {"mosaic": ("frame.shape=[512, 512]",)}
NAMES = sorted(file.stem for file in SHIPPED.glob("*.safetensors"))


def sample(preset: str, *sets: str) -> simcell.Sample:
    scene = simcell.load_preset(preset).with_set(sets).scene(seed=5, index=0)
    return simcell.simulate(scene, seed=5, index=0)


def test_all_are_put_to_the_test() -> None:
    assert sorted([*FOREIGN, *WORLDS_OF, *VOLUMES]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_says_of_itself(name: str) -> None:
    file = model_files()[name]
    header = read_header(file)
    assert file.stat().st_size <= LARGEST
    assert header.card["name"] == name
    assert {"about", "presets", "seed", "steps", "cpu_hours", "score"} <= header.card.keys()
    assert header.expects is not None
    recipe = Recipe.from_text(header.recipe)
    shipped = load_recipe(header.card["recipe"])
    assert shipped.system == recipe.system  # one command trains it again
    assert shipped.data == recipe.data


@pytest.mark.parametrize("name", list(WORLDS_OF))
def test_classes_in_images_beyond_its_ranges(name: str) -> None:
    world, least = WORLDS_OF[name]
    model = load_model(name)
    frozen = replace(WORLDS[world], sets=SMALL.get(world, ()))
    (row,) = measure_maps(frozen, {name: model}, first=2)
    assert (row.scores.table.sensitivity >= least).all()
    if row.scores.band is not None:
        assert abs(row.scores.band.thickness_bias) < 0.25


@pytest.mark.parametrize("name", list(VOLUMES))
def test_volumes_beyond_its_ranges(name: str) -> None:
    made = volumes.sample(0, ["frame.shape=[48, 96, 96]"])
    assert made.image is not None
    found = segment_volume(load_model(name), made.image, made.grid.spacing_um).found
    scores = score(found.nuclei, found.golgi, pairs_of(found.table), truth_of(made))
    measured = (scores.nuclei.dice, scores.golgi.dice, scores.pairing)
    assert all(value >= least for value, least in zip(measured, VOLUMES[name], strict=True))


@pytest.mark.parametrize("name", list(FOREIGN))
def test_cells_of_a_preset_that_it_never_saw(name: str) -> None:
    preset, least = FOREIGN[name]
    model = load_model(name)
    truth = sample(preset, "frame.shape=[384, 384]")
    assert truth.image is not None
    estimated = model.expects is not None and model.expects.size == "estimated"
    found = segment(model, truth.image, diameter_px="auto" if estimated else None)
    assert objects(truth.labels, found.labels, (0.5,))[0].f1 >= least


@pytest.mark.parametrize("name", [name for name in NAMES if name not in VOLUMES])
def test_tiles_leave_no_seams(name: str) -> None:
    model = load_model(name)
    image = sample(model.card["presets"][0], "frame.shape=[320, 300]").image
    assert image is not None
    grey = image.astype(np.float32)
    whole, tiled = predict(model, grey, tile_px=1024), predict(model, grey, tile_px=128)
    assert np.abs(whole - tiled).max() < 1e-3
