"""Phase contrast: cells delay light, and a ring turns the delay into brightness.

The direct light is dimmed and shifted by a quarter of a wave in the phase ring,
and interferes with the light that the cells scatter. Light scattered by small
angles meets the ring as well and is treated as direct light: what the microscope
sees is the phase less its low-pass, ψ = φ - leak (K * φ). Both artefacts of phase
contrast are this one subtraction: outside a cell ψ < 0, the halo; in the middle of
a cell wider than K the low-pass equals the phase, the shade-off.

Decision: K is a Gaussian. The kernel of a real ring is the coherence function of
its illumination, with weak side lobes; its width is what matters, and a Gaussian
costs the same however wide it is.

Decision: the interference is exact, not linear in ψ. Thin cells come out dark in
positive contrast, and cells that have rounded up bright, out of one formula.

References
----------
Zernike (1942), Phase contrast, a new method for the microscopic observation of
transparent objects, Physica 9:686.
Yin, Kanade & Chen (2012), Understanding the phase contrast optics to restore
artifact-free microscopy images for segmentation, Med. Image Anal. 16:1047.
Nguyen et al. (2017), Halo-free phase contrast microscopy, Sci. Rep. 7:44034.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from simcell.arrays import MM_IN_UM, BoolArray, FloatArray, Image, IntArray
from simcell.fields import FWHM, blur, smooth_noise, white_noise
from simcell.imaging.camera import expose
from simcell.imaging.fluorescence import illumination
from simcell.imaging.spots import add_gaussians
from simcell.imaging.view import View
from simcell.rng import Streams
from simcell.scene.imaging import FluoField
from simcell.scene.phase import PhaseContrast, PhaseDebris, PhaseField, PhaseOptics

_LEAST_UM = 1e-3
_SLIVER = 0.4  # of the median area: what is smaller has not rounded up


def image(spec: PhaseContrast, view: View, streams: Streams) -> NDArray[Any]:
    """Image the view with every stage of the model; see the module's description."""
    phase = phases(spec, view, streams)
    add_debris(phase, spec.debris, view, streams("imaging.debris"))
    light = through_ring(phase, spec.optics, view.spacing_um)
    light *= _lamp(spec.field, view, streams)
    return expose(light, spec.camera, streams)


def phases(spec: PhaseContrast, view: View, streams: Streams) -> Image:
    """Phase in rad by which the cells delay the light, 0 outside them.

    A spread cell is a slab and a dome over the distance to its border, with its
    nucleus on top; a rounded one is a ball.
    """
    count = len(view.centres_um)
    area, deepest = _sizes(view.labels, view.distance_um, count)
    variance = np.log1p(spec.cells.cell_cv**2)
    normal = streams("imaging.thickness").standard_normal(count)
    peak = np.exp(np.sqrt(variance) * normal - 0.5 * variance) * spec.cells.phase
    rounded = _roundest(area, deepest, spec.rounded.share, streams("imaging.rounded"))
    peak[rounded] = spec.rounded.phase
    phase = _thickness(
        view.labels,
        view.distance_um,
        deepest,
        view.centres_um / view.spacing_um,
        peak,
        rounded,
        (spec.cells.flat, spec.cells.edge_um),
        (spec.nucleus.phase, spec.nucleus.share),
        view.spacing_um,
    )
    if spec.cells.grain > 0:
        sigma = spec.cells.grain_um / view.spacing_um / FWHM
        grain = white_noise(view.labels.shape, sigma, streams("imaging.grain"))
        grain *= np.float32(spec.cells.grain)
        grain += np.float32(1.0)
        phase *= np.maximum(grain, np.float32(0.0))
    _add_nucleoli(phase, spec, view, deepest, ~rounded, streams("imaging.nucleoli"))
    return phase


def _roundest(area: FloatArray, deepest_um: FloatArray, share: float, rng: Generator) -> BoolArray:
    """Choose the cells that have rounded up: of a random number, the smallest and roundest.

    Cells that the field cuts are left out, as their shape is not known, and so are
    slivers squeezed between others.
    """
    chosen = np.zeros(len(area), np.bool_)
    whole = np.isfinite(area)
    if not whole.any():
        return chosen
    usual = float(np.median(area[whole]))
    whole &= area >= _SLIVER * usual
    number = int(rng.binomial(int(whole.sum()), share))
    # Of all shapes a disc has the greatest depth for its area.
    roundness = np.where(whole, deepest_um**2 / area / (1.0 + area / usual), -1.0)
    chosen[np.argsort(-roundness, kind="stable")[:number]] = True
    return chosen


@njit(cache=True)
def _sizes(labels: IntArray, distance_um: Image, count: int) -> tuple[FloatArray, FloatArray]:
    """Pixels (n,) of each label, and its greatest distance from a border.

    Of a cell that the field cuts the area is not known: infinite.
    """
    height, width = labels.shape
    area, deepest = np.zeros(count), np.full(count, _LEAST_UM)
    for r in range(height):
        for c in range(width):
            i = labels[r, c] - 1
            if i < 0:
                continue
            area[i] += 1.0
            if r in (0, height - 1) or c in (0, width - 1):
                area[i] = np.inf
            deepest[i] = max(deepest[i], distance_um[r, c])
    return area, deepest


