"""What the labelled cells of a field measure, one by one, and the tissue as a whole.

Decision: lines of background up to 2 px wide between cells are a way to draw borders, not
a space. They are shared out among the cells beside them before anything is measured, so
that tissue drawn with lines and tissue drawn without measure the same.

Decision: shapes are told by whole cells alone, and large cells are cut by the frame more
often than small ones. Each whole cell therefore counts with the inverse of its chance
to be whole (``weight``).

References
----------
Aboav (1970), The arrangement of grains in a polycrystal, Metallography 3:383-390.
Lewis (1928), The correlation between cell division and the shapes and sizes of
prismatic cells, Anat. Rec. 38:341-376.
Miles (1974), On the elimination of edge effects in planar sampling.
Weaire (1974), Some remarks on the arrangement of grains, Metallography 7:157-160.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simcell.arrays import MM_IN_UM, BoolArray, FloatArray, IntArray
from simcell.cells.pieces import measure
from simcell.describe.field import Field
from simcell.errors import SimcellError

CELL_COLUMNS = np.dtype(
    [
        ("label", np.int32),
        ("centroid_y_um", np.float64),
        ("centroid_x_um", np.float64),
        ("area_um2", np.float64),
        ("diameter_um", np.float64),
        ("perimeter_um", np.float64),
        ("eccentricity", np.float64),
        ("elongation", np.float64),
        ("circularity", np.float64),
        ("solidity", np.float64),
        ("neighbours", np.int32),
        ("around", np.float64),
        ("whole", np.bool_),
        ("surrounded", np.bool_),
        ("weight", np.float64),
    ]
)
"""Columns of the cells of a field, one row per label that has a pixel.

