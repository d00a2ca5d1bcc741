"""Arrays from picture files: TIFF, PNG and .npy."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".tif", ".tiff", ".png", ".npy")


def decode(path: Path) -> NDArray[Any]:
    """Read an array as it is stored; raises whatever the reader of its format raises.

    What the readers would log is not: their exceptions say enough.
    """
    with _silent_readers():
        return _decode(path)


@contextmanager
def _silent_readers() -> Iterator[None]:
    """Keep OpenCV and tifffile from writing to the error stream."""
    tiff, opencv = logging.getLogger("tifffile"), cv2.utils.logging
    before, level = tiff.disabled, opencv.getLogLevel()
    tiff.disabled = True
    opencv.setLogLevel(opencv.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        tiff.disabled = before
        opencv.setLogLevel(level)


def _decode(path: Path) -> NDArray[Any]:
    if path.suffix.lower() == ".npy":
        return np.asarray(np.load(path, allow_pickle=False))
    if path.suffix.lower() in {".tif", ".tiff"}:
        return _tiff(path)
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        msg = "not a readable image"
        raise ValueError(msg)
    return np.asarray(pixels)


def _tiff(path: Path) -> NDArray[Any]:
    """Read all pages; of single planes also compressions that tifffile leaves to a plugin."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not len(file.pages):
            msg = "not a readable image"
            raise ValueError(msg)
        try:
            return np.asarray(file.asarray())
        except ValueError:
            pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            # OpenCV stops after the first page, and knows fewer types.
            page = file.pages.first
            alike = pixels is not None and pixels.shape == page.shape and pixels.dtype == page.dtype
            if len(file.pages) > 1 or not alike:
                raise
            return np.asarray(pixels)
