"""Scan lines: what line-wise scanning and its electronics leave in an image."""

from __future__ import annotations

import numpy as np

from simcell.arrays import Image


def register(image: Image) -> float:
    """Return the standard deviation of shifts of rows along x against the rows beside them, in px.

    Of first order, by the slope of what the rows beside show; noise adds to it, as it does in
    simulated images with the same noise.
    """
    beside = 0.5 * (image[:-2] + image[2:])
    slope = np.gradient(beside, axis=1)
    told = (slope * slope).sum(axis=1)
    shift = ((image[1:-1] - beside) * slope).sum(axis=1) / np.maximum(told, 1e-6)
    flat = told < 0.05 * max(float(told.mean()), 1e-6)  # nothing there to be shifted
    return float(np.clip(shift[~flat], -3.0, 3.0).std()) if (~flat).sum() > 2 else 0.0


def uneven_lines(image: Image) -> float:
    """Return the spread of the mean brightness of rows, against the rows beside them.

    Examples
    --------
    >>> flat = np.full((400, 30), 100, np.float32)
    >>> rows = np.random.default_rng(0).normal(0, 2, (400, 1)).astype(np.float32)
    >>> round(uneven_lines(flat + rows), 1)
    2.0
    """
    means = image.mean(axis=1, dtype=np.float64)
    return float(np.std(means[1:-1] - 0.5 * (means[:-2] + means[2:])) / np.sqrt(1.5))
