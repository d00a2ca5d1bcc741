"""Contact sheets: image, prior and outlined labels of several samples, to scale.

Decision: every panel of a sheet is scaled by a whole number, up by repeating
pixels or down by blocks, so that no pixel is invented and one-pixel lines stay
even. Going down, an image is averaged, as a smaller camera would see it; a prior
keeps the pixel of each block that differs most from its usual grey, so that thin
membranes survive.

A volume is shown by its middle plane, and below that by its middle section along x,
z stretched to scale. Channels are coloured.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from simcell.arrays import BoolArray, Grid, IntArray
from simcell.errors import SimcellError
from simcell.sample import Sample

RGB = NDArray[np.uint8]
PANEL_PX = 320
_GAP = 12
_CAPTION = 34
_PAPER = (18, 20, 24)
_INK = (226, 229, 233)
_FAINT = (138, 145, 155)
_SECTION_GAP = 2
_CALLED = {"skin_layers": "pieces", "mosaic": "regions", "nucleus_golgi": "nuclei and Golgi"}
"""What the objects of cells are called, where they are not cells."""
_TINTS = ((0.9, 0.25, 0.2), (0.2, 0.85, 0.3), (0.25, 0.4, 1.0), (0.9, 0.8, 0.2))


def contact_sheet(
    samples: Iterable[Sample],
    path: str | Path | None = None,
    *,
    title: str = "",
    columns: int = 1,
) -> RGB:
    """Draw samples as rows of panels: image, prior, outlines of the labels.

    Parameters
    ----------
    samples : iterable of Sample
        What to draw, such as ``dataset[:6]``; panels that a sample lacks are left out.
    path : str or Path, optional
        PNG or JPEG file to write.
    title : str
        Name of the preset, for the captions.
    columns : int
        Samples side by side.

    Returns
    -------
    uint8 array (height, width, 3)

    Raises
    ------
    SimcellError
        Where there is no sample, or a sample without any picture.
    """
    tiles = [_tile(sample, title) for sample in samples]
    if not tiles or columns < 1:
        msg = f"{len(tiles)} samples in {columns} columns: a sheet needs at least one of each"
        raise SimcellError(msg)
    height = max(tile.shape[0] for tile in tiles)
    width = max(tile.shape[1] for tile in tiles)
    columns = min(columns, len(tiles))
    rows = ceil(len(tiles) / columns)
    sheet = np.empty((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), np.uint8)
    sheet[:] = _PAPER
    for place, tile in enumerate(tiles):
        y = _GAP + place // columns * (height + _GAP)
        x = _GAP + place % columns * (width + _GAP)
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    if path is not None:
        Image.fromarray(sheet).save(path)
    return sheet


def _tile(sample: Sample, title: str) -> RGB:
    """Draw one sample: a caption above its panels."""
    panels, step = _panels(sample)
    if not panels:
        msg = f"sample {sample.index}: nothing to draw; simulate it at least upto='cells'"
        raise SimcellError(msg)
    height, width = next(iter(panels.values())).shape[:2]
    canvas = Image.new("RGB", (len(panels) * (width + _GAP) - _GAP, height + _CAPTION), _PAPER)
    for place, panel in enumerate(panels.values()):
        picture = Image.fromarray(panel)
        if place == 0:
            _scale_bar(picture, sample.grid.spacing_um[-1] * step)
        canvas.paste(picture, (place * (width + _GAP), _CAPTION))
    _caption(canvas, sample, title, list(panels))
    return np.asarray(canvas)


def _caption(canvas: Image.Image, sample: Sample, title: str, names: list[str]) -> None:
    """Write what a sample is, and what its panels are as far as there is room."""
    draw = ImageDraw.Draw(canvas)
    parts = [title, f"seed {sample.seed}", f"index {sample.index}"]
    if sample.objects is not None:
        what = _CALLED.get(sample.scene.cells.kind, "cells")
        parts.append(f"{len(sample.objects)} {what}")
    text = "  ·  ".join(part for part in parts if part)
    font = _font(16)
    while font.size > 9 and draw.textlength(text, font) > canvas.width:
        font = _font(font.size - 1)
    draw.text((0, 5), text, _INK, font)
    legend, small = " | ".join(names), _font(13)
    left = canvas.width - draw.textlength(legend, small)
    if left > draw.textlength(text, font) + 2 * _GAP:
        draw.text((left, 8), legend, _FAINT, small)


def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _panels(sample: Sample) -> tuple[dict[str, RGB], float]:
    """Scale what there is of a sample to the size of a panel; also return that scale."""
    flat = {
        name: _flat(array, sample.grid)
        for name in ("image", "prior", "labels")
        if (array := getattr(sample, name)) is not None
    }
    if not flat:
        return {}, 1.0
    step = _step(next(iter(flat.values())).shape[-2:])
    panels: dict[str, RGB] = {}
    if "image" in flat:
        panels["image"] = _image_panel(flat["image"], step)
    if "prior" in flat:
        stretched = sample.scene.prior.kind != "classes"  # a class has one grey in all samples
        panels["prior"] = _prior_panel(flat["prior"], step, stretched)
    if "labels" in flat:
        under = panels.get("image", panels.get("prior"))
        labels = _scaled_labels(flat["labels"], step)
        panels["labels"] = outlined(labels, under, thickness_px=max(1, round(1 / step / 3)))
    return panels, step


def _flat(array: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """Return a picture (c, y, x) or (y, x): of a volume, its middle plane and section."""
    if grid.ndim == 2:
        return array
    repeat = max(1, round(grid.spacing_um[0] / grid.spacing_um[-1]))
    plane = array[..., array.shape[-3] // 2, :, :]
    section = np.repeat(array[..., array.shape[-2] // 2, :], repeat, axis=-2)
    gap = np.zeros((*plane.shape[:-2], _SECTION_GAP, plane.shape[-1]), array.dtype)
    return np.concatenate([plane, gap, section], axis=-2)


def _image_panel(image: NDArray[Any], step: float) -> RGB:
    """Draw an image in greys, or its channels each in its own colour."""
    if image.ndim == 2:
        return _grey(_scaled(_stretched(image), step))
    return tinted(np.stack([_stretched(channel) for channel in image]), step)


def _prior_panel(prior: NDArray[np.uint8], step: float, stretched: bool) -> RGB:
    """Draw a prior in greys, or its channels each in its own colour."""
    if prior.ndim == 2:
        greys = _full_range(prior) if stretched else prior
        return _grey(_scaled(greys, step, extremes=True))
    return tinted(prior, step)


def tinted(picture: NDArray[np.uint8], step: float = 1.0) -> RGB:
    """Draw the channels (c, y, x) of a picture each in its own colour."""
    total = np.zeros((*_scaled(picture[0], step).shape, 3))
    for channel, colour in zip(picture, cycle(_TINTS)):
        total += _scaled(channel, step)[..., None] * np.array(colour)
    return np.asarray(np.clip(total, 0, 255), np.uint8)


def _step(shape: tuple[int, ...]) -> float:
    """Return pixels of the field per pixel of a panel: a whole number, or one over it."""
    longest = max(shape)
    if longest > PANEL_PX * 1.5:
        return float(ceil(longest / (PANEL_PX * 1.5)))
    return 1.0 / max(1, floor(PANEL_PX * 1.25 / longest))


def _scaled(array: NDArray[np.uint8], step: float, *, extremes: bool = False) -> RGB:
    """Repeat the pixels of (y, x) ``1 / step`` times, or merge blocks of ``step``."""
    if step <= 1:
        return np.asarray(np.kron(array, np.ones((round(1 / step),) * 2, np.uint8)))
    blocks = _blocks(array, int(step))
    if not extremes:
        return np.asarray(np.rint(blocks.mean(axis=-1)), np.uint8)
    usual = float(np.median(array))
    chosen = np.abs(blocks - usual).argmax(axis=-1)[..., None]
    return np.asarray(np.take_along_axis(blocks, chosen, axis=-1)[..., 0])


def _scaled_labels(labels: IntArray, step: float) -> IntArray:
    if step <= 1:
        return np.asarray(np.kron(labels, np.ones((round(1 / step),) * 2, np.int32)))
    size = int(step)
    return np.asarray(_blocks(labels, size)[..., (size // 2) * (size + 1)])


def _blocks(array: NDArray[Any], size: int) -> NDArray[Any]:
    """Cut (y, x) into square blocks: (y / size, x / size, size * size)."""
    short = [(0, -side % size) for side in array.shape]
    whole = np.pad(array, short, mode="edge")
    rows, columns = whole.shape[0] // size, whole.shape[1] // size
    cut = whole.reshape(rows, size, columns, size).swapaxes(1, 2)
    return cut.reshape(rows, columns, size * size)


def _stretched(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Spread the greys between the 0.2 % and 99.8 % quantiles over 8 bits."""
    low, high = np.percentile(image, [0.2, 99.8])
    return np.asarray(np.clip((image - low) * (255.0 / max(high - low, 1.0)), 0, 255), np.uint8)


