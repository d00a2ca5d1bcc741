"""A pipeline without learnt filters: region of interest, membranes, sizes, a second look.

The steps are those of a published pipeline for skin in reflectance confocal microscopy; where its
numbers are not, ours stand in `Fiap`, for cells of 20 px:

1. Region of interest: a morphological geodesic active contour grows from the brightest parts until
   it meets the edge of the tissue; within, `dermogan.classical.texture` tells what shows something.
2. Membranes: the mean of a bank of Gabor filters and of Sato's ridges.
3. Cells: what lies between membranes, parted at necks; the smallest are dropped.
4. A second look at what is too large to be one cell: filters of shorter waves, normalised by the
   surroundings of that region alone. It is parted if that gives two cells or more.

Decision: the contour is found at a quarter of the size, in 30 ms and not in seconds: it only has
to tell tissue from a furrow.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from dermogan.classical.texture import Machine, informative
from dermogan.filters import gabor, local_normalise, sato
from dermogan.split import basins
from simcell import SimcellError

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

CELL_PX = 20.0
"""Diameter of cells that all lengths are for; images are brought to it."""
SMALLEST_PX = {"granulosum": 100.0, "spinosum": 50.0}
_SHRUNK = 4

SVM = Machine(
    mean=(0.5305, 6.5226, 1.6121, 0.3046),
    sd=(0.2199, 5.0339, 0.9317, 0.2838),
    weights=(-1.1168, 0.4692, 0.812, -1.368),
    bias=0.9868,
)
"""Of ``python benchmarks/fiap_svm.py``: simulated samples of two layers, with furrows."""
_DOUBT = 0.7
"""Tissue that is left out is lost, furrows that are kept rarely look like cells."""


class Fiap(BaseModel):
    """Numbers of the pipeline; lengths and areas in pixels of an image whose cells are 20 wide."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    polarity: Literal["bright", "dark"] = Field("bright", description="Membranes are bright, dark.")
    layer: Literal["granulosum", "spinosum"] = Field(
        "granulosum", description="Cells below 100 px are dropped, or below 50."
    )
    window_px: float = Field(16, gt=1, description="Sigma of the local normalisation.")
    wavelength_px: float = Field(11, gt=2, description="Wavelength of the Gabor filters.")
    orientations: int = Field(12, ge=2, le=90, description="Number of their directions.")
    ridge_px: float = Field(2.0, ge=0.3, le=50, description="Widest of Sato's ridges; half of it.")
    level: float = Field(0.8, description="Response of a membrane, in root mean squares.")
    largest: float = Field(2.2, gt=1, description="Largest cell, in areas of a disc of 20 px.")
    closer: float = Field(0.7, gt=0, lt=1, description="Wavelength of the second look, relative.")
    steps: int = Field(40, ge=0, le=1000, description="Of the contour; 0: the whole frame.")
    texture: bool = Field(True, description="Whether texture tells what shows something.")


class FiapMethod:
    """The pipeline as a `dermogan.tiles.Whole`."""

    def __init__(self, spec: Fiap | None = None) -> None:
        self.spec = spec or Fiap()

    def cells(self, image: Map, diameter_px: float | None, threshold: float) -> tuple[Labels, Map]:
        """Return labels (y, x), and the probability of cells (1, y, x).

        Without a diameter, cells are taken to be 20 px wide.
        """
        scale = CELL_PX / (diameter_px or CELL_PX)
        shape = tuple(max(8, round(side * scale)) for side in image.shape)
        if shape[0] * shape[1] > 2**28:
            msg = f"diameter = {diameter_px} px: the image would be magnified {scale:.1f} times; "
            raise SimcellError(f"{msg}give a larger one")
        seen = _resized(np.asarray(image, np.float32), shape)
        seen = -seen if self.spec.polarity == "dark" else seen
        area = region(seen, self.spec)
        membrane = membranes(seen, self.spec)
        labels = self._sized(between(membrane, area, threshold), seen, area, threshold)
        inside = np.where(area, 1 - membrane, 0).astype(np.float32)
        if shape != image.shape:
            side = (image.shape[1], image.shape[0])
            near = cv2.resize(labels, side, interpolation=cv2.INTER_NEAREST_EXACT)
            labels = np.asarray(near, np.int32)
            inside = _resized(inside, image.shape)
        return labels, np.clip(inside, 0, 1)[None]

    def _sized(self, labels: Labels, image: Map, area: Mask, threshold: float) -> Labels:
        """Look again at cells that are too large, and drop those that are too small."""
        spec, most = self.spec, self.spec.largest * np.pi / 4 * CELL_PX**2
        least = SMALLEST_PX[spec.layer]
        areas = np.bincount(labels.reshape(-1))
        count = len(areas) - 1
        for cell in np.flatnonzero(areas[1:] > most) + 1:
            window = _around(labels == cell, int(CELL_PX), labels.shape)
            mine = (labels[window] == cell) & area[window]
            finer = spec.model_copy(
                update={
                    "wavelength_px": max(spec.closer * spec.wavelength_px, 2.1),
                    "window_px": max(spec.closer * spec.window_px, 1.1),
                }
            )
            parts = between(membranes(image[window], finer), mine, threshold)
            sizes = np.bincount(parts.reshape(-1))
            good = np.flatnonzero(sizes[1:] >= least) + 1
            if len(good) < 2:
                continue
            part = labels[window]
            part[mine] = 0
            for number in good:
                count += 1
                part[parts == number] = count
        areas = np.bincount(labels.reshape(-1))
        return np.where((areas >= least)[labels], labels, 0).astype(np.int32)


