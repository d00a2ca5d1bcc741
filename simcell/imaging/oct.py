"""Optical coherence tomography of skin: a vertical section in reflected light.

The reflected intensity of each layer with its texture (glass face, lamellae of the
stratum corneum, nuclei, basal cells, fibres) is put together with what hides between
the layers. Then come loss on the way down and back, uneven light, places without
signal, the point spread function, speckle, the detector's noise and the display.

Decision: speckle multiplies an intensity that is blurred before. In a real
tomograph many scatterers within one spot add up as fields; with many of them the two
are the same, and only so can the contrast be exactly what is asked for.

Decision: the noise floor is part of the intensity that speckle multiplies. The
noise of a tomograph is a complex Gaussian field like its speckle, so that the law of
their sum is the same; only its grain, here that of speckle, would be finer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Image, Layers
from simcell.errors import SimcellError
from simcell.fields import FWHM, blur, smooth_line, smooth_noise
from simcell.imaging.coherent import speckle
from simcell.imaging.skin import confounders, nuclei, patches, streaks
from simcell.imaging.view import View
from simcell.rng import Streams
from simcell.scene.oct import Oct, OctCorneum, OctDermis, OctDisplay, OctField, OctGlass, OctMissing

_SOFT_UM = 1.5  # softness of borders between textures
GLASS, GLYCEROL, EPIDERMIS, JUNCTION, DERMIS = range(1, 6)


def image(spec: Oct, view: View, streams: Streams) -> NDArray[np.uint8]:
    """Image the view with every stage of the model; see the module's description."""
    if view.layers is None:
        msg = "imaging.kind = 'oct': there are no layers; use cells.kind = 'skin_layers'"
        raise SimcellError(msg)
    layers, spacing = view.layers, view.spacing_um
    light = reflectance(spec, layers, spacing, streams)
    light *= transmission(spec, layers)
    light *= illumination(spec.field, light.shape, spacing, streams)
    lose_signal(light, spec.missing, spacing, streams)
    light = blur(light, spec.psf_um / FWHM / spacing) + np.float32(spec.floor)
    grain, looks = spec.speckle.speckle_um / spacing, spec.speckle.looks
    light *= speckle(light.shape, looks, grain, streams("imaging.speckle"))
    return display(light, spec.display)


def reflectance(spec: Oct, layers: Layers, spacing_um: float, streams: Streams) -> Image:
    """Intensity that each place would reflect if no light were lost on the way."""
    epidermis = spec.epidermis.brightness
    levels = np.array(
        [
            0.0,
            spec.glass.brightness,
            spec.glass.glycerol,
            epidermis,
            spec.epidermis.junction * epidermis,
            spec.dermis.brightness,
        ],
        np.float32,
    )
    light = levels[layers.classes]
    light *= tissue(spec, layers, spacing_um, streams)
    add_corneum(light, spec.corneum, layers, spacing_um, streams)
    light *= confounders(spec.confounders, layers, spacing_um, streams)
    add_face(light, spec.glass, layers, spacing_um)
    light[layers.classes == 0] = 0.0
    return light


def tissue(spec: Oct, layers: Layers, spacing_um: float, streams: Streams) -> Image:
    """Texture of epidermis and dermis, as a factor; 1 in glass and glycerol."""
    classes, cells = layers.classes, spec.epidermis
    scale = 0.5 * cells.cell_um / spacing_um
    grain = smooth_noise(classes.shape, scale, streams("imaging.cells"))
    deep = fibres(spec.dermis, layers, spacing_um, streams)
    factor: Image = np.exp(np.where(classes == DERMIS, deep, _spread(grain, cells.uneven)))
    factor[classes <= GLYCEROL] = 1.0
    if cells.basal != 1:
        near = _step(np.float32(cells.basal_um) + layers.junction_um) * (classes == EPIDERMIS)
        factor *= np.float32(1.0) + np.float32(cells.basal - 1.0) * near
    nuclei(factor, cells, layers, spec.corneum.thickness_um, spacing_um, streams)
    return factor


def fibres(spec: OctDermis, layers: Layers, spacing_um: float, streams: Streams) -> Image:
    """Logarithm of the fibres' factor, whose mean is 1."""
    shape = layers.classes.shape
    wave = smooth_noise(shape, spec.fibre_length_um / spacing_um, streams("imaging.wave"))
    rows = np.arange(shape[0], dtype=np.float32)[:, None]
    rows = rows + np.float32(spec.wave_um / spacing_um) * wave
    size = np.array([spec.fibre_um, spec.fibre_length_um]) / spacing_um
    return _spread(streaks(rows, shape[0], size, streams("imaging.fibres")), spec.fibres)


def add_corneum(
    light: Image, spec: OctCorneum, layers: Layers, spacing_um: float, streams: Streams
) -> None:
    """Put the stratum corneum and the line of the surface over the rest (changes ``light``)."""
    along = smooth_line(light.shape[1], 60.0 / spacing_um, streams("imaging.corneum"))
    thick = spec.thickness_um * np.clip(1.0 + spec.thickness_cv * along, 0.2, 2.0)
    sigma = spec.surface_um / FWHM
    reach = max(float(thick.max()) + _SOFT_UM, 4.0 * sigma)
    top = _rows_above(layers.depth_um, reach)
    depth, classes, part = layers.depth_um[:top], layers.classes[:top], light[:top]
    inside = _step(thick.astype(np.float32)[None] - depth) * ((depth > 0) & (classes > GLYCEROL))
    level: Image | np.float32 = np.float32(spec.brightness)
    if spec.lamellae > 0:
        size = np.array([2.0, 40.0]) / spacing_um
        rng, rows = streams("imaging.lamellae"), depth / np.float32(spacing_um)
        grain = streaks(rows, int(reach / spacing_um) + 2, size, rng)
        level = level * _lognormal(grain, spec.lamellae)
    part += inside * (level - part)
    line = np.exp(-0.5 * np.square(depth / np.float32(sigma)))
    part += np.float32(spec.surface) * line * (classes > GLASS)


