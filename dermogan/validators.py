"""What validates a recipe: of flat images, or of volumes."""

from __future__ import annotations

import numpy as np
import torch

from dermogan.data import own_seed
from dermogan.errors import DermoganError
from dermogan.filters import FloatImage
from dermogan.networks import Generator
from dermogan.recipe import Recipe
from dermogan.solids import whole
from dermogan.stacks import simulated, stretched, wanted
from dermogan.validate import SEED, Finding, Validator, check_collapse, dice
from dermogan.volumetric import CLASSES, Volumetric


class SolidValidator:
    """Held-out volumes, prepared once, scored by the Dice of nuclei and Golgi.

    Parameters
    ----------
    recipe : Recipe
    """

    output = "volume"

    def __init__(self, recipe: Recipe) -> None:
        spec, system, stack = recipe.validation, recipe.system, recipe.data.volume
        assert isinstance(system, Volumetric)
        assert stack is not None
        sample, _ = simulated(spec.source, own_seed(SEED, "validation"))
        self._volumes: list[FloatImage] = []
        self._masks: list[FloatImage] = []
        diameters: list[float] = []
        for index in range(spec.count):
            made = sample(index)
            if made.image is None or made.objects is None:
                msg = "validation.source: has no images; choose a preset that images"
                raise DermoganError(msg)
            self._volumes.append(stretched(made.image, stack))
            self._masks.append(wanted(made, system.core))
            volume = made.objects["amodal_volume_um3"][made.objects["type"] == 1]
            diameters += (np.cbrt(6 / np.pi * volume) / made.grid.spacing_um[-1]).tolist()
        self.diameter_px = float(np.median(diameters)) if diameters else None

    def __call__(self, network: Generator, device: torch.device) -> Finding:
        """Score a network; say so if it gives the same for all samples."""
        found = [whole(network, one, network.multiple, device) for one in self._volumes]
        check_collapse(found)
        scores = [
            np.mean(
                [dice(a > 0.5, b > 0.5) for a, b in zip(made, mask, strict=True)][: len(CLASSES)]
            )
            for made, mask in zip(found, self._masks, strict=True)
        ]
        middle = len(self._volumes[0]) // 2
        return Finding(
            float(np.mean(scores)),
            [one[middle] for one in self._volumes],
            [_shown(one[:, middle]) for one in self._masks],
            [_shown(one[:, middle]) for one in found],
        )


def _shown(masks: FloatImage) -> FloatImage:
    """Return masks (channels, y, x) as greys: nuclei dim, Golgi bright."""
    return np.minimum(np.float32(0.4) * masks[0] + masks[1], 1)


def validator(recipe: Recipe) -> Validator | SolidValidator:
    """Return what validates a recipe."""
    return Validator(recipe) if recipe.data.volume is None else SolidValidator(recipe)
