"""Star-convex splitting by StarDist, the real library with its own weights.

Decision: StarDist and TensorFlow are no dependencies. They are imported here alone, when
asked for, and what to install is said where they are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stdout
from functools import lru_cache
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simcell import SimcellError

_PRETRAINED = ("2D_versatile_fluo", "2D_paper_dsb2018", "2D_versatile_he")
_PATCH_PX = 1024

Predict = Callable[[NDArray[np.float32]], NDArray[np.int32]]
"""From a picture of bright cells (y, x) to labels."""


@lru_cache(maxsize=1)
def load(weights: str) -> Predict:
    """Load a StarDist model; the last one is kept.

    Parameters
    ----------
    weights : str
        Folder of a model (with config.json and weights), or the name of a pretrained one,
        which StarDist downloads.

    Returns
    -------
    callable
        Labels of a picture, in its size.
    """
    try:
        models = import_module("stardist.models")
    except ImportError as error:
        msg = f"stardist: cannot be imported ({_line(error)}); pip install stardist tensorflow"
        raise SimcellError(f"{msg}, or use --split watershed") from error
    with redirect_stdout(StringIO()):  # it tells of every file that it opens
        model = _open(models.StarDist2D, weights)

    def predict(picture: NDArray[np.float32]) -> NDArray[np.int32]:
        tiles = tuple(-(-side // _PATCH_PX) for side in picture.shape)
        labels, _ = model.predict_instances(picture, n_tiles=tiles, show_tile_progress=False)
        return np.asarray(labels, np.int32)

    return predict


def _open(library: Any, weights: str) -> Any:  # noqa: ANN401 - of an optional library
    folder = Path(weights)
    try:
        if (folder / "config.json").is_file():
            return library(None, name=folder.resolve().name, basedir=str(folder.resolve().parent))
        found = library.from_pretrained(weights) if weights in _PRETRAINED else None
    except Exception as error:  # the library raises whatever went wrong below it
        msg = f"--weights {weights}: cannot be loaded ({_line(error)})"
        raise SimcellError(msg) from error
    if found is None:
        names = ", ".join(_PRETRAINED)
        msg = f"--weights {weights}: no folder with config.json, and none of {names}"
        raise SimcellError(msg)
    return found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def star_cells(
    predict: Predict, inside: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Split a mask into star-convex cells.

    Parameters
    ----------
    predict : callable
        Of `load`.
    inside : float32 array (y, x)
        How surely a pixel is inside a cell, 0..1.
    mask : bool array (y, x)
        Interiors of cells.

    Returns
    -------
    int32 array (y, x)
        StarDist's cells; pieces of the mask where it found none are cells of their own.
    """
    labels = predict(np.where(mask, inside, 0.0).astype(np.float32))
    count = int(labels.max(initial=0))
    n, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    seen = np.zeros(n, np.bool_)
    seen[pieces[labels > 0]] = True
    seen[0] = True
    number = np.zeros(n, np.int32)
    number[~seen] = np.arange(count + 1, count + 1 + np.count_nonzero(~seen))
    return np.asarray(np.where(labels > 0, labels, number[pieces]), np.int32)
