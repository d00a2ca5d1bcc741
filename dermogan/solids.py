"""Run a network over volumes of any size, block by block, in bounded memory.

Decision: as in pictures, every block is fed with a rim whose output is thrown away, starts at a
multiple of the network's steps, and beyond the frame the volume is mirrored. A rim as wide as all
that a network can see would cost many times the block in 3-D; what lies farther off than the rim
that is taken changes next to nothing.

Decision: results are kept in 8 bits, in a file where they are large.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import product

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
    rim, side = _up(rim, multiple), _up(max(side, 2 * rim), multiple)
    out = _room(channels, volume.shape)
    device = torch.device("cpu")
    boxes = list(product(*(_spans(length, side) for length in volume.shape)))
    for done, box in enumerate(boxes, 1):
        fed = [
            mirrored(np.arange(start - rim, start + _up(stop - start, multiple) + rim), length)
            for (start, stop), length in zip(box, volume.shape, strict=True)
        ]
        found = block(network, volume[np.ix_(*fed)], device)
        inner = (slice(None), *(slice(rim, rim + stop - start) for start, stop in box))
        out[(slice(None), *(slice(*ends) for ends in box))] = np.rint(255 * found[inner])
        if report:
            report(done / len(boxes))
    return out


def _spans(length: int, side: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, side):
        yield start, min(start + side, length)


def _room(channels: int, shape: tuple[int, ...]) -> Bytes:
    """Return an empty map, in a file that nobody sees where it is large."""
    if channels * int(np.prod(shape)) <= _IN_MEMORY:
        return np.empty((channels, *shape), np.uint8)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint8, "w+", shape=(channels, *shape))


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
