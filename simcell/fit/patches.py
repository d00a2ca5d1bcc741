"""Patches of images to match: as large as the preset's frame, where most is annotated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from simcell.arrays import BoolArray, IntArray
from simcell.describe.field import Field
from simcell.describe.zones import Zones
from simcell.errors import SimcellError
from simcell.fit.knobs import Scale
from simcell.fit.register import moved, seen_still, shift_of
from simcell.fit.rigs import Patch
from simcell.preset import Preset

_SIDE = 144  # pixels; more would cost time and tell little
_LEAST = 24
_MOSTLY = 0.75  # share of a row that has to be annotated
_PATCHES = 6
CONFLUENT = {"voronoi", "power"}


def cut(fields: Sequence[Field], like: Preset) -> tuple[list[Patch], Scale]:
    """Cut patches from images, with their labels where there are any.

    Parameters
    ----------
    fields : sequence of Field
        With images.
    like : Preset
        Of tissue without gaps, labels are made to have none.

    Returns
    -------
    patches : list of Patch
        At most 6, no two of which overlap, spread over the images.
    scale : Scale
        Of labelled cells; without labels, the cell's size is NaN.
    """
    for field in fields:
        if min(field.shape) < _LEAST:
            msg = f"{field.name}: is {field.shape} px; images to match need {_LEAST} px a side"
            raise SimcellError(msg)
    full = like.base.cells.kind in CONFLUENT
    labels = [_filled(f.labels, full) if f.labels is not None else None for f in fields]
    radius, cell_um = _sizes(fields, labels)
    each = -(-_PATCHES // len(fields)) if len(fields) < _PATCHES // 2 + 1 else 1
    chosen = _spread(list(range(len(fields))), _PATCHES)
    patches = [
        _patch(fields[i], labels[i], box, radius, full)
        for i in chosen
        for box in _boxes(fields[i], like, each)
    ]
    return patches[:_PATCHES], Scale(cell_um, fields[0].spacing_um[0])


def on_borders(fields: Sequence[Field], like: Preset) -> tuple[list[Field], tuple[int, int]]:
    """Move labels of tissue without gaps onto the borders that images show, and say by how much."""
    if like.base.cells.kind not in CONFLUENT:
        return list(fields), (0, 0)
    labels = [_filled(field.labels, full=True) for field in fields if field.labels is not None]
    radius, _ = _sizes(fields, labels)
    images = [field.image for field in fields if field.image is not None]
    shift = shift_of(images, labels, [field.known for field in fields], radius)
    if shift == (0, 0):
        return list(fields), shift
    return [
        replace(field, labels=moved(one, shift), annotated=seen_still(field.known, shift))
        for field, one in zip(fields, labels, strict=True)
    ], shift


def _spread(items: list[int], most: int) -> list[int]:
    if len(items) <= most:
        return items
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, most).round()]


def _filled(labels: IntArray, full: bool) -> IntArray:
    """Give every pixel of tissue without gaps to the nearest cell."""
    if not full or not labels.any():
        return labels
    nearest = ndimage.distance_transform_edt(
        labels == 0, return_distances=False, return_indices=True
    )
    return np.asarray(labels[tuple(nearest)], np.int32)


def _sizes(fields: Sequence[Field], labels: Sequence[IntArray | None]) -> tuple[float, float]:
    """Return the mean cell's radius in pixels and the square root of its area in µm.

    Of cells that the frame cuts, half count, less one: what a convex window cuts on average.
    """
    pixels, cells, area = 0.0, 0.0, 1.0
    for field, one in zip(fields, labels, strict=True):
        if one is None or not one.any():
            continue
        seen = np.where(field.known, one, 0)
        whole = _uncut(seen, field.known)
        cells += max(0.5 * (len(np.unique(seen)) - 1) + 0.5 * len(whole) - 1.0, 1.0)
        pixels += float((seen > 0).sum())
        area = float(np.prod(field.spacing_um))
    if not cells:
        return float("nan"), float("nan")
    return float(np.sqrt(pixels / cells / np.pi)), float(np.sqrt(pixels / cells * area))


def _uncut(labels: IntArray, known: BoolArray) -> set[int]:
    """Return the cells that touch neither the frame nor what is not annotated."""
    inner = ndimage.binary_erosion(known, np.ones((3, 3), np.bool_))
    return set(np.unique(labels).tolist()) - set(np.unique(labels[~inner]).tolist()) - {0}


def _boxes(field: Field, like: Preset, each: int) -> list[tuple[slice, slice]]:
    """Return the parts of a field, most annotated first, as large as the frame."""
    frame = like.base.frame.shape[-2:]
    sides = [min(n, side, _SIDE) for n, side in zip(field.shape, frame, strict=True)]
    starts = [_starts(n, side) for n, side in zip(field.shape, sides, strict=True)]
    boxes = [(slice(y, y + sides[0]), slice(x, x + sides[1])) for y in starts[0] for x in starts[1]]
    shares = [float(field.known[box].mean()) for box in boxes]
    middle = [abs(i - (len(boxes) - 1) / 2) for i in range(len(boxes))]
    order = sorted(range(len(boxes)), key=lambda i: (-round(shares[i], 2), middle[i]))
    return [boxes[i] for i in order[:each]]


def _starts(n: int, side: int) -> list[int]:
    """Lay as many parts along an axis as fit without overlap, evenly apart."""
    count = n // side
    room = n - count * side
    return [round(room * (i + 1) / (count + 1)) + i * side for i in range(count)]


def _annotated(field: Field, box: tuple[slice, slice]) -> tuple[slice, slice]:
    """Cut rows and columns at the sides of a part, most of which nobody annotated."""
    known = field.known[box]
    if known.all() or not known.any():
        return box
    sides = []
    for axis, side in enumerate(box):
        good = np.flatnonzero(known.mean(axis=1 - axis) > _MOSTLY)
        whole = len(good) == 0 or good[-1] - good[0] < _LEAST
        sides.append(side if whole else slice(side.start + good[0], side.start + good[-1] + 1))
    return sides[0], sides[1]


def _patch(
    field: Field, labels: IntArray | None, box: tuple[slice, slice], radius: float, full: bool
) -> Patch:
    assert field.image is not None
    if labels is not None:
        box = _annotated(field, box)
    image = np.ascontiguousarray(field.image[box], np.float32)
    if labels is None:
        return Patch(image)
    numbers, places = np.unique(labels[box], return_inverse=True)
    shift = 0 if 0 in numbers else 1
    own = np.ascontiguousarray(places.reshape(image.shape) + shift, np.int32)
    known: BoolArray = np.ascontiguousarray(field.known[box])
    tissue = np.ones(image.shape, np.bool_) if full else None
    return Patch(image, Zones(own, known, field.spacing_um[0], radius), tissue)
