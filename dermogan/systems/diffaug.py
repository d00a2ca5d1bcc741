"""Differentiable augmentation of what a discriminator sees (Zhao et al., NeurIPS 2020).

Every image gets a random subset of changes in random order, as in Zargari et al., iScience 27,
109740 (2024): brightness, contrast, translation, cutout. Their fifth, saturation, mixes a pixel
with the mean of its colours and leaves grey images as they are. Real and made images of one
place are changed alike.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional

import simcell
from dermogan.systems.base import Patches

_Change = Callable[[Tensor, Generator], Tensor]


def differentiable(images: Tensor, patches: Patches, share: float, name: str) -> Tensor:
    """Change a share of images (n, 1, y, x), each in its own way.

    Parameters
    ----------
    images : Tensor
    patches : Patches
        Whose address says how they are changed.
    share : float
        Of the images that are changed at all.
    name : str
        Of the random stream.
    """
    made = []
    for place, image in enumerate(images):
        rng = simcell.stream(patches.seed, patches.first + place, f"diffaug.{name}")
        if rng.random() < share:
            for change in rng.permutation(sorted(n for n in CHANGES if rng.random() < 0.5)):
                image = CHANGES[change](image, rng)
        made.append(image)
    return torch.stack(made)


def _brightness(image: Tensor, rng: Generator) -> Tensor:
    return image + float(rng.uniform(-0.5, 0.5))


def _contrast(image: Tensor, rng: Generator) -> Tensor:
    mean = image.mean()
    return mean + float(rng.uniform(0.5, 1.5)) * (image - mean)


def _translation(image: Tensor, rng: Generator) -> Tensor:
    """Shift by up to an eighth of the sides; what comes in is 0."""
    height, wide = image.shape[-2:]
    y, x = (int(rng.integers(-(side // 8), side // 8 + 1)) for side in (height, wide))
    padded = functional.pad(image, (wide // 8,) * 2 + (height // 8,) * 2)
    top, left = height // 8 + y, wide // 8 + x
    return padded[..., top : top + height, left : left + wide]


def _cutout(image: Tensor, rng: Generator) -> Tensor:
    """Set a rectangle of half the sides to 0; it may reach beyond the image."""
    kept = torch.ones_like(image)
    height, wide = image.shape[-2:]
    y, x = int(rng.integers(height + 1)), int(rng.integers(wide + 1))
    at = [slice(max(c - s // 4, 0), c + (s + 3) // 4) for c, s in ((y, height), (x, wide))]
    kept[:, at[0], at[1]] = 0
    return image * kept


CHANGES: dict[str, _Change] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "cutout": _cutout,
    "translation": _translation,
}
