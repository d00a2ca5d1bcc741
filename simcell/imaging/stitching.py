"""A mosaic is stitched from square fields: each with its own light, and a little off.

Everything about a field is hashed from its place among the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell import hashed, words
from simcell.arrays import Block, FloatArray, Image
from simcell.rng import Streams
from simcell.scene.mosaic import MosaicTiles

_MOST = 3.0  # shifts are cut off at so many standard deviations


class Axis(NamedTuple):
    """Which fields show the pixels along one axis.

    Attributes
    ----------
    tile : int64 array
        The field that a pixel belongs to; the one before it shows it too if
        ``before`` is above 0.
    before : FloatArray
        Weight of the field before.
    off, off_before : FloatArray
        Place in the two fields, from -1 at one edge to 1 at the other.
    """

    tile: NDArray[np.int64]
    before: FloatArray
    off: FloatArray
    off_before: FloatArray


class Tiles(NamedTuple):
    """Fields from the first one on, each (rows, columns)."""

    top: int
    left: int
    gain: Image
    haze: Image
    shift_y: NDArray[np.int64]
    shift_x: NDArray[np.int64]


def halo(spec: MosaicTiles, spacing_um: float) -> int:
    """Return the largest shift of a field in pixels."""
    return int(np.ceil(_MOST * spec.shift_um / spacing_um))


def stitch(
    spec: MosaicTiles, signal: Image, block: Block, spacing_um: float, streams: Streams
) -> Image:
    """Show the signal as the stitched fields do.

    Parameters
    ----------
    spec : MosaicTiles
    signal : Image
        Brightness of the block and of `halo` pixels around it.
    block : Block
        The pixels to be shown.
    spacing_um : float
    streams : Streams

    Returns
    -------
    Image
        Of the block's shape.
    """
    rng = streams("imaging.tiles")
    # The first field begins anywhere: a small scene is cut out of a larger mosaic.
    phase = rng.uniform(0.0, spec.tile_um - spec.overlap_um, 2)
    keys = [words.key(rng) for _ in range(4)]
    along = [
        _axis(spec, (np.arange(start, start + size) + 0.5) * spacing_um + phase[axis])
        for axis, (start, size) in enumerate(zip(block.start, block.shape, strict=True))
    ]
    first = [int(axis.tile[0]) - 1 for axis in along]
    counts = [int(axis.tile[-1]) - start + 1 for axis, start in zip(along, first, strict=True)]
    draws = [
        hashed.normals(key, Block((first[0], first[1]), (counts[0], counts[1]))) for key in keys
    ]
    edge = halo(spec, spacing_um)
    shifts = [
        np.clip(np.rint(draw * (spec.shift_um / spacing_um)), -edge, edge).astype(np.int64)
        for draw in draws[2:]
    ]
    gain = np.maximum(1.0 + np.float32(spec.gain_sd) * draws[0], 0.0).astype(np.float32)
    haze = np.float32(spec.offset_sd) * draws[1]
    tiles = Tiles(first[0], first[1], gain, haze, shifts[0], shifts[1])
    return _stitch(signal, edge, along[0], along[1], tiles, spec.vignette)


def _axis(spec: MosaicTiles, place_um: FloatArray) -> Axis:
    pitch = spec.tile_um - spec.overlap_um
    tile = np.floor(place_um / pitch).astype(np.int64)
    within = place_um - tile * pitch
    before = np.zeros(len(tile))
    if spec.overlap_um > 0:
        before = np.maximum(0.0, 1.0 - within / spec.overlap_um)
    middle = 0.5 * spec.tile_um
    return Axis(tile, before, within / middle - 1.0, (within + pitch) / middle - 1.0)


@njit(cache=True)
def _stitch(
    signal: Image, edge: int, down: Axis, across: Axis, tiles: Tiles, vignette: float
) -> Image:
    height, width = len(down.tile), len(across.tile)
    out = np.empty((height, width), np.float32)
    for r in range(height):
        for c in range(width):
            total = 0.0
            for i in range(2):
                share_y = down.before[r] if i else 1.0 - down.before[r]
                if share_y == 0.0:
                    continue
                off_y = down.off_before[r] if i else down.off[r]
                ty = down.tile[r] - i - tiles.top
                for j in range(2):
                    share = share_y * (across.before[c] if j else 1.0 - across.before[c])
                    if share == 0.0:
                        continue
                    off_x = across.off_before[c] if j else across.off[c]
                    tx = across.tile[c] - j - tiles.left
                    light = 1.0 - 0.5 * vignette * (off_y * off_y + off_x * off_x)
                    from_y = r + edge + tiles.shift_y[ty, tx]
                    from_x = c + edge + tiles.shift_x[ty, tx]
                    seen = signal[from_y, from_x] * light * tiles.gain[ty, tx]
                    total += share * (seen + tiles.haze[ty, tx])
            out[r, c] = total
    return out
