"""Score folders of volumes against folders of truth.

Predictions lie as `dermogan segment` writes them: ``nuclei/``, ``golgi/`` and ``objects/``. Truth
lies the same way, or is a folder of label volumes of nuclei alone.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dermogan.images import image_files, name_of
from dermogan.instances import Labels
from dermogan.solidscores import SolidScores, Truth, score
from dermogan.volumefile import read_solid_labels
from simcell import SimcellError


def evaluate_solids(
    predicted: Path, truth: Path, *, common: bool = False
) -> dict[str, SolidScores]:
    """Score every volume, by its name.

    Parameters
    ----------
    predicted, truth : Path
    common : bool
        Score only what both folders have.
    """
    flat = not (truth / "nuclei").is_dir()
    made = volumes_of(predicted / "nuclei")
    true = volumes_of(truth if flat else truth / "nuclei")
    missing = sorted(made.keys() ^ true.keys())
    if missing and not common:
        where = truth if missing[0] in made else predicted
        msg = f"{where}: has no {missing[0]}; add it, or score what both have with --common"
        raise SimcellError(msg)
    names = sorted(made.keys() & true.keys())
    if not names:
        msg = f"{predicted} and {truth}: have no volume of the same name"
        raise SimcellError(msg)
    return {name: _scored(predicted, truth, name, made[name], true[name]) for name in names}


def volumes_of(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by name."""
    if not folder.is_dir():
        msg = f"{folder}: no such folder; needed are images/ and masks/, or nuclei/ of segment"
        raise SimcellError(msg)
    return {name_of(file): file for file in image_files(folder)}


def _scored(predicted: Path, truth: Path, name: str, made: Path, true: Path) -> SolidScores:
    nuclei, wanted = read_solid_labels(made), read_solid_labels(true)
    golgi, other = (_golgi(folder, name) for folder in (predicted, truth))
    for where, labels in ((made, nuclei), (truth, other), (predicted, golgi)):
        if labels is not None and labels.shape != wanted.shape:
            msg = f"{where}: {name} has {labels.shape} voxels, the truth {wanted.shape}"
            raise SimcellError(msg)
    known = Truth(renumbered(wanted), other, read_pairs(truth / "objects" / f"{name}.csv"))
    pairs = read_pairs(predicted / "objects" / f"{name}.csv")
    none = np.empty((0, 2), np.int64)
    return score(
        nuclei,
        np.zeros_like(nuclei) if golgi is None else golgi,
        none if pairs is None else pairs,
        known,
    )


def renumbered(labels: Labels) -> Labels:
    """Return labels numbered without gaps, where their numbers are large."""
    if labels.max(initial=0) <= 2**16:
        return labels
    _, numbers = np.unique(np.append(0, labels), return_inverse=True)
    return numbers[1:].reshape(labels.shape).astype(np.int32)


def _golgi(folder: Path, name: str) -> Labels | None:
    files = volumes_of(folder / "golgi") if (folder / "golgi").is_dir() else {}
    return read_solid_labels(files[name]) if name in files else None


def read_pairs(path: Path) -> NDArray[np.int64] | None:
    """Read pairs (n, 2) of labels of nuclei and Golgi from a table of objects, if it exists."""
    if not path.is_file():
        return None
    try:
        rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
        found = [(int(row["label"]), int(row["pair"])) for row in rows if row["class"] == "nuclei"]
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        msg = f"{path}: no table of objects ({error}); needs class, label and pair"
        raise SimcellError(msg) from None
    return np.array([pair for pair in found if pair[1] > 0], np.int64).reshape(-1, 2)
