"""Images of masks, by what cGAN-Seg trained beside its segmenter: annotated images for nothing.

Masks may be of tissue that was never annotated, denser above all: label images, or cells of a
preset of simcell such as ``colony`` and ``dense``.

Decision: images are written in 8 bits, as the network made them: locally normalised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import simcell
from dermogan.errors import DermoganError
from dermogan.filters import FloatImage, Normaliser
from dermogan.images import image_files, name_of, read_image, read_labels, write_labels, write_tiff
from dermogan.labelled import filled
from dermogan.recipe import CganSeg, Recipe
from dermogan.run import CHECKPOINT
from dermogan.systems.cganseg import CganSegSystem

Labels = NDArray[Any]


@dataclass(frozen=True)
class Maker:
    """A trained maker of images.

    Attributes
    ----------
    system : CganSegSystem
    recipe : Recipe
    """

    system: CganSegSystem
    recipe: Recipe

    @classmethod
    def of(cls, run: Path) -> Maker:
        """Take it from the checkpoint of a run."""
        path = run / CHECKPOINT
        if not path.is_file():
            msg = f"{run}: has no {CHECKPOINT}; give the folder of a run of `dermogan train`"
            raise DermoganError(msg)
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            recipe = Recipe.from_text(state["recipe"], f"{path}: recipe")
        except Exception as error:  # whatever damaged files raise
            why = " ".join(str(error).split())[:100]
            msg = f"{path}: damaged ({why}); train it again"
            raise DermoganError(msg) from None
        if not isinstance(recipe.system, CganSeg):
            msg = f"{run}: is of the system {recipe.system.kind}, which makes no images of masks"
            raise DermoganError(f"{msg}; give a run of cgan-seg")
        system = CganSegSystem(recipe.system.model_copy(update={"perceptual": None}))
        system.load_state_dict(state["system"])
        return cls(system.eval(), recipe)

    def image(self, labels: Labels, seed: int, index: int) -> FloatImage:
        """Make an image (y, x), in -1..1, of label images; its style is drawn by the address."""
        gap = getattr(self.recipe.data.pairs, "gap_px", 1)
        mask = filled(labels, gap).astype(np.float32)
        sides = [-length % self.system.maker.multiple for length in mask.shape]
        padded = np.pad(mask, [(0, side) for side in sides], mode="symmetric")
        rng = simcell.stream(seed, index, "imagine")
        style = rng.standard_normal((1, self.system.spec.maker.style), dtype=np.float32)
        shape = (1, 2 * self.system.spec.maker.depth, *padded.shape)
        noise = rng.standard_normal(shape, dtype=np.float32)
        given = (torch.from_numpy(array) for array in (padded[None, None], style, noise))
        with torch.inference_mode():
            made = self.system.maker(*given)[0, 0].float().numpy()
        return np.clip(made[: mask.shape[0], : mask.shape[1]], -1, 1)

    def normalised(self, files: Sequence[Path]) -> Iterator[FloatImage]:
        """Read images as the networks were trained to see them."""
        for path in files:
            yield Normaliser.of(self.recipe.data)(read_image(path))


def masks_of_folder(folder: Path) -> Iterator[tuple[str, Labels]]:
    """Read the label images of a folder."""
    files = image_files(folder) if folder.is_dir() else []
    if not files:
        msg = f"{folder}: no label images; give a folder of masks"
        raise DermoganError(msg)
    for path in files:
        yield name_of(path), read_labels(path)


def masks_of_preset(
    preset: simcell.Preset, count: int, seed: int
) -> Iterator[tuple[str, NDArray[np.int32]]]:
    """Simulate the cells of a preset, without their images."""
    if len(preset.base.frame.shape) != 2:
        msg = f"preset {preset.name}: makes volumes; choose one of flat images"
        raise DermoganError(msg)
    for index in range(count):
        scene = preset.scene(seed=seed, index=index)
        sample = simcell.simulate(scene, seed=seed, index=index, upto="cells")
        assert sample.labels is not None
        yield f"{preset.name}-{index:04}", sample.labels


def write(out: Path, name: str, image: FloatImage, labels: Labels) -> None:
    """Write an image and its labels, as annotated images lie in a folder."""
    for inner in ("images", "masks"):
        (out / inner).mkdir(parents=True, exist_ok=True)
    grey = np.rint((image + 1) * 127.5).astype(np.uint8)
    write_tiff(out / "images" / f"{name}.tif", grey)
    write_labels(out / "masks" / f"{name}.tif", np.asarray(labels, np.int32))
