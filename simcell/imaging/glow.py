"""Light of nuclei and Golgi in a block, before any blur.

Decision: textures are looked up where an object is, row by row, and haze is never held as a
field of its own: both are splines on a lattice of random numbers, much smaller than the
block. Debris is found by the gaps between its specks, so that voxels without one cost nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from simcell import hashed
from simcell.arrays import Block, Grid, Image, IntArray, VolumePainted
from simcell.imaging.knots import Knots, knots, plane_at, row_at
from simcell.rng import Streams
from simcell.scene.volume import FluorescenceVolume, VolumeClutter, VolumePart

_SEGMENT = 64
"""Voxels along x in which specks are drawn one after another."""
_SHARE = np.float32(1 / 256)
_ONE, _HALF, _THIRD, _QUARTER = (np.float32(1 / k) for k in (1, 2, 3, 4))


def glow(spec: FluorescenceVolume, painted: VolumePainted, grid: Grid, streams: Streams) -> Image:
    """Return the light (channels, z, y, x) of a painted block, 1 being `camera.photons`.

    Parameters
    ----------
    spec : FluorescenceVolume
    painted : VolumePainted
    grid : Grid
        The whole field.
    streams : Streams
    """
    light = np.empty((spec.channels, *painted.block.shape), np.float32)
    _add_clutter(spec.clutter, painted.block, grid, streams, light[0])
    light[1:] = light[0]
    for odd, (name, part) in enumerate({"nucleus": spec.nucleus, "golgi": spec.golgi}.items()):
        shares = np.full(spec.channels, spec.bleed, np.float32)
        shares[min(odd, spec.channels - 1)] = 1.0
        _add_stain(part, (odd, name), shares, painted, grid, streams, light)
    return light


def _add_stain(
    part: VolumePart,
    stain: tuple[int, str],
    shares: Image,
    painted: VolumePainted,
    grid: Grid,
    streams: Streams,
    light: Image,
) -> None:
    """Add the light of all nuclei (stain[0] = 0), or Golgi (1), to the channels."""
    odd, name = stain
    most = int(painted.owner.max(initial=0))
    if part.brightness == 0 or most == 0:
        return
    of = hashed.key(streams(f"imaging.{name}_level"))
    sigma = np.log1p(part.cell_cv**2) ** 0.5
    level = np.exp(sigma * hashed.normals(of, Block((0, 0), (1, most + 1)))[0] - 0.5 * sigma**2)
    # Without a texture, knots are looked up for nothing: a scale of the whole block is cheap.
    scale = tuple((part.texture_um if part.texture > 0 else 1e4) / s for s in grid.spacing_um)
    lattice = knots(hashed.key(streams(f"imaging.{name}_texture")), painted.block, scale)
    level *= part.brightness
    _light_up(light, shares, painted.owner, odd, level.astype(np.float32), lattice, part.texture)


def _add_clutter(
    spec: VolumeClutter, block: Block, grid: Grid, streams: Streams, light: Image
) -> None:
    """Fill in haze and specks of debris; a speck lights up one voxel before the blur."""
    if spec.haze > 0 and spec.haze_cv > 0:
        scale = tuple(spec.haze_um / s for s in grid.spacing_um)
        lattice = knots(hashed.key(streams("imaging.haze")), block, scale)
        _cloud(lattice, spec.haze_cv, spec.haze, light)
    else:
        light[:] = spec.haze
    voxel = float(np.prod(grid.spacing_um))
    chance = min(spec.spots * voxel * 1e-9, 1.0)
    if chance > 0 and spec.spot_brightness > 0:
        of, (z, y, x) = hashed.key(streams("imaging.specks")), block.start
        pace = 1.0 / np.log1p(-chance) if chance < 1 else 0.0
        _speckle(
            of, (z, y, x), (1.0 - chance) ** _SEGMENT, pace, spec.spot_brightness / voxel, light
        )


@njit(cache=True, inline="always")
def _lognormal(normal: np.float32, sigma: np.float32, half: np.float32) -> np.float32:
    """Return exp(sigma * normal - half) within 3e-5 of it, for exponents below 30.

    A series for a 256th of the exponent, squared eight times: no call, so that
    rows of voxels are done eight at a time.
    """
    x = (sigma * normal - half) * _SHARE
    y = _ONE + x * (_ONE + x * _HALF * (_ONE + x * _THIRD * (_ONE + x * _QUARTER)))
    y *= y
    y *= y
    y *= y
    y *= y
    y *= y
    y *= y
    y *= y
    return y * y


@njit(cache=True)
def _cloud(lattice: Knots, cv: float, mean: float, light: Image) -> None:
    """Fill a block with log-normal haze."""
    sigma, half, scale = np.float32(cv), np.float32(0.5 * cv * cv), np.float32(mean)
    plane = np.empty(lattice.values.shape[1:], np.float32)
    for z in range(light.shape[0]):
        plane_at(lattice, z, plane)
        for y in range(light.shape[1]):
            line = light[z, y]
            row_at(lattice, plane, y, 0, line)
            for x in range(len(line)):
                line[x] = scale * _lognormal(line[x], sigma, half)


@njit(cache=True)
def _speckle(
    of: np.uint64,
    start: tuple[int, int, int],
    none: float,
    pace: float,
    bright: float,
    light: Image,
) -> None:
    """Light up voxels, each with the same chance, exponentially bright.

    ``none``: chance of a segment without a speck. ``pace``: 1 over the logarithm of
    the chance that a voxel has none; the gap to the next speck is geometric.
    """
    nz, ny, nx = light.shape
    first, end = start[2] // _SEGMENT, (start[2] + nx - 1) // _SEGMENT + 1
    for z in range(nz):
        for y in range(ny):
            key = hashed.row_key(of, z + start[0], y + start[1])
            for segment in range(first, end):
                word = hashed.word_at(key, segment)
                if hashed.unit_of(word) < none:
                    continue
                x, stop = segment * _SEGMENT - start[2], (segment + 1) * _SEGMENT - start[2]
                while True:
                    x += int(min(np.log(hashed.unit_of(word)) * pace, 2.0 * _SEGMENT))
                    if x >= stop:
                        break
                    word = hashed.mix(word + hashed.GOLDEN)
                    if 0 <= x < nx:
                        light[z, y, x] -= np.float32(bright * np.log(hashed.unit_of(word)))
                    word = hashed.mix(word + hashed.GOLDEN)
                    x += 1


@njit(cache=True)
def _light_up(
    light: Image,
    shares: Image,
    owner: IntArray,
    odd: int,
    level: Image,
    lattice: Knots,
    texture: float,
) -> None:
    """Add to voxels of nuclei (odd = 0) or Golgi their brightness, log-normally textured."""
    sigma, half = np.float32(texture), np.float32(0.5 * texture * texture)
    plane = np.empty(lattice.values.shape[1:], np.float32)
    line, nx = np.empty(owner.shape[2], np.float32), owner.shape[2]
    for z in range(owner.shape[0]):
        drawn = False
        for y in range(owner.shape[1]):
            numbers = owner[z, y]
            begin, end = _next(numbers, 0, odd)
            if begin < nx and not drawn:
                plane_at(lattice, z, plane)
                drawn = True
            while begin < nx:
                bright = line[begin:end]
                row_at(lattice, plane, y, begin, bright)
                for x in range(end - begin):
                    bright[x] = level[numbers[begin]] * _lognormal(bright[x], sigma, half)
                for c in range(len(shares)):
                    for x in range(begin, end):
                        light[c, z, y, x] += shares[c] * line[x]
                begin, end = _next(numbers, end, odd)


@njit(cache=True)
def _next(owner: IntArray, x: int, odd: int) -> tuple[int, int]:
    """Return the next run [begin, end) of one owner of the kind, from ``x`` on."""
    nx = len(owner)
    while x < nx and (owner[x] == 0 or (owner[x] & 1) == odd):
        x += 1
    begin = x
    while x < nx and owner[x] == owner[begin]:
        x += 1
    return begin, x
