"""Spec of optical coherence tomography of layered skin.

Brightness is reflected intensity before attenuation, relative to that of the
stratum corneum in the presets; ``display.white`` says which intensity is white.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simcell.scene._spec import Spec


class OctGlass(Spec):
    """Glass plate and glycerol above the skin."""

    brightness: float = Field(0.003, ge=0.0, le=10.0, description="intensity inside the glass")
    face: float = Field(1.5, ge=0.0, le=100.0, description="peak intensity of its lower face")
    face_um: float = Field(
        2.0, gt=0.0, le=100.0, description="full width at half maximum of that reflection in µm"
    )
    tail: float = Field(
        0.25, ge=0.0, le=1.0, description="share of the face's intensity that trails into the glass"
    )
    tail_um: float = Field(
        8.0, gt=0.0, le=1e3, description="length over which that trail falls by e in µm"
    )
    glycerol: float = Field(0.003, ge=0.0, le=10.0, description="intensity inside the glycerol")


class OctCorneum(Spec):
    """Bright stratum corneum at the surface."""

    brightness: float = Field(0.55, ge=0.0, le=100.0, description="mean intensity")
    surface: float = Field(0.8, ge=0.0, le=100.0, description="intensity added at the surface")
    surface_um: float = Field(
        2.5, gt=0.0, le=100.0, description="full width at half maximum of that line in µm"
    )
    thickness_um: float = Field(12.0, ge=0.0, le=500.0, description="mean thickness in µm")
    thickness_cv: float = Field(0.15, ge=0.0, le=0.6, description="its spread along the surface")
    lamellae: float = Field(
        0.5, ge=0.0, le=2.0, description="relative spread of brightness between lamellae"
    )


class OctEpidermis(Spec):
    """Viable epidermis: grey, with dark nuclei that are flat near the surface."""

    brightness: float = Field(0.14, ge=0.0, le=100.0, description="mean intensity between nuclei")
    uneven: float = Field(0.3, ge=0.0, le=2.0, description="relative spread between cells")
    cell_um: float = Field(12.0, gt=0.5, le=200.0, description="distance between nuclei in µm")
    nucleus_um: float = Field(3.6, ge=0.0, le=100.0, description="radius of deep nuclei in µm")
    nucleus_depth: float = Field(
        0.85, ge=0.0, le=1.0, description="share of the intensity that a nucleus takes away"
    )
    basal: float = Field(
        1.5, ge=0.0, le=20.0, description="intensity of the basal layer over that of the rest"
    )
    basal_um: float = Field(8.0, gt=0.0, le=9.0, description="thickness of the basal layer in µm")
    junction: float = Field(
        0.8, ge=0.0, le=20.0, description="intensity of the junction over that of the epidermis"
    )


class OctDermis(Spec):
    """Bright dermis with fibres along the surface."""

    brightness: float = Field(0.4, ge=0.0, le=100.0, description="mean intensity")
    fibres: float = Field(0.7, ge=0.0, le=3.0, description="relative spread between fibres")
    fibre_um: float = Field(3.0, gt=0.0, le=200.0, description="thickness of a fibre in µm")
    fibre_length_um: float = Field(30.0, gt=0.0, le=2e3, description="length of a fibre in µm")
    wave_um: float = Field(6.0, ge=0.0, le=500.0, description="waviness of the fibres in µm")


class OctAttenuation(Spec):
    """Loss of light on the way down and back: intensity falls as exp(-2 µ depth)."""

    epidermis_per_mm: float = Field(6.0, ge=0.0, le=1e3, description="µ of the epidermis per mm")
    dermis_per_mm: float = Field(8.0, ge=0.0, le=1e3, description="µ of the dermis per mm")


class OctConfounders(Spec):
    """How hair follicles, sweat ducts and bright cells look."""

    cell: float = Field(
        5.0,
        ge=0.0,
        le=100.0,
        description="intensity that a Merkel or Langerhans cell adds, relative to its surroundings",
    )
    duct: float = Field(4.0, ge=0.0, le=100.0, description="the same for the coils of a sweat duct")
    duct_pitch_um: float = Field(28.0, gt=0.0, le=1e3, description="depth of one coil in µm")
    follicle: float = Field(0.7, ge=0.0, le=1.0, description="intensity lost inside a follicle")
    shadow: float = Field(0.6, ge=0.0, le=1.0, description="intensity lost below a hair")


class OctField(Spec):
    """Unevenness over the whole field."""

    falloff: float = Field(
        0.75,
        ge=0.0,
        le=1.0,
        description="share of the light lost at the ends of the field",
    )
    falloff_power: float = Field(
        4.0, ge=1.0, le=20.0, description="2 = parabola; higher = only the ends are dark"
    )
    offset: float = Field(
        0.15, ge=0.0, le=1.0, description="largest offset of the brightest place, of half the width"
    )
    uneven: float = Field(0.15, ge=0.0, le=2.0, description="relative spread along x")
    scale_um: float = Field(80.0, gt=0.0, le=1e4, description="length scale of that spread in µm")


class OctMissing(Spec):
    """Places without signal."""

    columns: float = Field(0.3, ge=0.0, le=100.0, description="mean number of lost columns' bands")
    column_um: float = Field(25.0, gt=0.0, le=1e4, description="mean width of such a band in µm")
    patches: float = Field(0.5, ge=0.0, le=100.0, description="mean number of lost patches")
    patch_um: float = Field(25.0, gt=0.0, le=1e4, description="mean radius of a patch in µm")
    strength: float = Field(0.85, ge=0.0, le=1.0, description="largest share of the signal lost")


class OctSpeckle(Spec):
    """Fully developed speckle: intensity of a circular complex Gaussian field."""

    looks: float = Field(
        3.0, ge=1.0, le=32.0, description="patterns averaged; contrast is 1/sqrt(looks)"
    )
    speckle_um: float = Field(
        1.6,
        ge=0.0,
        le=20.0,
        description="grain (full width at half maximum of the intensity's autocovariance) in µm",
    )


class OctDisplay(Spec):
    """From intensity to 8-bit grey levels."""

    scale: Literal["log", "amplitude", "linear"] = Field(
        "log", description="grey level by decibels, by the root of intensity, or by intensity"
    )
    white: float = Field(1.5, gt=0.0, le=1e4, description="intensity that is white")
    range_db: float = Field(36.0, gt=1.0, le=200.0, description="log: decibels from black to white")


class Oct(Spec):
    """Optical coherence tomograph looking at a vertical section of skin.

    Needs ``cells.kind = skin_layers``.
    """

    kind: Literal["oct"] = "oct"
    glass: OctGlass = OctGlass()
    corneum: OctCorneum = OctCorneum()
    epidermis: OctEpidermis = OctEpidermis()
    dermis: OctDermis = OctDermis()
    attenuation: OctAttenuation = OctAttenuation()
    confounders: OctConfounders = OctConfounders()
    field: OctField = OctField()
    missing: OctMissing = OctMissing()
    speckle: OctSpeckle = OctSpeckle()
    psf_um: float = Field(
        0.9, ge=0.0, le=100.0, description="resolution (full width at half maximum) in µm"
    )
    floor: float = Field(0.002, ge=0.0, le=10.0, description="mean intensity of the noise")
    display: OctDisplay = OctDisplay()