@njit(cache=True)
def _thickness(
    labels: IntArray,
    distance_um: Image,
    deepest: FloatArray,
    centres: FloatArray,
    peak: FloatArray,
    rounded: BoolArray,
    slab: tuple[float, float],
    nucleus: tuple[float, float],
    spacing: float,
) -> Image:
    """Return the phase of every pixel; ``deepest`` is each cell's greatest depth in µm."""
    flat, edge = slab
    height, width = labels.shape
    phase = np.zeros((height, width), np.float32)
    for r in range(height):
        for c in range(width):
            i = labels[r, c] - 1
            if i < 0:
                continue
            depth = distance_um[r, c] / deepest[i]
            dome = depth * (2.0 - depth)
            if rounded[i]:
                phase[r, c] = peak[i] * np.sqrt(dome)
                continue
            rise = 1.0 - np.exp(-distance_um[r, c] / edge)
            dy, dx = r + 0.5 - centres[i, 0], c + 0.5 - centres[i, 1]
            out = (dy * dy + dx * dx) * (spacing / (nucleus[1] * deepest[i])) ** 2
            lens = max(1.0 - out, 0.0)
            phase[r, c] = peak[i] * (flat * rise + (1.0 - flat) * dome) + nucleus[0] * lens
    return phase


def _add_nucleoli(
    phase: Image,
    spec: PhaseContrast,
    view: View,
    deepest_um: FloatArray,
    spread: BoolArray,
    rng: Generator,
) -> None:
    """Add nucleoli within half the nucleus's radius of the cells' centres."""
    number = rng.poisson(spec.nucleus.nucleoli, len(spread)) * spread
    if spec.nucleus.nucleolus_phase == 0 or not number.any():
        return
    cell = np.repeat(np.arange(len(spread)), number)
    reach = 0.5 * spec.nucleus.share * deepest_um[cell]
    turn = rng.uniform(0.0, 2.0 * np.pi, len(cell))
    out = reach * np.sqrt(rng.random(len(cell)))
    step = np.stack([out * np.sin(turn), out * np.cos(turn)], axis=1)
    centre = (view.centres_um[cell] + step) / view.spacing_um
    peak = spec.nucleus.nucleolus_phase * rng.uniform(0.5, 1.5, len(cell))
    at = np.clip(np.floor(centre).astype(np.intp), 0, np.asarray(view.labels.shape) - 1)
    own = view.labels[tuple(at.T)] == cell + 1
    # No nucleolus is larger than its nucleus.
    sigma = np.minimum(spec.nucleus.nucleolus_um, 0.5 * reach) / view.spacing_um
    add_gaussians(phase, centre[own], sigma[own], peak[own])


def add_debris(phase: Image, spec: PhaseDebris, view: View, rng: Generator) -> None:
    """Add specks anywhere in the field (changes ``phase``)."""
    size = np.asarray(view.grid.size_um)
    count = int(rng.poisson(spec.density / MM_IN_UM**2 * float(np.prod(size))))
    if count == 0 or spec.phase == 0:
        return
    centre = rng.random((count, 2)) * size / view.spacing_um
    sigma = spec.radius_um * np.clip(1 + spec.radius_cv * rng.standard_normal(count), 0.3, 3.0)
    peak = spec.phase * rng.uniform(0.3, 1.7, count)
    add_gaussians(phase, centre, sigma / view.spacing_um, peak)


def through_ring(phase: Image, spec: PhaseOptics, spacing_um: float) -> Image:
    """Brightness behind ring and objective; 1 where nothing delays the light.

    With ring amplitude a and the phase ψ that is seen, the direct light ∓ia and the
    scattered light exp(iψ) - 1 add up to |∓ia + exp(iψ) - 1|² over a².

    Examples
    --------
    >>> bare = through_ring(np.zeros((32, 32), np.float32), PhaseOptics(), 1.0)
    >>> bool(np.all(bare == 1))
    True
    """
    seen = phase
    if spec.leak > 0:
        seen = phase - np.float32(spec.leak) * blur(phase, spec.halo_um / spacing_um)
    sign = 1.0 if spec.polarity == "positive" else -1.0
    light = np.float32(2.0 / spec.ring**2) * (np.float32(1.0) - np.cos(seen))
    light -= np.float32(2.0 * sign / spec.ring) * np.sin(seen)
    light += np.float32(1.0)
    return blur(light, spec.psf_um / FWHM / spacing_um)


def _lamp(spec: PhaseField, view: View, streams: Streams) -> Image:
    """Background light over the field, 1 at the middle of an even lamp."""
    shape = view.labels.shape
    where = FluoField(misalignment=spec.misalignment)
    shade = illumination(where, shape, streams("imaging.illumination"))
    lamp = np.float32(1.0 - spec.falloff) + np.float32(spec.falloff) * shade
    if spec.uneven > 0:
        scale = spec.scale_um / view.spacing_um
        cloud = smooth_noise(shape, scale, streams("imaging.background"))
        lamp *= np.exp(np.float32(spec.uneven) * cloud)
    return np.asarray(lamp, np.float32)
