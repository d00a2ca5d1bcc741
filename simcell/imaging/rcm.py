"""Reflectance confocal microscopy of the epidermis.

The reflectance of the focal plane is put together from what dermatologists
describe: bright borders between cells, grainy cell bodies, dark nuclei, bright
organelles and keratin grains, dark furrows. Then comes the optics (light from
the layer below, uneven illumination, a tilted plane, the point spread function)
and last the noise (scan lines that are not quite in register, speckle, photons
and the detector) and the electronics (gamma, peaking along lines).

Decision: the layer below the focal plane is a cloud of the tissue's own mean
brightness, with a blur and a contrast of its own. A second tissue, blurred until
no border is left, looks the same and would double the cost of a sample; the same
tissue turned around and blurred would be a ghost that a network can learn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import Image
from simcell.fields import FWHM, blur, perlin_noise, smooth_noise
from simcell.imaging.detector import detect, interlace, peaked, shift_lines, speckle, uneven_lines
from simcell.imaging.spots import add_spots, nuclei
from simcell.imaging.view import View
from simcell.rng import Streams
from simcell.scene.imaging import Rcm, RcmCytoplasm, RcmDefocus, RcmField, RcmMembrane


def image(spec: Rcm, view: View, streams: Streams) -> NDArray[np.uint8]:
    """Image the view with every stage of the model; see the module's description."""
    spacing = view.spacing_um
    tissue = view.tissue.astype(np.float32)
    signal = reflectance(spec, view, streams)
    covered = rim_falloff(tissue, spec.field.furrow_edge_um / spacing)
    signal *= covered
    signal += spec.field.furrow * (1.0 - covered)
    light, tilt = illumination(spec.field, view, streams)
    if spec.defocus.share > 0:
        below = layer_below(spec.defocus, signal, view, streams)
        # A tilted plane looks deeper on one side: more light from below there.
        share = np.clip(spec.defocus.share * (1.0 + 2.0 * tilt), 0.0, 1.0).astype(np.float32)
        signal += share * covered * (below - signal)
    signal *= light
    signal = blur(signal, spec.psf_um / FWHM / spacing)
    noise = spec.noise
    signal = shift_lines(signal, noise.jitter_um / spacing, streams("imaging.jitter"))
    signal *= speckle(
        signal.shape, noise.looks, noise.speckle_um / spacing, streams("imaging.speckle")
    )
    respond(signal, spec.gamma, spec.cytoplasm.brightness)
    signal = peaked(signal, noise.peaking, noise.peaking_um / spacing)
    interlace(signal, noise.interlace)
    uneven_lines(signal, noise.lines, streams("imaging.lines"))
    return detect(
        signal,
        spec.gain,
        spec.offset,
        noise.photons,
        noise.read_noise,
        streams("imaging.detector"),
        noise.smear_um / spacing,
    )


def respond(signal: Image, gamma: float, level: float) -> None:
    """Bend brightness, in place, as video cameras and screens do; ``level`` (0: 1) stays."""
    if gamma != 1:
        level = level or 1.0
        np.maximum(signal, 0.0, out=signal)
        np.power(signal / np.float32(level), np.float32(gamma), out=signal)
        signal *= np.float32(level)


def reflectance(spec: Rcm, view: View, streams: Streams) -> Image:
    """Reflectance of the focal plane, before any optics."""
    body = cell_bodies(spec.cytoplasm, view, streams)
    body *= nuclei(spec.nucleus, view, streams)
    profile, strength = membranes(spec.membrane, view, streams)
    body += profile * (strength - body)
    add_spots(body, spec.organelles, view, streams("imaging.organelles"))
    add_spots(body, spec.keratin, view, streams("imaging.keratin"))
    return body


