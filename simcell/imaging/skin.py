"""Small things in a vertical section of skin: nuclei, fibres, follicles, ducts, bright cells."""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np
from numba import njit
from numpy.random import Generator

from simcell.arrays import FloatArray, Image, Layers
from simcell.rng import Streams
from simcell.scene.oct import OctConfounders, OctEpidermis

HAIR, DUCT, MERKEL, LANGERHANS = range(1, 5)
_CELL_PX = 2.0  # cells smaller than this cannot show a nucleus


def streaks(rows: Image, height: int, size_px: FloatArray, rng: Generator) -> Image:
    """Draw noise of unit variance that is long along x and bent up and down by ``rows``.

    Parameters
    ----------
    rows : Image
        Row of the straight noise that each pixel shows; beyond its rows, they are mirrored.
    height : int
        Rows of the straight noise.
    size_px : FloatArray
        Correlation lengths along y and x.
    rng : numpy.random.Generator

    Returns
    -------
    Image
    """
    width = rows.shape[1]
    # Streaks longer than the field look straight, however long they are.
    sigma = np.minimum(size_px / np.sqrt(2.0), [height, width])
    # Along x, four nodes a sigma suffice; the last step interpolates between them.
    step = max(1, int(0.25 * sigma[1]))
    y, x = (
        cv2.getGaussianKernel(2 * max(1, ceil(3.0 * s)) + 1, max(s, 0.1))
        for s in (sigma[0], sigma[1] / step)
    )
    up, left = len(y) // 2, len(x) // 2
    nodes = width // step + 2
    noise = rng.standard_normal((height + 2 * up, nodes + 2 * left), dtype=np.float32)
    noise = np.asarray(cv2.sepFilter2D(noise, -1, x, y), np.float32)
    noise = np.ascontiguousarray(noise[up : up + height, left : left + nodes])
    noise *= np.float32(1.0 / np.sqrt(np.sum(x**2) * np.sum(y**2)))
    columns = np.tile(np.arange(width, dtype=np.float32) / np.float32(step), (len(rows), 1))
    bent = cv2.remap(
        noise,
        columns,
        np.ascontiguousarray(rows, np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(bent, np.float32)


def nuclei(
    factor: Image,
    spec: OctEpidermis,
    layers: Layers,
    corneum_um: float,
    spacing_um: float,
    streams: Streams,
) -> None:
    """Darken nuclei between stratum corneum and junction (changes ``factor``).

    Their places are jittered rows. They are round at the junction and flat
    near the surface, as living keratinocytes are.
    """
    if spec.nucleus_um == 0 or spec.nucleus_depth == 0 or spec.cell_um < _CELL_PX * spacing_um:
        return
    rng = streams("imaging.nuclei")
    (height, width), pitch = factor.shape, spec.cell_um / spacing_um
    rows, columns = int(height / (0.8 * pitch)) + 1, int(width / pitch) + 2
    y, x = np.indices((rows, columns)).reshape(2, -1)
    jitter = rng.uniform(-0.3, 0.3, (2, len(y)))
    row = rng.uniform(-0.5, 0.5, rows)  # no two rows in step, or columns of nuclei would show
    at = np.stack([(y + 0.5 + jitter[0]) * 0.8, x + row[y] + jitter[1]], axis=1) * pitch
    size = spec.nucleus_um * np.clip(1.0 + 0.2 * rng.standard_normal(len(y)), 0.4, 1.8)
    dark = spec.nucleus_depth * rng.uniform(0.5, 1.0, len(y))
    cell = np.clip(at.astype(np.intp), 0, [height - 1, width - 1])
    depth, above = (
        layers.depth_um[cell[:, 0], cell[:, 1]],
        -layers.junction_um[cell[:, 0], cell[:, 1]],
    )
    whole = layers.epidermis_um[cell[:, 1]]
    inside = (depth > corneum_um + size) & (above > 0.8 * size)
    round_ = np.clip((depth - corneum_um) / np.maximum(whole - corneum_um, 1.0), 0.0, 1.0)
    axes = size[:, None] * np.stack([0.5 + 0.5 * round_, 1.2 - 0.2 * round_], axis=1) / spacing_um
    patches(factor, at[inside], axes[inside], -dark[inside], 0.5)


def confounders(spec: OctConfounders, layers: Layers, spacing_um: float, streams: Streams) -> Image:
    """Factor of what hides between the layers: 1 where there is nothing."""
    factor = np.ones(layers.classes.shape, np.float32)
    pattern = layers.confounders
    kind, radius = pattern.marks["confounder"], pattern.marks["radius_um"]
    rng = streams("imaging.confounders")
    # One row of numbers per point, whatever it is: a share that moves changes no other cell.
    draws = rng.random((len(pattern), 4))
    for row in np.flatnonzero(kind == HAIR):
        place = pattern.points[row], radius[row], pattern.marks["slope"][row]
        _follicle(factor, spec, layers, place, spacing_um)
    for row in np.flatnonzero(kind == DUCT):
        _duct(factor, spec, layers, (pattern.points[row], radius[row]), draws[row], spacing_um)
    cells = kind >= MERKEL
    # Langerhans cells have arms and look longer, at any angle to the surface.
    stretch = np.where(kind == LANGERHANS, 1.0 + 0.8 * draws[:, 0], 1.0 + 0.2 * draws[:, 0])
    upright = draws[:, 1] < 0.3
    axes = np.stack([radius / stretch, radius * stretch], axis=1) / spacing_um
    axes[upright] = axes[upright][:, ::-1]
    gain = spec.cell * (0.5 + draws[:, 2])
    patches(factor, pattern.points[cells] / spacing_um, axes[cells], gain[cells], 0.9)
    return factor


def _window(x0: float, reach_um: float, width: int, spacing_um: float) -> tuple[slice, Image]:
    """Columns within reach of ``x0``, and their centres in µm from it."""
    low = int(np.clip((x0 - reach_um) / spacing_um, 0, width))
    high = int(np.clip((x0 + reach_um) / spacing_um + 1, low, width))
    columns = np.arange(low, high, dtype=np.float64)
    return slice(low, high), np.asarray((columns + 0.5) * spacing_um - x0, np.float32)


def _follicle(
    factor: Image,
    spec: OctConfounders,
    layers: Layers,
    place: tuple[FloatArray, float, float],
    spacing_um: float,
) -> None:
    """Draw a slanted dark tube with bright walls and a shaft, and the shadow below it."""
    at, radius, slope = place[0], np.float32(place[1]), np.float32(place[2])
    height, width = factor.shape
    reach = float(2.0 * radius + abs(slope) * height * spacing_um)
    where, x = _window(float(at[1]), reach, width, spacing_um)
    depth = layers.depth_um[:, where]
    tissue = depth > 0
    # The tube opens like a funnel at the surface.
    wide = radius * (1.0 + 0.8 * np.exp(-np.maximum(depth, 0.0) / radius))
    across = np.abs(x[None] - slope * np.maximum(depth, 0.0)) / np.sqrt(1.0 + slope**2) / wide
    lumen = np.clip((1.0 - across) / 0.25, 0.0, 1.0)
    wall = np.exp(-np.square((across - 1.0) / 0.2))
    shaft = np.exp(-np.square(across / 0.25))
    part = 1.0 - spec.follicle * lumen + spec.follicle * (wall + shaft)
    # Light comes straight down: all that lies below the tube is in its shadow.
    sideways = slope * np.maximum(depth, 0.0)
    left = np.clip((x[None] - np.minimum(sideways, 0.0)) / radius + 1.0, 0.0, 1.0)
    right = np.clip((np.maximum(sideways, 0.0) - x[None]) / radius + 1.0, 0.0, 1.0)
    shade = left * right * (1.0 - np.exp(-np.maximum(depth, 0.0) / (3.0 * radius)))
    part *= 1.0 - spec.shadow * shade
    factor[:, where] *= np.where(tissue, part, 1.0).astype(np.float32)


def _duct(
    factor: Image,
    spec: OctConfounders,
    layers: Layers,
    place: tuple[FloatArray, float],
    draws: FloatArray,
    spacing_um: float,
) -> None:
    """Draw the coil of a sweat duct: bright where it crosses the section, straight below."""
    at, radius = place
    where, x = _window(float(at[1]), 6.0 * radius, factor.shape[1], spacing_um)
    depth = layers.depth_um[:, where]
    beyond = np.maximum(depth - layers.epidermis_um[where][None], 0.0)
    turn = 2.0 * np.pi * (depth / spec.duct_pitch_um + draws[0])
    swing = 1.5 * radius * np.exp(-beyond / 15.0)
    across = (x[None] - swing * np.sin(turn)) / radius
    # The coil turns in and out of the section, and fades where the duct is straight.
    seen = 0.35 + 0.65 * np.square(np.cos(0.5 * turn + np.pi * draws[1]))
    part = 1.0 + spec.duct * seen * np.exp(-np.square(across) - beyond / 30.0)
    factor[:, where] *= np.where(depth > 0, part, 1.0).astype(np.float32)


@njit(cache=True)
def patches(factor: Image, at: FloatArray, axes: FloatArray, gain: FloatArray, soft: float) -> None:
    """Multiply ellipses by 1 + gain, fading out over the outer share ``soft`` of their radius."""
    height, width = factor.shape
    for i in range(len(at)):
        a, b = max(axes[i, 0], 0.3), max(axes[i, 1], 0.3)
        cy, cx = at[i]
        for r in range(max(0, int(cy - a)), min(height, int(cy + a) + 1)):
            v = (r + 0.5 - cy) / a
            for c in range(max(0, int(cx - b)), min(width, int(cx + b) + 1)):
                u = (c + 0.5 - cx) / b
                t = min(max((1.0 - np.sqrt(u * u + v * v)) / soft, 0.0), 1.0)
                factor[r, c] *= np.float32(1.0 + gain[i] * t * t * (3.0 - 2.0 * t))
