"""Tiny recipes that train in seconds, and what their runs leave."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch

from dermogan.encoder import EfficientNet
from dermogan.recipe import CycleGan, Recipe, UNet, load_recipe
from dermogan.semantic import Pyramid
from dermogan.volumetric import UNet3d

_SHAPE = "frame.shape=[48, 48]"
_UNET = "system.network={kind: unet, base: 2, depth: 2}"
_RESNET = "system.network={kind: resnet, base: 2, blocks: 1}"
_JUDGE = "system.discriminator={base: 2, layers: 1}"


def _source(source: Any) -> str:
    sets = [f"'{_SHAPE}'"]
    if source.preset == "rcm-mosaic":  # else a single region is all there is
        sets += ["'frame.spacing_um=8.0'", *(f"'{s}'" for s in source.set if "annot" in s)]
    if source.preset == "nucleus-golgi":  # a few voxels with a little room around them
        sets = ["'frame.shape=[16, 32, 32]'", "'frame.margin_um=4'"]
        sets += [f"'{s}'" for s in source.set if "kind" in s]
    more = f"windows: {source.windows}, set: [{', '.join(sets)}]"
    return f"{{kind: preset, preset: {source.preset}, {more}}}"


def _small(recipe: Recipe) -> list[str]:
    """Return what makes a recipe's network small."""
    network = recipe.system.network
    if isinstance(network, UNet3d):
        small = f"system.network={{base: 2, depth: 1, shrink: 2, norm: {network.norm}, "
        return [f"{small}dropout: {network.dropout}}}", "data.volume.patch=[8, 16, 16]"]
    if isinstance(network, UNet):
        return [_UNET.replace("}", f", norm: {network.norm}}}")]
    if isinstance(network, EfficientNet):
        small = "system.network={kind: efficientnet, width: 0.25, depth: 0.3, decoder: 16}"
        return [small]
    if isinstance(network, Pyramid):
        scales = [
            min(scale, 2 ** (len(network.scales) - i)) for i, scale in enumerate(network.scales)
        ]
        texture = min(network.texture, 2)
        return [f"system.network={{base: 2, depth: 1, scales: {scales}, texture: {texture}}}"]
    return [_RESNET]


def tiny(name: str, *more: str) -> Recipe:
    """Return a shipped recipe with small networks, patches and validation."""
    recipe = load_recipe(name)
    sets = ["data.patch_px=32", "data.workers=0", "data.batch=2"]
    sets += ["validation.count=2", "budget.validate_every=4", "budget.checkpoint_every=2"]
    sets += ["budget.steps=4", "budget.picture_every=3"]
    for domain in ("images", "priors", "pairs"):
        source = getattr(recipe.data, domain)
        if source is not None:
            sets.append(f"data.{domain}={_source(source)}")
    sets.append(f"validation.source={_source(recipe.validation.source)}")
    sets += _small(recipe)
    if recipe.system.kind == "vox2vox":
        sets.append(_JUDGE)
    if isinstance(recipe.system, CycleGan):
        sets += [_JUDGE, "system.pool=3"]
        if recipe.warm_steps:
            sets.append("system.warm_steps=1")
    if recipe.data.pairs_batch:
        sets.append("data.pairs_batch=2")
    return recipe.with_set([*sets, *more])


NAMES = (
    "supervised",
    "unet-efficientnet",
    "cyclegan-image",
    "cyclegan-filter",
    "dermogan-paper",
    "dermogan",
    "dermogan2",
)

MAPS = ("oct-unet", "mosaic-cascade")
"""Recipes of systems that name classes."""

SOLIDS = ("unet-3d", "vox2vox", "cyclegan-3d")
"""Recipes of systems of volumes."""


def state(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def alike(one: Any, other: Any, at: str = "") -> None:
    """Compare two trees bit for bit; the time spent may differ."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), at
        for key in one:
            if key not in ("cpu_s", "recipe"):
                alike(one[key], other[key], f"{at}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), at
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            alike(a, b, f"{at}.{number}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), at
    else:
        assert one == other, at


def rows(folder: Path) -> list[list[str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.reader(file))
