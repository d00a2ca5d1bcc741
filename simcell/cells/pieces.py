"""Connected pieces of a label image, who borders whom, and merging.

Connectivity is by edges (4-neighbourhood), so that labels are connected under
either convention.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import BoolArray, FloatArray, IntArray

_SLOTS = 32  # neighbours that a piece has room for at first; doubled when too few


@dataclass(frozen=True)
class Pieces:
    """Connected pieces 1..n of a label image.

    Attributes
    ----------
    image : IntArray
        Piece of every pixel, numbered from 1 in raster order; 0 = background.
    owner : IntArray
        Value that the piece had in the label image, (n + 1,); entry 0 unused.
    area_px : IntArray
        Pixels of each piece, (n + 1,).
    """

    image: IntArray
    owner: IntArray
    area_px: IntArray

    @property
    def count(self) -> int:
        """Number of pieces."""
        return len(self.owner) - 1

    @cached_property
    def main(self) -> BoolArray:
        """True for the largest piece of every owner (the first among equals)."""
        numbers = np.arange(1, self.count + 1)
        order = np.lexsort((numbers, -self.area_px[1:], self.owner[1:]))
        owners = self.owner[1:][order]
        first = np.ones(len(order), np.bool_)
        first[1:] = owners[1:] != owners[:-1]
        chosen = np.zeros(self.count + 1, np.bool_)
        chosen[numbers[order][first]] = True
        return chosen

    @cached_property
    def borders(self) -> tuple[IntArray, IntArray]:
        """Neighbours of every piece and the border's length in pixel edges.

        Two (n + 1, slots) arrays; unused slots are 0.
        """
        slots = _SLOTS
        while True:
            who, length, overflow = _borders(self.image, self.count, slots)
            if not overflow:
                return who, length
            slots *= 2


def split(labels: IntArray) -> Pieces:
    """Split a label image into its connected pieces.

    Examples
    --------
    >>> import numpy as np
    >>> pieces = split(np.array([[1, 0, 1], [1, 2, 2]], np.int32))
    >>> pieces.owner[1:].tolist(), pieces.area_px[1:].tolist()
    ([1, 1, 2], [2, 1, 2])
    """
    image, owner, area = _split(labels)
    return Pieces(image, owner, area)


def merge_into_neighbours(pieces: Pieces, small: BoolArray) -> IntArray:
    """Hand each chosen piece to the neighbour with which it shares the longest border.

    Smallest first; a piece without neighbours stays as it is.

    Parameters
    ----------
    pieces : Pieces
    small : BoolArray
        Pieces (n + 1,) to be merged.

    Returns
    -------
    IntArray
        The piece that each piece now belongs to, (n + 1,).
    """
    root = np.arange(pieces.count + 1, dtype=np.int32)
    chosen = np.flatnonzero(small)
    if len(chosen) == 0:
        return root
    who, length = pieces.borders
    for piece in chosen[np.argsort(pieces.area_px[chosen], kind="stable")]:
        for slot in np.argsort(-length[piece], kind="stable"):
            if length[piece, slot] == 0:
                break
            target = _find(root, int(who[piece, slot]))
            if target != piece:
                root[piece] = target
                break
    return np.array([_find(root, i) for i in range(len(root))], np.int32)


def _find(root: IntArray, piece: int) -> int:
    while root[piece] != piece:
        piece = int(root[piece])
    return piece


@njit(cache=True)  # type: ignore[untyped-decorator]
def _split(labels: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    height, width = labels.shape
    image = np.zeros((height, width), np.int32)
    parent = np.zeros(height * width // 2 + 2, np.int32)
    count = 0
    for r in range(height):
        for c in range(width):
            value = labels[r, c]
            if value == 0:
                continue
            above = image[r - 1, c] if r > 0 and labels[r - 1, c] == value else 0
            if c > 0 and labels[r, c - 1] == value:
                left = image[r, c - 1]
                image[r, c] = left
                if above != left and above != 0:
                    a, b = above, left
                    while parent[a] != a:
                        a = parent[a]
                    while parent[b] != b:
                        b = parent[b]
                    parent[max(a, b)] = min(a, b)
            elif above != 0:
                image[r, c] = above
            else:
                count += 1
                parent[count] = count
                image[r, c] = count
    number = np.zeros(count + 1, np.int32)
    pieces = 0
    for i in range(1, count + 1):
        a = i
        while parent[a] != a:
            a = parent[a]
        if number[a] == 0:
            pieces += 1
            number[a] = pieces
        number[i] = number[a]
    owner = np.zeros(pieces + 1, np.int32)
    area = np.zeros(pieces + 1, np.int32)
    for r in range(height):
        last, piece, run = -1, 0, 0
        for c in range(width):
            if image[r, c] != last:  # a new run of pixels: look its piece up once
                area[piece] += run
                last = image[r, c]
                piece, run = number[last], 0
                owner[piece] = labels[r, c]
            image[r, c] = piece
            run += 1
        area[piece] += run
    owner[0] = 0
    area[0] = 0
    return image, owner, area


@njit(cache=True)  # type: ignore[untyped-decorator]
def _count_border(who: IntArray, length: IntArray, a: int, b: int) -> bool:
    """Add one pixel edge to the border of a with b; tell whether a's slots are full."""
    for k in range(who.shape[1]):
        if who[a, k] == b:
            length[a, k] += 1
            return False
        if who[a, k] == 0:
            who[a, k] = b
            length[a, k] = 1
            return False
    return True


