"""Checkpoints: everything that a run needs to go on as if nothing had happened."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import torch

import simcell
from dermogan.errors import DermoganError
from dermogan.files import write_whole
from dermogan.recipe import Recipe

State = dict[str, Any]
_FORMAT = 1


def versions() -> dict[str, str]:
    """Return the versions on which the bits of a run depend."""
    import numpy as np

    return {
        "simcell": simcell.__version__,
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }


def save_checkpoint(path: Path, state: State) -> None:
    """Write a checkpoint; the file is wholly there, or as it was before."""
    content = BytesIO()
    torch.save({"format": _FORMAT, "versions": versions(), **state}, content)
    write_whole(path, content.getvalue())


def load_checkpoint(path: Path, recipe: Recipe, seed: int) -> State:
    """Read a checkpoint of this recipe and seed.

    Raises
    ------
    DermoganError
        Where it cannot be read, or is of another recipe or seed.
    """
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
        found = state["format"]
    except Exception as error:  # whatever damaged files raise
        why = " ".join(str(error).split())[:100]
        msg = f"{path}: damaged ({why}); start again with --overwrite"
        raise DermoganError(msg) from None
    if found != _FORMAT:
        msg = f"{path}: format {found}, {_FORMAT} expected; start again with --overwrite"
        raise DermoganError(msg)
    if state["seed"] != seed:
        msg = f"{path}: was trained with --seed {state['seed']}, not {seed}; use that one"
        raise DermoganError(msg)
    where = _difference(Recipe.from_text(state["recipe"]), recipe)
    if where:
        msg = f"{path}: is of another recipe, {where} differs; use the one in recipe.yaml beside it"
        raise DermoganError(msg)
    return state


_FREE = {"budget", "data.workers"}
"""What may change when a run goes on: how long, how often, and who makes the batches."""


def _difference(one: Recipe, other: Recipe) -> str:
    """Return the first dotted path at which two recipes differ, of those that matter."""
    return _differs(one.model_dump(mode="json"), other.model_dump(mode="json"), "")


def _differs(one: Any, other: Any, path: str) -> str:  # noqa: ANN401 - any node
    if one == other or path in _FREE:
        return ""
    if not (isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys()):
        return path
    below = (_differs(one[key], other[key], f"{path}.{key}".lstrip(".")) for key in one)
    return next((found for found in below if found), "")
