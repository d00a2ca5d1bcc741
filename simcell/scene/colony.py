"""Spec of colonies: founders and their descendants."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simcell.scene._spec import Spec


class Colony(Spec):
    """Colonies grown from founders: each new point lies beside one that is there already.

    No two points are nearer than the distance. ``colony_size`` 1 gives points placed
    one after another wherever there is room.
    """

    kind: Literal["colony"] = "colony"
    density: float = Field(600.0, gt=0, le=1e12, description="points per mm² (2-D) or mm³ (3-D)")
    colony_size: float = Field(12.0, ge=1, le=1e6, description="mean number of points a colony")
    distance_um: float = Field(15.0, gt=0, le=1e5, description="least distance of points in µm")
    looseness: float = Field(
        0.25,
        ge=0,
        le=20,
        description="room between mother and daughter, as a share of the distance, at most",
    )
    tries: int = Field(
        30, ge=1, le=1000, description="directions tried before a mother counts as hemmed in"
    )
