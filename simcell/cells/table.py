"""From pieces on the padded grid to the labels and the table of the field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import BoolArray, FloatArray, Grid, Image, IntArray, Layers, Parts, Pattern
from simcell.cells.pieces import adjacent_pairs, measure, split
from simcell.fields import border_distance
from simcell.sample import OBJECT_COLUMNS_2D


@dataclass(frozen=True)
class Cells:
    """Cells of one field.

    Attributes
    ----------
    labels : IntArray
        0 = background, 1..n each one connected piece, numbered in raster order.
    objects : structured array
        Row ``i`` describes label ``i + 1``; see ``simcell.sample.OBJECT_COLUMNS_2D``.
    adjacency : IntArray
        Pairs (m, 2) of labels that share an edge, lower first.
    distance_um : Image
        Distance of every pixel to the nearest border between cells, in or beyond
        the field.
    pattern : Pattern
        The seeds as they were used, moved by Lloyd steps where there were any.
    parts : Parts, optional
        Cytoplasm, nuclei and spots, for the kinds that draw them.
    layers : Layers, optional
        Layers of the skin, for the kind that draws them.
    """

    labels: IntArray
    objects: NDArray[np.void]
    adjacency: IntArray
    distance_um: Image
    pattern: Pattern
    parts: Parts | None = None
    layers: Layers | None = None


def tabulate(
    owners: IntArray,
    pattern: Pattern,
    amodal_px: FloatArray,
    overlap: FloatArray,
    grid: Grid,
    margin_px: int,
) -> Cells:
    """Crop the padded owner image to the field, relabel it and fill the table.

    A cell that the frame cuts into several pieces becomes several objects, since
    labels are connected.

    Parameters
    ----------
    owners : IntArray
        1 + the seed's row for every pixel of the padded grid, 0 = background.
    pattern : Pattern
        Seeds in µm from the corner of the field.
    amodal_px : FloatArray
        Whole size of each seed's object in pixels, (len(pattern),).
    overlap : FloatArray
        Share of each seed's object inside the field that others hide.
    grid : Grid
        The field.
    margin_px : int
        Margin of ``owners`` around it.

    Returns
    -------
    Cells
    """
    inner = slice(margin_px, -margin_px or None)
    pieces = split(np.ascontiguousarray(owners[inner, inner]))
    # Borders just outside the field count too: the field's edge must not look different.
    distance = border_distance(owners)[inner, inner] * np.float32(grid.spacing_um[0])
    pairs = adjacent_pairs(pieces)
    rows = shapes(*measure(pieces.image, pieces.count), grid.spacing_um[0])
    seed = pieces.owner[1:] - 1
    rows["label"] = np.arange(1, pieces.count + 1)
    kinds = pattern.marks.get("type")
    rows["type"] = 0 if kinds is None else np.rint(kinds[seed]).astype(np.int32)
    rows["seed_y_um"], rows["seed_x_um"] = pattern.points[seed].T
    rows["amodal_area_um2"] = np.maximum(
        amodal_px[seed] * grid.spacing_um[0] ** 2, rows["area_um2"]
    )
    rows["overlap"] = overlap[seed]
    for name in ("parent", "depth_um"):
        if name in pattern.marks:
            rows[name] = pattern.marks[name][seed]
    rows["neighbours"] = np.bincount(pairs.ravel(), minlength=pieces.count + 1)[1:]
    return Cells(pieces.image, rows, pairs, distance, pattern)


def shapes(
    moments: FloatArray, crossings: FloatArray, at_frame: BoolArray, spacing_um: float
) -> NDArray[np.void]:
    """Turn what ``pieces.measure`` returns into areas, centroids, axes and perimeters."""
    n, y, x, yy, xx, xy = moments[1:].T
    y, x = y / n, x / n
    # A pixel is a square, not a point: its own second moment is 1/12.
    vy = yy / n - y * y + 1 / 12
    vx = xx / n - x * x + 1 / 12
    vxy = xy / n - x * y
    middle, spread = (vy + vx) / 2, np.hypot((vy - vx) / 2, vxy)
    rows = np.zeros(len(n), OBJECT_COLUMNS_2D)
    rows["area_um2"] = n * spacing_um**2
    rows["centroid_y_um"], rows["centroid_x_um"] = y * spacing_um, x * spacing_um
    rows["perimeter_um"] = np.pi / 8 * crossings[1:] * spacing_um
    rows["major_um"] = 4 * np.sqrt(middle + spread) * spacing_um
    rows["minor_um"] = 4 * np.sqrt(np.maximum(middle - spread, 0)) * spacing_um
    rows["orientation_rad"] = 0.5 * np.arctan2(2 * vxy, vx - vy)
    rows["touches_border"] = at_frame[1:]
    return rows
