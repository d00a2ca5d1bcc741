"""Run a predictor over images of any size, tile by tile, without seams.

Decision: every tile is fed with a rim as wide as the predictor's halo, whose output is thrown
away, and starts at a multiple of the predictor's steps, so that its pooling grid is that
of the whole image. Beyond the frame the image is mirrored. A tile as large as the image
goes the same way, so that tiled and whole results are equal everywhere.

Decision: predictors of classes see no mirrored rim, the frame is their edge as it was in training.
What lies where in a frame tells them the class, as of glass above skin; a mirrored rim would put
more of the tissue above the glass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from simcell import SimcellError

Map = NDArray[np.float32]
Output = Literal["membrane", "filled", "interior_boundary", "classes", "volume"]


class Predictor(Protocol):
    """What segmenting needs of a model.

    Attributes
    ----------
    halo_px : int
        Rim of a tile whose output is not trusted: half the receptive field.
    multiple : int
        Sides of tiles are multiples of this.
    diameter_px : float or None
        Diameter of the cells that it was made for; None: any.
    channels : int
        Channels of its output.
    output : {"membrane", "filled", "interior_boundary", "classes"}
        What they show.
    """

    @property
    def halo_px(self) -> int: ...  # noqa: D102
    @property
    def multiple(self) -> int: ...  # noqa: D102
    @property
    def diameter_px(self) -> float | None: ...  # noqa: D102
    @property
    def channels(self) -> int: ...  # noqa: D102
    @property
    def output(self) -> Output: ...  # noqa: D102

    def normalise(self, image: Map) -> Map:
        """Bring a whole image (y, x) to the grey values of training."""
        ...

    def predict(self, batch: Map) -> Map:
        """Map images (n, 1, y, x) to probabilities (n, channels, y, x)."""
        ...


@runtime_checkable
class Whole(Protocol):
    """A method that goes from a whole image to cells by itself."""

    def cells(
        self, image: Map, diameter_px: float | None, threshold: float
    ) -> tuple[NDArray[np.int32], Map]:
        """Return labels (y, x), and the probability of cells (1, y, x)."""
        ...


def predict(
    predictor: Predictor,
    image: Map,
    *,
    tile_px: int = 1024,
    out: Map | None = None,
    report: Callable[[float], None] | None = None,
) -> Map:
    """Return the probability map of an image.

    Parameters
    ----------
    predictor : Predictor
    image : float32 array (y, x)
        As read; it is normalised here, as a whole.
    tile_px : int
        Side of a tile without its rim. Memory grows with its square.
    out : float32 array (channels, y, x), optional
        Where to write, such as a memory map.
    report : callable, optional
        Called with the share that is done.

    Returns
    -------
    float32 array (channels, y, x)
    """
    if out is None:
        out = np.empty((predictor.channels, *image.shape), np.float32)
    for rows, columns, found in tiles(predictor, image, tile_px=tile_px, report=report):
        out[:, rows, columns] = found
    return out


def tiles(
    predictor: Predictor,
    image: Map,
    *,
    tile_px: int = 1024,
    report: Callable[[float], None] | None = None,
) -> Iterator[tuple[slice, slice, Map]]:
    """Go through an image tile by tile: where each lies, and its probabilities (channels, y, x).

    Parameters are those of `predict`.
    """
    if tile_px < 1:
        msg = f"tile_px = {tile_px}: must be at least 1; 1024 is a good size"
        raise SimcellError(msg)
    normal = np.asarray(predictor.normalise(image), np.float32)
    core = _up(tile_px, predictor.multiple)
    spans = [list(_spans(side, core)) for side in image.shape]
    for row, rows in enumerate(spans[0]):
        for column, columns in enumerate(spans[1]):
            yield slice(*rows), slice(*columns), _tile(predictor, normal, rows, columns)
            if report:
                report((row + (column + 1) / len(spans[1])) / len(spans[0]))


def _tile(predictor: Predictor, image: Map, rows: tuple[int, int], columns: tuple[int, int]) -> Map:
    """Predict one tile with its rim, and cut the rim away."""
    halo = _up(predictor.halo_px, predictor.multiple)
    picked, rims = [], []
    for (start, stop), side in zip((rows, columns), image.shape, strict=True):
        low, high = start - halo, start + _up(stop - start, predictor.multiple) + halo
        if predictor.output == "classes":
            low, high = max(low, 0), min(high, _up(side, predictor.multiple))
        picked.append(mirrored(np.arange(low, high), side))
        rims.append(start - low)
    batch = image[np.ix_(*picked)][None, None]
    found = np.asarray(predictor.predict(np.ascontiguousarray(batch)))
    wanted = (1, predictor.channels, *batch.shape[2:])
    if found.shape != wanted:
        msg = f"model: returned shape {found.shape} for {batch.shape}; {wanted} was expected"
        raise SimcellError(msg)
    height, width = rows[1] - rows[0], columns[1] - columns[0]
    top, left = rims
    return found[0, :, top : top + height, left : left + width]


def _spans(side: int, core: int) -> Iterator[tuple[int, int]]:
    for start in range(0, side, core):
        yield start, min(start + core, side)


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def mirrored(places: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """Mirror places outside 0..side-1 into it, as often as it takes.

    Examples
    --------
    >>> mirrored(np.arange(-3, 6), 3).tolist()
    [1, 2, 1, 0, 1, 2, 1, 0, 1]
    """
    if side == 1:
        return np.zeros_like(places)
    period = 2 * (side - 1)
    inside = places % period
    return np.where(inside < side, inside, period - inside)
