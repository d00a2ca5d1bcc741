"""Specs of systems that find nuclei and Golgi in volumes.

Maps have a channel for nuclei, one for Golgi and, with ``core``, one for the cores of cells: what
lies deep in a nucleus and its Golgi. Nuclei that touch have cores that do not.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from simcell.settings import Spec

CLASSES = ("nuclei", "golgi")
"""What the first channels of maps show."""


class UNet3d(Spec):
    """U-Net of 3-D convolutions, on a volume that may be shrunk first."""

    kind: Literal["unet3d"] = "unet3d"
    base: int = Field(8, ge=1, le=512, description="channels of the first level")
    depth: int = Field(2, ge=1, le=6, description="number of halvings")
    shrink: int = Field(
        1, ge=1, le=8, description="how many times a volume is shrunk before, and its map grown"
    )
    norm: Literal["instance", "batch"] = Field(
        "batch",
        description="statistics that features are normalised by: of each volume, or of the batch; "
        "makers of priors of cycle-GANs freeze those of the batch after warm_steps",
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="share of features of the lowest level left out in training"
    )

    @property
    def multiple(self) -> int:
        """Sides of volumes are multiples of this."""
        return self.shrink * 2**self.depth


class Volumetric(Spec):
    """What systems of volumes have in common."""

    network: UNet3d = UNet3d()
    core: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="depth at which the core of a cell begins, as a share of its greatest depth; "
        "0 = no channel of cores",
    )

    @property
    def channels(self) -> int:
        """Channels of maps."""
        return len(CLASSES) + (self.core > 0)


class Solid(Volumetric):
    """A 3-D U-Net on simulated pairs, by Dice and cross-entropy."""

    kind: Literal["solid"] = "solid"
    dice: float = Field(1.0, ge=0, description="weight of the Dice loss, a mean of the channels")
    cross_entropy: float = Field(0.0, ge=0, description="weight of the cross-entropy")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.dice == 0 and self.cross_entropy == 0:
            msg = "dice and cross_entropy are both 0; nothing would be learnt"
            raise ValueError(msg)
        return self


class SolidJudge(Spec):
    """Discriminator of volumes; every output sees one patch."""

    base: int = Field(8, ge=1, le=512, description="channels of the first layer")
    layers: int = Field(2, ge=1, le=5, description="convolutions with stride 2")


class Vox2Vox(Volumetric):
    """A 3-D U-Net that must please a judge of volumes and masks, and overlap with the truth."""

    kind: Literal["vox2vox"] = "vox2vox"
    network: UNet3d = UNet3d(dropout=0.2)
    discriminator: SolidJudge = SolidJudge()
    adversarial: float = Field(1.0, ge=0, description="weight of fooling the judge, mean square")
    dice: float = Field(5.0, gt=0, description="weight of the Dice loss, a mean of the channels")


Side = Annotated[int, Field(ge=8, le=512)]


class Stack(Spec):
    """How patches are cut from volumes, and what is done to their contrast."""

    patch: tuple[Side, Side, Side] = Field((32, 64, 64), description="sides in voxels: z, y, x")
    low: float = Field(1.0, ge=0, lt=100, description="percentile of a volume that becomes black")
    high: float = Field(99.8, gt=0, le=100, description="percentile that becomes white")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            msg = f"low = {self.low:g}: must be below high = {self.high:g}; try 1 and 99.8"
            raise ValueError(msg)
        return self
