"""Arrays and their pixel sizes from the files that people have.

Rules: colours with equal channels are grey; other colours of an image become their
luminance, with a word about it, and of a label image are refused. Stacks are refused.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simcell.arrays import Image, IntArray
from simcell.errors import SimcellError
from simcell.pictures import SUFFIXES, decode

Say = Callable[[str], None]
Paths = str | Path | Sequence[str | Path]

PICTURES = (*SUFFIXES, ".jpg", ".jpeg", ".bmp")
_LUMINANCE = np.array([0.114, 0.587, 0.299])  # ITU-R BT.601, in OpenCV's order of colours
_DEPTHS = (8, 10, 12, 14, 16)
_PER_UM = {"um": 1.0, "µm": 1.0, "micron": 1.0, "microns": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4}


def listed(what: str, paths: Paths, suffixes: Sequence[str]) -> list[Path]:
    """List files by name: of folders all that end so, of patterns those that match.

    Raises
    ------
    SimcellError
        Where there is none, naming ``what`` was looked for.
    """
    many = [paths] if isinstance(paths, str | Path) else list(paths)
    found: dict[Path, None] = {}
    for one in many:
        found |= dict.fromkeys(_files(what, str(one), suffixes))
    if not found:
        msg = f"{what}: no file given; name a folder, files or a pattern"
        raise SimcellError(msg)
    return list(found)


def _files(what: str, path: str, suffixes: Sequence[str]) -> list[Path]:
    place = Path(path)
    if place.is_file():
        return [place]
    inside = sorted(place.iterdir()) if place.is_dir() else map(Path, sorted(glob.glob(path)))
    files = [
        file
        for file in inside
        if file.suffix.lower() in suffixes and not file.name.startswith(".") and file.is_file()
    ]
    if not files:
        there = "holds no file" if place.is_dir() else "no such file or folder, and no file"
        msg = f"{what} = {path!r}: {there} that ends in {', '.join(suffixes)}; name another"
        raise SimcellError(msg)
    return files


def _flat(what: str, path: Path) -> NDArray[Any]:
    """Read one plane (y, x), or colours (y, x, 3 or 4) in OpenCV's order."""
    try:
        array = decode(path)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        msg = f"{what}: {str(path)!r} cannot be read ({reason}); give {', '.join(PICTURES)}"
        raise SimcellError(msg) from error
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    colours = array.ndim == 3 and array.shape[2] in (3, 4)
    if min(array.shape, default=0) == 0 or not (array.ndim == 2 or colours):
        msg = f"{what}: {str(path)!r} has shape {array.shape}; one plane (y, x) is needed: save one"
        raise SimcellError(msg)
    if colours and path.suffix.lower() in {".tif", ".tiff", ".npy"}:
        array = array[..., [2, 1, 0]]
    return array[..., :3] if colours else array


def read_labels(path: Path, say: Say) -> IntArray:
    """Read a label image; labels are renumbered from 1 without gaps, in their order."""
    pixels = _flat("labels", path)
    if pixels.ndim == 3:
        if not (pixels == pixels[..., :1]).all():
            msg = (
                f"labels: {str(path)!r} holds colours; a label image holds one whole number a "
                "pixel, 0 = background: save it as such"
            )
            raise SimcellError(msg)
        pixels = pixels[..., 0]
    if pixels.dtype.kind == "f" and np.isfinite(pixels).all() and (pixels == np.rint(pixels)).all():
        pixels = pixels.astype(np.int64)
    if pixels.dtype.kind not in "bui" or int(pixels.min()) < 0:
        msg = (
            f"labels: {str(path)!r} holds {pixels.dtype} from {pixels.min():g}; labels are whole "
            "numbers from 0 (background) up: renumber them"
        )
        raise SimcellError(msg)
    return _renumbered(path, pixels, say)


