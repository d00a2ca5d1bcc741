"""A camera that counts photons: Poisson, read noise, smoothing, gain, 8 or 16 bits, JPEG."""

from __future__ import annotations

from math import erf
from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell import hashed
from simcell.arrays import Block, FloatArray, Image
from simcell.fields import blur
from simcell.rng import Streams
from simcell.scene.camera import FluoCamera

_FEW = 20.0
"""Mean count up to which Poisson counts are exact."""
_SOME = 4.0
"""The same for blocks, where one more correction makes smaller means good."""
_SMEARS = 0.8
"""Read noise from which on counts need not be exact: it hides their steps and skew."""
_OVER = 1.0 / np.maximum(np.arange(201), 1)


def expose(light: Image, spec: FluoCamera, streams: Streams) -> NDArray[Any]:
    """Count the photons of an image, add read noise, smooth and digitise.

    Parameters
    ----------
    light : Image
        Relative brightness; 1 gives ``spec.photons`` photons.
    spec : FluoCamera
    streams : Streams

    Returns
    -------
    uint8 or uint16 array

    Examples
    --------
    >>> flat = np.ones((64, 64), np.float32)
    >>> grey = expose(flat, FluoCamera(gain=0.1, read_noise=0, offset=0), Streams(0, 0))
    >>> grey.dtype, bool(abs(grey.mean() - 100) < 1)
    (dtype('uint8'), True)
    """
    normal = streams("imaging.photons").standard_normal(light.shape, dtype=np.float32)
    counts = photons(light, spec.photons, normal)
    if spec.read_noise > 0:
        read = streams("imaging.read").standard_normal(light.shape, dtype=np.float32)
        read *= np.float32(spec.read_noise)
        counts += read
    if spec.smooth_px > 0:
        counts = _smooth(counts, spec.smooth_px)
    counts *= np.float32(spec.gain)
    counts += np.float32(spec.offset)
    if spec.bits == 16:
        return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)
    grey = np.clip(np.rint(counts), 0, 255).astype(np.uint8)
    return _compressed(grey, spec.jpeg) if spec.jpeg else grey


def _smooth(counts: Image, sigma_px: float) -> Image:
    """Blur every plane by itself: a camera takes one after the other."""
    planes = counts.reshape(-1, *counts.shape[-2:])
    return np.stack([blur(plane, sigma_px) for plane in planes]).reshape(counts.shape)


@njit(cache=True)
def photons(light: Image, scale: float, normal: Image) -> Image:
    """Turn standard normals into Poisson counts of mean ``scale * light``.

    Few photons are counted exactly, by inverting the distribution. Of many, the
    count is the normal's quantile with Cornish and Fisher's correction for skew:
    mean exact, variance within 0.3 % of the mean.
    """
    out = np.empty_like(light)
    for r in range(light.shape[0]):
        for c in range(light.shape[1]):
            mean = scale * max(light[r, c], np.float32(0))
            z = normal[r, c]
            if mean > _FEW:
                out[r, c] = max(mean + np.sqrt(mean) * z + (z * z - 1.0) / 6.0, 0.0)
                continue
            left = 0.5 * (1.0 + erf(z / np.sqrt(2.0)))
            count = 0
            chance = np.exp(-mean)
            left -= chance
            while left > 0.0 and count < 200:
                count += 1
                chance *= mean / count
                left -= chance
            out[r, c] = count
    return out


