"""Specs of phase contrast: cells as phase objects, and the optics that show them.

Phases are in radians: 2π times the optical path that a cell adds, over the
wavelength. A flat cell of 3 µm whose index exceeds the medium's by 0.02 delays
light of 0.55 µm by 0.7 rad.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from simcell.scene._spec import Spec, check_layers
from simcell.scene.camera import FluoCamera


class PhaseCells(Spec):
    """How thick spread cells are."""

    phase: float = Field(0.5, ge=0.0, le=20.0, description="phase of a cell's highest point in rad")
    cell_cv: float = Field(0.2, ge=0.0, le=1.5, description="relative spread between cells")
    flat: float = Field(
        0.4, ge=0.0, le=1.0, description="share of that phase in a slab of one height; rest: a dome"
    )
    edge_um: float = Field(
        1.0, gt=0.0, le=50.0, description="distance from the border over which the slab rises in µm"
    )
    grain: float = Field(
        0.15, ge=0.0, le=1.5, description="relative strength of granules and organelles"
    )
    grain_um: float = Field(1.2, gt=0.0, le=50.0, description="their size in µm")


class PhaseNucleus(Spec):
    """Lens-shaped nuclei about the cells' centres, with nucleoli."""

    phase: float = Field(0.15, ge=0.0, le=20.0, description="phase it adds at its middle in rad")
    share: float = Field(
        0.55, gt=0.0, le=1.0, description="its radius over the greatest depth inside the cell"
    )
    nucleoli: float = Field(2.0, ge=0.0, le=20.0, description="mean number of nucleoli")
    nucleolus_phase: float = Field(0.2, ge=0.0, le=20.0, description="phase of a nucleolus in rad")
    nucleolus_um: float = Field(
        0.9, gt=0.0, le=20.0, description="radius (Gaussian sigma) of a nucleolus in µm"
    )


class PhaseRounded(Spec):
    """Cells that have rounded up, to divide or to die: thick, and so very bright."""

    share: float = Field(0.05, ge=0.0, le=1.0, description="share of the cells")
    phase: float = Field(2.6, ge=0.0, le=20.0, description="phase of their middle in rad")


class PhaseDebris(Spec):
    """Specks anywhere in the field."""

    density: float = Field(60.0, ge=0.0, le=1e6, description="specks per mm²")
    radius_um: float = Field(
        1.2, gt=0.0, le=50.0, description="mean radius (Gaussian sigma) of a speck in µm"
    )
    radius_cv: float = Field(0.4, ge=0.0, le=1.0, description="relative spread of radii")
    phase: float = Field(1.5, ge=0.0, le=20.0, description="mean phase of a speck's middle in rad")

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        check_layers(self.density, self.radius_um)
        return self


class PhaseOptics(Spec):
    """Phase ring and objective."""

    polarity: Literal["positive", "negative"] = Field(
        "positive",
        description="positive: thin cells are dark; negative: they are bright",
    )
    ring: float = Field(
        0.5, gt=0.0, le=1.0, description="amplitude that the phase ring lets through, 1 = all"
    )
    leak: float = Field(
        0.9,
        ge=0.0,
        le=1.0,
        description="share of the light scattered by the least angles that the ring takes for "
        "direct light: halo and shade-off, 0 = none",
    )
    halo_um: float = Field(
        8.0, gt=0.0, le=1000.0, description="reach (Gaussian sigma) of halo and shade-off in µm"
    )
    psf_um: float = Field(
        1.0, ge=0.0, le=200.0, description="resolution (full width at half maximum) in µm"
    )


class PhaseField(Spec):
    """Unevenness of the light over the whole field."""

    uneven: float = Field(0.04, ge=0.0, le=1.5, description="relative spread of the background")
    scale_um: float = Field(150.0, gt=0.0, le=1e5, description="its length scale in µm")
    falloff: float = Field(
        0.1, ge=0.0, le=1.0, description="share of the light lost a half diagonal from its middle"
    )
    misalignment: float = Field(
        0.1, ge=0.0, le=1.0, description="largest offset of its middle, share of the field's side"
    )


class PhaseContrast(Spec):
    """Zernike's phase contrast microscope looking at unstained cells.

    The background has brightness 1, which gives ``camera.photons``.
    """

    kind: Literal["phase_contrast"] = "phase_contrast"
    cells: PhaseCells = PhaseCells()
    nucleus: PhaseNucleus = PhaseNucleus()
    rounded: PhaseRounded = PhaseRounded()
    debris: PhaseDebris = PhaseDebris()
    optics: PhaseOptics = PhaseOptics()
    field: PhaseField = PhaseField()
    camera: FluoCamera = FluoCamera(photons=4000, read_noise=20, gain=0.03, offset=0)
