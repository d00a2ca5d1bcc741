"""ResNet generator of cycle-GANs: two halvings, residual blocks, two resize-convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from dermogan.networks.norm import InstanceNorm


def _convolved(channels: int, out: int, size: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, out, size, stride, size // 2, bias=False, padding_mode="reflect"),
        InstanceNorm(out),
    ]


class _Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolved(channels, channels, 3),
            nn.ReLU(inplace=True),
            *_convolved(channels, channels, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class ResNetGenerator(nn.Module):
    """ResNet from ``channels`` channels to one, without an output activation.

    Parameters
    ----------
    channels : int
    base : int
        Channels of the first level.
    blocks : int
        Number of residual blocks.
    """

    multiple = 4

    def __init__(self, channels: int, base: int, blocks: int) -> None:
        super().__init__()
        layers = [*_convolved(channels, base, 7), nn.ReLU(inplace=True)]
        for width in (base, 2 * base):
            layers += [*_convolved(width, 2 * width, 3, stride=2), nn.ReLU(inplace=True)]
        layers += [_Residual(4 * base) for _ in range(blocks)]
        for width in (4 * base, 2 * base):
            layers.append(nn.Upsample(scale_factor=2.0, mode="nearest"))
            layers += [*_convolved(width, width // 2, 3), nn.ReLU(inplace=True)]
        layers.append(nn.Conv2d(base, 1, 7, padding=3, padding_mode="reflect"))
        self.body = nn.Sequential(*layers)
        self._blocks = blocks

    @property
    def reach_px(self) -> int:
        """How far an input pixel reaches: to outputs this far away, and no further."""
        ends = 3 + 3
        ways = (1 + 2) + (2 + 1)  # halvings, and convolutions after doublings
        grids = 1 + 2  # within the cells of the coarse grids
        return ends + ways + 4 * 2 * self._blocks + grids

    def forward(self, x: Tensor) -> Tensor:
        """Map x (n, channels, y, x) to (n, 1, y, x)."""
        out: Tensor = self.body(x)
        return out
