"""Cells of a fluorescence population: cytoplasm, nuclei, spots, and an overlap limit.

Decision: SIMCEP draws a refused object anew from its point process; the cells'
room knows only the points, so a refused object steps away from its own point, at
first by its radius, then farther. Clusters stay clusters, and the number of
objects stays the pattern's until nothing fits.

Decision: a nucleus is cut by the outline of its cell, and an object hides the ones
below it, as in SIMCEP, though light would shine through: the labels say what is
on top, and the picture shows it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simcell.arrays import BoolArray, FloatArray, Grid, IntArray, Parts, Pattern
from simcell.cells.bitmaps import Placed, discs, place, stamp, stamp_inside
from simcell.cells.contours import VERTICES, contours, radii
from simcell.cells.outlines import tidy
from simcell.cells.pieces import split
from simcell.cells.placing import hidden, settled, steps_away
from simcell.cells.table import Cells, tabulate
from simcell.rng import Streams
from simcell.scene.cells import Simcep, SimcepShape


def grow(
    spec: Simcep,
    pattern: Pattern,
    region: BoolArray,
    grid: Grid,
    margin_px: int,
    streams: Streams,
    periodic: bool,
) -> Cells:
    """Place, rasterise and stamp the objects. See ``simcell.cells.grow``."""
    spacing = grid.spacing_um[0]
    kinds = _kinds(spec, len(pattern), streams)
    main = _outlines(spec, kinds, pattern, streams, "main") / spacing
    centres = pattern.points / spacing + (0 if periodic else margin_px)
    period = (grid.shape[0], grid.shape[1]) if periodic else (0, 0)
    radius = np.abs(main).max(axis=(1, 2), initial=0.0)
    steps = steps_away(radius, spec.tries if spec.overlap_limit < 1 else 1, streams)
    wanted = centres.copy()
    placed, kept = place(centres, main, steps, region, period, spec.overlap_limit)
    nuclei = _nuclei(spec, kinds, pattern, main, centres, streams, spacing)
    marks: dict[str, FloatArray] = pattern.marks | {
        "type": kinds.astype(np.float64) + 1.0,
        "depth_um": spec.depth_um * streams("cells.depth").standard_normal(len(pattern)),
    }
    notes = pattern.notes | {
        "rejected": float(np.sum(~kept)),
        "moved": float(np.sum(kept & np.any(centres != wanted, axis=1))),
    }
    pattern = Pattern(pattern.points, marks, notes)
    pattern, shape, shift = settled(pattern, centres, kept, grid, margin_px, periodic)
    return _assemble(spec, pattern, (placed, nuclei), (shape, shift), grid, margin_px, streams)


def _assemble(
    spec: Simcep,
    pattern: Pattern,
    bitmaps: tuple[Placed, Placed],
    where: tuple[IntArray, IntArray],
    grid: Grid,
    margin: int,
    streams: Streams,
) -> Cells:
    """Stamp cells, then nuclei and spots inside them; number what the spec says."""
    height, width = grid.padded(margin).shape
    shape, shift = where
    inner = (slice(margin, -margin or None),) * 2
    kinds = pattern.marks["type"].astype(np.int32) - np.int32(1)
    image, in_field = stamp(height, width, margin, bitmaps[0], shape, shift)
    overlap = hidden(image[inner], in_field)
    image = tidy(image, bitmaps[0].area[shape], spec.min_visible)
    inside, nuclei_in_field = stamp_inside(image, margin, bitmaps[1], shape, shift)
    alone = np.array([kind.cytoplasm is None for kind in spec.types])[kinds]
    nucleus = inside | np.concatenate([[False], alone])[image]
    owner = np.ascontiguousarray(image[inner])
    body = np.concatenate([[False], ~alone])[owner]
    parts = Parts(
        owner,
        body,
        nucleus[inner],
        _spots(spec, kinds, owner, body, nucleus[inner], bitmaps, shape, grid, streams),
        pattern.marks["depth_um"],
    )
    amodal = bitmaps[0].area[shape].astype(np.float64)
    if spec.label == "nucleus":
        image = np.where(nucleus, image, 0).astype(np.int32)
        own = ~alone
        amodal[own] = bitmaps[1].area[shape][own]
        in_field = np.where(own, nuclei_in_field, in_field)
        overlap = hidden(image[inner], in_field)
        image = _main_pieces(image, amodal, spec.min_visible)
        parent = np.where(own, 1.0 + np.arange(len(pattern)), 0.0)
        pattern = Pattern(pattern.points, pattern.marks | {"parent": parent}, pattern.notes)
    made = tabulate(image, pattern, amodal, overlap, grid, margin)
    return replace(made, parts=parts)


def _main_pieces(image: IntArray, amodal: FloatArray, min_visible: float) -> IntArray:
    """Keep each nucleus's largest visible piece, where it is large enough."""
    pieces = split(image)
    least = np.concatenate([[1.0], min_visible * amodal])[pieces.owner]
    good = pieces.main & (pieces.area_px >= least)
    return np.asarray(np.where(good, pieces.owner, 0).astype(np.int32)[pieces.image])


