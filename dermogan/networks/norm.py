"""Instance normalisation that is the same for a tile as for the whole image, once trained.

Decision: while training, every image is normalised by its own statistics, as cycle-GANs have it,
and their running average is kept; afterwards that average is used. Statistics of a tile would
differ from those of the whole image and leave seams. The price: a new image is taken to have the
statistics of those seen in training, which the local normalisation of inputs sees to.

Decision: the group norm of torch with one channel a group. Its instance norm gives wrong
gradients on the CPU for a batch of one in the memory format channels_last.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_EPS = 1e-5
_MEMORY = 0.99


class InstanceNorm(nn.Module):
    """Normalise every channel of every image; afterwards, by the average statistics.

    Parameters
    ----------
    channels : int
    """

    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (n, channels, y, x)."""
        if not self.training:
            scale = self.weight * torch.rsqrt(self.variance + _EPS)
            shift = self.bias - self.mean * scale
            return x * scale[:, None, None] + shift[:, None, None]
        x = x.to(self.weight.dtype).contiguous()  # statistics in single precision
        n, channels, height, width = x.shape
        out, mean, rstd = torch.native_group_norm(
            x, self.weight, self.bias, n, channels, height * width, channels, _EPS
        )
        self._remember(mean.detach().to(self.mean), rstd.detach().to(self.mean))
        return out

    @torch.no_grad()
    def _remember(self, mean: Tensor, rstd: Tensor) -> None:
        """Update the average: a plain mean at first, then with a fixed memory."""
        self.seen += 1
        share = (1 / self.seen).clamp(min=1 - _MEMORY)
        self.mean.lerp_(mean.mean(0), share)
        self.variance.lerp_((rstd.pow(-2) - _EPS).mean(0), share)
