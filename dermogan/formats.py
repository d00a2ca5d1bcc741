"""Files and folders that hold images: their pixels, the names of their axes, the size of a pixel.

Axes are named by letters: Y, X, S (colours), C (channels), others a stack.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from simcell import SimcellError

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".npy")
KINDS = f"{', '.join(SUFFIXES)} or Zarr"
"""What can be read, in words."""
_ZARR = ("zarr.json", ".zarray", ".zgroup")
Spacing = tuple[float, float]
Key = tuple[int | slice, ...]

UM = {
    "angstrom": 1e-4, "Å": 1e-4,
    "nanometer": 1e-3, "nm": 1e-3,
    "micrometer": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0,
    "\\u00B5m": 1.0,
    "millimeter": 1e3, "mm": 1e3,
    "centimeter": 1e4, "cm": 1e4,
    "meter": 1e6, "m": 1e6,
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """An array that lies in a file, and is perhaps not read yet.

    Attributes
    ----------
    shape : tuple of int
    axes : str
        A letter for each; those of length 1 that are not Y or X are left out.
    dtype : dtype
    spacing_um : tuple of float, optional
        Size of a pixel (y, x), where the file says it.
    read : callable
        Returns a part of it, from indices and slices.
    """

    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype[Any]
    spacing_um: Spacing | None
    read: Callable[[Key], NDArray[Any]]


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a Zarr array or group."""
    return any((path / name).is_file() for name in _ZARR)


def stored(path: Path, page: int | None) -> Stored:
    """Open an image; ``page`` counts where a TIFF has pages of different sizes.

    Raises
    ------
    SimcellError
        Naming the file: missing, of another kind, damaged, not of numbers.
    """
    suffix, zarr = path.suffix.lower(), is_zarr(path)
    if not zarr and suffix not in (*SUFFIXES, ".zarr"):
        msg = f"{path}: is no image that can be read; {KINDS} is"
        raise SimcellError(msg)
    if not zarr and not path.is_file():
        msg = f"{path}: no such file"
        raise SimcellError(msg)
    try:
        if zarr:
            found = _zarr(path)
        else:
            found = _tiff(path, page) if suffix in {".tif", ".tiff"} else _flat(path)
    except SimcellError:
        raise
    except Exception as error:  # libraries raise what they like on damaged files
        raise damaged(path, error) from error
    if found.dtype.kind not in "biuf":
        msg = f"{path}: holds {found.dtype}; numbers are needed"
        raise SimcellError(msg)
    return _squeezed(found)


def damaged(path: Path, error: Exception) -> SimcellError:
    """Return what is said of a file that a library cannot read."""
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return SimcellError(f"{path}: cannot be read ({reason}); is it whole?")


def no_page(path: Path, count: int, page: int | None) -> SimcellError:
    """Return what is said where a page must be chosen."""
    asked = "" if page is None else f" no --page {page}:"
    return SimcellError(f"{path}:{asked} has {count} pages; name one by --page, 0 to {count - 1}")


def _held(array: NDArray[Any], axes: str, spacing_um: Spacing | None = None) -> Stored:
    return Stored(array.shape, axes, array.dtype, spacing_um, array.__getitem__)


def _squeezed(found: Stored) -> Stored:
    """Leave out axes of length 1."""
    kept = [n > 1 or name in "YX" for n, name in zip(found.shape, found.axes, strict=True)]
    if all(kept):
        return found

    def read(key: Key) -> NDArray[Any]:
        given = iter(key)
        return found.read(tuple(next(given) if keep else 0 for keep in kept))

    shape = tuple(n for n, keep in zip(found.shape, kept, strict=True) if keep)
    axes = "".join(name for name, keep in zip(found.axes, kept, strict=True) if keep)
    return Stored(shape, axes, found.dtype, found.spacing_um, read)


# TIFF


def _tiff(path: Path, page: int | None) -> Stored:
    with tifffile.TiffFile(path) as file:
        count = len(file.series)  # more than one: pages of different sizes
        if count > 1 and (page is None or page >= count):
            raise no_page(path, count, page)
        at = page or 0 if count > 1 else 0
        series = file.series[at]
        array, axes, spacing = series.asarray(), series.axes, _tiff_spacing(file, at)
    if count > 1:  # chosen already, in the manner of a stack
        array, axes = np.broadcast_to(array, (count, *array.shape)), "Q" + axes
    return _held(array, axes, spacing)


