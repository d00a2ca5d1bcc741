"""The same picture at ever coarser pixels, for viewers that zoom.

Decision: images are averaged, as a smaller camera would see them. Labels are never
averaged: a coarse pixel takes the label that most of its pixels have, and where two
are equal, the lower one; background loses to any label. Every value of a coarse
level is therefore one of the level below it, so that no label is ever invented, and
nothing shifts: taking each block's first pixel would move every object by half a
pixel a level.

Decision: an axis is halved only while its pixels are less than √2 times as long as the
shortest. Stacks of thick slices become even before they become shallow, and stay within
that factor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

LARGEST_PX = 256
"""Longest side of the coarsest level."""

Halve: TypeAlias = Callable[[NDArray[Any], tuple[int, ...]], NDArray[Any]]
"""`averages` or `majorities`."""


@dataclass(frozen=True)
class Level:
    """One level of a pyramid.

    Attributes
    ----------
    shape : tuple of int
        Pixels along (z,) y, x.
    spacing_um : tuple of float
        Size of its pixels.
    steps : tuple of int
        Pixels of the level below it that make one of its pixels, 1 or 2 along each axis.
    """

    shape: tuple[int, ...]
    spacing_um: tuple[float, ...]
    steps: tuple[int, ...]

    @property
    def first_um(self) -> tuple[float, ...]:
        """Centre of the first pixel, from the corner of the field."""
        return tuple(side / 2 for side in self.spacing_um)


def levels(
    shape: tuple[int, ...], spacing_um: tuple[float, ...], largest: int = LARGEST_PX
) -> list[Level]:
    """Return the levels of a field, the finest first.

    Examples
    --------
    >>> [level.shape for level in levels((10, 601, 400), (2.0, 0.5, 0.5))]
    [(10, 601, 400), (10, 301, 200), (10, 151, 100)]
    >>> [level.spacing_um for level in levels((300, 300), (1.0, 1.0))]
    [(1.0, 1.0), (2.0, 2.0)]
    """
    found = [Level(shape, spacing_um, (1,) * len(shape))]
    while max(found[-1].shape) > largest:
        last = found[-1]
        sides = [s for n, s in zip(last.shape, last.spacing_um, strict=True) if n > 1]
        steps = tuple(
            2 if n > 1 and s**2 < 2 * min(sides) ** 2 else 1
            for n, s in zip(last.shape, last.spacing_um, strict=True)
        )
        found.append(_coarser(last, steps))
    return found


def flat_levels(shape: tuple[int, int], spacing_um: tuple[float, float]) -> list[Level]:
    """Return the levels of one plane whose two sides are always halved together."""
    found = [Level(shape, spacing_um, (1, 1))]
    while max(found[-1].shape) > LARGEST_PX:
        found.append(_coarser(found[-1], (2, 2)))
    return found


def _coarser(level: Level, steps: tuple[int, ...]) -> Level:
    """Return the next level; a side that cannot be halved keeps its last pixel."""
    shape = tuple(-(-n // step) for n, step in zip(level.shape, steps, strict=True))
    spacing = tuple(s * step for s, step in zip(level.spacing_um, steps, strict=True))
    return Level(shape, spacing, steps)


def averages(image: NDArray[Any], steps: tuple[int, ...]) -> NDArray[Any]:
    """Return the means of blocks of pixels; of integers rounded, halves to even.

    Parameters
    ----------
    image : array ((c,) (z,) y, x)
        Of unsigned integers or floats. A channel axis in front is left alone.
    steps : tuple of int
        Sides of a block along (z,) y, x, 1 or 2; a block at the far edge may be cut.

    Examples
    --------
    >>> averages(np.array([[0, 2, 9], [4, 6, 8]], np.uint8), (2, 2)).tolist()
    [[3, 8]]
    """
    return _blockwise(_means if image.dtype.kind == "f" else _averages, image, steps)


def majorities(labels: NDArray[Any], steps: tuple[int, ...]) -> NDArray[Any]:
    """Return the most frequent value of each block of pixels.

    Of equally frequent ones, the lowest above 0; see `averages` for the arguments.

    Examples
    --------
    >>> majorities(np.array([[0, 0, 7], [5, 5, 7]], np.uint16), (2, 2)).tolist()
    [[5, 7]]
    """
    return _blockwise(_majorities, labels, steps)


def _blockwise(
    kernel: Callable[..., None], array: NDArray[Any], steps: tuple[int, ...]
) -> NDArray[Any]:
    """Run a kernel on volumes: missing axes have length 1, channels come one by one."""
    sides = array.shape[array.ndim - len(steps) :]
    shape = tuple(-(-n // step) for n, step in zip(sides, steps, strict=True))
    deep = (1,) * (3 - len(steps))
    source = np.ascontiguousarray(array).reshape(-1, *deep, *sides)
    out = np.empty((len(source), *deep, *shape), array.dtype)
    for volume, coarse in zip(source, out, strict=True):
        kernel(volume, coarse, *deep, *steps)
    return out.reshape(*array.shape[: array.ndim - len(steps)], *shape)


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _averages(volume: NDArray[Any], out: NDArray[Any], dz: int, dy: int, dx: int) -> None:
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                total = count = 0
                for k in range(z * dz, min(z * dz + dz, volume.shape[0])):
                    for j in range(y * dy, min(y * dy + dy, volume.shape[1])):
                        for i in range(x * dx, min(x * dx + dx, volume.shape[2])):
                            total += int(volume[k, j, i])
                            count += 1
                out[z, y, x] = np.rint(total / count)


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _means(volume: NDArray[Any], out: NDArray[Any], dz: int, dy: int, dx: int) -> None:
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                total = 0.0
                count = 0
                for k in range(z * dz, min(z * dz + dz, volume.shape[0])):
                    for j in range(y * dy, min(y * dy + dy, volume.shape[1])):
                        for i in range(x * dx, min(x * dx + dx, volume.shape[2])):
                            total += float(volume[k, j, i])
                            count += 1
                out[z, y, x] = total / count


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _majorities(volume: NDArray[Any], out: NDArray[Any], dz: int, dy: int, dx: int) -> None:
    votes = np.empty(8, np.int64)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                count = 0
                for k in range(z * dz, min(z * dz + dz, volume.shape[0])):
                    for j in range(y * dy, min(y * dy + dy, volume.shape[1])):
                        for i in range(x * dx, min(x * dx + dx, volume.shape[2])):
                            votes[count] = volume[k, j, i]
                            count += 1
                out[z, y, x] = _winner(votes[:count])


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _winner(votes: NDArray[np.int64]) -> int:
    best = int(votes[0])
    most = 0
    for vote in votes:
        count = 0
        for other in votes:
            count += other == vote
        lower = best == 0 or (vote != 0 and vote < best)
        if count > most or (count == most and lower):
            best, most = int(vote), count
    return best
