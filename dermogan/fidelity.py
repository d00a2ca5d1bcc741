"""How alike two sets of images are, by the statistics of their features: FID and KID.

Decision: both were defined on features of Inception, trained on photographs, which cannot be had
offline. Here features are those of `dermogan.perceptual`: by default of the shipped ``confluent``.
Such distances compare sets of images with each other; beside published numbers they say nothing.

Decision: an image is cut into squares, and a square's features are means over its pixels. Both
distances want many more squares than there are features; KID is unbiased where they are few.

References
----------
Heusel et al., NeurIPS 2017 (FID); Binkowski et al., ICLR 2018 (KID).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dermogan.errors import DermoganError
from dermogan.filters import FloatImage
from dermogan.perceptual import Features

Float = NDArray[np.float64]
_AT_ONCE = 64


@dataclass(frozen=True)
class Fidelity:
    """Distances of two sets of images; 0 where they are alike.

    Attributes
    ----------
    fid, kid : float
    squares : tuple of int
        How many squares of each set they are drawn from.
    by : str
        Whose features.
    """

    fid: float
    kid: float
    squares: tuple[int, int]
    by: str


def fidelity(
    real: Iterable[FloatImage], made: Iterable[FloatImage], by: Features, side_px: int = 64
) -> Fidelity:
    """Compare normalised images (y, x), in -1..1."""
    one, other = (described(images, by, side_px) for images in (real, made))
    return Fidelity(frechet(one, other), kernel(one, other), (len(one), len(other)), by.said)


def described(images: Iterable[FloatImage], by: Features, side_px: int) -> Float:
    """Return the features (squares, channels) of all squares that images are cut into."""
    squares = [square for image in images for square in _squares(image, side_px)]
    if len(squares) < 2:
        msg = f"{len(squares)} squares of {side_px} px: two are needed; give more or larger images"
        raise DermoganError(msg)
    found = []
    with torch.inference_mode():
        for at in range(0, len(squares), _AT_ONCE):
            batch = torch.from_numpy(np.stack(squares[at : at + _AT_ONCE]))[:, None]
            found.append(by(batch)[-1].mean((2, 3)).double().numpy())
    return np.concatenate(found)


def _squares(image: FloatImage, side: int) -> Iterator[FloatImage]:
    for y in range(0, image.shape[0] - side + 1, side):
        for x in range(0, image.shape[1] - side + 1, side):
            yield image[y : y + side, x : x + side]


def frechet(one: Float, other: Float) -> float:
    """Return the Fréchet distance of two normal distributions with the moments of samples.

    Parameters
    ----------
    one, other : float64 array (n, channels)

    Examples
    --------
    >>> frechet(np.array([[-1.0], [1.0]]), np.array([[2.0], [8.0]]))  # 5² + (√18 - √2)²
    33.0
    """
    shift = one.mean(0) - other.mean(0)
    first, second = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (one, other))
    root = _root(first)
    both = np.linalg.eigvalsh(root @ second @ root)  # has the eigenvalues of first @ second
    shared = np.sqrt(both.clip(min=0)).sum()
    return round(float(shift @ shift + np.trace(first) + np.trace(second) - 2 * shared), 12)


def _root(matrix: Float) -> Float:
    """Return the square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    found: Float = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return found


def kernel(one: Float, other: Float) -> float:
    """Return the squared maximum mean discrepancy, unbiased, by the kernel (x·y / d + 1)³.

    Parameters
    ----------
    one, other : float64 array (n, d)

    Examples
    --------
    >>> kernel(np.zeros((2, 1)), np.ones((3, 1)))  # 1 + 2³ - 2
    7.0
    """
    within = 0.0
    for each in (one, other):
        values, n = _cubic(each, each), len(each)
        within += (values.sum() - np.trace(values)) / (n * (n - 1))
    return float(within - 2 * _cubic(one, other).mean())


def _cubic(one: Float, other: Float) -> Float:
    found: Float = (one @ other.T / one.shape[1] + 1) ** 3
    return found
