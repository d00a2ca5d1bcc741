"""Clean interiors of cells made as bad as networks give them: what StarDist learns from.

A network's map is no prior. Borders come out broader and softer, a little off their place, and in
spots not at all; elsewhere a border is seen where none is; cells that touch run together, and some
are seen with little certainty, or with a hole. `degrade` draws all of this at random, then cuts
the map as `dermogan.refine` does before it asks for stars: 0 outside of the mask.

Decision: lengths are shares of the diameter of a typical cell, so that cells of all sizes are
spoilt alike. Ranges are wider than what the shipped models do to images of simcell.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dermogan.refine import without_specks
from dermogan.tiles import Map

Kind = Literal["membrane", "filled"]
Labels = NDArray[np.int32]

_SMALLEST = 0.15  # of a disc of the diameter: `dermogan.refine.Refinement.smallest`


def degrade(
    prior: Map, labels: Labels, kind: Kind, diameter: float, rng: Generator
) -> tuple[Map, NDArray[np.bool_]]:
    """Return a picture of interiors as a network would give it, and its mask.

    Parameters
    ----------
    prior : float32 array (y, x)
        In 0..1: membranes, or cells.
    labels : int32 array (y, x)
        Cells; 0 = background.
    kind : {"membrane", "filled"}
        What the prior shows.
    diameter : float
        Of a typical cell, in pixels.
    rng : Generator

    Returns
    -------
    float32 array (y, x)
        How surely a pixel is inside a cell; 0 outside of the mask.
    bool array (y, x)
        Interiors of cells, as `dermogan.refine` would have them.
    """
    if kind == "membrane":
        inside = 1 - _membranes(prior, diameter, rng)
    else:
        inside = _filled(prior, labels, diameter, rng)
    inside = _uncertain(inside, diameter, rng)
    least = _SMALLEST * np.pi / 4 * diameter**2
    mask = without_specks(inside > 0.5, least, 0.25 * least)
    if kind == "membrane" and rng.random() < 0.7:  # the tissue's outline is known, mostly
        mask &= cv2.dilate((labels > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.where(mask, inside, 0).astype(np.float32), mask


def _membranes(lines: Map, diameter: float, rng: Generator) -> Map:
    """Return membranes that are broad, soft, shifted, broken, and some that are not there."""
    seen = np.clip(lines + _false_lines(lines.shape, diameter, rng), 0, 1)
    seen = _shifted(seen, rng.uniform(0.0, 0.05) * diameter, 0.3 * diameter, rng)
    width = np.exp(rng.uniform(np.log(0.02), np.log(0.07))) * diameter
    soft = _blurred(seen, width)
    top = max(float(np.quantile(soft[seen > 0.5], 0.5)) if (seen > 0.5).any() else 1.0, 1e-3)
    soft *= rng.uniform(0.9, 1.8) / top
    lost = rng.choice([0.0, rng.uniform(0.0, 0.12), rng.uniform(0.05, 0.3)], p=[0.2, 0.5, 0.3])
    faint = _spots(lines.shape, lost, rng.uniform(0.15, 0.5) * diameter, rng)
    return np.clip(soft * (1 - faint * rng.uniform(0.5, 1.0)), 0, 1)


def _filled(cells: Map, labels: Labels, diameter: float, rng: Generator) -> Map:
    """Return cells that have run together, with soft edges, holes, and each its own certainty."""
    joined = _spots(labels.shape, rng.uniform(0.0, 1.0), 0.8 * diameter, rng)
    solid = _closed(labels > 0, rng.uniform(0.0, 0.12) * diameter)
    seen = cells + (solid - cells) * joined
    seen = _shifted(seen, rng.uniform(0.0, 0.04) * diameter, 0.3 * diameter, rng)
    seen = _blurred(seen, rng.uniform(0.01, 0.08) * diameter)
    steep = rng.uniform(6, 14)
    seen = 1 / (1 + np.exp(-steep * (seen - rng.uniform(0.3, 0.65))))
    sure = 1 - rng.uniform(0, 0.35) * rng.random(int(labels.max(initial=0)) + 1) ** 2
    seen *= _blurred(sure.astype(np.float32)[labels], 0.1 * diameter)
    holes = _spots(labels.shape, rng.uniform(0.0, 0.02), 0.12 * diameter, rng)
    return np.asarray(seen * (1 - 0.6 * holes), np.float32)


def _uncertain(inside: Map, diameter: float, rng: Generator) -> Map:
    """Return a map that is unsure in patches, and rough."""
    haze = _spots(inside.shape, rng.uniform(0.0, 0.2), rng.uniform(0.3, 1.5) * diameter, rng)
    inside = inside * (1 - rng.uniform(0.0, 0.45) * haze)
    odds = np.log(np.clip(inside, 0.002, 0.998) / (1 - np.clip(inside, 0.002, 0.998)))
    odds += rng.uniform(0.0, 0.6) * smooth_noise(inside.shape, 0.1 * diameter, rng)
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def _false_lines(shape: tuple[int, ...], diameter: float, rng: Generator) -> Map:
    """Return bent lines, up to a cell long, where there is no membrane."""
    canvas = np.zeros(shape, np.float32)
    most = 0.08 * shape[0] * shape[1] / diameter**2
    for _ in range(rng.poisson(rng.uniform(0, most))):
        start = rng.uniform(0, shape[::-1])
        turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.35, 5))
        steps = rng.uniform(0.05, 0.2) * diameter * np.stack([np.cos(turns), np.sin(turns)], 1)
        path = np.round(start + np.cumsum(steps, axis=0)).astype(np.int32)
        cv2.polylines(canvas, [path], False, float(rng.uniform(0.3, 1.0)))
    return canvas


def smooth_noise(shape: tuple[int, ...], sigma_px: float, rng: Generator) -> Map:
    """Return Gaussian noise of mean 0 and sd 1, smooth over `sigma_px`.

    Examples
    --------
    >>> noise = smooth_noise((64, 64), 3.0, np.random.default_rng(0))
    >>> noise.shape, bool(abs(noise.std() - 1) < 1e-3)
    ((64, 64), True)
    """
    step = max(int(sigma_px / 2), 1)  # coarse noise is drawn on a coarse grid
    coarse = tuple(side // step + 8 for side in shape)
    noise = _blurred(rng.standard_normal(coarse).astype(np.float32), sigma_px / step)
    if step > 1:
        fine = cv2.resize(noise, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
        noise = np.asarray(fine, np.float32)
    noise = noise[: shape[0], : shape[1]]
    return np.asarray((noise - noise.mean()) / max(float(noise.std()), 1e-9), np.float32)


def _spots(shape: tuple[int, ...], share: float, sigma_px: float, rng: Generator) -> Map:
    """Return a map that is about 1 in spots that cover a share of it, and 0 elsewhere."""
    noise = smooth_noise(shape, sigma_px, rng)
    if share <= 0:
        return np.zeros(shape, np.float32)
    if share >= 1:
        return np.ones(shape, np.float32)
    edge = float(np.quantile(noise, 1 - share))
    return np.asarray(1 / (1 + np.exp(-np.clip(6 * (noise - edge), -30, 30))), np.float32)


def _shifted(image: Map, by_px: float, sigma_px: float, rng: Generator) -> Map:
    """Return an image whose pixels are shifted by smooth noise with an sd of `by_px`."""
    y, x = (
        np.asarray(place + by_px * smooth_noise(image.shape, sigma_px, rng), np.float32)
        for place in np.indices(image.shape, dtype=np.float32)
    )
    moved = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.float32)


def _closed(mask: NDArray[np.bool_], radius: float) -> Map:
    """Return a mask whose gaps, up to a width of twice the radius, are closed."""
    side = 2 * round(radius) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, disc).astype(np.float32)


def _blurred(image: Map, sigma: float) -> Map:
    if sigma < 0.2:
        return np.asarray(image, np.float32)
    found = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(found, np.float32)
