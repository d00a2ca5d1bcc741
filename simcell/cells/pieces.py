"""Connected pieces of a label image, who borders whom, and merging.

Connectivity is by edges (4-neighbourhood), so that labels are connected under
either convention.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

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


@njit(cache=True)
def _root(parent: IntArray, number: int) -> int:
    while parent[number] != number:
        number = parent[number]
    return number


@njit(cache=True)
def _split(labels: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Give pieces their numbers in raster order (two passes, union-find)."""
    height, width = labels.shape
    image = np.zeros((height, width), np.int32)
    parent = np.zeros(height * width + 1, np.int32)  # as many as pixels, if all differ
    count = 0
    for r in range(height):
        for c in range(width):
            value = labels[r, c]
            if value == 0:
                continue
            above = image[r - 1, c] if r > 0 and labels[r - 1, c] == value else 0
            left = image[r, c - 1] if c > 0 and labels[r, c - 1] == value else 0
            if above != 0 and left != 0 and above != left:
                a, b = _root(parent, above), _root(parent, left)
                parent[max(a, b)] = min(a, b)
            if above == 0 and left == 0:
                count += 1
                parent[count] = count
                image[r, c] = count
            else:
                image[r, c] = max(above, left)
    number = _numbers(parent, count)
    pieces = number.max()
    owner = np.zeros(pieces + 1, np.int32)
    area = np.zeros(pieces + 1, np.int32)
    for r in range(height):
        _renumber(image[r], labels[r], number, owner, area)
    owner[0] = 0
    area[0] = 0
    return image, owner, area


@njit(cache=True)
def _numbers(parent: IntArray, count: int) -> IntArray:
    """Count roots in order; the rest take the number of their root, which is smaller."""
    number = np.zeros(count + 1, np.int32)
    pieces = 0
    for i in range(1, count + 1):
        root = _root(parent, i)
        if root == i:
            pieces += 1
            number[i] = pieces
        else:
            number[i] = number[root]
    return number


@njit(cache=True)
def _renumber(
    row: IntArray, labels: IntArray, number: IntArray, owner: IntArray, area: IntArray
) -> None:
    """Give a row of pixels their final numbers, looking each run of equal pixels up once."""
    last, piece, run = -1, 0, 0
    for c in range(len(row)):
        if row[c] != last:
            area[piece] += run
            last = row[c]
            piece, run = number[last], 0
            owner[piece] = labels[c]
        row[c] = piece
        run += 1
    area[piece] += run


@njit(cache=True)
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


@njit(cache=True)
def _count_edge(who: IntArray, length: IntArray, a: int, b: int) -> bool:
    """Add one pixel edge to the border between two pieces; tell whether slots ran out."""
    if a == b or a == 0 or b == 0:
        return False
    first = _count_border(who, length, a, b)
    return _count_border(who, length, b, a) or first


@njit(cache=True)
def _borders(image: IntArray, count: int, slots: int) -> tuple[IntArray, IntArray, bool]:
    height, width = image.shape
    who = np.zeros((count + 1, slots), np.int32)
    length = np.zeros((count + 1, slots), np.int32)
    overflow = False
    for r in range(height):
        for c in range(width):
            if r + 1 < height:
                overflow |= _count_edge(who, length, image[r, c], image[r + 1, c])
            if c + 1 < width:
                overflow |= _count_edge(who, length, image[r, c], image[r, c + 1])
    return who, length, overflow


def adjacent_pairs(pieces: Pieces) -> IntArray:
    """Pairs (m, 2) of pieces that share an edge, lower number first, sorted."""
    who, _ = pieces.borders
    a, slot = np.nonzero(who)
    b = who[a, slot]
    pairs = np.stack([a, b], axis=1)[a < b].astype(np.int32)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


@njit(cache=True)
def measure(image: IntArray, count: int) -> tuple[FloatArray, FloatArray, BoolArray]:
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
    for r in range(height):
        for c in range(width):
            piece = image[r, c]
            if piece == 0:
                continue
            y = r + 0.5
            x = c + 0.5
            m = moments[piece]
            m[0] += 1
            m[1] += y
            m[2] += x
            m[3] += y * y
            m[4] += x * x
            m[5] += x * y
            if 0 < r < height - 1 and 0 < c < width - 1:
                crossings[piece] += _crossings_inside(image, r, c)
            else:
                at_frame[piece] = True
                crossings[piece] += _crossings_at_frame(image, r, c)
    return moments, crossings, at_frame


_DIAGONAL = float(np.sqrt(0.5))  # distance of diagonal scan lines


@njit(cache=True)
def _crossings_inside(image: IntArray, r: int, c: int) -> float:
    """Count neighbours that differ, diagonal ones by the weight of their scan lines."""
    a = image[r, c]
    straight = (
        (image[r - 1, c] != a)
        + (image[r + 1, c] != a)
        + (image[r, c - 1] != a)
        + (image[r, c + 1] != a)
    )
    diagonal = (
        (image[r - 1, c - 1] != a)
        + (image[r - 1, c + 1] != a)
        + (image[r + 1, c - 1] != a)
        + (image[r + 1, c + 1] != a)
    )
    return float(straight + _DIAGONAL * diagonal)


@njit(cache=True)
def _crossings_at_frame(image: IntArray, r: int, c: int) -> float:
    """Do the same where some neighbours lie outside the image, and differ."""
    height, width = image.shape
    total = 0.0
    for dr in range(-1, 2):
        for dc in range(-1, 2):
            i = r + dr
            j = c + dc
            inside = 0 <= i < height and 0 <= j < width
            if not inside or image[i, j] != image[r, c]:
                total += _DIAGONAL if dr * dc != 0 else 1.0
    return total
