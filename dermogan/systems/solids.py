"""What systems of volumes share: masks, how they overlap, and how they are shown."""

from __future__ import annotations

from torch import Tensor, nn

from dermogan.networks import PatchDiscriminator, solid
from dermogan.systems.base import OneNetwork
from dermogan.volumetric import SolidJudge, Volumetric


class MaskSystem(OneNetwork):
    """A network on simulated pairs of volume and masks.

    Parameters
    ----------
    spec : Volumetric
    """

    def __init__(self, spec: Volumetric) -> None:
        super().__init__()
        self.network = solid(spec.network, 1, spec.channels)


def dice_of_channels(probability: Tensor, target: Tensor) -> Tensor:
    """Return 1 minus the soft Dice overlap of every channel of every volume, a mean.

    One is added to both sums, so that two empty channels agree.

    Parameters
    ----------
    probability, target : Tensor (n, channels, z, y, x)
    """
    axes = tuple(range(2, target.ndim))
    shared = 2 * (probability * target).sum(axes) + 1
    return (1 - shared / (probability.sum(axes) + target.sum(axes) + 1)).mean()


def weighted_mae(one: Tensor, other: Tensor, weights: Tensor) -> Tensor:
    """Return the mean absolute difference, in which every channel counts by its weight.

    Parameters
    ----------
    one, other : Tensor (n, channels, z, y, x)
    weights : Tensor (channels,)
    """
    each = (one - other).abs().mean(dim=(0, 2, 3, 4))
    return (weights * each).sum() / weights.sum()


def judge(spec: SolidJudge, channels: int) -> PatchDiscriminator:
    """Build a discriminator of volumes."""
    return PatchDiscriminator(spec.base, spec.layers, channels, nn.Conv3d)


def shown(masks: Tensor) -> Tensor:
    """Return masks (n, channels, z, y, x) as greys (n, 1, z, y, x): nuclei dim, Golgi bright."""
    return (0.4 * masks[:, :1] + masks[:, 1:2]).clamp(max=1).detach()
