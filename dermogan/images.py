"""Read images and label images as people have them, and write label images.

What counts as an image: one flat grey picture of numbers. Rules for the rest:

- Colours (y, x, 3 or 4): grey = 0.299 R + 0.587 G + 0.114 B; transparency is ignored. One channel
  of them, or of a TIFF or OME-Zarr that has channels, by ``channel``.
- Several pages, slices or times: refused, as nobody could say which was meant, unless
  ``page`` names one, from 0.
- OME-Zarr: the finest level of its image.
- NaN, infinities, nothing but one value: refused, with the reason.

Grey values are not scaled: models normalise by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from dermogan.files import naming
from dermogan.formats import (
    SUFFIXES,
    Spacing,
    Stored,
    damaged,
    is_zarr,
    label_image,
    no_page,
    stored,
)
from simcell import SimcellError

_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_BIG_TIFF = 2**31


@dataclass(frozen=True)
class Picture:
    """A grey image.

    Attributes
    ----------
    pixels : array (y, x)
        Of the file's own type; float64 where colours were mixed.
    spacing_um : tuple of float, optional
        Size of a pixel (y, x), where the file says it.
    """

    pixels: NDArray[Any]
    spacing_um: Spacing | None = None


def read_picture(path: Path, *, channel: int | None = None, page: int | None = None) -> Picture:
    """Read an image as it lies in its file.

    Parameters
    ----------
    path : Path
        TIFF, PNG, JPEG, BMP, NumPy file or Zarr folder, of any numeric type.
    channel : int, optional
        Channel to take, from 0; by default colours are mixed to grey.
    page : int, optional
        Page of a stack to take, from 0.

    Raises
    ------
    SimcellError
        With the file's name and the reason.
    """
    found = stored(path, page)
    array, axes = _one_page(path, found, page)
    pixels = _one_channel(path, array, axes, channel)
    if pixels.size == 0:
        msg = f"{path}: has no pixels"
        raise SimcellError(msg)
    if pixels.dtype.kind == "f" and not (np.abs(pixels) <= np.finfo(np.float32).max).all():
        bad = np.count_nonzero(~(np.abs(pixels) <= np.finfo(np.float32).max))
        msg = f"{path}: {bad} of {pixels.size} pixels are NaN or infinite; mend them first"
        raise SimcellError(msg)
    if pixels.min() == pixels.max():
        msg = f"{path}: all pixels are {float(pixels.flat[0]):g}; there is nothing to see"
        raise SimcellError(msg)
    return Picture(pixels, found.spacing_um)


def read_image(
    path: Path, *, channel: int | None = None, page: int | None = None
) -> NDArray[np.float32]:
    """Read an image (y, x) as float32; see `read_picture`."""
    return read_picture(path, channel=channel, page=page).pixels.astype(np.float32)


def image_files(folder: Path, *, deep: bool = False) -> list[Path]:
    """List the images of a folder, or of its sub-folders too, by name.

    A Zarr folder is an image; what lies in it is not looked at.
    """
    return sorted(_walk(folder, deep))


def _walk(folder: Path, deep: bool) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if is_zarr(path):
                yield path
            elif deep:
                yield from _walk(path, deep)
        elif path.suffix.lower() in SUFFIXES:
            yield path


def name_of(path: Path) -> str:
    """Return the name of an image without its kind.

    Examples
    --------
    >>> name_of(Path("a/day.1.tif")), name_of(Path("a/day.1.ome.zarr"))
    ('day.1', 'day.1')
    """
    return path.stem.removesuffix(".ome") if path.suffix == ".zarr" else path.stem


def read_labels(path: Path) -> NDArray[Any]:
    """Read a label image (y, x) of integers; floats are taken where they are whole numbers.

    Of an OME-Zarr image, the labels that it holds are taken.
    """
    path = label_image(path)
    array, axes = _one_page(path, stored(path, None), None)
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


def _one_page(path: Path, found: Stored, page: int | None) -> tuple[NDArray[Any], str]:
    """Read one page of a stack."""
    stacked = [k for k, name in enumerate(found.axes) if name not in "YXSC"]
    lengths = tuple(found.shape[k] for k in stacked)
    count = int(np.prod(lengths)) if stacked else 1
    if stacked and (page is None or page >= count):
        raise no_page(path, count, page)
    if not stacked and page:
        msg = f"{path}: has one page; there is no --page {page}"
        raise SimcellError(msg)
    key: list[int | slice] = [slice(None)] * len(found.shape)
    for k, at in zip(stacked, np.unravel_index(page or 0, lengths or (1,)), strict=False):
        key[k] = int(at)
    try:
        array = found.read(tuple(key))
    except Exception as error:  # of a damaged chunk
        raise damaged(path, error) from error
    return array, "".join(name for name in found.axes if name in "YXSC")


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


def compact(labels: NDArray[np.int32]) -> NDArray[Any]:
    """Return labels in 16 bits, or 32 where there are too many."""
    kind = np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32
    return labels.astype(kind)


def write_labels(path: Path, labels: NDArray[np.int32], spacing_um: Spacing | None = None) -> None:
    """Write labels as a TIFF of 16 bits, or 32 where there are too many."""
    write_tiff(path, compact(labels), spacing_um)


def write_tiff(path: Path, array: NDArray[Any], spacing_um: Spacing | None = None) -> None:
    """Write a compressed TIFF, wholly or not at all; its size in pixels per centimetre."""
    unfinished = path.with_name(path.name + ".partial")
    size: dict[str, Any] = {}
    if spacing_um is not None:
        size = {
            "resolution": (1e4 / spacing_um[1], 1e4 / spacing_um[0]),
            "resolutionunit": "CENTIMETER",
        }
    try:
        with naming(path):
            tifffile.imwrite(
                unfinished,
                array,
                compression="zlib",
                photometric="minisblack",
                bigtiff=array.nbytes > _BIG_TIFF,
                rowsperstrip=64 if array.shape[-2] > 64 else None,
                **size,
            )
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
