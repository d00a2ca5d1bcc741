"""Nuclei with their Golgi in a volume: laid out as runs of voxels, painted in blocks.

Labels number the objects that have a voxel in the field, in raster order of their
first one. A nucleus is of type and class 1, a Golgi of type and class 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import (
    Block,
    BoolArray,
    FloatArray,
    Grid,
    IntArray,
    Pattern,
    VolumePainted,
)
from simcell.cells.bodies import Runs, paint, touching
from simcell.cells.carve import carve
from simcell.cells.pairs import Pairs, place
from simcell.cells.solids import Solids, build, reach_of
from simcell.cells.warp import Warp
from simcell.rng import Streams
from simcell.sample import OBJECT_COLUMNS_3D
from simcell.scene.volume import NucleusGolgi

_PEAK = 1.5
"""Largest displacement over a box as wide as the strength refers to, in standard deviations."""
_ROWS = 64
"""Rows along y that are looked at together for neighbours."""


@dataclass(frozen=True)
class VolumeLayout:
    """A volume laid out; see ``simcell.sample.Layout``.

    Attributes
    ----------
    grid : Grid
    objects, adjacency, pattern
    runs : Runs
        Of the pairs that reach into the field.
    label_of : IntArray
        Label of each owner, 0 = none.
    around : callable
        Returns the runs as far as so many voxels beyond the field, those of the other
        pairs, which it lays out, and numbers of their owners: their light may reach in,
        and nothing else of them.
    """

    grid: Grid
    objects: NDArray[np.void]
    adjacency: IntArray
    pattern: Pattern
    runs: Runs
    label_of: IntArray
    around: Callable[[int], tuple[Runs, Runs, IntArray]]

    def paint(self, block: Block, halo: tuple[int, ...] = (0, 0, 0)) -> VolumePainted:
        """Paint a block, which may reach beyond the field.

        Beyond its edges, pairs that reach into the field hide those that do not.
        """
        wide, most, runs = block.grown(halo), len(self.runs.start), self.runs
        owner = np.zeros(wide.shape, np.int32)
        start, field = np.array(wide.start), np.array(self.grid.shape)
        over = int(max(-start.min(), (start + wide.shape - field).max()))
        if over > 0:
            runs, beyond, number = self.around(over)
            paint(beyond, wide.start, owner, most + number)
        paint(runs, wide.start, owner, np.arange(1, most + 1, dtype=np.int32))
        labels, classes = np.zeros(block.shape, np.int32), np.zeros(block.shape, np.uint8)
        # Inside the field alone: runs end at its edges.
        low = np.maximum(block.start, 0)
        ends = np.minimum(np.add(block.start, block.shape), field)
        inside = tuple(
            slice(a - s, max(a, b) - s) for a, b, s in zip(low, ends, block.start, strict=True)
        )
        paint(self.runs, tuple(low), labels[inside], self.label_of[1:])
        kind = (1 + np.arange(most) % 2).astype(np.uint8)
        paint(self.runs, tuple(low), classes[inside], kind)
        return VolumePainted(wide, labels, classes, owner)


def lay_out(
    spec: NucleusGolgi, pattern: Pattern, grid: Grid, streams: Streams, over: int = 0
) -> VolumeLayout:
    """Lay out pairs around the points.

    Parameters
    ----------
    spec : NucleusGolgi
    pattern : Pattern
        Points (n, 3) in µm from the corner of the field; some lie beyond it.
    grid : Grid
        The field.
    streams : Streams
    over : int
        How many voxels beyond the field blocks will reach; if they go farther, pairs are
        carved again.

    Examples
    --------
    >>> points = Pattern(np.array([[16.0, 16.0, 16.0]]))
    >>> layout = lay_out(NucleusGolgi(), points, Grid((64, 64, 64), (0.5,) * 3), Streams(0, 0))
    >>> layout.objects["type"].tolist(), layout.objects["partner"].tolist()
    ([1, 2], [2, 1])
    """
    pairs, used = place(spec, pattern, grid, streams)
    warp = _warp(spec, len(pairs), grid, streams)
    near = _reaches(pairs, warp, grid)
    chosen = _side_by_side(pairs, np.flatnonzero(near))
    solids = _solids(pairs, warp, chosen, grid, 0)
    near[chosen] = solids.size.reshape(-1, 2, 3).any(axis=(1, 2))
    runs = carve(solids, grid.shape, over)
    seen = np.flatnonzero(runs.moments[:, 0])
    seen = seen[np.argsort(runs.moments[seen, 10], kind="stable")]
    label_of = np.zeros(len(solids.start) + 1, np.int32)
    label_of[seen + 1] = np.arange(1, len(seen) + 1)
    adjacency = _adjacency(runs, grid, label_of)
    objects = _table(solids, runs, seen, label_of, grid)
    objects["neighbours"] = np.bincount(adjacency.ravel(), minlength=len(seen) + 1)[1:]
    parent = chosen[seen // 2]
    objects["parent"] = parent + 1
    for k, name in enumerate("zyx"):
        objects[f"seed_{name}_um"] = pairs.centre[parent, k]

    @cache
    def around(far: int) -> tuple[Runs, Runs, IntArray]:
        wide = runs if far <= over else carve(solids, grid.shape, far, amodal=False)
        rows = np.flatnonzero(~near)
        some = np.flatnonzero(_reaches(pairs, warp, grid, far)[rows])
        others = _solids(pairs, warp, rows[some], grid, far)
        # Numbers stay those of all pairs, whatever part of them is laid out.
        number = 2 * some[:, None] + np.array([1, 2])
        beyond = carve(others, grid.shape, far, amodal=False)
        return wide, beyond, number.astype(np.int32).ravel()

    return VolumeLayout(grid, objects, adjacency, used, runs, label_of, around)


def _warp(spec: NucleusGolgi, n: int, grid: Grid, streams: Streams) -> Warp:
    """Draw the elastic deformation of every object: nuclei at even places, then their Golgi.

    Wrinkles finer than a voxel, which it cannot show and which would take most of the time, are
    as long as one.
    """
    sigma = spec.elastic * spec.elastic_box_um
    spread = streams("cells.elastic").uniform(1 / 8, 1 / 2, (n, 3)) * sigma / _PEAK
    keys = streams("cells.elastic_field").integers(2**64, size=2 * n, dtype=np.uint64)
    # White noise under a Gaussian filter of σ is correlated over √2 σ.
    length = max(2**0.5 * sigma, min(grid.spacing_um)) if sigma > 0 else 0.0
    return Warp(length, spread.repeat(2, axis=0), keys)


def _reaches(pairs: Pairs, warp: Warp, grid: Grid, over: int = 0) -> BoolArray:
    """Tell which pairs could have a voxel in the field, or so many voxels beyond it."""
    edge = over * np.asarray(grid.spacing_um)
    near = np.zeros(len(pairs), np.bool_)
    for centre, semi in (
        (pairs.centre, pairs.semi),
        (pairs.golgi_centre, pairs.golgi[:, None].repeat(3, axis=1)),
    ):
        half = reach_of(pairs.turn, semi) + warp.furthest(semi)[:, None]
        near |= np.all((centre + half >= -edge) & (centre - half <= grid.size_um + edge), axis=1)
    return near


def _side_by_side(pairs: Pairs, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Order pairs so that neighbours in space are near in memory, which is faster."""
    if len(rows) == 0:
        return rows
    cell = np.floor(pairs.centre[rows] / (4 * pairs.semi[:, 0].max()))
    return rows[np.lexsort(cell.T)]


