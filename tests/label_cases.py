"""Pairs of label images for which other libraries' scores are recorded in tests/data.

The images are drawn by integer arithmetic alone, so that they are the same everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CASES = ("equal", "jittered", "merged", "split", "sparse", "crowded", "halves", "empty")


def case(name: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return truth and prediction of a case."""
    truth = nearest(seeds(40, 1), (96, 80))
    if name == "equal":
        return truth, truth[::1] * 3
    if name == "jittered":
        return truth, nearest(seeds(40, 1) + seeds(40, 2) % 9 - 4, (96, 80))
    if name == "merged":
        return truth, (truth + 1) // 2
    if name == "split":
        half = nearest(seeds(80, 3), (96, 80))
        return truth, half
    if name == "sparse":
        return discs(12, 4), discs(12, 4, shift=3)
    if name == "crowded":
        return discs(60, 5), discs(60, 6)
    if name == "halves":  # each half of a prediction is a true object: IoU exactly 0.5
        blocks = np.arange(96)[:, None] // 8 * 5 + np.arange(80)[None, :] // 16 + 1
        return blocks.astype(np.int32), ((blocks + 1) // 2).astype(np.int32)
    return truth, np.zeros_like(truth)


def seeds(n: int, key: int) -> NDArray[np.int64]:
    """Return points by a linear congruence."""
    state, out = 12345 + 7919 * key, []
    for _ in range(2 * n):
        state = (1103515245 * state + 12345) % 2**31
        out.append(state >> 8)
    return np.array(out).reshape(n, 2) % np.array([96, 80])


def nearest(points: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Label each pixel by its nearest point; far from all of them, and lines, are background."""
    y, x = np.indices(shape)
    far = (y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2
    two = np.sort(far, axis=-1)
    line = (two[..., 1] - two[..., 0]) < 14
    return np.where(line | (two[..., 0] > 150), 0, far.argmin(axis=-1) + 1).astype(np.int32)


def discs(n: int, key: int, shift: int = 0) -> NDArray[np.int32]:
    """Draw discs over each other."""
    y, x = np.indices((96, 80))
    labels = np.zeros((96, 80), np.int32)
    for number, (cy, cx) in enumerate(seeds(n, key), 1):
        radius = 4 + number % 6
        labels[(y - cy - shift) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return labels
