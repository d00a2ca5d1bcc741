"""Where the tissue is: one closed outer contour around an incomplete net of membranes.

The contour is the alpha shape of the membrane's pixels (Edelsbrunner, Kirkpatrick and
Seidel, IEEE Trans. Inf. Theory 29, 551-559, 1983): the union of all triangles of their
Delaunay triangulation whose circumcircle is smaller than a radius. Gaps in membranes
narrower than the circle do not open it, holes inside are filled.

Decision: most of the shape needs no triangles. A pixel that no empty circle of the radius
reaches (a morphological closing, two distance transforms) lies within it for sure; triangles
are drawn only near pixels that one does reach, along the outer contour and in wide holes.

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
    if not membrane.any():
        return np.zeros(membrane.shape, np.bool_)
    step = max(1, int(radius_px / _FINE))
    border = int(np.ceil(radius_px)) + 2  # circles may lie half outside the image
    net = np.pad(np.asarray(membrane, np.uint8), border)
    inside = (slice(border, -border),) * 2
    net[inside] |= _near_frame(net[inside], radius_px)
    shape = np.zeros(membrane.shape, np.uint8)
    reach = 4 * border + step  # of circles that reach pixels that triangles of the tile reach
    for tile in _tiles(membrane.shape):
        seen, place = _grown(tile, reach, net.shape, border)
        shape[tile] = _shape(net[seen], radius_px, step)[place]
    return _filled(shape, smallest_px)


def _grown(
    tile: tuple[slice, slice], reach: int, shape: tuple[int, ...], border: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return a tile with what is around it in a bordered image, and where it lies in that."""
    seen, place = [], []
    for part, side in zip(tile, shape, strict=True):
        start = max(0, part.start + border - reach)
        seen.append(slice(start, min(side, part.stop + border + reach)))
        place.append(slice(part.start + border - start, part.stop + border - start))
    return (seen[0], seen[1]), (place[0], place[1])


def _shape(net: NDArray[np.uint8], radius: float, step: int) -> NDArray[np.uint8]:
    """Return the alpha shape of a part of the net: what no empty circle reaches, and triangles."""
    if not net.any():
        return net
    shape = closed(net, radius)
    reached = shape == 0
    if not reached.any():
        return shape
    near = (
        cv2.distanceTransform(1 - reached.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        <= 2 * radius + 2 * step
    )
    inner = cv2.erode(net, np.ones((3, 3), np.uint8), borderValue=0)
    y, x = np.nonzero((net > inner) & near)
    # One point for each small block: the first.
    blocks = (y // step) * (net.shape[1] // step + 1) + x // step
    first = np.unique(blocks, return_index=True)[1]
    _draw_triangles(shape, np.stack([x[first], y[first]], axis=1).astype(np.float64), radius)
    return shape


def closed(net: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    """Return what no circle of the radius reaches without meeting the net."""
    apart = cv2.distanceTransform(1 - net, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    wide = np.pad((apart <= radius).astype(np.uint8), 1)  # beyond the edge there are circles
    deep = cv2.distanceTransform(wide, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.maximum((deep > radius).astype(np.uint8), net)


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


def _draw_triangles(shape: NDArray[np.uint8], points: NDArray[np.float64], radius: float) -> None:
    """Draw the triangles of points (n, 2) in x, y with small circumcircles, in place."""
    if len(points) < 4:
        return
    try:
        corners = points[Delaunay(points).simplices]
    except QhullError:  # all points on one line
        return
    for triangle in np.rint(corners[circumradii(corners) < radius]).astype(np.int32):
        cv2.fillConvexPoly(shape, triangle, 1)


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
