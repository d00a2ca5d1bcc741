"""Segment images: read, rescale, predict, refine, write; one call an image."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

import simcell
from dermogan.files import naming
from dermogan.images import compact, write_labels, write_tiff
from dermogan.metrics import centroids, outlines
from dermogan.refine import Refinement, refine, without_small
from dermogan.size import estimate_diameter
from dermogan.tiles import Map, Predictor, Whole, predict
from simcell import SimcellError

_IN_MEMORY_PX = 2**25
"""Maps with more pixels lie in a temporary file."""
_MOST_PX = 2**31
_OVERLAY_PX = 8192
_NEAR = 1.4
"""An estimate that is off the model's size by less is no reason to rescale."""
FOLDERS = {"labels": ".tif", "cells": ".csv", "overlays": ".png", "probabilities": ".tif"}
ZARR_FOLDERS = {
    "images": ".ome.zarr",
    "cells": ".csv",
    "overlays": ".png",
    "probabilities": ".ome.zarr",
}
"""What is written of an image, as TIFF and as OME-Zarr, where labels lie in their image."""

CELL = np.dtype([("label", np.int64), ("y_px", float), ("x_px", float), ("area_px", np.int64)])
"""Rows of the table of cells: centroid and area. The centre of the first pixel is (0, 0)."""


@dataclass(frozen=True)
class Segmentation:
    """What is known of an image.

    Attributes
    ----------
    labels : int32 array (y, x)
        0 = background, 1..n cells, each one piece.
    cells : structured array (n,)
        `CELL` rows in the order of labels.
    probability : float32 array (channels, y, x)
        The model's output, at the size of the image.
    diameter_px : float or None
        Diameter of a typical cell, as given or estimated.
    """

    labels: NDArray[np.int32]
    cells: NDArray[np.void]
    probability: Map
    diameter_px: float | None = None


def segment(
    predictor: Predictor | Whole,
    image: NDArray[Any],
    *,
    diameter_px: float | Literal["auto"] | None = None,
    tile_px: int = 1024,
    refinement: Refinement | None = None,
    report: Callable[[float], None] | None = None,
) -> Segmentation:
    """Segment one image.

    Parameters
    ----------
    predictor : Predictor or Whole
        A model, a classical method, or a method that finds cells by itself.
    image : array (y, x)
        Of any numeric type.
    diameter_px : float or "auto", optional
        Diameter of a typical cell in this image; "auto": estimated by the model. The image
        is rescaled to the size that the model was made for, and the result is scaled back.
    tile_px : int
        Side of a tile of inference.
    refinement : Refinement, optional
        How the map becomes cells.
    report : callable, optional
        Called with the share of the inference that is done.
    """
    if image.ndim != 2 or image.dtype.kind not in "biuf" or image.size == 0:
        msg = f"image is {image.dtype} of shape {image.shape}; one grey picture (y, x) is needed"
        raise SimcellError(msg)
    options = refinement or Refinement()
    grey = np.asarray(image, np.float32)
    if isinstance(predictor, Whole):
        return _by_itself(predictor, grey, diameter_px, options.threshold)
    if predictor.output == "classes":
        msg = "model: names classes and finds no cells; call dermogan.class_map in place of segment"
        raise SimcellError(msg)
    if predictor.output == "volume":
        msg = "model: takes volumes; call dermogan.segment_volume in place of segment"
        raise SimcellError(msg)
    diameter_px, scale = _rescaling(predictor, grey, diameter_px)
    if diameter_px is not None:
        options = Refinement(**{**options.model_dump(), "diameter_px": diameter_px})
    probability = predict(
        predictor,
        _resized(grey, tuple(max(1, round(side * scale)) for side in grey.shape)),
        tile_px=tile_px,
        report=report,
        out=_room(predictor.channels, grey.shape) if scale == 1 else None,
    )
    if scale != 1:
        room = _room(predictor.channels, grey.shape)
        for channel, found in zip(room, probability, strict=True):
            channel[:] = np.clip(_resized(found, grey.shape), 0, 1)
        probability = room
    labels = refine(probability, predictor.output, options)
    return Segmentation(labels, table_of(labels), probability, diameter_px)


def _rescaling(
    predictor: Predictor, image: Map, diameter_px: float | Literal["auto"] | None
) -> tuple[float | None, float]:
    """Return the diameter of cells, and the magnification that the image is seen at."""
    if diameter_px is None:
        return None, 1.0
    if diameter_px == "auto":
        estimate = estimate_diameter(predictor, image)
        scale = _scale(predictor.diameter_px, estimate, image.shape)
        return estimate, 1.0 if 1 / _NEAR < scale < _NEAR else scale
    if not 3 <= diameter_px < np.inf:
        msg = f"diameter = {diameter_px:g} px: must be at least 3; measure a cell of the image"
        raise SimcellError(msg)
    return diameter_px, _scale(predictor.diameter_px, diameter_px, image.shape)


