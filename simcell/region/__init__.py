"""Inside what: the region of tissue as a mask."""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.random import Generator

from simcell.arrays import BoolArray, Grid
from simcell.errors import SimcellError
from simcell.region import bezier, given, relief
from simcell.scene.region import Bezier, Full, MaskFile, Polygon, RegionSpec, Relief

__all__ = ["build"]


def build(spec: RegionSpec, grid: Grid, margin_px: int, rng: Generator) -> BoolArray:
    """Make the region's mask on the field and the margin around it.

    Parameters
    ----------
    spec : RegionSpec
    grid : Grid
        The field, without its margin.
    margin_px : int
        Pixels that the mask extends beyond the field on every side.
    rng : numpy.random.Generator

    Returns
    -------
    BoolArray
        True where there is tissue, shape ``grid.padded(margin_px).shape``.

    Examples
    --------
    >>> import numpy as np
    >>> from simcell.arrays import Grid
    >>> mask = build(Bezier(coverage=0.5), Grid((64, 64), (0.5, 0.5)), 0, np.random.default_rng(1))
    >>> bool(abs(mask.mean() - 0.5) < 0.01)
    True
    """
    match spec:
        case Full():
            mask = np.ones(grid.padded(margin_px).shape, np.bool_)
        case Bezier():
            mask = bezier.island(spec, grid, margin_px, rng)
        case Relief():
            mask = relief.islands(spec, grid, margin_px, rng)
        case Polygon():
            mask = given.polygon(spec, grid, margin_px)
        case MaskFile():
            mask = given.mask_file(spec, grid, margin_px)
        case _:
            assert_never(spec)
    inner = slice(margin_px, -margin_px or None)
    if not mask[inner, inner].any():
        msg = f"region ({spec.kind}): no pixel of the field is tissue; enlarge the region"
        raise SimcellError(msg)
    return mask