def _solids(pairs: Pairs, warp: Warp, rows: NDArray[np.intp], grid: Grid, over: int) -> Solids:
    """Deform the objects of some pairs: nuclei at even places, their Golgi after them."""
    n = len(rows)
    centre, turn, semi = np.empty((2 * n, 3)), np.empty((2 * n, 3, 3)), np.empty((2 * n, 3))
    centre[::2], centre[1::2] = pairs.centre[rows], pairs.golgi_centre[rows]
    turn[::2] = turn[1::2] = pairs.turn[rows]
    semi[::2], semi[1::2] = pairs.semi[rows], pairs.golgi[rows, None]
    both = np.stack([2 * rows, 2 * rows + 1], axis=1).ravel()
    mine = Warp(warp.length_um, warp.spread_um[both], warp.keys[both])
    return build(centre, turn, semi, grid, mine, over)


def _adjacency(runs: Runs, grid: Grid, label_of: IntArray) -> IntArray:
    """Find pairs of labels that share a face, band by band."""
    ny, field = grid.shape[1], np.array(grid.shape)
    ends = runs.start + runs.size
    found = [np.zeros(0, np.int64)]
    for row in range(0, ny, _ROWS):
        rows = min(_ROWS, ny - row)
        # One row more, for the faces between this band and the next.
        band = row, min(row + rows + 1, ny)
        chosen = np.flatnonzero((runs.start[:, 1] < band[1]) & (ends[:, 1] > band[0]))
        pairs = touching(chosen, runs.start, runs.at, runs.runs, field, band, rows)
        found.append(np.unique(pairs))
    pairs = np.unique(np.concatenate(found))
    labels = np.stack([label_of[(pairs >> 32) + 1], label_of[(pairs & 0xFFFFFFFF) + 1]], axis=1)
    return np.unique(np.sort(labels, axis=1), axis=0).astype(np.int32).reshape(-1, 2)


