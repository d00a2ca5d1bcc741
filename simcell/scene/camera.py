"""Spec of a camera that counts photons; several kinds of imaging end in it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from simcell.scene._spec import Spec


class FluoCamera(Spec):
    """From photons to grey levels."""

    photons: float = Field(1000.0, ge=1.0, le=1e7, description="photons at brightness 1, per pixel")
    read_noise: float = Field(
        3.0, ge=0.0, le=1e6, description="its standard deviation in photo-electrons"
    )
    smooth_px: float = Field(
        0.0,
        ge=0.0,
        le=50.0,
        description="blur (Gaussian sigma, pixels) of light and noise by what comes after the "
        "detector: demosaicing, resampling, a filter",
    )
    gain: float = Field(0.25, gt=0.0, le=1e4, description="grey levels per photon")
    offset: float = Field(2.0, ge=-1e4, le=1e4, description="grey levels without light")
    bits: Literal[8, 16] = 8
    jpeg: int = Field(0, ge=0, le=100, description="quality of JPEG compression; 0 = none")

    @model_validator(mode="after")
    def _jpeg_has_8_bits(self) -> Self:
        if self.jpeg and self.bits == 16:
            msg = f"jpeg = {self.jpeg}: JPEG holds 8 bits; set bits = 8, or jpeg = 0"
            raise ValueError(msg)
        return self
