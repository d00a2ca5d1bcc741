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
from numba import njit
from numpy.typing import NDArray

from simcell import hashed
from simcell.arrays import Grid, Image, Painted, VolumePainted
from simcell.fields import FWHM
from simcell.imaging.camera import Exposure, expose_row, exposure
from simcell.imaging.focus import blur_planes, row_of
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
    sz, sy, sx = (s + h for s, h in zip(painted.block.start, edge, strict=True))
    shape = tuple(n - 2 * h for n, h in zip(painted.block.shape, edge, strict=True))
    depth = (sz + np.arange(shape[0]) + 0.5) * grid.spacing_um[0]
    length = spec.optics.attenuation_um
    share = np.ones(len(depth)) if length is None else np.exp(-depth / length)
    along_z, *across = (hashed.gaussian(s) for s in sigma)
    light = glow(spec, painted, grid, streams)
    grey = np.empty((spec.channels, *shape), np.uint16 if spec.camera.bits == 16 else np.uint8)
    for channel, seen in enumerate(light):
        blur_planes(seen, along_z)
        camera = exposure(spec.camera, share, streams, channel)
        _expose(seen, across[0], across[1], camera, (sz, sy, sx), grey[channel])
    return grey[0] if spec.channels == 1 else grey


@njit(cache=True)
def _expose(
    light: Image,
    weight_y: Image,
    weight_x: Image,
    camera: Exposure,
    start: tuple[int, int, int],
    grey: NDArray[Any],
) -> None:
    """Blur a block, blurred along z so far, along y and x too, and expose it row by row."""
    between = np.empty(light.shape[2], np.float32)
    line = np.empty(grey.shape[2], np.float32)
    room = np.empty(len(line), np.uint64), np.empty_like(line)
    for z in range(grey.shape[0]):
        for y in range(grey.shape[1]):
            row_of(light[z], y, weight_y, weight_x, between, line)
            place = z + start[0], y + start[1], start[2]
            expose_row(camera, z, place, line, room, grey[z, y])
