"""U-Net whose way up is made of resizing and convolution, which leaves no checkerboards."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dermogan.networks.norm import BatchNorm, InstanceNorm

_WIDEST = 8  # times the first level's channels: deeper levels gain little and weigh much


def _block(channels: int, out: int, norm: type[InstanceNorm | BatchNorm]) -> nn.Sequential:
    """Two convolutions, each normalised."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1, bias=False),
        norm(out),
        nn.LeakyReLU(0.1, inplace=True),
        nn.Conv2d(out, out, 3, padding=1, bias=False),
        norm(out),
        nn.LeakyReLU(0.1, inplace=True),
    )


class UNetGenerator(nn.Module):
    """U-Net from ``channels`` channels to ``out``, without an output activation.

    Parameters
    ----------
    channels : int
    base : int
        Channels of the first level; they double with every level, up to eight times.
    depth : int
        Number of halvings; sides of images are multiples of ``2 ** depth``.
    norm : {"instance", "batch"}
        Whose statistics features are normalised by in training.
    out : int
        Channels of the output.
    """

    def __init__(
        self,
        channels: int,
        base: int,
        depth: int,
        norm: Literal["instance", "batch"] = "instance",
        out: int = 1,
    ) -> None:
        super().__init__()
        kind = BatchNorm if norm == "batch" else InstanceNorm
        widths = [base * min(2**level, _WIDEST) for level in range(depth + 1)]
        self.down = nn.ModuleList()
        for width in widths:
            self.down.append(_block(channels, width, kind))
            channels = width
        self.up = nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.up.append(_block(channels + width, width, kind))
            channels = width
        self.last = nn.Conv2d(channels, out, 1)
        self.multiple = 2**depth

    @property
    def reach_px(self) -> int:
        """How far an input pixel reaches: to outputs this far away, and no further."""
        steps = range(len(self.up))
        ways = sum(4 * 2**level for level in steps)  # two convolutions down, two up
        bottom = 2 * 2 ** len(self.up)
        resizing = sum(2**level for level in steps)  # within the cells of the coarse grids
        return ways + bottom + resizing

    def forward(self, x: Tensor) -> Tensor:
        """Map x (n, channels, y, x) to (n, out, y, x)."""
        passed = []
        for level, block in enumerate(self.down):
            if level:
                x = functional.max_pool2d(x, 2)
            x = block(x)
            passed.append(x)
        passed.pop()
        for block in self.up:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, passed.pop()], dim=1))
        out: Tensor = self.last(x)
        return out
