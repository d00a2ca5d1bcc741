"""Numbers that tell how orderly tissue without gaps is, from labels or from centres alone.

All are free of the unit of length: distances are relative to the square root of the
mean area of a cell. Only cells that are seen whole count, or, of centres, those whose
neighbours are seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, Voronoi, cKDTree

from simcell.arrays import FloatArray
from simcell.describe.cells import cells_of, closed, weighted
from simcell.describe.field import Field

PIXELS_A_CELL = 220
"""Pixels of a cell that its shape needs; finer label images are thinned out."""
_STRIDE = 2  # pixels between those that are asked for their nearest centre
_NEAR = 5  # centres whose power distances are compared


def thinned(field: Field) -> Field:
    """Return a labelled field with no more pixels than its shapes need.

    Examples
    --------
    >>> labels = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((80, 80))).astype(np.int32)
    >>> thinned(Field("squares", (0.1, 0.1), labels=labels)).shape
    (48, 48)
    """
    assert field.labels is not None
    labels = closed(field.labels)
    pixels = int((labels > 0).sum()) / max(int(labels.max(initial=0)), 1)
    # Whole steps: pixels that are left out at uneven ones would roughen outlines.
    step = max(round((pixels / PIXELS_A_CELL) ** 0.5), 1)
    every = (slice(step // 2, None, step),) * 2
    spacing = (field.spacing_um[0] * step, field.spacing_um[1] * step)
    known = None if field.annotated is None else np.ascontiguousarray(field.annotated[every])
    return Field(field.name, spacing, np.ascontiguousarray(labels[every]), None, None, known)


def of_labels(fields: Sequence[Field]) -> FloatArray:
    """Return what labelled fields tell of order, of shapes and of wavy borders."""
    tables = [cells_of(field) for field in fields]
    # Relative to the cells of the same image: images may differ in size.
    sizes = [weighted(t["area_um2"], t["weight"])[0] for t in tables]
    for table, size in zip(tables, sizes, strict=True):
        table["area_um2"] /= size if np.isfinite(size) else max(table["area_um2"].mean(), 1e-9)
    rows = np.concatenate(tables)
    whole, inner = rows[rows["whole"]], rows[rows["surrounded"]]
    if len(inner) < 8:
        return np.full(14, np.nan)
    area, cv = weighted(whole["area_um2"], whole["weight"])
    relative = whole["area_um2"] / area
    sides = inner["neighbours"].astype(np.float64)
    nearest = np.concatenate(
        [_nearest(t) / s**0.5 for t, s in zip(tables, sizes, strict=True) if np.isfinite(s)]
    )
    for table, size in zip(tables, sizes, strict=True):
        table["area_um2"] *= size if np.isfinite(size) else 1.0
    plain, power = np.mean([_mismatch(f, t) for f, t in zip(fields, tables, strict=True)], axis=0)
    return np.array(
        [
            np.log(cv),
            np.log(relative).std(),
            float(((relative - 1) ** 3).mean()) / cv**3,
            (sides == 6).mean(),
            sides.var(),
            np.corrcoef(sides, inner["area_um2"])[0, 1] if sides.std() > 0 else np.nan,
            np.log(inner["elongation"]).mean(),
            nearest.mean(),
            np.log(nearest.std()),
            np.quantile(nearest, 0.05),
            np.log(1.0 - inner["solidity"].mean()),
            np.log(1.0 / inner["circularity"]).mean(),
            np.log(plain),
            np.log(power),
        ]
    )


def _nearest(table: NDArray[np.void]) -> FloatArray:
    """Distances of surrounded cells' centroids to the nearest other one."""
    places = np.stack([table["centroid_y_um"], table["centroid_x_um"]], axis=1)
    chosen = table["surrounded"]
    if len(places) < 2 or not chosen.any():
        return np.zeros(0)
    return np.asarray(cKDTree(places).query(places[chosen], k=[2])[0])[:, 0]


def _mismatch(field: Field, table: NDArray[np.void]) -> FloatArray:
    """Share of surrounded cells' pixels that centroids would give to another cell.

    By distance to the centroids, and by power distance with discs of the cells' areas.
    """
    labels = closed(field.labels) if field.labels is not None else np.zeros((1, 1), np.int32)
    places = np.stack([table["centroid_y_um"], table["centroid_x_um"]], axis=1)
    row_of = np.full(int(labels.max(initial=0)) + 1, -1)
    row_of[table["label"]] = np.arange(len(table))
    inner = np.zeros(len(row_of), np.bool_)
    inner[table["label"]] = table["surrounded"]
    some = np.argwhere(inner[labels[::_STRIDE, ::_STRIDE]])
    if len(some) < 50 or len(places) < _NEAR:
        return np.full(2, 0.5)
    own = row_of[labels[::_STRIDE, ::_STRIDE][tuple(some.T)]]
    at = (some * _STRIDE + 0.5) * np.array(field.spacing_um)
    distance, near = cKDTree(places).query(at, k=_NEAR)
    near = np.asarray(near)
    weight = table["area_um2"] / np.pi
    by_power = np.asarray(distance) ** 2 - weight[near]
    first = near[np.arange(len(near)), by_power.argmin(axis=1)]
    wrong = [(near[:, 0] != own).sum(), (first != own).sum()]
    return (np.array(wrong) + 0.5) / len(own)


def of_centres(fields: Sequence[Field]) -> FloatArray:
    """Return what centres alone tell of the order of the cells around them."""
    found = [_around(field) for field in fields]
    area, side, least, mean = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if len(area) < 8:
        return np.full(8, np.nan)
    near, far = least / area.mean() ** 0.5, mean
    relative = area / area.mean()
    return np.array(
        [
            np.log(relative.std()),
            float(((relative - 1) ** 3).mean()) / relative.std() ** 3,
            (side == 6).mean(),
            np.log(side.var() + 0.02),
            near.mean(),
            np.log(near.std()),
            np.quantile(near, 0.05),
            np.log(far.std() / area.mean() ** 0.5),
        ]
    )


def _around(field: Field) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Area, corners, nearest neighbour and mean neighbour of the Voronoi cells that are seen."""
    none = np.zeros(0)
    points = field.points
    if points is None or len(points) < 8:
        return none, none, none, none
    try:
        diagram, mesh = Voronoi(points), Delaunay(points)
    except QhullError:  # all on one line
        return none, none, none, none
    size = np.array(field.size_um)
    start, beside = mesh.vertex_neighbor_vertices
    rows = []
    for i, at in enumerate(points):
        corners = diagram.regions[diagram.point_region[i]]
        if -1 in corners or not corners:
            continue
        outline = diagram.vertices[corners]
        # No point beyond the window could cut a cell whose corners are all this near.
        reach = np.linalg.norm(outline - at, axis=1)
        if not np.all((outline >= reach[:, None]) & (outline <= size - reach[:, None])):
            continue
        y, x = (outline - at).T
        area = 0.5 * abs(float(np.dot(np.roll(y, 1), x) - np.dot(y, np.roll(x, 1))))
        gaps = np.linalg.norm(points[beside[start[i] : start[i + 1]]] - at, axis=1)
        rows.append((area, len(corners), gaps.min(), gaps.mean()))
    table = np.array(rows).reshape(-1, 4).T
    return table[0], table[1], table[2], table[3]
