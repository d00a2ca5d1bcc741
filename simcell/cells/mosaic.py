"""Mosaics: a field laid out in regions, each of one pattern.

Regions are the Voronoi cells of random (Poisson) seeds, looked up at positions
that a smooth field displaces, so that borders are wavy; sizes spread as those of
a random partition do, by half of their mean. Every region draws its class and
whether it is annotated, whatever its size: shares of the field are those asked
for on average. Papillae and nests sit on the scene's points.

Decision: what is not annotated is not labelled at all: label 0, class 0, and 0 in
the prior. The tissue goes on underneath, so the image is the same to the last bit
whatever is annotated.

Decision: the label image is kept as runs of equal pixels, and everything else is
computed again for each block from the pixel's place alone. The whole field then
costs about a byte for every twenty pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import QhullError, Voronoi

from simcell import hashed, words
from simcell.arrays import (
    Block,
    BoolArray,
    FloatArray,
    Grid,
    Image,
    IntArray,
    PaintedMosaic,
    Pattern,
    band,
)
from simcell.cells import runs
from simcell.cells.diagram import FAR_UM, Diagram, cells_of, diagram, papillae_of, start
from simcell.cells.table import shapes
from simcell.rng import Streams
from simcell.scene.mosaic import PATTERNS, Mosaic

_ROWS = 64  # rows that are laid out at a time
_MARGIN = 3.0  # regions are seeded this many sizes beyond the field
_CORNER_UM = 22.0  # corners of papillae are rounded over this length
_ALONE_UM = 100.0  # room of a papilla without neighbours
_ON_POINTS = [PATTERNS.index(name) + 1 for name in ("meshwork", "ring", "nested")]


@dataclass(frozen=True)
class MosaicLayout:
    """A mosaic laid out; see :class:`simcell.sample.Layout`."""

    objects: NDArray[np.void]
    adjacency: IntArray
    pattern: Pattern
    plan: Plan
    runs: runs.Runs

    def paint(self, block: Block, halo: tuple[int, ...] = (0, 0)) -> PaintedMosaic:
        """Paint a block, which may reach beyond the field."""
        plan, inner = self.plan, block
        block = block.grown(halo)
        bend = plan.bend(block)
        near, gaps = plan.regions_at(block, bend)
        papilla, wall, radial = plan.papillae_at(block, bend, near)
        labels = runs.paint(self.runs, inner)
        kind = np.concatenate([np.zeros(1, np.uint8), self.objects["type"].astype(np.uint8)])
        return PaintedMosaic(
            block=block,
            labels=labels,
            classes=kind[labels],
            region=near,
            region_gap_um=gaps,
            border_um=plan.spec.border_um,
            kinds=plan.kinds,
            papilla=papilla,
            wall_um=wall,
            radial_um=radial,
            room_um=plan.room_um,
            bend_um=bend,
        )


def lay_out(spec: Mosaic, pattern: Pattern, grid: Grid, streams: Streams) -> MosaicLayout:
    """Lay out the regions of the whole field.

    Parameters
    ----------
    spec : Mosaic
    pattern : Pattern
        Centres of papillae and nests, in µm from the corner of the field.
    grid : Grid
    streams : Streams

    Returns
    -------
    MosaicLayout
    """
    plan = Plan.draw(spec, pattern, grid, streams)
    bands = [
        runs.runs_of(plan.annotation(band(grid.shape, range(r, min(r + _ROWS, grid.shape[0])))))
        for r in range(0, grid.shape[0], _ROWS)
    ]
    regions = runs.join(bands)
    label, owner = runs.pieces(regions)
    pieces = regions._replace(value=label)
    count = len(owner) - 1
    rows = shapes(*runs.measure(pieces, count), grid.spacing_um[0])
    region = owner[1:] - 1
    pairs = runs.adjacent(pieces)
    rows["label"] = np.arange(1, count + 1)
    rows["type"] = plan.kinds[region]
    rows["seed_y_um"], rows["seed_x_um"] = plan.regions.seeds[region].T
    # A region that the frame cuts is as large as it is before its borders wave.
    whole = np.where(rows["touches_border"], _areas(plan.regions.seeds)[region], 0.0)
    rows["amodal_area_um2"] = np.maximum(whole, rows["area_um2"])
    rows["neighbours"] = np.bincount(pairs.ravel(), minlength=count + 1)[1:]
    return MosaicLayout(rows, pairs, pattern, plan, pieces)


@dataclass(frozen=True)
class Plan:
    """What is drawn once per field.

    Attributes
    ----------
    spec : Mosaic
    spacing_um : float
    regions : Diagram
    kinds : uint8 array
        Class of each region, whether it is annotated or not.
    annotated : bool array
    papillae : Diagram or None
        None without any point.
    room_um : FloatArray
        Half of the distance from each papilla's centre to the next one's.
    wave, wobble : uint64
        Keys of the fields that displace borders.
    """

    spec: Mosaic
    spacing_um: float
    regions: Diagram
    kinds: NDArray[np.uint8]
    annotated: BoolArray
    papillae: Diagram | None
    room_um: FloatArray
    wave: tuple[np.uint64, np.uint64]
    wobble: tuple[np.uint64, np.uint64]

    @classmethod
    def draw(cls, spec: Mosaic, pattern: Pattern, grid: Grid, streams: Streams) -> Plan:
        """Draw the regions of a field with their classes."""
        regions = diagram(_seeds(spec, grid, streams))
        count = len(regions.seeds)
        shares = np.array([getattr(spec.shares, name) for name in PATTERNS])
        kinds = streams("cells.classes").choice(len(shares), count, p=shares / shares.sum()) + 1
        annotated = streams("cells.annotated").random(count) < spec.annotated
        papillae = diagram(pattern.points) if len(pattern) else None
        wave, wobble = streams("cells.wave"), streams("cells.wobble")
        return cls(
            spec,
            grid.spacing_um[0],
            regions,
            kinds.astype(np.uint8),
            annotated,
            papillae,
            _room(papillae),
            (words.key(wave), words.key(wave)),
            (words.key(wobble), words.key(wobble)),
        )

    def bend(self, block: Block) -> tuple[Image, Image]:
        """Displacement of papillae and cells at every pixel, in µm along y and x."""
        return self._displacement(
            block, self.wobble, self.spec.wobble_um, self.spec.wobble_scale_um
        )

    def _displacement(
        self, block: Block, keys: tuple[np.uint64, np.uint64], by_um: float, scale_um: float
    ) -> tuple[Image, Image]:
        if by_um == 0:
            none = np.zeros(block.shape, np.float32)
            return none, none
        scale = (scale_um / self.spacing_um,) * 2
        y, x = (np.float32(by_um) * hashed.smooth(key, block, scale) for key in keys)
        return y, x

    def _origin(self, block: Block) -> tuple[float, float]:
        y, x = ((at + 0.5) * self.spacing_um for at in block.start)
        return y, x

    def regions_at(self, block: Block, bend: tuple[Image, Image]) -> tuple[IntArray, Image]:
        """Find each pixel's region and the two nearest others, and how near they are.

        Returns
        -------
        near : IntArray
            Rows (3, y, x) of ``regions``: own, second, third; -1 where those are far.
        gaps : Image
            Distances (2, y, x) to the borders of the two others, in µm.
        """
        spec = self.spec
        wave = self._displacement(block, self.wave, spec.wave_um, spec.wave_scale_um)
        shift_y, shift_x = wave[0] + bend[0], wave[1] + bend[1]
        near = np.empty((3, *block.shape), np.int32)
        gaps = np.empty((2, *block.shape), np.float32)
        reach = max(spec.border_um / 2, spec.annotation_gap_um)
        origin = self._origin(block)
        at = start(self.regions, origin)
        cells_of(self.regions, at, origin, self.spacing_um, shift_y, shift_x, reach, near, gaps)
        return near, gaps

    def annotation(self, block: Block) -> IntArray:
        """1 + the row of each pixel's region where it is annotated, else 0."""
        near, gaps = self.regions_at(block, self.bend(block))
        own = near[0]
        known = self.annotated[own]
        if self.spec.annotation_gap_um > 0:
            known &= gaps[0] >= np.float32(self.spec.annotation_gap_um)
        return np.asarray((own + 1) * known, dtype=np.int32)

    def papillae_at(
        self, block: Block, bend: tuple[Image, Image], near: IntArray
    ) -> tuple[IntArray, Image, Image]:
        """Find each pixel's papilla, and its distances to the wall and to the centre.

        Only where a region that has papillae or nests is near; elsewhere 0, 0 and far.
        """
        papilla = np.zeros(block.shape, np.int32)
        wall = np.zeros(block.shape, np.float32)
        radial = np.full(block.shape, FAR_UM, np.float32)
        if self.papillae is not None:
            origin = self._origin(block)
            at = start(self.papillae, origin)
            papillae_of(
                self.papillae,
                at,
                origin,
                self.spacing_um,
                *bend,
                _CORNER_UM,
                _any_of(np.isin(self.kinds, _ON_POINTS), near),
                papilla,
                wall,
                radial,
            )
        return papilla, wall, radial