def expose_block(
    light: Image,
    share: FloatArray,
    spec: FluoCamera,
    keys: tuple[np.uint64, np.uint64],
    block: Block,
) -> NDArray[Any]:
    """Count the photons of a block, add read noise and digitise, every voxel by its place.

    Few photons are counted exactly, by inverting the distribution. For many, and for
    all under read noise that hides their steps, counts and read noise are drawn
    together: the quantile is the normal's with Cornish and Fisher's corrections for
    skew and kurtosis. Mean exact, variance within 0.5 % of the sum of both variances.

    Parameters
    ----------
    light : Image
        Relative brightness (z, y, x); 1 gives ``spec.photons`` photons.
    share : FloatArray
        What arrives of it, for every plane.
    spec : FluoCamera
    keys : pair of uint64
        Of photons and of read noise.
    block : Block
        Where the light is.

    Returns
    -------
    uint8 or uint16 array

    References
    ----------
    Cornish & Fisher, Moments and cumulants in the specification of distributions (1938).

    Examples
    --------
    >>> flat = Block((0, 0, 0), (8, 32, 32))
    >>> camera = FluoCamera(photons=100, gain=1.0, read_noise=2, offset=0)
    >>> keys = np.uint64(1), np.uint64(2)
    >>> grey = expose_block(np.ones(flat.shape, np.float32), np.ones(8), camera, keys, flat)
    >>> bool(abs(grey.mean() - 100) < 1), bool(abs(grey.var() - 104) < 8)
    (True, True)
    """
    grey = np.empty(block.shape, np.uint16 if spec.bits == 16 else np.uint8)
    z, y, x = block.start
    _develop(
        np.ascontiguousarray(light),
        (spec.photons * share).astype(np.float32),
        keys,
        (z, y, x),
        spec.read_noise,
        (np.float32(spec.gain), np.float32(spec.offset), np.float32(np.iinfo(grey.dtype).max)),
        grey,
    )
    return grey


@njit(cache=True)
def _develop(
    light: Image,
    photons: Image,
    keys: tuple[np.uint64, np.uint64],
    start: tuple[int, int, int],
    read: float,
    scale: tuple[np.float32, np.float32, np.float32],
    grey: NDArray[Any],
) -> None:
    gain, offset, top = scale
    mean, count = np.empty(grey.shape[2], np.float32), np.empty(grey.shape[2], np.float32)
    for z in range(grey.shape[0]):
        for y in range(grey.shape[1]):
            arriving = hashed.row_key(keys[0], z + start[0], y + start[1])
            for x in range(len(mean)):
                mean[x] = photons[z] * max(light[z, y, x], np.float32(0.0))
                count[x] = hashed.normal_of(hashed.word_at(arriving, x + start[2]))
            _skew(mean, np.float32(read), count)
            if read < _SMEARS:
                reading = hashed.row_key(keys[1], z + start[0], y + start[1])
                _count_few(mean, (arriving, reading), start[2], read, count)
            for x in range(len(mean)):
                level = np.rint(count[x] * gain + offset)
                grey[z, y, x] = min(max(level, np.float32(0.0)), top)


@njit(cache=True)
def _skew(mean: Image, read: np.float32, normal: Image) -> None:
    """Turn standard normals into Poisson counts plus read noise, in place."""
    one, least = np.float32(1.0), np.float32(1e-12)
    second, third, fourth = np.float32(1 / 6), np.float32(1 / 24), np.float32(1 / 36)
    five, three, read = np.float32(5.0), np.float32(3.0), read * read
    # Without read noise there is no count below 0.
    lowest = np.float32(0.0) if read == 0 else np.float32(-1e30)
    for x in range(len(mean)):
        z, m = normal[x], mean[x]
        variance = max(m + read, least)
        root, share, square = np.sqrt(variance), m / variance, z * z
        bend = share * (square - three) * third - share * share * (square + square - five) * fourth
        value = m + root * z + share * (square - one) * second + z / root * bend
        normal[x] = max(value, lowest)


@njit(cache=True)
def _count_few(
    mean: Image, rows: tuple[np.uint64, np.uint64], start: int, read: float, count: Image
) -> None:
    """Count few photons exactly, and add read noise by itself."""
    for x in range(len(mean)):
        if mean[x] > _SOME:
            continue
        count[x] = _inverted(np.float64(mean[x]), hashed.word_at(rows[0], x + start))
        if read > 0:
            count[x] += read * hashed.normal_of(hashed.word_at(rows[1], x + start))


@njit(cache=True)
def _inverted(mean: float, word: np.uint64) -> float:
    """Turn 64 scrambled bits into a Poisson count of a small mean."""
    chance = np.exp(-mean)
    left = hashed.unit_of(word) - chance
    count = 0
    while left > 0.0 and count < 200:
        count += 1
        chance *= mean * _OVER[count]
        left -= chance
    return float(count)


def _compressed(grey: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Compress to JPEG and back."""
    _, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
