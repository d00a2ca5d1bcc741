"""Run a network over volumes of any size, block by block, in bounded memory.

Decision: as in pictures, every block is fed with a rim, starts at a multiple of the network's
steps, and beyond the frame the volume is mirrored. A rim as wide as all that a network can see
would cost many times the block in 3-D. A narrower one is taken, and neighbouring blocks fade into
each other over its width: what is left of their difference makes no edge. Half of the rim is
always thrown away.

Decision: results are kept in 8 bits. They, and the sums that they come of, lie in files where they
are large.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dermogan.filters import FloatImage
from dermogan.tiles import mirrored

BLOCK = 64
"""Side of a block, in voxels."""
RIM = 16
_IN_MEMORY = 2**27  # bytes

Bytes = NDArray[np.uint8]
Box = tuple[slice, ...]


def block(network: nn.Module, volume: FloatImage, device: torch.device) -> FloatImage:
    """Return the probabilities (channels, z, y, x) of one block (z, y, x)."""
    with torch.inference_mode():
        given = torch.from_numpy(np.ascontiguousarray(volume))[None, None].to(device)
        found: FloatImage = torch.sigmoid(network(given).float())[0].cpu().numpy()
    return found


def whole(
    network: nn.Module, volume: FloatImage, multiple: int, device: torch.device
) -> FloatImage:
    """Return the probabilities of a small volume at once."""
    places = [mirrored(np.arange(_up(n, multiple)), n) for n in volume.shape]
    z, y, x = volume.shape
    return block(network, volume[np.ix_(*places)], device)[:, :z, :y, :x]


def probabilities(
    network: nn.Module,
    volume: FloatImage,
    channels: int,
    multiple: int,
    *,
    side: int = BLOCK,
    rim: int = RIM,
    report: Callable[[float], None] | None = None,
) -> Bytes:
    """Return the probabilities (channels, z, y, x) of a volume in 8 bits; 255 = certain.

    Parameters
    ----------
    network : Module
    volume : float32 array (z, y, x)
        Stretched as in training.
    channels, multiple : int
        Of the network's output; of the sides of what it takes.
    side : int
        Of a block without its rim. Memory grows with its cube.
    rim : int
    report : callable, optional
        Called with the share that is done.
    """
    rim, side = _up(rim, multiple), max(side, 2 * rim)
    total = _room(channels, volume.shape, np.dtype(np.float32))
    boxes = list(product(*(spans(length, side, multiple) for length in volume.shape)))
    fade, device = rim // 2, torch.device("cpu")
    for done, box in enumerate(boxes, 1):
        fed: list[NDArray[np.int64]] = []
        inner: list[slice] = []
        weight: NDArray[np.float32] = np.full((), 255, np.float32)
        for (start, stop), length in zip(box, volume.shape, strict=True):
            reach = np.arange(start - rim, start + _up(stop - start, multiple) + rim)
            fed.append(mirrored(reach, length))
            low, high = max(start - fade, 0), min(stop + fade, length)
            inner.append(slice(low, high))
            weight = np.multiply.outer(
                weight, faded(np.arange(low, high), (start, stop), length, fade)
            )
        found = block(network, volume[np.ix_(*fed)], device)
        cut = tuple(
            slice(s.start - start + rim, s.stop - start + rim)
            for s, (start, _) in zip(inner, box, strict=True)
        )
        total[(slice(None), *inner)] += weight * found[(slice(None), *cut)]
        if report:
            report(done / len(boxes))
    out = _room(channels, volume.shape, np.dtype(np.uint8))
    for plane in range(volume.shape[0]):
        out[:, plane] = np.rint(total[:, plane])
    return out


def spans(length: int, side: int, multiple: int) -> list[tuple[int, int]]:
    """Cut a length into parts of about equal size, no larger than a side if it can be.

    Examples
    --------
    >>> spans(100, 40, 8)
    [(0, 32), (32, 64), (64, 100)]
    """
    count = max(1, -(-length // side))
    cuts = [round(k * length / count / multiple) * multiple for k in range(count)]
    return list(pairwise([*cuts, length]))


def faded(
    places: NDArray[np.int64], block_of: tuple[int, int], length: int, fade: int
) -> NDArray[np.float32]:
    """Return how much a block counts at places along an axis; with its neighbours' it is 1.

    Examples
    --------
    >>> faded(np.arange(2, 10), (4, 8), 99, 2).tolist()
    [0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125]
    """
    start, stop = block_of
    middle = places + 0.5
    rise = (middle - (start - fade)) / (2 * fade) if start else np.ones(len(places))
    fall = ((stop + fade) - middle) / (2 * fade) if stop < length else np.ones(len(places))
    return np.clip(np.minimum(rise, fall), 0, 1).astype(np.float32)


def _room(channels: int, shape: tuple[int, ...], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return a map of zeros, in a file that nobody sees where it is large."""
    if channels * int(np.prod(shape)) * kind.itemsize <= _IN_MEMORY:
        return np.zeros((channels, *shape), kind)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, kind, "w+", shape=(channels, *shape))


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
