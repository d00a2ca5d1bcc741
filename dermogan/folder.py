"""A folder of the user's own images as a domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dermogan.domains import FolderSource
from dermogan.errors import DermoganError
from dermogan.filters import FloatImage, Normaliser
from dermogan.formats import KINDS
from dermogan.images import image_files, read_picture
from dermogan.simulated import corner_of
from simcell import SimcellError


class Folder:
    """Images in memory, as they lie on disk; patches are cut uniformly over all their pixels.

    A patch is normalised within its surroundings, so that it has the values that the
    normalised whole image has there.

    Parameters
    ----------
    source : FolderSource
    normalise : Normaliser
    sides : tuple of int
        Smallest and largest side of the squares that will be cut.
    """

    def __init__(
        self, source: FolderSource, normalise: Normaliser, sides: tuple[int, int] = (1, 1)
    ) -> None:
        self.notes: list[str] = []
        self._normalise, self._where = normalise, source.path
        found = _files(Path(source.path))
        self._images: list[NDArray[Any]] = []
        for file in found:
            try:
                self._images.append(_usable(file, source, sides[0]))
            except SimcellError as error:
                if source.bad == "refuse":
                    msg = f"{error}; or remove it, or set bad: skip"
                    raise DermoganError(msg) from None
                self.notes.append(f"skipped {error}")
        if not self._images:
            msg = f"{source.path}: none of {len(found)} images can be used; {self.notes[0]}"
            raise DermoganError(msg)
        widest = max(min(image.shape) for image in self._images)
        if widest < sides[1]:
            msg = (
                f"{source.path}: no image is wider than {widest} px, patches are up to {sides[1]} "
                "px (data.patch_px over data.augment.scale_low); use smaller patches"
            )
            raise DermoganError(msg)
        self._spreads = [float(image.std(dtype=np.float64)) for image in self._images]

    def cut(self, rng: Generator, number: int, side: int) -> tuple[FloatImage, None]:  # noqa: ARG002 - of other sources
        """Cut a normalised square out of a random image."""
        areas = [max(0, min(i.shape) - side + 1) * i.size for i in self._images]
        at = int(np.searchsorted(np.cumsum(areas), rng.integers(sum(areas)), side="right"))
        image, reach = self._images[at], self._normalise.reach_px
        corner = corner_of(rng, image.shape, side, self._where)
        around = tuple(
            slice(max(c - reach, 0), min(c + side + reach, n))
            for c, n in zip(corner, image.shape, strict=True)
        )
        window = self._normalise(image[around].astype(np.float32), self._spreads[at])
        inside = tuple(
            slice(c - s.start, c - s.start + side) for c, s in zip(corner, around, strict=True)
        )
        return window[inside], None


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        msg = f"{folder}: no such folder; give the folder of your images"
        raise DermoganError(msg)
    found = image_files(folder, deep=True)
    if not found:
        msg = f"{folder}: no images; needs {KINDS} files"
        raise DermoganError(msg)
    return found


def _usable(file: Path, source: FolderSource, side: int) -> NDArray[Any]:
    """Read one image; refuse one that no patch can be cut from."""
    image = read_picture(file, channel=source.channel, page=source.page).pixels
    if min(image.shape) < side:
        msg = f"{file}: {image.shape[0]} x {image.shape[1]} px, smaller than patches of {side} px"
        raise DermoganError(msg)
    return image.astype(np.float32) if image.dtype == np.float64 else image
