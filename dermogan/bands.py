"""Find cells in an image of any size, band by band, and put the bands together.

Decision: neighbouring bands overlap by a margin of several cells, and a cell belongs to the
band that its centroid lies in. Splitting is local, so that both bands see the same cell
there; where they ever differ, the first one keeps the pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dermogan.metrics import centroids

Labels = NDArray[np.int32]


def stitched(
    shape: tuple[int, int], rows: int, margin: int, cells: Callable[[slice], Labels]
) -> Labels:
    """Return the labels of an image, found band by band.

    Parameters
    ----------
    shape : tuple of int
        Of the image (y, x).
    rows : int
        Rows of a band without its margins.
    margin : int
        Rows that it sees above and below it.
    cells : callable
        Returns the labels of a slice of rows.
    """
    out = np.zeros(shape, np.int32)
    count = 0
    for start in range(0, shape[0], rows):
        seen = slice(max(0, start - margin), min(shape[0], start + rows + margin))
        found = cells(seen)
        values, centres, areas = centroids(found)
        y = centres[:, 0] + seen.start
        mine = (y >= start) & (y < start + rows)
        number = np.zeros(int(found.max(initial=0)) + 1, np.int32)
        number[values[mine]] = np.arange(count + 1, count + 1 + np.count_nonzero(mine))
        _put(out[seen], number[found], areas[mine], count)
        count += int(np.count_nonzero(mine))
    return out


def _put(view: Labels, found: Labels, areas: NDArray[np.int64], first: int) -> None:
    """Write labels where nothing is yet; of one that others cut apart, the largest piece."""
    free = np.where(view == 0, found, 0)
    left = np.bincount(free.reshape(-1), minlength=first + 1 + len(areas))[first + 1 :]
    cut: NDArray[np.int64] = np.flatnonzero((left < areas) & (left > 0)) + first + 1
    boxes = ndimage.find_objects(free) if len(cut) else []
    numbers: list[int] = cut.tolist()
    for value in numbers:
        box = boxes[value - 1]
        pieces, n = ndimage.label(free[box] == value)
        if n > 1:
            largest = int(np.bincount(pieces.reshape(-1))[1:].argmax()) + 1
            free[box][(pieces > 0) & (pieces != largest)] = 0
    np.copyto(view, free, where=free > 0)
