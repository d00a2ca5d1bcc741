"""Spec of cells taken from a user's own label images."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from simcell.scene._spec import Spec


class Masks(Spec):
    """Objects of a user's own label images, turned, flipped, rescaled and placed anew.

    Every point gets one object, drawn at random. Objects that touch the edge of their
    image are cut and so left out, as are those of fewer than 9 pixels. A place where
    an object shares more pixels with another than the limit allows is refused, and
    places ever farther from the point are tried; an object that finds none is left out,
    and the density reached is noted. Marks of the points are not used.
    """

    kind: Literal["masks"] = "masks"
    path: str = Field(
        "masks",
        min_length=1,
        description="folder of label images (TIFF, PNG or .npy: 2-D, whole numbers, 0 = "
        "background); an image of one value alone counts its connected pieces",
    )
    fingerprint: str | None = Field(
        None,
        pattern="^[0-9a-f]{16}$",
        description="of the folder's content, which is then refused once it has changed; a "
        "dataset records it by itself",
    )
    spacing_um: float | None = Field(
        None,
        gt=0.0,
        le=1e3,
        description="size of the masks' pixels in µm, None = the frame's",
    )
    scale_min: float = Field(0.8, ge=0.01, le=100.0, description="least factor on an object's size")
    scale_max: float = Field(1.25, ge=0.01, le=100.0, description="largest factor on it")
    turn_deg: float = Field(
        180.0, ge=0.0, le=180.0, description="largest rotation either way in degrees, 180 = any"
    )
    flip: float = Field(0.5, ge=0.0, le=1.0, description="probability of a mirror image")
    overlap_limit: float = Field(
        0.0, ge=0.0, le=1.0, description="shared pixels over the smaller object's, refused beyond"
    )
    tries: int = Field(
        30, ge=1, le=1000, description="places tried for an object, each farther from its point"
    )
    min_visible: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="an object with less than this share of itself visible is left out",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.scale_min > self.scale_max:
            msg = (
                f"scale_min = {self.scale_min:g}: must not exceed scale_max = {self.scale_max:g}; "
                "swap or widen them"
            )
            raise ValueError(msg)
        return self
