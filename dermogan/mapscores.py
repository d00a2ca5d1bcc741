"""Score folders of class maps against folders of truth.

Pixels of all images are counted together. Of a band, such as a thin layer across a section, its
thickness and place are measured too, column by column, where the truth has it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dermogan.classmaps import LEGEND, legend_names
from dermogan.confusion import Confusion, confusion
from dermogan.evaluation import pairs_of
from dermogan.formats import stored
from dermogan.images import read_labels
from simcell import SimcellError

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """A band in the columns of an image that truly have it.

    Attributes
    ----------
    true_um, predicted_um : float64 array (n,)
        How thick it is from top to bottom; 0 where it was not found.
    off_um : float64 array (n,)
        How much deeper its middle (the median row) was found; NaN where it was not.
    """

    true_um: Float
    predicted_um: Float
    off_um: Float

    @property
    def found(self) -> float:
        """Share of the columns in which it was found."""
        return _mean(self.predicted_um > 0)

    @property
    def thickness_bias(self) -> float:
        """How much too thick it is where it was found, as a share of its true thickness."""
        there = self.predicted_um > 0
        return _mean(self.predicted_um[there]) / _mean(self.true_um[there]) - 1

    @property
    def bias_um(self) -> float:
        """How much too deep it lies on average."""
        return _mean(self.off_um[self.predicted_um > 0])

    @property
    def error_um(self) -> float:
        """How far off it lies on average, up or down."""
        return _mean(np.abs(self.off_um[self.predicted_um > 0]))


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


@dataclass(frozen=True)
class MapScores:
    """Scores of class maps.

    Attributes
    ----------
    names : tuple of str
        Of the classes.
    images : int
        How many were scored.
    table : Confusion
        Of all their pixels.
    band : Columns or None
        Of all their columns, where one was asked for.
    """

    names: tuple[str, ...]
    images: int
    table: Confusion
    band: Columns | None = None

    def csv(self) -> str:
        """Return the table: a row for every class, with the pixels taken for each."""
        text = io.StringIO()
        out = csv.writer(text, lineterminator="\n")
        scores = ("sensitivity", "specificity", "accuracy", "dice")
        out.writerow(["class", *scores, *(f"as_{name}" for name in self.names), "as_none"])
        for at, name in enumerate(self.names):
            values = (f"{getattr(self.table, score)[at]:.6g}" for score in scores)
            out.writerow([name, *values, *self.table.counts[at].tolist()])
        return text.getvalue()


def columns_of(
    truth: NDArray[Any], predicted: NDArray[Any], value: int, spacing_um: float
) -> Columns:
    """Measure a band in two class maps (y, x), where the truth is known.

    Examples
    --------
    >>> truth = np.array([[1, 1], [2, 1], [2, 1], [3, 3]])
    >>> found = columns_of(truth, np.array([[1, 1], [1, 1], [2, 1], [2, 3]]), 2, 0.5)
    >>> found.true_um.tolist(), found.predicted_um.tolist(), found.off_um.tolist()
    ([1.0], [1.0], [0.5])
    """
    mine, its = truth == value, (predicted == value) & (truth > 0)
    there = np.flatnonzero(mine.any(axis=0))
    middles = [
        [np.median(np.flatnonzero(band[:, at])) if band[:, at].any() else np.nan for at in there]
        for band in (mine, its)
    ]
    thick = [spacing_um * band[:, there].sum(axis=0) for band in (mine, its)]
    off = spacing_um * (np.array(middles[1], float) - np.array(middles[0], float))
    return Columns(thick[0], thick[1], off)


def class_names(predicted: Path, given: str | None) -> tuple[str, ...]:
    """Return the names of classes: as given, or from the table in an output of segment."""
    if given is None:
        return legend_names(predicted / LEGEND)
    names = tuple(name.strip() for name in given.split(","))
    if len(set(names)) != len(names) or len(names) < 2 or not all(names):
        msg = f"--classes {given}: give at least two different names, with commas between"
        raise SimcellError(msg)
    return names


def evaluate_maps(
    predicted: Path,
    truth: Path,
    names: Sequence[str],
    *,
    band: str | None = None,
    spacing_um: float | None = None,
    common: bool = False,
) -> MapScores:
    """Score a folder of class maps against another, or a file against another.

    Parameters
    ----------
    predicted, truth : Path
        Folders, or two files. Of an output of ``dermogan segment`` or of a dataset, its classes
        are taken.
    names : sequence of str
        Of the classes 1, 2, ...
    band : str, optional
        Name of a class whose thickness and place are measured.
    spacing_um : float, optional
        Size of a pixel; by default that of the files of the truth.
    common : bool
        Score the images that both folders have; without it, one that lacks is an error.
    """
    if band is not None and band not in names:
        msg = f"--band {band}: no such class; there are {', '.join(names)}"
        raise SimcellError(msg)
    table = Confusion(np.zeros((len(names), len(names) + 1), np.int64))
    measured: list[Columns] = []
    pairs = pairs_of(_maps_of(predicted), _maps_of(truth), common=common)
    for guess, true in pairs.values():
        maps = read_labels(true), read_labels(guess)
        try:
            table += confusion(*maps, len(names))
        except SimcellError as error:
            msg = f"{guess} and {true}: {error}"
            raise SimcellError(msg) from error
        if band is not None:
            side = spacing_um or _spacing(true)
            measured.append(columns_of(*maps, list(names).index(band) + 1, side))
    fields = ("true_um", "predicted_um", "off_um")
    together = [np.concatenate([getattr(one, f) for one in measured] or [[]]) for f in fields]
    return MapScores(tuple(names), len(pairs), table, None if band is None else Columns(*together))


def _maps_of(folder: Path) -> Path:
    inner = folder / "classes"
    return inner if inner.is_dir() else folder


def _spacing(path: Path) -> float:
    found = stored(path, None).spacing_um
    if found is None:
        msg = f"{path}: does not say how large a pixel is; give --spacing-um"
        raise SimcellError(msg)
    return found[0]
