"""One result of the simulator: arrays, a table of objects, and how they came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import Block, BoolArray, Grid, IntArray, Painted, Pattern
from simcell.scene import Scene

OBJECT_COLUMNS_2D = np.dtype(
    [
        ("label", np.int32),
        ("type", np.int32),
        ("seed_y_um", np.float64),
        ("seed_x_um", np.float64),
        ("centroid_y_um", np.float64),
        ("centroid_x_um", np.float64),
        ("area_um2", np.float64),
        ("amodal_area_um2", np.float64),
        ("overlap", np.float64),
        ("perimeter_um", np.float64),
        ("major_um", np.float64),
        ("minor_um", np.float64),
        ("orientation_rad", np.float64),
        ("neighbours", np.int32),
        ("touches_border", np.bool_),
        ("parent", np.int32),
        ("depth_um", np.float64),
    ]
)
"""Columns of a 2-D sample's objects table, one row per label.

``seed``: the point the cell grew from. ``area``: visible pixels. ``amodal_area``:
the whole object, hidden and outside parts included. ``overlap``: share of the
amodal area inside the field that other objects hide. ``major``, ``minor``: full
axes of the ellipse with the same second moments. ``orientation``: angle of the
major axis from x towards y, in (-π/2, π/2]. ``neighbours``: number of labels
that share an edge. ``touches_border``: has a pixel on the rim of the field.
``parent``: where the label is a part of a cell, 1 + the cell's row in the
pattern, else 0. ``depth``: distance from the plane z = 0, signed.
"""


OBJECT_COLUMNS_3D = np.dtype(
    [
        ("label", np.int32),
        ("type", np.int32),
        *((f"seed_{axis}_um", np.float64) for axis in "zyx"),
        *((f"centroid_{axis}_um", np.float64) for axis in "zyx"),
        ("volume_um3", np.float64),
        ("amodal_volume_um3", np.float64),
        ("overlap", np.float64),
        *((f"{which}_um", np.float64) for which in ("major", "middle", "minor")),
        *((f"axis_{axis}", np.float64) for axis in "zyx"),
        ("neighbours", np.int32),
        ("touches_border", np.bool_),
        ("parent", np.int32),
        ("partner", np.int32),
    ]
)
"""Columns of a 3-D sample's objects table, as in 2-D with volumes for areas.

``major``, ``middle``, ``minor``: full axes of the ellipsoid with the same second
moments; ``axis``: unit vector along the major one, its last non-zero entry above
zero. ``parent``: 1 + the row of the pattern that the object belongs to.
``partner``: label of the object that it is paired with, 0 where the field holds
none of it.
"""


class Layout(Protocol):
    """A field laid out, whose pixels can be painted block by block.

    Attributes
    ----------
    objects : structured array
        The whole field's table; see ``OBJECT_COLUMNS_2D`` and ``OBJECT_COLUMNS_3D``.
    adjacency : IntArray
        Pairs (m, 2) of labels that share a face, lower first.
    pattern : Pattern
    """

    @property
    def objects(self) -> NDArray[np.void]: ...  # noqa: D102
    @property
    def adjacency(self) -> IntArray: ...  # noqa: D102
    @property
    def pattern(self) -> Pattern: ...  # noqa: D102

    def paint(self, block: Block, halo: tuple[int, ...] = ...) -> Painted:
        """Paint a block, which may reach beyond the field, pixel by pixel as any other would.

        ``halo``: how many pixels around it imaging looks at too; 0 by default.
        """
        ...


@dataclass(frozen=True)
class Sample:
    """Frozen record of one simulated sample.

    Arrays are read-only. Stages that were not asked for (``upto=``) are None.

    Attributes
    ----------
    scene : Scene
        Every number the sample was made from.
    seed, index : int
        Its address: the same scene, seed and index give the same sample.
    grid : Grid
        Pixels and their size.
    region : BoolArray
        True where there is tissue, shape of the field.
    pattern : Pattern
        Seeds with their marks, in µm from the corner of the field; some lie
        outside it, where the margin is.
    labels : IntArray, optional
        Instances, 0 = background, 1..n each one connected piece.
    objects : structured array, optional
        Row ``i`` describes label ``i + 1``; see ``OBJECT_COLUMNS_2D`` and ``_3D``.
    adjacency : IntArray, optional
        Pairs (m, 2) of labels that share an edge, lower first.
    prior : array, optional
        The tissue as perfect imaging would show it, uint8; a prior with channels
        has one axis more, in front.
    classes : uint8 array, optional
        Semantic classes, where the prior or the cells have any; those of parts
        are 0 background, 1 cytoplasm, 2 nucleus, 3 spot, those of skin layers 0 none,
        1 glass, 2 glycerol, 3 epidermis, 4 dermal-epidermal junction, 5 dermis.
    image : array, optional
        The simulated image, uint8 or uint16.
    versions : dict
        Of the packages on which bitwise equality depends.
    """

    scene: Scene
    seed: int
    index: int
    grid: Grid
    region: BoolArray | None = None
    pattern: Pattern | None = None
    labels: IntArray | None = None
    objects: NDArray[np.void] | None = None
    adjacency: IntArray | None = None
    prior: NDArray[np.uint8] | None = None
    classes: NDArray[np.uint8] | None = None
    image: NDArray[Any] | None = None
    versions: dict[str, str] | None = None

    def __post_init__(self) -> None:
        """Check the invariants once and lock the arrays."""
        for name in ("region", "labels", "prior", "classes", "image"):
            array = getattr(self, name)
            if array is None:
                continue
            if array.shape[-self.grid.ndim :] != self.grid.shape:
                msg = f"{name} has shape {array.shape}, the field {self.grid.shape}"
                raise AssertionError(msg)
            array.flags.writeable = False
        if self.adjacency is not None:
            self.adjacency.flags.writeable = False
        if self.labels is not None and self.objects is not None:
            top = int(self.labels.max(initial=0))
            numbers = self.objects["label"]
            if top != len(numbers) or not np.array_equal(numbers, np.arange(1, top + 1)):
                msg = f"labels run to {top}, the objects table has {len(numbers)} rows"
                raise AssertionError(msg)
            self.objects.flags.writeable = False
