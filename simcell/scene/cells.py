"""Specs of cells: what grows from the points."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simcell.scene._spec import Spec

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
    """Cells that stand apart: discs, ellipses or wavy outlines around the points.

    Radius, axis ratio and orientation come from the point process where it
    marks them, else from the fields here. Later objects lie on top, and an object
    may reach over the region's rim, within which its centre lies.
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
    min_visible: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="an object with less than this share of itself visible is left out",
    )


CellSpec = Annotated[Voronoi | Power | Outlines, Field(discriminator="kind")]
