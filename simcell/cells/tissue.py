"""Confluent tissue: Voronoi or power cells of the seeds within the region."""

from __future__ import annotations

import numpy as np
from numba import njit

from simcell.arrays import BoolArray, FloatArray, Grid, Image, IntArray, Pattern
from simcell.cells.nearest import nearest_seed
from simcell.cells.pieces import merge_into_neighbours, split
from simcell.cells.table import Cells, tabulate
from simcell.cells.wrap import copies, reach_of, wrapped
from simcell.fields import smooth_noise
from simcell.rng import Streams
from simcell.scene.cells import Power, Voronoi

_LLOYD_PIXELS = 150  # pixels per cell that suffice for its centre of mass


def grow(
    spec: Voronoi | Power,
    pattern: Pattern,
    region: BoolArray,
    grid: Grid,
    margin_px: int,
    streams: Streams,
    periodic: bool,
) -> Cells:
    """Grow confluent cells; see ``simcell.cells.grow``."""
    spacing = grid.spacing_um[0]
    pattern = _with_weights(spec, pattern, streams)
    # Drawn per seed, so that all copies of a seed on a torus share one fate.
    lot = streams("cells.vacancy").random(len(pattern))
    pattern = Pattern(pattern.points, {**pattern.marks, "lot": lot}, pattern.notes)
    start = 0 if periodic else margin_px
    seeds = pattern.points / spacing + start
    weights = pattern.marks["weight_um2"] / spacing**2
    # Tissue without a rim goes on: in a box, Lloyd steps would line cells up along its sides.
    torus = np.asarray(grid.padded(start).shape, dtype=np.float64) if region.all() else None
    seeds = relax(seeds, weights, region, spec.lloyd, torus)
    if periodic:
        reach = reach_of(len(seeds), np.asarray(grid.shape, dtype=np.float64), margin_px)
        field = Pattern(seeds * spacing, pattern.marks, pattern.notes)
        pattern = wrapped(field, grid.size_um, reach * spacing)
    else:
        pattern = Pattern((seeds - margin_px) * spacing, pattern.marks, pattern.notes)
    seeds = pattern.points / spacing + margin_px
    weights = pattern.marks["weight_um2"] / spacing**2

    warp = undulation(spec, grid, margin_px, streams, periodic)
    owners, areas = tidy(nearest_seed(seeds, weights, region, warp), region, spec)
    whole = np.zeros(len(seeds) + 1)
    np.add.at(whole, areas[:, 0], areas[:, 1])
    if spec.vacancy > 0:
        missing = pattern.marks["lot"] < spec.vacancy
        owners = np.where(np.concatenate([[False], missing])[owners], np.int32(0), owners)
    return tabulate(owners, pattern, whole[1:], np.zeros(len(seeds)), grid, margin_px)


def undulation(
    spec: Voronoi | Power, grid: Grid, margin_px: int, streams: Streams, periodic: bool
) -> tuple[Image, Image] | None:
    """Smooth displacement (y, x) in pixels that makes borders wavy; None for straight ones."""
    if spec.undulation_um == 0:
        return None
    shape = grid.shape if periodic else grid.padded(margin_px).shape
    scale = spec.undulation_scale_um / grid.spacing_um[0]
    amplitude = np.float32(spec.undulation_um / grid.spacing_um[0])
    draws = [
        smooth_noise(shape, scale, streams("cells.undulation", axis), periodic=periodic)
        for axis in (0, 1)
    ]
    for draw in draws:
        draw *= amplitude
    if periodic:
        draws = [np.pad(draw, margin_px, mode="wrap") for draw in draws]
    return draws[0], draws[1]


def _with_weights(spec: Voronoi | Power, pattern: Pattern, streams: Streams) -> Pattern:
    """Give every seed its power weight, the square of its radius."""
    weights = np.zeros(len(pattern))
    if isinstance(spec, Power) and len(pattern):
        radius = pattern.marks.get("radius_um")
        if radius is None or np.ptp(radius) == 0:
            nearest = _nearest_gap(pattern.points)
            spread = streams("cells.radius").standard_normal(len(pattern))
            radius = 0.5 * nearest * np.clip(1 + spec.radius_cv * spread, 0.2, 3.0)
        weights = spec.strength * radius**2
    return Pattern(pattern.points, {**pattern.marks, "weight_um2": weights}, pattern.notes)


def _nearest_gap(points: FloatArray) -> float:
    """Return the median distance of seeds to their nearest neighbour."""
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return 0.0
    distances, _ = cKDTree(points).query(points, k=[2])
    return float(np.median(distances))


