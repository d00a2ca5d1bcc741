"""Filters as plain functions: arrays in, arrays out.

Decision: local normalisation divides by three local standard deviations and cuts at -1 and 1,
which is the range of the networks. Where the local deviation is next to nothing (the empty
background of an image), it is not divided by noise: the deviation of the whole is mixed in.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

import cv2
import numpy as np
from numpy.typing import NDArray

from dermogan.domains import Canny, Data, FilterSpec, Gabor, Sato

FloatImage = NDArray[np.float32]


def reach_px(sigma_px: float) -> int:
    """Return how far the Gaussian of `local_normalise` reaches: three standard deviations."""
    return int(np.ceil(3 * sigma_px))


class Normaliser(NamedTuple):
    """The local normalisation of a recipe; see `local_normalise`."""

    sigma_px: float
    floor: float = 0.1

    @classmethod
    def of(cls, data: Data) -> Normaliser:
        """Take its numbers from a recipe."""
        return cls(data.normalise_px, data.normalise_floor)

    def __call__(self, image: FloatImage, spread: float | None = None) -> FloatImage:
        """Normalise an image (y, x), or a window of one of that spread."""
        return local_normalise(image, self.sigma_px, spread, self.floor)

    @property
    def reach_px(self) -> int:
        """How far it sees."""
        return reach_px(self.sigma_px)


def local_normalise(
    image: FloatImage, sigma_px: float, spread: float | None = None, floor: float = 0.1
) -> FloatImage:
    """Take away the local mean and divide by three local standard deviations.

    Parameters
    ----------
    image : float32 array (y, x)
    sigma_px : float
        Standard deviation of the Gaussian window.
    spread : float, optional
        Standard deviation of the whole image, where ``image`` is a window of it.
    floor : float
        Share of that deviation below which a local one hardly counts: what is dim beside the
        rest of the image stays dim.

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
    scale = 3 * np.sqrt(variance + (floor * whole) ** 2) + np.float32(1e-12)
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
        kernel = gabor_kernel(wavelength_px, np.pi * k / orientations, bandwidth)
        answer = cv2.filter2D(image, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT)
        np.maximum(best, answer, out=best)
    return best


def gabor_kernel(wavelength_px: float, angle: float, bandwidth: float) -> NDArray[np.float32]:
    """Return the kernel (y, x) of an even Gabor filter at an angle; see `gabor`."""
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


def sato(image: FloatImage, sigmas_px: tuple[float, ...]) -> FloatImage:
    """Return the ridge strength of bright lines: the largest of -λ σ² over widths, at least 0.

    λ is the smaller eigenvalue of the Hessian (Sato et al., Med. Image Anal. 2, 143-168, 1998).

    Parameters
    ----------
    image : float32 array (y, x)
    sigmas_px : tuple of float
        Widths of the ridges, as standard deviations.

    Examples
    --------
    A bright line answers, a bright area does not; inverted, dark lines do.

    >>> image = np.zeros((32, 32), np.float32)
    >>> image[:, 6:8], image[:, 16:] = 1, 1
    >>> ridges = sato(image, (1.0, 2.0))
    >>> bool(ridges[16, 7] > 10 * ridges[16, 24])
    True
    >>> bool(sato(-image, (1.0, 2.0))[16, 7] == 0)
    True
    """
    from scipy.ndimage import gaussian_filter

    best = np.zeros(image.shape, np.float32)
    for sigma in sigmas_px:
        yy, xy, xx = (
            gaussian_filter(image, sigma, order=order, mode="reflect", truncate=4)
            for order in ((2, 0), (1, 1), (0, 2))
        )
        smaller = (yy + xx) / 2 - np.hypot((yy - xx) / 2, xy)
        np.maximum(best, -smaller * np.float32(sigma * sigma), out=best)
    return best


def canny(image: FloatImage, sigma_px: float, low: float, high: float) -> NDArray[np.bool_]:
    """Return edges by Canny's method; thresholds are quantiles of the gradient.

    Parameters
    ----------
    image : float32 array (y, x)
    sigma_px : float
        Blur before the gradient.
    low, high : float
        Quantiles of the gradient's strength.
    """
    from skimage.feature import canny as edges

    if not np.ptp(image):
        return np.zeros(image.shape, bool)
    found: NDArray[np.bool_] = edges(
        image, sigma=sigma_px, low_threshold=low, high_threshold=high, use_quantiles=True
    )
    return found


def apply(spec: FilterSpec, image: FloatImage) -> FloatImage:
    """Make domain C of a normalised image: one filter, brought to -1..1.

    Responses are divided by three of their root mean squares, as no filter of a noisy image has
    a largest value of its own; edges become -1 and 1.
    """
    match spec:
        case Gabor():
            response = gabor(
                _lines_bright(image, spec), spec.wavelength_px, spec.orientations, spec.bandwidth
            )
        case Sato():
            response = sato(_lines_bright(image, spec), spec.sigmas_px)
        case Canny():
            return np.where(canny(image, spec.sigma_px, spec.low, spec.high), 1, -1).astype(
                np.float32
            )
        case _:
            assert_never(spec)
    strength = 3 * float(np.sqrt(np.mean(response * response))) + 1e-12
    return np.clip(response / np.float32(strength), -1, 1)


def _lines_bright(image: FloatImage, spec: Gabor | Sato) -> FloatImage:
    return image if spec.polarity == "bright" else -image
