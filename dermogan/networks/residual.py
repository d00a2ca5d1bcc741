"""U-Nets of residual blocks: a small one as in DeepSea, and one as in Cellpose, without flows.

Decision: Cellpose adds a style, the mean of the deepest features over the whole image, to every
level on the way up. Here it is their mean over `_AROUND` of their pixels each way: a tile then
gives what the whole image gives there.

References
----------
Zargari et al., Cell Rep. Methods 3, 100500 (2023); Stringer, Wang, Michaelos & Pachitariu, Nat.
Methods 18, 100 (2021).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dermogan.networks.norm import BatchNorm

_WIDEST = 8  # times the first level's channels
_AROUND = 4


class _Residual(nn.Module):
    """Two convolutions beside one of 1 px."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, out, 3, padding=1, bias=False),
            BatchNorm(out),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            BatchNorm(out),
        )
        self.beside = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.body(x) + self.beside(x), 0.1)


def _level(channels: int, out: int, blocks: int) -> nn.Module:
    return nn.Sequential(*(_Residual(out if k else channels, out) for k in range(blocks)))


class _Added(nn.Module):
    """Blocks of features to which others are added."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(channels, out, 1)
        self.blocks = _level(out, out, 2)

    def forward(self, x: Tensor, others: Tensor) -> Tensor:
        made: Tensor = self.blocks(self.narrow(x) + others)
        return made


class ResidualUNet(nn.Module):
    """U-Net of residual blocks from images to logits of one mask.

    Parameters
    ----------
    base : int
        Channels of the first level; they double with every level, up to eight times.
    depth : int
        Number of halvings.
    style : bool
        As in Cellpose: two blocks a level in place of one, what was passed over is added in
        place of put beside, and a style is added on the way up.
    """

    def __init__(self, base: int, depth: int, *, style: bool) -> None:
        super().__init__()
        widths = [base * min(2**level, _WIDEST) for level in range(depth + 1)]
        self.multiple, self._blocks = 2**depth, 2 if style else 1
        self.down, self.up, self.styles = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        channels = 1
        for width in widths:
            self.down.append(_level(channels, width, self._blocks))
            channels = width
        for width in reversed(widths[:-1]):
            if style:
                self.styles.append(nn.Conv2d(widths[-1], width, 1))
                self.up.append(_Added(channels, width))
            else:
                self.up.append(_Residual(channels + width, width))
            channels = width
        self.last = nn.Conv2d(channels, 1, 1)

    @property
    def reach_px(self) -> int:
        """How far an input pixel reaches: to outputs this far away, and no further."""
        steps = range(len(self.up))
        ways = sum(4 * self._blocks * 2**level for level in steps)
        bottom = 2 * self._blocks * self.multiple
        style = _AROUND * self.multiple if self.styles else 0
        return ways + bottom + style + sum(2**level for level in steps)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (n, 1, y, x) to (n, 1, y, x)."""
        passed = []
        for level, block in enumerate(self.down):
            if level:
                x = functional.max_pool2d(x, 2)
            x = block(x)
            passed.append(x)
        deepest = passed.pop()
        style = around(deepest) if self.styles else None
        for level, block in enumerate(self.up):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            beside = passed.pop()
            if style is None:
                x = block(torch.cat([x, beside], dim=1))
                continue
            told = functional.interpolate(self.styles[level](style), size=x.shape[-2:])
            x = block(x, beside + told)
        out: Tensor = self.last(x)
        return out


def around(features: Tensor) -> Tensor:
    """Return the mean of features around every pixel, at length 1."""
    side = 2 * _AROUND + 1
    mean = functional.avg_pool2d(features, side, 1, _AROUND, count_include_pad=False)
    return functional.normalize(mean, dim=1)
