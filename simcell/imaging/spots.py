"""Small things inside cells: nuclei, organelles, keratin grains."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.random import Generator

from simcell.arrays import MM_IN_UM, BoolArray, FloatArray, Image, IntArray
from simcell.imaging.view import View
from simcell.rng import Streams
from simcell.scene.imaging import RcmNucleus, RcmSpots

_REACH = 3.0  # a Gaussian spot is drawn out to this many sigmas


def nuclei(spec: RcmNucleus, view: View, streams: Streams) -> Image:
    """Factor that darkens nuclei: 1 outside them, 1 - depth inside, soft at the edge."""
    factor = np.ones(view.labels.shape, np.float32)
    count = len(view.centres_um)
    if spec.visible == 0 or spec.depth == 0 or count == 0:
        return factor
    rng = streams("imaging.nuclei")
    shown = rng.random(count) < spec.visible
    centre = view.centres_um + spec.offset_um * rng.standard_normal((count, 2))
    radius = spec.radius_um * np.clip(1 + spec.radius_cv * rng.standard_normal(count), 0.4, 2.0)
    depth = spec.depth * rng.uniform(0.7, 1.0, count)
    # Nuclei are a little longer than wide.
    stretch = np.sqrt(rng.uniform(1.0, 1.35, count))
    turn = rng.uniform(0.0, np.pi, count)
    shape = np.stack([radius * stretch, radius / stretch, turn, depth], axis=1)
    shape[:, :2] /= view.spacing_um
    _darken(
        factor,
        view.labels,
        centre / view.spacing_um,
        shape,
        shown,
        spec.edge_um / view.spacing_um,
    )
    return factor


def add_spots(signal: Image, spec: RcmSpots, view: View, rng: Generator) -> None:
    """Add bright Gaussian spots where there are cells (changes ``signal``)."""
    if spec.density == 0 or spec.brightness == 0:
        return
    # Spots just outside the field shine into it.
    margin = _REACH * spec.radius_um
    size = np.asarray(view.grid.size_um) + 2 * margin
    count = int(rng.poisson(spec.density / MM_IN_UM**2 * float(np.prod(size))))
    centre = (rng.random((count, 2)) * size - margin) / view.spacing_um
    sigma = spec.radius_um * np.clip(1 + spec.radius_cv * rng.standard_normal(count), 0.3, 3.0)
    peak = spec.brightness * rng.exponential(1.0, count)
    cell = np.clip(np.floor(centre).astype(np.intp), 0, np.asarray(view.labels.shape) - 1)
    inside = view.labels[tuple(cell.T)] > 0
    add_gaussians(signal, centre[inside], sigma[inside] / view.spacing_um, peak[inside])


@njit(cache=True)
def _darken(
    factor: Image,
    labels: IntArray,
    centre: FloatArray,
    shape: FloatArray,
    shown: BoolArray,
    edge: float,
) -> None:
    height, width = labels.shape
    for i in range(len(centre)):
        if not shown[i]:
            continue
        a, b, turn, depth = shape[i]
        cos, sin = np.cos(turn), np.sin(turn)
        reach = max(a, b) + edge
        cy, cx = centre[i]
        for r in range(max(0, int(cy - reach)), min(height, int(cy + reach) + 2)):
            for c in range(max(0, int(cx - reach)), min(width, int(cx + reach) + 2)):
                if labels[r, c] != i + 1:
                    continue
                dy = r + 0.5 - cy
                dx = c + 0.5 - cx
                u = (dx * cos + dy * sin) / a
                v = (dy * cos - dx * sin) / b
                # Distance to the edge, exact for circles and close for these ellipses.
                inside = (1.0 - np.sqrt(u * u + v * v)) * np.sqrt(a * b)
                t = min(max(0.5 + 0.5 * inside / edge, 0.0), 1.0)
                factor[r, c] *= 1.0 - depth * t * t * (3.0 - 2.0 * t)


@njit(cache=True)
def add_gaussians(signal: Image, centre: FloatArray, sigma: FloatArray, peak: FloatArray) -> None:
    """Add Gaussian spots; centres (n, 2) and sigmas (n,) in pixels (changes ``signal``)."""
    height, width = signal.shape
    for i in range(len(centre)):
        reach = _REACH * sigma[i]
        cy, cx = centre[i]
        for r in range(max(0, int(cy - reach)), min(height, int(cy + reach) + 1)):
            dy = r + 0.5 - cy
            row = peak[i] * np.exp(-0.5 * (dy / sigma[i]) ** 2)
            for c in range(max(0, int(cx - reach)), min(width, int(cx + reach) + 1)):
                dx = (c + 0.5 - cx) / sigma[i]
                signal[r, c] += row * np.exp(-0.5 * dx * dx)