``diameter``: of the disc of the same area. ``elongation``: major over minor axis of the
ellipse with the same second moments. ``circularity``: 4π area / perimeter², 1 for a disc.
``solidity``: area over that of the convex hull. ``neighbours``: cells that share an edge.
``around``: mean neighbours of these neighbours; NaN unless the cell and all of them are
surrounded. ``whole``: cut neither by the frame nor by the edge of the annotated area.
``surrounded``: whole, and nowhere beside background. ``weight``: 1 over the chance that
a cell of its size is whole in such a frame; 0 for cells that are not.
"""
LINE_PX = 2
"""Widest line of background that counts as a drawn border."""
SIDES = np.arange(3, 11)
"""Numbers of neighbours for which curves are drawn."""
_FEWEST = 5  # cells that a point of a curve needs


def cells_of(field: Field) -> NDArray[np.void]:
    """Measure every labelled cell of a field.

    Parameters
    ----------
    field : Field
        With labels.

    Returns
    -------
    structured array
        One row per cell; see ``CELL_COLUMNS``.

    Examples
    --------
    >>> labels = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((8, 8))).astype(np.int32)
    >>> cells = cells_of(Field("squares", (0.5, 0.5), labels=labels))
    >>> cells["area_um2"][4], cells["neighbours"][4], cells["whole"].sum()
    (np.float64(16.0), np.int32(4), np.int64(1))
    """
    if field.labels is None:
        msg = f"{field.name}: has no labels to measure cells in"
        raise SimcellError(msg)
    labels = closed(field.labels)
    top = int(labels.max(initial=0))
    moments, crossings, at_frame = measure(labels, top)
    rows = _shapes(moments, crossings, field.spacing_um)
    pairs = _pairs(labels)
    whole = ~(at_frame | _beside(labels, ~field.known))
    rows["whole"] = whole[1:]
    rows["surrounded"] = (whole & ~_beside(labels, labels == 0))[1:]
    rows["neighbours"] = np.bincount(pairs.ravel(), minlength=top + 1)[1:]
    rows["around"] = _around(pairs, rows["neighbours"], rows["surrounded"])
    there = moments[1:, 0] > 0
    _outlines(labels, field.known, rows)
    return rows[there]


def closed(labels: IntArray, line_px: int = LINE_PX) -> IntArray:
    """Share lines of background between cells out among the cells beside them.

    Parameters
    ----------
    labels : IntArray
        Label image (y, x).
    line_px : int
        Widest line to close.

    Returns
    -------
    IntArray
        Label image in which free borders of cells are where they were.

    Examples
    --------
    >>> row = np.array([[0, 0, 0, 0, 1, 1, 0, 2, 2]] * 3, np.int32)
    >>> closed(row)[0].tolist()
    [0, 0, 0, 0, 1, 1, 1, 2, 2]
    """
    empty = labels == 0
    if line_px < 1 or not empty.any() or empty.all():
        return np.ascontiguousarray(labels, dtype=np.int32)
    reach = (line_px + 1) // 2
    pad = line_px + 1
    wide = np.pad(labels, pad, mode="edge")
    distance, nearest = cv2.distanceTransformWithLabels(
        (wide == 0).astype(np.uint8),
        cv2.DIST_L2,
        cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    owner = np.zeros(int(nearest.max()) + 1, np.int32)
    owner[nearest[wide > 0]] = wide[wide > 0]
    far = (distance > reach).astype(np.uint8)
    back = cv2.distanceTransform(1 - far, cv2.DIST_L2, cv2.DIST_MASK_5) if far.any() else None
    line = wide == 0 if back is None else (wide == 0) & (back > reach + 0.5)
    result = np.where(line, owner[nearest], wide)
    return np.ascontiguousarray(result[pad:-pad, pad:-pad], dtype=np.int32)


def _shapes(
    moments: FloatArray, crossings: FloatArray, spacing_um: tuple[float, float]
) -> NDArray[np.void]:
    """Turn sums over pixels into sizes, places and axes."""
    rows = np.zeros(len(moments) - 1, CELL_COLUMNS)
    n, y, x, yy, xx, xy = moments[1:].T
    n = np.maximum(n, 1.0)
    high, wide = spacing_um
    y, x = y / n, x / n
    # A pixel is a rectangle, not a point: its own second moment is side² / 12.
    vy, vx = (yy / n - y * y + 1 / 12) * high**2, (xx / n - x * x + 1 / 12) * wide**2
    vxy = (xy / n - x * y) * high * wide
    middle, spread = (vy + vx) / 2, np.hypot((vy - vx) / 2, vxy)
    minor = np.maximum(middle - spread, 1e-12)
    rows["label"] = np.arange(1, len(moments))
    rows["centroid_y_um"], rows["centroid_x_um"] = y * high, x * wide
    rows["area_um2"] = n * high * wide
    rows["diameter_um"] = 2 * np.sqrt(rows["area_um2"] / np.pi)
    rows["perimeter_um"] = np.pi / 8 * crossings[1:] * np.sqrt(high * wide)
    rows["elongation"] = np.sqrt((middle + spread) / minor)
    rows["eccentricity"] = np.sqrt(1 - minor / (middle + spread))
    rows["circularity"] = 4 * np.pi * rows["area_um2"] / np.maximum(rows["perimeter_um"], 1e-9) ** 2
    return rows


def _pairs(labels: IntArray) -> IntArray:
    """Pairs (m, 2) of labels that share an edge, lower first."""
    found = []
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        touching = (a != b) & (a > 0) & (b > 0)
        found.append(np.stack([a[touching], b[touching]], axis=1))
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.asarray(np.unique(pairs, axis=0), np.int32)


def _beside(labels: IntArray, where: BoolArray) -> BoolArray:
    """Tell for labels 0..n whether one of their pixels lies in a mask, or beside it."""
    told = np.zeros(int(labels.max(initial=0)) + 1, np.bool_)
    if not where.any():
        return told
    told[labels[where]] = True
    told[labels[1:][where[:-1]]] = True
    told[labels[:-1][where[1:]]] = True
    told[labels[:, 1:][where[:, :-1]]] = True
    told[labels[:, :-1][where[:, 1:]]] = True
    told[0] = False
    return told


def _around(pairs: IntArray, neighbours: IntArray, surrounded: BoolArray) -> FloatArray:
    """Mean neighbours of each cell's neighbours, NaN where one of them is not surrounded."""
    total, known = np.zeros(len(neighbours)), np.zeros(len(neighbours))
    for a, b in ((pairs[:, 0] - 1, pairs[:, 1] - 1), (pairs[:, 1] - 1, pairs[:, 0] - 1)):
        np.add.at(total, a, neighbours[b])
        np.add.at(known, a, surrounded[b])
    good = surrounded & (known == neighbours) & (neighbours > 0)
    return np.where(good, total / np.maximum(neighbours, 1), np.nan)


def _outlines(labels: IntArray, known: BoolArray, rows: NDArray[np.void]) -> None:
    """Fill in what needs each cell's outline: solidity, and the chance to be whole."""
    frame = _extent(known)
    for row, box in zip(rows, _boxes(labels, len(rows)), strict=True):
        if box is None:
            continue
        inside = (labels[box] == row["label"]).astype(np.uint8)
        lines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        hull = cv2.contourArea(cv2.convexHull(np.concatenate(lines)))
        area = sum(cv2.contourArea(line) for line in lines)
        row["solidity"] = area / hull if hull > 0 else 1.0
        if row["whole"]:
            # Places where a cell of this size touches neither end.
            room = [side - n - 1 for side, n in zip(frame, inside.shape, strict=True)]
            row["weight"] = frame[0] * frame[1] / (max(room[0], 1) * max(room[1], 1))


