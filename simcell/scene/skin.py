"""Spec of layered skin under a glass plate, as a vertical section shows it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from simcell.scene._spec import Spec

LAYERS = ("none", "glass", "glycerol", "epidermis", "junction", "dermis")
"""Names of the classes 0 to 5; the junction is the band along the dermal-epidermal border."""

CONFOUNDERS = ("hair", "duct", "merkel", "langerhans")
"""Names of what a point of the pattern may become: kinds 1 to 4 in the mark ``confounder``."""


class SkinConfounders(Spec):
    """What becomes of the points: things in the skin that no layer's outline follows."""

    hair: float = Field(0.02, ge=0.0, le=1.0, description="share of hair follicles")
    duct: float = Field(0.03, ge=0.0, le=1.0, description="share of sweat ducts")
    merkel: float = Field(0.3, ge=0.0, le=1.0, description="share of Merkel cells: basal layer")
    langerhans: float = Field(
        0.65, ge=0.0, le=1.0, description="share of Langerhans cells: middle of the epidermis"
    )
    hair_radius_um: float = Field(16.0, gt=0.0, le=500.0, description="radius of a follicle in µm")
    hair_slope: float = Field(
        0.6, ge=0.0, le=5.0, description="largest sideways step of a follicle per depth"
    )
    duct_radius_um: float = Field(4.5, gt=0.0, le=200.0, description="radius of a duct in µm")
    cell_radius_um: float = Field(3.2, gt=0.0, le=100.0, description="radius of a cell in µm")
    radius_cv: float = Field(0.2, ge=0.0, le=0.6, description="relative spread of all radii")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.hair + self.duct + self.merkel + self.langerhans <= 0:
            msg = "hair, duct, merkel, langerhans = 0: one share must be above 0; raise one"
            raise ValueError(msg)
        return self


class SkinLayers(Spec):
    """Layers of skin in a vertical section: glass, glycerol, epidermis, junction, dermis.

    The field's y axis points down into the skin. The points become hair follicles,
    sweat ducts and bright cells at their x; the density counts them per mm² of section.
    """

    kind: Literal["skin_layers"] = "skin_layers"
    glass_um: float = Field(
        14.0, ge=0.0, le=1e4, description="depth of the glass's lower face at mid-field in µm"
    )
    glass_slope: float = Field(
        0.02, ge=0.0, le=1.0, description="largest slope of the glass; drawn evenly up to it"
    )
    gap_um: float = Field(
        8.0, ge=-1e3, le=1e3, description="mean gap from glass to skin; below 0 it is pressed flat"
    )
    surface_um: float = Field(
        4.0, ge=0.0, le=200.0, description="undulation (standard deviation) of the surface in µm"
    )
    surface_scale_um: float = Field(
        60.0, gt=0.0, le=1e4, description="length scale of that undulation in µm"
    )
    furrows_per_mm: float = Field(1.5, ge=0.0, le=100.0, description="furrows per mm of surface")
    furrow_um: float = Field(
        16.0, ge=0.0, le=500.0, description="mean depth (exponential) of a furrow in µm"
    )
    furrow_width_um: float = Field(
        30.0, gt=0.0, le=1e3, description="width of a furrow at half its depth in µm"
    )
    epidermis_um: float = Field(
        65.0, gt=0.0, le=1e3, description="mean depth of the junction below the surface in µm"
    )
    epidermis_cv: float = Field(
        0.08, ge=0.0, le=0.5, description="relative spread of that depth, ridges apart"
    )
    epidermis_scale_um: float = Field(
        150.0, gt=0.0, le=1e4, description="length scale of that spread in µm"
    )
    rete_um: float = Field(
        28.0, ge=0.0, le=500.0, description="mean height of rete ridges, tip to tip, in µm"
    )
    rete_cv: float = Field(0.35, ge=0.0, le=1.5, description="relative spread of their height")
    rete_period_um: float = Field(
        80.0, gt=0.0, le=1e4, description="median distance from one rete ridge to the next in µm"
    )
    rete_period_cv: float = Field(
        0.25, ge=0.0, le=1.0, description="relative spread of that distance"
    )
    rete_sharpness: float = Field(
        1.5, ge=0.5, le=8.0, description="1 = sine; above it ridges are narrower than papillae"
    )
    dej_um: float = Field(
        5.0,
        gt=0.0,
        le=200.0,
        description="thickness of the junction's band along its normal in µm",
    )
    confounders: SkinConfounders = SkinConfounders()
