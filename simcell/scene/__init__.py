"""The scene: everything needed to simulate one sample, as plain numbers.

One module per floor-2 room holds that room's specs; ``Scene`` ties them together.
"""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from simcell.arrays import MM_IN_UM
from simcell.scene._spec import Spec
from simcell.scene.cells import CellSpec, Voronoi
from simcell.scene.imaging import ImagingSpec, Rcm
from simcell.scene.points import HardCore, PointSpec
from simcell.scene.prior import Membrane, PriorSpec
from simcell.scene.region import Bezier, RegionSpec

__all__ = ["MAX_PIXELS", "Frame", "Scene", "Spec"]

CLOSEST_PACKING = math.pi / math.sqrt(12)
"""Share of the plane that equal discs cover at most (hexagonal packing)."""

MAX_PIXELS = 64_000_000
"""Largest field with its margin; beyond it one sample no longer fits in memory."""


class Frame(Spec):
    """The field of view."""

    shape: tuple[int, ...] = Field((256, 256), description="pixels along y, x")
    spacing_um: float = Field(0.5, ge=1e-3, le=1e3, description="size of a pixel in µm")
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
    def margin_px(self) -> int:
        """Margin in whole pixels."""
        return round(self.margin_um / self.spacing_um)

    @model_validator(mode="after")
    def _size(self) -> Self:
        if len(self.shape) != 2:
            msg = f"shape = {list(self.shape)}: needs two sides, [y, x]"
            raise ValueError(msg)
        if min(self.shape) < 8:
            msg = f"shape = {list(self.shape)}: every side must be at least 8 px"
            raise ValueError(msg)
        pixels = (self.shape[0] + 2 * self.margin_px) * (self.shape[1] + 2 * self.margin_px)
        if pixels > MAX_PIXELS:
            msg = (
                f"shape = {list(self.shape)} with margin_um = {self.margin_um:g}: {pixels} px is "
                f"above the {MAX_PIXELS} px of one sample; use a smaller field or margin"
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
        if axis >= len(self.frame.shape):
            msg = (
                f"points.gradient_axis = {axis}: a field has axes 0 (y) and 1 (x); use one of them"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _seeds_fit(self) -> Self:
        seeds = self.points
        if seeds.kind != "hard_core" or seeds.density is None:
            return self
        # Discs of unequal size can fill gaps, but never more than the plane.
        share = CLOSEST_PACKING if seeds.spread == 0 else 1.0
        disc = math.pi / 4 * seeds.distance_um**2 * (1 + seeds.spread**2)
        most = share / disc * MM_IN_UM**2
        if seeds.density > most:
            msg = (
                f"points.density = {seeds.density:g}: no packing of points "
                f"{seeds.distance_um:g} µm apart has more than {most:.4g} per mm²; lower it or "
                "distance_um, or write null for as many as fit"
            )
            raise ValueError(msg)
        return self
