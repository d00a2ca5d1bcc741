"""Sets of images to match: on real labels, or on tissue drawn anew.

Decision: where cells are labelled, images are simulated on the real labels. Geometry then
differs in nothing, and what images measure by borders and bodies tells most. Without labels,
tissue is drawn with every image.

Decision: what is not matched varies as it does in the preset, so that it counts as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simcell import imaging
from simcell.arrays import BoolArray, FloatArray, Grid, Image, IntArray, Parts
from simcell.describe import grey, zones
from simcell.describe.squares import SIDE_PX, corners, some
from simcell.describe.zones import Zones
from simcell.fields import border_distance
from simcell.fit.knobs import Knob, settings
from simcell.imaging import View
from simcell.paths import under
from simcell.preset import Preset
from simcell.rng import Streams
from simcell.scene import Scene
from simcell.stages import simulate
from simcell.vary import Value

_FRAMES = 2  # samples of a draw
_EACH = 6  # squares of an image


@dataclass(frozen=True)
class Patch:
    """A part of a real image.

    Attributes
    ----------
    image : Image
    zones : Zones, optional
        Where cells lie in it, if that is known.
    tissue : BoolArray, optional
        Pixels that are tissue, where cells fill it.
    """

    image: Image
    zones: Zones | None = None
    tissue: BoolArray | None = None


@dataclass(frozen=True)
class Bench:
    """Patches of real images, and how their like is simulated; see `matching.Rig`.

    Attributes
    ----------
    patches : tuple of Patch
    like : Preset
    knobs : tuple of Knob
    fixed : mapping
        Values of the scene that hold for every draw, by path.
    part : str
        Part of the cells that fluoresces.
    """

    patches: tuple[Patch, ...]
    like: Preset
    knobs: tuple[Knob, ...]
    fixed: Mapping[str, Value]
    part: str = "cytoplasm"

    @property
    def unknowns(self) -> int:
        """How many numbers are looked for."""
        return len(self.knobs)

    @property
    def pixels(self) -> int:
        """Pixels that one draw simulates; tissue drawn anew counts twice."""
        drawn = 1 if self.patches[0].zones is not None else 2
        return drawn * sum(patch.image.size for patch in self.patches)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        patch = self.patches[0]
        return tuple(measures_of(patch.image, patch.zones))

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what images measure."""
        return self._names

    def observed(self) -> FloatArray:
        """Measure the real images."""
        return self._table([patch.image for patch in self.patches])

    def simulated(self, units: FloatArray, seed: int, index: int) -> FloatArray:
        """Simulate every image with these numbers, and measure them."""
        values = settings(self.knobs, units.tolist(), self.fixed)
        first = index * len(self.patches)
        images = [
            self._image(patch, values, seed, first + i) for i, patch in enumerate(self.patches)
        ]
        return self._table(images)

    def _image(self, patch: Patch, values: Mapping[str, float], seed: int, index: int) -> Image:
        scene = _scene(self.like, {**self.fixed, **values}, seed, index)
        if patch.zones is None:
            image = simulate(scene, seed=seed, index=index).image
        else:
            view = self._views[index % len(self.patches)]
            image = imaging.render(scene.imaging, view, Streams(seed, index))
        assert image is not None
        return _of_255(image)

    @cached_property
    def _views(self) -> list[View]:
        return [view_of(patch, self.part) for patch in self.patches]

    def _table(self, images: Sequence[Image]) -> FloatArray:
        rows = [
            list(measures_of(image, patch.zones).values())
            for image, patch in zip(images, self.patches, strict=True)
        ]
        return np.array(rows)


