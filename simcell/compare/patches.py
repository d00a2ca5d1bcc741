"""Square patches of fields, and what a simple classifier sees of each.

Decision: patches are cut in pixels as they are, as a network would see them. A source
of another pixel size is therefore told apart, and should be.

Decision: outlines are looked at where all of a patch is annotated. Otherwise where annotation ends
tells real cells from simulated ones, however alike they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from simcell.arrays import BoolArray, FloatArray, Image, IntArray
from simcell.compare.classifier import Gap, two_sample
from simcell.compare.measured import Measured
from simcell.describe.grey import grey_of, summary
from simcell.describe.squares import SIDE_PX, corners, some
from simcell.rng import stream

Layer = Literal["image", "relief"]
_LEAST_PX = 24
_MOST = 8  # patches of one image
_MOST_ALL = 1600  # of one source
_STEPS = 8  # of the side of a patch, in which patches are looked for in what is annotated


@dataclass(frozen=True)
class Patch:
    """A square part of a field.

    Attributes
    ----------
    field : int
        Number of the field in its source.
    y, x, side : int
        First row and column, and side, in px.
    features : dict of str to float
    """

    field: int
    y: int
    x: int
    side: int
    features: dict[str, float]


def side_for(sources: Sequence[Sequence[Measured]]) -> int:
    """Return the side of patches: 64 px, or less where some field is smaller; 0 if too small."""
    side = min([SIDE_PX, *(min(m.field.shape) for source in sources for m in source)])
    return side if side >= _LEAST_PX else 0


def patches(source: Sequence[Measured], layer: Layer, side: int) -> list[Patch]:
    """Cut up to eight patches out of each field that has this layer, spread evenly."""
    most = min(_MOST, max(_MOST_ALL // max(len(source), 1), 1))
    found = []
    for number, m in enumerate(source):
        picture = m.field.image if layer == "image" else m.relief
        if picture is None:
            continue
        whole = layer == "image" or m.field.known.all()
        places = corners(picture.shape, side) if whole else _within(m.field.known, side)
        for y, x in some(places, most):
            cut = np.ascontiguousarray(picture[y : y + side, x : x + side])
            found.append(Patch(number, y, x, side, _features(cut)))
    return found


def _within(known: BoolArray, side: int) -> list[tuple[int, int]]:
    """Return corners of squares side by side, all of which is known."""
    sums = cv2.integral(known.astype(np.uint8))
    inside = sums[side:, side:] - sums[side:, :-side] - sums[:-side, side:] + sums[:-side, :-side]
    step = max(side // _STEPS, 1)
    free = inside[::step, ::step] == side * side
    apart = -(-side // step)
    chosen = []
    for row, column in np.argwhere(free):
        if free[row, column]:
            chosen.append((int(row) * step, int(column) * step))
            free[row : row + apart, max(column - apart + 1, 0) : column + apart] = False
    return chosen


def _features(picture: Image) -> dict[str, float]:
    return summary(grey_of(picture))


def gap(real: list[Patch], synthetic: list[Patch], seed: int, layer: Layer) -> Gap | None:
    """Test how well patches of two sources can be told apart; None where there are too few."""
    if not real or not synthetic:
        return None
    features, names = table([*real, *synthetic])
    source = np.repeat(np.array([0, 1], np.int32), [len(real), len(synthetic)])
    above = max(patch.field for patch in real) + 1
    image: IntArray = np.array(
        [p.field for p in real] + [above + p.field for p in synthetic], np.int32
    )
    return two_sample(features, source, image, names, stream(seed, 0, f"compare.{layer}"))


def table(rows: list[Patch]) -> tuple[FloatArray, list[str]]:
    """Return features (n, k) and their names."""
    names = list(rows[0].features)
    return np.array([[row.features[name] for name in names] for row in rows]), names
