"""Grey levels of an image: what brightness, blur, texture and noise leave in it.

Every function takes an image (y, x) of floats on the scale 0 to 255, real or simulated,
and says nothing of where cells are; see `simcell.describe.zones` for that.

Decision: lengths are in pixels. Noise and blur belong to the pixels, and images that are
compared have pixels of one size.

Decision: noise is what a mask of 3 x 3 leaves that is blind to levels, slopes and
straight edges (Immerkaer). It sees texture as fine as a pixel too, as any measure from one image
does: a simulated image with the same texture and noise gives the same curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft

from simcell.arrays import BoolArray, FloatArray, Image
from simcell.describe.lines import register, uneven_lines
from simcell.fields import blur

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Shares of the pixels whose grey levels are reported."""

SIZES_PX = (1, 2, 3, 5, 8)
"""Radii of the discs of the granularity spectrum."""

LAGS = ((0, 1), (1, 0), (0, 2), (2, 0), (0, 4), (4, 0))
"""Shifts (y, x) in pixels at which fine detail is compared with itself."""

_BLIND = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
"""Mask of J. Immerkaer, Comput. Vis. Image Underst. 64, 300 (1996); unit gain for white noise."""
_FINE_PX = 2.5  # detail finer than this (Gaussian sigma) is the grain
_FEW = 30  # pixels from which noise can be told
_LARGE_PX = 4  # radius from which on grains are looked for at half the resolution
_USUAL_PX = 16.0  # between cells, where the spectrum shows no ring
_ACROSS = 3.0  # wavelengths of a ring that an image holds at least
_INSIDE = (3, 5)  # bands, a sixth of an octave each, below a ring: there it is empty
_NORMAL = 1.4826  # standard deviation per median absolute value of a normal law


@dataclass(frozen=True)
class Curve:
    """A measured curve.

    Attributes
    ----------
    x, y : FloatArray
        Same length; ``y`` is NaN where the image cannot tell.
    """

    x: FloatArray
    y: FloatArray


@dataclass(frozen=True)
class Grey:
    """What the grey levels of an image measure.

    Attributes
    ----------
    mean, sd, skew : float
        Of the grey levels; skew is that of the image with its illumination taken out.
    quantiles : Curve
        Grey level at each share of the pixels.
    spectrum : Curve
        Power (grey levels squared, that of white noise is its variance) over frequency
        in cycles per pixel, averaged over directions.
    noise : Curve
        Standard deviation of the noise over the signal, grey levels.
    bright_grains, dark_grains : Curve
        Mean grey level that grains smaller than each radius in pixels add, or take away,
        and no smaller than the radius before.
    grain : Curve
        Correlation of fine detail with itself at each of ``LAGS``, by its number.
    register_px : float
        Spread of the shifts of scan lines (rows) along their length; see `simcell.describe.lines`.
    lines : float
        Spread of the brightness of rows against the rows beside them, in grey levels.
    grain_px : float
        Full width at half maximum of the detail's autocorrelation.
    uneven, tilt : float
        Relative spread of the illumination: all of it, and of the plane in it.
    polarity : float
        1 where bright lines close cells in, -1 where dark ones do, and between; see `polarity`.
    clipped : float
        Share of pixels at the lowest or the highest level of the scale.
    """

    mean: float
    sd: float
    skew: float
    quantiles: Curve
    spectrum: Curve
    noise: Curve
    bright_grains: Curve
    dark_grains: Curve
    grain: Curve
    register_px: float
    lines: float
    grain_px: float
    uneven: float
    tilt: float
    polarity: float
    clipped: float


def grey_of(image: Image, *, lines: bool = True) -> Grey:
    """Measure the grey levels of an image.

    Parameters
    ----------
    image : Image
        float32 (y, x), 0 to 255; 16 pixels a side at least.
    lines : bool
        Tell the polarity too, a third of the work; else it is NaN.

    Returns
    -------
    Grey

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(100, 5, (128, 128)).astype(np.float32)
    >>> grey = grey_of(noise)
    >>> round(grey.mean), round(grey.sd), round(float(grey.noise.y[2]))
    (100, 5, 5)
    >>> bool(22 < grey.spectrum.y[-1] < 28)
    True
    """
    image = np.ascontiguousarray(image, dtype=np.float32)
    mean, sd = float(image.mean()), float(image.std())
    light = illumination(image)
    flat = image - light
    lags = grain(image)
    return Grey(
        mean,
        sd,
        float(np.mean((flat / max(float(flat.std()), 1e-6)) ** 3)),
        Curve(np.array(QUANTILES), np.quantile(image, QUANTILES).astype(np.float64)),
        spectrum(image),
        noise(image),
        granularity(image),
        granularity(-image),
        lags,
        register(image),
        uneven_lines(image),
        grain_px(lags),
        float(light.std()) / max(mean, 1.0),
        float(plane(image).std()) / max(mean, 1.0),
        polarity(image) if lines else float("nan"),
        float(np.mean((image <= 0) | (image >= 255))),
    )


