"""A folder of the user's own images as a domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dermogan.errors import DermoganError
from dermogan.filters import FloatImage, local_normalise, reach_px
from dermogan.recipe import FolderSource
from dermogan.simulated import as_grey, corner_of

_SUFFIXES = {".tif", ".tiff", ".png"}


class Folder:
    """Images in memory, as they lie on disk; patches are cut uniformly over all their pixels.

    A patch is normalised within its surroundings, so that it has the values that the
    normalised whole image has there.
    """

    def __init__(self, source: FolderSource, normalise_px: float) -> None:
        self.notes: list[str] = []
        self._normalise_px, self._where = normalise_px, source.path
        found = _files(Path(source.path))
        self._images: list[NDArray[Any]] = []
        for file in found:
            try:
                self._images.append(read_image(file))
            except DermoganError as error:
                if source.bad == "refuse":
                    msg = f"{error}; mend or remove it, or set bad: skip"
                    raise DermoganError(msg) from None
                self.notes.append(f"skipped {error}")
        if not self._images:
            msg = f"{source.path}: none of {len(found)} images can be used; {self.notes[0]}"
            raise DermoganError(msg)
        self._spreads = [float(as_grey(image).std()) for image in self._images]
        self._names = [str(file) for file in found]

    def cut(self, rng: Generator, number: int, side: int) -> tuple[FloatImage, None]:  # noqa: ARG002 - of other sources
        """Cut a normalised square out of a random image."""
        areas = [
            max(0, min(i.shape[:2]) - side + 1) * i.shape[0] * i.shape[1] for i in self._images
        ]
        total = sum(areas)
        if not total:
            largest = max(min(i.shape[:2]) for i in self._images)
            msg = (
                f"{self._where}: the largest image is {largest} px wide, patches are {side} px "
                "(data.patch_px over the magnification); use smaller patches"
            )
            raise DermoganError(msg)
        at = int(np.searchsorted(np.cumsum(areas), rng.integers(total), side="right"))
        image, reach = self._images[at], reach_px(self._normalise_px)
        corner = corner_of(rng, image.shape[:2], side, self._where)
        around = tuple(
            slice(max(c - reach, 0), min(c + side + reach, n))
            for c, n in zip(corner, image.shape[:2], strict=True)
        )
        window = local_normalise(as_grey(image[around]), self._normalise_px, self._spreads[at])
        inside = tuple(
            slice(c - s.start, c - s.start + side) for c, s in zip(corner, around, strict=True)
        )
        return window[inside], None


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        msg = f"{folder}: no such folder; give the folder of your images"
        raise DermoganError(msg)
    found = sorted(f for f in folder.rglob("*") if f.suffix.lower() in _SUFFIXES and f.is_file())
    if not found:
        msg = f"{folder}: no images; needs PNG or TIFF files"
        raise DermoganError(msg)
    return found


def read_image(file: Path) -> NDArray[Any]:
    """Read one flat image (y, x) or (y, x, colours) of any type; refuse what has no contents.

    Raises
    ------
    DermoganError
        Naming the file: not readable, not flat, not finite, or the same everywhere.
    """
    import tifffile
    from PIL import Image

    try:
        if file.suffix.lower() == ".png":
            with Image.open(file) as opened:
                coloured = opened.mode in {"P", "LA", "PA"}
                image = np.asarray(opened.convert("RGB") if coloured else opened)
        else:
            image = np.asarray(tifffile.imread(file)).squeeze()
    except Exception as error:  # libraries raise what they like on damaged files
        why = " ".join(str(error).split())[:100] or type(error).__name__
        msg = f"{file}: cannot be read ({why})"
        raise DermoganError(msg) from None
    why = _unusable(image)
    if why:
        msg = f"{file}: {why}"
        raise DermoganError(msg)
    return image


def _unusable(image: NDArray[Any]) -> str:
    flat = image.ndim == 2 or (image.ndim == 3 and image.shape[-1] in (3, 4))
    if not flat or image.dtype.kind not in "buif":
        return f"has shape {image.shape} of {image.dtype}; needs one flat image"
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        return "has NaN or infinite pixels"
    if image.size == 0 or image.min() == image.max():
        return "is the same everywhere"
    return ""
