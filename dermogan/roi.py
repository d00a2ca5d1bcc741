"""Where the tissue is: one closed outer contour around an incomplete net of membranes.

The contour is the alpha shape of the membrane's pixels (Edelsbrunner, Kirkpatrick and
Seidel, IEEE Trans. Inf. Theory 29, 551-559, 1983): the union of all triangles of their
Delaunay triangulation whose circumcircle is smaller than a radius. Gaps in membranes
narrower than the circle do not open it, holes inside are filled.

Decision: the shape is found tile by tile. A triangle that meets a tile lies, with its
circumcircle, within two radii of it, so that no pixel depends on the tiling, and an image
of 10⁸ pixels never holds more than one tile's triangles.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError

from simcell import SimcellError

Mask = NDArray[np.bool_]

_TILE = 1024
_FINE = 6.0  # points are thinned to this share of the radius


def tissue(membrane: Mask, radius_px: float, smallest_px: float = 0.0) -> Mask:
    """Return the filled alpha shape of membranes.

    Where membranes come within a radius of the frame of the image, the tissue goes on
    beyond it, and the shape reaches the frame.

    Parameters
    ----------
    membrane : bool array (y, x)
        Membranes, with gaps.
    radius_px : float
        Radius of the largest empty circle that counts as tissue; about a cell's diameter.
    smallest_px : float
        Pieces with fewer pixels are dropped.

    Examples
    --------
    >>> ring = np.zeros((60, 60), bool)
    >>> ring[20, 20:40] = ring[39, 20:40] = ring[20:40, 20] = True  # open on the right
    >>> shape = tissue(ring, 15.0)
    >>> bool(shape[30, 38]), bool(shape[30, 45]), bool(shape[15, 30])
    (True, False, False)
    """
    if not radius_px >= 1:
        msg = f"radius_px = {radius_px}: must be at least 1; about a cell's diameter is right"
        raise SimcellError(msg)
    shape = np.asarray(membrane, np.uint8)
    if not membrane.any():
        return np.zeros(membrane.shape, np.bool_)
    step = max(1, int(radius_px / _FINE))
    points = _points(shape, radius_px, step)
    reach = int(np.ceil(2 * radius_px)) + step
    for rows, columns in _tiles(shape.shape):
        _draw_triangles(shape[rows, columns], points, (rows, columns), reach, radius_px)
    return _filled(shape, smallest_px)


def _points(membrane: NDArray[np.uint8], radius: float, step: int) -> NDArray[np.float64]:
    """Return thinned outline pixels of the membrane, and of the frame near it, (n, 2) in x, y."""
    inner = cv2.erode(membrane, np.ones((3, 3), np.uint8), borderValue=0)
    y, x = np.nonzero(membrane > inner)
    # One point for each small block: the first.
    blocks = (y // step) * (membrane.shape[1] // step + 1) + x // step
    first = np.unique(blocks, return_index=True)[1]
    height, width = membrane.shape
    rows, columns = (np.unique([*range(0, side, step), side - 1]) for side in (height, width))
    sides = np.concatenate(
        [np.stack([rows, np.full(len(rows), edge)], axis=1) for edge in (0, width - 1)]
        + [np.stack([np.full(len(columns), edge), columns], axis=1) for edge in (0, height - 1)]
    )
    near = sides[_near_frame(membrane, radius)[sides[:, 0], sides[:, 1]]]
    all_points = np.concatenate([np.stack([x[first], y[first]], axis=1), near[:, ::-1]])
    return np.unique(all_points, axis=0).astype(np.float64)


def _near_frame(membrane: NDArray[np.uint8], radius: float) -> Mask:
    """Mark pixels of the frame that have a membrane within a radius."""
    near = np.zeros(membrane.shape, np.bool_)
    deep = int(np.ceil(radius)) + 1
    for turn in range(4):
        strip = np.ascontiguousarray(np.rot90(membrane, turn)[:deep])
        if strip.any():
            far = cv2.distanceTransform(1 - strip, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            np.rot90(near, turn)[0] |= far[0] <= radius
    return near


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    for top in range(0, shape[0], _TILE):
        for left in range(0, shape[1], _TILE):
            yield (
                slice(top, min(top + _TILE, shape[0])),
                slice(left, min(left + _TILE, shape[1])),
            )


def _draw_triangles(
    tile: NDArray[np.uint8],
    points: NDArray[np.float64],
    where: tuple[slice, slice],
    reach: int,
    radius: float,
) -> None:
    """Draw the triangles with small circumcircles that meet a tile, in place."""
    rows, columns = where
    low = np.array([columns.start - reach, rows.start - reach])
    high = np.array([columns.stop + reach, rows.stop + reach])
    near = points[((points >= low) & (points <= high)).all(axis=1)]
    if len(near) < 4:
        return
    try:
        corners = near[Delaunay(near).simplices]
    except QhullError:  # all points on one line
        return
    small = corners[circumradii(corners) < radius] - np.array([columns.start, rows.start])
    canvas = np.ascontiguousarray(tile)
    for triangle in np.rint(small).astype(np.int32):
        cv2.fillConvexPoly(canvas, triangle, 1)
    tile[:] = canvas


def circumradii(triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the radius of the circle through the corners of each triangle (n, 3, 2).

    Examples
    --------
    >>> circumradii(np.array([[[0, 0], [3, 0], [0, 4]]], float)).tolist()
    [2.5]
    """
    a, b, c = (np.linalg.norm(triangles[:, i] - triangles[:, i - 1], axis=1) for i in range(3))
    one, two = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    twice_area = np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    with np.errstate(divide="ignore"):
        return np.asarray(a * b * c / (2 * twice_area))


def _filled(shape: NDArray[np.uint8], smallest_px: float) -> Mask:
    """Fill holes, and drop small pieces."""
    outer, _ = cv2.findContours(shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(shape)
    cv2.drawContours(filled, outer, -1, 1, cv2.FILLED)
    if smallest_px > 0:
        _, pieces, stats, _ = cv2.connectedComponentsWithStats(filled, connectivity=8)
        kept = stats[:, cv2.CC_STAT_AREA] >= smallest_px
        kept[0] = False
        return np.asarray(kept[pieces])
    return filled.astype(np.bool_)
