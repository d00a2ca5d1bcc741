"""How it looks: labels through a microscope."""

from __future__ import annotations

from typing import Any, assert_never

from numpy.typing import NDArray

from simcell.arrays import Grid, Painted
from simcell.imaging import fluorescence, mosaic, oct, phase, rcm, volume
from simcell.imaging.view import View
from simcell.rng import Streams
from simcell.scene.imaging import Fluorescence, ImagingSpec, NoImage, Rcm
from simcell.scene.mosaic import RcmMosaic
from simcell.scene.oct import Oct
from simcell.scene.phase import PhaseContrast
from simcell.scene.volume import FluorescenceVolume

__all__ = ["View", "halo", "render", "render_block"]


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
        case PhaseContrast():
            return phase.image(spec, view, streams)
        case Oct():
            return oct.image(spec, view, streams)
        case FluorescenceVolume() | RcmMosaic():
            msg = f"imaging of kind {spec.kind!r} looks at painted blocks"
            raise AssertionError(msg)
        case _:
            assert_never(spec)


def halo(spec: ImagingSpec, grid: Grid) -> tuple[int, ...]:
    """Return how many pixels beyond a block its image depends on, along each axis."""
    match spec:
        case FluorescenceVolume():
            return volume.halo(spec, grid)
        case RcmMosaic():
            return mosaic.halo(spec, grid)
        case _:
            return (0,) * grid.ndim


def render_block(
    spec: ImagingSpec, painted: Painted, grid: Grid, streams: Streams
) -> NDArray[Any] | None:
    """Image a block that was painted with its `halo`.

    Every pixel is the same whatever the block it is part of.

    Parameters
    ----------
    spec : ImagingSpec
        Of a kind that looks at painted blocks, or ``none``.
    painted : Painted
    grid : Grid
        The whole field.
    streams : Streams

    Returns
    -------
    uint8 or uint16 array, or None
        Image of the block without the halo.
    """
    match spec:
        case NoImage():
            return None
        case FluorescenceVolume():
            return volume.image(spec, painted, grid, streams)
        case RcmMosaic():
            return mosaic.image(spec, painted, grid, streams)
        case _:
            msg = f"imaging of kind {spec.kind!r} looks at whole fields"
            raise AssertionError(msg)
