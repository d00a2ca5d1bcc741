"""Contact sheets of real and synthetic fields, as pictures that a page can hold."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from simcell.arrays import Image
from simcell.compare.comparison import Comparison
from simcell.compare.measured import Measured
from simcell.compare.patches import Patch, table
from simcell.io.preview import RGB, outlined

_FIELDS = 4
_PATCHES = 7
_LARGEST_PX = 420
_LONGEST_NAME = 26
_BRIGHT = 200.0  # grey level that the brighter source should reach
_NEEDED = 1.3


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Attributes
    ----------
    source : str
        PNG as a ``data:`` address.
    width, height : int
    caption : str
    """

    source: str
    width: int
    height: int
    caption: str


@dataclass(frozen=True)
class Strip:
    """A row of pictures with a heading; ``kind`` is "real" or "synthetic"."""

    heading: str
    kind: str
    pictures: list[Picture]


def brightening(found: Comparison) -> float:
    """Return by how much all pictures are brightened to be seen; 1 where there is no need."""
    tops = [
        float(np.median([m.grey.quantiles.y[-1] for m in source if m.grey is not None] or [0.0]))
        for source in (found.real, found.synthetic)
    ]
    factor = _BRIGHT / max(tops) if max(tops) > 0 else 1.0
    return round(factor, 1) if factor >= _NEEDED else 1.0


def whole_fields(found: Comparison) -> list[Strip]:
    """Show some fields of each source, cells outlined and centres dotted where known."""
    gain = brightening(found)
    return [
        Strip(name, kind, [_field(m, gain) for m in _some(source, _FIELDS)])
        for name, kind, source in (
            ("Real", "real", found.real),
            ("Synthetic", "synthetic", found.synthetic),
        )
    ]


def _some(source: Sequence[Measured], most: int) -> list[Measured]:
    keep = np.unique(np.linspace(0, len(source) - 1, min(most, len(source))).round())
    return [source[int(k)] for k in keep]


def _field(m: Measured, gain: float) -> Picture:
    canvas = _canvas(m, gain)
    size_y, size_x = m.field.size_um
    parts = [f"{size_y:.0f} × {size_x:.0f} µm"]
    if m.centres is not None:
        parts.append(f"{len(m.centres)} cells")
    return _picture(canvas, f"{_short(m.field.name)}: {', '.join(parts)}")


def _canvas(m: Measured, gain: float) -> RGB:
    """Draw a field: its image, the outlines of its cells, or else its centres."""
    shape = m.field.shape
    grey = np.zeros(shape, np.uint8) if m.field.image is None else _bytes(m.field.image, gain)
    canvas: RGB = np.repeat(grey[..., None], 3, axis=-1)
    if m.field.labels is not None and m.field.labels.any():
        left = canvas if m.field.image is not None else None
        drawn = outlined(m.field.labels, left)
        if m.field.image is None:
            return drawn
        half = shape[1] // 2
        # The left half as it is, the right half with outlines.
        return np.concatenate([canvas[:, :half], drawn[:, half:]], axis=1)
    if m.centres is not None:
        _dot(canvas, m)
    return canvas


def _dot(canvas: RGB, m: Measured) -> None:
    assert m.centres is not None
    rows = (m.centres / np.array(m.field.spacing_um)).astype(int)
    if m.field.image is not None:
        rows = rows[rows[:, 1] >= canvas.shape[1] // 2]
    for y, x in rows:
        cv2.circle(canvas, (int(x), int(y)), 1, (250, 190, 60), -1)


def _bytes(image: Image, gain: float = 1.0) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(image * np.float32(gain)), 0, 255), np.uint8)


def patch_strips(found: Comparison) -> list[Strip]:
    """Show real patches, below each the synthetic one most like it, and others as they come."""
    real, synthetic = found.patches
    if not real or not synthetic:
        return []
    chosen = [real[int(k)] for k in np.linspace(0, len(real) - 1, min(_PATCHES, len(real)))]
    near = _nearest(chosen, real, synthetic)
    gain = brightening(found)
    rest = np.linspace(0, len(synthetic) - 1, min(_PATCHES, len(synthetic)))
    usual = [synthetic[int(k)] for k in rest]
    return [
        Strip(heading, kind, [_patch(source, patch, gain) for patch in shown])
        for heading, kind, source, shown in (
            ("Real", "real", found.real, chosen),
            ("Synthetic, most like it", "synthetic", found.synthetic, near),
            ("Synthetic, as they come", "synthetic", found.synthetic, usual),
        )
    ]


def _nearest(chosen: list[Patch], real: list[Patch], synthetic: list[Patch]) -> list[Patch]:
    """Find for each patch the synthetic one with the most similar features, each once."""
    features, _ = table([*real, *synthetic])
    features = np.nan_to_num(features, nan=0.0)
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    rows = {id(patch): features[k] for k, patch in enumerate(real)}
    pool, left = features[len(real) :], list(range(len(synthetic)))
    found = []
    for patch in chosen:
        if not left:
            break
        distance = ((pool[left] - rows[id(patch)]) ** 2).sum(axis=1)
        found.append(synthetic[left.pop(int(distance.argmin()))])
    return found


def _patch(source: Sequence[Measured], patch: Patch, gain: float) -> Picture:
    m = source[patch.field]
    picture = m.field.image if m.field.image is not None else m.relief
    assert picture is not None
    cut = _bytes(picture[patch.y : patch.y + patch.side, patch.x : patch.x + patch.side], gain)
    return _picture(np.repeat(cut[..., None], 3, axis=-1), _short(m.field.name))


def _short(name: str) -> str:
    """Shorten a long name in its middle."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:14]}…{name[-9:]}"


def _picture(canvas: RGB, caption: str) -> Picture:
    longest = max(canvas.shape[:2])
    if longest > _LARGEST_PX:
        factor = _LARGEST_PX / longest
        size = (max(int(canvas.shape[1] * factor), 1), max(int(canvas.shape[0] * factor), 1))
        canvas = np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), np.uint8)
    content = BytesIO()
    Pillow.fromarray(np.ascontiguousarray(canvas)).save(content, "PNG", optimize=True)
    source = "data:image/png;base64," + base64.b64encode(content.getvalue()).decode("ascii")
    return Picture(source, canvas.shape[1], canvas.shape[0], caption)
