"""Curves of a vertical skin section: the glass, the surface and the junction below it.

Decision: curves are depths over x, given at the centres of the columns. Between
them they are straight. That polygon *is* the curve, so that distances to it can be
exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gamma, pi, sqrt

import numpy as np

from simcell.arrays import FloatArray
from simcell.fields import FWHM, smooth_line
from simcell.rng import Streams
from simcell.scene.skin import SkinLayers


@dataclass(frozen=True)
class Profiles:
    """Curves over x, as depths in µm below the top of the field.

    Attributes
    ----------
    x_um : FloatArray
        Centres (n,) of the columns; they begin and end beyond the field.
    glass, surface, junction : FloatArray
        Depth (n,) of the glass's lower face, of the skin's surface and of the curve
        between epidermis and dermis.
    """

    x_um: FloatArray
    glass: FloatArray
    surface: FloatArray
    junction: FloatArray


def draw(
    spec: SkinLayers, width_px: int, reach_px: int, spacing_um: float, streams: Streams
) -> Profiles:
    """Draw the curves over ``width_px`` columns and ``reach_px`` more on either side."""

    def wave(scale_um: float, name: str) -> FloatArray:
        return smooth_line(len(x), scale_um / spacing_um, streams(f"cells.{name}"))

    nodes = np.arange(-reach_px, width_px + reach_px, dtype=np.float64)
    x: FloatArray = (nodes + 0.5) * spacing_um
    slope = spec.glass_slope * streams("cells.glass").uniform(-1.0, 1.0)
    glass: FloatArray = spec.glass_um + slope * (x - 0.5 * width_px * spacing_um)
    surface = glass + spec.gap_um + furrows(spec, x, streams)
    surface += spec.surface_um * wave(spec.surface_scale_um, "surface")
    surface = np.maximum(surface, glass)  # the glass presses the skin flat
    spread = _lognormal(wave(spec.epidermis_scale_um, "epidermis"), spec.epidermis_cv)
    thickness = spec.epidermis_um * spread + rete(spec, len(x), spacing_um, streams)
    return Profiles(x, glass, surface, surface + np.maximum(thickness, spec.dej_um))


def _lognormal(normal: FloatArray, cv: float) -> FloatArray:
    """Turn unit normals into a factor of mean 1 and relative spread ``cv``."""
    variance = np.log1p(cv**2)
    return np.asarray(np.exp(np.sqrt(variance) * normal - 0.5 * variance))


def furrows(spec: SkinLayers, x: FloatArray, streams: Streams) -> FloatArray:
    """Depth of the furrows at every node: Gaussian valleys at Poisson places."""
    rng = streams("cells.furrows")
    sigma = spec.furrow_width_um / FWHM
    low, high = x[0] - 4.0 * sigma, x[-1] + 4.0 * sigma
    count = int(rng.poisson(spec.furrows_per_mm * (high - low) / 1000.0))
    at = rng.uniform(low, high, count)
    depth = spec.furrow_um * rng.exponential(1.0, count)
    total = np.zeros_like(x)
    for place, deep in zip(at, depth, strict=True):
        total += deep * np.exp(-0.5 * ((x - place) / sigma) ** 2)
    return total


def rete(spec: SkinLayers, count: int, spacing_um: float, streams: Streams) -> FloatArray:
    """Rete ridges: what they add to the depth of the junction; mean 0, down positive.

    A ridge is a power of a cosine whose phase runs unevenly, so that ridges differ
    in width, times a height that varies along x.
    """
    rng, period = streams("cells.rete"), spec.rete_period_um / spacing_um
    start = rng.uniform(0.0, 2.0 * pi)
    spread = sqrt(np.log1p(spec.rete_period_cv**2))
    pace = np.exp(spread * smooth_line(count, period, rng))
    phase = start + np.cumsum(2.0 * pi / period * pace)
    height = _lognormal(smooth_line(count, period, rng), spec.rete_cv)
    shape = np.abs(np.cos(0.5 * phase)) ** (2.0 * spec.rete_sharpness)
    return np.asarray(spec.rete_um * height * (shape - mean_of_ridge(spec.rete_sharpness)))


def mean_of_ridge(sharpness: float) -> float:
    """Mean of |cos|^(2 p) over a turn.

    Examples
    --------
    >>> mean_of_ridge(1.0), round(mean_of_ridge(2.0), 6)
    (0.5, 0.375)
    """
    return round(gamma(sharpness + 0.5) / (sqrt(pi) * gamma(sharpness + 1.0)), 15)
