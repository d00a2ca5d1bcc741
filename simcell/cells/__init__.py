"""What grows from the points: label images and a table of objects.

Decision: cells are grown on the field *and* a margin around it, then cropped.
Cells cut by the frame are therefore whole before the cut: their full area is
known, and rules about small cells at the island's rim never mistake a cut cell
for a small one. The price is the margin's pixels.
"""

from __future__ import annotations

from typing import assert_never

from simcell.arrays import BoolArray, Grid, Pattern
from simcell.cells import layers, masks, mosaic, outlines, simcep, tissue, volume
from simcell.cells.table import Cells
from simcell.rng import Streams
from simcell.sample import Layout
from simcell.scene.cells import BandedSpec, CellSpec, Outlines, Power, Simcep, Voronoi
from simcell.scene.masks import Masks
from simcell.scene.mosaic import Mosaic
from simcell.scene.skin import SkinLayers
from simcell.scene.volume import NucleusGolgi

__all__ = ["Cells", "grow", "lay_out"]


def grow(
    spec: CellSpec,
    pattern: Pattern,
    region: BoolArray,
    grid: Grid,
    margin_px: int,
    streams: Streams,
    *,
    periodic: bool = False,
) -> Cells:
    """Grow cells from seeds.

    Parameters
    ----------
    spec : CellSpec
    pattern : Pattern
        Seeds with their marks, in µm from the corner of the field.
    region : BoolArray
        Tissue mask on the padded grid.
    grid : Grid
        The field, without its margin.
    margin_px : int
        Pixels of margin on every side of the field.
    streams : Streams
    periodic : bool
        Opposite sides of the field meet; the pattern then has no seeds in the margin.

    Returns
    -------
    Cells
        Labels of the field, objects table, adjacency.

    Examples
    --------
    >>> import numpy as np
    >>> from simcell.arrays import Grid, Pattern
    >>> from simcell.rng import Streams
    >>> seeds = Pattern(np.array([[8.0, 8.0], [8.0, 24.0], [24.0, 16.0]]))
    >>> cells = grow(Voronoi(undulation_um=0), seeds, np.ones((32, 32), bool),
    ...              Grid((32, 32), (1.0, 1.0)), 0, Streams(0, 0))
    >>> cells.objects["area_um2"].sum().item(), cells.objects["neighbours"].tolist()
    (1024.0, [2, 2, 2])
    """
    match spec:
        case Voronoi() | Power():
            return tissue.grow(spec, pattern, region, grid, margin_px, streams, periodic)
        case Outlines():
            return outlines.grow(spec, pattern, grid, margin_px, streams, periodic)
        case Simcep():
            return simcep.grow(spec, pattern, region, grid, margin_px, streams, periodic)
        case Masks():
            return masks.grow(spec, pattern, region, grid, margin_px, streams, periodic)
        case SkinLayers():
            return layers.grow(spec, pattern, region, grid, margin_px, streams)
        case NucleusGolgi() | Mosaic():
            msg = f"cells of kind {spec.kind!r} are laid out, then painted"
            raise AssertionError(msg)
        case _:
            assert_never(spec)


def lay_out(
    spec: BandedSpec, pattern: Pattern, grid: Grid, streams: Streams, over: int = 0
) -> Layout:
    """Lay out cells that are painted band by band.

    Parameters
    ----------
    spec : NucleusGolgi or Mosaic
    pattern : Pattern
        Points with their marks, in µm from the corner of the field; some lie beyond it.
    grid : Grid
        The field.
    streams : Streams
    over : int
        How many pixels beyond the field blocks will reach; to go farther takes longer.

    Returns
    -------
    Layout
        Table of the whole field, and a way to paint any block of it.
    """
    match spec:
        case NucleusGolgi():
            return volume.lay_out(spec, pattern, grid, streams, over)
        case Mosaic():
            return mosaic.lay_out(spec, pattern, grid, streams)
        case _:
            assert_never(spec)
