"""Conventional augmentations: a random half of nine changes, in random order.

After Zargari et al., iScience 27, 109740 (2024), whose list has saturation as a tenth: grey
images have none. Ranges are chosen by eye; images lie in -1..1, before and after.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from dermogan.filters import FloatImage

_MOST_CROPPED = 0.3  # of a side
_Change = Callable[[FloatImage, Generator], FloatImage]


def conventional(
    image: FloatImage, mask: FloatImage | None, rng: Generator
) -> tuple[FloatImage, FloatImage | None]:
    """Change an image and, where it is moved, its mask too.

    Parameters
    ----------
    image : float32 array (y, x)
        In -1..1.
    mask : float32 array (y, x), optional
        In 0..1.
    rng : Generator
    """
    names = [name for name in (*_MOVES, *_LOOKS) if rng.random() < 0.5]
    for name in rng.permutation(names):
        if name in _LOOKS:
            image = np.clip(_LOOKS[name](image, rng), -1, 1).astype(np.float32)
            continue
        both = np.stack([image] if mask is None else [image, mask])
        both = np.ascontiguousarray(_MOVES[name](both, rng))
        image, mask = both[0], None if mask is None else both[1]
    return image, mask


def _cropped(both: FloatImage, rng: Generator) -> FloatImage:
    sides = np.array(both.shape[1:])
    kept = np.maximum(np.rint(sides * rng.uniform(1 - _MOST_CROPPED, 1)).astype(int), 1)
    y, x = (int(rng.integers(s - k + 1)) for s, k in zip(sides, kept, strict=True))
    size = (int(sides[1]), int(sides[0]))
    return np.stack([cv2.resize(one[y : y + kept[0], x : x + kept[1]], size) for one in both])


def _equalised(image: FloatImage, rng: Generator) -> FloatImage:
    del rng
    flat = cv2.equalizeHist(np.rint((image + 1) * 127.5).astype(np.uint8))
    return np.asarray(flat / np.float32(127.5) - 1, np.float32)


def _sharpened(image: FloatImage, rng: Generator) -> FloatImage:
    """Blend with a blurred image, by 0 to 2 as the usual sharpness has it; 1 leaves it."""
    soft = cv2.GaussianBlur(image, (0, 0), 1.0, borderType=cv2.BORDER_REFLECT)
    return soft + np.float32(rng.uniform(0, 2)) * (image - soft)


def _noisy(image: FloatImage, rng: Generator) -> FloatImage:
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    return image + np.float32(rng.uniform(0, 0.1)) * grain


def _blurred(image: FloatImage, rng: Generator) -> FloatImage:
    width = rng.uniform(0.3, 1.5)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), width, borderType=cv2.BORDER_REFLECT))


_MOVES: dict[str, _Change] = {
    "crop": _cropped,
    "left_right": lambda both, _: both[:, :, ::-1],
    "up_down": lambda both, _: both[:, ::-1],
}
_LOOKS: dict[str, _Change] = {
    "equalise": _equalised,
    "sharpness": _sharpened,
    "brightness": lambda image, rng: image + np.float32(rng.uniform(-0.2, 0.2)),
    "contrast": lambda image, rng: image * np.float32(rng.uniform(0.6, 1.4)),
    "noise": _noisy,
    "blur": _blurred,
}
