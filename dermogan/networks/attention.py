"""Discriminator of patches with linear attention after its first layer.

Attention in linear time: softmax over the channels of what asks and over the pixels of what is
asked for; then sums over pixels come first (Shen et al., WACV 2021). Its output is added to its
input.
"""

from __future__ import annotations

from torch import Tensor, nn

from dermogan.networks.patchgan import PatchDiscriminator


class LinearAttention(nn.Module):
    """Attention over all pixels, added to its input.

    Parameters
    ----------
    channels : int
    heads : int
    width : int
        Channels of every head.
    """

    def __init__(self, channels: int, heads: int, width: int) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.to_three = nn.Conv2d(channels, 3 * heads * width, 1, bias=False)
        self.back = nn.Conv2d(heads * width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within x (n, channels, y, x)."""
        n, _, height, wide = x.shape
        three = self.to_three(x).reshape(n, 3, self.heads, self.width, height * wide)
        asks, keys, values = three.unbind(1)
        asks = asks.softmax(dim=-2) * self.width**-0.5
        context = keys.softmax(dim=-1) @ values.transpose(-1, -2)  # (n, heads, width, width)
        found = (context.transpose(-1, -2) @ asks).reshape(n, -1, height, wide)
        out: Tensor = x + self.back(found)
        return out


def attentive(base: int, layers: int, heads: int, width: int) -> PatchDiscriminator:
    """Build a discriminator of patches whose first layer's features attend to each other."""
    judge = PatchDiscriminator(base, layers)
    judge.body.insert(2, LinearAttention(base, heads, width))
    return judge
