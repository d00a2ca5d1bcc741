"""Rows of Cellpose: alone, and on what a model of ours makes of an image.

Decision: the library and its weights are its makers' own, and are not shipped. Where either is out
of reach the row stays in the table and says what it lacks; it has no score.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from dermogan.flows import Cellpose
from dermogan.model import Model
from dermogan.refine import evidence
from dermogan.tiles import Map, predict


def lacking(weights: str | None) -> str:
    """Say what Cellpose lacks; empty if nothing seems to be. Nothing is imported."""
    try:
        there = find_spec("cellpose") is not None
    except ValueError:  # a module that was put there by hand
        there = True
    if not there:
        return "cellpose not installed"
    return "" if weights else "no Cellpose weights, give --cellpose"


@dataclass(frozen=True)
class OnMaps:
    """Cellpose on the interiors of cells that a model finds, as a `dermogan.tiles.Whole`.

    Attributes
    ----------
    model : Model
        Of membranes, or cells.
    flows : Cellpose
    """

    model: Model
    flows: Cellpose

    def cells(
        self, image: Map, diameter_px: float | None, threshold: float
    ) -> tuple[NDArray[np.int32], Map]:
        """Return labels (y, x), and the probability of cells (1, y, x)."""
        inside, _ = evidence(predict(self.model, image), self.model.output)
        return self.flows.cells(inside, diameter_px, threshold)
