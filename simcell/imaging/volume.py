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
from simcell.imaging.camera import photons
from simcell.rng import Streams
from simcell.scene.volume import FluorescenceVolume, VolumeClutter, VolumePart

_FWHM = 2.354820045
"""Full width at half maximum of a Gaussian, in sigmas."""


def sigma_px(spec: FluorescenceVolume, grid: Grid) -> tuple[float, ...]:
    """Return the sigma of the point spread function along z, y, x in voxels."""
    width = (spec.optics.axial_um, spec.optics.lateral_um, spec.optics.lateral_um)
    return tuple(w / _FWHM / s for w, s in zip(width, grid.spacing_um, strict=True))


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
    stains = [
        _stain(part, name, painted, odd, grid, streams)
        for odd, (name, part) in enumerate({"nucleus": spec.nucleus, "golgi": spec.golgi}.items())
    ]
    clutter = _clutter(spec.clutter, painted.block, grid, streams)
    nuclei, golgi = stains
    if spec.channels == 1:
        seen = [nuclei + golgi + clutter]
    else:
        bleed = np.float32(spec.bleed)
        seen = [nuclei + bleed * golgi + clutter, golgi + bleed * nuclei + clutter]
    levels = [
        _expose(spec, hashed.soften(light, sigma), inner, channel, grid, streams)
        for channel, light in enumerate(seen)
    ]
    return levels[0] if spec.channels == 1 else np.stack(levels)


def _stain(
    part: VolumePart, name: str, painted: VolumePainted, odd: int, grid: Grid, streams: Streams
) -> Image:
    """Light of all nuclei (odd = 0), or of all Golgi (odd = 1)."""
    owner = painted.owner
    own = (owner > 0) & (owner % 2 != odd)
    light = np.zeros(owner.shape, np.float32)
    if part.brightness == 0 or not own.any():
        return light
    level = np.zeros(int(owner.max()) + 1, np.float32)
    numbers = Block((0, 0), (1, len(level)))
    spread = hashed.normals(hashed.key(streams(f"imaging.{name}_level")), numbers)[0]
    level[:] = part.brightness * _lognormal(spread, np.log1p(part.cell_cv**2) ** 0.5)
    light[own] = level[owner[own]]
    if part.texture > 0:
        scale = tuple(part.texture_um / s for s in grid.spacing_um)
        field = hashed.smooth(hashed.key(streams(f"imaging.{name}_texture")), painted.block, scale)
        light[own] *= _lognormal(field[own], part.texture)
    return light


def _lognormal(normal: Image, sigma: float) -> Image:
    """Turn standard normals into log-normal factors of mean 1."""
    return np.asarray(np.exp(np.float32(sigma) * normal - np.float32(0.5 * sigma**2)), np.float32)


def _clutter(spec: VolumeClutter, block: Block, grid: Grid, streams: Streams) -> Image:
    """Haze and specks of debris; a speck lights up one voxel before the blur."""
    light = np.full(block.shape, np.float32(spec.haze))
    if spec.haze > 0 and spec.haze_cv > 0:
        scale = tuple(spec.haze_um / s for s in grid.spacing_um)
        field = hashed.smooth(hashed.key(streams("imaging.haze")), block, scale)
        light *= _lognormal(field, spec.haze_cv)
    voxel = float(np.prod(grid.spacing_um))
    chance = min(spec.spots * voxel * 1e-9, 1.0)
    if chance > 0 and spec.spot_brightness > 0:
        drawn = hashed.uniforms(hashed.key(streams("imaging.specks")), block)
        here = drawn < np.float32(chance)
        # What is left of the uniform number says how bright: exponential.
        light[here] -= np.float32(spec.spot_brightness / voxel) * np.log(
            drawn[here] / np.float32(chance)
        )
    return light


def _expose(
    spec: FluorescenceVolume,
    light: Image,
    block: Block,
    channel: int,
    grid: Grid,
    streams: Streams,
) -> NDArray[Any]:
    """Dim with depth, count photons, add read noise, digitise."""
    if spec.optics.attenuation_um is not None:
        depth = (block.start[0] + np.arange(block.shape[0]) + 0.5) * grid.spacing_um[0]
        light = (
            light * np.exp(-depth / spec.optics.attenuation_um).astype(np.float32)[:, None, None]
        )
    camera, second = spec.camera, "_2" if channel else ""
    normal = hashed.normals(hashed.key(streams(f"imaging.photons{second}")), block)
    flat = (-1, block.shape[-1])
    counts = photons(
        np.ascontiguousarray(light).reshape(flat), camera.photons, normal.reshape(flat)
    ).reshape(block.shape)
    if camera.read_noise > 0:
        read = hashed.normals(hashed.key(streams(f"imaging.read{second}")), block)
        counts += np.float32(camera.read_noise) * read
    counts *= np.float32(camera.gain)
    counts += np.float32(camera.offset)
    kind = np.uint16 if camera.bits == 16 else np.uint8
    return np.clip(np.rint(counts), 0, np.iinfo(kind).max).astype(kind)
