"""Specs of priors: how labels look in domain B."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simcell.scene._spec import Spec

Thickness = Annotated[float, Field(gt=0.0, le=100.0)]


class Membrane(Spec):
    """Bright lines along every border of a cell; 0 or 255."""

    kind: Literal["membrane"] = "membrane"
    thickness_um: Thickness = Field(1.0, description="width of the lines in µm")


class Filled(Spec):
    """Bright cells on black; 0 or 255."""

    kind: Literal["filled"] = "filled"
    gap_um: float = Field(
        0.0, ge=0.0, le=100.0, description="black line left between touching cells in µm"
    )


class BoundaryInterior(Spec):
    """Two classes: 0 background, 1 interior, 2 boundary (prior: 0, 128, 255)."""

    kind: Literal["boundary_interior"] = "boundary_interior"
    thickness_um: Thickness = Field(1.0, description="width of the boundary class in µm")


class Distance(Spec):
    """Distance to the cell's border, 0 at the border and 255 at its deepest point."""

    kind: Literal["distance"] = "distance"


class Channels(Spec):
    """One channel a class, 0 or 255: nuclei in one, Golgi in the next."""

    kind: Literal["channels"] = "channels"
    classes: int = Field(2, ge=1, le=16, description="classes 1 to so many have a channel each")


class Classes(Spec):
    """The class map in evenly spaced greys: 0 for class 0, 255 for the last one."""

    kind: Literal["classes"] = "classes"
    classes: int = Field(6, ge=1, le=255, description="number of the last class")


PriorSpec = Annotated[
    Membrane | Filled | BoundaryInterior | Distance | Channels | Classes,
    Field(discriminator="kind"),
]
