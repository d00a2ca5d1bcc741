"""Specs of imaging: how the tissue looks through the microscope.

Brightness is relative: in ``rcm`` 1 is the reflectance that fills the detector's
range at gain 1, in ``fluorescence`` what gives ``camera.photons``. Lengths are in
µm, noise in the units each field names.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from simcell.scene._spec import Spec, check_layers
from simcell.scene.camera import FluoCamera
from simcell.scene.mosaic import RcmMosaic
from simcell.scene.oct import Oct
from simcell.scene.phase import PhaseContrast
from simcell.scene.volume import FluorescenceVolume


class NoImage(Spec):
    """Prior and labels only."""

    kind: Literal["none"] = "none"


class RcmMembrane(Spec):
    """Bright borders between keratinocytes."""

    brightness: float = Field(0.5, ge=0.0, le=3.0, description="mean reflectance, relative")
    width_um: float = Field(1.6, gt=0.0, le=20.0, description="full width at half maximum in µm")
    width_cv: float = Field(0.25, ge=0.0, le=1.0, description="relative spread along its length")
    strength_cv: float = Field(
        0.35, ge=0.0, le=2.0, description="relative spread of brightness along its length"
    )
    scale_um: float = Field(
        9.0, gt=0.0, le=500.0, description="length over which width and brightness vary in µm"
    )


class RcmCytoplasm(Spec):
    """Grainy cell bodies."""

    brightness: float = Field(0.22, ge=0.0, le=3.0, description="mean reflectance, relative")
    cell_cv: float = Field(0.2, ge=0.0, le=1.5, description="relative spread between cells")
    grain: float = Field(0.3, ge=0.0, le=1.5, description="relative strength of the grain")
    grain_um: float = Field(1.6, gt=0.0, le=50.0, description="size of a grain in µm")
    octaves: int = Field(
        1,
        ge=1,
        le=6,
        description="octaves of the grain, each twice as large and strong as the one before",
    )
    texture: Literal["value", "perlin"] = Field(
        "value", description="lattice noise of the grain: value noise, or slower gradient noise"
    )


class RcmNucleus(Spec):
    """Dark nuclei, where the layer shows them; or bright ones."""

    visible: float = Field(0.8, ge=0.0, le=1.0, description="share of cells that show a nucleus")
    radius_um: float = Field(4.0, gt=0.0, le=50.0, description="mean radius in µm")
    radius_cv: float = Field(0.15, ge=0.0, le=0.6, description="relative spread of radii")
    depth: float = Field(
        0.7,
        ge=-3.0,
        le=1.0,
        description="share of the brightness it takes away; below 0 it is brighter by as much",
    )
    edge_um: float = Field(1.2, gt=0.0, le=20.0, description="softness of its edge in µm")
    offset_um: float = Field(0.8, ge=0.0, le=20.0, description="spread of its centre in µm")


class RcmSpots(Spec):
    """Bright blobs scattered over the tissue: organelles, keratin grains."""

    density: float = Field(0.0, ge=0.0, le=1e6, description="spots per mm² of tissue")
    radius_um: float = Field(0.8, gt=0.0, le=20.0, description="mean radius (Gaussian sigma) in µm")
    radius_cv: float = Field(0.3, ge=0.0, le=1.0, description="relative spread of radii")
    brightness: float = Field(0.4, ge=0.0, le=5.0, description="mean peak reflectance added")

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        check_layers(self.density, self.radius_um)
        return self


class RcmOrganelles(RcmSpots):
    """Small bright blobs: melanosomes, keratohyalin and other organelles."""

    density: float = Field(4000.0, ge=0.0, le=1e6, description="spots per mm² of tissue")


class RcmKeratin(RcmSpots):
    """Few large, very bright grains of keratin."""

    density: float = Field(300.0, ge=0.0, le=1e6, description="spots per mm² of tissue")
    radius_um: float = Field(1.6, gt=0.0, le=20.0, description="mean radius (Gaussian sigma) in µm")
    brightness: float = Field(0.8, ge=0.0, le=5.0, description="mean peak reflectance added")


class RcmDefocus(Spec):
    """Light from the layer below the focal plane."""

    share: float = Field(0.25, ge=0.0, le=1.0, description="its share in the signal")
    blur_um: float = Field(
        4.0, gt=0.0, le=100.0, description="its blur: the correlation length of its clouds in µm"
    )
    contrast: float = Field(0.25, ge=0.0, le=1.5, description="relative spread of its brightness")


class RcmField(Spec):
    """Unevenness over the whole field."""

    uneven: float = Field(0.2, ge=0.0, le=1.5, description="relative spread of illumination")
    scale_um: float = Field(60.0, gt=0.0, le=5000.0, description="its length scale in µm")
    tilt: float = Field(
        0.25,
        ge=0.0,
        le=6.0,
        description="optical depth gained across the field by a tilted focal plane",
    )
    furrow: float = Field(0.05, ge=0.0, le=1.0, description="reflectance outside the tissue")
    furrow_edge_um: float = Field(2.5, ge=0.0, le=100.0, description="softness of the rim in µm")


class RcmNoise(Spec):
    """Speckle, detector and scanner noise; or just `low`, `medium`, `high`."""

    looks: float = Field(
        9.0, ge=0.5, le=1e5, description="speckle looks; contrast is 1/sqrt(looks)"
    )
    speckle_um: float = Field(
        1.3, ge=0.0, le=20.0, description="speckle grain (full width at half maximum) in µm"
    )
    photons: float = Field(
        300.0, ge=1.0, le=1e6, description="photons per pixel at full range; sets shot noise"
    )
    read_noise: float = Field(
        0.01, ge=0.0, le=0.5, description="detector noise, as a share of the full range"
    )
    jitter_um: float = Field(
        0.12, ge=0.0, le=20.0, description="shift of scan lines (standard deviation) in µm"
    )
    interlace: float = Field(
        0.0, ge=0.0, le=0.5, description="how much brighter every other scan line is, relatively"
    )
    smear_um: float = Field(
        0.0,
        ge=0.0,
        le=200.0,
        description="how far electronics smear the detector's noise along scan lines (sd), in µm",
    )
    lines: float = Field(
        0.0, ge=0.0, le=0.5, description="spread of the brightness of scan lines, relatively"
    )
    peaking: float = Field(
        0.0,
        ge=-0.9,
        le=3.0,
        description="how much detail along scan lines the electronics add; below 0, lose",
    )
    peaking_um: float = Field(
        2.0,
        gt=0.0,
        le=200.0,
        description="detail finer than this (Gaussian sigma) is peaked, in µm",
    )

    @model_validator(mode="before")
    @classmethod
    def _named_level(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over raw input
        if not isinstance(value, str):
            return value
        if value not in NOISE_LEVELS:
            msg = f"{value!r} is no noise level; use {', '.join(NOISE_LEVELS)}, or a mapping"
            raise ValueError(msg)
        return dict(NOISE_LEVELS[value])


NOISE_LEVELS: dict[str, dict[str, float]] = {
    "low": {"looks": 25, "speckle_um": 1.2, "photons": 800, "read_noise": 0.005, "jitter_um": 0.05},
    "medium": {
        "looks": 9,
        "speckle_um": 1.3,
        "photons": 300,
        "read_noise": 0.01,
        "jitter_um": 0.12,
    },
    "high": {"looks": 4, "speckle_um": 1.4, "photons": 100, "read_noise": 0.015, "jitter_um": 0.25},
}
"""Speckle contrast 0.2, 0.33 and 0.5; shot noise at half the range 5, 8 and 14 %."""


class Rcm(Spec):
    """Reflectance confocal microscope looking at epidermis."""

    kind: Literal["rcm"] = "rcm"
    membrane: RcmMembrane = RcmMembrane()
    cytoplasm: RcmCytoplasm = RcmCytoplasm()
    nucleus: RcmNucleus = RcmNucleus()
    organelles: RcmOrganelles = RcmOrganelles()
    keratin: RcmKeratin = RcmKeratin()
    defocus: RcmDefocus = RcmDefocus()
    field: RcmField = RcmField()
    noise: RcmNoise = RcmNoise()
    psf_um: float = Field(
        0.6, ge=0.0, le=20.0, description="lateral resolution (full width at half maximum) in µm"
    )
    gamma: float = Field(
        1.0,
        ge=0.2,
        le=3.0,
        description="grey levels go with light to this power; that of mean cell bodies stays",
    )
    gain: float = Field(1.0, gt=0.0, le=20.0, description="detector gain; above it saturates")
    offset: float = Field(
        0.03, ge=-0.5, le=0.5, description="detector offset, as a share of the full range"
    )


class FluoTexture(Spec):
    """Multi-scale texture of an object: octaves of random grids stretched over it."""

    persistence: float = Field(
        0.5, ge=0.0, le=1.0, description="amplitude of an octave over that of the one before"
    )
    first: int = Field(2, ge=1, le=10, description="first octave k: a grid of 2^k by 2^k values")
    octaves: int = Field(5, ge=1, le=10, description="number of octaves")
    bias: float = Field(
        0.2, ge=0.0, le=1.0, description="brightness at the darkest point of an object, over peak"
    )


class FluoPart(Spec):
    """How bright one part of the cells is."""

    brightness: float = Field(
        0.8, ge=0.0, le=20.0, description="brightness at the brightest point of an object, relative"
    )
    cell_cv: float = Field(0.1, ge=0.0, le=1.5, description="relative spread between cells")
    texture: FluoTexture = FluoTexture()


class FluoField(Spec):
    """Unevenness over the whole field."""

    glow: float = Field(
        0.0, ge=0.0, le=5.0, description="energy: light added at the middle of the illumination"
    )
    falloff: float = Field(
        0.0, ge=0.0, le=1.0, description="share of the illumination lost a half diagonal from it"
    )
    misalignment: float = Field(
        0.1, ge=0.0, le=1.0, description="largest offset of its middle, share of the field's side"
    )
    autofluorescence: float = Field(
        0.0, ge=0.0, le=5.0, description="peak of a cloudy background over the whole field"
    )


class FluoFocus(Spec):
    """Depth of field: objects blur with their own distance from the focal plane."""

    plane_um: float = Field(0.0, ge=-1e4, le=1e4, description="depth of the focal plane in µm")
    blur: float = Field(
        0.5, ge=0.0, le=10.0, description="blur (Gaussian sigma) in µm per µm out of focus"
    )


class Fluorescence(Spec):
    """Wide-field fluorescence microscope looking at stained cells.

    Brightness is relative to what gives ``camera.photons``. Cells without parts
    of their own (tissue, outlines) are imaged as cytoplasm.
    """

    kind: Literal["fluorescence"] = "fluorescence"
    cytoplasm: FluoPart = FluoPart(
        brightness=0.3, texture=FluoTexture(persistence=0.9, first=2, octaves=8)
    )
    nucleus: FluoPart = FluoPart()
    spots: FluoPart = FluoPart(texture=FluoTexture(octaves=1, bias=1.0))
    field: FluoField = FluoField()
    focus: FluoFocus = FluoFocus()
    psf_um: float = Field(
        0.5, ge=0.0, le=200.0, description="resolution in focus (full width at half maximum) in µm"
    )
    camera: FluoCamera = FluoCamera()


ImagingSpec = Annotated[
    NoImage | Rcm | Fluorescence | PhaseContrast | Oct | FluorescenceVolume | RcmMosaic,
    Field(discriminator="kind"),
]
