"""Membranes by a bank of Gabor filters.

The published pipelines for reflectance confocal microscopy of skin name the filter but not
its numbers. Ours: the wavelength is about half a cell, which lies between the width of a
membrane and the distance of two, the envelope is short, for membranes are short and bent,
and twelve orientations leave no gap between them. The threshold is in standard deviations of
the response, so that it does not depend on contrast.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from dermogan.filters import gabor, local_normalise
from dermogan.tiles import Output

Map = NDArray[np.float32]


class GaborBank(BaseModel):
    """Numbers of the filter bank; lengths in pixels of an image whose cells are 20 px wide."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    polarity: Literal["bright", "dark"] = Field("bright", description="Membranes are bright, dark.")
    window_px: float = Field(16, gt=1, description="Sigma of the local normalisation.")
    wavelength_px: float = Field(11, gt=2, description="Wavelength.")
    orientations: int = Field(12, ge=2, le=90, description="Number of directions over 180°.")
    bandwidth: float = Field(0.3, ge=0.2, le=2, description="Sigma of the envelope / wavelength.")
    level: float = Field(1.0, description="Response of a membrane, in root mean squares.")
    steepness: float = Field(2.0, gt=0, description="Slope of the probability there.")


class GaborPredictor:
    """Probability of a membrane by the strongest answer of the bank.

    Everything happens to the whole image in `normalise`, as the threshold depends on all of
    it; tiles only pass through.
    """

    halo_px = 0
    multiple = 1
    diameter_px: float | None = 20.0
    channels = 1
    output: Output = "membrane"

    def __init__(self, spec: GaborBank | None = None) -> None:
        self.spec = spec or GaborBank()

    def normalise(self, image: Map) -> Map:
        """Return the probability of a membrane (y, x)."""
        spec = self.spec
        flat = local_normalise(image, spec.window_px)
        flat = -flat if spec.polarity == "dark" else flat
        found = gabor(flat, spec.wavelength_px, spec.orientations, spec.bandwidth)
        found /= np.sqrt(np.mean(found**2)) + np.float32(1e-12)
        return np.asarray(1 / (1 + np.exp(-spec.steepness * (found - spec.level))), np.float32)

    def predict(self, batch: Map) -> Map:
        """Return the map as it is."""
        return batch
