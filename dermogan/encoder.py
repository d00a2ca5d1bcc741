"""Spec of a network whose encoder others may have trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simcell.settings import Spec


class EfficientNet(Spec):
    """U-Net whose encoder is an EfficientNet; width 1.2 and depth 1.4 make B3."""

    kind: Literal["efficientnet"] = "efficientnet"
    width: float = Field(1.2, gt=0, le=8, description="channels, relative to B0's")
    depth: float = Field(1.4, gt=0, le=8, description="blocks of a stage, relative to B0's")
    decoder: int = Field(
        256, ge=16, le=4096, description="channels of the decoder's first level; each next has half"
    )
    weights: str | None = Field(
        None,
        min_length=1,
        description="file of trained encoder weights, named as torchvision or timm name them",
    )

    @property
    def multiple(self) -> int:
        """Sides of images are multiples of this."""
        return 32
