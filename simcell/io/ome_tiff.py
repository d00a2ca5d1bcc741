"""OME-TIFF: files with their units and a pyramid, for Fiji, QuPath and Bio-Formats.

Decision: an image, its prior, its labels and its classes are four files of one name
in four folders, as in the plain TIFF export. A pyramid lies in the SubIFDs of every
plane, where Bio-Formats looks for it, and halves y and x alone, as it expects.
"""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import tifffile
from numpy.typing import NDArray

from simcell.io.dataset import Dataset
from simcell.io.files import file_name
from simcell.io.objects import objects_csv
from simcell.io.pyramid import Halve, averages, flat_levels, majorities
from simcell.io.spool import bands, pixels, room
from simcell.io.tiff import FOLDERS

_TILE = 256
_BIG_BYTES = 2 * 2**30


def write_ome_tiff(dataset: Dataset, folder: Path) -> None:
    """Write every array as OME-TIFF and all objects as one CSV table."""
    for name in dataset.header.arrays:
        (folder / FOLDERS[name]).mkdir()
    with objects_csv(dataset, folder) as add:
        for place in range(len(dataset)):
            file = file_name(place, len(dataset), "ome.tif")
            for name in dataset.header.arrays:
                _write(dataset, name, place, folder / FOLDERS[name] / file)
            add(place, file)


def _write(dataset: Dataset, name: str, place: int, path: Path) -> None:
    """Write one array with all its levels."""
    spacing = dataset.spacing_um(place)
    shape = dataset.header.arrays[name].shape
    levels = flat_levels((shape[-2], shape[-1]), (spacing[-2], spacing[-1]))
    halve: Halve = averages if name in ("image", "prior") else majorities
    options: dict[str, Any] = {"tile": (_TILE, _TILE)} if len(levels) > 1 else {}
    size = dataset.header.arrays[name].nbytes
    with tifffile.TiffWriter(path, ome=True, bigtiff=size > _BIG_BYTES) as tiff:
        array = pixels(dataset, name, place, path.parent)
        for number, level in enumerate(levels):
            role: dict[str, Any] = {"subfiletype": 1, "metadata": None}
            if number == 0:
                metadata = _metadata(dataset, name, place, len(shape))
                role = {"subifds": len(levels) - 1, "metadata": metadata}
            else:
                array = _halved(array, halve, path.parent)
            tiff.write(
                array,
                photometric="minisblack",
                compression="zlib",
                resolution=(1e4 / level.spacing_um[1], 1e4 / level.spacing_um[0]),
                resolutionunit="CENTIMETER",
                maxworkers=1,
                **options,
                **role,
            )


def _halved(fine: NDArray[Any], halve: Halve, scratch: Path) -> NDArray[Any]:
    """Return the next level of all planes."""
    sides = (ceil(fine.shape[-2] / 2), ceil(fine.shape[-1] / 2))
    coarse = room((*fine.shape[:-2], *sides), fine.dtype, scratch)
    for rows in bands(coarse):
        below = fine[..., 2 * rows.start : 2 * rows.stop, :]
        coarse[..., rows.start : rows.stop, :] = halve(below, (2, 2))
    return coarse


def _metadata(dataset: Dataset, name: str, place: int, ndim: int) -> dict[str, Any]:
    """Return what goes into the OME-XML: axes, physical size of a pixel, names, origin."""
    spacing, header = dataset.spacing_um(place), dataset.header
    space = "ZYX"[-len(spacing) :]
    origin = {"preset": header.name, "seed": header.seed, "index": dataset.number(place)}
    about: dict[str, Any] = {
        "axes": "C" * (ndim - len(space)) + space,
        "Name": f"{header.name} {dataset.number(place)} {name}",
        "UUID": str(uuid5(NAMESPACE_URL, f"{header.preset} {origin} {name} {header.versions}")),
        "Creator": f"simcell {header.versions['simcell']}",
        "MapAnnotation": {key: str(value) for key, value in origin.items()},
    }
    for axis, side in zip(space, spacing, strict=True):
        about |= {f"PhysicalSize{axis}": side, f"PhysicalSize{axis}Unit": "µm"}
    count = header.arrays[name].shape[0] if ndim > len(space) else 1
    names = [name] if count == 1 else [f"{name} {number + 1}" for number in range(count)]
    return about | {"Channel": {"Name": names}}
