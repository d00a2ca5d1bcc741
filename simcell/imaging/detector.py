"""Noise between the focal plane and the file: scan lines, speckle, photons, detector."""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from simcell.arrays import Image
from simcell.fields import white_noise

SIGMA_OF_GRAIN = 1.0 / (4.0 * np.sqrt(np.log(2.0)))
"""Blur of white noise, per full width at half maximum of its autocorrelation."""


def speckle(shape: tuple[int, ...], looks: float, grain_px: float, rng: Generator) -> Image:
    """Multiplicative speckle: gamma distributed, mean 1, contrast 1 / sqrt(looks).

    Averaging ``looks`` independent patterns of fully developed speckle gives a
    gamma distribution. Blurring it would lower its contrast, so a Gaussian
    field is made with the wanted grain first and each value is then mapped to
    its gamma quantile (Wilson and Hilferty's cube, whose mean is within 0.2 %
    and contrast within 0.3 % of exact for one look or more).

    Parameters
    ----------
    shape : tuple of int
        Pixels along y, x.
    looks : float
        Independent patterns averaged.
    grain_px : float
        Full width at half maximum of the underlying field's autocorrelation.
    rng : numpy.random.Generator

    Returns
    -------
    Image

    References
    ----------
    Goodman, J. W. Speckle Phenomena in Optics (2007), chapter 3.
    Wilson, E. B. & Hilferty, M. M. PNAS 17, 684 (1931).

    Examples
    --------
    >>> import numpy as np
    >>> field = speckle((256, 256), looks=4, grain_px=2.0, rng=np.random.default_rng(0))
    >>> bool(abs(field.std() / field.mean() - 0.5) < 0.02)
    True
    """
    return gamma(white_noise(shape, grain_px * SIGMA_OF_GRAIN, rng), looks)


def gamma(field: Image, looks: float) -> Image:
    """Map a standard normal field, in place, to a gamma law of mean 1; see `speckle`."""
    field *= np.float32(1.0 / (3.0 * np.sqrt(looks)))
    field += np.float32(1.0 - 1.0 / (9.0 * looks))
    np.maximum(field, 0.0, out=field)
    return field * field * field


def shift_lines(signal: Image, jitter_px: float, rng: Generator) -> Image:
    """Shift every scan line (row) by its own small amount, linearly interpolated."""
    if jitter_px <= 0:
        return signal
    shift = np.float32(jitter_px) * rng.standard_normal(len(signal), dtype=np.float32)
    return _shift_rows(signal, shift)


@njit(cache=True)
def _shift_rows(signal: Image, shift: NDArray[np.float32]) -> Image:
    """Read every row at ``column + shift``; beyond its ends, the last pixel."""
    height, width = signal.shape
    out = np.empty_like(signal)
    for r in range(height):
        whole = int(np.floor(shift[r]))
        part = shift[r] - np.float32(whole)
        for c in range(width):
            left = min(max(c + whole, 0), width - 1)
            right = min(max(c + whole + 1, 0), width - 1)
            out[r, c] = signal[r, left] + part * (signal[r, right] - signal[r, left])
    return out


def interlace(signal: Image, difference: float) -> None:
    """Make even rows brighter than odd ones, in place, as the two fields of a video frame are."""
    if difference > 0:
        signal[0::2] *= np.float32(1.0 + 0.5 * difference)
        signal[1::2] *= np.float32(1.0 - 0.5 * difference)


def uneven_lines(signal: Image, spread: float, rng: Generator) -> None:
    """Make every scan line (row) brighter or darker as a whole, in place.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.ones((400, 3), np.float32)
    >>> uneven_lines(image, 0.1, np.random.default_rng(0))
    >>> bool((image == image[:, :1]).all()), round(float(image.std()), 2)
    (True, 0.1)
    """
    if spread > 0:
        factors = 1.0 + spread * rng.standard_normal(len(signal))
        signal *= np.maximum(factors, 0.0).astype(np.float32)[:, None]


