"""Specs of nuclei with their Golgi in a volume, and of how fluorescence shows them.

Lengths are in µm. Brightness is relative: 1 gives ``camera.photons`` before depth
takes its share.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from simcell.scene._spec import Spec
from simcell.scene.camera import FluoCamera


class NucleusGolgi(Spec):
    """Pairs of an ellipsoid nucleus and a round Golgi in a volume, around the points.

    Sizes are uniform between their ends and drawn anew for every pair. Where the
    ellipsoids of two pairs overlap, each voxel goes to the one that it lies deeper
    in; a Golgi lies on top of its own nucleus.
    """

    kind: Literal["nucleus_golgi"] = "nucleus_golgi"
    long_min_um: float = Field(
        8.5, ge=0.1, le=1000.0, description="least long semi-axis of a nucleus in µm"
    )
    long_max_um: float = Field(15.0, ge=0.1, le=1000.0, description="largest long semi-axis in µm")
    short_min_um: float = Field(
        4.0, ge=0.1, le=1000.0, description="least of the two short semi-axes of a nucleus in µm"
    )
    short_max_um: float = Field(6.5, ge=0.1, le=1000.0, description="largest short semi-axis in µm")
    golgi_min_um: float = Field(2.5, ge=0.1, le=1000.0, description="least radius of a Golgi in µm")
    golgi_max_um: float = Field(
        4.5, ge=0.1, le=1000.0, description="largest radius of a Golgi in µm"
    )
    offset_max_um: float = Field(
        3.0,
        ge=0.0,
        le=1000.0,
        description="the Golgi's centre lies up to so far to either side, along the long axis",
    )
    offset_from: Literal["centre", "tip"] = Field(
        "centre", description="of what that offset is one: the nucleus's centre, or its tip"
    )
    rotation: Literal["full", "in_plane", "upright"] = Field(
        "full",
        description="any direction in space; lying in a plane and turned about z; or with the "
        "long axis along z, as blur makes nuclei look",
    )
    layer_um: float | None = Field(
        None,
        ge=0.0,
        le=1e4,
        description="centres lie in a layer so thick in the middle of the depth; "
        "None = through all of it",
    )
    elastic: float = Field(
        0.75,
        ge=0.0,
        le=2.0,
        description="strength of the elastic deformation: Gaussian σ of its displacements as a "
        "share of elastic_box_um, the largest displacement being σ/8 to σ/2; 0 = none",
    )
    elastic_box_um: float = Field(
        64.0, ge=0.1, le=1e4, description="side in µm of the box that the strength refers to"
    )
    overlap_limit: float = Field(
        0.2,
        ge=0.0,
        le=1.0,
        description="shared volume over the smaller volume that is refused beyond, between "
        "objects of different pairs",
    )
    tries: int = Field(
        60, ge=1, le=1000, description="places tried for a pair, each farther from its point"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("long", "short", "golgi"):
            low, high = getattr(self, f"{name}_min_um"), getattr(self, f"{name}_max_um")
            if low > high:
                msg = (
                    f"{name}_min_um = {low:g}: must not exceed {name}_max_um = {high:g}; "
                    "swap or widen them"
                )
                raise ValueError(msg)
        return self


class VolumePart(Spec):
    """How bright the nuclei, or the Golgi, are."""

    brightness: float = Field(0.3, ge=0.0, le=20.0, description="mean brightness, relative")
    cell_cv: float = Field(0.3, ge=0.0, le=1.5, description="relative spread between cells")
    texture: float = Field(
        0.3, ge=0.0, le=2.0, description="relative spread (log scale) of brightness inside one"
    )
    texture_um: float = Field(
        0.9, gt=0.0, le=100.0, description="correlation length of that spread in µm"
    )


class VolumeGolgi(VolumePart):
    """Bright, patchy Golgi."""

    brightness: float = Field(1.0, ge=0.0, le=20.0, description="mean brightness, relative")
    texture: float = Field(
        0.9, ge=0.0, le=2.0, description="relative spread (log scale) of brightness inside one"
    )
    texture_um: float = Field(
        0.7, gt=0.0, le=100.0, description="correlation length of that spread in µm"
    )


class VolumeClutter(Spec):
    """Light that belongs to no labelled object."""

    haze: float = Field(
        0.08, ge=0.0, le=20.0, description="mean brightness of a cloudy background, relative"
    )
    haze_um: float = Field(
        8.0, gt=0.0, le=1000.0, description="correlation length of its clouds in µm"
    )
    haze_cv: float = Field(0.6, ge=0.0, le=2.0, description="spread (log scale) of its brightness")
    spots: float = Field(
        2e5, ge=0.0, le=1e9, description="specks of debris per mm³, smaller than a voxel"
    )
    spot_brightness: float = Field(
        1.0, ge=0.0, le=1e3, description="mean light of a speck: brightness times µm³"
    )


class VolumeOptics(Spec):
    """Blur and loss of light."""

    lateral_um: float = Field(
        0.8, ge=0.0, le=50.0, description="resolution along y and x (full width at half maximum)"
    )
    axial_um: float = Field(
        2.4, ge=0.0, le=200.0, description="resolution along z (full width at half maximum)"
    )
    attenuation_um: float | None = Field(
        80.0,
        gt=0.0,
        le=1e6,
        description="depth below the top plane at which 1/e of the light is left; None = no loss",
    )


class FluorescenceVolume(Spec):
    """Confocal fluorescence stack of nuclei and Golgi: dim nuclei, bright Golgi, clutter.

    With one channel both stains add up in one grey image; with two, nuclei come
    first and Golgi second, each with a little of the other.
    """

    kind: Literal["fluorescence_volume"] = "fluorescence_volume"
    nucleus: VolumePart = VolumePart()
    golgi: VolumeGolgi = VolumeGolgi()
    clutter: VolumeClutter = VolumeClutter()
    optics: VolumeOptics = VolumeOptics()
    channels: Literal[1, 2] = Field(1, description="channels of the image; two stand in front")
    bleed: float = Field(
        0.05, ge=0.0, le=1.0, description="share of each stain that the other's channel sees"
    )
    camera: FluoCamera = FluoCamera(photons=150.0, read_noise=2.0, gain=1.0, offset=8.0)

    @model_validator(mode="after")
    def _without_what_needs_one_plane(self) -> Self:
        if self.camera.jpeg:
            msg = f"camera.jpeg = {self.camera.jpeg}: volumes are not compressed; set it to 0"
            raise ValueError(msg)
        if self.camera.smooth_px:
            msg = (
                f"camera.smooth_px = {self.camera.smooth_px}: volumes are not smoothed by the "
                "camera; set it to 0; blur is lateral_um of optics"
            )
            raise ValueError(msg)
        return self
