"""Batches of patches: a pure function of (recipe, seed, step), whoever makes them.

Decision: nothing is shuffled and nothing is remembered. Patch ``item`` of step ``step`` has the
number ``step * batch + item``, and everything about it (which sample, where it is cut, how it is
turned) comes from the stream of that number. So a run resumes without a data state, and workers
and devices change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dermogan.conventional import conventional
from dermogan.domains import (
    Augment,
    DatasetSource,
    FolderSource,
    LabelledSource,
    Paired,
    PresetSource,
    Source,
)
from dermogan.errors import DermoganError
from dermogan.filters import FloatImage, Normaliser, apply
from dermogan.folder import Folder
from dermogan.labelled import Labelled
from dermogan.recipe import CganSeg, CycleGan, Recipe
from dermogan.semantic import ClassMaps
from dermogan.simulated import Drawn, Stored, Window
from dermogan.stacks import Stacks, varied
from dermogan.volumetric import Volumetric
from simcell import stream

Batches = NDArray[np.float32]
NOISE_CHANNELS = 9
"""Of `Batch.noise`: channel 0 for made priors, the others for inputs of the image makers."""


@dataclass(frozen=True)
class Batch:
    """Patches of one step, (n, 1, y, x) each; a domain that the recipe lacks is None.

    Of volumes, images are (n, 1, z, y, x), and priors have a channel for every class.

    Attributes
    ----------
    seed, step, first : int
        Address: of the run, and the number of the first patch.
    images, filtered, priors : array, optional
        Domains A and C (of the same patches), in -1..1, and B, in 0..1.
    pair_images, pair_filtered, pair_priors : array, optional
        Simulated images, their filtering, and their own priors, or class maps 0, 1, 2, ...
    noise : array (n, NOISE_CHANNELS, y, x), optional
        Standard normal numbers, for systems that want some.
    """

    seed: int
    step: int
    first: int
    images: Batches | None = None
    filtered: Batches | None = None
    priors: Batches | None = None
    pair_images: Batches | None = None
    pair_filtered: Batches | None = None
    pair_priors: Batches | None = None
    noise: Batches | None = None


def own_seed(seed: int, purpose: str) -> int:
    """Return the seed of a domain's samples, apart from those of others."""
    return int(stream(seed, 0, f"domain.{purpose}").integers(2**32))


def opened(
    source: Source | Paired,
    seed: int,
    purpose: str,
    normalise: Normaliser,
    sides: tuple[int, int] = (1, 1),
) -> Window:
    """Open where a domain comes from, to cut squares of these sides at least and at most.

    ``purpose`` keeps the samples of domains apart.
    """
    own = own_seed(seed, purpose)
    match source:
        case PresetSource():
            return Drawn(source, own, normalise, sides[1])
        case DatasetSource():
            return Stored(source, normalise, own, sides[1])
        case FolderSource():
            return Folder(source, normalise, sides)
        case LabelledSource():
            return Labelled(source, normalise, sides[1])


def check_classes(recipe: Recipe, window: Window, where: str) -> None:
    """Refuse class maps that a system cannot learn, and what are no class maps where it needs some.

    A folder has images alone, and fits every system that takes it.
    """
    if not isinstance(window, Drawn | Stored | Labelled):
        return
    system, shown = recipe.system, window.classes
    wanted = len(system.classes) if isinstance(system, ClassMaps) else 0
    if shown != wanted:
        has, needs = (f"a map of {n} classes" if n else "no class map" for n in (shown, wanted))
        msg = f"{where}: has {has}, the system {system.kind} learns from {needs}; choose another"
        raise DermoganError(msg)


