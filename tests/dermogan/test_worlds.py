"""Frozen sets of class maps: beyond all ranges, scored and told; what filters look for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from tiny import tiny

import simcell
from dermogan import cards
from dermogan.activation import maximised
from dermogan.benchmark import worlds
from dermogan.benchmark.maps import chosen, measure_maps
from dermogan.benchmark.worlds import WORLDS
from dermogan.cli import main
from dermogan.model import load_model, save_model
from dermogan.networks import product
from dermogan.recipe import load_recipe

RECIPES = {"oct": "oct-unet", "mosaic": "mosaic-cascade"}


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    torch.set_num_threads(1)
    monkeypatch.setattr(cards, "SHIPPED", tmp_path / "shipped")
    monkeypatch.delenv("DERMOGAN_MODELS", raising=False)
    small = replace(WORLDS["oct"], sets=("frame.shape=[64, 64]",), count=2)
    monkeypatch.setitem(worlds.WORLDS, "oct", small)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    recipe = tiny("oct-unet")
    card = {"output": "classes", "diameter_px": None, "trainer_cpu_s": 12.3}
    path = tmp_path / "layers.safetensors"
    save_model(path, product(recipe.system), recipe, card)
    return path


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_look_lies_beyond_its_range(name: str) -> None:
    world = WORLDS[name]
    preset = simcell.load_preset(world.preset)
    ranges = {
        path.removeprefix("imaging."): span
        for path, span in preset.vary.items()
        if path.startswith("imaging.")
    }
    for look in world.looks:
        assert look.keys() == ranges.keys()
        for field, value in look.items():
            span: Any = ranges[field]
            assert value < span.low or value > span.high, field
    assert load_recipe(RECIPES[name]).system.classes == world.classes  # type: ignore[union-attr]
    trained = load_recipe(RECIPES[name]).data.pairs
    assert trained is not None
    assert trained.kind == "preset"
    assert not any(text.startswith(("imaging", "vary")) for text in trained.set)


def test_scores_are_those_of_the_maps(model: Path) -> None:
    world = worlds.WORLDS["oct"]
    loaded = chosen(world, [f"ours={model}"])
    (row,) = measure_maps(world, loaded)
    assert row.scores.table.counts.sum() == 2 * 64 * 64
    assert row.scores.images == 2
    assert row.scores.band is not None
    assert row.train_cpu_s == 12.3
    (again,) = measure_maps(world, loaded, first=1)
    assert again.scores.table.counts.sum() == 64 * 64
    assert again.fingerprint != row.fingerprint
    one, other = (world.pair(index)[0] for index in (0, 1))
    assert not np.array_equal(one, other)


def run(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(arg) for arg in args], prog_name="dermogan")
    return result.exit_code, result.output + (str(result.exception) if result.exception else "")


def test_the_command_tells_of_a_world(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said = run("benchmark", "--world", "oct", "--model", f"ours={model}", "-o", out)
    assert code == 0, said
    assert "| published (Calderon-Delgado" in said
    assert "| ours |" in said
    assert "| 12 |" in said
    tree = json.loads((out / "benchmark.json").read_text())
    assert tree["models"][0]["model"] == "ours"
    assert set(tree["models"][0]["band"]) == {"found", "thickness_bias", "bias_um", "error_um"}
    assert (out / "benchmark.csv").read_text().count("\n") == 6
    for args, needle in (
        (["--world", "oct"], "no model with a name fits it"),
        (["--world", "mosaic", "--model", model], "names glass, glycerol"),
        (["--world", "oct", "--model", model, "--data", "x"], "--data: goes with --world cells"),
    ):
        code, said = run("benchmark", *args, "-o", tmp_path / "other")
        assert code != 0
        assert needle in said


def test_named_models_are_measured_unasked(model: Path) -> None:
    loaded = load_model(model)
    cards.SHIPPED.mkdir()
    card = loaded.card | {"presets": ["skin-oct"]}
    torch.manual_seed(5)
    recipe = tiny("oct-unet")
    save_model(cards.SHIPPED / "layers.safetensors", product(recipe.system), recipe, card)
    assert list(chosen(worlds.WORLDS["oct"], [])) == ["layers"]


def test_inputs_that_filters_answer_to(model: Path) -> None:
    loaded = load_model(model)
    shares: list[float] = []
    images = maximised(loaded, (30, 40), steps=6, report=shares.append)
    assert images.shape == (5, 32, 40)
    assert np.abs(images).max() <= 1
    assert (shares[-1], len(shares)) == (1.0, 30)
    faint = maximised(loaded, (30, 40), steps=1, rate=1e-6)
    for channel in range(5):
        before, after = (
            loaded.network(torch.from_numpy(one[channel])[None, None])[0, channel].mean().item()
            for one in (faint, images)
        )
        assert after > before
    assert np.array_equal(maximised(loaded, (30, 40), steps=6), images)


def test_the_command_draws_activations(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    code, said = run("activations", model, "-o", out, "--steps", 2, "--size", "32x48")
    assert code == 0, said
    drawn = np.asarray(Image.open(out))
    assert drawn.shape == (22 + 32 + 4 + 32, 5 * 48 + 4 * 4, 3)
    code, said = run("activations", model, "-o", out)
    assert "exists already" in said
    code, said = run("activations", model, "-o", tmp_path / "b.png", "--size", "9")
    assert "give ROWSxCOLUMNS" in said
