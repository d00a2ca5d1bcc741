"""Epochs: every sample is covered by windows, and each window gives one square a time.

Windows are twice as wide as a square and overlap by half. In an epoch each of them gives one
square, from a random place in it; the next epoch has other places (Kose et al., "A multiresolution
deep learning framework for automated annotation of reflectance confocal microscopy images").

Decision: the windows of a few samples at a time are mixed, and all of them used before the next
samples are opened: samples may be whole mosaics, slow to make or to read. Where samples are made
without end, each is used for one epoch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numpy.random import Generator

from simcell import stream

OPEN = 4
"""Samples whose windows are mixed."""


class Place(NamedTuple):
    """Where a square is cut: of which sample, from which window."""

    sample: int
    row: int
    column: int


class Windows:
    """Windows of samples of one size.

    Parameters
    ----------
    shape : tuple of int
        Of a sample (y, x).
    side : int
        Largest side of a square.
    count : int or None
        Number of samples; None = without end.
    seed : int
    """

    def __init__(self, shape: tuple[int, ...], side: int, count: int | None, seed: int) -> None:
        self.grid = tuple(max(1, math.ceil(length / side) - 1) for length in shape)
        self._shape, self._side, self._count, self._seed = shape, side, count, seed

    def place(self, number: int) -> Place:
        """Return the place of square ``number``, counted through all epochs."""
        samples, each = self._count or OPEN, math.prod(self.grid)
        epoch, place = divmod(number, samples * each)
        order = stream(self._seed, epoch, "windows.samples").permutation(samples)
        group, place = divmod(place, OPEN * each)
        members = order[OPEN * group : OPEN * (group + 1)]
        mixed = stream(self._seed, epoch, "windows.places", group).permutation(len(members) * each)
        member, window = divmod(int(mixed[place]), each)
        first = 0 if self._count else epoch * OPEN
        return Place(first + int(members[member]), *divmod(window, self.grid[1]))

    def corner(self, rng: Generator, place: Place, side: int) -> list[int]:
        """Draw the corner of a square in its window."""
        corners = []
        for length, n, at in zip(self._shape, self.grid, place[1:], strict=True):
            room = max(length - 2 * self._side, 0)
            start = round(at * room / max(n - 1, 1))
            last = min(start + 2 * self._side, length) - side
            corners.append(int(rng.integers(start, last + 1)))
        return corners
