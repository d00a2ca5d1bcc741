"""U-Nets one after the other, from coarse to fine (Kose et al., ISBI 2020; with one, a U-Net).

Each U-Net sees the image shrunk by its factor and, but for the first, the classes that the one
before it found, as probabilities. The last one's output has the size of the image.

Decision: images shrink by plain means and outputs grow bilinearly. A network of one U-Net at half
the size costs a quarter, and still draws smooth outlines at full size.

Decision: means lose what is finer than their pixels, such as whether an even grey is cells or
grain. Texture, found at full size by a few strided convolutions, can therefore stand beside them;
its means serve the coarser U-Nets too. It costs half as much again, where U-Nets at half the pixel
cost four times as much.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dermogan.networks.norm import BatchNorm
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
    texture : int
        Channels of texture beside the shrunk image; with any, the last scale is 2, 4, 8 or 16.
    """

    def __init__(
        self, base: int, depth: int, scales: Sequence[int], classes: int, texture: int = 0
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.texture = _texture(texture, self.scales[-1]) if texture else None
        seen = 1 + texture
        self.parts = nn.ModuleList(
            UNetGenerator(seen + (classes if level else 0), base, depth + level, "batch", classes)
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
        texture = 0 if self.texture is None else 4 * self.scales[-1]
        return sum(scale * (net.reach_px + 2) for scale, net in self._each) + texture

    def levels(self, x: Tensor) -> list[Tensor]:
        """Map images x (n, 1, y, x) to the logits of every U-Net, each at its own size."""
        found: list[Tensor] = []
        fine = None if self.texture is None else self.texture(x)
        for scale, net in self._each:
            seen = shrunk(x, scale)
            if fine is not None:
                seen = torch.cat([seen, shrunk(fine, scale // self.scales[-1])], dim=1)
            if found:
                before = torch.softmax(found[-1].float(), dim=1).to(seen.dtype)
                seen = torch.cat([seen, resized(before, seen.shape[-2:])], dim=1)
            found.append(net(seen))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Map images x (n, 1, y, x) to logits (n, classes, y, x)."""
        return resized(self.levels(x)[-1], x.shape[-2:])


def _texture(channels: int, scale: int) -> nn.Sequential:
    """Return convolutions from images to ``channels`` channels of a side ``scale`` times less."""
    layers: list[nn.Module] = []
    before, side = 1, scale
    while side > 1:
        layers += [nn.Conv2d(before, channels, 4, stride=2, padding=1, bias=False)]
        layers += [BatchNorm(channels), nn.LeakyReLU(0.1, inplace=True)]
        layers += [nn.Conv2d(channels, channels, 3, padding=1, bias=False)]
        layers += [BatchNorm(channels), nn.LeakyReLU(0.1, inplace=True)]
        before, side = channels, side // 2
    return nn.Sequential(*layers)


def shrunk(x: Tensor, times: int) -> Tensor:
    """Shrink x (n, channels, y, x) by plain means."""
    return functional.avg_pool2d(x, times) if times > 1 else x


def resized(x: Tensor, sides: Sequence[int]) -> Tensor:
    """Grow x (n, channels, y, x) to other sides, bilinearly."""
    if x.shape[-2:] == tuple(sides):
        return x
    return functional.interpolate(x, size=list(sides), mode="bilinear", align_corners=False)
