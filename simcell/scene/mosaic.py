"""Specs of mosaics: patterns of a whole lesion, and how reflectance shows them.

The classes are 0 not annotated, 1 non-lesion, 2 artifact, 3 meshwork, 4 ring,
5 nested, 6 patternless. Brightness is relative: 1 fills the detector's range at
gain 1. Lengths are in µm.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from simcell.scene._spec import Spec

PATTERNS = ("non_lesion", "artifact", "meshwork", "ring", "nested", "patternless")
"""Names of classes 1 to 6."""


class PatternShares(Spec):
    """Share of the field that each class takes on average, relative to the others."""

    non_lesion: float = Field(0.25, ge=0.0, le=1.0, description="class 1: honeycomb, cobblestone")
    artifact: float = Field(0.1, ge=0.0, le=1.0, description="class 2: bubbles, stripes, corneum")
    meshwork: float = Field(0.13, ge=0.0, le=1.0, description="class 3: thick bright cords")
    ring: float = Field(0.18, ge=0.0, le=1.0, description="class 4: bright rims around papillae")
    nested: float = Field(0.14, ge=0.0, le=1.0, description="class 5: dense bright clusters")
    patternless: float = Field(0.2, ge=0.0, le=1.0, description="class 6: no structure")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any(getattr(self, name) for name in PATTERNS):
            msg = f"shares of {', '.join(PATTERNS)} are all 0: give at least one class a share"
            raise ValueError(msg)
        return self


class Mosaic(Spec):
    """Regions of the patterns that a mosaic of skin shows.

    Regions are the Voronoi cells of random seeds, their borders made wavy. The
    points of the scene are the centres of dermal papillae and of nests.
    """

    kind: Literal["mosaic"] = "mosaic"
    region_um: float = Field(
        700.0, ge=50.0, le=1e5, description="size of a region: the root of its mean area, in µm"
    )
    shares: PatternShares = PatternShares()
    wave_um: float = Field(
        55.0, ge=0.0, le=500.0, description="amplitude (standard deviation) of wavy borders in µm"
    )
    wave_scale_um: float = Field(
        190.0, ge=10.0, le=1e4, description="length scale of the wavy borders in µm"
    )
    border_um: float = Field(
        45.0, ge=0.0, le=1000.0, description="width over which one pattern fades into the next"
    )
    wobble_um: float = Field(
        6.0, ge=0.0, le=100.0, description="irregularity (standard deviation) of papillae in µm"
    )
    wobble_scale_um: float = Field(
        32.0, ge=4.0, le=1000.0, description="length scale of that irregularity in µm"
    )
    annotated: float = Field(
        1.0, ge=0.0, le=1.0, description="share of the regions that are annotated; others stay 0"
    )
    annotation_gap_um: float = Field(
        0.0,
        ge=0.0,
        le=500.0,
        description="pixels about this near to a region's border stay 0: annotators draw inside",
    )


class MosaicEpidermis(Spec):
    """Non-lesion: honeycomb of bright borders, or cobblestone of bright bodies."""

    brightness: float = Field(0.24, ge=0.0, le=3.0, description="mean reflectance of the bodies")
    membrane: float = Field(0.34, ge=0.0, le=3.0, description="reflectance added by the borders")
    cell_um: float = Field(18.0, ge=6.0, le=60.0, description="distance of honeycomb cells in µm")
    cobblestone: float = Field(
        0.35, ge=0.0, le=1.0, description="share of regions that are cobblestone, not honeycomb"
    )
    furrow_um: float = Field(14.0, ge=0.0, le=100.0, description="width of dark furrows in µm")


class MosaicPapillae(Spec):
    """Dark papillae: with bright rims in rings, between bright cords in meshwork."""

    interior: float = Field(0.1, ge=0.0, le=3.0, description="reflectance of a papilla")
    rim: float = Field(0.8, ge=0.0, le=3.0, description="reflectance of a ring's rim")
    rim_um: float = Field(10.0, ge=3.0, le=60.0, description="width of the rim in µm")
    between_um: float = Field(8.0, ge=0.0, le=200.0, description="width between rings in µm")
    cord: float = Field(0.62, ge=0.0, le=3.0, description="reflectance of a meshwork's cords")
    cord_um: float = Field(40.0, ge=4.0, le=200.0, description="width of the cords in µm")
    basal_um: float = Field(10.0, ge=4.0, le=40.0, description="distance of basal cells in µm")


class MosaicNests(Spec):
    """Dense clusters of bright cells around the points."""

    brightness: float = Field(0.72, ge=0.0, le=3.0, description="mean reflectance of a nest")
    radius_um: float = Field(42.0, ge=5.0, le=300.0, description="mean radius in µm")
    radius_cv: float = Field(0.25, ge=0.0, le=0.8, description="relative spread of radii")
    present: float = Field(0.85, ge=0.0, le=1.0, description="share of points that have a nest")
    around: float = Field(0.2, ge=0.0, le=3.0, description="reflectance between the nests")


class MosaicPlain(Spec):
    """Patternless: structureless, from grey to bright, with faint fibres."""

    darkest: float = Field(0.22, ge=0.0, le=3.0, description="reflectance of the greyest regions")
    brightest: float = Field(0.55, ge=0.0, le=3.0, description="reflectance of the brightest")
    fibres: float = Field(0.3, ge=0.0, le=2.0, description="relative strength of the fibres")
    cells: float = Field(0.02, ge=0.0, le=1.0, description="share of scattered bright cells")


class MosaicArtifacts(Spec):
    """What an artifact is: chances of each kind, relative to the others."""

    bubbles: float = Field(0.3, ge=0.0, le=1.0, description="air bubbles, dark with a bright rim")
    stripes: float = Field(0.25, ge=0.0, le=1.0, description="dark horizontal stripes")
    corneum: float = Field(0.3, ge=0.0, le=1.0, description="saturated light of the corneum")
    empty: float = Field(0.15, ge=0.0, le=1.0, description="nothing: black outside of the skin")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.bubbles + self.stripes + self.corneum + self.empty == 0:
            msg = "bubbles, stripes, corneum and empty are all 0: give one of them a chance"
            raise ValueError(msg)
        return self


class MosaicTiles(Spec):
    """The fields that the mosaic is stitched from."""

    tile_um: float = Field(500.0, ge=50.0, le=1e4, description="side of a field in µm")
    overlap_um: float = Field(
        24.0, ge=0.0, le=1000.0, description="fields overlap by this and fade into each other"
    )
    gain_sd: float = Field(
        0.09, ge=0.0, le=1.0, description="relative spread of contrast between fields"
    )
    offset_sd: float = Field(
        0.012, ge=0.0, le=0.5, description="spread of added brightness between fields"
    )
    vignette: float = Field(
        0.25, ge=0.0, le=1.0, description="share of the light lost in a field's corners"
    )
    shift_um: float = Field(
        1.2, ge=0.0, le=50.0, description="stitching error (standard deviation) in µm, per axis"
    )

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if self.overlap_um > 0.5 * self.tile_um:
            msg = (
                f"overlap_um = {self.overlap_um:g}: must not be above half of "
                f"tile_um = {self.tile_um:g}"
            )
            raise ValueError(msg)
        return self


class MosaicNoise(Spec):
    """Speckle and the detector's noise."""

    looks: float = Field(
        12.0, ge=0.5, le=1000.0, description="speckle looks; contrast is 1/sqrt(looks)"
    )
    speckle_um: float = Field(
        2.4, ge=0.0, le=20.0, description="speckle grain (full width at half maximum) in µm"
    )
    photons: float = Field(
        300.0, ge=1.0, le=1e6, description="photons per pixel at full range; sets shot noise"
    )
    read_noise: float = Field(
        0.01, ge=0.0, le=0.5, description="detector noise, as a share of the full range"
    )


class RcmMosaic(Spec):
    """Reflectance confocal mosaic, stitched from fields."""

    kind: Literal["rcm_mosaic"] = "rcm_mosaic"
    epidermis: MosaicEpidermis = MosaicEpidermis()
    papillae: MosaicPapillae = MosaicPapillae()
    nests: MosaicNests = MosaicNests()
    plain: MosaicPlain = MosaicPlain()
    artifacts: MosaicArtifacts = MosaicArtifacts()
    region_cv: float = Field(
        0.12, ge=0.0, le=1.0, description="relative spread of brightness between regions"
    )
    uneven: float = Field(
        0.17, ge=0.0, le=1.5, description="relative spread of brightness over the tissue"
    )
    tiles: MosaicTiles = MosaicTiles()
    noise: MosaicNoise = MosaicNoise()
    psf_um: float = Field(
        2.0, ge=0.0, le=20.0, description="resolution (full width at half maximum) in µm"
    )
    gain: float = Field(1.0, gt=0.0, le=100.0, description="amplification")
    offset: float = Field(0.02, ge=-1.0, le=1.0, description="brightness of no light")
