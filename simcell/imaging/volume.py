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
from simcell.arrays import Block, FloatArray, Grid, Image, IntArray, Painted, VolumePainted
from simcell.fields import FWHM
from simcell.imaging.camera import poisson
from simcell.rng import Streams
from simcell.scene.volume import FluorescenceVolume, VolumeClutter, VolumePart


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
    clutter = _clutter(spec.clutter, painted.block, grid, streams)
    seen = [clutter] if spec.channels == 1 else [clutter, clutter.copy()]
    for odd, (name, part) in enumerate({"nucleus": spec.nucleus, "golgi": spec.golgi}.items()):
        shares = [
            1.0 if spec.channels == 1 or channel == odd else spec.bleed
            for channel in range(spec.channels)
        ]
        _add_stain(seen, shares, (odd, name, part), painted, grid, streams)
    levels = [
        _expose(spec, hashed.soften(light, sigma), inner, channel, grid, streams)
        for channel, light in enumerate(seen)
    ]
    return levels[0] if spec.channels == 1 else np.stack(levels)


def _add_stain(
    seen: list[Image],
    shares: list[float],
    stain: tuple[int, str, VolumePart],
    painted: VolumePainted,
    grid: Grid,
    streams: Streams,
) -> None:
    """Add the light of all nuclei (stain[0] = 0), or Golgi (1), to the channels that see it."""
    odd, name, part = stain
    most = int(painted.owner.max(initial=0))
    if part.brightness == 0 or most == 0:
        return
    spread = hashed.normals(
        hashed.key(streams(f"imaging.{name}_level")), Block((0, 0), (1, most + 1))
    )[0]
    level = _lognormal(spread, np.log1p(part.cell_cv**2) ** 0.5)
    level *= np.float32(part.brightness)
    field = np.zeros((1, 1, 1), np.float32)
    if part.texture > 0:
        scale = tuple(part.texture_um / s for s in grid.spacing_um)
        field = hashed.smooth(hashed.key(streams(f"imaging.{name}_texture")), painted.block, scale)
    for light, share in zip(seen, shares, strict=True):
        if share > 0:
            _light_up(light, painted.owner, odd, np.float32(share) * level, field, part.texture)


@njit(cache=True)
def _light_up(
    light: Image, owner: IntArray, odd: int, level: Image, field: Image, texture: float
) -> None:
    """Add to voxels of nuclei (odd = 0) or Golgi their brightness, log-normally textured."""
    sigma, half = np.float32(texture), np.float32(0.5 * texture * texture)
    for z in range(owner.shape[0]):
        for y in range(owner.shape[1]):
            for x in range(owner.shape[2]):
                number = owner[z, y, x]
                if number == 0 or number % 2 == odd:
                    continue
                bright = level[number]
                if texture > 0:
                    bright *= np.exp(sigma * field[z, y, x] - half)
                light[z, y, x] += bright


def _lognormal(normal: Image, sigma: float) -> Image:
    """Turn standard normals into log-normal factors of mean 1."""
    power = np.float32(sigma) * normal
    power -= np.float32(0.5 * sigma**2)
    return np.asarray(np.exp(power, out=power))


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
    depth = (block.start[0] + np.arange(block.shape[0]) + 0.5) * grid.spacing_um[0]
    length = spec.optics.attenuation_um
    share = np.ones(len(depth)) if length is None else np.exp(-depth / length)
    camera, second = spec.camera, "_2" if channel else ""
    keys = [hashed.key(streams(f"imaging.{name}{second}")) for name in ("photons", "read")]
    grey = np.empty(block.shape, np.uint16 if camera.bits == 16 else np.uint8)
    z, y, x = block.start
    _digitise(
        np.ascontiguousarray(light),
        camera.photons * share,
        (keys[0], keys[1]),
        (z, y, x),
        (camera.read_noise, camera.gain, camera.offset),
        float(np.iinfo(grey.dtype).max),
        grey,
    )
    return grey


@njit(cache=True)
def _digitise(
    light: Image,
    photons: FloatArray,
    keys: tuple[np.uint64, np.uint64],
    start: tuple[int, int, int],
    camera: tuple[float, float, float],
    top: float,
    grey: NDArray[Any],
) -> None:
    read, gain, offset = camera
    for z in range(grey.shape[0]):
        for y in range(grey.shape[1]):
            arriving = hashed.row_key(keys[0], z + start[0], y + start[1])
            reading = hashed.row_key(keys[1], z + start[0], y + start[1])
            for x in range(grey.shape[2]):
                mean = photons[z] * max(light[z, y, x], np.float32(0.0))
                value = poisson(mean, hashed.word_at(arriving, x + start[2]))
                if read > 0:
                    value += read * hashed.normal_of(hashed.word_at(reading, x + start[2]))
                grey[z, y, x] = min(max(np.rint(value * gain + offset), 0.0), top)
