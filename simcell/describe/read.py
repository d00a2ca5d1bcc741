"""Fields from files of labels, images and centres, and from simulated samples.

Decision: files of one field have one name, whatever they end in. What is odd but
usable is said, by ``say``, and used; what nobody could mean is refused in one line.

Decision: of tissue without gaps, what lies beyond the outermost cells was most often not
annotated, so that nothing is known of it. Of cells that stand apart, all are.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from simcell.arrays import BoolArray, FloatArray, Image, IntArray
from simcell.describe.centres import read_centres
from simcell.describe.field import Field
from simcell.describe.files import (
    PICTURES,
    Paths,
    Say,
    listed,
    on_one_scale,
    read_labels,
    read_pixels,
    stored_spacing,
)
from simcell.errors import SimcellError
from simcell.sample import Sample

Spacing = tuple[float, float]
GAP_PX = 5
"""Widest line of background between two cells of tissue without gaps, in pixels."""
_CONFLUENT = 0.5
"""Share of the cells' outlines that faces other cells, from which tissue has no gaps."""
_USUAL_UM = (2.0, 150.0)  # diameters of cells that raise no eyebrow
_POSSIBLE_UM = (0.1, 5000.0)
_OUTSIDE = 0.05  # share of points beyond the image that may be slips


def read_fields(
    labels: Paths | None = None,
    images: Paths | None = None,
    points: Paths | None = None,
    spacing_um: float | Spacing | None = None,
    say: Say | None = None,
) -> list[Field]:
    """Read fields from files, folders or patterns; files of one field have one stem.

    Parameters
    ----------
    labels, images, points : path or list of paths, optional
        Label images, grey images, tables of centres. At least one of the three.
    spacing_um : float or pair of float, optional
        Size of a pixel (y, x); by default what the TIFFs say.
    say : callable, optional
        Told, a line each, what was assumed; by default they become Python warnings.

    Returns
    -------
    list of Field
        By name.

    Raises
    ------
    SimcellError
        Where nothing can be read, or nobody could mean what there is.
    """
    say = say or (lambda line: warnings.warn(line, stacklevel=3))
    if labels is None and images is None and points is None:
        msg = "nothing to read: give label images, images, or tables of centres"
        raise SimcellError(msg)
    mask_files = _by_stem("labels", labels)
    image_files = _by_stem("images", images)
    spacing = _spacing([*mask_files.values(), *image_files.values()], spacing_um, say)
    masks = {stem: read_labels(path, say) for stem, path in mask_files.items()}
    pixels = {stem: read_pixels(path, say) for stem, path in image_files.items()}
    pictures = dict(zip(pixels, on_one_scale(list(pixels.values()), say), strict=True))
    centres: dict[str, FloatArray] = {}
    if points is not None:
        for table in listed("points", points, (".csv", ".tsv", ".txt")):
            centres |= read_centres(table, spacing, say)
    spacing = spacing or _none_needed(masks, pictures)
    named = sorted({*masks, *pictures, *centres})
    _say_unmatched(named, {"labels": masks, "images": pictures, "points": centres}, say)
    fields = [_field(n, spacing, masks.get(n), pictures.get(n), centres.get(n), say) for n in named]
    _check_all(fields, say)
    return fields


def fields_of(samples: Iterable[Sample]) -> list[Field]:
    """Return the fields of simulated samples, seen as real ones would be.

    Of tissue without gaps, what lies beyond the outermost cells is not annotated.
    """
    return [_field_of(sample) for sample in samples]


def _field_of(sample: Sample) -> Field:
    if sample.grid.ndim != 2:
        msg = f"sample {sample.index}: has {sample.grid.ndim} axes; flat samples (y, x) are needed"
        raise SimcellError(msg)
    image = None
    if sample.image is not None and sample.image.ndim == 2:
        top = float(np.iinfo(sample.image.dtype).max)
        image = np.asarray(sample.image * np.float32(255.0 / top), np.float32)
    spacing = (sample.grid.spacing_um[0], sample.grid.spacing_um[1])
    known = None if sample.labels is None else annotated_part(sample.labels)
    table = sample.objects
    points = None
    if table is not None:
        points = np.stack([table["centroid_y_um"], table["centroid_x_um"]], axis=1)
    name = f"seed {sample.seed}, sample {sample.index}"
    return Field(name, spacing, sample.labels, image, points, known)


