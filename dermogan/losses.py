"""Losses, each a mean over everything it is given."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dermogan.filters import FloatImage


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


def class_cross_entropy(logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
    """Return the cross-entropy of classes, a weighted mean over the pixels that have one.

    Decision: the sum is divided by the weights of the pixels in it. Their relative weights are
    the same as if it were divided by the number of pixels, and the loss has one size whatever
    is in a batch. Without any class it is 0.

    Parameters
    ----------
    logits : Tensor (n, classes, y, x)
    classes : int64 Tensor (n, y, x)
        1, 2, ...; 0 = not known, and ignored.
    weights : Tensor (classes,)
    """
    total = functional.cross_entropy(logits, classes - 1, weights, ignore_index=-1, reduction="sum")
    known = functional.pad(weights, (1, 0))[classes].sum()
    return total / known.clamp(min=1e-12)


def boundary(probability: Tensor, distances: Tensor) -> Tensor:
    """Return the boundary loss: probability times signed distance, a mean over pixels.

    It falls where classes keep within their own outlines, whatever the weights of classes: a
    band that grows too thick pays for every pixel beyond its edge, and more the farther it lies.

    Parameters
    ----------
    probability : Tensor (n, classes, y, x)
    distances : Tensor (n, classes, y, x)
        As `signed_distances` gives them; 0 where no class is known.

    References
    ----------
    Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019.
    """
    return (probability * distances).sum(1).mean()


def signed_distances(classes: NDArray[np.integer], count: int, most_px: float) -> FloatImage:
    """Return how far pixels lie outside the region of every class, inside it negative.

    An outline towards pixels of no class is none.

    Parameters
    ----------
    classes : integer array (y, x)
        1 ... count; 0 = not known.
    count : int
        Number of classes.
    most_px : float
        What counts as 1; no distance counts for more, either way.

    Returns
    -------
    float32 array (count, y, x)
        From -1 to 1; 0 where no class is known. The outline lies half a pixel from the
        middles of the pixels on either side of it.

    Examples
    --------
    >>> signed_distances(np.array([[1, 1, 2, 2]]), 2, 2.0)[0].tolist()
    [[-0.75, -0.25, 0.25, 0.75]]
    """
    found = np.zeros((count, *classes.shape), np.float32)
    known = classes > 0
    for number, distance in enumerate(found, 1):
        mine = classes == number
        if mine.any():
            others = known & ~mine
            distance += _to_zero(~mine) - _to_zero(~others) + np.where(mine, 0.5, -0.5)
            distance /= np.float32(most_px)
        else:
            distance += 1
    return np.where(known, np.clip(found, -1, 1), 0).astype(np.float32)


def _to_zero(mask: NDArray[np.bool_]) -> FloatImage:
    """Return the distance of every pixel to the nearest that is not marked; far without one."""
    if mask.all():
        return np.full(mask.shape, 1e6, np.float32)
    found = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(found, np.float32)
