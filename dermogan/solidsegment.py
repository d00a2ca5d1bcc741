"""Segment volumes: rescale, predict block by block, part, pair, write; one call a volume.

Decision: the volume is seen at the size of voxel that the model was made for, and objects are
found there. Labels are brought back to the voxels of the volume by the nearest one.

Prediction takes memory for one block, and 8 bits a voxel and channel, in a file if that is much.
The volume itself, and its labels while they are parted, lie in memory: some 30 bytes a voxel.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_multiotsu

from dermogan.files import write_whole
from dermogan.filters import FloatImage
from dermogan.images import compact
from dermogan.instances import Found, Labels, Splitting, split, table_of
from dermogan.model import Model
from dermogan.solids import BLOCK, probabilities
from dermogan.stacks import spacing_of, stretched
from dermogan.volumefile import Voxel, write_volume
from simcell import SimcellError

FOLDERS = {"nuclei": ".tif", "golgi": ".tif", "objects": ".csv", "overlays": ".png"}
"""What is written of a volume."""
MULTI_OTSU = "multi-otsu"
"""Name of the method that needs no model."""
_NEAR = 1.02
_NUCLEUS, _GOLGI, _ARROW = (255, 210, 0), (255, 60, 200), (80, 255, 120)


@dataclass(frozen=True)
class SolidSegmentation:
    """What is known of a volume.

    Attributes
    ----------
    found : Found
        Labels at the voxels of the volume, and the table of objects.
    spacing_um : tuple of float
        Size of a voxel (z, y, x), as told; else that of the model's volumes.
    """

    found: Found
    spacing_um: Voxel


def segment_volume(
    model: Model,
    volume: NDArray[Any],
    spacing_um: Voxel | None = None,
    *,
    diameter_px: float | None = None,
    side: int = BLOCK,
    options: Splitting | None = None,
    report: Callable[[float], None] | None = None,
) -> SolidSegmentation:
    """Find nuclei, Golgi and pairs in one volume.

    Parameters
    ----------
    model : Model
        Of output ``volume``.
    volume : array (z, y, x)
        Of any numeric type.
    spacing_um : tuple of float, optional
        Size of a voxel; that of the training if not known.
    diameter_px : float, optional
        Diameter of a typical nucleus in pixels of y and x, in place of the size of the
        training's: nuclei are seen as large as those.
    side : int
        Of a block of inference.
    options : Splitting, optional
    report : callable, optional
        Called with the share of the inference that is done.
    """
    if volume.ndim != 3 or volume.dtype.kind not in "biuf" or volume.size == 0:
        msg = f"volume is {volume.dtype} of shape {volume.shape}; a grey one (z, y, x) is needed"
        raise SimcellError(msg)
    stack = model.recipe.data.volume
    own = tuple(model.card.get("voxel_um") or spacing_of(model.recipe.validation.source))
    assert stack is not None
    told = spacing_um or own
    seen_um = np.array(told)
    if diameter_px is not None and model.diameter_px is not None:
        seen_um = seen_um * (model.diameter_px * own[-1] / (diameter_px * told[-1]))
    seen = resized(stretched(volume, stack), tuple((seen_um / own).tolist()))
    shape = np.array(seen.shape)
    found = split(
        probabilities(
            model.network,
            seen,
            model.channels,
            model.multiple,
            side=side,
            report=report,
        ),
        tuple((seen_um * volume.shape / shape).tolist()),
        options,
    )
    if diameter_px is None and seen.shape == volume.shape:
        return SolidSegmentation(found, told)
    nuclei, golgi = (nearest(one, volume.shape) for one in found[:2])
    most = (options or Splitting()).pair_um
    return SolidSegmentation(Found(nuclei, golgi, table_of(nuclei, golgi, told, most)), told)


def thresholded(
    volume: NDArray[Any], spacing_um: Voxel, options: Splitting | None = None
) -> SolidSegmentation:
    """Find nuclei, and Golgi brighter than they, by two thresholds of a smoothed volume.

    Otsu's method for three levels of grey. Parameters are those of `segment_volume`.
    """
    smooth = ndimage.gaussian_filter(volume.astype(np.float32), 1.0)
    try:
        low, high = threshold_multiotsu(smooth, classes=3)
    except ValueError:  # fewer than three levels of grey: nothing is in it
        low = high = np.inf
    masks = np.stack([(smooth > low) & (smooth <= high), smooth > high])
    found = split(np.where(masks, np.uint8(255), np.uint8(0)), spacing_um, options)
    return SolidSegmentation(found, spacing_um)


def resized(volume: FloatImage, factors: tuple[float, ...]) -> FloatImage:
    """Magnify a volume (z, y, x), smoothed before it shrinks."""
    if all(1 / _NEAR < factor < _NEAR for factor in factors):
        return volume
    blur = [max(0.0, (1 / factor - 1) / 2) for factor in factors]
    smooth = ndimage.gaussian_filter(volume, blur) if any(blur) else volume
    found = ndimage.zoom(smooth, factors, order=1, mode="nearest", grid_mode=True)
    return np.asarray(found, np.float32)


def nearest(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """Bring labels to another shape by the nearest voxel."""
    places = [
        np.minimum((np.arange(n) + 0.5) * m / n, m - 1).astype(np.intp)
        for n, m in zip(shape, labels.shape, strict=True)
    ]
    return np.ascontiguousarray(labels[np.ix_(*places)])


def overlay(volume: NDArray[Any], result: SolidSegmentation) -> NDArray[np.uint8]:
    """Draw a volume in red, green, blue: its brightest along z, and its middle plane.

    Outlines of nuclei are yellow, those of Golgi pink; arrows go from nuclei to their Golgi.
    """
    found, middle = result.found, len(volume) // 2
    flat = _picture(volume.max(axis=0), found.nuclei.max(axis=0), found.golgi.max(axis=0))
    spacing = np.array(result.spacing_um)[1:]
    for row in found.table[(found.table["class"] == "nuclei") & (found.table["pair"] > 0)]:
        start = np.array([row["y_um"], row["x_um"]])
        end = start + np.array([row["to_golgi_y_um"], row["to_golgi_x_um"]])
        one, other = (np.rint(at / spacing)[::-1].astype(int).tolist() for at in (start, end))
        cv2.arrowedLine(flat, one, other, _ARROW, 1, cv2.LINE_AA, tipLength=0.3)
    plane = _picture(volume[middle], found.nuclei[middle], found.golgi[middle])
    return np.concatenate([flat, plane], axis=1)


def _picture(grey: NDArray[Any], nuclei: Labels, golgi: Labels) -> NDArray[np.uint8]:
    low, high = np.percentile(grey, [0.5, 99.5])
    grey = np.clip((grey.astype(np.float32) - low) / max(high - low, 1e-12) * 255, 0, 255)
    picture = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)
    for labels, colour in ((nuclei, _NUCLEUS), (golgi, _GOLGI)):
        least = ndimage.minimum_filter(labels, 3)
        picture[(labels > 0) & (least != labels)] = colour
    return picture


def write_solid(result: SolidSegmentation, volume: NDArray[Any], files: Mapping[str, Path]) -> None:
    """Write the files of a volume; labels last, so that they say that all is there."""
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    if "overlays" in files:
        good, data = cv2.imencode(".png", overlay(volume, result)[..., ::-1])
        assert good
        write_whole(files["overlays"], data.tobytes())
    write_whole(files["objects"], table_text(result.found.table).encode())
    write_volume(files["golgi"], compact(result.found.golgi), result.spacing_um)
    write_volume(files["nuclei"], compact(result.found.nuclei), result.spacing_um)


def table_text(table: NDArray[np.void]) -> str:
    """Return a table of objects as CSV; what is not known is empty."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(table.dtype.names or ())
    for row in table.tolist():
        out.writerow([_cell(value) for value in row])
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.3f}" if np.isfinite(value) else ""
    return value