def _by_stem(what: str, paths: Paths | None) -> dict[str, Path]:
    if paths is None:
        return {}
    files = listed(what, paths, PICTURES)
    twice = [stem for stem, n in Counter(file.stem for file in files).items() if n > 1]
    if twice:
        msg = f"{what}: several files are called {twice[0]!r}; keep one of each name"
        raise SimcellError(msg)
    return {file.stem: file for file in files}


def _spacing(files: list[Path], given: float | Spacing | None, say: Say) -> Spacing | None:
    """Return the size of a pixel: the given one, or the one that the files agree on."""
    stored = {found for found in map(stored_spacing, files) if found is not None}
    if given is not None:
        sides = (given, given) if isinstance(given, int | float) else given
        if not all(np.isfinite(side) and side > 0 for side in sides):
            msg = f"spacing_um = {given}: must be a size of a pixel above 0; correct it"
            raise SimcellError(msg)
        for found in sorted(stored):
            if max(abs(f / s - 1) for f, s in zip(found, sides, strict=True)) > 0.05:
                say(f"files say {found[1]:.4g} µm a pixel; the {sides[1]:.4g} µm given are used")
                break
        return sides
    if len(stored) > 1:
        each = ", ".join(f"{found[1]:.4g}" for found in sorted(stored)[:4])
        msg = f"spacing_um: files say different sizes of a pixel ({each} µm); fit them apart"
        raise SimcellError(msg)
    if not stored:
        return None
    found = next(iter(stored))
    say(f"spacing_um: {found[1]:.4g} µm a pixel, as the files say")
    return found


def _none_needed(masks: dict[str, IntArray], pictures: dict[str, Image]) -> Spacing:
    if masks or pictures:
        msg = "spacing_um: no file says how large a pixel is; give it in µm with --spacing-um"
        raise SimcellError(msg)
    return 1.0, 1.0


def _say_unmatched(named: list[str], parts: Mapping[str, Collection[str]], say: Say) -> None:
    """Say where some fields lack what others have; refuse names that never meet."""
    given = {what: found for what, found in parts.items() if found}
    if len(given) > 1 and not set.intersection(*(set(found) for found in given.values())):
        first = ", ".join(f"{what}: {next(iter(found))}" for what, found in given.items())
        msg = (
            f"no name is shared by {' and '.join(given)} ({first} …); name files of one field alike"
        )
        raise SimcellError(msg)
    for what, found in given.items():
        lacking = [name for name in named if name not in found]
        if lacking:
            say(f"{len(lacking)} of {len(named)} fields have no {what}, such as {lacking[0]}")


def _field(
    name: str,
    spacing: Spacing,
    labels: IntArray | None,
    image: Image | None,
    points: FloatArray | None,
    say: Say,
) -> Field:
    if labels is not None and image is not None and labels.shape != image.shape:
        msg = f"{name}: labels have shape {labels.shape}, the image {image.shape}; they must agree"
        raise SimcellError(msg)
    if labels is not None and not labels.any():
        say(f"{name}: no cell is labelled; it counts as a field without cells")
    known = None if labels is None else annotated_part(labels)
    if points is not None and labels is None and image is None:
        assert points is not None
        points, known = _own_window(name, points, spacing, say)
    field = Field(name, spacing, labels, image, points, known)
    return field if points is None else _within(field, points, say)


def _within(field: Field, points: FloatArray, say: Say) -> Field:
    """Drop points beyond the image where they are few; refuse many."""
    inside = np.all((points >= 0) & (points < np.array(field.size_um)), axis=1)
    out = int((~inside).sum())
    if out > _OUTSIDE * len(points):
        y, x = field.size_um
        msg = (
            f"points: {out} of {len(points)} lie outside {field.name}, which is {y:.4g} x {x:.4g} "
            "µm (y, x); check the order of y and x, their unit and --spacing-um"
        )
        raise SimcellError(msg)
    if out:
        say(f"points: {out} of {len(points)} lie outside {field.name} and are left out")
    return replace(field, points=np.ascontiguousarray(points[inside], np.float64))


