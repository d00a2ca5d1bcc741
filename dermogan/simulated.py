"""Domains from simcell: presets simulated while training, and stored datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np
from numpy.random import Generator

import simcell
from dermogan.domains import DatasetSource, PresetSource
from dermogan.errors import DermoganError
from dermogan.filters import FloatImage, Normaliser
from dermogan.windows import OPEN, Windows

Output = Literal["membrane", "filled", "classes"]
_FEW = 300  # samples that are kept, all of them or none


class Window(Protocol):
    """A domain that patches are cut from."""

    @property
    def notes(self) -> Sequence[str]:
        """One line for everything that was left out."""
        ...

    def cut(self, rng: Generator, number: int, side: int) -> tuple[FloatImage, FloatImage | None]:
        """Cut a square: normalised image in -1..1, and its prior where it has one; see `pair`."""
        ...


class Drawn:
    """Samples of a preset; patch ``number`` is cut from sample ``number`` of the seed."""

    notes: Sequence[str] = ()

    def __init__(
        self, source: PresetSource, seed: int, normalise: Normaliser, largest: int = 1
    ) -> None:
        self.preset = simcell.load_preset(source.preset).with_set(source.set)
        self.seed, self._count, self._normalise = seed, source.count, normalise
        self._extremes = source.extremes
        check_extremes(self.preset, source.extremes)
        self.kind = _kind(self.preset.base, f"preset {source.preset}")
        self.classes = _classes(self.preset.base)
        self._epochs: Epochs | None = None
        self._kept = self._pair
        if source.count is not None and source.count <= _FEW:
            self._kept = lru_cache(maxsize=source.count)(self._pair)
        if source.windows == "epochs":
            shape = self.preset.base.frame.shape
            self._epochs = Epochs(Windows(shape, largest, source.count, seed), self._kept)

    def _pair(self, index: int) -> tuple[FloatImage, FloatImage]:
        return pair(self.sample(index), self._normalise)

    def sample(self, index: int) -> simcell.Sample:
        """Simulate one sample."""
        return drawn(self.preset, self.seed, index, self._extremes)

    def cut(self, rng: Generator, number: int, side: int) -> tuple[FloatImage, FloatImage | None]:
        """Cut a square out of a sample."""
        if self._epochs is not None:
            return self._epochs.cut(rng, number, side, f"preset {self.preset.name}")
        index = number if self._count is None else int(rng.integers(self._count))
        image, prior = self._kept(index)
        return _square(rng, side, image, prior, f"preset {self.preset.name}")


def drawn(preset: simcell.Preset, seed: int, index: int, extremes: float = 0.0) -> simcell.Sample:
    """Simulate a sample of a preset; that share of all samples has an extreme look."""
    rng = simcell.stream(seed, index, "dermogan.extremes")
    if rng.random() < extremes:
        preset = extreme(preset, rng)
    return simcell.simulate(preset.scene(seed=seed, index=index), seed=seed, index=index)


def check_extremes(preset: simcell.Preset, extremes: float) -> None:
    """Refuse a share of extreme looks where no look varies."""
    if extremes and not any(path.startswith("imaging.") for path in preset.vary):
        msg = f"extremes = {extremes:g}: preset {preset.name} varies nothing of its imaging; "
        raise DermoganError(f"{msg}set it to 0, or give imaging ranges under vary")


def extreme(preset: simcell.Preset, rng: Generator) -> simcell.Preset:
    """Return a preset whose imaging lies at an end of each of its ranges."""
    looks = {path: span.ends() for path, span in preset.vary.items() if path.startswith("imaging.")}
    return preset.with_set(
        [f"{path}={ends[int(rng.integers(len(ends)))]}" for path, ends in looks.items()]
    )


class Stored:
    """Samples of a dataset, drawn at random with replacement."""

    notes: Sequence[str] = ()

    def __init__(
        self, source: DatasetSource, normalise: Normaliser, seed: int = 0, largest: int = 1
    ) -> None:
        self._data = simcell.open_dataset(source.path)
        if not self._data.counts.any():
            msg = f"{source.path}: none of {len(self._data)} samples holds a cell; make others"
            raise DermoganError(msg)
        self._path, self._normalise = source.path, normalise
        self.kind = _kind(self._data[0].scene, source.path)
        self.classes = _classes(self._data[0].scene)
        self._epochs: Epochs | None = None
        if source.windows == "epochs":
            shape = self._data[0].scene.frame.shape
            self._epochs = Epochs(Windows(shape, largest, len(self._data), seed), self._pair)

    def _pair(self, index: int) -> tuple[FloatImage, FloatImage]:
        return pair(self._data[index], self._normalise)

    def sample(self, index: int) -> simcell.Sample:
        """Read one sample."""
        if index >= len(self._data):
            msg = f"{self._path}: {len(self._data)} samples, {index + 1} needed; make more"
            raise DermoganError(msg)
        return self._data[index]

    def cut(self, rng: Generator, number: int, side: int) -> tuple[FloatImage, FloatImage | None]:
        """Cut a square out of a random sample, or of the one whose turn it is."""
        if self._epochs is not None:
            return self._epochs.cut(rng, number, side, self._path)
        image, prior = self._pair(int(rng.integers(len(self._data))))
        return _square(rng, side, image, prior, self._path)


class Epochs:
    """Squares in the order of `Windows`; the samples of the last few are kept.

    Parameters
    ----------
    windows : Windows
    opened : callable
        Returns a sample's image and prior by its number.
    """

    def __init__(
        self, windows: Windows, opened: Callable[[int], tuple[FloatImage, FloatImage]]
    ) -> None:
        self._windows = windows
        self._kept = lru_cache(maxsize=OPEN)(opened)

    def cut(
        self, rng: Generator, number: int, side: int, where: str
    ) -> tuple[FloatImage, FloatImage]:
        """Cut square ``number``."""
        place = self._windows.place(number)
        image, prior = self._kept(place.sample)
        check_side(image.shape, side, where)
        at = tuple(slice(c, c + side) for c in self._windows.corner(rng, place, side))
        return image[at], prior[at]


def pair(sample: simcell.Sample, normalise: Normaliser) -> tuple[FloatImage, FloatImage]:
    """Return a sample's normalised image in -1..1 and its prior in 0..1.

    A sample without an image is all prior: its image is empty. Where the prior shows classes,
    the class map 0, 1, 2, ... stands in its place.
    """
    prior = target(sample)
    if sample.image is None:
        return np.zeros_like(prior), prior
    return normalise(sample.image.astype(np.float32)), prior


def target(sample: simcell.Sample) -> FloatImage:
    """Return what is to be learnt of a sample: its prior in 0..1, or its class map."""
    if sample.scene.prior.kind == "classes":
        assert sample.classes is not None
        return sample.classes.astype(np.float32)
    assert sample.prior is not None
    return sample.prior.astype(np.float32) / np.float32(255)


def _classes(scene: simcell.Scene) -> int:
    """Return how many classes the prior of a scene shows; 0 where it shows something else."""
    return scene.prior.classes if scene.prior.kind == "classes" else 0


def _kind(scene: simcell.Scene, where: str) -> Output:
    """Refuse what the networks cannot learn: volumes, and priors of other kinds."""
    if len(scene.frame.shape) != 2:
        msg = f"{where}: has {len(scene.frame.shape)} axes; only flat images can be learnt from"
        raise DermoganError(msg)
    kind = scene.prior.kind
    if kind == "membrane" or kind == "filled" or kind == "classes":
        return kind
    msg = f"{where}: prior.kind = {kind}: must be membrane, filled or classes; choose another"
    raise DermoganError(msg)


def _square(
    rng: Generator, side: int, image: FloatImage, prior: FloatImage, where: str
) -> tuple[FloatImage, FloatImage]:
    corner = corner_of(rng, image.shape, side, where)
    at = tuple(slice(c, c + side) for c in corner)
    return image[at], prior[at]


def corner_of(rng: Generator, shape: tuple[int, ...], side: int, where: str) -> list[int]:
    """Draw the corner of a square within an image."""
    check_side(shape, side, where)
    return [int(rng.integers(length - side + 1)) for length in shape]


def check_side(shape: tuple[int, ...], side: int, where: str) -> None:
    """Refuse images that are smaller than a square."""
    if min(shape) < side:
        msg = (
            f"{where}: {shape[0]} x {shape[1]} px, smaller than patches of {side} px "
            "(data.patch_px over the magnification); use smaller patches or larger images"
        )
        raise DermoganError(msg)
