"""Models: round trips, what they expect of images, what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny

from dermogan import load_model
from dermogan.errors import DermoganError
from dermogan.filters import apply, local_normalise
from dermogan.model import probabilities, save_model
from dermogan.networks import Generator, generator

CARD = {"output": "membrane", "diameter_px": 31.5, "score": 0.5}


@pytest.fixture
def network() -> Generator:
    torch.manual_seed(1)
    made = generator(tiny("supervised").system.network)
    with torch.no_grad():
        made(torch.randn(2, 1, 32, 32))
    return made.eval()


@pytest.fixture
def file(tmp_path: Path, network: Generator) -> Path:
    save_model(tmp_path / "model.safetensors", network, tiny("supervised"), CARD)
    return tmp_path / "model.safetensors"


def test_a_model_comes_back(
    file: Path, network: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(file)
    assert model.recipe == tiny("supervised")
    assert (model.output, model.diameter_px, model.channels) == ("membrane", 31.5, 1)
    assert (model.multiple, model.halo_px) == (4, math.ceil(0.75 * network.reach_px))
    assert load_model(file.parent).card == CARD
    file.rename(file.with_name("skin.safetensors"))
    monkeypatch.setenv("DERMOGAN_MODELS", str(file.parent))
    assert load_model("skin").card == CARD

    batch = np.random.default_rng(0).normal(size=(2, 1, 32, 48)).astype(np.float32)
    made = model.predict(batch)
    assert made.shape == batch.shape
    assert made.dtype == np.float32
    assert 0 < made.min() < made.max() < 1
    with torch.no_grad():
        exact = torch.sigmoid(network(torch.from_numpy(batch))).numpy()
    np.testing.assert_allclose(made, exact, atol=5e-3)  # half precision


def test_weights_are_stored_in_half_precision(file: Path, network: Generator) -> None:
    count = sum(value.numel() for value in network.state_dict().values())
    assert 2 * count < file.stat().st_size < 2 * count + 12_000


def test_a_model_knows_how_images_are_prepared(file: Path, tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(100, 9, (64, 64)).astype(np.float32)
    expected = local_normalise(image, 20)
    np.testing.assert_array_equal(load_model(file).normalise(image), expected)
    recipe = tiny("cyclegan-filter")
    save_model(tmp_path / "c.safetensors", generator(recipe.system.network), recipe, CARD)
    assert recipe.data.filter is not None
    filtered = apply(recipe.data.filter, expected)
    np.testing.assert_array_equal(load_model(tmp_path / "c.safetensors").normalise(image), filtered)


def test_images_of_any_size(network: Generator) -> None:
    image = np.random.default_rng(0).normal(size=(37, 50)).astype(np.float32)
    device = torch.device("cpu")
    (made,) = probabilities(network, image, device)
    assert made.shape == (37, 50)
    (whole,) = probabilities(network, image[:36, :48], device)
    reach = network.reach_px
    np.testing.assert_allclose(
        made[: 36 - reach, : 48 - reach], whole[: 36 - reach, : 48 - reach], atol=1e-5
    )


def test_what_is_no_model(tmp_path: Path, file: Path) -> None:
    with pytest.raises(DermoganError, match="no such file"):
        load_model(tmp_path / "no.safetensors")
    with pytest.raises(DermoganError, match="no such model; use one of confluent"):
        load_model("nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DermoganError, match="no model in it yet"):
        load_model(tmp_path / "empty")
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DermoganError, match="not a model"):
        load_model(file)


def test_weights_of_another_network(tmp_path: Path, network: Generator) -> None:
    save_model(tmp_path / "x.safetensors", network, tiny("cyclegan-image"), CARD)
    with pytest.raises(DermoganError, match="do not fit the recipe"):
        load_model(tmp_path / "x.safetensors")
