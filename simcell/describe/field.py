"""One image field, real or simulated, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simcell.arrays import BoolArray, FloatArray, Grid, Image, IntArray
from simcell.errors import SimcellError


@dataclass(frozen=True)
class Field:
    """One image field, real or simulated, and what is known of it.

    Attributes
    ----------
    name : str
    spacing_um : pair of float
        Size of a pixel along y and x.
    labels : IntArray, optional
        0 = background, 1..n the cells.
    image : Image, optional
        Grey levels on the scale 0 to 255, whatever the depth of the file.
    points : FloatArray, optional
        Centres (n, 2) in µm as (y, x); pixel i covers [i · spacing, (i + 1) · spacing).
    annotated : BoolArray, optional
        Pixels where labels or points are known; None = everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> field = Field("a", (0.5, 0.5), labels=np.ones((8, 16), np.int32))
    >>> field.shape, field.size_um, field.known.all()
    ((8, 16), (4.0, 8.0), np.True_)
    """

    name: str
    spacing_um: tuple[float, float]
    labels: IntArray | None = None
    image: Image | None = None
    points: FloatArray | None = None
    annotated: BoolArray | None = None

    def __post_init__(self) -> None:
        """Check that there is something, and that all of it has one shape."""
        shapes = {a.shape for a in (self.labels, self.image, self.annotated) if a is not None}
        if len(shapes) != 1:
            found = " and ".join(str(shape) for shape in sorted(shapes)) or "no array"
            msg = f"{self.name}: {found}; labels, image and annotated area need one shape (y, x)"
            raise SimcellError(msg)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along y and x."""
        array = next(a for a in (self.labels, self.image, self.annotated) if a is not None)
        return array.shape[0], array.shape[1]

    @property
    def size_um(self) -> tuple[float, float]:
        """Sides along y and x in µm."""
        return self.shape[0] * self.spacing_um[0], self.shape[1] * self.spacing_um[1]

    @property
    def grid(self) -> Grid:
        """The pixels of the field."""
        return Grid(self.shape, self.spacing_um)

    @property
    def known(self) -> BoolArray:
        """Pixels where labels or points are known, as a mask."""
        return np.ones(self.shape, np.bool_) if self.annotated is None else self.annotated