def summary(grey: Grey) -> dict[str, float]:
    """Return the numbers of `grey_of` by name, each on a scale on which spreads are even.

    Powers, noise and grains are logarithms, so that a difference is a ratio.

    Examples
    --------
    >>> ramp = np.tile(np.linspace(50, 150, 64, dtype=np.float32), (64, 1))
    >>> round(summary(grey_of(ramp))["quantile 0.5"])
    100
    """
    numbers = {f"quantile {q:g}": v for q, v in _pairs(grey.quantiles)}
    numbers["sd, log"] = _log(grey.sd)
    numbers["skew"] = grey.skew
    numbers |= {f"power at {f:.3f}/px, log": _log(p) for f, p in _pairs(grey.spectrum)}
    numbers |= {f"noise {i}, log": _log(v) for i, (_, v) in enumerate(_pairs(grey.noise))}
    for name, curve in (("bright", grey.bright_grains), ("dark", grey.dark_grains)):
        numbers |= {f"{name} grains of {r:g} px, log": _log(v) for r, v in _pairs(curve)}
    numbers |= {f"grain at lag {LAGS[int(i)]}": v for i, v in _pairs(grey.grain)}
    numbers["lines out of register, log"] = _log(grey.register_px)
    numbers["lines uneven, log"] = _log(grey.lines)
    numbers["uneven, log"] = _log(grey.uneven, 1e-3)
    numbers["tilt, log"] = _log(grey.tilt, 1e-3)
    numbers["polarity"] = grey.polarity
    numbers["clipped"] = grey.clipped
    return numbers


def _pairs(curve: Curve) -> list[tuple[float, float]]:
    return list(zip(curve.x.tolist(), curve.y.tolist(), strict=True))


def _log(value: float, least: float = 0.05) -> float:
    """Logarithm that levels off below what can be told from nothing."""
    return float(np.log(max(value, 0.0) + least))


def histogram(image: Image, bins: int = 64) -> Curve:
    """Return the share of pixels in each of ``bins`` equal steps of the scale 0 to 255."""
    counts, edges = np.histogram(image, bins=bins, range=(0.0, 256.0))
    return Curve(0.5 * (edges[1:] + edges[:-1]), counts / max(counts.sum(), 1))


def spectrum(image: Image, per_octave: int = 2) -> Curve:
    """Return the power of an image over frequency, averaged over directions.

    A Hann window keeps the edges of the image from showing as lines.

    Parameters
    ----------
    image : Image
    per_octave : int
        Bands in each octave from 1/128 to 1/2 cycle per pixel.

    Returns
    -------
    Curve
        NaN in bands that are too coarse for the image.
    """
    window = np.hanning(image.shape[0] + 2)[1:-1, None] * np.hanning(image.shape[1] + 2)[None, 1:-1]
    window = window.astype(np.float32)
    level = float((image * window).sum() / window.sum())
    power = np.abs(fft.rfft2((image - level) * window)) ** 2 / float((window**2).sum())
    frequency = np.hypot(
        fft.fftfreq(image.shape[0])[:, None], fft.rfftfreq(image.shape[1])[None]
    ).ravel()
    edges = 2.0 ** (np.arange(-7 * per_octave, -per_octave + 1) / per_octave)
    band = np.digitize(frequency, edges)
    counts = np.bincount(band, minlength=len(edges) + 1)[1:-1]
    sums = np.bincount(band, weights=power.ravel(), minlength=len(edges) + 1)[1:-1]
    with np.errstate(invalid="ignore"):
        mean = np.where(counts >= 3, sums / counts, np.nan)
    return Curve(np.sqrt(edges[1:] * edges[:-1]), mean)


def noise(image: Image, levels: int = 5) -> Curve:
    """Return the noise over the signal: the photon transfer curve of one image.

    Parameters
    ----------
    image : Image
    levels : int
        Steps of the signal, each with as many pixels.

    Returns
    -------
    Curve
        Mean of the local signal, and standard deviation of the noise there.
    """
    rest = cv2.filter2D(image, -1, _BLIND, borderType=cv2.BORDER_REFLECT_101)[1:-1, 1:-1]
    local = cv2.blur(image, (5, 5), borderType=cv2.BORDER_REFLECT_101)[1:-1, 1:-1]
    edges = np.quantile(local, np.linspace(0, 1, levels + 1)[1:-1])
    step = np.digitize(local, edges)
    signal, spread = np.full(levels, np.nan), np.full(levels, np.nan)
    for i in range(levels):
        chosen = step == i
        if chosen.sum() >= _FEW:
            signal[i] = float(local[chosen].mean())
            spread[i] = _spread(np.abs(rest[chosen]))
    return Curve(signal, spread)


def _spread(sizes: Image) -> float:
    """Return the standard deviation of normal noise, from the smaller half and more of its sizes.

    The mean of sizes up to their 80th percentile is robust as the median is, and does not
    come in steps where grey levels do.
    """
    top = int(0.8 * len(sizes))
    kept = np.partition(sizes, top)[:top]
    return float(kept.mean()) / _CUT_MEAN


