"""Random fields and distance maps that several rooms share.

All work in pixels on float32 arrays. ``smooth_noise`` draws at the coarse
resolution that the wanted smoothness needs and interpolates: a smooth field of
a 256 x 256 image then costs little more than the interpolation.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Image, IntArray

FWHM = 2.3548
"""Full width at half maximum of a Gaussian, in sigmas."""
_NODES_PER_SCALE = 1.8  # the field's kernel then has a sigma of at least 1.27 nodes
_MOST_SIGMA = 16.0  # in nodes; beyond, nodes are set wider apart than the field


def _blur_gain(sigma: float) -> float:
    """Return 1 / sqrt(sum of squared weights) of a separable Gaussian kernel.

    It restores unit variance to blurred white noise.
    """
    size = _kernel_size(sigma)
    kernel = cv2.getGaussianKernel(size, sigma, cv2.CV_64F)
    return float(1.0 / np.sum(kernel**2))


def _kernel_size(sigma: float) -> int:
    return 2 * max(1, int(np.ceil(3.0 * sigma))) + 1


def blur(image: Image, sigma_px: float) -> Image:
    """Blur with a Gaussian of ``sigma_px``; reflects at the edges.

    Kernels of 5 px and more run at reduced resolution, where the result differs by
    at most 2 % of a step's height and the cost no longer grows with sigma.
    """
    if sigma_px < 0.05:
        return image
    factor = int(sigma_px / 2.5)
    if factor >= 2 and min(image.shape) >= 8 * factor:
        height, width = image.shape
        small = cv2.resize(
            image, (max(4, width // factor), max(4, height // factor)), interpolation=cv2.INTER_AREA
        )
        # INTER_AREA has already blurred by a box of `factor` pixels.
        left = np.sqrt(max(sigma_px**2 - factor**2 / 12.0, 0.0)) / factor
        small = cv2.GaussianBlur(small, (0, 0), left, borderType=cv2.BORDER_REFLECT)
        return _as_image(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
    size = _kernel_size(sigma_px)
    return _as_image(cv2.GaussianBlur(image, (size, size), sigma_px, borderType=cv2.BORDER_REFLECT))


def _as_image(array: NDArray[Any]) -> Image:
    return np.asarray(array, dtype=np.float32)


def smooth_noise(
    shape: tuple[int, ...], scale_px: float, rng: Generator, *, periodic: bool = False
) -> Image:
    """Draw a Gaussian random field with zero mean and unit variance.

    Parameters
    ----------
    shape : tuple of int
        Pixels along y, x.
    scale_px : float
        Correlation length s: correlation falls as exp(-d² / (2 s²)).
    rng : numpy.random.Generator
    periodic : bool
        Opposite sides of the field meet. Costs a blur at full resolution.

    Returns
    -------
    Image
        float32 field of ``shape``.

    Examples
    --------
    >>> import numpy as np
    >>> field = smooth_noise((64, 64), 4.0, np.random.default_rng(0))
    >>> field.shape, bool(abs(field.std() - 1) < 0.2)
    ((64, 64), True)
    """
    if periodic:
        return _periodic_noise(shape, scale_px / np.sqrt(2.0), rng)
    # Nodes farther apart than the field is wide would only cost memory.
    step = max(1, min(int(scale_px / _NODES_PER_SCALE), *shape))
    sigma = scale_px / step / np.sqrt(2.0)
    if sigma > _MOST_SIGMA:
        return _nearly_even_noise(shape, scale_px, rng)
    if step == 1:
        return white_noise(shape, sigma, rng)
    nodes = tuple(-(-n // step) + 2 for n in shape)
    coarse = white_noise(nodes, sigma, rng)
    coarse *= np.float32(_linear_gain(step, scale_px))
    fine = cv2.resize(coarse, (nodes[1] * step, nodes[0] * step), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(fine[step : step + shape[0], step : step + shape[1]])


def _nearly_even_noise(shape: tuple[int, ...], scale_px: float, rng: Generator) -> Image:
    """Draw noise that hardly changes across the shortest side, at a cost without regard to scale.

    The field lies anywhere in a lattice of nodes that may be farther apart than it is wide.
    """
    step = scale_px / _NODES_PER_SCALE
    at = [(np.arange(n) + 0.5) / step + rng.random() for n in shape]
    low = [along.astype(np.intp) for along in at]
    coarse = white_noise((low[0][-1] + 2, low[1][-1] + 2), _NODES_PER_SCALE / np.sqrt(2.0), rng)
    # Mean variance between two nodes, of which each axis has its own.
    coarse /= np.float32((2.0 + np.exp(-0.5 / _NODES_PER_SCALE**2)) / 3.0)
    (i, j), (v, u) = low, (_as_image(a - k) for a, k in zip(at, low, strict=True))
    rows = coarse[i] + v[:, None] * (coarse[i + 1] - coarse[i])
    return _as_image(rows[:, j] + u * (rows[:, j + 1] - rows[:, j]))


def _periodic_noise(shape: tuple[int, ...], sigma_px: float, rng: Generator) -> Image:
    """Blur white noise on a torus; unit variance also where sigma is near the period."""
    white = rng.standard_normal(shape)
    rows = np.fft.fftfreq(shape[0])[:, None]
    columns = np.fft.rfftfreq(shape[1])[None]
    gain = np.exp(-2.0 * (np.pi * sigma_px) ** 2 * (rows**2 + columns**2))
    soft = np.fft.irfft2(np.fft.rfft2(white) * gain, s=shape)
    full = np.exp(-4.0 * (np.pi * sigma_px) ** 2 * (rows**2 + np.fft.fftfreq(shape[1])[None] ** 2))
    return _as_image(soft / np.sqrt(full.mean()))


def _linear_gain(step: int, scale_px: float) -> float:
    """Undo the loss of variance by linear interpolation, averaged over a node's cell."""
    along = (np.arange(step) + 0.5) / step
    correlation = np.exp(-0.5 * (step / scale_px) ** 2)
    variance = along**2 + (1 - along) ** 2 + 2 * along * (1 - along) * correlation
    return float(1.0 / variance.mean())


