"""From a scene to a sample: the only file that knows the order of the stages.

The module is not called ``simulate``, because a package's attribute can be
either its module or its function of that name, and ``simcell.simulate`` is the
function.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, get_args

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from simcell import cells, imaging, points, prior, region
from simcell.arrays import BoolArray, FloatArray, Grid, Pattern, Window, band, middle
from simcell.errors import SimcellError
from simcell.rng import Streams
from simcell.sample import Layout, Sample
from simcell.scene import IN_BANDS, MAX_PIXELS, Scene
from simcell.scene.cells import BandedSpec
from simcell.scene.imaging import NoImage
from simcell.scene.prior import Channels, Classes

Stage = Literal["region", "points", "cells", "prior", "image"]
STAGES: tuple[Stage, ...] = get_args(Stage)

_PAINTED = 2**22
"""Pixels that are painted at a time, at least 32 rows of them."""


def simulate(scene: Scene, *, seed: int, index: int, upto: Stage | None = None) -> Sample:
    """Simulate one sample.

    Parameters
    ----------
    scene : Scene
        Every number of the sample, such as ``preset.scene(seed=7, index=0)``.
    seed, index : int
        Address of the sample's random streams.
    upto : {"region", "points", "cells", "prior", "image"}, optional
        Last stage to run; later parts of the sample are None. All by default.

    Returns
    -------
    Sample

    Examples
    --------
    >>> import simcell
    >>> scene = simcell.load_preset("rcm-sg").scene(seed=7, index=0)
    >>> sample = simcell.simulate(scene, seed=7, index=0)
    >>> sample.image.shape, sample.image.dtype
    ((256, 256), dtype('uint8'))
    >>> simcell.simulate(scene, seed=7, index=0, upto="cells").image is None
    True
    """
    if upto is not None and upto not in STAGES:
        msg = f"upto = {upto!r}: no such stage; use one of {', '.join(STAGES)}"
        raise SimcellError(msg)
    grid, streams = scene.frame.grid, Streams(seed, index)
    stages = _stages(scene, grid, streams)
    if scene.cells.kind in IN_BANDS:
        stages = _in_one_band(scene, seed, index, imaged=upto in (None, "image"))
    made: dict[str, Any] = {}
    for stage, new in zip(STAGES, stages, strict=True):
        made |= new
        if stage == upto:
            break
    return Sample(scene, seed, index, grid, versions=versions(), **made)


def _stages(scene: Scene, grid: Grid, streams: Streams) -> Iterator[dict[str, Any]]:
    """Run one stage after the other; yield what each adds to the sample."""
    margin = scene.frame.margin_px
    inner = slice(margin, -margin or None)

    wide = region.build(scene.region, grid, margin, streams("region"))
    yield {"region": np.ascontiguousarray(wide[inner, inner])}

    pattern = _seed(scene, wide, grid, margin, streams)
    yield {"pattern": pattern}

    periodic = scene.frame.edges == "periodic"
    grown = cells.grow(scene.cells, pattern, wide, grid, margin, streams, periodic=periodic)
    labels, objects = grown.labels, grown.objects
    yield {
        "pattern": grown.pattern,
        "labels": labels,
        "objects": objects,
        "adjacency": grown.adjacency,
    }

    spacing = grid.spacing_um[0]
    distance = np.ascontiguousarray(grown.distance_um)
    classes = _classes(grown)
    if classes is not None and isinstance(scene.prior, Channels | Classes):
        picture = _prior(scene, classes)
    else:
        picture, drawn = prior.render(scene.prior, labels, distance, spacing)
        classes = classes if drawn is None else drawn
    yield {"prior": picture, "classes": classes}

    # Confluent tissue fills its region, holes left by missing cells included.
    confluent = scene.cells.kind in {"voronoi", "power"}
    inside = wide[inner, inner] if confluent else labels > 0
    centres = _centres(objects)
    view = imaging.View(labels, distance, centres, inside, grid, grown.parts, grown.layers)
    yield {"image": imaging.render(scene.imaging, view, streams)}


def _classes(grown: cells.Cells) -> NDArray[np.uint8] | None:
    """Return the semantic classes that the cells have of their own, if any."""
    if grown.parts is not None:
        return grown.parts.classes()
    return None if grown.layers is None else grown.layers.classes


@dataclass(frozen=True)
class Canvas:
    """A scene laid out, whose pixels can be painted in bands of rows.

    Attributes
    ----------
    scene : Scene
    seed, index : int
    layout : Layout
        The whole field's table of objects, their adjacency, and the pattern.
    """

    scene: Scene
    seed: int
    index: int
    layout: Layout

    @property
    def grid(self) -> Grid:
        """The pixels of the whole field."""
        return self.scene.frame.grid

    def paint(self, rows: range, *, imaged: bool = True) -> dict[str, NDArray[Any]]:
        """Return image, prior, labels and classes of these rows along y.

        Every pixel is the same whatever the rows it is painted with.

        Parameters
        ----------
        rows : range
        imaged : bool
            Make the image too, where the scene has one.
        """
        grid = self.grid
        spec = self.scene.imaging if imaged else NoImage()
        halo = imaging.halo(spec, grid)
        painted = self.layout.paint(band(grid.shape, rows), halo)
        labels, classes = painted.labels, painted.classes
        made: dict[str, NDArray[Any]] = {"labels": labels, "classes": classes}
        made["prior"] = _prior(self.scene, classes)
        image = imaging.render_block(spec, painted, grid, Streams(self.seed, self.index))
        return made if image is None else made | {"image": image}


def lay_out(scene: Scene, *, seed: int, index: int) -> Canvas:
    """Lay out a sample whose cells are painted in bands, however large it is.

    Parameters
    ----------
    scene : Scene
        With ``cells`` of one of the kinds in ``simcell.scene.IN_BANDS``.
    seed, index : int
        Address of the sample's random streams.
    """
    streams = Streams(seed, index)
    spec = scene.cells
    if not isinstance(spec, BandedSpec):
        msg = f"cells.kind = {spec.kind!r}: painted whole; use one of {', '.join(IN_BANDS)}"
        raise SimcellError(msg)
    grid = scene.frame.grid
    over = max(imaging.halo(scene.imaging, grid))
    layout = cells.lay_out(spec, _scatter(scene, streams), grid, streams, over)
    return Canvas(scene, seed, index, layout)


def excerpt(scene: Scene, *, seed: int, index: int, side: int = 512) -> Sample:
    """Return the middle of a sample that may be too large to simulate whole, to look at.

    Parameters
    ----------
    scene : Scene
        With ``cells`` of one of the kinds in ``simcell.scene.IN_BANDS``.
    seed, index : int
    side : int
        Longest side along y and x in pixels.

    Returns
    -------
    Sample
        Without its table: its labels are those of the whole sample.
    """
    canvas = lay_out(scene, seed=seed, index=index)
    *depth, height, width = canvas.grid.shape
    rows, columns = middle(height, side), middle(width, side)
    made: dict[str, Any] = {
        name: array[..., columns.start : columns.stop] for name, array in canvas.paint(rows).items()
    }
    grid = Grid((*depth, len(rows), len(columns)), canvas.grid.spacing_um)
    return Sample(scene, seed, index, grid, versions=versions(), **made)


def _in_one_band(scene: Scene, seed: int, index: int, *, imaged: bool) -> Iterator[dict[str, Any]]:
    """Run the stages of a scene that could be painted in bands, whole."""
    grid = scene.frame.grid
    pixels = prod(grid.shape)
    if pixels > MAX_PIXELS:
        msg = (
            f"frame.shape = {list(grid.shape)}: {pixels} px do not fit in memory as one sample; "
            "generate it into a dataset, which is painted band by band, or use a smaller field"
        )
        raise SimcellError(msg)
    yield {"region": np.broadcast_to(np.True_, grid.shape)}
    yield {"pattern": _scatter(scene, Streams(seed, index))}
    canvas = lay_out(scene, seed=seed, index=index)
    layout = canvas.layout
    made = _whole(canvas, imaged)
    yield {
        "pattern": layout.pattern,
        "labels": made["labels"],
        "objects": layout.objects,
        "adjacency": layout.adjacency,
    }
    yield {"prior": made["prior"], "classes": made["classes"]}
    yield {"image": made.get("image")}


def _whole(canvas: Canvas, imaged: bool) -> dict[str, NDArray[Any]]:
    """Paint all rows, a band at a time: what imaging needs meanwhile is larger than its result."""
    *across, height, width = canvas.grid.shape
    step = max(32, _PAINTED // (prod(across) * width))
    if height <= step:
        return canvas.paint(range(height), imaged=imaged)
    made: dict[str, NDArray[Any]] = {}
    for start in range(0, height, step):
        rows = range(start, min(start + step, height))
        for name, part in canvas.paint(rows, imaged=imaged).items():
            if name not in made:
                made[name] = np.empty((*part.shape[:-2], height, width), part.dtype)
            made[name][..., rows.start : rows.stop, :] = part
    return made


def _prior(scene: Scene, classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    spec = scene.prior
    assert isinstance(spec, Channels | Classes)
    return prior.of_classes(spec, classes)


def _scatter(scene: Scene, streams: Streams) -> Pattern:
    """Draw the points of a field that is painted in bands, and of its margin.

    A torus of field and margin stands in for tissue that goes on, as in `_seed`.
    """
    margin = scene.frame.margin_um
    size = tuple(side + 2 * margin for side in scene.frame.grid.size_um)
    drawn = points.sample(scene.points, Window(size, periodic=True), streams("points"))
    return Pattern(drawn.points - margin, drawn.marks, drawn.notes)


def versions() -> dict[str, str]:
    """Return the versions on which bitwise equality depends."""
    from simcell import __version__

    packages = {"simcell": __version__, "numpy": np.__version__}
    return packages | {"opencv": cv2.__version__, "numba": numba.__version__}


def _seed(scene: Scene, wide: BoolArray, grid: Grid, margin: int, streams: Streams) -> Pattern:
    """Draw the seeds in the field and its margin, in µm from the field's corner."""
    rng = streams("points")
    if scene.frame.edges == "periodic":
        return points.sample(scene.points, Window(grid.size_um, periodic=True), rng)
    size = grid.padded(margin).size_um
    # Tissue without a rim goes on beyond the margin. A torus stands in for that: on a free
    # window, random packing is denser along the edges and so too thin in the field.
    window = Window(size, periodic=True) if wide.all() else Window(size, wide)
    drawn = points.sample(scene.points, window, rng)
    return Pattern(drawn.points - margin * grid.spacing_um[0], drawn.marks, drawn.notes)


def _centres(objects: NDArray[np.void]) -> FloatArray:
    """Centres of cells: the centroid, or the seed where the frame cuts the cell."""
    centroid = np.stack([objects["centroid_y_um"], objects["centroid_x_um"]], axis=1)
    seed = np.stack([objects["seed_y_um"], objects["seed_x_um"]], axis=1)
    cut = objects["touches_border"][:, None]
    return np.asarray(np.where(cut, seed, centroid), dtype=np.float64)
