"""Closed outlines through perturbed knots, as SIMCEP draws cells.

References
----------
Lehmussola et al. (2007), Computational framework for simulating fluorescence
microscope images with cell populations, IEEE Trans. Med. Imaging 26:1010.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.random import Generator

from simcell.arrays import FloatArray
from simcell.scene.cells import SimcepShape

KNOTS = 10  # SIMCEP's eleven angles, of which the last is the first
VERTICES = 48


def contours(spec: SimcepShape, count: int, rng: Generator) -> FloatArray:
    """Draw outlines of unit nominal radius about the origin.

    Returns
    -------
    FloatArray
        Vertices (count, VERTICES, 2) as (y, x).

    Examples
    --------
    >>> round_one = contours(SimcepShape(alpha=0, beta=0), 1, np.random.default_rng(0))
    >>> bool(np.all(abs(np.linalg.norm(round_one, axis=-1) - 1) < 0.002))
    True
    """
    noise = rng.uniform(-1.0, 1.0, (count, 4, KNOTS))
    theta = 2.0 * np.pi * np.arange(KNOTS) / KNOTS
    y = spec.alpha * noise[:, 0] + np.sin(theta + spec.beta * noise[:, 1])
    x = spec.alpha * noise[:, 2] + np.cos(theta + spec.beta * noise[:, 3])
    knots = np.stack([y, x], axis=-1)
    # einsum keeps one order of summation, which BLAS does not promise.
    return np.asarray(np.einsum("vk,nkc->nvc", _weights(spec.harmonics), knots))


def radii(spec: SimcepShape, count: int, rng: Generator) -> FloatArray:
    """Draw nominal radii in µm by the part's size law; never below a tenth of the mean."""
    normal = rng.standard_normal(count)
    if spec.radius_law == "lognormal":
        variance = np.log1p(spec.radius_cv**2)
        factor = np.exp(np.sqrt(variance) * normal - 0.5 * variance)
    elif spec.radius_law == "uniform":
        factor = 1.0 + spec.radius_cv * np.sqrt(3.0) * rng.uniform(-1.0, 1.0, count)
    else:
        factor = 1.0 + spec.radius_cv * normal
    return np.asarray(spec.radius_um * np.clip(factor, 0.1, 10.0))


@lru_cache(maxsize=16)
def _weights(harmonics: int | None) -> FloatArray:
    """Matrix (VERTICES, KNOTS) from knots to vertices: periodic cubic spline, or harmonics."""
    at = 2.0 * np.pi * np.arange(VERTICES) / VERTICES
    theta = 2.0 * np.pi * np.arange(KNOTS) / KNOTS
    if harmonics is None:
        from scipy.interpolate import CubicSpline

        closed = np.concatenate([np.eye(KNOTS), np.eye(KNOTS)[:1]])
        spline = CubicSpline(np.append(theta, 2.0 * np.pi), closed, bc_type="periodic")
        return np.asarray(spline(at), dtype=np.float64)
    gap = at[:, None] - theta[None]
    waves = [2.0 * np.cos(k * gap) for k in range(1, harmonics + 1)]
    return np.asarray((1.0 + np.sum(waves, axis=0)) / KNOTS)
