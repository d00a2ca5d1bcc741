"""What images tell of which no cell is labelled.

Tissue without gaps is a mosaic, and the spectrum of a mosaic is a ring: its wavelength is
the distance between cells, and tells how many there are (for corneal endothelium: Selig et al.,
BMC Med. Imaging 15:13, 2015). Regularity and imaging are then matched together, on tissue as dense
drawn anew for every image. Cells that stand apart are parted from the ground by a
threshold; these provisional labels stand in for real ones.

Decision: what has no say in an image without labels stays as it is in the preset, scaled with
the cells, and is reported as unidentified: the waviness of borders, the law that cells are
scattered by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from scipy import ndimage

from simcell.arrays import MM_IN_UM, Image, IntArray
from simcell.describe.field import Field
from simcell.describe.grey import polarity, ring
from simcell.errors import SimcellError
from simcell.fields import blur
from simcell.fit.answers import cell_um_of, estimates_of, out_of_reach, taken
from simcell.fit.estimate import Estimate
from simcell.fit.imaging import Brightness, fit_imaging, fixed_of, level_knobs, stretch_of
from simcell.fit.knobs import FIXED, Knob, Scale, allowed, knobs_of
from simcell.fit.nearest import closest
from simcell.fit.patches import CONFLUENT, cut
from simcell.fit.ranges import drawn_within
from simcell.fit.rigs import Bench, Patch
from simcell.fit.tissue import Density, density_of
from simcell.fit.width import widest
from simcell.paths import under
from simcell.preset import Preset
from simcell.vary import Uniform, Value

_ORDER = (0.2, 15.0)  # Lloyd steps
_RING = 0.93  # wavelength of the ring over the side of a cell, in samples of any order
_RING_OFF = 0.1  # spread of that ratio from image to image
_CLOSE = 0.55  # of the mean distance between cells, that hard cores are at most
_LEAST_PX = 20  # of a cell that a threshold finds
_FEWEST = 8  # cells that tell their size
_SPECKS = 0.2  # share of the mean area below which it is none


def fit_unlabelled(
    fields: Sequence[Field],
    like: Preset,
    *,
    seed: int = 0,
    minutes: float = 5.0,
    workers: int = 1,
    progress: bool | None = False,
) -> list[Estimate]:
    """Estimate tissue and imaging from images alone.

    Parameters
    ----------
    fields : sequence of Field
        Those with an image count; labels are not looked at.
    like : Preset
        Kind of tissue and of imaging, and where the search starts.
    seed, minutes, workers, progress
        See `simcell.fit.imaging.fit_imaging`.

    Returns
    -------
    list of Estimate
        Of paths below ``points``, ``cells``, ``region`` and ``imaging``.
    """
    images = [replace(f, labels=None, annotated=None) for f in fields if f.image is not None]
    if not images:
        msg = "images: none to fit; give images or labels"
        raise SimcellError(msg)
    if like.base.imaging.kind not in FIXED:
        msg = (
            f"imaging of kind {like.base.imaging.kind!r} cannot be matched without labels; "
            f"use --like with {' or '.join(FIXED)}"
        )
        raise SimcellError(msg)
    if like.base.cells.kind not in CONFLUENT:
        found = [provisional(field) for field in images]
        own = fit_imaging(
            found, like, seed=seed, minutes=minutes, workers=workers, progress=progress
        )
        return [*_apart(found, like), *own]
    patches, scale, sign, density = _mosaics(images, like)
    if hasattr(like.base.points, "density"):
        like = _as_dense(like, density)
    knobs = [*_tissue_knobs(like), *_look_knobs(like, patches, scale, sign)]
    own_fixed, notes = fixed_of(like, "cytoplasm")
    fixed = {**own_fixed, **_tissue_fixed(like, scale, patches)}
    bench = Bench(tuple(patches), like, tuple(knobs), fixed)
    answer = closest((bench,), seed=seed, minutes=minutes, workers=workers, progress=progress)
    how = f"matched, {len(images)} images without labels"
    share = widest(bench, answer, seed)
    made = estimates_of(answer, knobs, fixed, how, stretch_of(like, patches), share)
    missed = out_of_reach(answer, like.base.imaging.kind)
    if hasattr(like.base.points, "density"):
        made.append(_dense(density, len(images)))
    return [*made, *_kept(fixed), *taken(like, scale, made, notes), *missed]


def _mosaics(images: Sequence[Field], like: Preset) -> tuple[list[Patch], Scale, float, Density]:
    """Return patches of one shape, the size of cells by the ring, the polarity and the density."""
    patches, scale = cut(images, like)
    lengths = np.array([ring(f.image) for f in images if f.image is not None])
    known = lengths[np.isfinite(lengths)] * scale.pixel_um / _RING
    if not len(known):
        msg = (
            "images: no regular mosaic of cells shows in their spectra; "
            "give label images, or --like a preset of cells that stand apart"
        )
        raise SimcellError(msg)
    cell_um = float(np.median(known))
    error = 2 * _RING_OFF / len(known) ** 0.5
    each = (MM_IN_UM / known) ** 2
    density = density_of(each, float(each.mean()), error)
    sides = [min(p.image.shape[axis] for p in patches) for axis in (0, 1)]
    same = [Patch(np.ascontiguousarray(p.image[: sides[0], : sides[1]])) for p in patches]
    sign = float(np.mean([polarity(f.image) for f in images if f.image is not None]))
    return same, Scale(cell_um, scale.pixel_um), sign, density


def _dense(density: Density, images: int) -> Estimate:
    how = f"rings in the spectra of {images} images"
    value, law = float(f"{density.value:.4g}"), drawn_within(density.least, density.most)
    return Estimate("points.density", value, density.low, density.high, law, how)


def _as_dense(like: Preset, density: Density) -> Preset:
    """Return a preset whose tissue is as dense as images are; it is not matched but drawn."""
    path = "points.density"
    law = drawn_within(density.least, density.most)
    assert law is not None
    kept = {p: one for p, one in like.vary.items() if not (under(p, path) or under(path, p))}
    return replace(like, vary={**kept, path: law})


def _tissue_knobs(like: Preset) -> list[Knob]:
    return [allowed(Knob("cells.lloyd", *_ORDER, log=True), like)]


def _look_knobs(like: Preset, patches: Sequence[Patch], scale: Scale, sign: float) -> list[Knob]:
    """List the knobs of imaging, with levels about the quantiles of the images."""
    levels = np.mean([np.quantile(p.image, [0.02, 0.25, 0.5, 0.75]) for p in patches], axis=0)
    dark, low, middle, high = (float(level) for level in levels)
    border, interior = (high, middle) if sign > 0 else (low, middle)
    seen = Brightness(border, interior, float("nan"), dark)
    return [*level_knobs(like, seen), *knobs_of(like, scale)]


def _tissue_fixed(like: Preset, scale: Scale, patches: Sequence[Patch]) -> dict[str, Value]:
    """Return what holds for all tissue that is drawn: the frame, and lengths that scale."""
    points, cells = like.base.points, like.base.cells
    ratio = scale.cell_um / cell_um_of(like)
    fixed: dict[str, Value] = {
        "frame.shape": patches[0].image.shape,
        "frame.spacing_um": scale.pixel_um,
        "frame.margin_um": _short(1.5 * scale.cell_um),
        "region": {"kind": "full"},
        "cells.undulation_um": _short(getattr(cells, "undulation_um", 0.0) * ratio),
        "cells.undulation_scale_um": _short(getattr(cells, "undulation_scale_um", 8.0) * ratio),
    }
    distance = getattr(points, "distance_um", None)
    if distance is not None:
        fixed["points.distance_um"] = _short(min(distance * ratio, _CLOSE * scale.cell_um))
        if points.kind == "hard_core":
            # Images differ in the size of their cells: all of them are to be as orderly.
            fixed["points.distance_sides"] = _short(min(distance / cell_um_of(like), _CLOSE))
    return fixed


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _kept(fixed: dict[str, Value]) -> list[Estimate]:
    """Report what images without labels cannot tell."""
    region = "images are taken to show tissue all over"
    found = [Estimate("region.kind", "full", how=region, status="taken")]
    for path in (
        "points.distance_um",
        "points.distance_sides",
        "cells.undulation_um",
        "cells.undulation_scale_um",
    ):
        if path in fixed:
            how = "scaled with the cells; needs labels"
            if path == "points.distance_um" and "points.distance_sides" in fixed:
                how = "not in use: distance_sides is"
            found.append(Estimate(path, fixed[path], how=how, status="unidentified"))
    return found


def provisional(field: Field) -> Field:
    """Return a field with labels of what a threshold parts from the ground.

    Otsu's threshold of the image without its slow changes; pieces are parted where the
    distance to their outline has several tops. Bright cells on a dark ground, or the
    reverse where most of the image is bright.

    Examples
    --------
    >>> yy, xx = np.mgrid[:64, :64]
    >>> image = np.zeros((64, 64), np.float32)
    >>> for y, x in ((16, 16), (16, 48), (44, 32)):
    ...     image[(yy - y) ** 2 + (xx - x) ** 2 < 64] = 200
    >>> int(provisional(Field("discs", (1.0, 1.0), image=image)).labels.max())
    3
    """
    assert field.image is not None
    soft = blur(field.image, 1.0)
    low, high = np.quantile(soft, [0.001, 0.999])
    scaled = np.clip((soft - low) / max(high - low, 1e-6) * 255.0, 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    bright = scaled > level
    mask = bright if bright.mean() <= 0.5 else ~bright
    return replace(field, labels=_parted(mask.astype(np.uint8)), annotated=None)


def _parted(mask: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> IntArray:
    """Return the pieces of a mask as labels, parted between tops of the distance to the outline."""
    depth: Image = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)
    typical = float(np.quantile(depth[mask > 0], 0.9)) if mask.any() else 1.0
    soft = blur(depth, max(0.3 * typical, 0.7))
    reach = 2 * max(int(0.8 * typical), 1) + 1
    tops = (ndimage.maximum_filter(soft, reach) == soft) & (depth > 0.4 * typical)
    marks, _ = ndimage.label(tops)
    nearest = ndimage.distance_transform_edt(
        marks == 0, return_distances=False, return_indices=True
    )
    labels = np.where(mask > 0, marks[tuple(nearest)], 0)
    sizes = np.bincount(labels.ravel())
    least = max(_SPECKS * float(sizes[1:].mean()) if len(sizes) > 1 else 0.0, _LEAST_PX)
    good = np.flatnonzero(sizes[1:] >= least) + 1
    table = np.zeros(len(sizes), np.int32)
    table[good] = np.arange(1, len(good) + 1)
    return np.asarray(table[labels], np.int32)


def _apart(fields: Sequence[Field], like: Preset) -> list[Estimate]:
    """Estimate the size and the number of cells that a threshold found."""
    area = float(np.prod(fields[0].spacing_um))
    counts, radii = [], []
    for field in fields:
        assert field.labels is not None
        sizes = np.bincount(field.labels.ravel())[1:]
        counts.append(len(sizes) / (field.labels.size * area) * MM_IN_UM**2)
        radii.append(np.sqrt(sizes * area / np.pi))
    every = np.concatenate(radii)
    if len(every) < _FEWEST:
        msg = f"images: a threshold finds {len(every)} cells in them; give label images"
        raise SimcellError(msg)
    how = f"{len(every)} cells parted from the ground by a threshold"
    radius, cv = float(every.mean()), float(every.std() / every.mean())
    found = [_points(counts, radius, how)]
    if like.base.cells.kind != "outlines":
        return found
    error = 1.645 * cv * radius / np.sqrt(len(every))
    law = Uniform(low=_short(0.85 * radius), high=_short(1.15 * radius))
    size = Estimate(
        "cells.radius_um", _short(radius), _short(radius - error), _short(radius + error), law, how
    )
    return [*found, size, Estimate("cells.radius_cv", _short(min(cv, 0.6)), how=how)]


def _points(counts: Sequence[float], radius: float, how: str) -> Estimate:
    """Return hard-core points as dense as the cells, no nearer than they can be."""
    mean = max(float(np.mean(counts)), 1.0)
    closest = _short(min(1.4 * radius, _CLOSE * MM_IN_UM / np.sqrt(max(counts))))
    low, high = _short(min(counts)), _short(max(counts))
    points = {"kind": "hard_core", "density": _short(mean), "distance_um": closest}
    how = f"{how}; the law of their places needs labels"
    return Estimate("points", points, low, high, how=how, status="estimated")