def _seeds(spec: Mosaic, grid: Grid, streams: Streams) -> FloatArray:
    """Draw the seeds of the regions, in and around the field."""
    rng = streams("cells.regions")
    margin = _MARGIN * spec.region_um
    size = np.asarray(grid.size_um) + 2 * margin
    count = max(1, int(rng.poisson(float(np.prod(size)) / spec.region_um**2)))
    return np.asarray(rng.random((count, 2)) * size - margin)


def _room(papillae: Diagram | None) -> FloatArray:
    if papillae is None:
        return np.full(1, _ALONE_UM)
    count = len(papillae.seeds)
    owner = np.repeat(np.arange(count), np.diff(papillae.first))
    apart = papillae.seeds[owner] - papillae.seeds[papillae.other]
    room = np.full(count, _ALONE_UM)
    np.minimum.at(room, owner, 0.5 * np.hypot(apart[:, 0], apart[:, 1]))
    return room


def _areas(seeds: FloatArray) -> FloatArray:
    """Areas of the seeds' Voronoi cells in µm², 0 where a cell has no end."""
    areas = np.zeros(len(seeds))
    try:
        made = Voronoi(seeds)
    except (QhullError, ValueError):
        return areas
    for seed, where in enumerate(made.point_region):
        corners = made.regions[where]
        if corners and -1 not in corners:
            y, x = made.vertices[corners].T
            turn = np.argsort(np.arctan2(y - y.mean(), x - x.mean()))
            y, x = y[turn], x[turn]
            areas[seed] = 0.5 * abs(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1)))
    return areas


@njit(cache=True)
def _any_of(chosen: BoolArray, near: IntArray) -> BoolArray:
    """Tell for each pixel whether one of its regions (3, y, x) is chosen."""
    _, height, width = near.shape
    out = np.empty((height, width), np.bool_)
    for r in range(height):
        for c in range(width):
            any_chosen = chosen[near[0, r, c]]
            for k in range(1, 3):
                any_chosen |= near[k, r, c] >= 0 and chosen[near[k, r, c]]
            out[r, c] = any_chosen
    return out