@dataclass(frozen=True)
class Data:
    """The batches of a recipe.

    Parameters
    ----------
    recipe : Recipe
    seed : int
    """

    recipe: Recipe
    seed: int

    @cached_property
    def _domains(self) -> dict[str, Window]:
        data = self.recipe.data
        found = {
            name: opened(source, self.seed, name, Normaliser.of(data), self._sides)
            for name, source in self._given.items()
        }
        for name, window in found.items():
            check_classes(self.recipe, window, f"data.{name}")
        return found

    @property
    def _given(self) -> dict[str, Source | Paired]:
        data = self.recipe.data
        given = {"images": data.images, "priors": data.priors, "pairs": data.pairs}
        return {name: source for name, source in given.items() if source is not None}

    @cached_property
    def _stacks(self) -> dict[str, Stacks]:
        """The domains of a recipe of volumes."""
        spec, system = self.recipe.data.volume, self.recipe.system
        assert spec is not None
        assert isinstance(system, Volumetric)
        return {
            name: Stacks.of(source, own_seed(self.seed, name), spec, system.core)
            for name, source in self._given.items()
        }

    @cached_property
    def _maps(self) -> bool:
        """Whether priors are class maps."""
        return isinstance(self.recipe.system, ClassMaps)

    @property
    def _sides(self) -> tuple[int, int]:
        """Smallest and largest side of what patches are made of."""
        data = self.recipe.data
        scales = (data.augment.scale_high, data.augment.scale_low)
        low, high = (_window(data.patch_px, scale) for scale in scales)
        return low, high

    def notes(self) -> list[str]:
        """Say what was left out: one line for every file that was skipped."""
        domains = self._domains if self.recipe.data.volume is None else self._stacks
        return [note for domain in domains.values() for note in domain.notes]

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """Make the batch of one step, or one of several devices' equal shares of it."""
        data = self.recipe.data
        warm = step < self.recipe.warm_steps
        alone = paired = _share(step, data.batch, rank, ranks)
        if warm and data.pairs_batch is not None:
            paired = _share(step, data.pairs_batch, rank, ranks)
        made = [{} if warm else self._unpaired(number) for number in alone]
        both = [self._pair(number) for number in paired]
        stacked = {
            name: _channelled(np.stack([one[name] for one in some]))
            for some in (made, both)
            for name in some[0]
        }
        noise = None
        if isinstance(self.recipe.system, CycleGan | CganSeg):
            noise = self._noise(alone)
        return Batch(self.seed, step, alone.start, **stacked, noise=noise)

    def _unpaired(self, number: int) -> dict[str, FloatImage]:
        made: dict[str, FloatImage] = {}
        if "images" in self._given:
            made["images"], _ = self._cut("images", number)
            if self.recipe.data.filter is not None:
                made["filtered"] = apply(self.recipe.data.filter, made["images"])
        if "priors" in self._given:
            made["priors"] = _prior(self._cut("priors", number))
        return made

    def _pair(self, number: int) -> dict[str, FloatImage]:
        made: dict[str, FloatImage] = {}
        if "pairs" in self._given:
            both = self._cut("pairs", number)
            made["pair_images"], made["pair_priors"] = both[0], _prior(both)
            if self.recipe.data.filter is not None:
                made["pair_filtered"] = apply(self.recipe.data.filter, both[0])
        return made

    def _cut(self, domain: str, number: int) -> tuple[FloatImage, FloatImage | None]:
        rng = stream(self.seed, number, f"patch.{domain}")
        augment, side = self.recipe.data.augment, self.recipe.data.patch_px
        low, high = np.log([augment.scale_low, augment.scale_high])
        scale = float(np.exp(rng.uniform(low, high)))
        window = _window(side, scale)
        if self.recipe.data.volume is not None:
            cut = self._stacks[domain].cut(rng, number, scale)
            return varied(*cut, self.recipe.data.volume.patch, augment, rng)
        image, prior = self._domains[domain].cut(rng, number, window)
        turn, mirror = int(rng.integers(4)), bool(rng.integers(2))
        turn = turn if augment.turns == "all" else 0
        image = _shaped(image, side, turn, mirror)
        if prior is not None:
            prior = _shaped(prior, side, turn, mirror, nearest=self._maps)
        if augment.conventional and rng.random() < augment.conventional:
            image, prior = conventional(image, prior, rng)
        return _changed(image, augment, rng), prior

    def _noise(self, numbers: range) -> Batches:
        data = self.recipe.data
        sides = data.volume.patch if data.volume else (data.patch_px, data.patch_px)
        shape = (NOISE_CHANNELS, *sides)
        return np.stack(
            [
                stream(self.seed, n, "patch.noise").standard_normal(shape, dtype=np.float32)
                for n in numbers
            ]
        )


def _share(step: int, batch: int, rank: int, ranks: int) -> range:
    """Return the numbers of the patches of a step that one of several devices makes."""
    share = batch // ranks
    first = step * batch + rank * share
    return range(first, first + share)


def _window(side: int, scale: float) -> int:
    """Return the side of what is magnified to a patch."""
    return max(2, round(side / scale))


def _channelled(patches: Batches) -> Batches:
    """Add the axis of channels, but to maps of volumes, which have it."""
    return patches if patches.ndim == 5 else patches[:, None]


def _prior(cut: tuple[FloatImage, FloatImage | None]) -> FloatImage:
    assert cut[1] is not None, "simulated domains have priors"
    return cut[1]


def _shaped(
    patch: FloatImage, side: int, turn: int, mirror: bool, *, nearest: bool = False
) -> FloatImage:
    """Resize to the side, turn by quarters, mirror; a map by the nearest pixel, if asked for."""
    if patch.shape != (side, side):
        how = cv2.INTER_AREA if patch.shape[0] > side else cv2.INTER_LINEAR
        how = cv2.INTER_NEAREST_EXACT if nearest else how
        patch = np.asarray(cv2.resize(patch, (side, side), interpolation=how), np.float32)
    patch = np.rot90(patch, turn)
    return np.ascontiguousarray(patch[:, ::-1] if mirror else patch)


def _changed(image: FloatImage, augment: Augment, rng: Generator) -> FloatImage:
    """Vary sharpness, contrast, brightness, noise and polarity; the range stays -1..1."""
    contrast, brightness, noise, inverted = rng.uniform([-1, -1, 0, 0], 1)
    blur, blotches, size = rng.uniform(size=3) if augment.blur or augment.grain else (0, 0, 0)
    image = _blurred(image, augment.blur * blur)
    gain = np.float32(1 + augment.contrast * contrast)
    changed = image * gain + np.float32(augment.brightness * brightness)
    if augment.noise:
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        changed += np.float32(augment.noise * noise) * grain
    if augment.grain:
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        coarse = _blurred(grain, augment.grain_px**size)
        changed += np.float32(augment.grain * blotches / (coarse.std() + 1e-6)) * coarse
    if inverted < augment.invert:
        changed = -changed
    return np.clip(changed, -1, 1)


def _blurred(image: FloatImage, sigma_px: float) -> FloatImage:
    if sigma_px < 0.2:  # less than a kernel of one pixel
        return image
    return np.asarray(
        cv2.GaussianBlur(image, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT), np.float32
    )
