"""Wide-field fluorescence: stained parts, uneven light, depth of field, camera.

Decision: every cell has its own depth and so its own blur. SIMCEP gives touching
cells one depth. Light of a cell whose blur lies between two levels is shared out
between them so that the variance of the blur is exact: a field costs as many
blurs as there are levels, however many cells it has.

Decision: noise comes after all blur, as in a microscope. SIMCEP blurs some of its
noise.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Image, Parts
from simcell.fields import FWHM, blur
from simcell.imaging.camera import expose
from simcell.imaging.texture import textures
from simcell.imaging.view import View
from simcell.rng import Streams
from simcell.scene.imaging import FluoField, FluoPart, Fluorescence

_RATIO = 1.45  # of one level of blur to the next
_SHARPEST_PX = 0.3  # a blur below this does not show


def image(spec: Fluorescence, view: View, streams: Streams) -> NDArray[Any]:
    """Image the view with every stage of the model; see the module's description."""
    parts = _parts(view)
    light = emission(spec, parts, streams)
    blurs = blur_px(spec, parts.depth_um, view.spacing_um)
    light = out_of_focus(light, parts, blurs)
    shade = illumination(spec.field, light.shape, streams("imaging.illumination"))
    light *= np.float32(1.0 - spec.field.falloff) + np.float32(spec.field.falloff) * shade
    if spec.field.glow > 0:
        light += np.float32(spec.field.glow) * shade
    if spec.field.autofluorescence > 0:
        cloud = clouds(light.shape, streams("imaging.autofluorescence"))
        light += np.float32(spec.field.autofluorescence) * cloud
    return expose(light, spec.camera, streams)


def _parts(view: View) -> Parts:
    """Return the cells' parts; cells without any are all cytoplasm, at depth 0."""
    if view.parts is not None:
        return view.parts
    cells = view.labels > 0
    none = np.zeros_like(cells)
    return Parts(view.labels, cells, none, none, np.zeros(len(view.centres_um)))


def emission(spec: Fluorescence, parts: Parts, streams: Streams) -> Image:
    """Light that the parts give off in focus, relative."""
    light = np.zeros(parts.owner.shape, np.float32)
    for name, part, where in (
        ("cytoplasm", spec.cytoplasm, parts.body),
        ("nucleus", spec.nucleus, parts.nucleus),
        ("spots", spec.spots, parts.spot),
    ):
        if part.brightness > 0 and where.any():
            level = _levels(part, len(parts.depth_um), streams(f"imaging.{name}.level"))
            rng = streams(f"imaging.{name}.texture")
            light += textures(parts.owner, where, level, part.texture, rng)
    return light


def _levels(part: FluoPart, count: int, rng: Generator) -> Image:
    """Brightness (count + 1,) of each cell's part: log-normal about its mean."""
    variance = np.log1p(part.cell_cv**2)
    spread = np.exp(np.sqrt(variance) * rng.standard_normal(count) - 0.5 * variance)
    return np.concatenate([[0.0], part.brightness * spread]).astype(np.float32)


def blur_px(spec: Fluorescence, depth_um: FloatArray, spacing_um: float) -> FloatArray:
    """Blur (sigma, pixels) of objects at these depths: that in focus, and defocus."""
    defocus = spec.focus.blur * (depth_um - spec.focus.plane_um)
    return np.asarray(np.hypot(spec.psf_um / FWHM, defocus) / spacing_um)


def out_of_focus(light: Image, parts: Parts, sigma_px: FloatArray) -> Image:
    """Blur the light of every cell by its own sigma."""
    seen = np.unique(parts.owner)
    seen = seen[seen > 0] - 1
    if len(seen) == 0:
        return light
    levels = _levels_of_blur(sigma_px[seen])
    if len(levels) == 1:
        return blur(light, float(levels[0]))
    variance, steps = np.square(np.clip(sigma_px, levels[0], levels[-1])), np.square(levels)
    total = np.zeros_like(light)
    for k in range(len(levels)):
        tent = np.zeros(len(levels))
        tent[k] = 1.0
        share = np.interp(variance, steps, tent)
        weight = np.concatenate([[0.0], share]).astype(np.float32)
        if share[seen].any():
            total += blur(light * weight[parts.owner], float(levels[k]))
    return total


def _levels_of_blur(sigma_px: FloatArray) -> FloatArray:
    """Levels of blur that span those of the cells, each ``_RATIO`` times the one before."""
    low, high = max(float(sigma_px.min()), _SHARPEST_PX), float(sigma_px.max())
    if high <= low * 1.02:
        return np.array([max(float(sigma_px.mean()), 0.0)])
    count = 2 + int(np.log(high / low) / np.log(_RATIO))
    return np.geomspace(low, high, count)


def illumination(spec: FluoField, shape: tuple[int, ...], rng: Generator) -> Image:
    """Inverted paraboloid: 1 at its middle, 0 half a diagonal of the field from there."""
    middle = 0.5 + spec.misalignment * rng.uniform(-1.0, 1.0, 2)
    half = 0.25 * (shape[0] ** 2 + shape[1] ** 2)
    y = (np.arange(shape[0]) + 0.5 - middle[0] * shape[0]) ** 2 / half
    x = (np.arange(shape[1]) + 0.5 - middle[1] * shape[1]) ** 2 / half
    shade = 1.0 - y[:, None].astype(np.float32) - x.astype(np.float32)
    return np.asarray(np.maximum(shade, 0.0), np.float32)


def clouds(shape: tuple[int, ...], rng: Generator) -> Image:
    """Cloudy background, 0 to 1: two octaves of random values over the whole field."""
    total = np.zeros(shape, np.float32)
    for k in (1, 2):
        grid = rng.random((2**k, 2**k), dtype=np.float32)
        total += cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    total -= total.min()
    return np.asarray(total / max(float(total.max()), 1e-9), np.float32)