def _own_window(
    name: str, points: FloatArray, spacing: Spacing, say: Say
) -> tuple[FloatArray, BoolArray]:
    """Return points within a window of their own, and the window as a mask.

    The box around n points falls short of their window by 2 / (n + 1) of its side on
    average (Ripley & Rasson 1977, for independent points).
    """
    if len(points) < 3:
        msg = f"points: {name} has {len(points)}; at least 3 are needed to tell their window"
        raise SimcellError(msg)
    low, high = points.min(axis=0), points.max(axis=0)
    more = (high - low) / (len(points) - 1)
    sides = np.maximum(np.ceil((high - low + 2 * more) / spacing), 8).astype(int)
    size = " x ".join(f"{side * s:.4g}" for side, s in zip(sides, spacing, strict=True))
    say(f"{name}: no image tells the window; a box of {size} µm around the points is taken")
    return points - low + more, np.ones((sides[0], sides[1]), np.bool_)


def _check_all(fields: list[Field], say: Say) -> None:
    """Refuse or mention what is odd about all fields together."""
    shapes = sorted({field.shape for field in fields})
    if len(shapes) > 1:
        say(f"images have {len(shapes)} sizes, from {shapes[0]} to {shapes[-1]} px (y, x)")
    labelled = [field.labels for field in fields if field.labels is not None]
    cells = sum(int(labels.max()) for labels in labelled)
    if labelled and cells == 0:
        msg = f"labels: all {len(labelled)} images are background; label some cells"
        raise SimcellError(msg)
    if cells:
        pixels = sum(int((labels > 0).sum()) for labels in labelled) / cells
        _check_size(2 * (pixels * float(np.prod(fields[0].spacing_um)) / np.pi) ** 0.5, say)


def _check_size(diameter: float, say: Say) -> None:
    text = f"spacing_um: cells then measure {diameter:.3g} µm across"
    if not _POSSIBLE_UM[0] <= diameter <= _POSSIBLE_UM[1]:
        msg = f"{text}, which no cell does; check the size of a pixel in µm"
        raise SimcellError(msg)
    if not _USUAL_UM[0] <= diameter <= _USUAL_UM[1]:
        say(f"{text}; check that the size of a pixel is right")


def annotated_part(labels: IntArray) -> BoolArray | None:
    """Return the area that cells without gaps between them cover; None where cells stand apart.

    Thin lines of background between cells, left by tracing, belong to it.
    """
    if not is_confluent(labels):
        return None
    covered = closed(labels > 0)
    return None if covered.all() else covered


def closed(mask: BoolArray) -> BoolArray:
    """Return a mask with lines up to `GAP_PX` wide filled."""
    side = GAP_PX + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side | 1, side | 1))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), side, side, side, side, cv2.BORDER_REPLICATE)
    filled = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
    return np.ascontiguousarray(filled[side:-side, side:-side] > 0) | mask


def is_confluent(labels: IntArray) -> bool:
    """Tell whether cells fill the tissue: most of their outlines face another cell, close by."""
    if labels.max(initial=0) < 2:
        return False
    near = cv2.dilate(
        labels.astype(np.float32), np.ones((2 * GAP_PX + 1, 2 * GAP_PX + 1), np.uint8)
    )
    low = np.where(labels > 0, -labels.astype(np.float32), np.float32(-1e9))
    other = -cv2.dilate(low, np.ones((2 * GAP_PX + 1, 2 * GAP_PX + 1), np.uint8))
    edge = _outline(labels)
    facing = edge & ((near != labels) | (other != labels))
    return bool(facing.sum() >= _CONFLUENT * max(int(edge.sum()), 1))


def _outline(labels: IntArray) -> BoolArray:
    """Pixels of cells that have another value beside them, the frame aside."""
    edge = np.zeros(labels.shape, np.bool_)
    for axis in (0, 1):
        along, rim = np.moveaxis(labels, axis, 0), np.moveaxis(edge, axis, 0)
        differs = along[1:] != along[:-1]
        rim[1:] |= differs
        rim[:-1] |= differs
    return np.asarray(edge & (labels > 0))
