"""Whether tissue ends within the image, or only its annotation does."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from simcell.arrays import FloatArray
from simcell.describe.field import Field
from simcell.fit.estimate import Estimate
from simcell.fit.ranges import drawn_within
from simcell.preset import Preset

_ALL = 0.97  # share of the field that counts as all of it
_ALIKE = 0.6  # ratio of textures, and 1 / it, within which tissue goes on
_RIM_PX = 4  # next to the tissue's edge nothing is compared


def island(fields: Sequence[Field], like: Preset) -> list[Estimate]:
    """Estimate the share of the field that is tissue, where the data can tell it.

    Beyond the cells, an image that goes on as rough and as bright as within them shows
    tissue that was not annotated.
    """
    shares = np.array([float(field.known.mean()) for field in fields])
    if shares.mean() >= _ALL:
        how = f"cells cover {shares.mean():.0%} of the images"
        return _whole(like, how)
    kind = like.base.region.kind
    ratios = np.array([r for f in fields if f.image is not None for r in [_texture(f)] if r > 0])
    if len(ratios) == 0:
        how = "labels do not tell where tissue ends from where annotation does"
        return [Estimate("region.kind", kind, how=how, status="unidentified")]
    ratio = float(np.exp(np.log(ratios).mean()))
    said = f"beyond the cells images are {ratio:.2f} times as rough as within"
    if ratio > _ALIKE:
        return _whole(like, f"{said}: annotation ends there, tissue does not")
    least, most = float(shares.min()), float(shares.max())
    spread = 1.645 * float(shares.std()) / len(shares) ** 0.5 + 0.02
    low, high = max(shares.mean() - spread, 0.02), min(shares.mean() + spread, 1.0)
    vary = drawn_within(max(min(least, low) - 0.05, 0.02), min(max(most, high) + 0.05, 1.0))
    return [
        Estimate("region.kind", "bezier", how=f"{said}: tissue ends there"),
        Estimate("region.coverage", float(shares.mean()), float(low), float(high), vary, said),
    ]


def _whole(like: Preset, how: str) -> list[Estimate]:
    del like
    return [Estimate("region.kind", "full", how=how)]


def _texture(field: Field) -> float:
    """Roughness of the image beyond the annotated area over that within; 0 where unknown."""
    assert field.image is not None
    image = field.image
    fine = np.abs(image - cv2.GaussianBlur(image, (0, 0), 3.0))
    known = field.known.astype(np.uint8)
    disc = np.ones((2 * _RIM_PX + 1, 2 * _RIM_PX + 1), np.uint8)
    within, beyond = cv2.erode(known, disc) > 0, cv2.dilate(known, disc) == 0
    if min(int(within.sum()), int(beyond.sum())) < 100:
        return 0.0
    levels: FloatArray = np.array([fine[beyond].mean(), fine[within].mean()], np.float64)
    return float((levels[0] + 1e-6) / (levels[1] + 1e-6))
