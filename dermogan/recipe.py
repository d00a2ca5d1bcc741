"""Recipes: everything that one training run is made of, as plain numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dermogan.domains import Data, DatasetSource, Paired, PresetSource
from dermogan.encoder import EfficientNet
from dermogan.errors import DermoganError
from dermogan.fewspecs import CellposeNet, DeepSea, FewShot
from dermogan.semantic import Cascade, ClassMaps, Layers, Pyramid
from dermogan.volumetric import Solid, SolidJudge, UNet3d, Volumetric, Vox2Vox
from simcell.settings import (
    Spec,
    assignment,
    build,
    files_in,
    locate,
    override,
    parse,
    read,
    write,
)

ENVIRONMENT = "DERMOGAN_RECIPES"


class UNet(Spec):
    """U-Net with resize-convolutions."""

    kind: Literal["unet"] = "unet"
    base: int = Field(16, ge=1, le=512, description="channels of the first level")
    depth: int = Field(4, ge=1, le=6, description="number of halvings")
    norm: Literal["instance", "batch"] = Field(
        "instance",
        description="statistics that features are normalised by: of each image, or of the batch; "
        "makers of priors of cycle-GANs freeze those of the batch after warm_steps",
    )


class ResNet(Spec):
    """ResNet generator: two halvings, residual blocks, two doublings."""

    kind: Literal["resnet"] = "resnet"
    base: int = Field(16, ge=1, le=512, description="channels of the first level")
    blocks: int = Field(6, ge=1, le=32, description="residual blocks")


GeneratorSpec = Annotated[UNet | ResNet, Field(discriminator="kind")]
PairedSpec = Annotated[
    UNet | ResNet | DeepSea | CellposeNet | EfficientNet, Field(discriminator="kind")
]


class PatchGan(Spec):
    """Discriminator whose every output sees one patch (16, 34, 70, 142 px for 1 to 4 layers)."""

    base: int = Field(16, ge=1, le=512, description="channels of the first layer")
    layers: int = Field(3, ge=1, le=5, description="convolutions with stride 2")


class Weights(Spec):
    """Weights of the losses of cycle-GANs."""

    adversarial: float = Field(1.0, ge=0, description="fooling the discriminator, mean square")
    identity: float = Field(1.0, ge=0, description="leaving the target domain as it is, MAE")
    cycle: float = Field(10.0, ge=0, description="coming back to where one started, MAE")
    pairs: float = Field(0.0, ge=0, description="Dice and cross-entropy on simulated pairs")
    agreement: float = Field(1.0, ge=0, description="MAE between the two tasks; coupling agreement")
    translated: float = Field(
        0.0, ge=0, description="Dice and cross-entropy on made images and the priors they are of"
    )


class Supervised(Spec):
    """A network on simulated pairs of image and prior."""

    kind: Literal["supervised"] = "supervised"
    network: PairedSpec = UNet()
    dice: float = Field(1.0, ge=0, description="weight of the Dice loss")
    cross_entropy: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    focal: float = Field(0.0, ge=0, le=10, description="focusing exponent; 0 = plain")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.dice == 0 and self.cross_entropy == 0:
            msg = "dice and cross_entropy are both 0; nothing would be learnt"
            raise ValueError(msg)
        return self


class CycleGan(Spec):
    """One cycle-GAN between images, or their filtering, and priors."""

    kind: Literal["cyclegan"] = "cyclegan"
    task: Literal["image", "filter"] = Field("image", description="what is translated: A or C")
    network: GeneratorSpec = ResNet()
    discriminator: PatchGan = PatchGan()
    weights: Weights = Weights()
    warm_steps: int = Field(
        0, ge=0, le=2**31, description="first steps, on the simulated pairs alone"
    )
    warm_rate: float = Field(1e-3, gt=0, le=1, description="learning rate of these steps")
    z_noise: int = Field(0, ge=0, le=8, description="noise channels beside the prior, B to A")
    mask_noise: float = Field(
        0.0, ge=0, le=1, description="sd of noise on made priors before they become images again"
    )
    texture: float = Field(
        0.0,
        ge=0,
        le=1,
        description="how much made images get of what made priors leave unexplained of an image, "
        "its phases scrambled: noise and grain as they are in the images",
    )
    pool: int = Field(50, ge=0, le=1000, description="fakes kept for the discriminators")


class DermoGan(CycleGan):
    """Two cycle-GANs, of the images and of their filtering, coupled by their losses."""

    kind: Literal["dermogan"] = "dermogan"  # type: ignore[assignment]
    task: Literal["image"] = Field("image", description="what the shipped network takes")
    coupling: Literal["paper", "sum", "term_max", "agreement"] = Field(
        "sum", description="how the two tasks' losses drive the makers of priors"
    )


class CycleGan3d(Volumetric, CycleGan):
    """One cycle-GAN between volumes and priors of nuclei and Golgi."""

    kind: Literal["cyclegan3d"] = "cyclegan3d"  # type: ignore[assignment]
    task: Literal["image"] = Field("image", description="what the shipped network takes")
    network: UNet3d = UNet3d()  # type: ignore[assignment]
    discriminator: SolidJudge = SolidJudge()  # type: ignore[assignment]
    golgi_weight: float = Field(
        3.5, gt=0, description="how much more Golgi count in cycle and identity of priors"
    )


class CganSeg(FewShot):
    """A segmenter of few annotated images, and a maker of images that gives it more of them."""

    kind: Literal["cgan-seg"] = "cgan-seg"
    network: PairedSpec = UNet(norm="batch")
    discriminator: PatchGan = PatchGan()


SystemSpec = Annotated[
    Supervised | CycleGan | DermoGan | Layers | Cascade | CganSeg | Solid | Vox2Vox | CycleGan3d,
    Field(discriminator="kind"),
]


class Optimiser(Spec):
    """Adam, its learning rate, and the average of weights that is shipped."""

    rate: float = Field(2e-4, gt=0, le=1, description="learning rate")
    judges_rate: float | None = Field(
        None, gt=0, le=1, description="that of discriminators; None = the same"
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="memory of the gradient's mean")
    decay_from: float = Field(
        1.0, ge=0, le=1, description="share of the steps after which the rate falls to 0 evenly"
    )
    ema: float = Field(0.999, ge=0, lt=1, description="memory of the shipped weights; 0 = none")


class Budget(Spec):
    """How long, and how often something is kept."""

    steps: int = Field(1000, ge=1, le=2**31, description="steps in all")
    validate_every: int = Field(100, ge=1, description="steps between validations")
    checkpoint_every: int = Field(100, ge=1, description="steps between checkpoints")
    picture_every: int = Field(200, ge=1, description="steps between picture panels")


class Validation(Spec):
    """Held-out samples, simulated or annotated, that choose the model which is kept."""

    source: Paired = PresetSource()
    count: int = Field(8, ge=2, le=10_000, description="samples")
    score: Literal["membrane_f1", "dice", "class_accuracy", "class_dice", "volume_dice"] = Field(
        "membrane_f1",
        description="of pixels: membranes within a tolerance, or filled cells; of class maps, the "
        "share of a class's pixels that are found or its Dice, mean of the classes; of volumes, "
        "the Dice of nuclei and Golgi, mean of both",
    )
    tolerance_px: int = Field(1, ge=0, le=20, description="how far a membrane may be off")
    keep: Literal["best", "last"] = Field(
        "best",
        description="which model is kept; the last, where the images look unlike the samples that "
        "it is validated on",
    )


class Recipe(Spec):
    """Everything that one training run is made of."""

    name: str = Field("my-recipe", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    about: str = Field("A recipe.", min_length=1)
    sources: tuple[str, ...] = ()
    system: SystemSpec = Supervised()
    data: Data = Data(pairs=PresetSource())
    optimiser: Optimiser = Optimiser()
    budget: Budget = Budget()
    validation: Validation = Validation()

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        self._check_domains()
        self._check_warm_up()
        self._check_score()
        self._check_volume()
        step = self.multiple
        if self.data.patch_px % step and self.data.volume is None:
            near = max(step, round(self.data.patch_px / step) * step)
            msg = f"data.patch_px = {self.data.patch_px}: must be a multiple of {step}; try {near}"
            raise ValueError(msg)
        return self

    def _check_domains(self) -> None:
        """Ask for the domains that the system learns from, and for no others."""
        wanted = {"pairs": True, "images": False, "priors": False, "filter": False}
        if isinstance(self.system, CycleGan):
            filtered = self.system.task == "filter" or isinstance(self.system, DermoGan)
            paired = self.system.weights.pairs > 0
            wanted = {"pairs": paired, "images": True, "priors": True, "filter": filtered}
        if isinstance(self.system, CganSeg) and self.data.priors is not None:
            wanted["priors"] = True  # more masks, where there are some
        for name, needed in wanted.items():
            given = getattr(self.data, name) is not None
            if needed and not given:
                msg = f"data.{name}: missing; the system {self.system.kind} learns from it"
                raise ValueError(msg)
            if given and not needed:
                msg = f"data.{name}: the system {self.system.kind} does not use it; set it to null"
                raise ValueError(msg)

    def _check_warm_up(self) -> None:
        """Ask for pairs where they alone are to be learnt from, and for steps beyond them."""
        warm, network = self.warm_steps, self.system.network
        batch = isinstance(network, UNet) and network.norm == "batch"
        if batch and isinstance(self.system, CycleGan) and warm == 0:
            msg = (
                "system.network.norm = batch: needs first steps on pairs, to learn its statistics; "
                "set system.warm_steps, or norm: instance"
            )
            raise ValueError(msg)
        if warm and self.data.pairs is None:
            msg = f"system.warm_steps = {warm}: no pairs to learn from; set weights.pairs"
            raise ValueError(msg)
        if warm and warm >= self.budget.steps:
            msg = (
                f"system.warm_steps = {warm}: must be below budget.steps = {self.budget.steps}, "
                "or nothing but pairs is learnt from"
            )
            raise ValueError(msg)

    def _check_volume(self) -> None:
        """Ask for how volumes are cut where they are learnt from, and nowhere else."""
        given, step = self.data.volume, self.multiple
        if (given is not None) != isinstance(self.system, Volumetric):
            wanted = "set it to null" if given else "set data.volume.patch"
            msg = f"data.volume: goes with systems of volumes; {self.system.kind}: {wanted}"
            raise ValueError(msg)
        if given is not None and any(side % step for side in given.patch):
            near = [max(step, round(side / step) * step) for side in given.patch]
            msg = f"data.volume.patch = {list(given.patch)}: must be multiples of {step}"
            raise ValueError(f"{msg}; try {near}")

    def _check_score(self) -> None:
        """Ask for a score of what the system makes."""
        score, fitting = self.validation.score, "membrane_f1 or dice"
        if isinstance(self.system, ClassMaps):
            fitting = "class_accuracy or class_dice"
        elif isinstance(self.system, Volumetric):
            fitting = "volume_dice"
        if score not in fitting.split(" or "):
            msg = f"validation.score = {score}: the system {self.system.kind} has {fitting}"
            raise ValueError(msg)

    @property
    def warm_steps(self) -> int:
        """First steps that are made on simulated pairs alone."""
        return self.system.warm_steps if isinstance(self.system, CycleGan) else 0

    @property
    def multiple(self) -> int:
        """Sides of patches are multiples of this."""
        if isinstance(self.system, Volumetric):
            return self.system.network.multiple
        network, depths = self.system.network, [2]
        if isinstance(network, Pyramid | EfficientNet):
            return network.multiple
        if not isinstance(network, ResNet):
            depths = [network.depth]
        if isinstance(self.system, CganSeg):
            depths.append(self.system.maker.depth)
        return int(2 ** max(depths))

    @property
    def text(self) -> str:
        """The recipe as YAML with every default written out; ``from_text`` reads it back."""
        return write(self.model_dump(mode="json"))

    @classmethod
    def from_text(cls, text: str, where: str = "recipe") -> Recipe:
        """Read a recipe from YAML text; ``where`` names it in errors."""
        tree = parse(text, where, "name, about and system")
        for name in ("name", "about", "system"):
            if name not in tree:
                msg = f"{where}: {name}: missing; add it"
                raise DermoganError(msg)
        recipe: Recipe = build(cls, tree, f"{where}: ")
        return recipe

    def with_preset(self, preset: str) -> Recipe:
        """Return the recipe with one preset for all that it simulates, as that preset is.

        Examples
        --------
        >>> load_recipe("supervised").with_preset("honeycomb").data.pairs.preset
        'honeycomb'
        """
        source = json.dumps({"kind": "preset", "preset": preset})
        simulated = [
            f"data.{name}"
            for name in ("images", "priors", "pairs")
            if isinstance(getattr(self.data, name), PresetSource | DatasetSource)
        ]
        return self.with_set([f"{path}={source}" for path in [*simulated, "validation.source"]])

    def with_set(self, assignments: Sequence[str]) -> Recipe:
        """Return the recipe with ``path=value`` assignments made, values in YAML.

        Examples
        --------
        >>> load_recipe("supervised").with_set(["budget.steps=20"]).budget.steps
        20
        """
        tree = self.model_dump(mode="json")
        for text in assignments:
            path, value = assignment(text)
            try:
                tree, _ = override(Recipe, tree, path, value)
            except ValueError as error:
                msg = f"--set {error}"
                raise DermoganError(msg) from None
        recipe: Recipe = build(Recipe, tree, "--set ") if assignments else self
        return recipe


def load_recipe(name: str | os.PathLike[str]) -> Recipe:
    """Load a recipe by name or by path.

    Parameters
    ----------
    name : str or path
        A YAML file (with a slash, or ending in ``.yaml`` or ``.yml``), or the name of a recipe
        in a folder of ``$DERMOGAN_RECIPES`` or shipped with dermogan.
    """
    path = locate("recipe", name, recipe_files)
    return Recipe.from_text(read("recipe", path), str(path))


def recipe_files() -> list[Path]:
    """List recipes, a user's own (``$DERMOGAN_RECIPES``) before the shipped ones."""
    return files_in(ENVIRONMENT, _shipped())


def _shipped() -> Path:
    """Return the folder of shipped recipes: in the wheel, or beside a checkout."""
    packaged = Path(str(files("simcell"))) / "presets" / "recipes"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "presets" / "recipes"
