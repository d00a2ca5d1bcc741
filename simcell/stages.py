"""From a scene to a sample: the only file that knows the order of the stages.

The module is not called ``simulate``, because a package's attribute can be
either its module or its function of that name, and ``simcell.simulate`` is the
function.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from simcell import cells, imaging, points, prior, region
from simcell.arrays import BoolArray, FloatArray, Grid, Pattern, Window
from simcell.errors import SimcellError
from simcell.rng import Streams
from simcell.sample import Sample
from simcell.scene import Scene

Stage = Literal["region", "points", "cells", "prior", "image"]
STAGES: tuple[Stage, ...] = get_args(Stage)


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
    spacing = scene.frame.spacing_um
    grid = Grid(scene.frame.shape, (spacing, spacing))
    made: dict[str, Any] = {}
    for stage, new in zip(STAGES, _stages(scene, grid, Streams(seed, index)), strict=True):
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
    picture, classes = prior.render(scene.prior, labels, distance, spacing)
    if classes is None and grown.parts is not None:
        classes = grown.parts.classes()
    yield {"prior": picture, "classes": classes}

    # Confluent tissue fills its region, holes left by missing cells included.
    confluent = scene.cells.kind in {"voronoi", "power"}
    inside = wide[inner, inner] if confluent else labels > 0
    view = imaging.View(labels, distance, _centres(objects), inside, grid, grown.parts)
    yield {"image": imaging.render(scene.imaging, view, streams)}


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