def _full_range(prior: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Spread a prior over 8 bits; one that has a single grey stays as it is."""
    low, high = int(prior.min()), int(prior.max())
    return prior if high == low else np.asarray((prior - low) * (255.0 / (high - low)), np.uint8)


def _grey(array: NDArray[np.uint8]) -> RGB:
    return np.repeat(array[..., None], 3, axis=-1)


def outlined(labels: IntArray, under: RGB | None = None, thickness_px: int = 1) -> RGB:
    """Draw the rim of every label, inside it, in a colour of its own.

    Parameters
    ----------
    labels : IntArray
        Label image (y, x).
    under : uint8 array (y, x, 3), optional
        Picture to draw on; without it the labels are filled faintly.
    thickness_px : int
        Width of the rims.

    Returns
    -------
    uint8 array (y, x, 3)
    """
    colours = label_colours(int(labels.max(initial=0)))
    picture = (colours[labels] // 3) if under is None else (under // 4 * 3)
    rims = _rims(labels, thickness_px)
    picture[rims] = colours[labels[rims]]
    return np.asarray(picture, np.uint8)


def _rims(labels: IntArray, width: int) -> BoolArray:
    """Mark pixels of a label that lie within ``width`` of another label, or background."""
    padded = np.pad(labels, width, mode="edge")
    rows, columns = labels.shape
    rims = np.zeros(labels.shape, np.bool_)
    for step in range(1, width + 1):
        for y, x in ((-step, 0), (step, 0), (0, -step), (0, step)):
            side = padded[width + y : width + y + rows, width + x : width + x + columns]
            rims |= side != labels
    return np.asarray(rims & (labels > 0))


def label_colours(top: int) -> RGB:
    """Return a bright colour for every label from 0 (black) to ``top``.

    Hues advance by the golden ratio, so that labels with near numbers, which are
    often neighbours, look different; a label's colour never depends on the others.
    """
    numbers = np.arange(top + 1)
    hue = numbers * 0.618033988749895 % 1.0
    # Three plain ramps of the hue circle; the last part keeps blue from being dark.
    ramps = np.abs(hue[:, None] * 6.0 - np.array([3.0, 2.0, 4.0]))
    rgb = np.clip(np.stack([ramps[:, 0] - 1, 2 - ramps[:, 1], 2 - ramps[:, 2]], axis=1), 0, 1)
    value = np.where(numbers % 3 == 2, 0.85, 1.0)[:, None]
    colours = np.asarray((0.28 + 0.72 * rgb) * value * 255, np.uint8)
    colours[0] = 0
    return colours


def _scale_bar(picture: Image.Image, um_per_px: float) -> None:
    """Draw a bar of a round length, about a quarter of the width, at the lower right."""
    goal = picture.width * um_per_px / 4
    power = 10.0 ** floor(log10(goal))
    length_um = power * max(step for step in (1, 2, 5) if step * power <= goal)
    length_px = round(length_um / um_per_px)
    draw = ImageDraw.Draw(picture)
    right, bottom = picture.width - 12, picture.height - 12
    bar = [right - length_px, bottom - 4, right - 1, bottom - 1]
    draw.rectangle([bar[0] - 1, bar[1] - 1, bar[2] + 1, bar[3] + 1], fill=(0, 0, 0))
    draw.rectangle(bar, fill=(255, 255, 255))
    font = _font(15)
    width = draw.textlength(f"{length_um:g} um", font)
    left = max(min(right - length_px / 2 - width / 2, right - width), 4.0)
    _micrometres(draw, (round(left), bottom - 25), f"{length_um:g}", font)


def _micrometres(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], number: str, font: ImageFont.FreeTypeFont
) -> None:
    """Write a length in white on a dark rim; the font has no µ, so u gets its stem."""
    x, y = at
    stem_x = x + round(draw.textlength(f"{number} ", font)) + 1
    baseline = y + font.getmetrics()[0]
    stem = [stem_x, baseline - 3, stem_x + 1, baseline + 3]
    draw.rectangle([stem[0] - 1, stem[1], stem[2] + 1, stem[3] + 1], fill=(0, 0, 0))
    draw.text(at, f"{number} um", (255, 255, 255), font, stroke_width=2, stroke_fill=(0, 0, 0))
    draw.rectangle(stem, fill=(255, 255, 255))
