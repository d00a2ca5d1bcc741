"""Tissue without gaps as the simulator makes it, seen through the windows of real fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simcell.arrays import MM_IN_UM, IntArray
from simcell.describe.field import Field
from simcell.describe.read import annotated_part
from simcell.scene import Frame, Scene
from simcell.scene.cells import Power, Voronoi
from simcell.scene.points import HardCore
from simcell.scene.region import Full
from simcell.stages import simulate

MOST_CELLS = 400
"""Cells that a simulation shows; more would not tell much more."""
_MARGIN = 2.0  # sides of a cell around the field


@dataclass(frozen=True)
class View:
    """Through what a simulation is looked at: frames, and which parts of them are known."""

    fields: tuple[Field, ...]
    density: float  # per mm²

    @property
    def side_um(self) -> float:
        """Square root of the mean area of a cell."""
        return float((MM_IN_UM**2 / self.density) ** 0.5)


def enough(fields: Sequence[Field], density: float) -> tuple[Field, ...]:
    """Return fields that hold `MOST_CELLS` together, the largest one cut where it alone does."""
    chosen: list[Field] = []
    cells = 0.0
    for field in sorted(fields, key=lambda f: f.name):
        here = float(field.known.sum()) * float(np.prod(field.spacing_um)) * density / MM_IN_UM**2
        chosen.append(field)
        cells += here
        if cells >= MOST_CELLS:
            break
    return tuple(chosen)


def tissue(view: View, values: dict[str, float], seed: int, number: int) -> list[Field]:
    """Simulate fields like those of the view.

    Parameters
    ----------
    view : View
    values : dict
        ``apart``: hard core distance over the side of a cell; ``lloyd``; ``wavy``:
        amplitude of the borders' undulation over that side; ``wave``: its scale
        likewise; ``spread``: of the radii of a power diagram, 0 = Voronoi.
    seed, number : int
        Address of the random streams.
    """
    made = []
    for k, field in enumerate(view.fields):
        scene = scene_of(view, values, field)
        index = number * len(view.fields) + k
        sample = simulate(scene, seed=seed, index=index, upto="cells")
        assert sample.labels is not None
        assert sample.objects is not None
        labels, keep = sample.labels, None
        table = sample.objects
        points = np.stack([table["centroid_y_um"], table["centroid_x_um"]], axis=1)
        if field.annotated is not None:
            keep = field.annotated[tuple((points / scene.frame.spacing_um).astype(int).T)]
            labels, points = _only(labels, keep), points[keep]
        made.append(Field(field.name, field.spacing_um, labels, None, points, _known(labels, keep)))
    return made


def scene_of(view: View, values: dict[str, float], field: Field) -> Scene:
    """Return the scene of tissue without rim; sides of pixels are taken as equal."""
    side = view.side_um
    spacing = float(np.prod(field.spacing_um)) ** 0.5
    apart = min(values["apart"], 0.82)  # what random packing reaches
    form = {
        "lloyd": values["lloyd"],
        "undulation_um": values.get("wavy", 0.0) * side,
        "undulation_scale_um": values.get("wave", 0.35) * side,
        "rim": "keep",
    }
    spread = values.get("spread", 0.0)
    cells = Power(radius_cv=spread, **form) if spread > 0 else Voronoi(**form)
    return Scene(
        frame=Frame(shape=field.shape, spacing_um=spacing, margin_um=_MARGIN * side),
        region=Full(),
        points=HardCore(density=view.density, distance_um=max(apart, 1e-3) * side),
        cells=cells,
    )


def _only(labels: IntArray, keep: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> IntArray:
    """Keep some of the labels, as one who traces whole cells does."""
    number = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)]).astype(np.int32)
    return np.ascontiguousarray(number[labels])


def _known(
    labels: IntArray, keep: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None:
    return None if keep is None else annotated_part(labels)
