"""Labels that lie beside the borders that the image shows, by the same few pixels everywhere.

Decision: annotators' tools count pixels from 0 or from 1, or draw beside the line. Whatever images
measure by borders is then blurred, and borders would be matched as faint. One shift is looked
for over all images; a shift of single images could follow noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from simcell.arrays import BoolArray, FloatArray, Image, IntArray

_FARTHEST = 3  # pixels
_SHARE = 0.25  # of a cell's radius, that a shift is at most
_BETTER = 1.03  # times as clear as where they lie, that borders have to be


def shift_of(
    images: Sequence[Image],
    labels: Sequence[IntArray],
    known: Sequence[BoolArray],
    radius_px: float,
) -> tuple[int, int]:
    """Return by how many pixels (y, x) labels have to be moved onto the images' borders.

    Parameters
    ----------
    images, labels, known : sequences of array (y, x)
        Labels of tissue without gaps; what lies outside of ``known`` does not count.
    radius_px : float
        Of the mean cell.

    Examples
    --------
    >>> labels = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((16, 16))).astype(np.int32)
    >>> image = np.where(borders(labels), 60, 150).astype(np.float32)
    >>> shift_of([np.roll(image, (2, -1), (0, 1))], [labels], [labels > 0], 9.0)
    (2, -1)
    """
    most = min(_FARTHEST, int(_SHARE * radius_px))
    total = sum(
        (
            _clearness(image, one, seen, radius_px, most)
            for image, one, seen in zip(images, labels, known, strict=True)
        ),
        np.zeros((2 * most + 1, 2 * most + 1)),
    )
    best = np.unravel_index(int(np.abs(total).argmax()), total.shape)
    if abs(total[best]) < _BETTER * abs(total[most, most]):
        return 0, 0
    return int(best[0]) - most, int(best[1]) - most


def borders(labels: IntArray) -> BoolArray:
    """Return the pixels with a neighbour of another label, on both sides of a border."""
    found = np.zeros(labels.shape, np.bool_)
    for axis in (0, 1):
        one, other = np.moveaxis(found, axis, 0), np.moveaxis(labels, axis, 0)
        differ = other[1:] != other[:-1]
        one[1:] |= differ
        one[:-1] |= differ
    return found


def moved(labels: IntArray, shift: tuple[int, int]) -> IntArray:
    """Move labels; what comes in from outside repeats the edge."""
    return np.asarray(ndimage.shift(labels, shift, order=0, mode="nearest"), np.int32)


def seen_still(known: BoolArray, shift: tuple[int, int]) -> BoolArray:
    """Move what is known; what comes in from outside is not."""
    return np.asarray(
        ndimage.shift(known.astype(np.uint8), shift, order=0, mode="constant") > 0, np.bool_
    )


def _clearness(
    image: Image, labels: IntArray, known: BoolArray, radius_px: float, most: int
) -> FloatArray:
    """Return the level of borders above all else, in sd of the image, for every shift."""
    flat = image - ndimage.gaussian_filter(image, 2.0 * radius_px)
    flat = (flat - flat[known].mean()) / (flat[known].std() + 1e-9)
    edge = borders(labels) & ndimage.binary_erosion(known, iterations=most + 1)
    y, x = np.nonzero(edge)
    size = 2 * most + 1
    if not len(y):
        return np.zeros((size, size))
    steps = range(-most, most + 1)
    return np.array([[flat[y + i, x + k].mean() for k in steps] for i in steps])
