"""TODO."""

from __future__ import annotations

from simcell.arrays import Grid, Pattern
from simcell.rng import Streams
from simcell.sample import Layout
from simcell.scene.volume import NucleusGolgi


def lay_out(spec: NucleusGolgi, pattern: Pattern, grid: Grid, streams: Streams) -> Layout:
    """Lay out."""
    raise NotImplementedError
