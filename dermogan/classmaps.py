"""Class maps of images: predicted tile by tile, and written.

Decision: of a tile, only the classes and their probabilities in 8 bits are kept, so that a mosaic
of 24 megapixels and six classes takes 170 MB, and not 700, beside the image.
"""

from __future__ import annotations

import colorsys
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dermogan.columns import layers_of
from dermogan.files import write_whole
from dermogan.images import write_tiff
from dermogan.tiles import Predictor, tiles
from simcell import SimcellError

FOLDERS = {"classes": ".tif", "overlays": ".png", "probabilities": ".tif"}
"""What is written of an image."""
LEGEND = "classes.csv"
_OVERLAY_PX = 8192
_OPACITY = 0.45

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class ClassMap:
    """What is where in an image.

    Attributes
    ----------
    classes : uint8 array (y, x)
        1, 2, ... in the order of names.
    probability : uint8 array (classes, y, x)
        Of every class; 255 = certain.
    names : tuple of str
    """

    classes: Bytes
    probability: Bytes
    names: tuple[str, ...]

    @property
    def shares(self) -> dict[str, float]:
        """Share of the image that each class takes."""
        counts = np.bincount(self.classes.reshape(-1), minlength=len(self.names) + 1)[1:]
        return dict(zip(self.names, (counts / self.classes.size).tolist(), strict=True))


def class_map(
    predictor: Predictor,
    names: Sequence[str],
    image: NDArray[Any],
    *,
    tile_px: int = 1024,
    report: Callable[[float], None] | None = None,
) -> ClassMap:
    """Name the class of every pixel of an image.

    Parameters
    ----------
    predictor : Predictor
        A model of output ``classes``. One of layers in an order, as `dermogan.columns` finds
        them, sees whole columns of the image.
    names : sequence of str
        Of its classes.
    image : array (y, x)
        Of any numeric type.
    tile_px : int
        Side of a tile of inference. Memory grows with its square.
    report : callable, optional
        Called with the share that is done.
    """
    if predictor.output != "classes" or predictor.channels != len(names):
        msg = f"model: shows {predictor.output}, {predictor.channels} of them; a model of "
        raise SimcellError(f"{msg}{len(names)} classes is needed")
    if image.ndim != 2 or image.dtype.kind not in "biuf" or image.size == 0:
        msg = f"image is {image.dtype} of shape {image.shape}; one grey picture (y, x) is needed"
        raise SimcellError(msg)
    classes = np.empty(image.shape, np.uint8)
    probability = np.empty((len(names), *image.shape), np.uint8)
    grey = np.asarray(image, np.float32)
    for rows, columns, found in tiles(predictor, grey, tile_px=tile_px, report=report):
        classes[rows, columns] = found.argmax(axis=0) + 1
        probability[:, rows, columns] = np.rint(255 * found)
    if getattr(predictor, "ordered", False):
        classes = layers_of(probability)
    return ClassMap(classes, probability, tuple(names))


def colours(count: int) -> Bytes:
    """Return colours (count, 3) of classes 1, 2, ... that differ, in red, green, blue.

    Examples
    --------
    >>> len(np.unique(colours(12), axis=0))
    12
    """
    golden = (5**0.5 - 1) / 2  # of the colour circle, so that neighbours lie far apart
    drawn = [colorsys.hsv_to_rgb(k * golden % 1, 0.75, 0.95) for k in range(count)]
    return np.rint(255 * np.array(drawn)).astype(np.uint8)


def overlay(image: NDArray[Any], found: ClassMap) -> Bytes:
    """Colour an image by its classes, (y, x, 3) in red, green, blue.

    An image wider than 8,192 pixels is shown by every second, third … pixel.
    """
    step = -(-max(image.shape) // _OVERLAY_PX)
    grey, classes = np.asarray(image[::step, ::step], np.float32), found.classes[::step, ::step]
    low, high = np.percentile(grey, [0.5, 99.5])
    shown = np.clip((grey - low) / max(high - low, 1e-12) * 255, 0, 255).astype(np.uint8)
    palette = np.concatenate([np.zeros((1, 3), np.uint8), colours(len(found.names))])
    flat = np.repeat(shown[..., None], 3, axis=-1)
    return np.asarray(cv2.addWeighted(flat, 1 - _OPACITY, palette[classes], _OPACITY, 0), np.uint8)


def write_map(
    found: ClassMap,
    image: NDArray[Any],
    files: Mapping[str, Path],
    spacing_um: tuple[float, float] | None = None,
) -> None:
    """Write the files of an image; the class map last, so that it says that all is there."""
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    if "overlays" in files:
        good, data = cv2.imencode(".png", np.ascontiguousarray(overlay(image, found)[..., ::-1]))
        assert good
        write_whole(files["overlays"], data.tobytes())
    if "probabilities" in files:
        write_tiff(files["probabilities"], found.probability, spacing_um)
    write_tiff(files["classes"], found.classes, spacing_um)


def legend(names: Sequence[str]) -> str:
    """Return a table of classes: value, name and colour.

    Examples
    --------
    >>> legend(["glass"]).splitlines()
    ['value,name,red,green,blue', '1,glass,242,61,61']
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["value", "name", "red", "green", "blue"])
    for value, (name, colour) in enumerate(zip(names, colours(len(names)), strict=True), 1):
        table.writerow([value, name, *colour.tolist()])
    return text.getvalue()


def legend_names(path: Path) -> tuple[str, ...]:
    """Read the names of classes from the table beside class maps."""
    try:
        rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
        values, names = [int(row["value"]) for row in rows], [row["name"] for row in rows]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: no table of classes ({error}); name them with --classes"
        raise SimcellError(msg) from None
    if values != list(range(1, len(names) + 1)) or len(names) < 2:
        msg = f"{path}: must number at least two classes 1, 2, ...; name them with --classes"
        raise SimcellError(msg)
    return tuple(names)
