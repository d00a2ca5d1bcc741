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

from simcell import imaging
from simcell.arrays import BoolArray, FloatArray, Grid, Image, IntArray, Parts
from simcell.describe import grey, zones
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
        scene = self._scene(values, seed, index)
        if patch.zones is None:
            image = simulate(scene, seed=seed, index=index).image
        else:
            view = self._views[index % len(self.patches)]
            image = imaging.render(scene.imaging, view, Streams(seed, index))
        assert image is not None
        top = 255.0 if image.dtype == np.uint8 else 65535.0
        return np.asarray(image, np.float32) * np.float32(255.0 / top)

    @cached_property
    def _views(self) -> list[View]:
        return [view_of(patch, self.part) for patch in self.patches]

    def _scene(self, values: Mapping[str, float], seed: int, index: int) -> Scene:
        """Return a scene with these values; the rest is drawn as the preset does."""
        known: dict[str, Value] = {**self.fixed, **values}
        others = {
            path: law.draw(Streams(seed, index)(f"fit.vary.{path}"))
            for path, law in self.like.vary.items()
            if not any(under(path, own) or under(own, path) for own in known)
        }
        return self.like.scene_with({**others, **known})

    def _table(self, images: Sequence[Image]) -> FloatArray:
        rows = [
            list(measures_of(image, patch.zones).values())
            for image, patch in zip(images, self.patches, strict=True)
        ]
        return np.array(rows)


def measures_of(image: Image, where: Zones | None) -> dict[str, float]:
    """Return everything that an image measures, by name."""
    numbers = grey.summary(grey.grey_of(image, lines=where is None))
    if where is None:
        wavelength = grey.ring(image)
        numbers["ring, log"] = float(np.log(wavelength)) if wavelength > 0 else np.log(64.0)
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
