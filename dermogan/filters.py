"""Filters as plain functions: arrays in, arrays out.

Decision: local normalisation divides by three local standard deviations and cuts at -1 and 1,
which is the range of the networks. Where the local deviation is next to nothing (the empty
background of an image), it is not divided by noise: the deviation of the whole is mixed in.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
_FLOOR = 0.1  # of the whole image's deviation


def reach_px(sigma_px: float) -> int:
    """Return how far the Gaussian of `local_normalise` reaches: three standard deviations."""
    return int(np.ceil(3 * sigma_px))


def local_normalise(image: FloatImage, sigma_px: float, spread: float | None = None) -> FloatImage:
    """Take away the local mean and divide by three local standard deviations.

    Parameters
    ----------
    image : float32 array (y, x)
    sigma_px : float
        Standard deviation of the Gaussian window.
    spread : float, optional
        Standard deviation of the whole image, where ``image`` is a window of it.

    Returns
    -------
    float32 array (y, x)
        In -1..1.

    Examples
    --------
    >>> image = np.tile(np.float32([10, 20]), (32, 16))
    >>> local_normalise(image, 8).round(1)[16, 16:18].tolist()
    [-0.30000001192092896, 0.30000001192092896]
    """
    size = 2 * reach_px(sigma_px) + 1
    centred = image - np.float32(image.mean())  # before squaring, or 16 bits lose their digits
    whole = float(centred.std()) if spread is None else spread
    mean = cv2.GaussianBlur(centred, (size, size), sigma_px, borderType=cv2.BORDER_REFLECT)
    square = cv2.GaussianBlur(
        centred * centred, (size, size), sigma_px, borderType=cv2.BORDER_REFLECT
    )
    variance = np.maximum(square - mean * mean, 0)
    scale = 3 * np.sqrt(variance + (_FLOOR * whole) ** 2) + np.float32(1e-12)
    normalised = np.clip((centred - mean) / scale, -1, 1)
    return np.asarray(normalised, np.float32)


def gabor(
    image: FloatImage, wavelength_px: float, orientations: int, bandwidth: float
) -> FloatImage:
    """Return the strongest response of a bank of even Gabor filters, of lines that are bright.

    Kernels have zero mean, so that flat areas answer 0; a cosine of amplitude a at the wavelength
    answers about a.

    Parameters
    ----------
    image : float32 array (y, x)
    wavelength_px : float
        Period of the wave; lines half as wide answer best.
    orientations : int
        Number of directions over 180 degrees.
    bandwidth : float
        Standard deviation of the envelope, as a share of the wavelength.
    """
    best = np.full(image.shape, -np.inf, np.float32)
    for k in range(orientations):
        kernel = _gabor_kernel(wavelength_px, np.pi * k / orientations, bandwidth)
        answer = cv2.filter2D(image, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT)
        np.maximum(best, answer, out=best)
    return best


def _gabor_kernel(wavelength_px: float, angle: float, bandwidth: float) -> NDArray[np.float32]:
    sigma = bandwidth * wavelength_px
    half = int(np.ceil(3 * sigma))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    along = x * np.cos(angle) + y * np.sin(angle)
    envelope = np.exp(-(x * x + y * y) / (2 * sigma * sigma))
    wave = np.cos(2 * np.pi * along / wavelength_px)
    wave -= (envelope * wave).sum() / envelope.sum()
    kernel = envelope * wave
    return np.asarray(
        kernel / (kernel * np.cos(2 * np.pi * along / wavelength_px)).sum(), np.float32
    )
