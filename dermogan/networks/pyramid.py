"""U-Nets one after the other, from coarse to fine (Kose et al., ISBI 2020; with one, a U-Net).

Each U-Net sees the image shrunk by its factor and, but for the first, the classes that the one
before it found, as probabilities. The last one's output has the size of the image.

Decision: images shrink by plain means and outputs grow bilinearly. A network of one U-Net at half
the size costs a quarter, and still draws smooth outlines at full size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dermogan.networks.unet import UNetGenerator


class PyramidNet(nn.Module):
    """Network from images to logits of classes.

    Parameters
    ----------
    base, depth : int
        Of the first U-Net; every further one has one halving more.
    scales : sequence of int
        How many times the image is shrunk for each, falling.
    classes : int
        Channels of the output.
    """

    def __init__(self, base: int, depth: int, scales: Sequence[int], classes: int) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.parts = nn.ModuleList(
            UNetGenerator(1 + (classes if level else 0), base, depth + level, "batch", classes)
            for level in range(len(self.scales))
        )

    @property
    def _each(self) -> list[tuple[int, UNetGenerator]]:
        nets = [part for part in self.parts if isinstance(part, UNetGenerator)]
        return list(zip(self.scales, nets, strict=True))

    @property
    def last(self) -> nn.Conv2d:
        """The convolution whose output, grown, is the network's."""
        return self._each[-1][1].last

    @property
    def multiple(self) -> int:
        """Sides of images are multiples of this."""
        return max(scale * net.multiple for scale, net in self._each)

    @property
    def reach_px(self) -> int:
        """How far an input pixel reaches: through every U-Net, shrinking and growing."""
        return sum(scale * (net.reach_px + 2) for scale, net in self._each)

    def levels(self, x: Tensor) -> list[Tensor]:
        """Map images x (n, 1, y, x) to the logits of every U-Net, each at its own size."""
        found: list[Tensor] = []
        for scale, net in self._each:
            seen = functional.avg_pool2d(x, scale) if scale > 1 else x
            if found:
                before = torch.softmax(found[-1].float(), dim=1).to(seen.dtype)
                seen = torch.cat([seen, resized(before, seen.shape[-2:])], dim=1)
            found.append(net(seen))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Map images x (n, 1, y, x) to logits (n, classes, y, x)."""
        return resized(self.levels(x)[-1], x.shape[-2:])


def resized(x: Tensor, sides: Sequence[int]) -> Tensor:
    """Grow x (n, channels, y, x) to other sides, bilinearly."""
    if x.shape[-2:] == tuple(sides):
        return x
    return functional.interpolate(x, size=list(sides), mode="bilinear", align_corners=False)