def _by_itself(
    method: Whole, image: Map, diameter_px: float | Literal["auto"] | None, threshold: float
) -> Segmentation:
    if diameter_px == "auto":
        msg = "diameter = auto: this method estimates none; give it in px, or leave it out"
        raise SimcellError(msg)
    labels, probability = method.cells(image, diameter_px, threshold)
    labels = without_small(labels, 1)
    return Segmentation(labels, table_of(labels), probability, diameter_px)


def _scale(trained: float | None, found: float | None, shape: tuple[int, ...]) -> float:
    """Return the magnification that brings cells to the size of training."""
    if trained is None or found is None:
        return 1.0
    scale = trained / found
    if scale**2 * shape[0] * shape[1] > _MOST_PX:
        msg = f"diameter = {found:g} px: the image of {shape} would be magnified {scale:g} times"
        raise SimcellError(f"{msg}, beyond 2³¹ pixels; give a larger diameter")
    return 1.0 if abs(scale - 1) < 0.02 else scale


def _resized(image: Map, shape: tuple[int, ...]) -> Map:
    if image.shape == shape:
        return image
    method = cv2.INTER_AREA if shape[0] < image.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (shape[1], shape[0]), interpolation=method), np.float32)


def _room(channels: int, shape: tuple[int, ...]) -> Map:
    """Return an empty map, in a file that nobody sees where it is large."""
    if channels * shape[0] * shape[1] <= _IN_MEMORY_PX:
        return np.empty((channels, *shape), np.float32)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float32, "w+", shape=(channels, *shape))


def table_of(labels: NDArray[np.int32]) -> NDArray[np.void]:
    """Return the `CELL` rows of labels.

    Examples
    --------
    >>> table_of(np.int32([[0, 1, 1], [0, 1, 1]])).tolist()
    [(1, 0.5, 1.5, 4)]
    """
    values, centres, areas = centroids(labels)
    table = np.empty(len(values), CELL)
    table["label"], table["area_px"] = values, areas
    table["y_px"], table["x_px"] = centres.T
    return table


def targets(out: Path, name: str, folders: Mapping[str, str] = FOLDERS) -> dict[str, Path]:
    """Return the files that are written for an image."""
    return {folder: out / folder / f"{name}{suffix}" for folder, suffix in folders.items()}


def write(
    result: Segmentation,
    image: NDArray[Any],
    files: Mapping[str, Path],
    spacing_um: tuple[float, float] | None = None,
) -> None:
    """Write the files of an image; labels last, so that they say that all is there."""
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    if "cells" in files:
        _write_bytes(files["cells"], _csv(result.cells))
    if "overlays" in files:
        grey = np.asarray(image, np.float32)
        _write_bytes(files["overlays"], _png(overlay(grey, result.labels)))
    if "probabilities" in files:
        flat = result.probability[0] if len(result.probability) == 1 else result.probability
        if files["probabilities"].suffix == ".zarr":
            title = f"probability {files['probabilities'].name}"
            simcell.write_ome_zarr(
                files["probabilities"], np.asarray(flat), spacing_um=spacing_um, title=title
            )
        else:
            write_tiff(files["probabilities"], np.asarray(flat), spacing_um)
    if "images" in files:
        simcell.write_ome_zarr(
            files["images"],
            image,
            {"cells": compact(result.labels)},
            spacing_um=spacing_um,
            tables={"cells": result.cells},
            title=files["images"].name,
        )
    if "labels" in files:
        write_labels(files["labels"], result.labels, spacing_um)


def _csv(cells: NDArray[np.void]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(CELL.names or ())
    for label, y, x, area in cells.tolist():
        table.writerow([label, f"{y:.3f}", f"{x:.3f}", area])
    return text.getvalue().encode()


def overlay(image: Map, labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Draw the outlines of cells on an image, (y, x, 3) in red, green, blue.

    An image wider than 8,192 pixels is shown by every second, third … pixel.
    """
    step = -(-max(image.shape) // _OVERLAY_PX)
    image, labels = image[::step, ::step], labels[::step, ::step]
    low, high = np.percentile(image, [0.5, 99.5])
    grey = np.clip((image - low) / max(high - low, 1e-12) * 255, 0, 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    picture[outlines(labels)] = (255, 210, 0)
    return picture


def _png(picture: NDArray[np.uint8]) -> bytes:
    good, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    assert good
    return data.tobytes()


def _write_bytes(path: Path, data: bytes) -> None:
    unfinished = path.with_name(path.name + ".partial")
    try:
        with naming(path):
            unfinished.write_bytes(data)
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