@dataclass(frozen=True)
class Squares:
    """Squares of whole images, as samples of a preset are looked at; see `matching.Rig`.

    Patches with labels lie where somebody annotated, and their cells where they lie in truth.
    This shows what samples and images look like all over.

    Attributes
    ----------
    images : tuple of Image
        Real ones, on the scale 0 to 255.
    like, knobs, fixed
        See `Bench`; samples have the frame of the preset.
    stretch : mapping of str to float
        Factors by path, from what holds for a patch to what holds for the frame.
    """

    images: tuple[Image, ...]
    like: Preset
    knobs: tuple[Knob, ...]
    fixed: Mapping[str, Value]
    stretch: Mapping[str, float]

    @property
    def unknowns(self) -> int:
        """How many numbers are looked for."""
        return len(self.knobs)

    @property
    def side(self) -> int:
        """Side of the squares in pixels."""
        frame = self.like.base.frame.shape
        return int(min(SIDE_PX, *frame, *(n for image in self.images for n in image.shape)))

    @property
    def pixels(self) -> int:
        """Pixels that one draw simulates; tissue drawn anew counts twice."""
        return 2 * _FRAMES * int(np.prod(self.like.base.frame.shape))

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what squares measure."""
        side = self.side
        return tuple(_seen(np.zeros((side, side), np.float32)))

    def observed(self) -> FloatArray:
        """Measure squares of the real images."""
        return self._table(self.images)

    def simulated(self, units: FloatArray, seed: int, index: int) -> FloatArray:
        """Simulate samples with these numbers, and measure their squares."""
        told = settings(self.knobs, units.tolist(), self.fixed)
        most = {knob.path: knob.most for knob in self.knobs}
        stretched = {p: min(v * self.stretch.get(p, 1.0), most[p]) for p, v in told.items()}
        values = {**self.fixed, **stretched}
        numbers = range(index * _FRAMES, (index + 1) * _FRAMES)
        return self._table([self._sample(values, seed, number) for number in numbers])

    def _sample(self, values: Mapping[str, Value], seed: int, number: int) -> Image:
        image = simulate(_scene(self.like, values, seed, number), seed=seed, index=number).image
        assert image is not None
        return _of_255(image)

    def _table(self, images: Sequence[Image]) -> FloatArray:
        side = self.side
        rows = [
            list(_seen(np.ascontiguousarray(image[y : y + side, x : x + side])).values())
            for image in images
            for y, x in some(corners(image.shape, side), _EACH)
        ]
        return np.array(rows)


def _seen(square: Image) -> dict[str, float]:
    return grey.summary(grey.grey_of(square))


def _of_255(image: NDArray[np.uint8 | np.uint16]) -> Image:
    top = 255.0 if image.dtype == np.uint8 else 65535.0
    return np.asarray(image, np.float32) * np.float32(255.0 / top)


def _scene(like: Preset, known: Mapping[str, Value], seed: int, index: int) -> Scene:
    """Return a scene with these values; the rest is drawn as the preset does."""
    others = {
        path: law.draw(Streams(seed, index)(f"fit.vary.{path}"))
        for path, law in like.vary.items()
        if not any(under(path, own) or under(own, path) for own in known)
    }
    return like.scene_with({**others, **known})


def measures_of(image: Image, where: Zones | None) -> dict[str, float]:
    """Return everything that an image measures, by name."""
    numbers = grey.summary(grey.grey_of(image, lines=where is None))
    if where is None:
        wavelength = grey.ring(image)
        there = wavelength > 0
        numbers["ring, log"] = float(np.log(wavelength)) if there else np.log(64.0)
        numbers["dip within the ring"] = grey.dip(image) if there else 0.0
        return numbers
    return numbers | zones.summary(zones.levels_of(image, where))


def view_of(patch: Patch, part: str) -> View:
    """Return real labels as a microscope model is given them."""
    where = patch.zones
    assert where is not None
    labels, spacing = where.labels, where.spacing_um
    grid = Grid(labels.shape, (spacing, spacing))
    distance = border_distance(labels) * np.float32(spacing)
    tissue = labels > 0 if patch.tissue is None else patch.tissue
    centres = _centres(labels) * spacing
    parts = None
    if part == "nucleus":
        none = np.zeros(labels.shape, np.bool_)
        parts = Parts(labels, none, labels > 0, none, np.zeros(len(centres)))
    return View(labels, distance, centres, tissue, grid, parts)


def _centres(labels: IntArray) -> FloatArray:
    """Centre (n, 2) of every label in pixels."""
    flat = labels.ravel()
    rows, columns = np.indices(labels.shape)
    counts = np.maximum(np.bincount(flat), 1)
    centres = [np.bincount(flat, at.ravel() + 0.5) / counts for at in (rows, columns)]
    return np.stack(centres, axis=1)[1:].astype(np.float64)
