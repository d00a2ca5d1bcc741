"""Fully developed speckle, drawn as what it is: the intensity of a complex Gaussian field."""

from __future__ import annotations

from math import ceil, sqrt

import cv2
import numpy as np
from numpy.random import Generator

from simcell.arrays import FloatArray, Image
from simcell.fields import FWHM

_LEAST = 0.1  # below this sigma the kernel is a single pixel


def weights(looks: float) -> FloatArray:
    """Shares of the patterns that are averaged: their sum is 1, of their squares 1 / looks.

    Whole numbers of looks give equal shares. Otherwise one pattern of the next whole
    number counts less than the others.

    Examples
    --------
    >>> weights(2.0).tolist()
    [0.5, 0.5]
    >>> w = weights(2.5)
    >>> len(w), round(float(w.sum()), 9), round(float((w**2).sum()), 9)
    (3, 1.0, 0.4)
    """
    count = ceil(looks)
    if count == 1:
        return np.ones(1)
    # (n - 1) a + b = 1 and (n - 1) a² + b² = 1 / looks, solved for a.
    a = (1.0 + sqrt(max(1.0 - count * (1.0 - 1.0 / looks) / (count - 1), 0.0))) / count
    return np.array([a] * (count - 1) + [1.0 - (count - 1) * a])


def speckle(shape: tuple[int, ...], looks: float, grain_px: float, rng: Generator) -> Image:
    """Draw a speckle pattern of mean 1: contrast is 1 / sqrt(looks).

    One look is the squared modulus of white circular complex noise blurred by a
    Gaussian: its law is exponential. The mean of several independent ones is gamma
    distributed where looks are whole, and a weighted sum of exponentials between.
    Blur changes the field and not the intensity, so that grain costs no contrast.

    Parameters
    ----------
    shape : tuple of int
        Pixels along y, x.
    looks : float
        Independent patterns averaged, 1 or more.
    grain_px : float
        Full width at half maximum of the intensity's autocovariance.
    rng : numpy.random.Generator

    Returns
    -------
    Image

    References
    ----------
    Goodman, J. W. Speckle Phenomena in Optics (2007), chapters 3 and 4.

    Examples
    --------
    >>> import numpy as np
    >>> pattern = speckle((256, 256), looks=1, grain_px=2.0, rng=np.random.default_rng(0))
    >>> bool(abs(pattern.std() / pattern.mean() - 1) < 0.05)
    True
    """
    # Blurred by sigma, the field's correlation is exp(-d² / 4 sigma²), the intensity's its square.
    sigma = grain_px / FWHM
    kernel = cv2.getGaussianKernel(2 * max(1, ceil(3.0 * sigma)) + 1, max(sigma, _LEAST))
    pad = len(kernel) // 2
    power = float(np.sum(kernel**2)) ** 2
    total, square = np.zeros(shape, np.float32), np.empty(shape, np.float32)
    for share in weights(looks):
        for _ in range(2):  # real and imaginary part
            part = rng.standard_normal((shape[0] + 2 * pad, shape[1] + 2 * pad), dtype=np.float32)
            part = np.asarray(cv2.sepFilter2D(part, -1, kernel, kernel), np.float32)
            np.square(part[pad : pad + shape[0], pad : pad + shape[1]], out=square)
            square *= np.float32(0.5 * share / power)
            total += square
    return total
