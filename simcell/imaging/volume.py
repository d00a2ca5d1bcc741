"""Confocal fluorescence of nuclei and Golgi in a volume.

Light of a voxel: its object's brightness times a log-normal texture, a cloudy haze
between the objects, specks of debris. A Gaussian point spread function, wider along
z, blurs it; depth takes its share; the camera counts photons.

Decision: attenuation acts after the blur, on the plane that light comes back from.
Everything random is addressed by voxel or by object, so that blocks do not show.

References
----------
Zhang, Zerubia & Olivo-Marin, Gaussian approximations of fluorescence microscope
point-spread function models, Applied Optics 46 (2007): why a Gaussian will do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcell import hashed
from simcell.arrays import Block, Grid, Image, Painted, VolumePainted
from simcell.fields import FWHM
from simcell.imaging.camera import expose_block
from simcell.imaging.glow import glow
from simcell.rng import Streams
from simcell.scene.volume import FluorescenceVolume


def sigma_px(spec: FluorescenceVolume, grid: Grid) -> tuple[float, ...]:
    """Return the sigma of the point spread function along z, y, x in voxels."""
    width = (spec.optics.axial_um, spec.optics.lateral_um, spec.optics.lateral_um)
    return tuple(w / FWHM / s for w, s in zip(width, grid.spacing_um, strict=True))


def halo(spec: FluorescenceVolume, grid: Grid) -> tuple[int, ...]:
    """Return how many voxels beyond a block its image depends on, along each axis."""
    return tuple(hashed.reach(sigma) for sigma in sigma_px(spec, grid))


def image(spec: FluorescenceVolume, painted: Painted, grid: Grid, streams: Streams) -> NDArray[Any]:
    """Image a painted block; the result is smaller by the halo.

    Parameters
    ----------
    spec : FluorescenceVolume
    painted : VolumePainted
    grid : Grid
        The whole field.
    streams : Streams

    Returns
    -------
    uint8 or uint16 array
        (z, y, x), or with two channels (2, z, y, x).
    """
    assert isinstance(painted, VolumePainted)
    sigma, edge = sigma_px(spec, grid), halo(spec, grid)
    start = tuple(s + h for s, h in zip(painted.block.start, edge, strict=True))
    shape = tuple(n - 2 * h for n, h in zip(painted.block.shape, edge, strict=True))
    inner = Block(start, shape)
    light = glow(spec, painted, grid, streams)
    levels = [
        _expose(spec, hashed.soften(seen, sigma), inner, channel, grid, streams)
        for channel, seen in enumerate(light)
    ]
    return levels[0] if spec.channels == 1 else np.stack(levels)


def _expose(
    spec: FluorescenceVolume,
    light: Image,
    block: Block,
    channel: int,
    grid: Grid,
    streams: Streams,
) -> NDArray[Any]:
    """Dim with depth, count photons, add read noise, digitise."""
    depth = (block.start[0] + np.arange(block.shape[0]) + 0.5) * grid.spacing_um[0]
    length = spec.optics.attenuation_um
    share = np.ones(len(depth)) if length is None else np.exp(-depth / length)
    second = "_2" if channel else ""
    photons, read = (hashed.key(streams(f"imaging.{name}{second}")) for name in ("photons", "read"))
    return expose_block(light, share, spec.camera, (photons, read), block)
