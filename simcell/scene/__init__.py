"""The scene: everything needed to simulate one sample, as plain numbers.

One module per floor-2 room holds that room's specs; ``Scene`` ties them together.
"""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from simcell.arrays import MM_IN_UM, Grid
from simcell.scene._spec import Spec
from simcell.scene.cells import CellSpec, Voronoi
from simcell.scene.imaging import ImagingSpec, Rcm
from simcell.scene.points import HardCore, PointSpec
from simcell.scene.prior import Membrane, PriorSpec
from simcell.scene.region import Bezier, RegionSpec

__all__ = ["IN_BANDS", "MAX_BANDED", "MAX_PIXELS", "Frame", "Scene", "Spec"]

CLOSEST_PACKING = {2: math.pi / math.sqrt(12), 3: math.pi / math.sqrt(18)}
"""Share of the plane, or of space, that equal discs or balls fill at most."""

MAX_PIXELS = 64_000_000
"""Largest field with its margin; beyond it one sample no longer fits in memory."""

MAX_BANDED = 4_000_000_000
"""Largest field of the cells that are painted band by band."""

IN_BANDS = {"nucleus_golgi": 3, "mosaic": 2}
"""Cells that are painted band by band, and the sides of their frame."""

_FITTING = {
    "prior": {
        "nucleus_golgi": ("channels", "classes"),
        "mosaic": ("channels", "classes"),
        "skin_layers": ("channels", "classes"),
    },
    "imaging": {
        "nucleus_golgi": ("none", "fluorescence_volume"),
        "mosaic": ("none", "rcm_mosaic"),
        "skin_layers": ("none", "oct"),
    },
}
"""Kinds of prior and imaging that these cells need; no other cells take them."""


class Frame(Spec):
    """The field of view."""

    shape: tuple[int, ...] = Field(
        (256, 256), description="pixels along y, x, or of volumes along z, y, x"
    )
    spacing_um: float = Field(0.5, ge=1e-3, le=1e3, description="size of a pixel in µm")
    z_spacing_um: float | None = Field(
        None, ge=1e-3, le=1e3, description="size along z, of volumes; None = as spacing_um"
    )
    margin_um: float = Field(
        30.0,
        ge=0.0,
        le=1e4,
        description="tissue is grown this far beyond the field, so that cut cells are whole",
    )
    edges: Literal["free", "periodic"] = Field(
        "free",
        description="free: tissue goes on outside; periodic: cells and prior of opposite sides "
        "meet (light and noise of the image do not)",
    )

    @property
    def ndim(self) -> int:
        """Number of axes: 2 or 3."""
        return len(self.shape)

    @property
    def margin_px(self) -> int:
        """Margin in whole pixels, along y and x."""
        return round(self.margin_um / self.spacing_um)

    @property
    def grid(self) -> Grid:
        """The pixels of the field."""
        z = self.z_spacing_um or self.spacing_um
        return Grid(self.shape, (z, self.spacing_um, self.spacing_um)[-self.ndim :])

    @model_validator(mode="after")
    def _sides(self) -> Self:
        if self.ndim not in (2, 3):
            msg = f"shape = {list(self.shape)}: needs two sides, [y, x], or three, [z, y, x]"
            raise ValueError(msg)
        if min(self.shape) < 1 or min(self.shape[-2:]) < 8:
            msg = (
                f"shape = {list(self.shape)}: y and x must be at least 8 px"
                f"{' and z at least 1' if self.ndim == 3 else ''}"
            )
            raise ValueError(msg)
        if self.z_spacing_um is not None and self.ndim == 2:
            msg = (
                f"z_spacing_um = {self.z_spacing_um:g}: shape = {list(self.shape)} has no z; "
                "write null, or give shape three sides"
            )
            raise ValueError(msg)
        return self


class Scene(Spec):
    """Everything needed to simulate one sample."""

    frame: Frame = Frame()
    region: RegionSpec = Bezier()
    points: PointSpec = HardCore()
    cells: CellSpec = Voronoi()
    prior: PriorSpec = Membrane()
    imaging: ImagingSpec = Rcm()

    @model_validator(mode="after")
    def _parts_go_together(self) -> Self:
        sides = IN_BANDS.get(self.cells.kind, 2)
        if self.frame.ndim != sides:
            names = "[y, x]" if sides == 2 else "[z, y, x]"
            msg = (
                f"frame.shape = {list(self.frame.shape)}: cells.kind = {self.cells.kind!r} "
                f"needs {sides} sides, {names}"
            )
            raise ValueError(msg)
        for part, fitting in _FITTING.items():
            kind = getattr(self, part).kind
            mine = fitting.get(self.cells.kind)
            special = {name for names in fitting.values() for name in names} - {"none"}
            if kind in special if mine is None else kind not in mine:
                msg = (
                    f"{part}.kind = {kind!r}: does not go with cells.kind = {self.cells.kind!r}; "
                    f"use {' or '.join(mine) if mine else 'another'}"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _bands_are_full(self) -> Self:
        banded, layered = self.cells.kind in IN_BANDS, self.cells.kind == "skin_layers"
        for path, value, needed, holds in (
            ("region.kind", self.region.kind, "full", banded),
            ("frame.edges", self.frame.edges, "free", banded or layered),
        ):
            if holds and value != needed:
                msg = f"{path} = {value!r}: cells.kind = {self.cells.kind!r} needs {needed!r}"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _size(self) -> Self:
        banded = self.cells.kind in IN_BANDS
        margin = 0 if banded else self.frame.margin_px
        pixels = math.prod(side + 2 * margin for side in self.frame.shape)
        most = MAX_BANDED if banded else MAX_PIXELS
        if pixels > most:
            beside = "" if banded else f" with margin_um = {self.frame.margin_um:g}"
            msg = (
                f"frame.shape = {list(self.frame.shape)}{beside}: {pixels} px is above the "
                f"{most} px of one sample; use a smaller field{'' if banded else ' or margin'}"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _periodic_is_full(self) -> Self:
        if self.frame.edges == "periodic" and self.region.kind != "full":
            msg = (
                f"region.kind = {self.region.kind!r}: frame.edges = 'periodic' needs "
                "region.kind = 'full'; change one of the two"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _gradient_in_the_plane(self) -> Self:
        axis = getattr(self.points, "gradient_axis", 0)
        if axis >= self.frame.ndim:
            axes = "0 (y) and 1 (x)" if self.frame.ndim == 2 else "0 (z), 1 (y) and 2 (x)"
            msg = f"points.gradient_axis = {axis}: a field has axes {axes}; use one of them"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _seeds_fit(self) -> Self:
        seeds = self.points
        if seeds.kind != "hard_core" or seeds.density is None:
            return self
        # Balls of unequal size can fill gaps, but never more than all of the space.
        ndim = self.frame.ndim
        share = CLOSEST_PACKING[ndim] if seeds.spread == 0 else 1.0
        apart = seeds.apart_um(ndim)
        ball = math.pi / 4 * apart**2 * (1 + seeds.spread**2)
        if ndim == 3:
            ball = math.pi / 6 * apart**3 * (1 + 3 * seeds.spread**2)
        most = share / ball * MM_IN_UM**ndim
        if seeds.density > most:
            msg = (
                f"points.density = {seeds.density:g}: no packing of points "
                f"{apart:.4g} µm apart has more than {most:.4g} per "
                f"{'mm²' if ndim == 2 else 'mm³'}; lower it or the distance, or write null for as "
                "many as fit"
            )
            raise ValueError(msg)
        return self
