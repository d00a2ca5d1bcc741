"""What one field measures: its cells, its centres and its grey levels, each worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import BoolArray, FloatArray, Image, Window
from simcell.describe.cells import cells_of, closed, weighted
from simcell.describe.field import Field
from simcell.describe.grey import Grey, grey_of
from simcell.fields import border_distance

_FEWEST = 10  # centres that tell anything about their arrangement
_SMALLEST_PX = 16  # side of an image whose grey levels can be measured
_LINE_PX = 1.0
_INSIDE_PX = 3.0
_LEAST_SHARE = 0.01  # of the field, that cells and background each need


@dataclass(frozen=True)
class Measured:
    """A field and what it measures.

    Attributes
    ----------
    field : Field
    """

    field: Field

    @cached_property
    def cells(self) -> NDArray[np.void] | None:
        """Its cells, where any are labelled; see `simcell.describe.cells`."""
        if self.field.labels is None or not self.field.labels.any():
            return None
        return cells_of(self.field)

    @cached_property
    def grey(self) -> Grey | None:
        """Its grey levels, where there is an image."""
        if self.field.image is None or min(self.field.shape) < _SMALLEST_PX:
            return None
        return grey_of(self.field.image)

    @cached_property
    def centres(self) -> FloatArray | None:
        """Centres (n, 2) of cells in µm, inside the annotated area."""
        points = self._centres()
        if points is None:
            return None
        rows = np.floor(points / np.array(self.field.spacing_um)).astype(np.intp)
        inside = np.all((rows >= 0) & (rows < np.array(self.field.shape)), axis=1)
        inside[inside] = self.field.known[tuple(rows[inside].T)]
        return points[inside]

    def _centres(self) -> FloatArray | None:
        # Centroids of labels come first, as simulated cells have them too.
        if self.cells is not None:
            return np.stack([self.cells["centroid_y_um"], self.cells["centroid_x_um"]], axis=1)
        return self.field.points

    @cached_property
    def known_um2(self) -> float:
        """Annotated area in µm²."""
        return float(self.field.known.sum()) * float(np.prod(self.field.spacing_um))

    @cached_property
    def scale_um(self) -> float:
        """Mean distance between cells in µm: the side of the square that each has; NaN if few.

        Of labelled cells, from the areas of whole ones: a frame cuts many, and an annotation that
        ends between cells none, so that numbers of cells are no measure.
        """
        if self.centres is None or len(self.centres) < _FEWEST:
            return np.nan
        if self.cells is not None and (self.cells["weight"] > 0).sum() >= _FEWEST:
            area, _ = weighted(self.cells["area_um2"], self.cells["weight"])
            return float(np.sqrt(area / self.covered))
        return float(np.sqrt(self.known_um2 / len(self.centres)))

    def pattern(self, sides: tuple[float, float] | None = None) -> tuple[FloatArray, Window] | None:
        """Return centres and their window in units of ``scale_um``.

        Parameters
        ----------
        sides : pair of float, optional
            Keep the middle of the annotated area's box, so large.

        Returns
        -------
        tuple of FloatArray and Window, or None
            None where there are too few.
        """
        if not np.isfinite(self.scale_um):
            return None
        assert self.centres is not None
        known, spacing = self.field.known, np.array(self.field.spacing_um) / self.scale_um
        rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
        low = np.array([rows[0], columns[0]])
        high = np.array([rows[-1], columns[-1]]) + 1
        if sides is not None:
            keep = np.minimum(np.maximum((np.array(sides) / spacing).astype(int), 1), high - low)
            low = low + (high - low - keep) // 2
            high = low + keep
        mask = known[low[0] : high[0], low[1] : high[1]]
        if not mask.any():
            return None
        size = (high - low) * spacing
        window = Window((float(size[0]), float(size[1])), None if mask.all() else mask)
        points = self.centres / self.scale_um - low * spacing
        points = points[window.contains(points)]
        return (points, window) if len(points) >= _FEWEST else None

    @cached_property
    def covered(self) -> float:
        """Share of the annotated area that is cells."""
        if self.field.labels is None:
            return np.nan
        return float((closed(self.field.labels) > 0)[self.field.known].mean())

    @cached_property
    def contrast(self) -> float:
        """Borders of cells against their insides, (border - inside) / (border + inside)."""
        if self.field.labels is None or self.field.image is None:
            return np.nan
        labels = closed(self.field.labels)
        distance, tissue = border_distance(labels), labels > 0
        line = self.field.image[tissue & (distance <= _LINE_PX)]
        body = self.field.image[tissue & (distance > _INSIDE_PX)]
        if min(len(line), len(body)) == 0:
            return np.nan
        return float((line.mean() - body.mean()) / max(line.mean() + body.mean(), 1e-6))

    @cached_property
    def ground(self) -> float:
        """Brightness of cells over that of the background between them."""
        if self.field.labels is None or self.field.image is None:
            return np.nan
        tissue: BoolArray = closed(self.field.labels) > 0
        empty = ~tissue & self.field.known
        if min(int(empty.sum()), int(tissue.sum())) < _LEAST_SHARE * int(self.field.known.sum()):
            return np.nan
        levels = self.field.image[tissue].mean(), self.field.image[empty].mean()
        return float((levels[0] + 1.0) / (levels[1] + 1.0))

    @cached_property
    def relief(self) -> Image | None:
        """Labels as a picture of 0 to 255: distance to the nearest border, background black."""
        if self.field.labels is None:
            return None
        labels = closed(self.field.labels)
        deep = np.minimum(border_distance(labels), _DEEPEST_PX) * np.float32(255 / _DEEPEST_PX)
        return np.where(labels > 0, deep, np.float32(0))


_DEEPEST_PX = 12.0
