"""Losses, each a mean over everything it is given."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def lsgan_generator(judged_made: Tensor) -> Tensor:
    """Return the mean square distance from 1: what is made should pass as real.

    Examples
    --------
    >>> float(lsgan_generator(torch.tensor([0.0, 1.0])))
    0.5
    """
    return ((judged_made - 1) ** 2).mean()


def lsgan_discriminator(judged_real: Tensor, judged_made: Tensor) -> Tensor:
    """Return half the mean squares: real should be judged 1, made 0 (Mao et al., ICCV 2017).

    Decision: the paper's equation 4 asks for the reverse, made 1 and real 0. Against its
    equation 1, by which makers want 1, both would want the same, and nothing would be
    adversarial. The convention of least-squares GANs is used.
    """
    return ((judged_real - 1) ** 2).mean() / 2 + (judged_made**2).mean() / 2


def mae(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean absolute difference: identity, cycle and agreement losses."""
    return (one - other).abs().mean()


def dice(probability: Tensor, target: Tensor) -> Tensor:
    """Return 1 minus the Dice overlap, soft, averaged over images.

    One is added to both sums, so that two empty images agree.
    """
    axes = tuple(range(1, target.ndim))
    shared = 2 * (probability * target).sum(axes) + 1
    return (1 - shared / (probability.sum(axes) + target.sum(axes) + 1)).mean()


def cross_entropy(logits: Tensor, target: Tensor, focal: float = 0.0) -> Tensor:
    """Return the binary cross-entropy, soft targets allowed.

    With ``focal`` γ > 0, pixels weigh their distance from the target to the power of γ
    (Lin et al., ICCV 2017), which
    leaves out what is learnt already.
    """
    if focal == 0:
        return functional.binary_cross_entropy_with_logits(logits, target)
    plain = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    # Away from 0, where the power has no gradient.
    miss = (target - torch.sigmoid(logits)).abs().clamp(min=1e-6)
    return (miss**focal * plain).mean()
