"""TODO."""

from __future__ import annotations

from simcell.arrays import Grid, Pattern
from simcell.rng import Streams
from simcell.sample import Layout
from simcell.scene.mosaic import Mosaic


def lay_out(spec: Mosaic, pattern: Pattern, grid: Grid, streams: Streams) -> Layout:
    """Lay out."""
    raise NotImplementedError
