"""Normalisation of features that is the same for a tile as for the whole image, once trained.

Decision: while training, images are normalised by their own statistics (each by itself, as
cycle-GANs have it, or the batch as one) and their running average is kept; afterwards that average
is used. Statistics of a tile would differ from those of the whole image and leave seams. The
price: a new image is taken to have the statistics of those seen in training. Where images of many
looks are learnt from, each one's own statistics are too far from the average, and those of the
batch are better.

Decision: a batch that several devices share is normalised as one, or training on two devices would
not be training with a batch of twice the size.

Decision: the group norm of torch with one channel a group. Its instance norm gives wrong
gradients on the CPU for a batch of one in the memory format channels_last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

_EPS = 1e-5
_MEMORY = 0.99
_BATCH_MEMORY = 0.95


def _by(x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Normalise x (n, channels, y, x) by given statistics of channels."""
    scale = weight * torch.rsqrt(variance + _EPS)
    shift = bias - mean * scale
    sides = [1] * (x.ndim - 2)
    return x * scale.view(-1, *sides) + shift.view(-1, *sides)


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
        """Normalise x (n, channels, [z], y, x)."""
        if not self.training:
            return _by(x, self.mean, self.variance, self.weight, self.bias)
        x = x.to(self.weight.dtype).contiguous()  # statistics in single precision
        n, channels = x.shape[:2]
        out, mean, rstd = torch.native_group_norm(
            x, self.weight, self.bias, n, channels, math.prod(x.shape[2:]), channels, _EPS
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


class BatchNorm(nn.Module):
    """Normalise every channel of a batch; afterwards, or once frozen, by the average statistics.

    Parameters
    ----------
    channels : int

    Attributes
    ----------
    frozen : bool
        Whether the average statistics are used in training too, and change no more.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.frozen = False

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (n, channels, [z], y, x)."""
        if self.frozen or not self.training:
            return _by(x, self.mean, self.variance, self.weight, self.bias)
        x = x.to(self.weight.dtype)  # statistics in single precision
        share = 1 - _BATCH_MEMORY if self.mean.any() else 1.0  # the first batch is all there is
        if distributed.is_available() and distributed.is_initialized():
            mean, variance = _of_all_devices(x)
            with torch.no_grad():
                self.mean.lerp_(mean, share)
                self.variance.lerp_(variance, share)
            return _by(x, mean, variance, self.weight, self.bias)
        return functional.batch_norm(
            x, self.mean, self.variance, self.weight, self.bias, True, share, _EPS
        )


def _of_all_devices(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the channels of a batch that devices share evenly."""
    from torch.distributed.nn.functional import all_reduce

    axes = (0, *range(2, x.ndim))
    sums = torch.stack([x.mean(axes), x.square().mean(axes)])
    mean, square = all_reduce(sums) / distributed.get_world_size()
    return mean, (square - mean.square()).clamp(min=0)


def folded(network: nn.Module) -> nn.Module:
    """Put the average statistics into the convolutions before them, for a third less work.

    The network can be used as before, and learns no more.
    """
    for part in network.modules():
        if not isinstance(part, nn.Sequential):
            continue
        for at, (one, norm) in enumerate(pairwise(list(part))):
            if isinstance(one, nn.Conv2d | nn.Conv3d) and isinstance(
                norm, BatchNorm | InstanceNorm
            ):
                _fold(one, norm)
                part[at + 1] = nn.Identity()
    return network.eval().requires_grad_(False)


@torch.no_grad()
def _fold(one: nn.Conv2d | nn.Conv3d, norm: BatchNorm | InstanceNorm) -> None:
    scale = norm.weight * torch.rsqrt(norm.variance + _EPS)
    shift = norm.bias - norm.mean * scale
    if one.bias is not None:
        shift = shift + one.bias * scale
    one.weight.mul_(scale.view(-1, *[1] * (one.weight.ndim - 1)))
    one.bias = nn.Parameter(shift)


def freeze(network: nn.Module, frozen: bool) -> None:
    """Freeze the statistics of a network's batches, or let them follow again."""
    for part in network.modules():
        if isinstance(part, BatchNorm):
            part.frozen = frozen


@contextmanager
def unremembered(network: nn.Module) -> Iterator[None]:
    """Let a network see what its average statistics should not know of."""
    parts = [part for part in network.modules() if isinstance(part, BatchNorm | InstanceNorm)]
    kept = [dict(part.named_buffers()) for part in parts]
    for part in parts:
        for name, value in part.named_buffers():
            setattr(part, name, value.clone())
    try:
        yield
    finally:
        for part, values in zip(parts, kept, strict=True):
            for name, value in values.items():
                setattr(part, name, value)