def region(image: Map, spec: Fiap) -> Mask:
    """Mark the tissue of an image that shows something."""
    found = np.ones(image.shape, np.bool_)
    if spec.steps and min(image.shape) >= 8 * _SHRUNK:
        found &= contour(image, spec.steps)
    if spec.texture:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(CELL_PX) | 1,) * 2)
        shown = informative(image, SVM, _DOUBT).astype(np.uint8)
        found &= cv2.dilate(shown, kernel) > 0  # windows that the edge cuts look half empty
    return found


def contour(image: Map, steps: int) -> Mask:
    """Mark what a contour encloses that grows from the brightest parts until it meets edges.

    Edges are those of the logarithm of brightness, blurred by half a cell: neither the net of
    membranes is an edge, nor light that falls off slowly.
    """
    from skimage.filters import threshold_otsu
    from skimage.segmentation import (
        inverse_gaussian_gradient,
        morphological_geodesic_active_contour,
    )

    small = _resized(image, tuple(side // _SHRUNK for side in image.shape))
    light = cv2.GaussianBlur(small - small.min(), (0, 0), 0.5 * CELL_PX / _SHRUNK)
    light = np.log(light + 0.02 * light.max() + np.float32(1e-12))
    # What a contour of threshold 0.35 stops at: a fifth darker from one pixel to the next.
    flat = inverse_gaussian_gradient(light.astype(np.float64), alpha=40.0, sigma=1.0)
    core = (light >= threshold_otsu(light)).astype(np.int8)
    grown = morphological_geodesic_active_contour(
        flat, steps, core, smoothing=1, threshold=0.35, balloon=1
    )
    side = (image.shape[1], image.shape[0])
    whole = cv2.resize(np.asarray(grown, np.uint8), side, interpolation=cv2.INTER_NEAREST)
    return np.asarray(whole > 0)


def membranes(image: Map, spec: Fiap) -> Map:
    """Return the probability of membranes (y, x)."""
    flat = local_normalise(image, spec.window_px)
    lines = gabor(flat, spec.wavelength_px, spec.orientations, 0.3)
    ridges = sato(flat, (spec.ridge_px / 2, spec.ridge_px))
    both = sum(one / (np.sqrt(np.mean(one**2)) + np.float32(1e-12)) for one in (lines, ridges))
    return np.asarray(1 / (1 + np.exp(-2 * (0.5 * both - spec.level))), np.float32)


def between(membrane: Map, area: Mask, threshold: float) -> Labels:
    """Return what lies between membranes within an area, parted at necks and grown to meet."""
    inside = ((membrane < threshold) & area).astype(np.uint8)
    deep = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    smooth = cv2.GaussianBlur(np.asarray(deep, np.float32), (0, 0), 0.1 * CELL_PX)
    relief = smooth + np.float32(0.15 * CELL_PX) * (np.float32(0.5) - membrane)
    return basins(np.asarray(relief, np.float32), area, 0.12 * CELL_PX)


def _around(mask: Mask, margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the window that a mask fills, and a margin."""
    spans = []
    for axis, side in enumerate(shape):
        places = np.flatnonzero(mask.any(axis=1 - axis))
        spans.append(slice(max(places[0] - margin, 0), min(places[-1] + 1 + margin, side)))
    return spans[0], spans[1]


def _resized(image: Map, shape: tuple[int, ...]) -> Map:
    if image.shape == shape:
        return image
    method = cv2.INTER_AREA if shape[0] < image.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (shape[1], shape[0]), interpolation=method), np.float32)
