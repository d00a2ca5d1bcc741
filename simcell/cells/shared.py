"""How much of each other two ellipsoids share."""

from __future__ import annotations

import numpy as np
from numba import njit

from simcell.arrays import FloatArray


def in_ball(n: int) -> FloatArray:
    """Return n quasi-random points (n, 3), evenly spread in the unit ball."""
    # Roberts' sequence: powers of the root of x⁴ = x + 1.
    root = 1.2207440846057596
    u = (0.5 + np.arange(1, n + 1)[:, None] / root ** np.arange(1, 4)) % 1.0
    radius, height, angle = np.cbrt(u[:, 0]), 2 * u[:, 1] - 1, 2 * np.pi * u[:, 2]
    flat = np.sqrt(1 - height**2)
    return np.stack(
        [radius * height, radius * flat * np.sin(angle), radius * flat * np.cos(angle)], axis=1
    )


@njit(cache=True, inline="always")
def _width(turn: FloatArray, semi: FloatArray, y: FloatArray) -> float:
    """Return how far an ellipsoid reaches along a vector, times its length."""
    total = 0.0
    for k in range(3):
        along = turn[0, k] * y[0] + turn[1, k] * y[1] + turn[2, k] * y[2]
        total += (along * semi[k]) ** 2
    return float(np.sqrt(total))


@njit(cache=True)
def shared(
    c1: FloatArray,
    turn1: FloatArray,
    semi1: FloatArray,
    c2: FloatArray,
    turn2: FloatArray,
    semi2: FloatArray,
    inside: FloatArray,
    enough: float,
) -> float:
    """Return the shared volume of two ellipsoids over the smaller one's volume.

    Counting stops at the first value above ``enough``.
    """
    d = c2 - c1
    far = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    # A plane across the line of centres parts them.
    if _width(turn1, semi1, d) + _width(turn2, semi2, d) <= far:
        return 0.0
    if semi1[0] * semi1[1] * semi1[2] > semi2[0] * semi2[1] * semi2[2]:
        return _count(c2, turn2, semi2, c1, turn1, semi1, inside, enough)
    return _count(c1, turn1, semi1, c2, turn2, semi2, inside, enough)


@njit(cache=True)
def _count(
    c1: FloatArray,
    turn1: FloatArray,
    semi1: FloatArray,
    c2: FloatArray,
    turn2: FloatArray,
    semi2: FloatArray,
    inside: FloatArray,
    enough: float,
) -> float:
    """Count the points of the first ellipsoid that lie in the second."""
    matrix, shift = np.zeros((3, 3)), np.zeros(3)
    for k in range(3):
        for m in range(3):
            shift[k] += turn2[m, k] * (c1[m] - c2[m]) / semi2[k]
            for p in range(3):
                matrix[k, m] += turn2[p, k] * turn1[p, m] * semi1[m] / semi2[k]
    n, found = len(inside), 0
    for p in range(n):
        far = 0.0
        for k in range(3):
            w = shift[k]
            for m in range(3):
                w += matrix[k, m] * inside[p, m]
            far += w * w
        found += far <= 1.0
        if found > enough * n:
            break
    return found / n
