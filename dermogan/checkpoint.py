"""Checkpoints: everything that a run needs to go on as if nothing had happened."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
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
    import cv2
    import numpy as np

    return {
        "simcell": simcell.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": version("numba"),
        "scipy": version("scipy"),
        "opencv": cv2.__version__,
        "torch": str(torch.__version__),
    }


def machine(device: torch.device, devices: int, precision: str) -> dict[str, str]:
    """Return what else they depend on: what computes, and how."""
    names = [torch.cuda.get_device_name(device)] if device.type == "cuda" else []
    return {
        "processor": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": " ".join([device.type, *names]),
        "devices": str(devices),
        "threads": str(torch.get_num_threads()),
        "precision": precision,
    }


def changes(state: State, here: dict[str, str]) -> str:
    """Say in one line what is not as it was when a checkpoint was written; "" = nothing.

    Parameters
    ----------
    state : dict
        The checkpoint.
    here : dict of str
        What `machine` says now.
    """
    before = {**state["versions"], **state.get("machine", {})}
    now = {**versions(), **here}
    changed = [
        f"{name} was {before[name]}, is {now[name]}"
        for name in now
        if name in before and before[name] != now[name]
    ]
    if not changed:
        return ""
    return f"the run goes on, but not bit for bit as it would have: {'; '.join(changed)}"


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
    difference = _difference(Recipe.from_text(state["recipe"], f"{path}: recipe"), recipe)
    if difference:
        msg = f"{path}: is of another recipe, {difference}; use the one in recipe.yaml beside it"
        raise DermoganError(msg)
    return state


_FREE = {"name", "about", "sources", "budget", "data.workers"}
"""What may change when a run goes on: words, how long, how often, and who makes the batches."""


def _difference(one: Recipe, other: Recipe) -> str:
    """Say what differs first between a checkpoint's recipe and another, of what matters."""
    return _differs(one.model_dump(mode="json"), other.model_dump(mode="json"), "")


def _differs(one: Any, other: Any, path: str) -> str:  # noqa: ANN401 - any node
    if one == other or path in _FREE:
        return ""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return f"{path} is {_short(one)} in it, not {_short(other)}"
    keys = [*one, *(key for key in other if key not in one)]
    below = (_differs(one.get(key), other.get(key), f"{path}.{key}".lstrip(".")) for key in keys)
    return next((found for found in below if found), "")


def _short(value: Any) -> str:  # noqa: ANN401 - any node
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
