"""Layers in order: against every way to set borders, and what they do to a band's thickness."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
import torch
from tiny import tiny

from dermogan import columns
from dermogan.classmaps import class_map
from dermogan.columns import classes_of, layers_of
from dermogan.model import Model, load_model, save_model
from dermogan.networks import product


def by_trying(probability: np.ndarray) -> np.ndarray:
    """Set the borders of one column (classes, y) in every way that keeps their order."""
    count, height = probability.shape
    above = np.cumsum(probability, axis=0)
    best, found = -np.inf, np.empty(0)
    for borders in combinations_with_replacement(range(height + 1), count - 1):
        score = sum(
            above[k, :at].sum() + (above[-1, at:] - above[k, at:]).sum()
            for k, at in enumerate(borders)
        )
        if score > best + 1e-9:
            best = score
            found = 1 + (np.arange(height)[:, None] >= np.array(borders)).sum(axis=1)
    return found


def test_borders_are_the_best_of_all() -> None:
    probability = np.random.default_rng(1).dirichlet(np.ones(4), (9, 12)).transpose(2, 0, 1)
    found = layers_of(probability)
    assert (np.diff(found.astype(int), axis=0) >= 0).all()
    wanted = np.stack([by_trying(probability[..., x]) for x in range(12)], axis=1)
    assert np.array_equal(found, wanted)
    assert not np.array_equal(found, probability.argmax(axis=0) + 1)


@pytest.mark.parametrize("spread_px", [0.0, 3.0, 12.0])
def test_a_band_of_uncertain_place_keeps_its_thickness(spread_px: float) -> None:
    rows = np.arange(100)
    places = np.arange(-30, 31)
    chance = np.exp(-0.5 * (places / max(spread_px, 0.01)) ** 2)
    top = ((rows[:, None] < 50 + places) * chance / chance.sum()).sum(axis=1)
    bottom = ((rows[:, None] >= 56 + places) * chance / chance.sum()).sum(axis=1)
    probability = np.stack([top, 1 - top - bottom, bottom])[..., None]
    assert abs((layers_of(probability) == 2).sum() - 6) <= 1
    if spread_px == 12:  # nowhere likelier than what lies around it
        assert (probability.argmax(axis=0) != 1).all()


def test_weights_of_training_are_taken_back() -> None:
    system = tiny("oct-unet").system
    wide = np.full((5, 9, 1), 0.01, np.float32)
    wide[2, :4], wide[4, 5:] = 1, 1
    wide[3, 2:6] = 1.5
    wide[3, 4] = 9
    assert (classes_of(system, wide) == 4).sum() == 1  # type: ignore[arg-type]
    paper = tiny("oct-unet-paper").system
    assert (classes_of(paper, wide) == 4).sum() == 4  # type: ignore[arg-type]


def test_large_maps_are_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    probability = np.random.default_rng(2).integers(0, 255, (3, 20, 31)).astype(np.uint8)
    whole = layers_of(probability)
    monkeypatch.setattr(columns, "_AT_ONCE", 3 * 20 * 7)
    assert np.array_equal(layers_of(probability), whole)


def test_a_model_finds_layers_in_order(tmp_path: object) -> None:
    torch.manual_seed(3)
    recipe = tiny("oct-unet")
    path = tmp_path / "model.safetensors"  # type: ignore[operator]
    plain = product(recipe.system).eval()
    save_model(path, plain, recipe, {"output": "classes", "diameter_px": None})
    model = load_model(path)
    image = np.random.default_rng(4).random((40, 50)).astype(np.float32)
    made = class_map(model, model.classes, image, tile_px=16)
    assert (np.diff(made.classes.astype(int), axis=0) >= 0).all()
    # The same probabilities as those of the network, each class counting as it is said.
    raw = class_map(Model(plain, tiny("oct-unet-paper"), model.card), model.classes, image)
    wanted = raw.probability * np.float64([2, 1, 1, 0.5, 1])[:, None, None]
    assert np.abs(made.probability - 255 * wanted / wanted.sum(axis=0)).max() < 2


def test_classes_of_a_cascade_count_as_its_recipe_says(tmp_path: object) -> None:
    torch.manual_seed(5)
    recipe = tiny("mosaic-cascade")
    weights = np.float64(recipe.system.found_weights)  # type: ignore[union-attr]
    assert np.ptp(weights) > 1
    path = tmp_path / "model.safetensors"  # type: ignore[operator]
    plain = product(recipe.system).eval()
    save_model(path, plain, recipe, {"output": "classes", "diameter_px": None})
    model = load_model(path)
    image = np.random.default_rng(4).random((64, 64)).astype(np.float32)
    made = class_map(model, model.classes, image)
    raw = class_map(Model(plain, recipe, model.card), model.classes, image)
    wanted = raw.probability * weights[:, None, None]
    assert np.abs(made.probability - 255 * wanted / wanted.sum(axis=0)).max() < 3
