"""Star-convex splitting by StarDist, the real library, with dermogan's own weights or others.

Decision: StarDist and TensorFlow are no dependencies. They are imported here alone, when
asked for, and what to install is said where they are missing. Our own model needs no TensorFlow
(`starnet`), models of others do.

Decision: our own model knows cells of one size, so that maps are brought to it first, and stars
are drawn at the size of the map. Models of others are shown the map as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dermogan.starfile import NAME, read_stars, star_file
from dermogan.starnet import StarNet
from simcell import SimcellError

_PRETRAINED = ("2D_versatile_fluo", "2D_paper_dsb2018", "2D_versatile_he")
_PATCH_PX = 1024
_NEAR = 1.5
"""Cells that are off the model's size by less are shown as they are; smaller ones are magnified no
further than to this, as every pixel costs time."""

Predict = Callable[[NDArray[np.float32], float], NDArray[np.int32]]
"""From a picture of bright cells (y, x), and the diameter of a typical one, to labels."""


def lacking() -> str:
    """Say what our own model lacks; nothing is imported. Empty if StarDist seems to be there."""
    try:
        found = find_spec("stardist") is not None
    except ValueError:  # a module that was put there by hand
        found = True
    return "" if found else "stardist not installed"


def library(
    otherwise: str = "or use --split watershed",
    part: str = "models",
    install: str = "stardist tensorflow",
) -> Any:  # noqa: ANN401 - is optional
    """Import a part of StarDist; say what to do where it is missing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it tells of every GPU that is not there
    try:
        return import_module(f"stardist.{part}")
    except (ImportError, RuntimeError) as error:  # it asks for TensorFlow by the latter
        msg = f"stardist: cannot be imported ({_line(error)}); pip install {install}"
        raise SimcellError(f"{msg}, {otherwise}") from error


@lru_cache(maxsize=1)
def load(weights: str = NAME) -> Predict:
    """Load a StarDist model; the last one is kept.

    Parameters
    ----------
    weights : str
        Name of the shipped model, or file of one that `dermogan train-stardist` made; folder of a
        model (with config.json and weights); or the name of a pretrained one, which StarDist
        downloads.

    Returns
    -------
    callable
        Labels of a picture, in its size.
    """
    file = star_file(weights)
    if file is not None:
        return _own(file)
    models = library()
    with redirect_stdout(StringIO()):  # it tells of every file that it opens
        model = _open(models.StarDist2D, weights)

    def predict(picture: NDArray[np.float32], diameter: float) -> NDArray[np.int32]:  # noqa: ARG001
        labels, _ = model.predict_instances(picture, **_tiles(picture))
        return np.asarray(labels, np.int32)

    return predict


def _own(file: Path) -> Predict:
    """Load a model of ours: its network runs in torch, the library chooses and draws the stars."""
    nms, geometry = (library(part=part, install="stardist") for part in ("nms", "geometry"))
    header, weights = read_stars(file)
    card = header.card
    try:
        network = StarNet(card["config"], weights)
        limits = {name: float(card["thresholds"][name]) for name in ("prob", "nms")}
    except Exception as error:  # whatever is wrong with the file
        msg = f"{file}: cannot be loaded ({_line(error)}); train it again"
        raise SimcellError(msg) from error
    suppress = nms.non_maximum_suppression_sparse

    def predict(picture: NDArray[np.float32], diameter: float) -> NDArray[np.int32]:
        scale = _scale(card["diameter_px"] / diameter)
        seen = picture if scale == 1 else _rescaled(picture, scale)
        points, sure, dist = network.stars(seen, limits["prob"])
        points, sure, dist, _ = suppress(dist, sure, points, nms_thresh=limits["nms"])
        ratio = np.array(picture.shape) / np.array(seen.shape)
        order = np.argsort(sure, kind="stable")  # the surest is drawn last
        outlines = geometry.dist_to_coord(dist[order], points[order])
        outlines = (outlines + 0.5) * ratio[:, None] - 0.5
        return np.asarray(geometry.polygons_to_label_coord(outlines, picture.shape), np.int32)

    return predict


def _scale(wanted: float) -> float:
    """Return the magnification of a map that should be magnified by so much.

    Examples
    --------
    >>> [_scale(wanted) for wanted in (0.25, 0.8, 1.4, 3.0)]
    [0.25, 1.0, 1.0, 2.0]
    """
    if wanted <= 1 / _NEAR:
        return wanted
    return max(wanted / _NEAR, 1.0)


def _rescaled(picture: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    shape = [max(round(side * scale), 1) for side in picture.shape]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, shape[::-1], interpolation=how), np.float32)


def _tiles(picture: NDArray[np.float32]) -> dict[str, Any]:
    tiles = tuple(-(-side // _PATCH_PX) for side in picture.shape)
    return {"n_tiles": tiles, "show_tile_progress": False}


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
        names = ", ".join((NAME, *_PRETRAINED))
        msg = f"--weights {weights}: no model file, no folder with config.json, and none of {names}"
        raise SimcellError(msg)
    return found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def star_cells(
    predict: Predict, inside: NDArray[np.float32], mask: NDArray[np.bool_], diameter: float
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
    diameter : float
        Of a typical cell, in pixels.

    Returns
    -------
    int32 array (y, x)
        StarDist's cells; pieces of the mask where it found none are cells of their own.
    """
    labels = predict(np.where(mask, inside, 0.0).astype(np.float32), diameter)
    count = int(labels.max(initial=0))
    n, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    seen = np.zeros(n, np.bool_)
    seen[pieces[labels > 0]] = True
    seen[0] = True
    number = np.zeros(n, np.int32)
    number[~seen] = np.arange(count + 1, count + 1 + np.count_nonzero(~seen))
    return np.asarray(np.where(labels > 0, labels, number[pieces]), np.int32)
