"""Handmade samples that are large enough for pyramids: flat ones and volumes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from simcell.arrays import Grid
from simcell.sample import OBJECT_COLUMNS_2D, OBJECT_COLUMNS_3D, Sample
from simcell.scene import Scene

FLAT = ((612, 700), (0.5, 0.5))
DEEP = ((12, 300, 276), (2.0, 0.5, 0.5))
STEP = 4
"""Sides of every object are multiples of so many pixels, and so are their corners."""


def boxes(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Labels of boxes that two halvings leave whole, one a tile of the field."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    tile = tuple(min(n // STEP * STEP, 15 * STEP) for n in shape)
    corners = [range(0, n - t + 1, t) for n, t in zip(shape, tile, strict=True)]
    for label, corner in enumerate(
        np.stack(np.meshgrid(*corners, indexing="ij"), -1).reshape(-1, len(shape)), 1
    ):
        low = rng.integers(0, [max(1, t // STEP // 2) for t in tile]) * STEP
        high = [
            rng.integers(start // STEP + 1, t // STEP + 1) * STEP
            for start, t in zip(low, tile, strict=True)
        ]
        box = tuple(slice(c + a, c + b) for c, a, b in zip(corner, low, high, strict=True))
        labels[box] = label
    return labels


def large_sample(index: int, size: Any = FLAT, channels: int = 0) -> Sample:
    """A sample of boxes in noise; the second one is empty."""
    shape, spacing = size
    labels = boxes(shape, index) * np.int32(index != 1)
    count = int(labels.max())
    columns = OBJECT_COLUMNS_2D if len(shape) == 2 else OBJECT_COLUMNS_3D
    objects = np.zeros(count, columns)
    objects["label"] = np.arange(1, count + 1)
    objects["neighbours"] = objects["label"] % 5
    objects["overlap"][: count // 2] = np.nan
    classes = np.asarray(labels % 3, np.uint8)
    prior = np.asarray((labels > 0) * 255, np.uint8)
    if channels:
        prior = np.stack([np.asarray((classes == c) * 255, np.uint8) for c in range(channels)])
    noise = np.random.default_rng(index).integers(0, 60_000, shape)
    return Sample(
        scene=Scene(),
        seed=7,
        index=index,
        grid=Grid(shape, spacing),
        labels=labels,
        objects=objects,
        adjacency=np.zeros((0, 2), np.int32),
        prior=prior,
        classes=classes,
        image=noise.astype(np.uint16),
        versions={"simcell": "1", "numpy": "2"},
    )


def deep_sample(index: int) -> Sample:
    """A volume of flat voxels whose prior has two channels."""
    return large_sample(index, DEEP, channels=2)


def bare_sample(index: int) -> Sample:
    """A sample without an image."""
    return replace(large_sample(index, ((300, 40), (0.5, 0.5))), image=None, classes=None)
