"""TIFF folders: for ImageJ, and for the training of StarDist and Cellpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from simcell.io.dataset import Dataset
from simcell.io.files import file_name
from simcell.io.objects import objects_csv
from simcell.io.spool import pixels
from simcell.sample import Sample

FOLDERS = {"image": "images", "prior": "priors", "labels": "labels", "classes": "classes"}


def write_tiff(dataset: Dataset, folder: Path) -> None:
    """Write every array as TIFF and all objects as one CSV table."""
    for name in dataset.header.arrays:
        (folder / FOLDERS[name]).mkdir()
    with objects_csv(dataset, folder) as add:
        for place in range(len(dataset)):
            file = file_name(place, len(dataset), "tif")
            for name in dataset.header.arrays:
                array = pixels(dataset, name, place, folder)
                save_tiff(folder / FOLDERS[name] / file, array, dataset.spacing_um(place))
            add(place, file)


def write_stardist(dataset: Dataset, folder: Path) -> None:
    """Write images/ and masks/ with the same file names."""
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for place, sample in enumerate(dataset):
        name = file_name(place, len(dataset), "tif")
        spacing = sample.grid.spacing_um
        save_tiff(folder / "images" / name, picture(sample), spacing)
        assert sample.labels is not None
        masks = sample.labels.astype(dataset.header.arrays["labels"].dtype)
        save_tiff(folder / "masks" / name, masks, spacing)


def picture(sample: Sample) -> NDArray[Any]:
    """Return the image of a sample, or its prior where there is no image."""
    chosen = sample.prior if sample.image is None else sample.image
    assert chosen is not None
    return chosen


def save_tiff(path: Path, array: NDArray[Any], spacing_um: tuple[float, ...]) -> None:
    """Write one image (c, z, y, x), or without c or z, whose scale ImageJ understands.

    ImageJ knows no 32-bit integers; such labels keep the resolution, in pixels per
    centimetre, and lose the name of the unit and the distance of slices.
    """
    per_um = (1.0 / spacing_um[-1], 1.0 / spacing_um[-2])
    if array.dtype == np.uint32:
        per_cm = (per_um[0] * 1e4, per_um[1] * 1e4)
        options: dict[str, Any] = {"photometric": "minisblack", "resolutionunit": "CENTIMETER"}
        tifffile.imwrite(path, array, resolution=per_cm, **options)
        return
    ndim = len(spacing_um)
    # ImageJ wants channels between z and y.
    axes = "ZYX"[-ndim:]
    if array.ndim > ndim:
        array, axes = (np.moveaxis(array, 0, -3), f"{axes[:-2]}CYX")
    metadata: dict[str, Any] = {"unit": "um", "axes": axes}
    if ndim == 3:
        metadata["spacing"] = spacing_um[0]
    tifffile.imwrite(path, array, imagej=True, resolution=per_um, metadata=metadata)
