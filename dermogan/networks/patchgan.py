"""Discriminator that judges patches (Isola et al., CVPR 2017)."""

from __future__ import annotations

from torch import Tensor, nn

from dermogan.networks.norm import InstanceNorm


class PatchDiscriminator(nn.Module):
    """One judgement per patch; a patch is 16, 34, 70 or 142 px wide for 1 to 4 layers.

    Parameters
    ----------
    base : int
        Channels of the first layer; they double up to eight times.
    layers : int
        Convolutions with stride 2.
    channels : int
        Of what is judged.
    convolution : type
        Of pictures, or of volumes.
    """

    def __init__(
        self,
        base: int,
        layers: int,
        channels: int = 1,
        convolution: type[nn.Conv2d | nn.Conv3d] = nn.Conv2d,
    ) -> None:
        super().__init__()
        first = convolution(channels, base, 4, 2, 1)
        parts: list[nn.Module] = [first, nn.LeakyReLU(0.2, inplace=True)]
        width = base
        for layer in range(1, layers + 1):
            out = base * min(2**layer, 8)
            stride = 1 if layer == layers else 2
            parts += [
                convolution(width, out, 4, stride, 1, bias=False),
                InstanceNorm(out),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            width = out
        parts.append(convolution(width, 1, 4, 1, 1))
        self.body = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        """Judge x (n, channels, [z], y, x): a map (n, 1, ·, ·), 1 for real and 0 for made."""
        out: Tensor = self.body(x)
        return out
