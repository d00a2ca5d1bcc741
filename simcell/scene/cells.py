"""Specs of cells: what grows from the points."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from simcell.scene._spec import Spec
from simcell.scene.masks import Masks
from simcell.scene.mosaic import Mosaic
from simcell.scene.skin import SkinLayers
from simcell.scene.volume import NucleusGolgi

Rim = Literal["merge", "drop", "keep"]


class _Tissue(Spec):
    lloyd: float = Field(
        0.0,
        ge=0.0,
        le=200.0,
        description="Lloyd steps towards regular cells; fractions move the seeds part of the way",
    )
    undulation_um: float = Field(
        0.8, ge=0.0, le=50.0, description="amplitude (standard deviation) of wavy borders in µm"
    )
    undulation_scale_um: float = Field(
        8.0, gt=0.0, le=1000.0, description="wavelength scale of the wavy borders in µm"
    )
    vacancy: float = Field(0.0, ge=0.0, le=0.95, description="probability that a cell is missing")
    rim: Rim = Field(
        "merge",
        description="what becomes of small cells at the island's rim: merged into the neighbour "
        "with the longest common border, dropped (background), or kept",
    )
    rim_min_area: float = Field(
        0.35,
        ge=0.0,
        le=1.0,
        description="a rim cell, or a fragment of a cut cell, below this share of the median cell "
        "area counts as small",
    )


class Voronoi(_Tissue):
    """Confluent tissue: every pixel belongs to its nearest seed."""

    kind: Literal["voronoi"] = "voronoi"


class Power(_Tissue):
    """Confluent tissue by the power (Laguerre) diagram of the seeds' radii.

    Radii come from the point process (``radius_um``); where it gives none,
    they are drawn here.
    """

    kind: Literal["power"] = "power"
    radius_cv: float = Field(
        0.25, ge=0.0, le=0.8, description="relative spread of radii drawn for unmarked seeds"
    )
    strength: float = Field(
        1.0, ge=0.0, le=1.0, description="0 = plain Voronoi, 1 = full power diagram"
    )


class Outlines(Spec):
    """Cells that stand apart or press on each other: discs, ellipses, spindles, wavy outlines.

    Radius, axis ratio and orientation come from the point process where it
    marks them, else from the fields here. An object may reach over the region's rim,
    within which its centre lies.
    """

    kind: Literal["outlines"] = "outlines"
    radius_um: float = Field(
        6.0,
        gt=0.0,
        le=1000.0,
        description="radius in µm (disc of equal area) of points that have none of their own, "
        "as those of `objects` and of `hard_core` with a spread do",
    )
    radius_cv: float = Field(0.0, ge=0.0, le=0.8, description="relative spread of that radius")
    waviness: float = Field(
        0.0, ge=0.0, le=0.4, description="relative amplitude of harmonics 2 to `harmonics`"
    )
    harmonics: int = Field(6, ge=2, le=24, description="highest harmonic of a wavy outline")
    axis_ratio_min: float = Field(
        1.0, ge=0.05, le=1.0, description="least short/long axis ratio of points without one"
    )
    axis_ratio_max: float = Field(
        1.0, ge=0.05, le=1.0, description="largest short/long axis ratio of points without one"
    )
    align_um: float = Field(
        0.0,
        ge=0.0,
        le=1e4,
        description="length over which such objects point alike, 0 = each its own way",
    )
    taper: float = Field(
        0.5,
        ge=0.1,
        le=4.0,
        description="ends of the long axis: 0.5 = those of an ellipse, 1 = pointed, above: drawn "
        "out, below: blunt",
    )
    meet: Literal["cover", "share"] = Field(
        "cover",
        description="where outlines overlap: later objects cover earlier ones, or the two share "
        "the ground, as touching cells do, and nothing is hidden",
    )
    min_visible: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="an object with less than this share of itself visible is left out; where "
        "outlines share the ground, of its fair share of that",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.axis_ratio_min > self.axis_ratio_max:
            msg = (
                f"axis_ratio_min = {self.axis_ratio_min:g}: must not exceed axis_ratio_max"
                f" = {self.axis_ratio_max:g}; swap or widen them"
            )
            raise ValueError(msg)
        return self


class SimcepShape(Spec):
    """Size law and outline of one part: angles and positions of ten knots, perturbed.

    Knots lie at x = r [α U + cos(θ + β U')], y likewise with the sine; U and U'
    are uniform in (-1, 1).
    """

    radius_um: float = Field(10.0, gt=0.0, le=1000.0, description="mean nominal radius r in µm")
    radius_cv: float = Field(0.0, ge=0.0, le=0.8, description="its relative spread")
    radius_law: Literal["normal", "lognormal", "uniform"] = "normal"
    alpha: float = Field(
        0.1, ge=0.0, le=0.6, description="α: perturbation of the knots, share of r"
    )
    beta: float = Field(0.1, ge=0.0, le=0.6, description="β: perturbation of their angles, rad")
    harmonics: int | None = Field(
        None,
        ge=1,
        le=4,
        description="smooth outline of so many harmonics through the knots; None = spline",
    )


class SimcepSpots(Spec):
    """Small bright bodies inside a cell."""

    count: float = Field(0.0, ge=0.0, le=1000.0, description="mean number a cell")
    radius_um: float = Field(0.7, gt=0.0, le=100.0, description="radius in µm")
    where: Literal["cytoplasm", "nucleus"] = "cytoplasm"


class SimcepType(Spec):
    """One type of cell: its parts, and its share among the cells."""

    share: float = Field(1.0, gt=0.0, le=1.0, description="share of the cells, relative to others")
    cytoplasm: SimcepShape | None = Field(
        SimcepShape(radius_um=20.0, alpha=0.3, beta=0.05), description="None = nuclei alone"
    )
    nucleus: SimcepShape | None = Field(SimcepShape(), description="None = no nucleus")
    nucleus_offset: float = Field(
        0.2, ge=0.0, le=1.0, description="spread of the nucleus's centre, share of the cell's r"
    )
    spots: SimcepSpots = SimcepSpots()

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.cytoplasm is None and self.nucleus is None:
            msg = "cytoplasm = None and nucleus = None: nothing is left; give one of the two"
            raise ValueError(msg)
        return self


class Simcep(Spec):
    """Cells of a fluorescence population as SIMCEP draws them, around the points.

    Radius, axis ratio and orientation come from the point process where it marks
    them. Objects are placed one after another; later ones lie on top.
    """

    kind: Literal["simcep"] = "simcep"
    types: tuple[SimcepType, ...] = Field((SimcepType(),), min_length=1, max_length=20)
    label: Literal["cell", "nucleus"] = Field(
        "cell", description="what the labels number: whole cells, or their nuclei"
    )
    overlap_limit: float = Field(
        0.2, ge=0.0, le=1.0, description="shared area over the smaller area that is refused beyond"
    )
    tries: int = Field(
        20, ge=1, le=1000, description="places tried for an object, each farther from its point"
    )
    depth_um: float = Field(
        0.0, ge=0.0, le=1000.0, description="spread (standard deviation) of the cells' depths in µm"
    )
    min_visible: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="an object with less than this share of itself visible is left out",
    )


BandedSpec = NucleusGolgi | Mosaic
"""Cells that are laid out first and painted band by band."""

CellSpec = Annotated[
    Voronoi | Power | Outlines | Simcep | Masks | SkinLayers | BandedSpec,
    Field(discriminator="kind"),
]
