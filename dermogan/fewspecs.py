"""Specs of what learns from few annotated images: networks, and the losses of cGAN-Seg."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simcell.settings import Spec


class DeepSea(Spec):
    """Small U-Net of residual blocks, in the manner of DeepSea."""

    kind: Literal["deepsea"] = "deepsea"
    base: int = Field(8, ge=1, le=512, description="channels of the first level")
    depth: int = Field(3, ge=1, le=6, description="number of halvings")


class CellposeNet(Spec):
    """U-Net of residual blocks with sums and a style, in the manner of Cellpose, without flows."""

    kind: Literal["cellpose"] = "cellpose"
    base: int = Field(16, ge=1, le=512, description="channels of the first level")
    depth: int = Field(3, ge=1, le=6, description="number of halvings")


class StyleUNet(Spec):
    """Maker of images from masks: U-Net whose way up a random style modulates."""

    base: int = Field(8, ge=1, le=512, description="channels of the first level; the paper's 64")
    depth: int = Field(3, ge=1, le=4, description="number of halvings; the paper's 4")
    style: int = Field(128, ge=1, le=128, description="numbers in a style")


class GanWeights(Spec):
    """Weights of the sums of losses; those of the paper."""

    adversarial: float = Field(1.0, ge=0, description="fooling both discriminators")
    reconstruction: float = Field(100.0, ge=0, description="coming back to where one started")
    identity: float = Field(50.0, ge=0, description="what belongs together, in both directions")
    grey: float = Field(
        1.0, ge=0, description="grey values beside features, within both; the program's 0.5"
    )


class FewShot(Spec):
    """What cGAN-Seg has beside its networks."""

    maker: StyleUNet = StyleUNet()
    weights: GanWeights = GanWeights()
    heads: int = Field(8, ge=1, le=64, description="of the discriminators' attention")
    head_width: int = Field(64, ge=1, le=256, description="channels of every head")
    differentiable: float = Field(
        0.5, ge=0, le=1, description="share of images that discriminators see changed"
    )
    perceptual: str | None = Field(
        "confluent",
        description="what compares images beside their grey values: VGG16 or VGG19 weights of "
        "torchvision (a .pth file), or a model of dermogan by name or path; None = nothing does",
    )
    masks: Literal["soft", "straight", "cut"] = Field(
        "soft",
        description="what is judged and made an image of again: probabilities, as the paper's "
        "equations have it; masks of 0 and 1 with the gradient of probabilities; or such masks "
        "without a gradient, as in the authors' program, where the segmenter learns from neither",
    )
