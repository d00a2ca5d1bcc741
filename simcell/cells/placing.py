"""What kinds of cells share that move objects until they overlap little enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Grid, IntArray, Pattern
from simcell.cells.wrap import reach_of, wrapped
from simcell.rng import Streams


def steps_away(radius: FloatArray, tries: int, streams: Streams) -> FloatArray:
    """Offsets (n, tries, 2) to the places to try: none at first, then ever farther."""
    far = np.sqrt(np.arange(tries, dtype=np.float64))[None, :, None]
    normal = streams("cells.places").standard_normal((len(radius), tries, 2))
    return np.asarray(radius[:, None, None] * far * normal)


def settled(
    pattern: Pattern,
    centres: FloatArray,
    kept: NDArray[np.bool_],
    grid: Grid,
    margin_px: int,
    periodic: bool,
) -> tuple[Pattern, IntArray, IntArray]:
    """Return the pattern of the objects that found a place, and where to stamp them.

    Parameters
    ----------
    pattern : Pattern
        Objects before they moved, with all their marks.
    centres : FloatArray
        Where they lie now, (n, 2) in pixels of the padded grid, of the torus if periodic.
    kept : bool array
        Objects (n,) that found a place.
    grid, margin_px, periodic
        As in ``simcell.cells.grow``.

    Returns
    -------
    pattern : Pattern
        Objects kept, with their copies on a torus, in µm.
    shape : IntArray
        Row of ``centres`` that each is, or is a copy of.
    shift : IntArray
        Whole pixels (m, 2) from there to its place on the padded grid.
    """
    spacing = grid.spacing_um[0]
    points = np.asarray((centres - (0 if periodic else margin_px)) * spacing, np.float64)
    marks = pattern.marks | {"shape": np.arange(len(points), dtype=np.float64)}
    pattern = Pattern(points, marks, pattern.notes).keep(kept)
    if periodic:
        reach = reach_of(len(pattern), np.asarray(grid.size_um), margin_px * spacing)
        pattern = wrapped(pattern, grid.size_um, reach)
    shape = pattern.marks["shape"].astype(np.int32)
    there = pattern.points / spacing + margin_px
    return pattern, shape, np.rint(there - centres[shape]).astype(np.int32)


def hidden(image: IntArray, in_field: IntArray) -> FloatArray:
    """Share of each object inside the field that is not seen."""
    seen = np.bincount(image.ravel(), minlength=len(in_field) + 1)[1:]
    return np.clip(1.0 - seen / np.maximum(in_field, 1), 0.0, 1.0)