def _extent(mask: BoolArray) -> tuple[int, int]:
    """Sides in px of the smallest box around a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return 1, 1
    return int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1


def _boxes(labels: IntArray, count: int) -> list[tuple[slice, slice] | None]:
    """Bounding box of every label, None where it has no pixel."""
    from scipy.ndimage import find_objects

    return [None if box is None else (box[0], box[1]) for box in find_objects(labels, count)]


@dataclass(frozen=True)
class Tissue:
    """What the cells of several fields measure together.

    Attributes
    ----------
    fields, cells, whole : int
        Number of fields, of cells in them, and of whole ones.
    covered : float
        Share of the annotated area that is cells.
    density_per_mm2 : float
        Share covered over the mean area.
    area_um2, area_cv : float
        Mean area and its relative spread.
    neighbours, hexagons : float
        Of surrounded cells: mean neighbours, and the share that has six.
    sides : IntArray
        Numbers of neighbours (k,) that the curves stand at.
    share : FloatArray
        Share of surrounded cells with so many.
    lewis : FloatArray
        Their mean area over that of all; NaN where there are fewer than 5.
    aboav : FloatArray
        Mean neighbours of their neighbours, likewise.
    lewis_slope : float
        Slope of relative area on neighbours, by least squares over cells.
    aboav_a : float
        Parameter a of n · m(n) = (6 - a) n + 6 a + µ₂.
    """

    fields: int
    cells: int
    whole: int
    covered: float
    density_per_mm2: float
    area_um2: float
    area_cv: float
    neighbours: float
    hexagons: float
    sides: IntArray
    share: FloatArray
    lewis: FloatArray
    aboav: FloatArray
    lewis_slope: float
    aboav_a: float


def tissue_of(fields: Sequence[Field], tables: Sequence[NDArray[np.void]] | None = None) -> Tissue:
    """Measure the tissue of several labelled fields together.

    Parameters
    ----------
    fields : sequence of Field
    tables : sequence of structured array, optional
        What ``cells_of`` returned for each, where that is known already.

    Returns
    -------
    Tissue
        Numbers that too few cells tell are NaN.
    """
    tables = [cells_of(field) for field in fields] if tables is None else tables
    if not tables:
        msg = "tissue: no labelled field to measure; give labels"
        raise SimcellError(msg)
    rows = np.concatenate(tables)
    whole, inner = rows[rows["whole"]], rows[rows["surrounded"]]
    area, cv = weighted(whole["area_um2"], whole["weight"])
    covered = _covered(fields)
    relative = inner["area_um2"] / inner["area_um2"].mean() if len(inner) else np.zeros(0)
    n = inner["neighbours"].astype(np.float64)
    good = np.isfinite(inner["around"])
    a = 6 - _slope(n[good], (n * inner["around"])[good])
    return Tissue(
        len(fields),
        len(rows),
        len(whole),
        covered,
        covered / area * MM_IN_UM**2,
        area,
        cv,
        float(n.mean()) if len(n) else np.nan,
        float((n == 6).mean()) if len(n) else np.nan,
        SIDES.astype(np.int32),
        np.array([(n == k).mean() if len(n) else np.nan for k in SIDES]),
        _by_sides(n, relative),
        _by_sides(n[good], inner["around"][good]),
        _slope(n, relative),
        a,
    )


def weighted(values: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Return the weighted mean, and the spread relative to it.

    Examples
    --------
    >>> weighted(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    (2.0, 0.5)
    """
    total = float(weights.sum())
    if total <= 0:
        return np.nan, np.nan
    mean = float((values * weights).sum() / total)
    spread = float(np.sqrt((weights * (values - mean) ** 2).sum() / total))
    return mean, spread / mean


def _covered(fields: Sequence[Field]) -> float:
    """Share of the annotated pixels of all fields that is cells, lines between them closed."""
    cells = known = 0
    for field in fields:
        assert field.labels is not None
        cells += int(((closed(field.labels) > 0) & field.known).sum())
        known += int(field.known.sum())
    return cells / max(known, 1)


def _by_sides(n: FloatArray, values: FloatArray) -> FloatArray:
    """Mean value of the cells with each number of neighbours."""
    groups = [values[n == k] for k in SIDES]
    return np.array([g.mean() if len(g) >= _FEWEST else np.nan for g in groups])


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Slope of a line by least squares; NaN where x does not vary."""
    if len(x) < 2 * _FEWEST or np.ptp(x) == 0:
        return np.nan
    return float(np.polyfit(x, y, 1)[0])
