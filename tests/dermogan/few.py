"""A few annotated images, and small recipes that learn from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from dermogan.recipe import Recipe, load_recipe


def annotated(folder: Path, count: int = 4, sides: tuple[int, ...] = (48,)) -> Path:
    """Write images of bright discs on noise, of these sides in turn, and their labels."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for number in range(count):
        side = sides[number % len(sides)]
        y, x = np.mgrid[:side, :side]
        labels = np.zeros((side, side), np.uint16)
        for label, (cy, cx) in enumerate(rng.uniform(6, side - 6, (6, 2)), 1):
            labels[(y - cy) ** 2 + (x - cx) ** 2 < 36] = label
        image = 60 * (labels > 0) + rng.normal(40, 8, labels.shape)
        tifffile.imwrite(folder / "images" / f"{number}.tif", image.clip(0, 255).astype(np.uint8))
        tifffile.imwrite(folder / "masks" / f"{number}.tif", labels)
    return folder


def small(folder: Path, *more: str) -> Recipe:
    """Return the shipped recipe with small networks and patches, on a folder of images."""
    source = f"{{kind: labelled, path: '{folder}'}}"
    sets = ["data.patch_px=32", "data.workers=0", f"data.pairs={source}"]
    sets += [f"validation.source={source}", "validation.count=2", "budget.steps=4"]
    sets += ["budget.validate_every=4", "budget.checkpoint_every=2", "budget.picture_every=3"]
    sets += ["system.network={kind: unet, base: 2, depth: 2, norm: batch}", "system.heads=2"]
    sets += ["system.maker={base: 2, depth: 2}", "system.head_width=2"]
    sets += ["system.discriminator={base: 2, layers: 1}"]
    return load_recipe("cgan-seg").with_set([*sets, *more])
