"""Elastic displacement of ellipsoids, on a coarse lattice over each one's box.

Cubic B-splines join random knots, in the manner of ``simcell.hashed.smooth``, anew for
every object. Displacements are counted from that of the object's centre, which
stays where it is, and level off below `Warp.furthest`, so that a box can be known
to hold the object.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import FloatArray
from simcell.hashed import SCALE_PER_STEP
from simcell.words import mix, quantile

_FURTHEST = 0.4
"""Displacements stay below this share of the long semi-axis."""
_UNIT = (315.0 / 151.0) ** 1.5
"""Scales cubic B-splines on white knots in space to unit variance."""
Ints = NDArray[np.int64]


class Warp(NamedTuple):
    """Random displacements of ellipsoids: correlation length, standard deviations, keys.

    ``length_um`` 0 means none; ``spread_um`` (n, 3) along each axis; ``keys`` (n,).
    """

    length_um: float
    spread_um: FloatArray
    keys: NDArray[np.uint64]

    @property
    def step_um(self) -> float:
        """Distance of the spline's knots."""
        return self.length_um / SCALE_PER_STEP

    def furthest(self, semi: FloatArray) -> FloatArray:
        """Return what the displacements of each ellipsoid (n,) stay below in µm."""
        share = _FURTHEST if self.length_um > 0 else 0.0
        return np.asarray(share * semi.max(axis=1))


@njit(cache=True, error_model="numpy")
def place_nodes(
    centre: FloatArray,
    frame: FloatArray,
    spacing: FloatArray,
    origin: Ints,
    count: Ints,
    steps: Ints,
    node_at: Ints,
    warp: Warp,
    furthest: FloatArray,
    nodes: FloatArray,
    slack: FloatArray,
) -> None:
    """Fill in w at every lattice node, and the largest displacement of every ellipsoid."""
    pace = steps * spacing
    for i in range(len(centre)):
        first = (origin[i] + 0.5) * spacing - centre[i]
        moved = np.zeros((count[i, 0], count[i, 1], count[i, 2], 3))
        if furthest[i] > 0:
            knot = warp.length_um / SCALE_PER_STEP
            _displace(warp.keys[i], first / knot, pace / knot, warp.spread_um[i], moved)
        at = node_at[i]
        for a, b, c in np.ndindex(moved.shape[:3]):
            nodes[at] = 0.0
            for k in range(3):
                u = moved[a, b, c, k]
                if u != 0.0:
                    u /= np.sqrt(1.0 + (u / furthest[i]) ** 2)
                    slack[i, k] = max(slack[i, k], abs(u))
                d = first[k] + (a, b, c)[k] * pace[k] + u
                for m in range(3):
                    nodes[at, m] += frame[i, m, k] * d
            at += 1


@njit(cache=True, error_model="numpy")
def _displace(
    key: np.uint64, first: FloatArray, pace: FloatArray, spread: FloatArray, out: FloatArray
) -> None:
    """Smooth random displacement at the nodes, less that of the ellipsoid's centre.

    Places are in steps of the spline's knots, from the ellipsoid's centre.
    """
    begin, many, phase = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3)
    for k in range(3):
        phase[k] = np.float64(mix(key + np.uint64(k + 1)) >> np.uint64(12)) * 2.0**-52
        last = first[k] + pace[k] * (out.shape[k] - 1)
        begin[k] = int(np.floor(min(first[k], 0.0) + phase[k])) - 1
        many[k] = int(np.floor(max(last, 0.0) + phase[k])) + 3 - begin[k]
    knots = np.empty((many[0], many[1], many[2], 3))
    _draw(key, begin, knots)
    still, still_at = np.empty((1, 1, 1, 3)), phase - begin
    _spline(knots, still_at, pace, still)
    _spline(knots, still_at + first, pace, out)
    for k in range(3):
        out[:, :, :, k] = (out[:, :, :, k] - still[0, 0, 0, k]) * spread[k] * _UNIT


@njit(cache=True, error_model="numpy")
def _spline(knots: FloatArray, first: FloatArray, pace: FloatArray, out: FloatArray) -> None:
    """Cubic B-spline on a lattice, one axis after the other."""
    kz, ky, kx = knots.shape[0], knots.shape[1], knots.shape[2]
    nz, ny, nx = out.shape[0], out.shape[1], out.shape[2]
    along_x, along_y = np.empty((kz * ky, nx, 3)), np.empty((kz, ny, nx * 3))
    _along(knots.reshape(kz * ky, kx, 3), first[2], pace[2], along_x)
    _along(along_x.reshape(kz, ky, nx * 3), first[1], pace[1], along_y)
    last = out.reshape(1, nz, ny * nx * 3)
    _along(along_y.reshape(1, kz, ny * nx * 3), first[0], pace[0], last)


@njit(cache=True, error_model="numpy")
def _along(knots: FloatArray, first: float, pace: float, out: FloatArray) -> None:
    """Cubic B-spline along the middle axis, at places ``pace`` apart."""
    for i in range(out.shape[1]):
        place = first + i * pace
        k = int(np.floor(place)) - 1
        a, b, c, d = _basis(place - k - 1)
        for p in range(out.shape[0]):
            for q in range(out.shape[2]):
                near = a * knots[p, k, q] + b * knots[p, k + 1, q]
                out[p, i, q] = near + c * knots[p, k + 2, q] + d * knots[p, k + 3, q]


@njit(cache=True, error_model="numpy")
def _draw(key: np.uint64, first: Ints, knots: FloatArray) -> None:
    golden = np.uint64(0x9E3779B97F4A7C15)
    for z in range(knots.shape[0]):
        at_z = mix(key + np.uint64(z + first[0]) * golden)
        for y in range(knots.shape[1]):
            at_y = mix(at_z + np.uint64(y + first[1]) * golden)
            for x in range(knots.shape[2]):
                word = mix(at_y + np.uint64(x + first[2]) * golden)
                for k in range(3):
                    word = mix(word + golden)
                    part = (np.float64(word >> np.uint64(12)) + 0.5) * 2.0**-52
                    knots[z, y, x, k] = quantile(part)


@njit(cache=True, error_model="numpy", inline="always")
def _basis(t: float) -> tuple[float, float, float, float]:
    s = 1.0 - t
    return (
        s * s * s / 6.0,
        (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
        (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
        t * t * t / 6.0,
    )