def _renumbered(path: Path, pixels: NDArray[Any], say: Say) -> IntArray:
    numbers, place = np.unique(pixels, return_inverse=True)
    place = place.reshape(pixels.shape)
    if len(numbers) == 2 and numbers[0] == 0:
        found, pieces = cv2.connectedComponents((place > 0).astype(np.uint8), connectivity=4)
        place = np.asarray(pieces)
        if found > 2:
            say(
                f"{path.name}: one label for all cells; each of its {found - 1} connected pieces "
                "is taken as a cell (touching cells then count as one)"
            )
    elif numbers[0] != 0:
        place = place + 1
    elif numbers[-1] != len(numbers) - 1:
        say(f"{path.name}: labels have gaps; the {len(numbers) - 1} cells are renumbered")
    return np.ascontiguousarray(place, dtype=np.int32)


def read_pixels(path: Path, say: Say) -> NDArray[Any]:
    """Read a grey image (y, x) of the file's own type; colours become their luminance."""
    pixels = _flat("images", path)
    if pixels.ndim == 3:
        if not (pixels == pixels[..., :1]).all():
            say(f"{path.name}: colours; their luminance is taken as grey levels")
            pixels = np.asarray(pixels @ _LUMINANCE).astype(pixels.dtype)
        else:
            pixels = pixels[..., 0]
    if pixels.dtype.kind not in "buif" or not np.isfinite(pixels).all():
        msg = f"images: {str(path)!r} holds {pixels.dtype} with values that are no grey levels"
        raise SimcellError(f"{msg}; mend it")
    if pixels.min() == pixels.max():
        msg = f"images: {str(path)!r}: all pixels are {pixels.flat[0]:g}; leave it out"
        raise SimcellError(msg)
    return pixels


def on_one_scale(pictures: Sequence[NDArray[Any]], say: Say) -> list[Image]:
    """Bring images of one set to grey levels of 0 to 255, all by one factor.

    Bytes stay; of deeper whole numbers the depth of the camera is the smallest of 8,
    10, 12, 14 or 16 bits that holds the largest value; floats run to 1, to 255 or to
    the largest.
    """
    kinds = {picture.dtype for picture in pictures}
    if kinds <= {np.dtype(np.uint8), np.dtype(np.bool_)}:
        return [np.asarray(p, np.float32) for p in pictures]
    top = max(float(p.max()) for p in pictures)
    if all(kind.kind in "bui" for kind in kinds):
        bits = next((b for b in _DEPTHS if top < 2**b), 0)
        full = float(2**bits - 1) if bits else top
        say(f"images of {kinds.pop().name}: taken as {bits or 'more than 16'} bits, up to {full:g}")
    else:
        full = 1.0 if top <= 1.0 else 255.0 if top <= 255.0 else top
        say(f"images of float numbers: {full:g} is taken as the top of their range")
    low = min(0.0, *(float(p.min()) for p in pictures))
    if low < 0:
        say(f"images: values from {low:g}; that is taken as black")
    return [np.asarray((p - low) * (255.0 / (full - low)), np.float32) for p in pictures]


def stored_spacing(path: Path) -> tuple[float, float] | None:
    """Return the size of a pixel (y, x) in µm that a TIFF says it has, or None."""
    if path.suffix.lower() not in {".tif", ".tiff"}:
        return None
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            tags = file.pages.first.tags
            per = [tags[name].value for name in ("YResolution", "XResolution") if name in tags]
            unit = str((file.imagej_metadata or {}).get("unit", ""))
            code = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 1
    except Exception:
        return None  # what is no TIFF, `decode` complains of
    if len(per) != 2 or min(n for ratio in per for n in ratio) <= 0:
        return None
    unit = unit.encode().decode("unicode_escape") if "\\u" in unit else unit
    # Dots per inch are of printing; no microscope writes them.
    size = _PER_UM.get(unit.lower(), 1e4 if code == 3 else 0.0)
    sides = [size * ratio[1] / ratio[0] for ratio in per]
    return (sides[0], sides[1]) if size > 0 else None
