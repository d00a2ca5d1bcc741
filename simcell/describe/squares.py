"""Squares of images: what a network sees at a time, and a classifier is asked about."""

from __future__ import annotations

import numpy as np

SIDE_PX = 64


def starts(length: int, side: int) -> list[int]:
    """Return starts of as many squares as fit side by side, spread over the length."""
    return [int(s) for s in np.linspace(0, length - side, max(length // side, 1)).round()]


def corners(shape: tuple[int, ...], side: int) -> list[tuple[int, int]]:
    """Return the first rows and columns of as many squares as fit an image.

    Examples
    --------
    >>> corners((64, 130), 64)
    [(0, 0), (0, 66)]
    """
    return [(y, x) for y in starts(shape[0], side) for x in starts(shape[1], side)]


def some(places: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Return at most so many of the places, spread evenly."""
    if not places:
        return []
    chosen = np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).round())
    return [places[int(i)] for i in chosen]
