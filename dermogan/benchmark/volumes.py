"""The benchmark of volumes: simulated ones whose imaging lies outside the training's ranges.

Decision: frozen by its preset, its seed and its count, as the benchmark of pictures is; the
fingerprint goes with the scores.
"""

from __future__ import annotations

import csv
import io
import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_multiotsu

import simcell
from dermogan.cards import find_model, trained_s
from dermogan.errors import DermoganError
from dermogan.instances import Found, Splitting, split
from dermogan.model import load_model
from dermogan.solidscores import SolidScores, pairs_of, score, truth_of
from dermogan.solidsegment import segment_volume

PRESET = Path(__file__).with_name("nucleus-golgi-foreign.yaml")
SEED = 20240611
COUNT = 8
BASELINE = "multi-otsu"

Voxel = tuple[float, ...]
Method = Callable[[NDArray[Any], Voxel], Found]


@dataclass(frozen=True)
class Result:
    """What a method found.

    Attributes
    ----------
    method : str
    scores : SolidScores
        Of all volumes together.
    cpu_s : float
        Of a volume, the mean.
    train_cpu_s : float or None
        What the trainer of the model took.
    fingerprint : str
        Another one for other voxels.
    volumes : int
    recipe : str
        Of the model; empty for thresholds.
    """

    method: str
    scores: SolidScores
    cpu_s: float
    train_cpu_s: float | None
    fingerprint: str
    volumes: int
    recipe: str = ""


def sample(index: int, sets: Sequence[str] = ()) -> simcell.Sample:
    """Simulate a volume of the benchmark, with overrides of its preset."""
    found = simcell.load_preset(PRESET).with_set(sets)
    return simcell.simulate(found.scene(seed=SEED, index=index), seed=SEED, index=index)


def measured(
    models: Sequence[str],
    first: int | None = None,
    options: Splitting | None = None,
    *,
    said: Callable[[str], None] | None = None,
) -> list[Result]:
    """Measure models, ``NAME=PATH``, a path or a name, and a threshold beside them."""
    methods = _methods(models, options)
    scores = {name: SolidScores() for name in methods}
    spent = dict.fromkeys(methods, 0.0)
    crc, count = 0, first or COUNT
    for index in range(count):
        made = sample(index)
        assert made.image is not None
        crc = zlib.crc32(np.ascontiguousarray(made.image).tobytes(), crc)
        truth = truth_of(made)
        for name, (method, *_) in methods.items():
            start = time.process_time()
            found = method(made.image, made.grid.spacing_um)
            spent[name] += time.process_time() - start
            scores[name] += score(found.nuclei, found.golgi, pairs_of(found.table), truth)
        if said is not None:
            said(f"{index + 1} of {count} volumes")
    results = [
        Result(name, scores[name], spent[name] / count, trained, f"{crc:08x}", count, recipe)
        for name, (_, trained, recipe) in methods.items()
    ]
    return sorted(results, key=lambda one: -one.scores.nuclei.dice - one.scores.golgi.dice)


def _methods(
    models: Sequence[str], options: Splitting | None
) -> dict[str, tuple[Method, float | None, str]]:
    methods: dict[str, tuple[Method, float | None, str]] = {
        BASELINE: (lambda volume, spacing: thresholded(volume, spacing, options), None, "")
    }
    for text in models:
        name, equals, place = text.partition("=")
        path = find_model(place if equals else name)
        if not equals:
            name = path.stem if path.stem != "model" else path.resolve().parent.name
        model = load_model(path)
        if model.output != "volume":
            msg = f"--model {text}: shows {model.output}; a model of volumes is needed"
            raise DermoganError(msg)

        def method(volume: NDArray[Any], spacing: Voxel, model: Any = model) -> Found:  # noqa: ANN401
            z, y, x = spacing
            return segment_volume(model, volume, (z, y, x), options=options).found

        methods[name] = (method, trained_s(model.card), model.recipe.name)
    return methods


def thresholded(volume: NDArray[Any], spacing_um: Voxel, options: Splitting | None = None) -> Found:
    """Find nuclei and Golgi by two thresholds of a smoothed volume, by Otsu's method."""
    smooth = ndimage.gaussian_filter(volume.astype(np.float32), 1.0)
    low, high = threshold_multiotsu(smooth, classes=3)
    masks = np.stack([(smooth > low) & (smooth <= high), smooth > high])
    return split(np.where(masks, np.uint8(255), np.uint8(0)), spacing_um, options)


def as_table(results: Sequence[Result]) -> str:
    """Return all scores as CSV; what is not known is empty."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    names = list(SolidScores().row())
    out.writerow(["method", "volumes", "fingerprint", *names, "cpu_s", "train_cpu_s"])
    for one in results:
        cells = ["" if math.isnan(v) else f"{v:.6g}" for v in one.scores.row().values()]
        trained = "" if one.train_cpu_s is None else f"{one.train_cpu_s:.4g}"
        out.writerow(
            [one.method, one.volumes, one.fingerprint, *cells, f"{one.cpu_s:.4g}", trained]
        )
    return text.getvalue()


_HEADS = {
    "dice_nuclei": "Dice nuclei",
    "dice_golgi": "Dice Golgi",
    "f1_nuclei": "F1 nuclei",
    "f1_golgi": "F1 Golgi",
    "pairing": "pairing",
    "pairs_found": "pairs found",
}


def as_markdown(results: Sequence[Result]) -> str:
    """Return a table, the best method first."""
    one = results[0]
    lines = [
        f"{one.volumes} volumes of {PRESET.stem}, fingerprint {one.fingerprint}; F1 at IoU 0.5",
        "",
        f"| method | {' | '.join(_HEADS.values())} | CPU s / volume | CPU s to train |",
        "|---" + "|---:" * (len(_HEADS) + 2) + "|",
    ]
    for result in results:
        row = result.scores.row()
        cells = " | ".join(f"{row[name]:.3f}" for name in _HEADS)
        trained = "–" if result.train_cpu_s is None else f"{result.train_cpu_s:.0f}"
        lines.append(f"| {result.method} | {cells} | {result.cpu_s:.1f} | {trained} |")
    return "\n".join(lines) + "\n"