@njit(cache=True)  # type: ignore[untyped-decorator]
def _borders(image: IntArray, count: int, slots: int) -> tuple[IntArray, IntArray, bool]:
    height, width = image.shape
    who = np.zeros((count + 1, slots), np.int32)
    length = np.zeros((count + 1, slots), np.int32)
    overflow = False
    for r in range(height):
        for c in range(width):
            a = image[r, c]
            if a == 0:
                continue
            if r + 1 < height:
                b = image[r + 1, c]
                if b != a and b != 0:
                    overflow |= _count_border(who, length, a, b)
                    overflow |= _count_border(who, length, b, a)
            if c + 1 < width:
                b = image[r, c + 1]
                if b != a and b != 0:
                    overflow |= _count_border(who, length, a, b)
                    overflow |= _count_border(who, length, b, a)
    return who, length, overflow


def adjacent_pairs(pieces: Pieces) -> IntArray:
    """Pairs (m, 2) of pieces that share an edge, lower number first, sorted."""
    who, _ = pieces.borders
    a, slot = np.nonzero(who)
    b = who[a, slot]
    pairs = np.stack([a, b], axis=1)[a < b].astype(np.int32)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


Moments = NDArray[np.float64]


@njit(cache=True)  # type: ignore[untyped-decorator]
def measure(image: IntArray, count: int) -> tuple[Moments, FloatArray, BoolArray]:
    """Measure pieces 0..count in one pass.

    Returns
    -------
    moments : (count + 1, 6)
        Pixels, and sums of y, x, y², x², xy at the pixels' centres.
    crossings : (count + 1,)
        Border crossings along four directions, weighted by the distance of the
        scan lines: π/8 of it estimates the perimeter in pixels (Crofton).
    at_frame : (count + 1,)
        True where the piece has a pixel on the rim of the image.
    """
    height, width = image.shape
    moments = np.zeros((count + 1, 6))
    crossings = np.zeros(count + 1)
    at_frame = np.zeros(count + 1, np.bool_)
    diagonal = np.sqrt(0.5)
    for r in range(height):
        for c in range(width):
            a = image[r, c]
            if a == 0:
                continue
            y = r + 0.5
            x = c + 0.5
            m = moments[a]
            m[0] += 1
            m[1] += y
            m[2] += x
            m[3] += y * y
            m[4] += x * x
            m[5] += x * y
            if r == 0 or c == 0 or r == height - 1 or c == width - 1:
                at_frame[a] = True
                for dr in range(-1, 2):
                    for dc in range(-1, 2):
                        if dr == 0 and dc == 0:
                            continue
                        i = r + dr
                        j = c + dc
                        outside = i < 0 or j < 0 or i >= height or j >= width
                        if outside or image[i, j] != a:
                            crossings[a] += diagonal if dr * dc != 0 else 1.0
            else:
                if image[r - 1, c] != a:
                    crossings[a] += 1.0
                if image[r + 1, c] != a:
                    crossings[a] += 1.0
                if image[r, c - 1] != a:
                    crossings[a] += 1.0
                if image[r, c + 1] != a:
                    crossings[a] += 1.0
                if image[r - 1, c - 1] != a:
                    crossings[a] += diagonal
                if image[r - 1, c + 1] != a:
                    crossings[a] += diagonal
                if image[r + 1, c - 1] != a:
                    crossings[a] += diagonal
                if image[r + 1, c + 1] != a:
                    crossings[a] += diagonal
    return moments, crossings, at_frame