def membranes(spec: RcmMembrane, view: View, streams: Streams) -> tuple[Image, Image]:
    """Profile of the borders, 1 at their middle, and their brightness."""
    shape, scale = view.labels.shape, spec.scale_um / view.spacing_um
    sigma = np.full(shape, spec.width_um / FWHM, np.float32)
    if spec.width_cv > 0:
        sigma *= _lognormal(smooth_noise(shape, scale, streams("imaging.width")), spec.width_cv)
    strength = np.full(shape, spec.brightness, np.float32)
    if spec.strength_cv > 0:
        strength *= _lognormal(
            smooth_noise(shape, scale, streams("imaging.strength")), spec.strength_cv
        )
    # A pixel's centre is at least half a pixel from the border that it touches.
    gap = view.distance_um - np.float32(0.5 * view.spacing_um)
    return np.exp(-0.5 * np.square(gap / sigma)), strength


def cell_bodies(spec: RcmCytoplasm, view: View, streams: Streams) -> Image:
    """Brightness of the cell bodies: a level per cell times the grain; 0 outside cells."""
    count = len(view.centres_um)
    level = np.zeros(count + 1, np.float32)
    spread = streams("imaging.cells").standard_normal(count, dtype=np.float32)
    level[1:] = spec.brightness * _lognormal(spread, spec.cell_cv)
    body = level[view.labels]
    if spec.grain > 0:
        body *= _lognormal(grain(spec, view, streams), spec.grain)
    return body


def grain(spec: RcmCytoplasm, view: View, streams: Streams) -> Image:
    """Lattice noise of zero mean and unit variance; the coarsest octave is the strongest."""
    draw = smooth_noise if spec.texture == "value" else perlin_noise
    # `grain_um` is the size of a bright spot: about two correlation lengths of value
    # noise, about one lattice cell of gradient noise.
    size = spec.grain_um / view.spacing_um * (0.5 if spec.texture == "value" else 1.0)
    total = np.zeros(view.labels.shape, np.float32)
    power = 0.0
    for octave in range(spec.octaves):
        scale = max(size * 2.0 ** (spec.octaves - 1 - octave), 0.3)
        weight = 0.5**octave
        total += np.float32(weight) * draw(total.shape, scale, streams("imaging.grain", octave))
        power += weight**2
    total /= np.float32(np.sqrt(power))
    return total


def _lognormal(normal: Image, cv: float) -> Image:
    """Turn unit normals into a factor of mean 1 and relative spread ``cv``."""
    variance = np.log1p(cv**2)
    factor: Image = np.exp(np.float32(np.sqrt(variance)) * normal - np.float32(0.5 * variance))
    return factor


def layer_below(spec: RcmDefocus, signal: Image, view: View, streams: Streams) -> Image:
    """Clouds of out-of-focus light: as bright as the tissue on average."""
    level = float(signal[view.tissue].mean()) if view.tissue.any() else 0.0
    clouds = smooth_noise(signal.shape, spec.blur_um / view.spacing_um, streams("imaging.below"))
    return np.float32(level) * _lognormal(clouds, spec.contrast)


def rim_falloff(tissue: Image, edge_px: float) -> Image:
    """Share of the signal that is tissue: 0 outside, fading in over the rim.

    The tissue bends away from the focal plane at a furrow, so its rim is dim,
    but the border of the outermost cells is still there.
    """
    if edge_px <= 0 or tissue.all():
        return tissue
    depth = 2.0 * blur(tissue, edge_px) - 1.0
    fade: Image = np.clip(0.4 + 0.6 * depth, 0.0, 1.0).astype(np.float32)
    fade *= tissue
    return fade


def illumination(spec: RcmField, view: View, streams: Streams) -> tuple[Image, Image]:
    """Brightness factor of mean about 1, and the plane's tilt (-1/2 to 1/2, times ``tilt``)."""
    shape = view.labels.shape
    angle = streams("imaging.tilt").uniform(0.0, 2.0 * np.pi)
    rows = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    columns = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)[None] * np.float32(np.cos(angle))
    strength = np.float32(spec.tilt)
    tilt = strength * rows + strength * columns
    light = np.exp(-strength * rows) * np.exp(-strength * columns)
    if spec.uneven > 0:
        scale = spec.scale_um / view.spacing_um
        light *= _lognormal(smooth_noise(shape, scale, streams("imaging.uneven")), spec.uneven)
    return light, tilt
