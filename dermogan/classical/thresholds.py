"""Every threshold of scikit-image and OpenCV, global and local.

Global ones find one grey value, local ones one for each pixel from its surroundings. All of
them become a map of 0 and 1; what it shows, cells or membranes, and whether these are
bright, is for the user to say. (Left out: ``threshold_local`` with a function of one's
own, and hysteresis, which takes thresholds and finds none.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from skimage import filters as _filters

from dermogan.tiles import Output
from simcell import SimcellError

Map = NDArray[np.float32]

filters: Any = _filters
"""Without types of its own."""


class Threshold(BaseModel):
    """Numbers of a threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: str = "otsu"
    polarity: Literal["bright", "dark"] = Field("bright", description="What is above, or below.")
    output: Literal["filled", "membrane"] = Field("filled", description="Cells, or their borders.")
    blur_px: float = Field(1.0, ge=0, le=20, description="Sigma of a Gaussian blur before.")
    window_px: int = Field(35, ge=3, le=999, description="Side of a local window, odd.")
    weight: float = Field(0.2, ge=-1, le=1, description="k of Niblack and Sauvola.")
    offset: float = Field(0.0, description="Taken off a local mean or median, in deviations.")


def _multi(image: Map) -> float:
    """Return the upper of Otsu's two thresholds for three classes."""
    return float(filters.threshold_multiotsu(image, classes=3)[1])


def _opencv(flag: int, image: Map) -> Any:  # noqa: ANN401 - a number
    """Return OpenCV's threshold, which it finds on 8 bits."""
    level, _ = cv2.threshold(_bytes(image), 0, 255, cv2.THRESH_BINARY | flag)
    low, high = float(image.min()), float(image.max())
    return low + (level + 0.5) / 255 * (high - low)


def _bytes(image: Map) -> NDArray[np.uint8]:
    low, high = float(image.min()), float(image.max())
    grey: NDArray[np.uint8] = np.rint((image - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    return grey


def _local(method: str, image: Map, spec: Threshold) -> Any:  # noqa: ANN401 - an array
    offset = spec.offset * float(image.std())
    return filters.threshold_local(image, _odd(spec.window_px), method=method, offset=offset)


def _median(image: Map, spec: Threshold) -> Any:  # noqa: ANN401 - an array
    """Return local medians, on 8 bits, where they take a time that no window lengthens."""
    low, high = float(image.min()), float(image.max())
    medians = cv2.medianBlur(_bytes(image), min(_odd(spec.window_px), 255))
    return low + medians.astype(np.float32) / 255 * (high - low) - spec.offset * image.std()


def _sauvola(image: Map, spec: Threshold) -> Any:  # noqa: ANN401 - an array
    """Return Sauvola's threshold, whose deviations count in 128ths of 255 greys."""
    low, high = float(image.min()), float(image.max())
    scale = 255 / max(high - low, 1e-12)
    level = filters.threshold_sauvola((image - low) * scale, _odd(spec.window_px), spec.weight, 128)
    return low + level / scale


def _adaptive(method: int, image: Map, spec: Threshold) -> NDArray[np.bool_]:
    grey = _bytes(image)
    offset = spec.offset * float(grey.std())
    binary = cv2.THRESH_BINARY
    above = cv2.adaptiveThreshold(grey, 255, method, binary, _odd(spec.window_px), offset)
    return np.asarray(above > 0)


def _odd(side: int) -> int:
    return side | 1


_GLOBAL: dict[str, Callable[[Map], Any]] = {
    "isodata": filters.threshold_isodata,
    "li": filters.threshold_li,
    "mean": filters.threshold_mean,
    "minimum": filters.threshold_minimum,
    "multiotsu": _multi,
    "otsu": filters.threshold_otsu,
    "triangle": filters.threshold_triangle,
    "yen": filters.threshold_yen,
    "cv-otsu": partial(_opencv, cv2.THRESH_OTSU),
    "cv-triangle": partial(_opencv, cv2.THRESH_TRIANGLE),
}
_LOCAL: dict[str, Callable[[Map, Threshold], Any]] = {
    "local-gaussian": partial(_local, "gaussian"),
    "local-mean": partial(_local, "mean"),
    "local-median": _median,
    "niblack": lambda image, spec: filters.threshold_niblack(
        image, _odd(spec.window_px), spec.weight
    ),
    "sauvola": _sauvola,
}
_BINARY: dict[str, Callable[[Map, Threshold], NDArray[np.bool_]]] = {
    "cv-adaptive-gaussian": partial(_adaptive, cv2.ADAPTIVE_THRESH_GAUSSIAN_C),
    "cv-adaptive-mean": partial(_adaptive, cv2.ADAPTIVE_THRESH_MEAN_C),
}
METHODS = (*_GLOBAL, *_LOCAL, *_BINARY)
"""Names of all thresholds; those of OpenCV begin with cv."""


def above(image: Map, spec: Threshold) -> NDArray[np.bool_]:
    """Mark the pixels above a threshold.

    Parameters
    ----------
    image : float32 array (y, x)
    spec : Threshold

    Raises
    ------
    SimcellError
        Where the method is unknown, or finds no threshold in this image.
    """
    if spec.method not in METHODS:
        msg = f"method = {spec.method!r}: unknown; one of {', '.join(METHODS)}"
        raise SimcellError(msg)
    if spec.method in _BINARY:
        return _BINARY[spec.method](image, spec)
    try:
        if spec.method in _GLOBAL:
            return np.asarray(image > _GLOBAL[spec.method](image))
        return np.asarray(image > _LOCAL[spec.method](image, spec))
    except (RuntimeError, ValueError) as error:  # `minimum` on a histogram of one hill
        reason = " ".join(str(error).split())[:100]
        msg = f"{spec.method}: finds no threshold in this image ({reason}); use another method"
        raise SimcellError(msg) from error


class ThresholdPredictor:
    """A threshold as a predictor; found on the whole image, in `normalise`."""

    halo_px = 0
    multiple = 1
    diameter_px: float | None = None
    channels = 1

    def __init__(self, spec: Threshold) -> None:
        self.spec = spec
        self.output: Output = spec.output

    def normalise(self, image: Map) -> Map:
        """Return 1 where cells, or membranes, are, else 0 (y, x)."""
        spec = self.spec
        if spec.blur_px > 0:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), spec.blur_px), np.float32)
        found = above(-image if spec.polarity == "dark" else image, spec)
        return np.asarray(found, np.float32)

    def predict(self, batch: Map) -> Map:
        """Return the map as it is."""
        return batch
