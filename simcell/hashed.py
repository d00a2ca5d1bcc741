"""Random fields whose value at a pixel depends on nothing but its place.

Decision: volumes and mosaics are painted block by block, and the result must not
depend on the blocks. A stream is drawn in order, so it cannot serve; here a key,
drawn once per sample, and the pixel's coordinates are hashed to the
value. Filters add up in a fixed order per pixel, for the same reason: OpenCV rounds
differently at the ends of its vectors. Everything works on float32 arrays (z, y, x)
or (y, x), in pixels.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import Block, Image
from simcell.words import normal_of, row_key, word_at

_REACH = 3.5
"""A Gaussian kernel ends so many sigmas from its middle."""
SCALE_PER_STEP = 0.8165
"""Correlation length of cubic B-splines on white nodes, in steps of the nodes."""
_STRETCH = 1024
"""Pixels of a row that are filtered at a time."""


def normals(of: np.uint64, block: Block) -> Image:
    """Return a standard normal number for every pixel of a block.

    Parameters
    ----------
    of : uint64
        Key of the field.
    block : Block

    Returns
    -------
    Image
        float32, of the block's shape.

    Examples
    --------
    >>> whole = normals(np.uint64(7), Block((0, 0), (8, 8)))
    >>> part = normals(np.uint64(7), Block((2, 4), (3, 4)))
    >>> bool((whole[2:5, 4:] == part).all())
    True
    """
    out = np.empty(block.shape, np.float32)
    _normals(of, _three(block.start, 0), out.reshape(_three(block.shape, 1)))
    return out


def uniforms(of: np.uint64, block: Block) -> Image:
    """Return a number between 0 and 1, both excluded, for every pixel of a block."""
    out = np.empty(block.shape, np.float32)
    _uniforms(of, _three(block.start, 0), out.reshape(_three(block.shape, 1)))
    return out


def smooth(of: np.uint64, block: Block, scale_px: tuple[float, ...]) -> Image:
    """Return a smooth random field of zero mean and unit variance.

    Normal numbers on a lattice are joined by cubic B-splines. Its correlation is
    close to exp(-d² / (2 s²)) for a correlation length s; a length below a pixel
    gives white noise along that axis.

    Parameters
    ----------
    of : uint64
        Key of the field.
    block : Block
    scale_px : tuple of float
        Correlation length s along each axis.

    Examples
    --------
    >>> field = smooth(np.uint64(3), Block((0, 0), (64, 64)), (6.0, 6.0))
    >>> field.shape, bool(0.5 < field.std() < 1.5)
    ((64, 64), True)
    """
    first, joints = joins(block, scale_px)
    counts = tuple(int(node[-1]) + weight.shape[1] for node, weight in joints)
    field = normals(of, Block(first, counts))
    # Along x first: the field is smallest then, and later rows lie in memory as they are.
    for axis, (node, weight) in reversed(list(enumerate(joints))):
        field = along(field, axis, node, weight)
    return field


def joins(
    block: Block, scale_px: tuple[float, ...]
) -> tuple[tuple[int, ...], list[tuple[NDArray[np.intp], Image]]]:
    """Return the nodes that `smooth` joins over a block, and how.

    Returns
    -------
    tuple of int
        The lattice's first node that the block depends on, along each axis.
    list of (intp array, Image)
        For each axis the first node (n,) of every pixel, counted from that one, and its
        weights (n, 4); (n, 1) where every pixel has a node of its own.
    """
    first, joints = [], []
    for start, size, scale in zip(block.start, block.shape, scale_px, strict=True):
        node, weight = _spline(start, size, max(1.0, scale / SCALE_PER_STEP))
        first.append(int(node[0]))
        joints.append((node - node[0], weight))
    return tuple(first), joints


def soften(image: Image, sigma_px: tuple[float, ...]) -> Image:
    """Blur with a Gaussian; the result is smaller by ``reach(sigma)`` at every side.

    Parameters
    ----------
    image : Image
        With a halo of `reach` pixels on each axis.
    sigma_px : tuple of float
        Standard deviation along each axis; those below 0.05 px change nothing.
    """
    for axis, sigma in enumerate(sigma_px):
        taps = reach(sigma)
        if taps == 0:
            continue
        half = gaussian(sigma)
        weight = np.concatenate([half[:0:-1], half])
        size = image.shape[axis] - 2 * taps
        if axis == image.ndim - 1:
            rows = np.ascontiguousarray(image).reshape(-1, image.shape[-1])
            image = _blur_rows(rows, weight).reshape(*image.shape[:-1], size)
        else:
            weights = np.broadcast_to(weight, (size, len(weight)))
            image = along(image, axis, np.arange(size), np.ascontiguousarray(weights))
    return image


def reach(sigma_px: float) -> int:
    """Return how many pixels away a Gaussian blur of this sigma still counts."""
    return 0 if sigma_px < 0.05 else max(1, int(np.ceil(_REACH * sigma_px)))


def gaussian(sigma_px: float) -> Image:
    """Return the weights of a Gaussian from its middle to `reach`, both included.

    Examples
    --------
    >>> half = gaussian(0.5)
    >>> len(half), round(float(half[0] + 2 * half[1:].sum()), 6)
    (3, 1.0)
    """
    taps = reach(sigma_px)
    if taps == 0:
        return np.ones(1, np.float32)
    kernel = np.exp(-0.5 * (np.arange(taps + 1) / sigma_px) ** 2)
    return np.asarray(kernel / (2 * kernel.sum() - kernel[0]), np.float32)


def _three(sides: tuple[int, ...], missing: int) -> tuple[int, int, int]:
    z, y, x = (missing,) * (3 - len(sides)) + sides
    return z, y, x


def _spline(start: int, size: int, step: float) -> tuple[NDArray[np.intp], Image]:
    """Return the first node of every pixel, and its weights, scaled to unit variance."""
    if step <= 1.0:
        return np.arange(start, start + size), np.ones((size, 1), np.float32)
    place = (np.arange(start, start + size) + 0.5) / step
    node = np.floor(place)
    t = place - node
    weight = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    )
    weight /= np.sqrt(np.square(weight).sum(axis=1, keepdims=True))
    return node.astype(np.intp) - 1, weight.astype(np.float32)


def along(image: Image, axis: int, first: NDArray[np.intp], weight: Image) -> Image:
    """Filter along one axis: out[i] = sum of weight[i, k] * image[first[i] + k]."""
    if weight.shape[1] == 1:
        return image
    shape = image.shape
    before = int(np.prod(shape[:axis], dtype=np.int64))
    after = int(np.prod(shape[axis + 1 :], dtype=np.int64))
    out = np.empty((before, len(first), after), np.float32)
    image = np.ascontiguousarray(image)
    if after == 1:
        _weigh_last(image.reshape(before, shape[axis]), first, weight, out.reshape(before, -1))
    else:
        _weigh(image.reshape(before, shape[axis], after), first, weight, out)
    return out.reshape(*shape[:axis], len(first), *shape[axis + 1 :])


@njit(cache=True)
def _blur_rows(image: Image, weight: Image) -> Image:
    """Filter every row with one kernel."""
    size = image.shape[1] - len(weight) + 1
    out = np.zeros((image.shape[0], size), np.float32)
    for b in range(len(image)):
        for k in range(len(weight)):
            for i in range(size):
                out[b, i] += weight[k] * image[b, i + k]
    return out


@njit(cache=True)
def _weigh_last(image: Image, first: NDArray[np.intp], weight: Image, out: Image) -> None:
    """Filter the last axis: the sum, in the same order, stays in a register."""
    spline = weight.shape[1] == 4
    for b in range(out.shape[0]):
        row = image[b]
        for i in range(out.shape[1]):
            j, w = first[i], weight[i]
            total = w[0] * row[j]
            if spline:
                out[b, i] = ((total + w[1] * row[j + 1]) + w[2] * row[j + 2]) + w[3] * row[j + 3]
                continue
            for k in range(1, len(w)):
                total += w[k] * row[j + k]
            out[b, i] = total


@njit(cache=True)
def _weigh(image: Image, first: NDArray[np.intp], weight: Image, out: Image) -> None:
    before, size, after = out.shape
    for b in range(before):
        source, target = image[b].ravel(), out[b].ravel()
        for i in range(size):
            # A stretch at a time, so that it stays in the fastest memory meanwhile.
            for j in range(0, after, _STRETCH):
                end = min(after, j + _STRETCH)
                line = target[i * after + j : i * after + end]
                line[:] = np.float32(0.0)
                for k in range(0, weight.shape[1], 4):
                    _add_rows(source, (first[i] + k) * after + j, after, weight[i, k:], line)


@njit(cache=True)
def _add_rows(source: Image, at: int, skip: int, weight: Image, out: Image) -> None:
    """Add up to four weighed rows, one after the other; the first begins at ``at``."""
    n = len(out)
    if len(weight) < 4:
        for k in range(len(weight)):
            row = source[at + k * skip : at + k * skip + n]
            for x in range(n):
                out[x] += weight[k] * row[x]
        return
    p, q, r, s = weight[0], weight[1], weight[2], weight[3]
    a, b = source[at : at + n], source[at + skip : at + skip + n]
    c, d = source[at + 2 * skip : at + 2 * skip + n], source[at + 3 * skip : at + 3 * skip + n]
    for x in range(n):
        out[x] = (((out[x] + p * a[x]) + q * b[x]) + r * c[x]) + s * d[x]


@njit(cache=True)
def _uniforms(of: np.uint64, start: tuple[int, int, int], out: Image) -> None:
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            row = row_key(of, z + start[0], y + start[1])
            for x in range(out.shape[2]):
                word = word_at(row, x + start[2])
                # 24 bits, so that rounding to float32 never gives 1.
                out[z, y, x] = (np.float64(np.int64(word >> np.uint64(40))) + 0.5) * 2.0**-24


@njit(cache=True)
def _normals(of: np.uint64, start: tuple[int, int, int], out: Image) -> None:
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            row = row_key(of, z + start[0], y + start[1])
            for x in range(out.shape[2]):
                word = word_at(row, x + start[2])
                out[z, y, x] = normal_of(word)
