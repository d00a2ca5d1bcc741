"""TODO."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from simcell.arrays import Grid, Painted
from simcell.rng import Streams
from simcell.scene.volume import FluorescenceVolume


def halo(spec: FluorescenceVolume, grid: Grid) -> tuple[int, ...]:
    """Return how many pixels beyond a block its image depends on, along each axis."""
    raise NotImplementedError


def image(spec: FluorescenceVolume, painted: Painted, grid: Grid, streams: Streams) -> NDArray[Any]:
    """Image a painted block; the result is smaller by the halo."""
    raise NotImplementedError