def _rows_above(depth_um: Image, limit_um: float) -> int:
    """Count the rows down to the last that has a pixel above this depth; 1 at least."""
    shallow = np.flatnonzero(depth_um.min(axis=1) < limit_um)
    return int(shallow[-1]) + 1 if len(shallow) else 1


def add_face(light: Image, spec: OctGlass, layers: Layers, spacing_um: float) -> None:
    """Add the reflection of the glass's lower face and its trail (changes ``light``)."""
    sigma = spec.face_um / FWHM
    top = max(int((float(layers.glass_um.max()) + 4.0 * sigma) / spacing_um) + 1, 0)
    part = light[:top]
    y = ((np.arange(len(part), dtype=np.float32) + 0.5) * np.float32(spacing_um))[:, None]
    above = layers.glass_um.astype(np.float32)[None] - y
    line = np.exp(-0.5 * np.square(above / np.float32(sigma)))
    trail = np.exp(-np.maximum(above, 0) / np.float32(spec.tail_um)) * (above > 0)
    share = np.float32(spec.tail)
    part += np.float32(spec.face) * (line + share * (trail - line))


def transmission(spec: Oct, layers: Layers) -> Image:
    """Share of the intensity that survives the way down and back: exp(-2 µ depth)."""
    loss = spec.attenuation
    whole = layers.epidermis_um.astype(np.float32)[None]
    shallow = np.clip(layers.depth_um, 0, whole)
    deep = np.maximum(layers.depth_um - whole, 0)
    upper, lower = 2e-3 * loss.epidermis_per_mm, 2e-3 * loss.dermis_per_mm
    return np.asarray(np.exp(-np.float32(upper) * shallow - np.float32(lower) * deep), np.float32)


def illumination(
    spec: OctField, shape: tuple[int, ...], spacing_um: float, streams: Streams
) -> Image:
    """Factor along x: 1 at the brightest place, dark at the ends, uneven between; (1, x)."""
    middle = spec.offset * streams("imaging.middle").uniform(-1.0, 1.0)
    u = (np.arange(shape[1]) + 0.5) / shape[1] * 2.0 - 1.0
    far = np.abs(u - middle) / (1.0 + abs(middle))
    light = 1.0 - spec.falloff * far**spec.falloff_power
    if spec.uneven > 0:
        wave = smooth_line(shape[1], spec.scale_um / spacing_um, streams("imaging.uneven"))
        light = light * _lognormal(wave.astype(np.float32), spec.uneven)
    return np.asarray(light, np.float32)[None]


def lose_signal(light: Image, spec: OctMissing, spacing_um: float, streams: Streams) -> None:
    """Darken bands of columns and patches (changes ``light``)."""
    rng = streams("imaging.missing")
    height, width = light.shape
    x = np.arange(width) + 0.5
    for _ in range(int(rng.poisson(spec.columns))):
        half = 0.5 * spec.column_um / spacing_um * rng.gamma(4.0, 0.25)
        lost, middle = spec.strength * rng.uniform(0.6, 1.0), rng.uniform(0, width)
        band = _step((half - np.abs(x - middle)) * spacing_um / 3.0)
        light *= (1.0 - lost * band).astype(np.float32)[None]
    count = int(rng.poisson(spec.patches))
    at = rng.random((count, 2)) * [height, width]
    size = spec.patch_um / spacing_um * rng.gamma(4.0, 0.25, (count, 2)) * [0.7, 1.4]
    patches(light, at, size, -spec.strength * rng.uniform(0.6, 1.0, count), 0.6)


def display(light: Image, spec: OctDisplay) -> NDArray[np.uint8]:
    """Turn intensity into grey levels, 0 to 255."""
    relative = light / np.float32(spec.white)
    match spec.scale:
        case "linear":
            grey = relative
        case "amplitude":
            grey = np.sqrt(relative)
        case "log":
            decibels = 10.0 / np.log(10.0) / spec.range_db
            grey = np.log(np.maximum(relative, np.float32(1e-20)))
            grey = grey * np.float32(decibels) + np.float32(1.0)
    return np.asarray(np.rint(np.clip(grey, 0.0, 1.0) * np.float32(255)), np.uint8)


def _step(gap_um: Image | FloatArray) -> Image:
    """Smooth step: 0 well below 0, 1 well above, as wide as borders are soft."""
    t = np.clip(gap_um / np.float32(2.0 * _SOFT_UM) + np.float32(0.5), 0.0, 1.0)
    return np.asarray(t * t * (np.float32(3.0) - np.float32(2.0) * t), np.float32)


def _lognormal(normal: Image, cv: float) -> Image:
    """Turn unit normals into a factor of mean 1 and relative spread ``cv``."""
    return np.asarray(np.exp(_spread(normal, cv)), np.float32)


def _spread(normal: Image, cv: float) -> Image:
    """Return the logarithm of that factor."""
    variance = np.log1p(cv**2)
    return np.float32(np.sqrt(variance)) * normal - np.float32(0.5 * variance)