def _table(
    solids: Solids, runs: Runs, seen: NDArray[np.int64], label_of: IntArray, grid: Grid
) -> NDArray[np.void]:
    """Describe every object that has a voxel in the field."""
    spacing = np.asarray(grid.spacing_um)
    rows, sums = np.zeros(len(seen), OBJECT_COLUMNS_3D), runs.moments[seen]
    rows["label"], rows["type"] = np.arange(1, len(seen) + 1), seen % 2 + 1
    rows["partner"] = label_of[(seen ^ 1) + 1]
    count = sums[:, 0]
    voxel = float(spacing.prod())
    rows["volume_um3"] = count * voxel
    rows["amodal_volume_um3"] = sums[:, 13] * voxel
    rows["overlap"] = 1.0 - count / np.maximum(sums[:, 12], 1.0)
    rows["touches_border"] = sums[:, 11] > 0
    mean = sums[:, 1:4] / count[:, None]
    for k, name in enumerate("zyx"):
        rows[f"centroid_{name}_um"] = (solids.start[seen, k] + mean[:, k] + 0.5) * spacing[k]
    length, axis = _axes(sums, mean, spacing)
    for k, name in enumerate(("minor", "middle", "major")):
        rows[f"{name}_um"] = length[:, k]
    for k, name in enumerate("zyx"):
        rows[f"axis_{name}"] = axis[:, k]
    return rows


def _axes(sums: FloatArray, mean: FloatArray, spacing: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return full axes (n, 3), short to long, and the direction (n, 3) of the long one."""
    second = np.empty((len(sums), 3, 3))
    for (a, b), k in {(0, 0): 4, (1, 1): 5, (2, 2): 6, (0, 1): 7, (0, 2): 8, (1, 2): 9}.items():
        spread = sums[:, k] / sums[:, 0] - mean[:, a] * mean[:, b]
        # A voxel is a box, not a point: its own second moment is 1/12 along each side.
        spread = (spread + (a == b) / 12) * spacing[a] * spacing[b]
        second[:, a, b] = second[:, b, a] = spread
    values, vectors = np.linalg.eigh(second)
    axis = vectors[:, :, 2]
    axis = np.where(np.abs(axis) < 1e-12, 0.0, axis)
    last = np.where(axis[:, 2] != 0, axis[:, 2], np.where(axis[:, 1] != 0, axis[:, 1], axis[:, 0]))
    # Of an ellipsoid with semi-axis a, the second moment is a²/5.
    return 2 * np.sqrt(5 * np.maximum(values, 0)), axis * np.where(last < 0, -1.0, 1.0)[:, None]
