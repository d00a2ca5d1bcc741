"""StyleUNet: from masks to images, in the look of a random style.

After Zargari et al., iScience 27, 109740 (2024): the way up is made of the modulated and
demodulated convolutions of StyleGAN2 (Karras et al., CVPR 2020), each with noise of its own for
every pixel.

Decision: the input of a convolution is multiplied by the style, its output by the demodulation:
the same numbers as with weights of its own for every image, by one convolution for all.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dermogan.networks.norm import BatchNorm

_LAYERS = 3
_SLOW = 0.1  # times the learning rate
_EPS = 1e-8


class EqualLinear(nn.Module):
    """Linear layer whose weights are stored at size 1 and scaled when used.

    Parameters
    ----------
    channels, out : int
    slow : float
        Multiplies weights and biases, and so how fast they learn.
    bias : float
        At first.
    """

    def __init__(self, channels: int, out: int, slow: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, channels) / slow)
        self.bias = nn.Parameter(torch.full((out,), bias / slow))
        self.slow, self.scale = slow, slow / math.sqrt(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (n, channels) to (n, out)."""
        return functional.linear(x, self.weight * self.scale, self.bias * self.slow)


class Modulated(nn.Module):
    """Convolution of 3 px whose input channels a style weighs, then noise and an activation."""

    def __init__(self, channels: int, out: int, style: int) -> None:
        super().__init__()
        scale = 1 / math.sqrt(9 * channels)
        self.weight = nn.Parameter(torch.randn(out, channels, 3, 3) * scale)
        self.bias = nn.Parameter(torch.zeros(out))
        self.strength = nn.Parameter(torch.zeros(out))
        self.of_style = EqualLinear(style, channels, bias=1.0)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Convolve x (n, channels, y, x), with noise (n, 1, y, x)."""
        weighs = self.of_style(style)
        power = weighs.square() @ self.weight.square().sum((2, 3)).T  # (n, out)
        made = functional.conv2d(x * weighs[:, :, None, None], self.weight, padding=1)
        made = made * torch.rsqrt(power + _EPS)[:, :, None, None]
        made = made + self.bias[:, None, None] + self.strength[:, None, None] * noise
        return functional.leaky_relu(made, 0.2)


def _block(channels: int, out: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for at in (channels, out):
        parts += [nn.Conv2d(at, out, 3, padding=1, bias=False), BatchNorm(out)]
        parts.append(nn.LeakyReLU(0.2, inplace=True))
    return nn.Sequential(*parts)


class StyleUNetMaker(nn.Module):
    """Network from masks to images, without an output activation.

    Parameters
    ----------
    base : int
        Channels of the first level; they double with every level.
    depth : int
        Number of halvings.
    style : int
        Numbers in a style.
    """

    def __init__(self, base: int, depth: int, style: int) -> None:
        super().__init__()
        widths = [base * 2**level for level in range(depth + 1)]
        self.multiple, self.style = 2**depth, style
        self.of_random = nn.ModuleList(EqualLinear(style, style, _SLOW) for _ in range(_LAYERS))
        self.down = nn.ModuleList()
        channels = 1
        for width in widths:
            self.down.append(_block(channels, width))
            channels = width
        self.grow, self.up = nn.ModuleList(), nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.grow.append(nn.ConvTranspose2d(channels, width, 2, 2))
            self.up.append(Modulated(2 * width, width, style))
            self.up.append(Modulated(width, width, style))
            channels = width
        self.last = nn.Conv2d(channels, 1, 1)

    def styled(self, random: Tensor) -> Tensor:
        """Return the styles of random numbers (n, style)."""
        x = random * torch.rsqrt(random.square().mean(1, keepdim=True) + _EPS)
        for layer in self.of_random:
            x = functional.leaky_relu(layer(x), 0.2)
        return x

    def forward(self, mask: Tensor, random: Tensor, noise: Tensor) -> Tensor:
        """Make images (n, 1, y, x) of masks of their size.

        Parameters
        ----------
        mask : Tensor (n, 1, y, x)
        random : Tensor (n, style)
            Standard normal numbers.
        noise : Tensor (n, at least 2 * depth, y, x)
            Standard normal numbers.
        """
        style, passed, x = self.styled(random), [], mask
        for level, block in enumerate(self.down):
            if level:
                x = functional.max_pool2d(x, 2)
            x = block(x)
            passed.append(x)
        passed.pop()
        for level, grow in enumerate(self.grow):
            x = torch.cat([grow(x), passed.pop()], dim=1)
            height, wide = x.shape[-2:]
            for at in (2 * level, 2 * level + 1):
                x = self.up[at](x, style, noise[:, at : at + 1, :height, :wide])
        out: Tensor = self.last(x)
        return out
