"""Seeds on a torus: copies of them around the field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Pattern


def copies(
    points: FloatArray, size: FloatArray, reach: float
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Repeat points of a torus into a frame around it.

    Parameters
    ----------
    points : FloatArray
        Points (n, ndim) in ``[0, size)``.
    size : FloatArray
        Period along each axis.
    reach : float
        Width of the frame.

    Returns
    -------
    points : FloatArray
        The points themselves, then their copies.
    source : intp array
        Row of ``points`` that each is a copy of.

    Examples
    --------
    >>> copies(np.array([[1.0, 5.0]]), np.array([10.0, 10.0]), 2.0)[0].tolist()
    [[1.0, 5.0], [11.0, 5.0]]
    """
    around = [np.arange(-k, k + 1) for k in np.ceil(reach / size).astype(int)]
    shifts = np.stack(np.meshgrid(*around, indexing="ij"), axis=-1).reshape(-1, len(size)) * size
    shifts = shifts[np.argsort(np.abs(shifts).sum(axis=1) > 0, kind="stable")]
    everywhere = (points[None] + shifts[:, None]).reshape(-1, len(size))
    near = np.all((everywhere >= -reach) & (everywhere < size + reach), axis=1)
    source = np.tile(np.arange(len(points)), len(shifts))
    return everywhere[near], source[near]


def wrapped(pattern: Pattern, size_um: tuple[float, ...], reach_um: float) -> Pattern:
    """Continue a periodic pattern, marks included, into a frame around the field."""
    points, source = copies(pattern.points, np.asarray(size_um), reach_um)
    marks = {name: values[source] for name, values in pattern.marks.items()}
    return Pattern(points, marks, pattern.notes)


def reach_of(count: int, size: FloatArray, margin: float) -> float:
    """Width of frame beyond which no copy can touch the field or its margin.

    Four mean spacings suffice unless the points leave a gap as wide; one period
    always does.
    """
    spacing = float(np.sqrt(np.prod(size) / max(count, 1)))
    return margin + min(4.0 * spacing, float(size.max()))
