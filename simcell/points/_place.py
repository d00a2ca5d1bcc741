"""Uniform and uneven placement in a window, and limits on what is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator

from simcell.arrays import MM_IN_UM, FloatArray, Window
from simcell.errors import SimcellError

MOST_POINTS = 5_000_000


def check_count(expected: float, name: str, value: float | None) -> int:
    """Return the expected count as an integer, or refuse it before allocating."""
    if not expected <= MOST_POINTS:
        msg = (
            f"{name} = {value}: asks for {expected:.3g} points, at most {MOST_POINTS:,} are"
            " allowed; lower it or the window's size"
        )
        raise SimcellError(msg)
    return int(np.ceil(expected))


def most_apart(window: Window, distance: float) -> float:
    """Bound the number of points a distance in µm apart by the densest packing."""
    if distance**window.ndim <= 0:
        return float(np.inf)
    margin = 0.0 if window.periodic else distance
    densest = 2 / 3**0.5 / distance**2 if window.ndim == 2 else 2**0.5 / distance**3
    bound = float(np.prod(np.asarray(window.size_um) + margin)) * densest
    if window.mask is not None:
        pixel = np.asarray(window.size_um) / np.array(window.mask.shape)
        bound = min(bound, float(np.prod(pixel + distance)) * densest * int(window.mask.sum()))
    return bound + 1


def per_mm(count: float, window: Window) -> float:
    """Return a count in the window as a density per mm² or mm³."""
    return float(count / window.volume * MM_IN_UM**window.ndim)


def whole(expected: float, rng: Generator) -> int:
    """Round to a neighbouring integer at random, so that the mean is exact."""
    expected = round(expected, 9)
    return int(expected) + int(rng.random() < expected - int(expected))


def uniform_box(size_um: FloatArray, n: int, rng: Generator) -> FloatArray:
    """Return n uniform positions in the box [0, size)."""
    points: FloatArray = rng.random((n, len(size_um))) * size_um
    return points


def uniform_points(window: Window, n: int, rng: Generator) -> FloatArray:
    """Return n uniform positions (n, ndim) in µm inside the window."""
    return Relief(window).points(n, rng)


class Relief:
    """An intensity over a window: constant in each pixel times a linear gradient.

    Without a mask or a map the box is a single pixel. Positions follow the
    intensity exactly: the pixel is drawn by its integral, then the place inside
    it by inverting the linear distribution function. No step rejects.

    Parameters
    ----------
    window : Window
        Where points may lie.
    axis, ratio : int, float
        The gradient: intensity at the far end of the axis over that at the near.
    intensity_map : FloatArray, optional
        Relative intensities, an array that tiles the box evenly. With a mask of
        another shape each pixel of the mask takes the value at its centre.
    """

    def __init__(
        self,
        window: Window,
        axis: int = 0,
        ratio: float = 1.0,
        intensity_map: FloatArray | None = None,
    ) -> None:
        """Integrate the intensity over each pixel."""
        if axis >= window.ndim:
            msg = f"gradient_axis = {axis}: the window has axes 0 to {window.ndim - 1}; choose one"
            raise SimcellError(msg)
        self.size = np.asarray(window.size_um)
        self.axis = axis
        weights = _raster(window, intensity_map)
        self.shape = weights.shape
        edges = 1.0 + (ratio - 1.0) * np.linspace(0.0, 1.0, self.shape[axis] + 1)
        self.near, self.far = edges[:-1], edges[1:]
        along = [1] * window.ndim
        along[axis] = -1
        weights = weights * (0.5 * (self.near + self.far)).reshape(along)
        self.pixels = np.flatnonzero(weights)
        self.cumulative = np.cumsum(weights.ravel()[self.pixels])

    def points(self, n: int, rng: Generator) -> FloatArray:
        """Return n independent positions (n, ndim) in µm."""
        total = self.cumulative[-1]
        drawn = np.searchsorted(self.cumulative, rng.random(n) * total, side="right")
        flat = self.pixels[np.minimum(drawn, len(self.pixels) - 1)]
        corner = np.stack(np.unravel_index(flat, self.shape), axis=1)
        place = rng.random((n, len(self.shape)))
        a, b = self.near[corner[:, self.axis]], self.far[corner[:, self.axis]]
        u = place[:, self.axis]
        place[:, self.axis] = u * (a + b) / (a + np.sqrt(a * a + u * (b * b - a * a)))
        points = (corner + place) * (self.size / np.array(self.shape))
        return np.asarray(np.minimum(points, np.nextafter(self.size, 0)))


def _raster(window: Window, intensity_map: FloatArray | None) -> FloatArray:
    """Return the relative intensity of each pixel of the mask, the map or the box."""
    mask = window.mask
    if intensity_map is None:
        return np.ones((1,) * window.ndim) if mask is None else mask.astype(np.float64)
    values = np.asarray(intensity_map, np.float64)
    if values.ndim != window.ndim:
        msg = f"intensity_map: has {values.ndim} axes, the window {window.ndim}; give one per axis"
        raise SimcellError(msg)
    if not np.all(np.isfinite(values)) or values.min() < 0:
        msg = "intensity_map: holds a negative or non-finite value; use intensities from 0 up"
        raise SimcellError(msg)
    if mask is not None:
        for axis, (have, want) in enumerate(zip(values.shape, mask.shape, strict=True)):
            at = ((np.arange(want) + 0.5) * (have / want)).astype(np.intp)
            values = values.take(at, axis=axis)
        values = values * mask
    if not values.any():
        msg = "intensity_map: is 0 everywhere in the window; raise it where points should lie"
        raise SimcellError(msg)
    return values


def read_map(path: str) -> FloatArray:
    """Read an intensity map from a .npy or .tif file."""
    suffix = Path(path).suffix.lower()
    if suffix not in {".npy", ".tif", ".tiff"}:
        msg = f"intensity_map = {path!r}: must end in .npy, .tif or .tiff; convert the file"
        raise SimcellError(msg)
    try:
        if suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            import tifffile

            values = tifffile.imread(path)
    except (OSError, ValueError) as error:
        msg = f"intensity_map = {path!r}: cannot be read ({error}); check path and format"
        raise SimcellError(msg) from None
    return np.asarray(values, np.float64)
