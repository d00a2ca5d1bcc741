"""Specs of systems that name the class of every pixel.

Class maps hold 0 where nobody said what a pixel is, and 1, 2, ... for the classes in the order
of their names. Pixels of 0 teach nothing and count in no score.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from simcell.settings import Spec


class Pyramid(Spec):
    """U-Nets one after the other, each on a finer image than the one before it."""

    kind: Literal["pyramid"] = "pyramid"
    base: int = Field(16, ge=1, le=512, description="channels of the first level of every U-Net")
    depth: int = Field(4, ge=1, le=6, description="halvings of the first; each next has one more")
    scales: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(
        (1,), min_length=1, description="how many times the image is shrunk for each, falling"
    )
    texture: int = Field(
        0,
        ge=0,
        le=128,
        description="channels of texture, found at full size, beside the shrunk image; 0: none",
    )

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        for coarse, fine in pairwise(self.scales):
            if fine >= coarse or coarse % fine:
                msg = (
                    f"scales = {list(self.scales)}: each must divide the one before; try [4, 2, 1]"
                )
                raise ValueError(msg)
        if self.texture and self.scales[-1] not in (2, 4, 8, 16):
            msg = (
                f"texture = {self.texture}: is found while the image is halved, and the last of "
                f"scales = {list(self.scales)} is not 2, 4, 8 or 16; change it, or use texture = 0"
            )
            raise ValueError(msg)
        return self

    @property
    def multiple(self) -> int:
        """Sides of images are multiples of this."""
        depths = range(self.depth, self.depth + len(self.scales))
        return max([self.scales[0], *(s * 2**d for s, d in zip(self.scales, depths, strict=True))])


class ClassMaps(Spec):
    """What systems that name classes have in common."""

    network: Pyramid = Pyramid()
    classes: tuple[str, ...] = Field(
        ("background", "object"), min_length=2, max_length=254, description="names of 1, 2, ..."
    )
    class_weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (1.0, 1.0), description="how much a pixel of each class counts in the cross-entropy"
    )
    found_weights: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (), description="how much the probability of each class counts when it is found; none: 1"
    )

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        names, weights = self.classes, self.class_weights
        if len(set(names)) != len(names) or not all(names):
            msg = f"classes = {list(names)}: must be different names"
            raise ValueError(msg)
        if len(weights) != len(names) or not any(weights):
            msg = f"class_weights = {list(weights)}: {len(names)} numbers are needed, not all 0"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _found(self) -> Self:
        if self.found_weights and len(self.found_weights) != len(self.classes):
            msg = f"found_weights = {list(self.found_weights)}: {len(self.classes)} numbers are "
            raise ValueError(f"{msg}needed, or none")
        return self


class Layers(ClassMaps):
    """A U-Net that names layers of tissue, by weighted cross-entropy and a boundary loss."""

    kind: Literal["layers"] = "layers"
    boundary: float = Field(
        0.0, ge=0, description="weight of the boundary loss: probability far from its class"
    )
    boundary_px: float = Field(
        10.0, gt=0, le=1000, description="distance beyond which it does not grow"
    )
    found_by: Literal["pixel", "column"] = Field(
        "pixel",
        description="the likeliest class of each pixel; or borders of layers that follow each "
        "other down a column in the order of their names, where as likely as not to be passed",
    )


class Cascade(ClassMaps):
    """U-Nets from coarse to fine, each with a loss of its own."""

    kind: Literal["cascade"] = "cascade"
    network: Pyramid = Pyramid(base=8, depth=2, scales=(4, 2, 1))
    level_weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (1.0, 1.0, 1.0), description="how much the loss of each U-Net counts, coarse to fine"
    )

    @model_validator(mode="after")
    def _all_levels(self) -> Self:
        weights, scales = self.level_weights, self.network.scales
        if len(weights) != len(scales) or not weights[-1]:
            msg = f"level_weights = {list(weights)}: {len(scales)} numbers are needed, the last "
            raise ValueError(f"{msg}above 0")
        return self
