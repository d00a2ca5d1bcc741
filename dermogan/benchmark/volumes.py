"""The benchmark of volumes: simulated ones whose imaging lies outside the training's ranges.

Decision: frozen by its preset, its seed and its count, as the benchmark of pictures is; the
fingerprint goes with the scores. Folders of one's own can be measured beside them.
"""

from __future__ import annotations

import csv
import io
import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import simcell
from dermogan.cards import find_model, trained_s
from dermogan.errors import DermoganError
from dermogan.instances import Found, Splitting
from dermogan.model import load_model
from dermogan.solidfiles import renumbered, volumes_of
from dermogan.solidscores import SolidScores, Truth, pairs_of, score, truth_of
from dermogan.solidsegment import MULTI_OTSU, segment_volume, thresholded
from dermogan.volumefile import Voxel, read_solid_labels, read_volume, spacing_of

PRESET = Path(__file__).with_name("nucleus-golgi-foreign.yaml")
SEED = 20240611
COUNT = 8

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
    scored_on : str
        Name of the set.
    """

    method: str
    scores: SolidScores
    cpu_s: float
    train_cpu_s: float | None
    fingerprint: str
    volumes: int
    recipe: str = ""
    scored_on: str = PRESET.stem


@dataclass(frozen=True)
class VolumeSet:
    """Volumes with their truth, loaded when asked for.

    Attributes
    ----------
    name : str
    load : sequence of callable
        Each returns voxels, the size of one, and the truth.
    golgi : bool
        Whether there are Golgi to be found.
    """

    name: str
    load: Sequence[Callable[[], tuple[NDArray[Any], Voxel, Truth]]]
    golgi: bool = True


def simulated() -> VolumeSet:
    """Return the frozen set."""
    return VolumeSet(PRESET.stem, [partial(_simulated, index) for index in range(COUNT)])


def _simulated(index: int) -> tuple[NDArray[Any], Voxel, Truth]:
    made = sample(index)
    assert made.image is not None
    z, y, x = made.grid.spacing_um
    return made.image, (z, y, x), truth_of(made)


def folder_set(folder: Path, voxel_um: Voxel | None = None) -> VolumeSet:
    """Return the volumes of a folder: ``images/`` and, by the same names, ``masks/`` of nuclei.

    Parameters
    ----------
    folder : Path
        Where nobody looked for Golgi.
    voxel_um : tuple of float, optional
        Size of a voxel (z, y, x), if the files do not tell.
    """
    images, masks = (volumes_of(folder / name) for name in ("images", "masks"))
    both = sorted(images.keys() & masks.keys())
    if not both:
        msg = f"{folder}: no volume of images/ has labels of the same name in masks/"
        raise DermoganError(msg)
    load = [partial(_read, images[name], masks[name], voxel_um) for name in both]
    for one in load:  # better said before hours of others
        one()
    return VolumeSet(folder.resolve().name, load, golgi=False)


def _read(image: Path, mask: Path, voxel_um: Voxel | None) -> tuple[NDArray[Any], Voxel, Truth]:
    volume, labels = read_volume(image), read_solid_labels(mask)
    if labels.shape != volume.voxels.shape:
        msg = f"{mask}: has {labels.shape} voxels, its image {volume.voxels.shape}; make them equal"
        raise DermoganError(msg)
    spacing = spacing_of(image, volume, voxel_um)
    return volume.voxels, spacing, Truth(renumbered(labels))


def sample(index: int, sets: Sequence[str] = ()) -> simcell.Sample:
    """Simulate a volume of the benchmark, with overrides of its preset."""
    found = simcell.load_preset(PRESET).with_set(sets)
    return simcell.simulate(found.scene(seed=SEED, index=index), seed=SEED, index=index)


def measured(
    models: Sequence[str],
    first: int | None = None,
    options: Splitting | None = None,
    *,
    among: VolumeSet | None = None,
    said: Callable[[str], None] | None = None,
) -> list[Result]:
    """Measure models, ``NAME=PATH``, a path or a name, and a threshold beside them.

    Parameters
    ----------
    models : sequence of str
    first : int, optional
        Only so many volumes.
    options : Splitting, optional
    among : VolumeSet, optional
        The simulated one if not given.
    said : callable, optional
        Called with a line after every volume.
    """
    among = among or simulated()
    if not among.golgi:
        options = (options or Splitting()).model_copy(update={"golgi": "absent"})
    methods = methods_of(models, options)
    scores = {name: SolidScores() for name in methods}
    spent = dict.fromkeys(methods, 0.0)
    crc, chosen = 0, among.load[:first]
    for number, load in enumerate(chosen, 1):
        voxels, spacing_um, truth = load()
        crc = zlib.crc32(np.ascontiguousarray(voxels).tobytes(), crc)
        for name, (method, *_) in methods.items():
            start = time.process_time()
            found = method(voxels, spacing_um)
            spent[name] += time.process_time() - start
            scores[name] += score(found.nuclei, found.golgi, pairs_of(found.table), truth)
        if said is not None:
            said(f"{among.name}: {number} of {len(chosen)} volumes")
    count = len(chosen)
    results = [
        Result(
            name,
            scores[name],
            spent[name] / count,
            trained,
            f"{crc:08x}",
            count,
            recipe,
            among.name,
        )
        for name, (_, trained, recipe) in methods.items()
    ]
    return sorted(results, key=_worth)


def _worth(one: Result) -> float:
    """Return what results are sorted by: overlap of both classes, of nuclei where there is one."""
    return -sum(part.dice for part in (one.scores.nuclei, one.scores.golgi) if part.true)


def methods_of(
    models: Sequence[str], options: Splitting | None = None
) -> dict[str, tuple[Method, float | None, str]]:
    """Return methods by name, with what their training took and their recipe.

    Raises
    ------
    DermoganError
        Where a model shows something else, or two have one name.
    """
    methods: dict[str, tuple[Method, float | None, str]] = {
        MULTI_OTSU: (lambda v, spacing: thresholded(v, spacing, options).found, None, "")
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
            return segment_volume(model, volume, spacing, options=options).found

        if name in methods or not name:
            msg = f"--model {text}: a row is named {name!r} already; give another, as in NAME=PATH"
            raise DermoganError(msg)
        methods[name] = (method, trained_s(model.card), model.recipe.name)
    return methods


def as_table(results: Sequence[Result]) -> str:
    """Return all scores as CSV; what is not known is empty."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    names = list(SolidScores().row())
    out.writerow(["set", "method", "volumes", "fingerprint", *names, "cpu_s", "train_cpu_s"])
    for one in results:
        cells = ["" if math.isnan(v) else f"{v:.6g}" for v in one.scores.row().values()]
        trained = "" if one.train_cpu_s is None else f"{one.train_cpu_s:.4g}"
        start = [one.scored_on, one.method, one.volumes, one.fingerprint]
        out.writerow([*start, *cells, f"{one.cpu_s:.4g}", trained])
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
    """Return a table for every set, the best method first."""
    names = dict.fromkeys(one.scored_on for one in results)
    return "\n".join(_table([one for one in results if one.scored_on == name]) for name in names)


def _table(results: Sequence[Result]) -> str:
    one = results[0]
    lines = [
        f"{one.volumes} volumes of {one.scored_on}, fingerprint {one.fingerprint}; F1 at IoU 0.5",
        "",
        f"| method | {' | '.join(_HEADS.values())} | CPU s / volume | CPU s to train |",
        "|---" + "|---:" * (len(_HEADS) + 2) + "|",
    ]
    for result in results:
        row = result.scores.row()
        cells = " | ".join(_known(row[name]) for name in _HEADS)
        trained = "–" if result.train_cpu_s is None else f"{result.train_cpu_s:.0f}"
        lines.append(f"| {result.method} | {cells} | {result.cpu_s:.1f} | {trained} |")
    return "\n".join(lines) + "\n"


def _known(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
