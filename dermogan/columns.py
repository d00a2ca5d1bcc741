"""Class maps of layers that follow each other down every column, in the order of their names.

Decision: a border lies where it is as likely as not to have been passed: on either side of it lie
as few pixels as possible that are more likely on the other. Unlike the likeliest class of every
pixel, the borders cannot change places, leave no islands, and a thin layer whose place is
uncertain is found with its thickness, in place of being found too thick or not at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dermogan.semantic import ClassMaps, Layers

_AT_ONCE = 2**24  # numbers


def classes_of(system: ClassMaps, probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the class map (y, x) of what a system's network gives of an image.

    Parameters
    ----------
    system : ClassMaps
    probability : float32 array (classes, y, x)
    """
    if system.found_weights:
        probability = probability * np.array(system.found_weights, np.float32)[:, None, None]
    if isinstance(system, Layers) and system.found_by == "column":
        return layers_of(probability)
    return (probability.argmax(axis=0) + 1).astype(np.uint8)


def layers_of(probability: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the layers of an image, 1, 2, ... from top to bottom.

    Parameters
    ----------
    probability : array (classes, y, x)
        Of every layer, in their order; in any unit.

    Returns
    -------
    uint8 array (y, x)
        A layer may be missing from a column.

    Examples
    --------
    The third pixel is likelier of the first layer than of any other; the second comes before it.

    >>> first, second = [0.9, 0.8, 0.4, 0.1], [0.1, 0.2, 0.3, 0.2]
    >>> third = [0.0, 0.0, 0.3, 0.7]
    >>> layers_of(np.array([first, second, third])[..., None])[:, 0].tolist()
    [1, 1, 2, 3]
    """
    count, height, width = probability.shape
    found = np.empty((height, width), np.uint8)
    step = max(1, _AT_ONCE // (count * height))
    for start in range(0, width, step):
        part = np.asarray(probability[..., start : start + step], np.float32)
        found[:, start : start + step] = 1 + _passed(part).sum(axis=0)
    return found


def _passed(probability: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark the pixels that lie below each border, (classes - 1, y, x)."""
    height = probability.shape[1]
    above = np.cumsum(probability, axis=0)
    # How much likelier each pixel lies above a border than below; below the last one none does.
    gain = np.cumsum(2 * above[:-1] - above[-1:], axis=1)
    gain = np.concatenate([np.zeros_like(gain[:, :1]), gain], axis=1)
    borders = np.maximum.accumulate(gain.argmax(axis=1), axis=0)
    rows = np.arange(height)[None, :, None]
    return np.asarray(rows >= borders[:, None])