def peaked(signal: Image, amount: float, sigma_px: float) -> Image:
    """Add to every scan line (row) its own detail finer than ``sigma_px``, ``amount`` times.

    Video cameras and scanners do so to make up for their bandwidth ("aperture correction"),
    and edges that lie across lines come out stronger than those along them. Below 0, lines are
    smeared instead.

    Examples
    --------
    >>> import numpy as np
    >>> step = np.tile(np.repeat(np.float32([1, 2]), 8), (4, 1))
    >>> bool(peaked(step, 1.0, 2.0)[0, 8] > 2.3), bool((peaked(step.T, 1.0, 2.0) == step.T).all())
    (True, True)
    """
    if amount == 0:
        return signal
    size = 2 * int(np.ceil(3.0 * sigma_px)) + 1
    kernel = cv2.getGaussianKernel(size, sigma_px, cv2.CV_32F)
    one = np.ones((1, 1), np.float32)
    smooth = cv2.sepFilter2D(signal, -1, kernel, one, borderType=cv2.BORDER_REFLECT)
    return np.asarray(signal + np.float32(amount) * (signal - smooth), np.float32)


def smeared(noise: Image, sigma_px: float) -> Image:
    """Smear white noise along scan lines (rows), and leave it as strong as it is.

    Examples
    --------
    >>> import numpy as np
    >>> white = np.random.default_rng(0).standard_normal((200, 200), dtype=np.float32)
    >>> noise = smeared(white, 1.5)
    >>> beside, below = (float((noise * np.roll(noise, 1, axis)).mean()) for axis in (1, 0))
    >>> round(float(noise.std()), 1), round(beside, 1), abs(round(below, 1))
    (1.0, 0.9, 0.0)
    """
    reach = int(np.ceil(3.0 * sigma_px))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma_px, 1e-3)) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    made = cv2.sepFilter2D(noise, cv2.CV_32F, kernel, np.ones(1), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(made, np.float32)


def detect(
    signal: Image,
    gain: float,
    offset: float,
    photons: float,
    read_noise: float,
    rng: Generator,
    smear_px: float = 0.0,
) -> NDArray[np.uint8]:
    """Count photons, amplify, add read noise and digitise to 8 bits.

    Photon counts are taken as normal with variance equal to the mean: at the
    ten and more photons of a useful pixel it is the Poisson law for practical
    purposes, at a twentieth of its cost.

    Parameters
    ----------
    signal : Image
        Relative brightness; 1 is ``photons`` photons.
    gain, offset : float
        Full range is reached at ``signal * gain + offset = 1``.
    photons : float
        Photons per pixel at brightness 1.
    read_noise : float
        Standard deviation of the detector's own noise, share of the full range.
    rng : numpy.random.Generator
    smear_px : float
        See `smeared`.

    Returns
    -------
    uint8 array
    """
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    if smear_px > 0:
        noise = smeared(noise, smear_px)
    return digitise(signal, noise, gain, offset, gain**2 / photons, read_noise**2)


@njit(cache=True)
def digitise(
    signal: Image, noise: Image, gain: float, offset: float, shot: float, read: float
) -> NDArray[np.uint8]:
    """Add signal-dependent noise, scale and round in one pass over the pixels.

    ``noise`` is standard normal; ``shot`` the variance at brightness 1 and ``read`` that
    of the detector, in squares of the full range.
    """
    out = np.empty(signal.shape, np.uint8)
    a, b = np.float32(gain * 255), np.float32(offset * 255 + 0.5)
    c, d = np.float32(shot * 255**2), np.float32(read * 255**2)
    for r in range(signal.shape[0]):
        for k in range(signal.shape[1]):
            light = max(signal[r, k], np.float32(0))
            level = a * light + b + noise[r, k] * np.sqrt(c * light + d)
            out[r, k] = np.uint8(min(max(level, np.float32(0)), np.float32(255)))
    return out
