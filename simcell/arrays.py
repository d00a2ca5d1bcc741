"""Array types, the pixel grid, blocks of it, the observation window and the point pattern.

Decision: axes are always ordered (z, y, x), or (y, x) in 2-D, for arrays and
for positions alike. Positions are in µm, shape (n, ndim). Pixel ``i`` of an axis
covers ``[i * spacing, (i + 1) * spacing)``, so its centre lies at
``(i + 0.5) * spacing``. Users coming from (x, y) tools must flip once, at the
border of their own code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from simcell.errors import SimcellError

BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int32]
FloatArray: TypeAlias = NDArray[np.float64]
Image: TypeAlias = NDArray[np.float32]

MM_IN_UM = 1000.0


def per_um(density: float, ndim: int) -> float:
    """Convert a density per mm² (2-D) or mm³ (3-D) to per µm² or µm³.

    Examples
    --------
    >>> per_um(10_000.0, 2)
    0.01
    """
    return float(density / MM_IN_UM**ndim)


@dataclass(frozen=True)
class Grid:
    """A box of pixels with a physical size.

    Parameters
    ----------
    shape : tuple of int
        Pixels along (z,) y, x.
    spacing_um : tuple of float
        Size of a pixel along each axis in µm.
    """

    shape: tuple[int, ...]
    spacing_um: tuple[float, ...]

    @property
    def ndim(self) -> int:
        """Number of axes: 2 or 3."""
        return len(self.shape)

    @cached_property
    def size_um(self) -> tuple[float, ...]:
        """Physical extent along each axis in µm."""
        return tuple(n * s for n, s in zip(self.shape, self.spacing_um, strict=True))

    def padded(self, margin_px: int) -> Grid:
        """Return the grid grown by ``margin_px`` pixels on every side."""
        return Grid(tuple(n + 2 * margin_px for n in self.shape), self.spacing_um)


@dataclass(frozen=True)
class Block:
    """A box of pixels of a field, or beyond its edges.

    Parameters
    ----------
    start : tuple of int
        First pixel along (z,) y, x, counted from the field's corner; may be negative.
    shape : tuple of int
        Pixels along each axis.

    Examples
    --------
    >>> Block((0, 8), (4, 4)).grown((2, 1))
    Block(start=(-2, 7), shape=(8, 6))
    """

    start: tuple[int, ...]
    shape: tuple[int, ...]

    def grown(self, halo: tuple[int, ...]) -> Block:
        """Return the block with ``halo`` more pixels on both sides of each axis."""
        start = tuple(s - h for s, h in zip(self.start, halo, strict=True))
        return Block(start, tuple(n + 2 * h for n, h in zip(self.shape, halo, strict=True)))


def band(shape: tuple[int, ...], rows: range) -> Block:
    """Return the block of a field that holds these rows along y, and all of z and x.

    Examples
    --------
    >>> band((16, 100, 200), range(64, 100))
    Block(start=(0, 64, 0), shape=(16, 36, 200))
    """
    start = tuple(rows.start if axis == len(shape) - 2 else 0 for axis in range(len(shape)))
    return Block(start, (*shape[:-2], len(rows), shape[-1]))


def middle(length: int, most: int) -> range:
    """Return up to ``most`` pixels in the middle of an axis.

    Examples
    --------
    >>> middle(10, 4), middle(3, 4)
    (range(3, 7), range(0, 3))
    """
    size = min(length, most)
    start = (length - size) // 2
    return range(start, start + size)


@dataclass(frozen=True)
class Window:
    """Where points may lie: a box ``[0, size)`` in µm, or a mask inside it.

    Parameters
    ----------
    size_um : tuple of float
        Extent of the box along (z,) y, x.
    mask : BoolArray, optional
        True where points may lie; its pixels tile the box evenly. None means
        everywhere.
    periodic : bool
        Opposite faces of the box touch (a torus). Needs ``mask is None``.
    """

    size_um: tuple[float, ...]
    mask: BoolArray | None = None
    periodic: bool = False

    def __post_init__(self) -> None:
        """Refuse windows that no point can lie in."""
        if self.periodic and self.mask is not None:
            msg = "window.periodic = True: a periodic window has no mask; drop one of the two"
            raise SimcellError(msg)
        if min(self.size_um) <= 0:
            msg = f"window.size_um = {self.size_um}: every side must be above 0 µm"
            raise SimcellError(msg)
        if self.mask is not None and not self.mask.any():
            msg = "window.mask: no pixel is inside; enlarge the region"
            raise SimcellError(msg)

    @property
    def ndim(self) -> int:
        """Number of axes: 2 or 3."""
        return len(self.size_um)

    @cached_property
    def volume(self) -> float:
        """Area in µm² (2-D) or volume in µm³ (3-D) that points may lie in."""
        box = float(np.prod(self.size_um))
        return box if self.mask is None else box * float(self.mask.mean())

    def contains(self, points: FloatArray) -> BoolArray:
        """Tell for each point (n, ndim) in µm whether it lies in the window."""
        size = np.asarray(self.size_um)
        inside: BoolArray = np.all((points >= 0) & (points < size), axis=1)
        if self.mask is not None and inside.any():
            shape = np.asarray(self.mask.shape)
            cell = np.floor(points[inside] * (shape / size)).astype(np.intp)
            inside[inside] = self.mask[tuple(np.minimum(cell, shape - 1).T)]
        return inside


@dataclass(frozen=True)
class Pattern:
    """Points with marks, as a point process returns them.

    Parameters
    ----------
    points : FloatArray
        Positions (n, ndim) in µm.
    marks : dict of str to array
        One array of length n per mark: ``radius_um``, ``axis_ratio``,
        ``orientation_rad``, ``type``; empty for unmarked processes.
    notes : dict of str to float
        What a user should know about the draw, such as ``requested_density``
        and ``achieved_density`` (per mm² or mm³).
    """

    points: FloatArray
    marks: dict[str, FloatArray] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.points)

    def keep(self, chosen: BoolArray) -> Pattern:
        """Return the pattern with only the chosen points."""
        marks = {name: values[chosen] for name, values in self.marks.items()}
        return Pattern(self.points[chosen], marks, dict(self.notes))


@dataclass(frozen=True)
class Painted:
    """A block of a laid-out field; kinds of cells add what their imaging looks at.

    Parameters
    ----------
    block : Block
        What was painted, with a halo for imaging to look at.
    labels : IntArray
        Label image of the block without its halo; 0 beyond the field's edges.
    classes : uint8 array
        Semantic class of every pixel of ``labels``.
    """

    block: Block
    labels: IntArray
    classes: NDArray[np.uint8]


@dataclass(frozen=True)
class PaintedMosaic(Painted):
    """A block of a mosaic: what lies at each pixel, annotated or not.

    Parameters
    ----------
    region : IntArray
        Rows (3, y, x) of the field's regions: the pixel's own, and the two nearest
        others; -1 where those are too far to matter.
    region_gap_um : Image
        Distances (2, y, x) to the borders with the two others.
    border_um : float
        Width over which one region fades into the next.
    kinds : uint8 array
        Class of every region of the field.
    papilla : IntArray
        Row of the nearest papilla.
    wall_um, radial_um : Image
        Distance to the border between papillae, corners rounded, and to the centre.
    room_um : FloatArray
        Half of the distance from each papilla's centre to the next one's.
    bend_um : pair of Image
        Displacement (y, x) by which papillae are irregular.
    """

    region: IntArray
    region_gap_um: Image
    border_um: float
    kinds: NDArray[np.uint8]
    papilla: IntArray
    wall_um: Image
    radial_um: Image
    room_um: FloatArray
    bend_um: tuple[Image, Image]


@dataclass(frozen=True)
class VolumePainted(Painted):
    """A block of a volume of nuclei and Golgi.

    Attributes
    ----------
    owner : IntArray
        Object of every voxel, also beyond the field's edges, 0 = none. Nuclei have odd
        numbers, the Golgi of nucleus k has k + 1. Its numbers are not labels.
    """

    owner: IntArray


@dataclass(frozen=True)
class Parts:
    """Which part of which cell each pixel of a field shows.

    Parameters
    ----------
    owner : IntArray
        Cell (y, x) that is on top, 1 to n, 0 = none. Its numbers are not labels.
    body, nucleus, spot : BoolArray
        Pixels where that cell has cytoplasm (also above and below its nucleus), a
        nucleus, a spot.
    depth_um : FloatArray
        Depth (n,) of each cell's middle, signed.
    """

    owner: IntArray
    body: BoolArray
    nucleus: BoolArray
    spot: BoolArray
    depth_um: FloatArray

    def classes(self) -> NDArray[np.uint8]:
        """Return semantic classes: 0 background, 1 cytoplasm, 2 nucleus, 3 spot."""
        classes = self.body.astype(np.uint8)
        classes[self.nucleus] = 2
        classes[self.spot] = 3
        return classes


@dataclass(frozen=True)
class Layers:
    """Which layer of the skin each pixel of a vertical section shows.

    Attributes
    ----------
    classes : uint8 array
        0 none, 1 glass, 2 glycerol, 3 epidermis, 4 junction, 5 dermis, (y, x).
    depth_um : Image
        Depth of each pixel below the skin's surface, straight down, (y, x).
    junction_um : Image
        Distance to the curve of the dermal-epidermal junction, positive below it, (y, x).
        Exact up to some µm, farther away it stays at that limit.
    epidermis_um : FloatArray
        Depth of the junction below the surface in every column, (x,).
    glass_um : FloatArray
        Depth of the glass's lower face below the top of the field in every column, (x,).
    confounders : Pattern
        Places, with the marks ``confounder`` (1 hair, 2 sweat duct, 3 Merkel cell,
        4 Langerhans cell), ``radius_um`` and ``slope`` (sideways step per depth).
    """

    classes: NDArray[np.uint8]
    depth_um: Image
    junction_um: Image
    epidermis_um: FloatArray
    glass_um: FloatArray
    confounders: Pattern
