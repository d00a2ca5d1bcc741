"""Trained models: one file with weights in half precision, the recipe, and a card.

The file is a safetensors file; recipe and card are texts in its header.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from dermogan.cards import FORMAT, SUFFIX, Expects, checked, expects_of, find_model
from dermogan.errors import DermoganError, need
from dermogan.files import write_whole
from dermogan.filters import FloatImage, Normaliser, apply
from dermogan.networks import Generator, PyramidNet, folded, product
from dermogan.recipe import Recipe, SystemSpec
from dermogan.semantic import ClassMaps, Layers
from dermogan.volumetric import Volumetric

__all__ = [
    "SUFFIX",
    "Model",
    "load_model",
    "model_bytes",
    "prepared",
    "probabilities",
    "read_model",
    "save_model",
]

_FELT = 0.75


@dataclass(frozen=True)
class Model:
    """A trained network, and what it was trained with.

    Attributes
    ----------
    network : Generator
        With its average statistics folded into its convolutions.
    recipe : Recipe
    card : dict
        Facts; see `dermogan.cards.Header`.
    """

    network: Generator
    recipe: Recipe
    card: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes 1, 2, ... that it shows; none where it shows something else."""
        system = self.recipe.system
        return system.classes if isinstance(system, ClassMaps) else ()

    @property
    def channels(self) -> int:
        """Channels of what `predict` returns: one, or one for every class."""
        system = self.recipe.system
        return system.channels if isinstance(system, Volumetric) else len(self.classes) or 1

    @property
    def halo_px(self) -> int:
        """How wide a tile's border is whose output depends on what lies outside.

        Three quarters of what the network can see: what lies farther off changes trained
        networks' probabilities by less than one part in 10,000.
        """
        return math.ceil(_FELT * self.network.reach_px)

    @property
    def multiple(self) -> int:
        """Sides of tiles are multiples of this."""
        return self.network.multiple

    @property
    def diameter_px(self) -> float | None:
        """Typical diameter of the cells that it was validated on."""
        found: float | None = self.card["diameter_px"]
        return found

    @property
    def output(self) -> Literal["membrane", "filled", "classes", "volume"]:
        """What is bright in the output: membranes, whole cells, or each class in its channel.

        Of a volume, each class in its channel; see `dermogan.solids`.
        """
        return cast(Literal["membrane", "filled", "classes", "volume"], self.card["output"])

    @property
    def expects(self) -> Expects | None:
        """What it expects of images; None where nobody said."""
        return expects_of(self.card, "model")

    @property
    def ordered(self) -> bool:
        """Whether its classes are layers that follow each other down every column."""
        system = self.recipe.system
        return isinstance(system, Layers) and system.found_by == "column"

    def normalise(self, image: FloatImage) -> FloatImage:
        """Prepare a whole image (y, x) as in training: local normalisation, and the filter."""
        return prepared(self.recipe, image)

    def predict(self, batch: FloatImage) -> FloatImage:
        """Return probabilities (n, channels, y, x) in 0..1 of normalised images (n, 1, y, x)."""
        with torch.inference_mode():
            given = torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)
            return _probability(self.network, given).contiguous().numpy()


def prepared(recipe: Recipe, image: FloatImage) -> FloatImage:
    """Prepare a whole image (y, x) for the network that a recipe trains."""
    normalised = Normaliser.of(recipe.data)(image)
    if getattr(recipe.system, "task", "image") == "filter" and recipe.data.filter is not None:
        return apply(recipe.data.filter, normalised)
    return normalised


def _probability(network: nn.Module, batch: Tensor) -> Tensor:
    """Return probabilities; those of classes, which exclude each other, add up to 1."""
    logits: Tensor = network(batch).float()
    return torch.softmax(logits, dim=1) if logits.shape[1] > 1 else torch.sigmoid(logits)


def probabilities(network: Generator, image: FloatImage, device: torch.device) -> FloatImage:
    """Return the probabilities (channels, y, x) of one prepared image (y, x) of any size."""
    sides = [-length % network.multiple for length in image.shape]
    padded = np.pad(image, [(0, side) for side in sides], mode="symmetric")
    with torch.inference_mode():
        found = _probability(network, torch.from_numpy(padded)[None, None].to(device))
    return found[0, :, : image.shape[0], : image.shape[1]].cpu().numpy()


def save_model(path: Path, network: nn.Module, recipe: Recipe, card: dict[str, Any]) -> None:
    """Write a model; the file is wholly there, or as it was before."""
    write_whole(path, model_bytes(network, recipe, card))


def model_bytes(network: nn.Module, recipe: Recipe, card: dict[str, Any]) -> bytes:
    """Return the contents of a model file; weights in half precision."""
    save = need("safetensors.torch").save
    weights = {
        name: value.detach().cpu().half().contiguous()
        for name, value in network.state_dict().items()
    }
    texts = {"format": FORMAT, "recipe": recipe.text, "card": json.dumps(card, sort_keys=True)}
    content: bytes = save(weights, texts)
    return content


def load_model(name: str | os.PathLike[str]) -> Model:
    """Load a model.

    Parameters
    ----------
    name : str or path
        A model file, the folder of a training run, or the name of a model in a folder of
        ``$DERMOGAN_MODELS`` or shipped with dermogan.
    """
    network, recipe, card = read_model(find_model(name))
    fast = folded(network)
    if recipe.data.volume is None:
        fast = fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    _weigh(fast, recipe.system)
    return Model(cast(Generator, fast), recipe, card)


def _weigh(network: nn.Module, system: SystemSpec) -> None:
    """Let the probability of every class count as the recipe of a system of classes says."""
    if isinstance(system, ClassMaps) and system.found_weights and isinstance(network, PyramidNet):
        bias = network.last.bias
        assert bias is not None
        bias += torch.tensor(system.found_weights).log()


def read_model(path: Path) -> tuple[Generator, Recipe, dict[str, Any]]:
    """Read a model file: the network as it was trained, its recipe, and its card."""
    safe_open = need("safetensors").safe_open
    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
            weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors has exceptions of its own
        msg = f"{path}: not a model ({' '.join(str(error).split())}); train it again"
        raise DermoganError(msg) from None
    header = checked(metadata, path)
    recipe = Recipe.from_text(header.recipe, f"{path}: recipe")
    network = product(recipe.system)
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        msg = f"{path}: the weights do not fit the recipe in it; train it again"
        raise DermoganError(msg) from None
    return network.eval(), recipe, header.card
