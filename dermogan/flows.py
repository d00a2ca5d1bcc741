"""Cells by a Cellpose model: the real library, its weights, its own way from flows to masks.

Decision: Cellpose is no dependency. It is imported here alone, when asked for, and what to
install is said where it is missing. Its masks come from flows that its own network predicts, so
that it is a method of its own (``-m cellpose``), and no way to part the cells of other networks.

Decision: weights that are missing are refused here. The library would take, and download, its
default model instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dermogan.tiles import Map
from simcell import SimcellError

NAME = "cellpose"


class Flows(BaseModel):
    """How the library turns flows into masks."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    flow_threshold: float = Field(
        0.4, ge=0, le=10, description="Largest error of a mask's own flows; 0: all are kept."
    )
    min_size: int = Field(15, ge=0, description="Fewest pixels of a mask.")


class Cellpose:
    """A Cellpose model as a `dermogan.tiles.Whole`.

    Parameters
    ----------
    network : CellposeModel
        Of the library.
    flows : Flows
    """

    def __init__(self, network: Any, flows: Flows) -> None:  # noqa: ANN401 - of an optional library
        self._network, self._flows = network, flows

    def cells(
        self, image: Map, diameter_px: float | None, threshold: float
    ) -> tuple[NDArray[np.int32], Map]:
        """Return labels (y, x), and the probability of cells (1, y, x)."""
        masks, flows, _ = self._network.eval(
            image,
            diameter=diameter_px,
            cellprob_threshold=float(np.log(threshold / (1 - threshold))),
            flow_threshold=self._flows.flow_threshold,
            min_size=self._flows.min_size,
        )
        logits = np.asarray(flows[2], np.float32).reshape(image.shape)
        # A sigmoid that never overflows.
        probability = np.asarray(0.5 + 0.5 * np.tanh(logits / 2), np.float32)
        labels: NDArray[np.int32] = np.asarray(masks).astype(np.int32)
        return labels.reshape(image.shape), probability[None]


def load_cellpose(weights: str | None, settings: Iterable[str] = ()) -> Cellpose:
    """Load a Cellpose model.

    Parameters
    ----------
    weights : str
        A model file, or a name that the library knows, whose weights it downloads.
    settings : iterable of str
        ``FIELD=VALUE`` of `Flows`.
    """
    flows = _flows(settings)
    if weights is None:
        msg = "-m cellpose: --weights is missing; give a Cellpose model file, or a name it knows"
        raise SimcellError(msg)
    try:
        library = import_module("cellpose.models")
    except ImportError as error:
        msg = f"cellpose: cannot be imported ({_line(error)}); pip install cellpose"
        raise SimcellError(msg) from error
    known = [*library.MODEL_NAMES, *library.get_user_models()]
    if not Path(weights).is_file() and weights not in known:
        msg = f"--weights {weights}: no such file, and none of {', '.join(known)}"
        raise SimcellError(msg)
    try:
        network = library.CellposeModel(gpu=False, pretrained_model=weights)
    except Exception as error:  # the library raises whatever went wrong below it
        msg = f"--weights {weights}: cannot be loaded ({_line(error)})"
        raise SimcellError(msg) from error
    return Cellpose(network, flows)


def _flows(settings: Iterable[str]) -> Flows:
    given: dict[str, str] = {}
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals or field not in Flows.model_fields:
            fields = ", ".join(Flows.model_fields)
            msg = f"--set {setting}: give FIELD=VALUE; cellpose has {fields}"
            raise SimcellError(msg)
        given[field] = value
    try:
        return Flows.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"--set {first['loc'][0]}={first['input']}: {first['msg']}"
        raise SimcellError(msg) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
