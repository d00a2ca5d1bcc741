"""Light of nuclei and Golgi in a block, before any blur.

Decision: textures are looked up where an object is, row by row, and haze is never held as a
field of its own: both are splines on a lattice of random numbers, much smaller than the
block. Debris is found by the gaps between its specks, so that voxels without one cost nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from simcell import hashed, words
from simcell.arrays import Block, Grid, Image, IntArray, VolumePainted
from simcell.imaging.knots import Knots, knots, plane_at, row_at
from simcell.rng import Streams
from simcell.scene.volume import FluorescenceVolume, VolumeClutter, VolumePart

_SEGMENT = 64
"""Voxels along x in which specks are drawn one after another, and owners looked for."""
_PLANES = 4
"""Planes a correlation length of haze, at least, that are worked out; it varies by 1 % less."""
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
    spans = np.empty((2, *painted.block.shape[:2], 2), np.int32)
    most = _find(painted.owner, spans)
    for odd, (name, part) in enumerate({"nucleus": spec.nucleus, "golgi": spec.golgi}.items()):
        if part.brightness == 0 or most == 0:
            continue
        level = _levels(part, most, words.key(streams(f"imaging.{name}_level")))
        # Without a texture, knots are looked up for nothing: a scale of the whole block is cheap.
        scale = tuple((part.texture_um if part.texture > 0 else 1e4) / s for s in grid.spacing_um)
        of = words.key(streams(f"imaging.{name}_texture"))
        lattice = knots(of, painted.block, scale, spans[odd])
        shares = np.full(spec.channels, spec.bleed, np.float32)
        shares[min(odd, spec.channels - 1)] = 1.0
        _light_up(light, shares, painted.owner, spans[odd], odd, level, lattice, part.texture)
    return light


def _levels(part: VolumePart, most: int, of: np.uint64) -> Image:
    """Return the brightness of owners 0 to ``most``."""
    sigma = np.log1p(part.cell_cv**2) ** 0.5
    normal = hashed.normals(of, Block((0, 0), (1, most + 1)))[0]
    return np.asarray(part.brightness * np.exp(sigma * normal - 0.5 * sigma**2), np.float32)


def _add_clutter(
    spec: VolumeClutter, block: Block, grid: Grid, streams: Streams, light: Image
) -> None:
    """Fill in haze and specks of debris; a speck lights up one voxel before the blur."""
    if spec.haze > 0 and spec.haze_cv > 0:
        scale = tuple(spec.haze_um / s for s in grid.spacing_um)
        every = max(1, int(scale[0] / _PLANES))
        first, end = block.start[0] // every * every, block.start[0] + block.shape[0]
        planes = (end // every + 1) * every + 1 - first
        lattice = knots(
            words.key(streams("imaging.haze")),
            Block((first, *block.start[1:]), (planes, *block.shape[1:])),
            scale,
        )
        _cloud(lattice, block.start[0] - first, every, spec.haze_cv, spec.haze, light)
    else:
        light[:] = spec.haze
    voxel = float(np.prod(grid.spacing_um))
    chance = min(spec.spots * voxel * 1e-9, 1.0)
    if chance > 0 and spec.spot_brightness > 0:
        of, (z, y, x) = words.key(streams("imaging.specks")), block.start
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
def _cloud(lattice: Knots, skip: int, every: int, cv: float, mean: float, light: Image) -> None:
    """Fill a block with log-normal haze; its first plane is plane ``skip`` of the lattice's block.

    Haze is worked out at one plane in ``every``, and lies evenly between two of them.
    """
    shape = light.shape[1:]
    near, far, held = np.empty(shape, np.float32), np.empty(shape, np.float32), -1
    room = np.empty(lattice.values.shape[1:], np.float32)
    for z in range(light.shape[0]):
        k, part = divmod(z + skip, every)
        if k != held:
            near, far = far, near
            if held < 0:
                _cloud_plane(lattice, k * every, cv, mean, room, near)
            _cloud_plane(lattice, (k + 1) * every, cv, mean, room, far)
            held = k
        share = np.float32(part / every)
        for y in range(shape[0]):
            a, b, line = near[y], far[y], light[z, y]
            for x in range(shape[1]):
                line[x] = a[x] + share * (b[x] - a[x])


@njit(cache=True)
def _cloud_plane(lattice: Knots, z: int, cv: float, mean: float, room: Image, plane: Image) -> None:
    sigma, half, scale = np.float32(cv), np.float32(0.5 * cv * cv), np.float32(mean)
    plane_at(lattice, z, room)
    for y in range(len(plane)):
        line = plane[y]
        row_at(lattice, room, y, 0, line)
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
            key = words.row_key(of, z + start[0], y + start[1])
            for segment in range(first, end):
                word = words.word_at(key, segment)
                if words.unit_of(word) < none:
                    continue
                x, stop = segment * _SEGMENT - start[2], (segment + 1) * _SEGMENT - start[2]
                while True:
                    x += int(min(np.log(words.unit_of(word)) * pace, 2.0 * _SEGMENT))
                    if x >= stop:
                        break
                    word = words.mix(word + words.GOLDEN)
                    if 0 <= x < nx:
                        light[z, y, x] -= np.float32(bright * np.log(words.unit_of(word)))
                    word = words.mix(word + words.GOLDEN)
                    x += 1


@njit(cache=True)
def _find(owner: IntArray, spans: IntArray) -> int:
    """Fill in first voxel and end (2, z, y, 2) of nuclei, and of Golgi, in every row.

    Returns
    -------
    int
        Largest number of an owner.
    """
    nz, ny, nx = owner.shape
    most = 0
    for z in range(nz):
        for y in range(ny):
            row, here = owner[z, y], spans[:, z, y]
            here[:, 0], here[:, 1] = nx, 0
            for start in range(0, nx, _SEGMENT):
                end, some = min(start + _SEGMENT, nx), np.int32(0)
                for x in range(start, end):
                    some |= row[x]
                if some == 0:
                    continue
                for x in range(start, end):
                    if row[x] == 0:
                        continue
                    kind = 1 - (row[x] & 1)
                    here[kind, 0] = min(here[kind, 0], x)
                    here[kind, 1] = x + 1
                    most = max(most, row[x])
    return most


@njit(cache=True)
def _light_up(
    light: Image,
    shares: Image,
    owner: IntArray,
    spans: IntArray,
    odd: int,
    level: Image,
    lattice: Knots,
    texture: float,
) -> None:
    """Add to voxels of nuclei (odd = 0) or Golgi their brightness, log-normally textured."""
    sigma, half = np.float32(texture), np.float32(0.5 * texture * texture)
    plane = np.empty(lattice.values.shape[1:], np.float32)
    line = np.empty(owner.shape[2], np.float32)
    for z in range(owner.shape[0]):
        drawn = False
        for y in range(owner.shape[1]):
            first, last = spans[z, y]
            if first >= last:
                continue
            if not drawn:
                plane_at(lattice, z, plane)
                drawn = True
            # All of the span at once: many short stretches would take longer.
            rough = line[first:last]
            row_at(lattice, plane, y, first, rough)
            for x in range(len(rough)):
                rough[x] = _lognormal(rough[x], sigma, half)
            _add_row(light[:, z, y], shares, owner[z, y, :last], first, odd, level, line)


@njit(cache=True)
def _add_row(
    light: Image, shares: Image, owner: IntArray, x: int, odd: int, level: Image, rough: Image
) -> None:
    """Add the light of a row's owners of one kind, from voxel ``x`` on, to all channels."""
    while x < len(owner):
        x, end = _next(owner, x, odd)
        for c in range(len(shares)):
            for i in range(x, end):
                light[c, i] += shares[c] * (level[owner[i]] * rough[i])
        x = end


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
