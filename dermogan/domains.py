"""Where the images, priors and pairs of a recipe come from, and what is done to them.

Domains: A, the images; B, the priors, what the tissue looks like under perfect imaging;
C, a filter of A. Images of A lie in -1..1 after local normalisation, priors in 0..1.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dermogan.volumetric import Stack
from simcell.settings import Spec

WindowsOf = Annotated[
    Literal["anywhere", "epochs"],
    Field(
        description="where squares are cut: anywhere, or in epochs, in each of which half "
        "overlapping windows of twice the square's side give one square each",
    ),
]


class PresetSource(Spec):
    """Samples of a simcell preset, simulated while training."""

    kind: Literal["preset"] = "preset"
    preset: str = Field("rcm-sg", min_length=1, description="name or path of a simcell preset")
    set: tuple[str, ...] = Field((), description="overrides of the preset, path=value")
    count: int | None = Field(
        None,
        ge=1,
        description="number of different samples; pictures stay in memory if at most 300, in "
        "each worker; None = a new one every time",
    )
    windows: WindowsOf = "anywhere"
    extremes: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of samples whose look is extreme: all that the preset varies of the "
        "imaging lies at an end of its range, at either by chance",
    )


class DatasetSource(Spec):
    """Samples of a dataset that ``simcell generate`` wrote."""

    kind: Literal["dataset"] = "dataset"
    path: str = Field("priors.zarr", min_length=1, description="folder of the dataset")
    windows: WindowsOf = "anywhere"


class FolderSource(Spec):
    """Images of the user's own, of any size and type of number: TIFF, PNG, JPEG, Zarr, ..."""

    kind: Literal["folder"] = "folder"
    path: str = Field("images", min_length=1, description="folder, searched with its sub-folders")
    bad: Literal["refuse", "skip"] = Field(
        "refuse", description="what to do with files that cannot be used"
    )
    channel: int | None = Field(
        None, ge=0, description="channel to take, from 0; None = colours are mixed to grey"
    )
    page: int | None = Field(None, ge=0, description="page of stacks to take, from 0")


class LabelledSource(Spec):
    """Images that somebody annotated: ``images/`` and, by the same names, ``masks/``."""

    kind: Literal["labelled"] = "labelled"
    path: str = Field("annotated", min_length=1, description="folder with images/ and masks/")
    names: tuple[str, ...] | None = Field(
        None, min_length=1, description="of the images that are used; None = all"
    )
    gap_px: int = Field(
        1, ge=0, le=10, description="how far cells keep from others in what is learnt"
    )


Source = Annotated[PresetSource | DatasetSource | FolderSource, Field(discriminator="kind")]
Simulated = Annotated[PresetSource | DatasetSource, Field(discriminator="kind")]
Paired = Annotated[PresetSource | DatasetSource | LabelledSource, Field(discriminator="kind")]

Polarity = Literal["bright", "dark"]


class Gabor(Spec):
    """Bank of even Gabor filters: the strongest response of all orientations."""

    kind: Literal["gabor"] = "gabor"
    wavelength_px: float = Field(8.0, ge=2, le=200, description="period of the wave")
    orientations: int = Field(8, ge=2, le=64, description="number of directions over 180 degrees")
    bandwidth: float = Field(0.56, ge=0.1, le=3, description="sd of the envelope over wavelength")
    polarity: Polarity = Field("bright", description="of the lines that are looked for")


class Sato(Spec):
    """Ridges by the eigenvalues of the Hessian, over several widths."""

    kind: Literal["sato"] = "sato"
    sigmas_px: tuple[Annotated[float, Field(ge=0.3, le=50)], ...] = Field(
        (1.0, 2.0, 3.0), min_length=1, description="widths of the ridges, as sd"
    )
    polarity: Polarity = Field("bright", description="of the lines that are looked for")


class Canny(Spec):
    """Edges by Canny's method."""

    kind: Literal["canny"] = "canny"
    sigma_px: float = Field(2.0, ge=0.3, le=50, description="blur before the gradient")
    low: float = Field(0.7, ge=0, le=1, description="lower threshold, as quantile of the gradient")
    high: float = Field(0.85, ge=0, le=1, description="upper threshold, as quantile")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            msg = f"low = {self.low:g} must not be above high = {self.high:g}"
            raise ValueError(msg)
        return self


FilterSpec = Annotated[Gabor | Sato | Canny, Field(discriminator="kind")]


class Augment(Spec):
    """What is done to patches; mirrored they always are."""

    turns: Literal["all", "none"] = Field("all", description="quarter turns; none where up is up")
    scale_low: float = Field(1.0, ge=0.25, le=4, description="smallest magnification")
    scale_high: float = Field(1.0, ge=0.25, le=4, description="largest magnification")
    contrast: float = Field(0.0, ge=0, lt=1, description="contrast varies by this share")
    brightness: float = Field(0.0, ge=0, le=1, description="brightness varies by as much")
    noise: float = Field(0.0, ge=0, le=1, description="largest sd of added noise")
    invert: float = Field(0.0, ge=0, le=1, description="share of images of inverted polarity")
    blur: float = Field(0.0, ge=0, le=20, description="largest sd of blur, in px")
    grain: float = Field(0.0, ge=0, le=1, description="largest sd of added blotches")
    grain_px: float = Field(4.0, ge=1, le=50, description="largest size of blotches, as sd")
    conventional: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of patches that get a random half of nine changes, in random order",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.scale_low > self.scale_high:
            msg = f"scale_low = {self.scale_low:g} is above scale_high = {self.scale_high:g}"
            raise ValueError(msg)
        return self


class Data(Spec):
    """Domains, and how patches are cut from them."""

    images: Source | None = Field(None, description="domain A; None = none but the pairs")
    priors: Simulated | None = Field(None, description="domain B, unpaired")
    pairs: Paired | None = Field(
        None, description="images with their own priors: simulated, or annotated by somebody"
    )
    filter: FilterSpec | None = Field(None, description="what makes domain C of A")
    normalise_px: float = Field(20.0, ge=1, le=500, description="sd of the local normalisation")
    normalise_floor: float = Field(
        0.1, ge=0.001, le=10, description="contrast below which it fades, share of the image's"
    )
    volume: Stack | None = Field(
        None, description="how volumes are cut and stretched, in place of patch_px and normalise_px"
    )
    patch_px: int = Field(128, ge=16, le=4096, description="side of a patch")
    batch: int = Field(4, ge=1, le=4096, description="patches of each domain a step")
    pairs_batch: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="simulated pairs in each of the warm_steps; None = batch, as in all others",
    )
    augment: Augment = Augment()
    workers: int = Field(1, ge=0, le=256, description="processes that make batches; 0 = none")
