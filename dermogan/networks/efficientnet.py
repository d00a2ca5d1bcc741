"""U-Net with an EfficientNet as its encoder (Tan & Le, ICML 2019), built from its published table.

Stages of inverted bottlenecks: a 1 × 1 convolution widens, a convolution of each channel by itself
sees the surroundings, squeeze and excitation weighs the channels by their means, a 1 × 1
convolution narrows. What is as large as its input is added to it.

Decision: blocks are never left out at random in training (stochastic depth). Short trainings need
no such rest.

Decision: squeeze and excitation take the mean of whatever they are shown. In training that is a
patch, and a tile when segmenting, so that tiles of very different contents differ a little at
their seams; other networks here leave none.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dermogan.encoder import EfficientNet
from dermogan.networks.norm import BatchNorm

STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Of B0: widening, side of the kernel, stride, channels, blocks."""
STEM = 32
_PASSED = (0, 1, 2, 4)  # the last stages at their sizes, 1/2 to 1/16; the very last is at 1/32


def channels_of(base: int, width: float) -> int:
    """Return a multiple of 8 near ``base * width``, never less than nine tenths of it.

    Examples
    --------
    >>> [channels_of(base, 1.2) for base in (32, 16, 24, 40, 80, 112, 192, 320)]
    [40, 24, 32, 48, 96, 136, 232, 384]
    """
    wanted = base * width
    found = max(8, int(wanted + 4) // 8 * 8)
    return found + 8 if found < 0.9 * wanted else found


def _conv(channels: int, out: int, side: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution, normalised, and Swish."""
    conv = nn.Conv2d(channels, out, side, stride, side // 2, groups=groups, bias=False)
    return nn.Sequential(conv, BatchNorm(out), nn.SiLU(inplace=True))


class Squeeze(nn.Module):
    """Weighs channels by a small network of their means."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, inner, 1)
        self.expand = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the channels of x (n, channels, y, x)."""
        means = functional.silu(self.reduce(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.expand(means))


class Bottleneck(nn.Module):
    """An inverted bottleneck."""

    def __init__(self, channels: int, out: int, side: int, stride: int, widening: int) -> None:
        super().__init__()
        inner = channels * widening
        self.expand = _conv(channels, inner, 1) if widening > 1 else None
        self.deep = _conv(inner, inner, side, stride, groups=inner)
        self.squeeze = Squeeze(inner, max(1, channels // 4))
        self.project = nn.Sequential(nn.Conv2d(inner, out, 1, bias=False), BatchNorm(out))
        self.adds = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Map x (n, channels, y, x) to (n, out, y / stride, x / stride)."""
        inner = x if self.expand is None else self.expand(x)
        found: Tensor = self.project(self.squeeze(self.deep(inner)))
        return found + x if self.adds else found


class EfficientNetUNet(nn.Module):
    """U-Net from ``channels`` channels to ``out``, without an output activation.

    Parameters
    ----------
    spec : EfficientNet
    channels, out : int
    """

    multiple = 32

    def __init__(self, spec: EfficientNet, channels: int = 1, out: int = 1) -> None:
        super().__init__()
        width = channels_of(STEM, spec.width)
        self.stem = _conv(channels, width, 3, 2)
        self.stages = nn.ModuleList()
        passed = []
        for widening, side, stride, base, blocks in STAGES:
            wide = channels_of(base, spec.width)
            stage = nn.Sequential()
            for at in range(math.ceil(blocks * spec.depth)):
                stage.append(Bottleneck(width, wide, side, 1 if at else stride, widening))
                width = wide
            self.stages.append(stage)
            passed.append(width)
        self.up = nn.ModuleList()
        skips = [*(passed[at] for at in reversed(_PASSED)), 0]
        for level, skip in enumerate(skips):
            wide = max(spec.decoder // 2**level, 8)
            self.up.append(nn.Sequential(*_conv(width + skip, wide, 3), *_conv(wide, wide, 3)))
            width = wide
        self.last = nn.Conv2d(width, out, 1)

    @property
    def reach_px(self) -> int:
        """How far convolutions carry an input pixel; means over the whole image are left out."""
        scale, reach = 2, 1
        for stage, (_, side, stride, _, _) in zip(self.stages, STAGES, strict=True):
            assert isinstance(stage, nn.Sequential)
            reach += scale * (side // 2) * (1 + stride * (len(stage) - 1))
            scale *= stride
        return reach + sum(3 * 2**level for level in range(5))  # the way up

    def forward(self, x: Tensor) -> Tensor:
        """Map x (n, channels, y, x) to (n, out, y, x)."""
        x = self.stem(x)
        passed = []
        for at, stage in enumerate(self.stages):
            x = stage(x)
            if at in _PASSED:
                passed.append(x)
        for block in self.up:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            if passed:
                x = torch.cat([x, passed.pop()], dim=1)
            x = block(x)
        found: Tensor = self.last(x)
        return found
