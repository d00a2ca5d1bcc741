"""What a microscope model is given to look at."""

from __future__ import annotations

from dataclasses import dataclass

from simcell.arrays import BoolArray, FloatArray, Grid, Image, IntArray, Layers, Parts


@dataclass(frozen=True)
class View:
    """The focal plane of one field.

    Attributes
    ----------
    labels : IntArray
        Label image (y, x), 0 = no cell.
    distance_um : Image
        Distance of every pixel to the nearest border in µm.
    centres_um : FloatArray
        Centre (y, x) of each label's cell in µm, row ``i`` for label ``i + 1``;
        may lie outside the field for cells that its frame cuts.
    tissue : BoolArray
        True where there is tissue, be it a cell or a hole that one left.
    grid : Grid
    parts : Parts, optional
        Cytoplasm, nuclei and spots, where the cells have any.
    layers : Layers, optional
        Layers of the skin, where the cells are those.
    """

    labels: IntArray
    distance_um: Image
    centres_um: FloatArray
    tissue: BoolArray
    grid: Grid
    parts: Parts | None = None
    layers: Layers | None = None

    @property
    def spacing_um(self) -> float:
        """Size of a pixel in µm."""
        return self.grid.spacing_um[0]
