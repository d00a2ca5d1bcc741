"""U-Net of 3-D convolutions (Çiçek et al., MICCAI 2016) with a way up of resizing and convolution.

Decision: where the volume is shrunk first, its map is grown at the end, trilinearly. Objects many
voxels wide lose little by it, and a network at half the size costs an eighth.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dermogan.networks.norm import BatchNorm, InstanceNorm

_WIDEST = 8  # times the first level's channels


def _block(channels: int, out: int, norm: type[InstanceNorm | BatchNorm]) -> nn.Sequential:
    """Two convolutions, each normalised."""
    parts: list[nn.Module] = []
    for before in (channels, out):
        parts += [nn.Conv3d(before, out, 3, padding=1, bias=False), norm(out)]
        parts.append(nn.LeakyReLU(0.1, inplace=True))
    return nn.Sequential(*parts)


class UNet3dGenerator(nn.Module):
    """U-Net from volumes of ``channels`` channels to ``out``, without an output activation.

    Parameters
    ----------
    channels, out : int
    base : int
        Channels of the first level; they double with every level, up to eight times.
    depth : int
        Number of halvings.
    shrink : int
        How many times the volume is shrunk before.
    norm : {"instance", "batch"}
    dropout : float
        Share of the features of the lowest level that is left out in training.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        base: int,
        depth: int,
        shrink: int = 1,
        norm: Literal["instance", "batch"] = "batch",
        dropout: float = 0.0,
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
        self.last = nn.Conv3d(channels, out, 1)
        self.shrink, self.dropout = shrink, dropout
        self.multiple = shrink * 2**depth

    @property
    def reach_px(self) -> int:
        """How far an input voxel reaches: to outputs this far away, and no further."""
        steps = range(len(self.up))
        ways = sum(4 * 2**level for level in steps)
        grids = sum(2**level for level in steps)
        within = ways + 2 * 2 ** len(self.up) + grids
        return within if self.shrink == 1 else self.shrink * (within + 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (n, channels, z, y, x) to (n, out, z, y, x)."""
        sides = x.shape[2:]
        if self.shrink > 1:
            x = functional.avg_pool3d(x, self.shrink)
        passed = []
        for level, block in enumerate(self.down):
            if level:
                x = functional.max_pool3d(x, 2)
            x = block(x)
            passed.append(x)
        x = functional.dropout(passed.pop(), self.dropout, self.training)
        for block in self.up:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, passed.pop()], dim=1))
        x = self.last(x)
        if self.shrink > 1:
            x = functional.interpolate(x, size=sides, mode="trilinear", align_corners=False)
        return x
