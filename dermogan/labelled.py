"""Images that somebody annotated, as pairs of image and mask of whole cells.

Decision: what is learnt is one mask of all cells, as everywhere here; where cells touch, a gap
is left between them, or nothing could tell them apart again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dermogan.domains import LabelledSource
from dermogan.errors import DermoganError
from dermogan.filters import FloatImage, Normaliser
from dermogan.images import image_files, name_of, read_image, read_labels
from dermogan.simulated import corner_of


class Labelled:
    """Annotated images in memory, normalised: five bytes a pixel.

    Parameters
    ----------
    source : LabelledSource
    normalise : Normaliser
    side : int
        Largest side of the squares that will be cut.
    """

    notes: Sequence[str] = ()
    kind: Literal["filled"] = "filled"
    classes = 0

    def __init__(self, source: LabelledSource, normalise: Normaliser, side: int = 1) -> None:
        self._where, self._pairs = source.path, list[tuple[FloatImage, NDArray[np.bool_]]]()
        self._areas: list[NDArray[np.int64]] = []
        for image, mask in files_of(source):
            picture, labels = read_image(image), read_labels(mask)
            if labels.shape != picture.shape:
                msg = f"{mask}: has {labels.shape} pixels, its image {picture.shape}; mend one"
                raise DermoganError(msg)
            if min(labels.shape) < side:
                msg = f"{image}: {labels.shape[0]} x {labels.shape[1]} px, smaller than {side} px"
                raise DermoganError(f"{msg} (data.patch_px over the magnification); leave it out")
            self._pairs.append((normalise(picture), filled(labels, source.gap_px)))
            self._areas.append(np.unique(labels[labels > 0], return_counts=True)[1])

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._pairs)

    def held(self, index: int) -> tuple[FloatImage, FloatImage, list[float]]:
        """Return an image, its mask in 0..1, and the diameters of its cells in pixels."""
        if index >= len(self):
            msg = f"{self._where}: {len(self)} images, {index + 1} needed; lower validation.count"
            raise DermoganError(msg)
        image, mask = self._pairs[index]
        return image, mask.astype(np.float32), np.sqrt(4 / np.pi * self._areas[index]).tolist()

    def cut(self, rng: Generator, number: int, side: int) -> tuple[FloatImage, FloatImage]:
        """Cut a square out of an image; every image comes as often as any other."""
        del number
        image, mask = self._pairs[int(rng.integers(len(self)))]
        at = tuple(slice(c, c + side) for c in corner_of(rng, image.shape, side, self._where))
        return image[at], mask[at].astype(np.float32)


def files_of(source: LabelledSource) -> list[tuple[Path, Path]]:
    """Return the files of images and masks, by name."""
    folder = Path(source.path)
    for inner in ("images", "masks"):
        if not (folder / inner).is_dir():
            msg = f"{folder}: has no folder {inner}; it needs images/ and masks/, by the same names"
            raise DermoganError(msg)
    images, masks = (
        {name_of(path): path for path in image_files(folder / inner)}
        for inner in ("images", "masks")
    )
    names = sorted(images.keys() & masks.keys()) if source.names is None else source.names
    lost = next((name for name in names if name not in images or name not in masks), None)
    if lost is not None or not names:
        which = "no image" if lost is None else f"{lost}: no image and mask"
        msg = f"{folder}: {which} of that name in images/ and masks/; name others"
        raise DermoganError(msg)
    return [(images[name], masks[name]) for name in names]


def filled(labels: NDArray[Any], gap_px: int) -> NDArray[np.bool_]:
    """Return where cells are, but for pixels so near to another cell.

    Examples
    --------
    >>> filled(np.array([[1, 1, 1, 2, 2, 0, 3]]), 1).astype(int).tolist()
    [[1, 1, 0, 0, 1, 0, 1]]
    """
    inside = labels > 0
    if gap_px == 0:
        return inside
    _, small = np.unique(labels, return_inverse=True)  # within what a float holds
    numbers = small.reshape(labels.shape).astype(np.float32)
    none = np.float32(numbers.max() + 1)
    kernel = np.ones((2 * gap_px + 1, 2 * gap_px + 1), np.uint8)
    highest = cv2.dilate(numbers, kernel, borderType=cv2.BORDER_REPLICATE)
    lowest = cv2.erode(np.where(inside, numbers, none), kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(inside & (highest == numbers) & (lowest == numbers), bool)
