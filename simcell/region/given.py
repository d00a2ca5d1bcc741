"""Regions that the user supplies: a polygon or a mask file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from simcell.arrays import BoolArray, Grid
from simcell.errors import SimcellError
from simcell.pictures import decode
from simcell.region.bezier import rasterise
from simcell.scene.region import MaskFile, Polygon


def polygon(spec: Polygon, grid: Grid, margin_px: int) -> BoolArray:
    """Fill the polygon on the padded grid."""
    points = np.asarray(spec.points_um, dtype=np.float64)
    shape = shapely.Polygon(points)
    if not shape.is_valid:
        why = shapely.is_valid_reason(shape)
        msg = f"region.points_um: the outline crosses itself ({why}); list the corners in order"
        raise SimcellError(msg)
    return rasterise([points], grid, margin_px)


def mask_file(spec: MaskFile, grid: Grid, margin_px: int) -> BoolArray:
    """Read the mask and stretch it over the field; its rim goes on into the margin."""
    pixels = read_mask(Path(spec.path))
    rows = (np.arange(grid.shape[0]) + 0.5) * (pixels.shape[0] / grid.shape[0])
    columns = (np.arange(grid.shape[1]) + 0.5) * (pixels.shape[1] / grid.shape[1])
    mask = pixels[np.ix_(rows.astype(np.intp), columns.astype(np.intp))] != 0
    return np.pad(mask, margin_px, mode="edge")


def read_mask(path: Path) -> NDArray[Any]:
    """Read a 2-D array from TIFF, PNG or .npy."""
    if not path.is_file():
        msg = f"region.path = {str(path)!r}: no such file; give the path of a mask image"
        raise SimcellError(msg)
    try:
        pixels = decode(path)
    except Exception as error:
        msg = f"region.path = {str(path)!r}: cannot be read ({error}); give a TIFF, PNG or .npy"
        raise SimcellError(msg) from error
    if pixels.dtype.kind not in "buif" or not np.isfinite(pixels).all():
        msg = (
            f"region.path = {str(path)!r}: holds {pixels.dtype} with values that are no numbers; "
            "save integers, 0 outside the tissue"
        )
        raise SimcellError(msg)
    if pixels.ndim != 2 or min(pixels.shape) < 1:
        msg = (
            f"region.path = {str(path)!r}: has shape {pixels.shape}; "
            "a mask has two axes (y, x): save one plane, one channel"
        )
        raise SimcellError(msg)
    return pixels
