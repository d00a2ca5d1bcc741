"""What the compiled kernels of this room share: compiler, random numbers, cells.

Decision: a kernel draws from its own xoshiro256++ (Blackman & Vigna 2021, ACM
TOMS 47:36), keyed by four words of the caller's Generator. Against passing the
Generator itself it costs 0.7 instead of 5 ns a number, saves 6 µs a call and
0.4 s of compilation, and depends on no numba release. The price: a sampler
advances the caller's stream by four words, however much it draws.

Positions are padded to three columns (z, y, x), z = 0 in 2-D, so that one
kernel serves both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Window

P = ParamSpec("P")
R = TypeVar("R")
Ints = NDArray[np.int64]
_U = np.uint64


_njit: Any = njit
_OPTIONS = {"cache": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with numba and keep the result on disk; types stay as written."""
    return cast("Callable[P, R]", _njit(**_OPTIONS)(function))


def part(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that only kernels call: inlined, no entry for Python.

    Inlining lets LLVM drop the reference counts of every array passed along,
    which otherwise take three quarters of the time.
    """
    compiled = _njit(forceinline=True, no_cpython_wrapper=True, **_OPTIONS)(function)
    return cast("Callable[P, R]", compiled)


class Domain(NamedTuple):
    """A window as a kernel reads it; ``pixels`` is empty without a mask."""

    size: FloatArray
    periodic: bool
    flat: bool
    mask: NDArray[np.bool_]
    pixel: FloatArray
    pixels: Ints


class Cells(NamedTuple):
    """Linked lists of the points in each cell of a box, for neighbour search."""

    shape: Ints
    per_um: FloatArray
    head: Ints
    following: Ints
    previous: Ints


def domain_of(window: Window) -> Domain:
    """Return the window padded to three axes."""
    lead = 3 - window.ndim
    size = np.array([1.0] * lead + list(window.size_um))
    mask = np.ones((1, 1, 1), bool) if window.mask is None else window.mask
    mask = np.ascontiguousarray(mask.reshape((1,) * (3 - mask.ndim) + mask.shape))
    pixels = np.flatnonzero(mask) if window.mask is not None else np.empty(0, np.int64)
    pixel = size / np.array(mask.shape)
    return Domain(size, window.periodic, window.ndim == 2, mask, pixel, pixels)


def cells_for(window: Window, reach: float, capacity: int) -> Cells:
    """Return empty cells, none narrower than ``reach``, for ``capacity`` points."""
    size = np.array([1.0] * (3 - window.ndim) + list(window.size_um))
    shape = np.maximum(np.floor(size / reach), 1)
    # More cells than points only cost memory.
    shape = np.maximum(np.floor(shape * min(1.0, (4 * capacity / shape.prod()) ** (1 / 3))), 1)
    if window.ndim == 2:
        shape[0] = 1
    head = np.full(int(shape.prod()), -1, np.int64)
    links = np.full((2, max(capacity, 1)), -1, np.int64)
    return Cells(shape.astype(np.int64), shape / size, head, links[0], links[1])


def seed_words(rng: Generator) -> NDArray[np.uint64]:
    """Draw the state of a kernel's own generator."""
    return rng.integers(0, 2**64, 4, dtype=np.uint64)


def pad(points: FloatArray) -> FloatArray:
    """Return positions (n, 2 or 3) with three columns."""
    return np.pad(points, ((0, 0), (3 - points.shape[1], 0)))


@part
def uniform(state: NDArray[np.uint64]) -> float:
    """Return a number in [0, 1): one step of xoshiro256++."""
    total = state[0] + state[3]
    result = ((total << _U(23)) | (total >> _U(41))) + state[0]
    shifted = state[1] << _U(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = (state[3] << _U(45)) | (state[3] >> _U(19))
    return float((result >> _U(11)) * (1.0 / 9007199254740992.0))


@part
def uniform_in(domain: Domain, state: NDArray[np.uint64], points: FloatArray, row: int) -> None:
    """Write a uniform position inside the window to a row of ``points``."""
    if domain.pixels.size == 0:
        for k in range(3):
            points[row, k] = uniform(state) * domain.size[k]
    else:
        flat = domain.pixels[int(uniform(state) * domain.pixels.size)]
        for k in range(2, -1, -1):
            side = domain.mask.shape[k]
            points[row, k] = (flat % side + uniform(state)) * domain.pixel[k]
            flat //= side
    if domain.flat:
        points[row, 0] = 0.0


@part
def inside(domain: Domain, points: FloatArray, row: int) -> bool:
    """Tell whether the position in a row lies in the window."""
    for k in range(3):
        if points[row, k] < 0.0 or points[row, k] >= domain.size[k]:
            return False
    if domain.pixels.size == 0:
        return True
    z = min(int(points[row, 0] / domain.pixel[0]), domain.mask.shape[0] - 1)
    y = min(int(points[row, 1] / domain.pixel[1]), domain.mask.shape[1] - 1)
    x = min(int(points[row, 2] / domain.pixel[2]), domain.mask.shape[2] - 1)
    return bool(domain.mask[z, y, x])


@part
def step_near(
    domain: Domain, state: NDArray[np.uint64], points: FloatArray, row: int, reach: float
) -> bool:
    """Displace a row by up to ``reach`` along each axis; tell if it stays inside."""
    for k in range(1 if domain.flat else 0, 3):
        place = points[row, k] + (2.0 * uniform(state) - 1.0) * reach
        if domain.periodic:
            place -= np.floor(place / domain.size[k]) * domain.size[k]
            if place >= domain.size[k]:
                place = 0.0
        points[row, k] = place
    return inside(domain, points, row)


@part
def shortest(gap: float, size: float, periodic: bool) -> float:
    """Return a gap along an axis, taken the short way round if periodic."""
    if periodic:
        if gap > 0.5 * size:
            return gap - size
        if gap < -0.5 * size:
            return gap + size
    return gap


@part
def _along(value: float, per_um: float, n: int) -> int:
    """Return the number of the cell that a coordinate falls in."""
    return min(int(value * per_um), n - 1)


@part
def cell_of(cells: Cells, points: FloatArray, row: int) -> int:
    """Return the flat number of the cell that the position in a row falls in."""
    shape, per_um = cells.shape, cells.per_um
    z = _along(points[row, 0], per_um[0], shape[0])
    y = _along(points[row, 1], per_um[1], shape[1])
    return int((z * shape[1] + y) * shape[2] + _along(points[row, 2], per_um[2], shape[2]))


@part
def insert(cells: Cells, points: FloatArray, index: int) -> None:
    """Put a point into the cell of its position."""
    cell = cell_of(cells, points, index)
    first = cells.head[cell]
    cells.following[index] = first
    cells.previous[index] = -1
    if first >= 0:
        cells.previous[first] = index
    cells.head[cell] = index


@part
def remove(cells: Cells, points: FloatArray, index: int) -> None:
    """Take a point out of the cell of its position."""
    after = cells.following[index]
    before = cells.previous[index]
    if after >= 0:
        cells.previous[after] = before
    if before >= 0:
        cells.following[before] = after
    else:
        cells.head[cell_of(cells, points, index)] = after


@part
def _first(middle: int, n: int, periodic: bool) -> int:
    """Return the first cell to visit along an axis of n cells."""
    if n <= 2:
        return 0
    return middle - 1 if periodic else max(middle - 1, 0)


@part
def _last(middle: int, n: int, periodic: bool) -> int:
    """Return the last cell to visit along an axis of n cells."""
    if n <= 2:
        return n - 1
    return middle + 1 if periodic else min(middle + 1, n - 1)


@part
def _wrap(cell: int, n: int) -> int:
    """Return a cell number at most one round off as one from 0 to n − 1."""
    if cell < 0:
        return cell + n
    return cell - n if cell >= n else cell


@part
def neighbours(
    domain: Domain,
    cells: Cells,
    points: FloatArray,
    row: int,
    skip: int,
    reach: float,
    found: Ints,
    apart2: FloatArray,
) -> int:
    """List the points within ``reach`` of the position in a row, but ``skip``.

    Writes their numbers to ``found`` and their squared distances in µm² to
    ``apart2``, and returns how many there are. ``reach`` must not exceed the
    width of a cell.
    """
    periodic = domain.periodic
    size_z, size_y, size_x = domain.size[0], domain.size[1], domain.size[2]
    at_z, at_y, at_x = points[row, 0], points[row, 1], points[row, 2]
    n_z, n_y, n_x = cells.shape[0], cells.shape[1], cells.shape[2]
    mid_z = _along(at_z, cells.per_um[0], n_z)
    mid_y = _along(at_y, cells.per_um[1], n_y)
    mid_x = _along(at_x, cells.per_um[2], n_x)
    head, following = cells.head, cells.following
    first_x, last_x = _first(mid_x, n_x, periodic), _last(mid_x, n_x, periodic)
    n = 0
    for z in range(_first(mid_z, n_z, periodic), _last(mid_z, n_z, periodic) + 1):
        for y in range(_first(mid_y, n_y, periodic), _last(mid_y, n_y, periodic) + 1):
            row = (_wrap(z, n_z) * n_y + _wrap(y, n_y)) * n_x
            for x in range(first_x, last_x + 1):
                other = head[row + _wrap(x, n_x)]
                while other >= 0:
                    dz = shortest(points[other, 0] - at_z, size_z, periodic)
                    dy = shortest(points[other, 1] - at_y, size_y, periodic)
                    dx = shortest(points[other, 2] - at_x, size_x, periodic)
                    gap2 = dz * dz + dy * dy + dx * dx
                    if gap2 <= reach * reach and other != skip:
                        found[n] = other
                        apart2[n] = gap2
                        n += 1
                    other = following[other]
    return n
