"""Read images and label images as people have them, and write label images.

What counts as an image: one flat grey picture of numbers. Rules for the rest:

- Colours (y, x, 3 or 4): grey = 0.299 R + 0.587 G + 0.114 B; transparency is ignored. One channel
  of them, or of a (channels, y, x) TIFF, by ``channel``.
- Several pages, slices or times: refused, as nobody could say which was meant, unless
  ``page`` names one, from 0.
- NaN, infinities, nothing but one value: refused, with the reason.

Grey values are not scaled: models normalise by themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from simcell import SimcellError

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".npy")
_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_BIG_TIFF = 2**31


def read_image(
    path: Path, *, channel: int | None = None, page: int | None = None
) -> NDArray[np.float32]:
    """Read an image (y, x) as float32.

    Parameters
    ----------
    path : Path
        TIFF, PNG, JPEG, BMP or NumPy file of any numeric type.
    channel : int, optional
        Channel to take, from 0; by default colours are mixed to grey.
    page : int, optional
        Page of a stack to take, from 0.

    Raises
    ------
    SimcellError
        With the file's name and the reason.
    """
    array, axes = _load(path, page)
    array, axes = _one_page(path, array, axes, page)
    image = _one_channel(path, array, axes, channel).astype(np.float32)
    if image.size == 0:
        msg = f"{path}: has no pixels"
        raise SimcellError(msg)
    if not np.isfinite(image).all():
        bad = np.count_nonzero(~np.isfinite(image))
        msg = f"{path}: {bad} of {image.size} pixels are NaN or infinite; mend them first"
        raise SimcellError(msg)
    if image.min() == image.max():
        msg = f"{path}: all pixels are {image.flat[0]:g}; there is nothing to see"
        raise SimcellError(msg)
    return image


def read_labels(path: Path) -> NDArray[Any]:
    """Read a label image (y, x) of integers; floats are taken where they are whole numbers."""
    array, axes = _load(path, None)
    array, axes = _one_page(path, array, axes, None)
    if "S" in axes and (array == array[..., :1]).all():
        array, axes = array[..., 0], axes[:2]
    if array.ndim != 2:
        msg = f"{path}: has shape {array.shape}; a label image is (y, x), or grey"
        raise SimcellError(msg)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.rint(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub" or (array.dtype.kind == "i" and array.min(initial=0) < 0):
        msg = f"{path}: has {array.dtype} values that are no labels; labels are 0, 1, 2 …"
        raise SimcellError(msg)
    return array.astype(np.uint8) if array.dtype.kind == "b" else array


def _load(path: Path, page: int | None) -> tuple[NDArray[Any], str]:
    """Return an array and the names of its axes: Y, X, S or C (channels), others a stack."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"{path}: is no image that can be read; one of {', '.join(SUFFIXES)} is"
        raise SimcellError(msg)
    if not path.is_file():
        msg = f"{path}: no such file"
        raise SimcellError(msg)
    try:
        array, axes = _read_tiff(path, page) if suffix in {".tif", ".tiff"} else _read_flat(path)
    except SimcellError:
        raise
    except Exception as error:  # libraries raise what they like on damaged files
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        msg = f"{path}: cannot be read ({reason}); is it whole?"
        raise SimcellError(msg) from error
    if array.dtype.kind not in "biuf":
        msg = f"{path}: holds {array.dtype}; numbers are needed"
        raise SimcellError(msg)
    return array, axes


def _read_tiff(path: Path, page: int | None) -> tuple[NDArray[Any], str]:
    with tifffile.TiffFile(path) as file:
        count = len(file.series)  # more than one: pages of different sizes
        if count > 1 and (page is None or page >= count):
            raise _no_page(path, count, page)
        series = file.series[page or 0 if count > 1 else 0]
        array, axes = series.asarray(), series.axes
        if count > 1:  # chosen already, in the manner of a stack
            array, axes = np.broadcast_to(array, (count, *array.shape)), "Q" + axes
    kept = tuple(n > 1 or name in "YX" for n, name in zip(array.shape, axes, strict=True))
    axes = "".join(name for name, keep in zip(axes, kept, strict=True) if keep)
    return array.reshape([n for n, keep in zip(array.shape, kept, strict=True) if keep]), axes


def _read_flat(path: Path) -> tuple[NDArray[Any], str]:
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
    if array.ndim == 3 and array.shape[2] in {1, 3, 4}:
        return (array[..., 0], "YX") if array.shape[2] == 1 else (array, "YXS")
    return array, ("Q" * array.ndim)[2:] + "YX"


def _one_page(
    path: Path, array: NDArray[Any], axes: str, page: int | None
) -> tuple[NDArray[Any], str]:
    """Take one page of a stack."""
    stacked = [k for k, name in enumerate(axes) if name not in "YXSC"]
    if not stacked:
        if page:
            msg = f"{path}: has one page; there is no --page {page}"
            raise SimcellError(msg)
        return array, axes
    array = np.moveaxis(array, stacked, range(len(stacked)))
    axes = "".join(name for name in axes if name in "YXSC")
    pages = array.reshape(-1, *array.shape[len(stacked) :])
    if page is None or page >= len(pages):
        raise _no_page(path, len(pages), page)
    return pages[page], axes


def _no_page(path: Path, count: int, page: int | None) -> SimcellError:
    asked = "" if page is None else f" no --page {page}:"
    return SimcellError(f"{path}:{asked} has {count} pages; name one by --page, 0 to {count - 1}")


def _one_channel(path: Path, array: NDArray[Any], axes: str, channel: int | None) -> NDArray[Any]:
    """Take one channel, or mix colours to grey."""
    if array.ndim == 2:
        if channel:
            msg = f"{path}: has one channel; there is no --channel {channel}"
            raise SimcellError(msg)
        return array
    if array.ndim != 3:
        msg = f"{path}: has shape {array.shape} ({axes}); an image is (y, x), or has channels"
        raise SimcellError(msg)
    at = next((k for k, name in enumerate(axes) if name in "SC"), 0)
    layers = np.moveaxis(array, at, -1)
    count = layers.shape[-1]
    if channel is not None and channel < count:
        return np.asarray(layers[..., channel])
    if channel is not None or "S" not in axes or count not in {3, 4}:
        asked = "" if channel is None else f" no --channel {channel}:"
        msg = f"{path}:{asked} has {count} channels; name one by --channel, 0 to {count - 1}"
        raise SimcellError(msg)
    return np.asarray(layers[..., :3] @ _LUMINANCE)


def write_labels(path: Path, labels: NDArray[np.int32]) -> None:
    """Write labels as a TIFF of 16 bits, or 32 where there are too many."""
    kind = np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32
    write_tiff(path, labels.astype(kind))


def write_tiff(path: Path, array: NDArray[Any]) -> None:
    """Write a compressed TIFF, wholly or not at all."""
    unfinished = path.with_name(path.name + ".partial")
    try:
        tifffile.imwrite(
            unfinished,
            array,
            compression="zlib",
            photometric="minisblack",
            bigtiff=array.nbytes > _BIG_TIFF,
            rowsperstrip=64 if array.shape[-2] > 64 else None,
        )
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