def white_noise(shape: tuple[int, ...], sigma_px: float, rng: Generator) -> Image:
    """Draw white noise at full resolution, blurred by ``sigma_px``, of unit variance."""
    if sigma_px < 0.2:
        return rng.standard_normal(shape, dtype=np.float32)
    size = _kernel_size(sigma_px)
    pad = size // 2
    wide = rng.standard_normal((shape[0] + 2 * pad, shape[1] + 2 * pad), dtype=np.float32)
    soft = cv2.GaussianBlur(wide, (size, size), sigma_px)[
        pad : pad + shape[0], pad : pad + shape[1]
    ]
    return _as_image(soft * np.float32(_blur_gain(sigma_px)))


def smooth_line(count: int, scale: float, rng: Generator) -> FloatArray:
    """Draw a Gaussian random function of one variable, of zero mean and unit variance.

    Parameters
    ----------
    count : int
        Number of values.
    scale : float
        Correlation length s in steps from value to value: correlation falls as
        exp(-d² / (2 s²)). Below one step, values are independent.
    rng : numpy.random.Generator

    Returns
    -------
    FloatArray

    Examples
    --------
    >>> import numpy as np
    >>> line = smooth_line(2000, 8.0, np.random.default_rng(0))
    >>> line.shape, bool(abs(line.std() - 1) < 0.2)
    ((2000,), True)
    """
    # Six nodes a scale, so that cubics between them change neither variance nor slope.
    pitch = max(scale / 6.0, 1.0)
    sigma = scale / pitch / np.sqrt(2.0)
    reach = int(np.ceil(4.0 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= np.sqrt(np.sum(kernel**2))
    at = np.arange(count) / pitch
    left = at.astype(np.intp)
    nodes = int(left[-1]) + 4
    value = np.convolve(rng.standard_normal(nodes + 2 * reach), kernel, mode="valid")
    a, b, c, d = (value[left + k] for k in range(4))
    t = at - left
    # Catmull and Rom's cubic through b and c, from the one to the other.
    bend = (2.0 * a - 5.0 * b + 4.0 * c - d) + t * (3.0 * (b - c) + d - a)
    return np.asarray(b + 0.5 * t * (c - a + t * bend), np.float64)


def perlin_noise(shape: tuple[int, ...], scale_px: float, rng: Generator) -> Image:
    """Draw Perlin's gradient noise scaled to unit variance.

    Unlike ``smooth_noise`` it has next to no power at low frequencies, so that
    grain does not add up to clouds.

    Parameters
    ----------
    shape : tuple of int
        Pixels along y, x.
    scale_px : float
        Side of a lattice cell.
    rng : numpy.random.Generator
        Draws the lattice's gradients and its offset.

    References
    ----------
    Perlin, K. Improving noise. ACM Trans. Graph. 21 (2002).
    """
    cells = tuple(int(np.ceil(n / scale_px)) + 2 for n in shape)
    angle = rng.uniform(0.0, 2.0 * np.pi, cells)
    offset = rng.random(2)
    return _perlin(shape[0], shape[1], scale_px, np.cos(angle), np.sin(angle), offset)


# Standard deviation with unit gradients and the quintic fade f, averaged over a cell:
# its square is 4 ∫(1 - f(u))² u² du ∫(1 - f(u))² du.
_PERLIN_SD = 0.21571


@njit(cache=True)
def _perlin(
    height: int, width: int, scale: float, gy: FloatArray, gx: FloatArray, offset: FloatArray
) -> Image:
    out = np.empty((height, width), np.float32)
    for i in range(height):
        v = i / scale + offset[0]
        r = int(v)
        v -= r
        fade_v = v * v * v * (v * (v * 6.0 - 15.0) + 10.0)
        for j in range(width):
            u = j / scale + offset[1]
            c = int(u)
            u -= c
            fade_u = u * u * u * (u * (u * 6.0 - 15.0) + 10.0)
            a = gy[r, c] * v + gx[r, c] * u
            b = gy[r, c + 1] * v + gx[r, c + 1] * (u - 1.0)
            d = gy[r + 1, c] * (v - 1.0) + gx[r + 1, c] * u
            e = gy[r + 1, c + 1] * (v - 1.0) + gx[r + 1, c + 1] * (u - 1.0)
            top = a + fade_u * (b - a)
            low = d + fade_u * (e - d)
            out[i, j] = (top + fade_v * (low - top)) / _PERLIN_SD
    return out


def border_distance(labels: IntArray) -> Image:
    """Distance of every pixel's centre to the nearest border between labels.

    Parameters
    ----------
    labels : IntArray
        Label image (y, x); a border runs wherever two edge-sharing pixels differ.

    Returns
    -------
    Image
        Distance in pixels, at least 0.5; large where there is no border at all.
    """
    inner = np.full(labels.shape, 255, np.uint8)
    down = labels[1:] != labels[:-1]
    right = labels[:, 1:] != labels[:, :-1]
    inner[1:][down] = 0
    inner[:-1][down] = 0
    inner[:, 1:][right] = 0
    inner[:, :-1][right] = 0
    if inner.all():
        return np.full(labels.shape, float(sum(labels.shape)), np.float32)
    return distance_to_zero(inner) + np.float32(0.5)


def distance_to_zero(mask: NDArray[np.uint8]) -> Image:
    """Distance in pixels to the nearest zero, within 2 % (5 x 5 chamfer mask)."""
    return _as_image(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5))
