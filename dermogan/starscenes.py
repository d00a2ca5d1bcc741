"""Pairs that StarDist learns from: pictures of interiors and cells, out of simcell's presets.

Decision: a picture is drawn when it is asked for, by its number alone. Scenes are simulated when
first needed and kept; each is cut, turned and spoilt anew for every picture.

Decision: scenes are magnified to a size of cells that is drawn log-uniformly in `DIAMETERS`,
around `DIAMETER`, to which `dermogan.stars` brings cells: their size is known only roughly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

import simcell
from dermogan.degrade import Kind, Labels, degrade
from dermogan.tiles import Map

DIAMETER = 20.0
"""Diameter of a typical cell that the model is shown, in pixels."""
DIAMETERS = (11.0, 36.0)
PRESETS = (
    ("confluent", 4),
    ("rcm-sg-clean", 1),
    ("honeycomb", 1),
    ("nonconfluent", 4),
    ("dermogan2", 1),
    ("discs", 1),
)
"""Presets by name, and how often each is drawn."""
_FRAME_PX = 256
_LARGEST_PX = 384


@dataclass(frozen=True)
class Scene:
    """One sample of a preset, magnified.

    Attributes
    ----------
    prior : float32 array (y, x)
        In 0..1.
    labels : int32 array (y, x)
    kind : {"membrane", "filled"}
        What the prior shows.
    diameter : float
        Of the median cell, in pixels.
    """

    prior: Map
    labels: Labels
    kind: Kind
    diameter: float


class Scenes:
    """Scenes by number; scene n is the same for all who ask.

    Parameters
    ----------
    seed : int
    least_px : int
        Smallest side that a scene may have.
    """

    def __init__(self, seed: int, least_px: int) -> None:
        self.seed, self._least = seed, least_px
        self._kept: dict[int, Scene] = {}
        self._presets = [
            simcell.load_preset(name).with_set(
                ["imaging.kind=none", f"frame.shape=[{_FRAME_PX}, {_FRAME_PX}]"]
            )
            for name, often in PRESETS
            for _ in range(often)
        ]

    def __getitem__(self, number: int) -> Scene:
        """Return a scene."""
        if number not in self._kept:
            self._kept[number] = self._made(number)
        return self._kept[number]

    def _made(self, number: int) -> Scene:
        rng = np.random.default_rng((self.seed, number))
        preset = self._presets[number % len(self._presets)]
        for attempt in range(100):  # a sample without a cell teaches nothing
            index = 100 * number + attempt
            scene = preset.scene(seed=self.seed, index=index)
            sample = simcell.simulate(scene, seed=self.seed, index=index)
            assert sample.labels is not None
            areas = np.bincount(sample.labels.reshape(-1))[1:]
            if (areas > 0).any():
                break
        assert sample.prior is not None
        assert sample.labels is not None
        diameter = float(np.sqrt(np.median(areas[areas > 0]) * 4 / np.pi))
        wanted = float(np.exp(rng.uniform(*np.log(DIAMETERS))))
        side = int(np.clip(_FRAME_PX * wanted / diameter, self._least, 1e4))
        kind: Kind = "membrane" if preset.base.prior.kind == "membrane" else "filled"
        prior = sample.prior.astype(np.float32) / np.float32(255)
        labels = sample.labels.astype(np.int32)
        prior, labels = _magnified(prior, labels, side, rng)
        return Scene(prior, labels, kind, diameter * side / _FRAME_PX)

    def pair(self, rng: Generator, number: int, side: int | None = None) -> tuple[Map, Labels]:
        """Draw a picture of a scene, and its cells; a square of some side, or the whole."""
        scene = self[number]
        at = _window(rng, scene.labels.shape, side)
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        prior, labels = (_turned(a[at], turns, flip) for a in (scene.prior, scene.labels))
        picture, _ = degrade(prior, labels, scene.kind, scene.diameter, rng)
        return picture, labels


def _magnified(prior: Map, labels: Labels, side: int, rng: Generator) -> tuple[Map, Labels]:
    """Bring a square scene to a side; of scenes that get too large, take a part."""
    if side > _LARGEST_PX:
        part = max(round(len(labels) * _LARGEST_PX / side), 1)
        at = _window(rng, labels.shape, part)
        prior, labels, side = prior[at], labels[at], _LARGEST_PX
    how = cv2.INTER_AREA if side < len(labels) else cv2.INTER_LINEAR
    shape = (side, side)
    return (
        np.asarray(cv2.resize(prior, shape, interpolation=how), np.float32),
        np.asarray(cv2.resize(labels, shape, interpolation=cv2.INTER_NEAREST_EXACT), np.int32),
    )


def _window(rng: Generator, shape: tuple[int, ...], side: int | None) -> tuple[slice, slice]:
    if side is None:
        return slice(0, shape[0]), slice(0, shape[1])
    y, x = (int(rng.integers(length - side + 1)) for length in shape)
    return slice(y, y + side), slice(x, x + side)


def _turned(image: np.ndarray, turns: int, flip: bool) -> np.ndarray:
    turned = np.rot90(image, turns)
    return np.ascontiguousarray(turned[:, ::-1] if flip else turned)
