"""Networks: generators by their spec, discriminators."""

from __future__ import annotations

from typing import assert_never

import torch
from torch import nn

from dermogan.encoder import EfficientNet
from dermogan.fewspecs import CellposeNet, DeepSea
from dermogan.networks.efficientnet import EfficientNetUNet
from dermogan.networks.norm import BatchNorm, folded, freeze, unremembered
from dermogan.networks.patchgan import PatchDiscriminator
from dermogan.networks.pyramid import PyramidNet
from dermogan.networks.residual import ResidualUNet
from dermogan.networks.resnet import ResNetGenerator
from dermogan.networks.unet import UNetGenerator
from dermogan.networks.unet3d import UNet3dGenerator
from dermogan.recipe import PairedSpec, ResNet, SystemSpec, UNet
from dermogan.semantic import ClassMaps
from dermogan.volumetric import UNet3d, Volumetric

__all__ = [
    "BatchNorm",
    "Generator",
    "PatchDiscriminator",
    "PyramidNet",
    "UNet3dGenerator",
    "UNetGenerator",
    "folded",
    "freeze",
    "generator",
    "glorot",
    "product",
    "pyramid",
    "solid",
    "unremembered",
]

Generator = (
    UNetGenerator | ResNetGenerator | PyramidNet | EfficientNetUNet | UNet3dGenerator | ResidualUNet
)


def generator(spec: PairedSpec, channels: int = 1) -> Generator:
    """Build a generator from ``channels`` channels to one, without an output activation."""
    match spec:
        case UNet():
            network = UNetGenerator(channels, spec.base, spec.depth, spec.norm)
            if spec.norm == "batch":  # a quarter less time on the CPU
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            return network
        case ResNet():
            return ResNetGenerator(channels, spec.base, spec.blocks)
        case EfficientNet():
            encoded = EfficientNetUNet(spec, channels)
            encoded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            return encoded
        case DeepSea() | CellposeNet():
            return ResidualUNet(spec.base, spec.depth, style=spec.kind == "cellpose")
        case _:
            assert_never(spec)


def pyramid(spec: ClassMaps) -> PyramidNet:
    """Build a network from images to logits of classes."""
    shape = spec.network
    network = PyramidNet(shape.base, shape.depth, shape.scales, len(spec.classes), shape.texture)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def solid(spec: UNet3d, channels: int, out: int) -> UNet3dGenerator:
    """Build a network of volumes from ``channels`` channels to ``out``."""
    network = UNet3dGenerator(
        channels, out, spec.base, spec.depth, spec.shrink, spec.norm, spec.dropout
    )
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network  # a third less time on the CPU


def product(spec: SystemSpec) -> Generator:
    """Build the network that the model of a system is."""
    if isinstance(spec, Volumetric):
        return solid(spec.network, 1, spec.channels)
    return pyramid(spec) if isinstance(spec, ClassMaps) else generator(spec.network)


def glorot(network: nn.Module) -> None:
    """Draw the weights of all convolutions from Glorot's normal distribution; biases are 0."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            nn.init.xavier_normal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
