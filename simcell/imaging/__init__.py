"""How it looks: labels through a microscope."""

from __future__ import annotations

from typing import Any, assert_never

from numpy.typing import NDArray

from simcell.imaging import fluorescence, rcm
from simcell.imaging.view import View
from simcell.rng import Streams
from simcell.scene.imaging import Fluorescence, ImagingSpec, NoImage, Rcm

__all__ = ["View", "render"]


def render(spec: ImagingSpec, view: View, streams: Streams) -> NDArray[Any] | None:
    """Image the labelled tissue.

    Parameters
    ----------
    spec : ImagingSpec
    view : View
        What lies in the focal plane.
    streams : Streams

    Returns
    -------
    uint8 or uint16 array, or None
        The image (y, x); None for the kind ``none``.

    Examples
    --------
    >>> import numpy as np
    >>> from simcell.arrays import Grid
    >>> from simcell.fields import border_distance
    >>> labels = np.arange(1, 17, dtype=np.int32).reshape(4, 4).repeat(16, 0).repeat(16, 1)
    >>> centres = np.stack(np.mgrid[4:32:8, 4:32:8], -1).reshape(-1, 2).astype(float)
    >>> grid = Grid((64, 64), (0.5, 0.5))
    >>> view = View(labels, border_distance(labels) / 2, centres, labels > 0, grid)
    >>> image = render(Rcm(), view, Streams(0, 0))
    >>> image.shape, image.dtype
    ((64, 64), dtype('uint8'))
    """
    match spec:
        case NoImage():
            return None
        case Rcm():
            return rcm.image(spec, view, streams)
        case Fluorescence():
            return fluorescence.image(spec, view, streams)
        case _:
            assert_never(spec)