def _kinds(spec: Simcep, count: int, streams: Streams) -> IntArray:
    """Draw which of the types each cell is."""
    share = np.cumsum([kind.share for kind in spec.types])
    drawn = streams("cells.type").random(count) * share[-1]
    return np.asarray(np.searchsorted(share, drawn, side="right"), np.int32)


def _outlines(
    spec: Simcep, kinds: IntArray, pattern: Pattern, streams: Streams, part: str
) -> FloatArray:
    """Outlines (n, v, 2) in µm of the cells, or of the nuclei that lie inside them.

    Where there is no such part, all vertices are at the origin.
    """
    made = np.zeros((len(kinds), VERTICES, 2))
    for number, kind in enumerate(spec.types):
        inner = kind.nucleus if kind.cytoplasm is not None else None
        shape: SimcepShape | None = inner if part == "nucleus" else kind.cytoplasm or kind.nucleus
        if shape is None:
            continue
        rng = streams(f"cells.{part}", number)
        unit = contours(shape, len(kinds), rng)
        size = radii(shape, len(kinds), rng)
        if part == "main":
            size = pattern.marks.get("radius_um", size)
            unit = _stretched(unit, pattern)
        chosen = kinds == number
        made[chosen] = unit[chosen] * size[chosen, None, None]
    return made


def _stretched(outlines: FloatArray, pattern: Pattern) -> FloatArray:
    """Give outlines the axis ratio and orientation that the point process has drawn."""
    if "axis_ratio" not in pattern.marks:
        return outlines
    stretch = 1.0 / np.sqrt(pattern.marks["axis_ratio"])[:, None]
    turn = pattern.marks["orientation_rad"][:, None]
    v, u = outlines[..., 0] / stretch, outlines[..., 1] * stretch
    y = u * np.sin(turn) + v * np.cos(turn)
    x = u * np.cos(turn) - v * np.sin(turn)
    return np.stack([y, x], axis=-1)


def _nuclei(
    spec: Simcep,
    kinds: IntArray,
    pattern: Pattern,
    main: FloatArray,
    centres: FloatArray,
    streams: Streams,
    spacing: float,
) -> Placed:
    """Rasterise the nuclei near the middle of their cells."""
    outlines = _outlines(spec, kinds, pattern, streams, "nucleus") / spacing
    offset = np.array([kind.nucleus_offset for kind in spec.types])[kinds]
    radius = np.linalg.norm(main, axis=-1).mean(axis=1) if len(main) else np.zeros(0)
    shift = streams("cells.offset").uniform(-1.0, 1.0, (len(kinds), 2))
    middle = centres + main.mean(axis=1) + (offset * radius)[:, None] * shift
    still = np.zeros((len(kinds), 1, 2))
    anywhere = np.ones((1, 1), np.bool_)
    return place(middle, outlines, still, anywhere, (0, 0), 1.0)[0]


def _spots(
    spec: Simcep,
    kinds: IntArray,
    owner: IntArray,
    body: BoolArray,
    nucleus: BoolArray,
    bitmaps: tuple[Placed, Placed],
    shape: IntArray,
    grid: Grid,
    streams: Streams,
) -> BoolArray:
    """Scatter spots over the visible pixels of cells or nuclei, so many a whole one."""
    spots = np.zeros(owner.shape, np.bool_)
    for number, kind in enumerate(spec.types):
        if kind.spots.count == 0:
            continue
        inside = kind.spots.where == "nucleus"
        own = nucleus if inside else body & ~nucleus if kind.cytoplasm is not None else nucleus
        whole = bitmaps[0].area[shape].astype(np.float64)
        within = bitmaps[1].area[shape].astype(np.float64)
        if kind.cytoplasm is not None:
            whole = within if inside else whole - within
        rate = np.where(kinds == number, kind.spots.count / np.maximum(whole, 1.0), 0.0)
        weight = np.concatenate([[0.0], rate])[owner] * own
        total = np.cumsum(weight.ravel())
        rng = streams("cells.spots", number)
        count = int(rng.poisson(total[-1]))
        pixel = np.searchsorted(total, rng.random(count) * total[-1], side="right")
        at = np.stack(np.unravel_index(pixel, owner.shape), axis=1)
        radius = np.full(count, kind.spots.radius_um / grid.spacing_um[0])
        spots |= discs(owner, own, at, radius)
    return spots
