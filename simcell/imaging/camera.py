"""A camera that counts photons: Poisson, read noise, smoothing, gain, 8 or 16 bits, JPEG."""

from __future__ import annotations

from math import erf
from typing import Any, NamedTuple

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell import words
from simcell.arrays import FloatArray, Image
from simcell.fields import blur
from simcell.rng import Streams
from simcell.scene.camera import FluoCamera

_FEW = 20.0
"""Mean count up to which Poisson counts are exact."""
_SOME = 4.0
"""The same for blocks, where one more correction makes smaller means good."""
_SMEARS = 0.8
"""Read noise from which on counts need not be exact: it hides their steps and skew."""
_ROUNDED = np.float32(-1 / 12)
"""What is taken off a variance because rounding adds it."""
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


class Exposure(NamedTuple):
    """Numbers of a camera that counts photons voxel by voxel; see `expose_row`.

    ``photons``: at brightness 1, for every plane. ``arriving``, ``reading``: keys of
    photons and of read noise. ``top``: largest grey level.
    """

    photons: Image
    arriving: np.uint64
    reading: np.uint64
    read_noise: float
    gain: np.float32
    offset: np.float32
    top: np.float32


def exposure(spec: FluoCamera, share: FloatArray, streams: Streams, channel: int) -> Exposure:
    """Set the camera up.

    Parameters
    ----------
    spec : FluoCamera
    share : FloatArray
        What arrives of the light, for every plane.
    streams : Streams
    channel : int
        0, or 1 for the second.
    """
    name = "_2" if channel else ""
    return Exposure(
        (spec.photons * share).astype(np.float32),
        words.key(streams(f"imaging.photons{name}")),
        words.key(streams(f"imaging.read{name}")),
        spec.read_noise,
        np.float32(spec.gain),
        np.float32(spec.offset),
        np.float32(65535 if spec.bits == 16 else 255),
    )


@njit(cache=True)
def expose_row(
    camera: Exposure,
    plane: int,
    place: tuple[int, int, int],
    light: Image,
    room: tuple[NDArray[np.uint64], Image],
    grey: NDArray[Any],
) -> None:
    """Count the photons of a row, add read noise and digitise, every voxel by its place.

    Few photons are counted exactly, by inverting the distribution. For many, the
    quantile is the normal's with Cornish and Fisher's corrections for skew and kurtosis,
    rounded to whole photons. Under read noise that hides their steps, counts and read
    noise are drawn together in this way. Mean exact, variance within 0.5 % of the sum of
    both variances.

    Parameters
    ----------
    camera : Exposure
    plane : int
        Of ``camera.photons``.
    place : tuple of int
        Place (z, y, x) of the first voxel.
    light : Image
        Relative brightness (x,); is overwritten.
    room : pair of array
        Two rows of the same length, to work in.
    grey : uint8 or uint16 array
        To be filled in (x,).

    References
    ----------
    Cornish & Fisher, Moments and cumulants in the specification of distributions (1938).
    """
    (z, y, first), (drawn, count) = place, room
    row, photons = words.row_key(camera.arriving, z, y), camera.photons[plane]
    for x in range(len(light)):
        light[x] = photons * max(light[x], np.float32(0.0))
    odd = words.fill_words(row, first, drawn)
    words.fill_normals(drawn, odd, count)
    if camera.read_noise < _SMEARS:
        _skew(light, _ROUNDED, count)
        reading = words.row_key(camera.reading, z, y)
        _count(light, (drawn, odd), (reading, first), camera.read_noise, count)
    else:
        _skew(light, np.float32(camera.read_noise * camera.read_noise), count)
    gain, offset, top = camera.gain, camera.offset, camera.top
    for x in range(len(light)):
        grey[x] = min(max(np.rint(count[x] * gain + offset), np.float32(0.0)), top)


@njit(cache=True)
def _skew(mean: Image, more: np.float32, normal: Image) -> None:
    """Turn standard normals into Poisson counts, their variance so much larger, in place."""
    one, least = np.float32(1.0), np.float32(1e-12)
    second, third, fourth = np.float32(1 / 6), np.float32(1 / 24), np.float32(1 / 36)
    five, three = np.float32(5.0), np.float32(3.0)
    for x in range(len(mean)):
        z, m = normal[x], mean[x]
        variance = max(m + more, least)
        root, share, square = np.sqrt(variance), m / variance, z * z
        bend = share * (square - three) * third - share * share * (square + square - five) * fourth
        normal[x] = m + root * z + share * (square - one) * second + z / root * bend


@njit(cache=True)
def _count(
    mean: Image,
    arriving: tuple[NDArray[np.uint64], int],
    reading: tuple[np.uint64, int],
    read: float,
    count: Image,
) -> None:
    """Make counts whole, those of few photons anew and exact, and add read noise.

    Parameters
    ----------
    mean : Image
    arriving : pair
        Words of the counts, and what `words.fill_words` returned with them.
    reading : pair
        Key of the row's read noise, and place of its first voxel.
    read : float
    count : Image
    """
    (drawn, odd), (row, start) = arriving, reading
    for x in range(len(mean)):
        if mean[x] > _SOME:
            count[x] = max(np.rint(count[x]), np.float32(0.0))
        else:
            word = words.mix(drawn[(x + odd) >> 1] + np.uint64((x + odd) & 1))
            count[x] = _inverted(np.float64(mean[x]), word)
        if read > 0:
            count[x] += read * words.normal_of(words.word_at(row, x + start))


@njit(cache=True)
def _inverted(mean: float, word: np.uint64) -> float:
    """Turn 64 scrambled bits into a Poisson count of a small mean."""
    chance = np.exp(-mean)
    left = words.unit_of(word) - chance
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
