"""Pairs of points, and what the edge of the window hides of them."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates
from scipy.signal import fftconvolve
from scipy.spatial import cKDTree

from simcell.arrays import FloatArray, Window
from simcell.errors import SimcellError

PairCorrection: TypeAlias = Literal["none", "border", "translation", "isotropic"]

HEAVIEST = 100.0
"""Largest edge weight of a pair, as in spatstat."""


class Pairs(NamedTuple):
    """Ordered pairs of points: indices, distances and displacements in µm."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    distance: FloatArray
    displacement: FloatArray


def check_points(points: FloatArray, window: Window) -> FloatArray:
    """Return the points as floats, or refuse those that the window does not hold."""
    points = np.asarray(points, np.float64).reshape(-1, window.ndim)
    outside = int((~window.contains(points)).sum())
    if outside:
        msg = f"points: {outside} lie outside the window; drop them with window.contains"
        raise SimcellError(msg)
    return points


def nearest_distance(
    points: FloatArray, places: FloatArray, window: Window, rank: int = 1
) -> FloatArray:
    """Return the distance from each place to its ``rank``-th nearest point in µm."""
    distance = tree_of(points, window).query(places, k=[rank])[0]
    return np.asarray(distance, np.float64)[:, 0]


def tree_of(points: FloatArray, window: Window) -> cKDTree:
    """Return a search tree that knows whether the window is periodic."""
    return cKDTree(points, boxsize=np.asarray(window.size_um) if window.periodic else None)


def pairs_within(points: FloatArray, window: Window, reach: float) -> Pairs:
    """List all ordered pairs at most ``reach`` apart."""
    size = np.asarray(window.size_um)
    if window.periodic and reach > size.min() / 2:
        msg = (
            f"r = {reach}: exceeds half the periodic window, {size.min() / 2};"
            " use shorter distances or a larger window"
        )
        raise SimcellError(msg)
    found = tree_of(points, window).query_pairs(reach, output_type="ndarray")
    first = np.concatenate([found[:, 0], found[:, 1]])
    second = np.concatenate([found[:, 1], found[:, 0]])
    displacement = points[second] - points[first]
    if window.periodic:
        displacement -= size * np.round(displacement / size)
    return Pairs(first, second, np.linalg.norm(displacement, axis=1), displacement)


def edge_distance(points: FloatArray, window: Window) -> FloatArray:
    """Return how far each point (n, ndim) is from the window's edge in µm.

    Infinite if periodic; with a mask from the edge of the nearest outer pixel,
    right to half a pixel.
    """
    if window.periodic:
        return np.full(len(points), np.inf)
    size = np.asarray(window.size_um)
    if window.mask is None:
        return np.asarray(np.minimum(points, size - points).min(axis=1))
    pixel = size / np.array(window.mask.shape)
    depth = distance_transform_edt(np.pad(window.mask, 1), sampling=pixel)
    where = tuple((points / pixel).astype(np.intp).T + 1)
    return np.asarray(np.maximum(np.asarray(depth)[where] - 0.5 * pixel.min(), 0.0))


def pair_weights(
    points: FloatArray, pairs: Pairs, window: Window, correction: PairCorrection
) -> FloatArray:
    """Return for each ordered pair how many pairs like it the edge lets be seen, inverted."""
    if window.periodic or correction in {"none", "border"}:
        return np.ones(len(pairs.distance))
    match correction:
        case "translation":
            weights = _translation(pairs, window)
        case "isotropic":
            weights = _isotropic(points, pairs, window)
        case "none" | "border":
            weights = np.ones(len(pairs.distance))
        case _:
            assert_never(correction)
    return np.minimum(weights, HEAVIEST)


def _translation(pairs: Pairs, window: Window) -> FloatArray:
    """Return |W| over the size of W's intersection with W shifted by the pair."""
    size = np.asarray(window.size_um)
    if window.mask is None:
        return np.asarray(np.prod(size / (size - np.abs(pairs.displacement)), axis=1))
    mask = window.mask.astype(np.float64)
    overlap = fftconvolve(mask, mask[(slice(None, None, -1),) * mask.ndim])
    at = pairs.displacement / (size / np.array(mask.shape)) + np.array(mask.shape) - 1
    shared = map_coordinates(overlap, at.T, order=1)
    return np.asarray(mask.sum() / np.maximum(shared, 1.0))


def _isotropic(points: FloatArray, pairs: Pairs, window: Window) -> FloatArray:
    """Return one over the share of the circle about the first point that is inside."""
    if window.ndim != 2 or window.mask is not None:
        msg = (
            "correction = 'isotropic': needs a 2-D window without mask;"
            " use 'translation' or 'border'"
        )
        raise SimcellError(msg)
    here = points[pairs.first]
    gaps = np.stack([here, np.asarray(window.size_um) - here])  # (low/high side, pair, axis)
    d = np.maximum(pairs.distance, np.finfo(float).tiny)
    beyond = np.arccos(np.minimum(gaps / d[:, None], 1.0))
    hidden = 2 * beyond.sum(axis=(0, 2))
    for y_side in (0, 1):
        for x_side in (0, 1):
            # Arcs beyond two sides overlap where the corner is inside the circle.
            both = beyond[y_side, :, 0] + beyond[x_side, :, 1] - np.pi / 2
            hidden -= np.maximum(both, 0.0)
    return np.asarray(1 / np.maximum(1 - hidden / (2 * np.pi), 1 / HEAVIEST))