def _tiff_spacing(file: tifffile.TiffFile, series: int) -> Spacing | None:
    """Return the size of a pixel as OME, ImageJ or the tags of the first page have it.

    Dots per inch are left aside: programs write 72 or 96 of them and mean nothing by it.
    """
    if file.ome_metadata:
        return _ome_spacing(file.ome_metadata, series)
    tags = file.pages[0].tags  # type: ignore[union-attr, unused-ignore]
    unit = tags["ResolutionUnit"].value if "ResolutionUnit" in tags else 2
    scale = UM.get(str((file.imagej_metadata or {}).get("unit")))
    if scale is None:
        scale = 1e4 if unit == 3 else None
    if scale is None or "XResolution" not in tags or "YResolution" not in tags:
        return None
    sides = [tags[name].value for name in ("YResolution", "XResolution")]
    if any(pixels == 0 or length == 0 for pixels, length in sides):
        return None
    return _sane([scale * length / pixels for pixels, length in sides])


def _ome_spacing(text: str, series: int) -> Spacing | None:
    every = [node for node in ElementTree.fromstring(text).iter() if node.tag.endswith("}Pixels")]
    if not every:
        return None
    pixels = every[min(series, len(every) - 1)].attrib
    sides = []
    for axis in "YX":
        scale = UM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        size = pixels.get(f"PhysicalSize{axis}")
        if scale is None or size is None:
            return None
        sides.append(scale * float(size))
    return _sane(sides)


def _sane(sides: list[float]) -> Spacing | None:
    y, x = sides
    return (y, x) if np.isfinite(sides).all() and min(sides) > 0 else None


# PNG, JPEG, BMP, NumPy


def _flat(path: Path) -> Stored:
    if path.suffix.lower() == ".npy":
        array = np.load(path, allow_pickle=False)
    else:
        # By bytes: OpenCV cannot open names with letters beyond ASCII everywhere.
        found = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if found is None:
            msg = "damaged, or of another kind than its name says"
            raise ValueError(msg)
        array = np.asarray(found)
        if array.ndim == 3:  # OpenCV's order is blue, green, red
            array = array[..., [2, 1, 0, *range(3, array.shape[2])]]
    return _held(array, _guessed(array.shape))


def _guessed(shape: tuple[int, ...]) -> str:
    """Name axes that a file does not name."""
    if len(shape) == 3 and shape[2] in {1, 3, 4}:
        return "YXS"
    return ("Q" * len(shape))[2:] + "YX"


# Zarr


def _zarr(path: Path) -> Stored:
    """Open a Zarr array, or the finest level of an OME-Zarr image."""
    import zarr

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        names = getattr(node.metadata, "dimension_names", None)
        axes = _letters(names) if names and None not in names else ""
        return _opened(node, axes or _guessed(node.shape), None)
    attributes: dict[str, Any] = node.attrs.asdict()
    images = attributes.get("ome", attributes).get("multiscales")
    if not images:
        held = ", ".join(sorted(name for name, _ in node.members())[:6]) or "nothing"
        msg = f"{path}: is a Zarr group, no image; name what is in it: {held}"
        raise SimcellError(msg)
    image, level = images[0], images[0]["datasets"][0]
    array = node[level["path"]]
    assert isinstance(array, zarr.Array)
    named = image.get("axes", "tczyx"[-array.ndim :])
    every = [{"name": axis} if isinstance(axis, str) else axis for axis in named]
    names = [axis["name"] for axis in every]
    scale = np.multiply(_scale(level, array.ndim), _scale(image, array.ndim))
    um = [UM.get(str(axis.get("unit")), np.nan) for axis in every]
    sides = [float(um[k] * scale[k]) for k in (names.index("y"), names.index("x"))]
    return _opened(array, _letters(names), _sane(sides))


def _letters(names: Any) -> str:  # noqa: ANN401 - whatever a file has
    """Turn names of axes into letters; what is no letter is a stack."""
    known = "".join(n.upper() if n.lower() in {"c", "y", "x"} else "Q" for n in map(str, names))
    return known if known.count("Y") == known.count("X") == 1 else ""


def _scale(node: dict[str, Any], ndim: int) -> list[float]:
    for step in node.get("coordinateTransformations", ()):
        if step.get("type") == "scale":
            return [float(value) for value in step["scale"]]
    return [1.0] * ndim


def _opened(array: Any, axes: str, spacing_um: Spacing | None) -> Stored:  # noqa: ANN401 - a zarr.Array
    return Stored(
        array.shape, axes, np.dtype(array.dtype), spacing_um, lambda key: np.asarray(array[key])
    )


def label_image(path: Path) -> Path:
    """Return where the labels of an OME-Zarr image are, or the path itself.

    Of several, those named cells or labels are taken, else the first.
    """
    listing = path / "labels" / "zarr.json"
    older = path / "labels" / ".zattrs"
    if listing.is_file():
        attributes = json.loads(listing.read_text("utf-8")).get("attributes", {})
        names = attributes.get("ome", attributes).get("labels", [])
    elif older.is_file():
        names = json.loads(older.read_text("utf-8")).get("labels", [])
    else:
        return path
    chosen = next((name for name in ("cells", "labels") if name in names), None)
    chosen = chosen or next(iter(names), None)
    return path / "labels" / chosen if chosen else path