def relax(
    seeds: FloatArray,
    weights: FloatArray,
    region: BoolArray,
    steps: float,
    period: FloatArray | None = None,
) -> FloatArray:
    """Move seeds towards the centres of their cells (Lloyd).

    Parameters
    ----------
    seeds : FloatArray
        Seeds (n, 2) in pixels.
    weights : FloatArray
        Power weights (n,) in squared pixels.
    region : BoolArray
        Mask that bounds the cells.
    steps : float
        Number of steps; a fraction moves that part of the way in the last one.
    period : FloatArray, optional
        Sides of the torus in pixels, for periodic edges.

    Returns
    -------
    FloatArray
        The moved seeds. One that would leave the region stays.
    """
    if steps <= 0 or len(seeds) < 2:
        return seeds
    # Centres of mass need no fine raster: a coarser one is as good and cheaper.
    factor = max(1, int(np.sqrt(region.sum() / len(seeds) / _LLOYD_PIXELS)))
    coarse = np.ascontiguousarray(region[factor // 2 :: factor, factor // 2 :: factor])
    seeds, weights = seeds / factor, weights / factor**2
    whole, part = int(steps), steps - int(steps)
    for share in [1.0] * whole + ([part] if part else []):
        if period is not None:
            seeds = _step_on_torus(seeds, weights, period / factor, share)
            continue
        centres = _centres(nearest_seed(seeds, weights, coarse), seeds)
        moved = seeds + share * (centres - seeds)
        cell = np.floor(moved).astype(np.intp)
        inside = np.all((cell >= 0) & (cell < coarse.shape), axis=1)
        inside[inside] = coarse[tuple(cell[inside].T)]
        seeds = np.where(inside[:, None], moved, seeds)
    return seeds * factor


def _step_on_torus(
    seeds: FloatArray, weights: FloatArray, period: FloatArray, share: float
) -> FloatArray:
    """Make one Lloyd step on a torus: cells of the seeds among copies all around."""
    frame = int(np.ceil(reach_of(len(seeds), period, 0.0)))
    around, source = copies(seeds, period, 2.0 * frame)
    shape = np.ceil(period).astype(int) + 2 * frame
    owners = nearest_seed(around + frame, weights[source], np.ones(tuple(shape), np.bool_))
    centres = _centres(owners, around + frame)[: len(seeds)] - frame
    return np.asarray((seeds + share * (centres - seeds)) % period, dtype=np.float64)


@njit(cache=True)
def _centres(owners: IntArray, seeds: FloatArray) -> FloatArray:
    """Centre of mass of each seed's pixels; the seed itself where it has none."""
    sums = np.zeros((len(seeds), 3))
    for r in range(owners.shape[0]):
        for c in range(owners.shape[1]):
            i = owners[r, c] - 1
            if i >= 0:
                sums[i, 0] += r + 0.5
                sums[i, 1] += c + 0.5
                sums[i, 2] += 1
    out = seeds.copy()
    for i in range(len(seeds)):
        if sums[i, 2] > 0:
            out[i, 0] = sums[i, 0] / sums[i, 2]
            out[i, 1] = sums[i, 1] / sums[i, 2]
    return out


def tidy(owners: IntArray, region: BoolArray, spec: Voronoi | Power) -> tuple[IntArray, IntArray]:
    """Join up the fragments of cut cells and apply the rule for small rim cells.

    Wavy borders and concave islands can cut a cell. Its small fragments go to
    the neighbour with the longest common border; a large one stays, and becomes
    a cell of its own when labels are made. What should merge but has no
    neighbour, a speck of tissue on its own, is dropped.

    Parameters
    ----------
    owners : IntArray
        1 + seed's row for every pixel, 0 outside the region.
    region : BoolArray
    spec : Voronoi or Power
        Holds ``rim`` and ``rim_min_area``.

    Returns
    -------
    owners : IntArray
        After merging and dropping.
    areas : IntArray
        Rows (owner, pixels), one or more per owner.
    """
    pieces = split(owners)
    at_rim, at_edge = _touches(pieces.image, pieces.count, region)
    main, area = pieces.main, pieces.area_px
    typical = main & ~at_edge & ~at_rim
    if not typical.any():
        typical = main
    smallest = spec.rim_min_area * float(np.median(area[typical])) if typical.any() else 0.0
    small = area < smallest
    small[0] = False
    rim_cells = small & main & at_rim & ~at_edge
    merged = small & (~main | rim_cells) if spec.rim == "merge" else small & ~main
    dropped = rim_cells if spec.rim == "drop" else np.zeros_like(small)
    if not merged.any() and not dropped.any():
        return owners, np.stack([pieces.owner, area], axis=1)
    root = merge_into_neighbours(pieces, merged)
    dropped = dropped | (merged & (root == np.arange(len(root))))
    owner = np.where(dropped[root], np.int32(0), pieces.owner[root])
    return owner[pieces.image], np.stack([owner, area], axis=1)


@njit(cache=True)
def _touches(image: IntArray, count: int, region: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Tell which pieces border on outside the region, and on the image's edge."""
    height, width = image.shape
    rim = np.zeros(count + 1, np.bool_)
    edge = np.zeros(count + 1, np.bool_)
    for r in range(height):
        for c in range(width):
            a = image[r, c]
            if a == 0:
                continue
            if r == 0 or c == 0 or r == height - 1 or c == width - 1:
                edge[a] = True
            else:
                inside = region[r - 1, c] and region[r + 1, c] and region[r, c - 1]
                if not (inside and region[r, c + 1]):
                    rim[a] = True
    return rim, edge
