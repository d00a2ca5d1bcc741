"""Which parts of an image show something: four features of grey-level co-occurrence, and a line.

Haralick's homogeneity, contrast, dissimilarity and energy of square windows, and a linear support
vector machine on them. The machine's numbers were learnt from simulated samples by `learnt`
so that no labelled image is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
Float = NDArray[np.float64]

LEVELS = 16
BLOCK_PX = 16
"""Windows are two blocks wide, and half overlap."""


class Machine(NamedTuple):
    """A linear machine: informative where ``weights · (features - mean) / sd + bias > 0``."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def __call__(self, features: Float) -> Float:
        """Return on which side of the line features (..., 4) lie, and how far."""
        scaled = (features - np.array(self.mean)) / np.array(self.sd)
        return np.asarray(scaled @ np.array(self.weights) + self.bias)


def features(image: Map) -> Float:
    """Return homogeneity, contrast, dissimilarity and energy of the windows of an image.

    Parameters
    ----------
    image : float32 array (y, x)
        Two blocks wide at least.

    Returns
    -------
    float64 array (rows, columns, 4)
        Of windows that begin at every block but the last.

    Examples
    --------
    >>> flat = features(np.zeros((32, 32), np.float32))
    >>> flat[0, 0].tolist()
    [1.0, 0.0, 0.0, 1.0]
    """
    grey = _levels(image)
    rows, columns = (side // BLOCK_PX for side in image.shape)
    blocks = np.zeros((rows, columns, LEVELS, LEVELS))
    for down, right in ((0, 1), (1, 0)):
        blocks += _pairs(grey, down, right, rows, columns)
    blocks = blocks + blocks.swapaxes(2, 3)  # either of a pair comes first
    windows = blocks[:-1, :-1] + blocks[1:, :-1] + blocks[:-1, 1:] + blocks[1:, 1:]
    share = windows / windows.sum(axis=(2, 3), keepdims=True)
    apart = np.abs(np.subtract.outer(np.arange(LEVELS), np.arange(LEVELS)))
    return np.stack(
        [
            (share / (1 + apart**2)).sum(axis=(2, 3)),
            (share * apart**2).sum(axis=(2, 3)),
            (share * apart).sum(axis=(2, 3)),
            np.sqrt((share**2).sum(axis=(2, 3))),
        ],
        axis=-1,
    )


def _levels(image: Map) -> NDArray[np.int64]:
    """Return grey levels 0 to 15, evenly between the darkest and the brightest percent."""
    low, high = np.percentile(image, [1, 99])
    scaled = (image - low) / max(float(high - low), 1e-12) * LEVELS
    return np.clip(scaled, 0, LEVELS - 1).astype(np.int64)


def _pairs(
    grey: NDArray[np.int64], down: int, right: int, rows: int, columns: int
) -> NDArray[np.int64]:
    """Count pairs of levels of neighbours by the block of the first, (rows, columns, 16, 16)."""
    height, width = rows * BLOCK_PX, columns * BLOCK_PX
    one = grey[: height - down, : width - right]
    other = grey[down:height, right:width]
    block = (np.arange(one.shape[0]) // BLOCK_PX)[:, None] * columns
    block = block + np.arange(one.shape[1]) // BLOCK_PX
    code = (block * LEVELS + one) * LEVELS + other
    counts = np.bincount(code.reshape(-1), minlength=rows * columns * LEVELS**2)
    return counts.reshape(rows, columns, LEVELS, LEVELS)


def informative(image: Map, machine: Machine, doubt: float = 0.0) -> Mask:
    """Mark where an image (y, x) shows something; all of it where it is too small to say.

    What lies within ``doubt`` of the machine's line, on the wrong side, is marked too.
    """
    if min(image.shape) < 2 * BLOCK_PX:
        return np.ones(image.shape, np.bool_)
    score = machine(features(image)).astype(np.float32)
    # Scores stand in the middles of windows, a block from the edge.
    inner = [len_ * BLOCK_PX for len_ in score.shape]
    grown = cv2.resize(score, (inner[1], inner[0]), interpolation=cv2.INTER_LINEAR)
    top = left = BLOCK_PX // 2
    bottom, right = image.shape[0] - inner[0] - top, image.shape[1] - inner[1] - left
    whole = cv2.copyMakeBorder(grown, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(whole > -doubt)


def learnt(
    seen: Sequence[Float], wanted: Sequence[Mask], *, steps: int = 2000, slack: float = 1e-3
) -> Machine:
    """Learn a machine from features (n, 4) and what they show, image by image.

    The hinge loss is lowered by plain steps along its gradient, both classes counting the same
    (Pegasos, Shalev-Shwartz et al., ICML 2007, without its draws).
    """
    x, y = np.concatenate(seen), np.where(np.concatenate(wanted), 1.0, -1.0)
    mean, sd = x.mean(axis=0), x.std(axis=0) + 1e-12
    x = np.column_stack([(x - mean) / sd, np.ones(len(x))])
    share = np.where(y > 0, 0.5 / max((y > 0).sum(), 1), 0.5 / max((y < 0).sum(), 1))
    line = np.zeros(x.shape[1])
    average = np.zeros_like(line)
    for step in range(1, steps + 1):
        lost = y * (x @ line) < 1
        slope = slack * line * [1, 1, 1, 1, 0] - (share * y * lost) @ x
        line -= slope / np.sqrt(step)
        average += (line - average) / step
    return Machine(tuple(mean), tuple(sd), tuple(average[:-1]), float(average[-1]))
