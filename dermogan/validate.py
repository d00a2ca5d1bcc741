"""Validation on held-out simulated samples: which weights are kept, and is anything wrong."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dermogan.columns import classes_of
from dermogan.confusion import Confusion, confusion
from dermogan.data import check_classes, opened
from dermogan.errors import DermoganError
from dermogan.filters import FloatImage, Normaliser
from dermogan.labelled import Labelled
from dermogan.model import prepared, probabilities
from dermogan.networks import Generator
from dermogan.recipe import Recipe
from dermogan.semantic import ClassMaps
from dermogan.simulated import Drawn, Stored, target

SEED = 0  # the same samples for every seed of the training
_SAME = 1e-3  # largest difference of probabilities that counts as none


@dataclass(frozen=True)
class Finding:
    """One validation.

    Attributes
    ----------
    score : float
        Mean over the samples.
    images, priors, probabilities : list of array
        What was given, what was wanted, what came out, (y, x) each; classes as greys.
    """

    score: float
    images: list[FloatImage]
    priors: list[FloatImage]
    probabilities: list[FloatImage]


class Validator:
    """Held-out samples, prepared once.

    Parameters
    ----------
    recipe : Recipe
    """

    def __init__(self, recipe: Recipe) -> None:
        self._spec, self._system = recipe.validation, recipe.system
        source = opened(self._spec.source, SEED, "validation", Normaliser.of(recipe.data))
        assert isinstance(source, Drawn | Stored | Labelled)
        check_classes(recipe, source, "validation.source")
        self.output, self._classes = source.kind, source.classes
        self.images: list[FloatImage] = []
        self.priors: list[FloatImage] = []
        diameters: list[float] = []
        for index in range(self._spec.count):
            if isinstance(source, Labelled):
                image, mask, sizes = source.held(index)
                self.images.append(image)
                self.priors.append(mask)
                diameters += sizes
                continue
            sample = source.sample(index)
            if sample.image is None or sample.prior is None or sample.objects is None:
                msg = "validation.source: has no images; choose a preset that images"
                raise DermoganError(msg)
            self.images.append(prepared(recipe, sample.image.astype(np.float32)))
            self.priors.append(target(sample))
            area = sample.objects["amodal_area_um2"]  # whole cells, those that the rim cuts too
            diameters += (np.sqrt(4 / np.pi * area) / sample.grid.spacing_um[-1]).tolist()
        if not diameters and not self._classes:
            count = self._spec.count
            msg = f"validation: none of {count} samples holds a cell; choose another source"
            raise DermoganError(msg)
        # The size of a layer, or of a region, says nothing of how large an image should be seen.
        self.diameter_px = None if self._classes else float(np.median(diameters))

    def __call__(self, network: Generator, device: torch.device) -> Finding:
        """Score a network; say so if it gives the same for all samples."""
        found = [probabilities(network, image, device) for image in self.images]
        check_collapse(found)
        if self._classes:
            return self._of_classes(found)
        flat = [one[0] for one in found]
        return Finding(self._score(flat), self.images, self.priors, flat)

    def _of_classes(self, found: list[FloatImage]) -> Finding:
        """Score class maps by all pixels of all samples together."""
        assert isinstance(self._system, ClassMaps)
        count = self._classes
        maps = [classes_of(self._system, one).astype(np.float32) for one in found]
        table = Confusion(np.zeros((count, count + 1), np.int64))
        for made, wanted in zip(maps, self.priors, strict=True):
            table += confusion(wanted, made, count)
        each = table.dice if self._spec.score == "class_dice" else table.sensitivity
        if np.isnan(each).all():
            msg = "validation.source: nothing in it has a class; choose another"
            raise DermoganError(msg)
        priors, greys = ([one / np.float32(count) for one in some] for some in (self.priors, maps))
        return Finding(float(np.nanmean(each)), self.images, priors, greys)

    def _score(self, found: list[FloatImage]) -> float:
        scores = [
            dice(made > 0.5, prior > 0.5)
            if self._spec.score == "dice"
            else membrane_f1(made > 0.5, prior > 0.5, self._spec.tolerance_px)
            for made, prior in zip(found, self.priors, strict=True)
        ]
        return float(np.mean(scores))


def check_collapse(found: list[FloatImage]) -> None:
    """Stop a training that gives the same for all samples, of which some may be larger."""
    sides = np.min([one.shape for one in found], axis=0)
    parts = [one[tuple(slice(side) for side in sides)] for one in found]
    if all(np.abs(one - parts[0]).max() < _SAME for one in parts[1:]):
        msg = (
            "mode collapse: the network gives the same output for all validation images; "
            "lower optimiser.rate, or weigh weights.adversarial less"
        )
        raise DermoganError(msg)


def dice(made: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    """Return the Dice overlap of two masks; 1 where both are empty.

    Examples
    --------
    >>> dice(np.array([True, True]), np.array([True, False]))
    0.6666666666666666
    """
    both = int(made.sum()) + int(wanted.sum())
    return 2 * int((made & wanted).sum()) / both if both else 1.0


def membrane_f1(made: NDArray[np.bool_], wanted: NDArray[np.bool_], tolerance_px: int) -> float:
    """Return the F1 of membrane pixels, which may be off by a tolerance.

    Precision is the share of made pixels near wanted ones, recall the share of wanted
    pixels near made ones.
    """
    if not made.any() or not wanted.any():
        return float(not made.any() and not wanted.any())
    precision = float(_near(wanted, tolerance_px)[made].mean())
    recall = float(_near(made, tolerance_px)[wanted].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _near(mask: NDArray[np.bool_], tolerance_px: int) -> NDArray[np.bool_]:
    size = 2 * tolerance_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0
