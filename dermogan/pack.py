"""Make a model that can be handed on out of a training run, or add to the card of one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

import simcell
from dermogan.cards import SUFFIX, Expects, Polarity, find_model
from dermogan.domains import Paired, PresetSource, Source
from dermogan.errors import DermoganError
from dermogan.files import write_whole
from dermogan.model import Model, load_model, model_bytes, read_model
from dermogan.recipe import Recipe

LARGEST = 4_000_000
"""Bytes of a packed model."""


@dataclass(frozen=True)
class Facts:
    """What is said of a model by who packs it; None keeps what its card says.

    Attributes
    ----------
    about : str, optional
        One sentence: what it is for.
    polarity : {"bright", "dark", "either"}, optional
        Of membranes, or of cells where it shows these. A new card says either.
    spacing_um : float or "any", optional
        Size of a pixel. A new card says that of the recipe's preset, if it has but one.
    scores : dict
        Numbers by name, by benchmark; they are added to those in the card.
    estimate : bool, optional
        Whether the size of cells is estimated for every image. A new card says no.
    """

    about: str | None = None
    polarity: Polarity | None = None
    spacing_um: float | Literal["any"] | None = None
    scores: dict[str, dict[str, float]] | None = None
    estimate: bool | None = None


def pack(run: str | os.PathLike[str], out: Path, facts: Facts, *, overwrite: bool = False) -> Path:
    """Write a model with its whole card.

    Parameters
    ----------
    run : str or path
        Folder of a training run, model file, or name of a model.
    out : Path
        File to write; its name without the ending is the model's.
    facts : Facts
    overwrite : bool
        Replace the file if it exists.
    """
    if out.suffix != SUFFIX:
        msg = f"{out}: models end in {SUFFIX}; try {out.with_suffix(SUFFIX)}"
        raise DermoganError(msg)
    if out.exists() and not overwrite:
        msg = f"{out}: exists already; choose another --out or add --overwrite"
        raise DermoganError(msg)
    source = find_model(run)
    model = load_model(source)
    card = _card(model, source, out.stem, facts)
    network, recipe, _ = read_model(source)  # as it was trained, not as it is used
    content = model_bytes(network, recipe, card)
    if len(content) > LARGEST:
        msg = f"{source}: {len(content) / 1e6:.1f} MB, {LARGEST / 1e6:g} MB is the most"
        raise DermoganError(f"{msg}; train a smaller network (system.network.base, .depth)")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, content)
    return out


def _card(model: Model, source: Path, name: str, facts: Facts) -> dict[str, Any]:
    about = facts.about or model.card.get("about")
    if not about:
        msg = "--about: missing; say in one sentence what the model is for"
        raise DermoganError(msg)
    card = model.card | {"name": name, "about": about}
    card.setdefault("presets", sorted(_presets(model.recipe)))
    card.setdefault("steps", model.recipe.budget.steps)
    card.setdefault("cpu_hours", round(_cpu_s(model, source) / 3600, 3))
    expects = model.expects or Expects(
        diameter_px=model.diameter_px,
        spacing_um=_spacing_um(model.recipe),
        normalise_px=model.recipe.data.normalise_px,
    )
    told: dict[str, Any] = {}
    if facts.polarity is not None:
        told["polarity"] = facts.polarity
    if facts.spacing_um is not None:
        told["spacing_um"] = None if facts.spacing_um == "any" else facts.spacing_um
    if facts.estimate is not None:
        told["size"] = "estimated" if facts.estimate else "given"
    card["expects"] = expects.model_copy(update=told).model_dump()
    card["scores"] = model.card.get("scores", {}) | (facts.scores or {})
    return card


def _sources(recipe: Recipe) -> list[Source | Paired]:
    data = recipe.data
    found = [data.images, data.priors, data.pairs, recipe.validation.source]
    return [source for source in found if source is not None]


def _presets(recipe: Recipe) -> set[str]:
    return {source.preset for source in _sources(recipe) if isinstance(source, PresetSource)}


def _spacing_um(recipe: Recipe) -> float | None:
    """Return the size of a pixel if all of the training's presets have one and the same."""
    sizes: set[float | None] = set()
    for source in _sources(recipe):
        if isinstance(source, PresetSource):
            preset = simcell.load_preset(source.preset).with_set(source.set)
            varies = "frame.spacing_um" in preset.vary
            sizes.add(None if varies else preset.base.frame.spacing_um)
    return sizes.pop() if len(sizes) == 1 else None


def _cpu_s(model: Model, source: Path) -> float:
    """Return the trainer's CPU time: of the whole run if it is there, else up to its best."""
    to_best = float(model.card.get("trainer_cpu_s", 0.0))
    checkpoint = source.with_name("checkpoint.pt")
    if source.name != f"model{SUFFIX}" or not checkpoint.is_file():
        return to_best
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        return max(to_best, float(state["cpu_s"]))
    except Exception:  # a damaged checkpoint spoils no model
        return to_best


def read_scores(path: Path) -> dict[str, dict[str, float]]:
    """Read scores: a JSON object of numbers by name, by benchmark.

    Examples
    --------
    ``{"rcm-benchmark": {"f1_50": 0.9, "f1_70": 0.85}}``
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        msg = f"--scores {path}: cannot be read as JSON ({' '.join(str(error).split())[:80]})"
        raise DermoganError(msg) from None
    good = isinstance(found, dict) and all(
        isinstance(numbers, dict) and all(type(value) in (int, float) for value in numbers.values())
        for numbers in found.values()
    )
    if not good:
        msg = f'--scores {path}: needs {{"benchmark": {{"f1_50": 0.9, ...}}, ...}}'
        raise DermoganError(msg)
    return {str(name): dict(numbers) for name, numbers in found.items()}
