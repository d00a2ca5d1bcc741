"""Specs of regions: inside what the tissue lies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simcell.scene._spec import Spec


class Full(Spec):
    """Tissue fills the field and goes on beyond it."""

    kind: Literal["full"] = "full"


class Bezier(Spec):
    """One island bounded by a random closed Bezier curve, dark outside."""

    kind: Literal["bezier"] = "bezier"
    coverage: float = Field(0.75, ge=0.02, le=1.0, description="share of the field that is tissue")
    knots: int = Field(9, ge=3, le=60, description="Bezier segments around the island")
    roughness: float = Field(
        0.25, ge=0.0, le=0.8, description="relative spread of the knots' distances from the centre"
    )
    wander: float = Field(
        0.2, ge=0.0, le=0.5, description="spread of the centre, as a share of the field's side"
    )


class Relief(Spec):
    """Several rounded islands with dark furrows between them (skin micro-relief)."""

    kind: Literal["relief"] = "relief"
    islands: int = Field(4, ge=1, le=400, description="islands whose centres lie in the field")
    furrow_um: float = Field(14.0, ge=0.0, le=500.0, description="mean width of a furrow in µm")
    furrow_cv: float = Field(0.3, ge=0.0, le=1.0, description="relative spread of that width")
    rounding_um: float = Field(12.0, ge=0.0, le=500.0, description="radius of the corners in µm")
    roughness_um: float = Field(
        3.0, ge=0.0, le=100.0, description="amplitude of the waviness of the rims in µm"
    )


class Polygon(Spec):
    """A given outline."""

    kind: Literal["polygon"] = "polygon"
    points_um: tuple[tuple[float, float], ...] = Field(
        ((8.0, 8.0), (8.0, 120.0), (120.0, 120.0), (120.0, 8.0)),
        min_length=3,
        description="corners as (y, x) in µm from the corner of the field",
    )


class MaskFile(Spec):
    """A mask read from a file: TIFF, PNG or .npy, non-zero = tissue."""

    kind: Literal["mask"] = "mask"
    path: str = Field(
        "mask.tif", min_length=1, description="file; it is stretched over the field (nearest pixel)"
    )


RegionSpec = Annotated[Full | Bezier | Relief | Polygon | MaskFile, Field(discriminator="kind")]
