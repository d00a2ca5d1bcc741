"""Points without interaction: Poisson and binomial processes, even or uneven.

References
----------
Chiu, Stoyan, Kendall, Mecke (2013), Stochastic Geometry and its Applications,
3rd ed., chapter 2.
"""

from __future__ import annotations

from numpy.random import Generator

from simcell.arrays import FloatArray, Pattern, Window, per_um
from simcell.points._place import Relief, check_count, read_map
from simcell.scene.points import Binomial, Poisson


def sample(
    spec: Poisson | Binomial,
    window: Window,
    rng: Generator,
    intensity_map: FloatArray | None = None,
) -> Pattern:
    """Draw independent points; the mean density is ``spec.density`` however uneven.

    Parameters
    ----------
    spec : Poisson or Binomial
        Density per mm² or mm³, or the count, and how it varies over the window.
    window : Window
        Where points may lie.
    rng : numpy.random.Generator
        Random stream.
    intensity_map : FloatArray, optional
        Relative intensities over the box; in place of ``spec.intensity_map``.

    Returns
    -------
    Pattern
        Points (n, ndim) in µm.

    Examples
    --------
    >>> import numpy as np
    >>> window = Window((128.0, 128.0))
    >>> len(sample(Binomial(count=20, gradient_ratio=4.0), window, np.random.default_rng(1)))
    20
    """
    if intensity_map is None and spec.intensity_map is not None:
        intensity_map = read_map(spec.intensity_map)
    relief = Relief(window, spec.gradient_axis, spec.gradient_ratio, intensity_map)
    if isinstance(spec, Binomial):
        return Pattern(relief.points(spec.count, rng))
    expected = per_um(spec.density, window.ndim) * window.volume
    check_count(expected, "density", spec.density)
    return Pattern(relief.points(int(rng.poisson(expected)), rng))
