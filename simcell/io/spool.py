"""Arrays of one sample for formats that want plane after plane.

Decision: a large sample comes in bands along y. What does not fit in memory goes
through a raw file beside the export, which the operating system pages in and out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcell.io.dataset import Dataset

HELD_BYTES = 256 * 2**20
"""Largest array that is held in memory."""
BAND_BYTES = 32 * 2**20
"""What is read and written at once of a larger one."""


def pixels(dataset: Dataset, name: str, place: int, scratch: Path) -> NDArray[Any]:
    """Return one array of one sample as it lies on disk.

    Parameters
    ----------
    dataset : Dataset
    name : str
        Of the array.
    place : int
        Of the sample in the dataset.
    scratch : Path
        Folder for a file without a name, where the array is large.
    """
    header, spec = dataset.header, dataset.header.arrays[name]
    if header.rows is None or spec.nbytes <= HELD_BYTES:
        return dataset.read(name, place)
    array = room(spec.shape, np.dtype(spec.dtype), scratch)
    for top in range(0, header.height, header.rows):
        rows = range(top, min(top + header.rows, header.height))
        array[..., rows.start : rows.stop, :] = dataset.band(name, place, rows)
    return array


def bands(array: NDArray[Any]) -> Iterator[range]:
    """Cut an array into bands of rows that fit in memory several times over."""
    height = array.shape[-2]
    step = max(1, BAND_BYTES * height // array.nbytes)
    return (range(top, min(top + step, height)) for top in range(0, height, step))


def room(shape: tuple[int, ...], dtype: np.dtype[Any], scratch: Path) -> NDArray[Any]:
    """Return an empty array, in a file without a name where it is large."""
    size = prod(shape) * dtype.itemsize
    if size <= HELD_BYTES:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(dir=scratch) as file:
        file.truncate(size)
        return np.memmap(file, dtype, "r+", shape=shape)
