"""Read volumes as people have them: (z, y, x), and the size of a voxel where the file says it.

What counts as a volume: one grey stack of numbers, in a TIFF, a NumPy file or a Zarr. Of channels,
one is named. The size of a voxel along z stands in the metadata of ImageJ and OME, not in the
tags of plain TIFFs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from dermogan.files import naming
from dermogan.formats import UM, damaged, is_zarr, stored
from simcell import SimcellError

Voxel = tuple[float, float, float]


class Volume(NamedTuple):
    """A grey volume.

    Attributes
    ----------
    voxels : array (z, y, x)
    spacing_um : tuple of float, optional
        Size of a voxel (z, y, x), where the file says all of it.
    """

    voxels: NDArray[Any]
    spacing_um: Voxel | None


def read_volume(path: Path, *, channel: int | None = None) -> Volume:
    """Read a volume as it lies in its file.

    Parameters
    ----------
    path : Path
    channel : int, optional
        Which to take where there are several, from 0.

    Raises
    ------
    SimcellError
        With the file's name and the reason.
    """
    found = stored(path, None)
    array = found.read((slice(None),) * len(found.shape))
    axes = found.axes
    at = next((k for k, name in enumerate(axes) if name in "SC"), None)
    if at is not None:
        count = array.shape[at]
        if channel is None or channel >= count:
            msg = f"{path}: has {count} channels; name one by --channel, 0 to {count - 1}"
            raise SimcellError(msg)
        array, axes = np.take(array, channel, axis=at), axes[:at] + axes[at + 1 :]
    if array.ndim != 3 or not axes.endswith("YX"):
        msg = f"{path}: has shape {array.shape} ({axes}); a volume is (z, y, x)"
        raise SimcellError(msg)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        msg = f"{path}: holds NaN or infinite voxels; mend them first"
        raise SimcellError(msg)
    z_um = _depth_um(path)
    return Volume(
        array, None if z_um is None or not found.spacing_um else (z_um, *found.spacing_um)
    )


def spacing_of(file: Path, volume: Volume, told: Voxel | None) -> Voxel:
    """Return the size of a voxel that somebody told, else that of the file.

    Raises
    ------
    SimcellError
        Where neither is there.
    """
    found = told or volume.spacing_um
    if found is None:
        msg = f"{file}: does not tell the size of a voxel; add --voxel-um Z,Y,X"
        raise SimcellError(msg)
    return found


def read_solid_labels(path: Path) -> NDArray[np.int32]:
    """Read a label volume (z, y, x) of whole numbers from 0."""
    array = read_volume(path).voxels
    whole = array.dtype.kind in "iub" or (array == np.rint(array)).all()
    if not whole or array.min() < 0:
        msg = f"{path}: has {array.dtype} values that are no labels; labels are 0, 1, 2 …"
        raise SimcellError(msg)
    return array.astype(np.int32)


def _depth_um(path: Path) -> float | None:
    """Return the size of a voxel along z, where a file says it."""
    try:
        if is_zarr(path):
            return _zarr_depth(path)
        if path.suffix.lower() not in {".tif", ".tiff"}:
            return None
        with tifffile.TiffFile(path) as file:
            return _tiff_depth(file)
    except (OSError, KeyError, ValueError, TypeError, ElementTree.ParseError) as error:
        raise damaged(path, error) from error


def _tiff_depth(file: tifffile.TiffFile) -> float | None:
    if file.ome_metadata:
        for node in ElementTree.fromstring(file.ome_metadata).iter():
            if node.tag.endswith("}Pixels") and "PhysicalSizeZ" in node.attrib:
                unit = UM.get(node.attrib.get("PhysicalSizeZUnit", "µm"))
                return None if unit is None else unit * float(node.attrib["PhysicalSizeZ"])
        return None
    told = file.imagej_metadata or {}
    unit = UM.get(str(told.get("unit")))
    if unit is None or "spacing" not in told:
        return None
    depth = unit * float(told["spacing"])
    return depth if np.isfinite(depth) and depth > 0 else None


def _zarr_depth(path: Path) -> float | None:
    import zarr

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return None
    attributes: dict[str, Any] = node.attrs.asdict()
    image = attributes.get("ome", attributes).get("multiscales", [{}])[0]
    axes = [axis for axis in image.get("axes", []) if isinstance(axis, dict)]
    names = [axis["name"] for axis in axes]
    if "z" not in names:
        return None
    at = names.index("z")
    unit = UM.get(str(axes[at].get("unit")))
    steps = image["datasets"][0].get("coordinateTransformations", [])
    scale = next((step["scale"] for step in steps if step.get("type") == "scale"), None)
    return None if unit is None or scale is None else unit * float(scale[at])


def write_volume(path: Path, array: NDArray[Any], spacing_um: Voxel | None) -> None:
    """Write a volume of 8 or 16 bits, or of float32, as a TIFF that ImageJ opens in its size."""
    unfinished = path.with_name(path.name + ".partial")
    options: dict[str, Any] = {"metadata": {"axes": "ZYX"}}
    if spacing_um is not None:
        options["metadata"] |= {"unit": "um", "spacing": spacing_um[0]}
        options["resolution"] = (1 / spacing_um[2], 1 / spacing_um[1])
    try:
        with naming(path):
            tifffile.imwrite(unfinished, array, imagej=True, compression="zlib", **options)
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