_CUT_MEAN = 0.5586
"""Mean size of a standard normal among those below the 80th percentile, 1.2816."""


def granularity(image: Image) -> Curve:
    """Return the mean grey level that bright grains of each size add; of dark ones, give -image.

    Openings by discs of growing radius: Maragos, IEEE Trans. PAMI 11, 701 (1989).
    """
    previous, steps = float(image.mean()), []
    for radius in SIZES_PX:
        opened = float(_opened(image, radius).mean())
        steps.append(max(previous - opened, 0.0))
        previous = min(opened, previous)
    return Curve(np.array(SIZES_PX, np.float64), np.array(steps))


def _opened(image: Image, radius: int) -> Image:
    if radius >= _LARGE_PX:
        # At half the resolution: the same within some per cent, at an eighth of the cost.
        half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        image = np.asarray(half, np.float32)
        radius //= 2
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.morphologyEx(image, cv2.MORPH_OPEN, disc), np.float32)


def grain(image: Image) -> Curve:
    """Return how much fine detail is like itself one pixel on, and more, along y and x.

    Speckle and blurred noise are alike in both directions; scan lines out of register are
    not.
    """
    detail = image - blur(image, _FINE_PX)
    power = max(float(np.mean(detail * detail)), 1e-9)
    values = []
    for dy, dx in LAGS:
        height, width = detail.shape[0] - dy, detail.shape[1] - dx
        values.append(float(np.mean(detail[dy:, dx:] * detail[:height, :width])) / power)
    return Curve(np.arange(len(LAGS), dtype=np.float64), np.array(values))


def grain_px(lags: Curve) -> float:
    """Full width at half maximum of fine detail's autocorrelation, as of a Gaussian.

    White noise gives about 1; the grain of what is coarser than some 6 pixels is cut off.
    """
    near = float(np.clip(np.sqrt(abs(lags.y[0] * lags.y[1])), 0.0625, 0.99))
    # exp(-d² / (2 s²)) = near at d = 1; the width at half of that.
    return float(2.0 * np.sqrt(np.log(2.0) / -np.log(near)))


def illumination(image: Image) -> Image:
    """Return slow changes of brightness: the image blurred over a sixth of its shorter side."""
    return blur(image, min(image.shape) / 6.0)


def plane(image: Image) -> Image:
    """Return the plane (least squares) through an image."""
    rows = np.linspace(-1.0, 1.0, image.shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-1.0, 1.0, image.shape[1], dtype=np.float32)[None]
    mean = np.float32(image.mean())
    slope_y = np.float32((image * rows).mean() / (rows**2).mean())
    slope_x = np.float32((image * columns).mean() / (columns**2).mean())
    return mean + slope_y * rows + slope_x * columns


def polarity(image: Image) -> float:
    """Tell whether cells are closed in by bright lines (1) or by dark ones (-1), or neither.

    Lines that close cells in hang together, and the cells are many pieces: of the two
    halves of the pixels, above and below the local level, the one in more pieces holds the
    cells. Bright objects apart on a dark ground count as dark lines. Spots and speckle
    are blurred by an eighth of the distance between cells before.
    """
    wavelength = ring(image)
    sigma = (wavelength if np.isfinite(wavelength) else _USUAL_PX) / 8.0
    band = blur(image, sigma) - blur(image, 3.5 * sigma)
    level = float(np.median(band))
    bright = _pieces(band > level)
    dark = _pieces(band < level)
    return (dark - bright) / max(dark + bright, 1)


def _pieces(mask: BoolArray) -> int:
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0]) - 1


def ring(image: Image) -> float:
    """Return the wavelength in pixels at which a regular mosaic of cells has its peak of power.

    The spectrum of tissue is a ring; power times frequency, over the trend of a power law,
    has its top there. NaN where no band stands out.
    """
    return _ring(image)[0]


def dip(image: Image) -> float:
    """Return how far power falls off below the frequency of the ring, as a logarithm.

    The more orderly cells lie, the emptier is the inside of the ring. NaN without a ring.
    """
    return _ring(image)[1]


def _ring(image: Image) -> tuple[float, float]:
    curve = spectrum(image, per_octave=6)
    x, y = np.log(curve.x), np.log(np.maximum(curve.y, 1e-6))
    # Slow changes of light make no mosaic, which is several cells wide.
    seen = np.isfinite(y) & (curve.x < 0.25) & (curve.x * min(image.shape) > _ACROSS)
    if seen.sum() < 6:
        return float("nan"), float("nan")
    x, y = x[seen], y[seen]
    # Smooth over three bands, then look for the most convex place above the straight line.
    soft = np.convolve(np.pad(y, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    trend = np.polynomial.Polynomial.fit(x, soft, 2)(x)
    above = (soft - trend)[1:-1]
    top = int(np.argmax(above)) + 1
    if above[top - 1] <= 1e-6:
        return float("nan"), float("nan")
    inside = y[max(top - _INSIDE[1], 0) : max(top - _INSIDE[0] + 1, 1)]
    return float(np.exp(-x[top])), float(soft[top] - inside.mean())
