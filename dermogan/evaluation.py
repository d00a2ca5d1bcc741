"""Score folders of segmentations against folders of truth, image by image.

Truth is label images, or tables of points; predictions are label images, or tables of
points where the truth is points too. Files belong together that have one name but for
the ending.

Decision: intervals come from drawing images with replacement, as images are what a study has a
sample of; cells of one image are not independent.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from dermogan import metrics
from dermogan.formats import is_zarr
from dermogan.images import image_files, name_of, read_labels
from dermogan.metrics import THRESHOLDS, Counts
from simcell import SimcellError

Float = NDArray[np.float64]
Row = dict[str, float]

RESAMPLES = 2000
"""Draws of images behind an interval."""


@dataclass(frozen=True)
class Options:
    """How images are scored.

    Attributes
    ----------
    annotated : {"all", "labels"} or Path
        Where the truth is known: everywhere; only where it has labels (predictions more
        than half outside them do not count); or where the images of this folder are not 0.
    radius_px : float, optional
        Farthest that a centre may lie from its point; needed for truth that is points.
    tolerance_px : float
        Distance that is forgiven to outlines.
    """

    annotated: Literal["all", "labels"] | Path = "all"
    radius_px: float | None = None
    tolerance_px: float = 2.0


@dataclass(frozen=True)
class Summary:
    """One score over all images."""

    name: str
    mean: float
    mean_interval: tuple[float, float]
    median: float
    median_interval: tuple[float, float]
    sd: float


@dataclass(frozen=True)
class Evaluation:
    """Scores of every image.

    Attributes
    ----------
    names : list of str
        Names of the images.
    rows : list of dict
        Their scores by name of the column.
    pooled : dict
        F1 of all images' objects together.
    """

    names: list[str]
    rows: list[Row]
    pooled: dict[str, float]

    def column(self, name: str) -> Float:
        """Return a score of every image."""
        return np.array([row[name] for row in self.rows])

    def summaries(self, seed: int = 0) -> list[Summary]:
        """Return mean and median of every score, with 95 % bootstrap intervals."""
        scores = [name for name in self.rows[0] if not name.startswith("n_")]
        return [summary(name, self.column(name), seed) for name in scores]

    def csv(self) -> str:
        """Return the table: a row for every image."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["image", *self.rows[0]])
        for name, row in zip(self.names, self.rows, strict=True):
            table.writerow([name, *(f"{value:.6g}" for value in row.values())])
        return text.getvalue()


def summary(name: str, values: Float, seed: int = 0) -> Summary:
    """Summarise a score over images; intervals are percentiles of `RESAMPLES` draws.

    Examples
    --------
    >>> found = summary("f1", np.array([0.5, 0.6, 0.7, 0.9]))
    >>> round(found.mean, 3), round(found.median, 3), found.mean_interval[0] >= 0.5
    (0.675, 0.65, True)
    """
    rng = Generator(Philox(seed))
    drawn = values[rng.integers(len(values), size=(RESAMPLES, len(values)))]
    intervals = [
        tuple(float(end) for end in np.percentile(by(drawn, axis=1), [2.5, 97.5]))
        for by in (np.mean, np.median)
    ]
    return Summary(
        name,
        float(values.mean()),
        (intervals[0][0], intervals[0][1]),
        float(np.median(values)),
        (intervals[1][0], intervals[1][1]),
        float(values.std(ddof=1)) if len(values) > 1 else 0.0,
    )


def evaluate(
    predicted: Path,
    truth: Path,
    options: Options | None = None,
    *,
    common: bool = False,
    report: Callable[[str], None] | None = None,
) -> Evaluation:
    """Score a folder against another, or a file against another.

    Parameters
    ----------
    predicted, truth : Path
        Folders, or two files. Of an output of ``dermogan segment``, its labels are taken.
    options : Options, optional
        How.
    common : bool
        Score the images that both folders have; without it, one that lacks is an error.
    report : callable, optional
        Called with the name of every image before it is scored.
    """
    options = options or Options()
    pairs = pairs_of(_labels_of(predicted), truth, common=common)
    names, rows, sums = [], [], dict[str, list[Counts]]()
    for name, (guess, true) in pairs.items():
        if report:
            report(name)
        try:
            row, counts = _score(guess, true, options)
        except SimcellError as error:
            text = str(error)
            msg = text if str(guess) in text or str(true) in text else f"{guess}: {text}"
            raise SimcellError(msg) from error
        names.append(name)
        rows.append(row)
        for key, found in counts.items():
            sums.setdefault(key, []).append(found)
    return Evaluation(names, rows, {key: pooled(found).f1 for key, found in sums.items()})


def pooled(counts: Sequence[Counts]) -> Counts:
    """Add up counts, as if all images were one."""
    found = sum(each.found for each in counts)
    good = sum(each.quality * each.found for each in counts)
    return Counts(
        found,
        sum(each.made_up for each in counts),
        sum(each.missed for each in counts),
        good / found if found else 0.0,
    )


def pairs_of(predicted: Path, truth: Path, *, common: bool) -> dict[str, tuple[Path, Path]]:
    """Return the files that belong together, by name."""
    if all(path.is_file() or is_zarr(path) for path in (predicted, truth)):
        return {name_of(truth): (predicted, truth)}
    guesses, trues = _by_name(predicted), _by_name(truth)
    both = sorted(guesses.keys() & trues.keys())
    if not both:
        msg = f"{predicted} and {truth}: no two files have one name; names must be equal"
        raise SimcellError(msg)
    for folder, others, mine in ((truth, guesses, trues), (predicted, trues, guesses)):
        lacking = sorted(others.keys() - mine.keys())
        if lacking and not common:
            msg = f"{folder}: has no {lacking[0]!r} ({len(lacking)} lack); add --common to skip"
            raise SimcellError(f"{msg} what only one folder has")
    return {name: (guesses[name], trues[name]) for name in both}


def _labels_of(folder: Path) -> Path:
    """Return where an output of ``dermogan segment`` has its labels: of their own, or in images."""
    inner = (folder / "labels", folder / "images")
    return next((each for each in inner if each.is_dir()), folder)


def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        msg = f"{folder}: no such folder; name two folders, or two files"
        raise SimcellError(msg)
    found: dict[str, Path] = {}
    for path in sorted([*image_files(folder), *folder.glob("*.csv")]):
        other = found.setdefault(name_of(path), path)
        if other != path:
            msg = f"{path}: {other.name} has the same name; keep one of them"
            raise SimcellError(msg)
    return found


def _score(guess: Path, true: Path, options: Options) -> tuple[Row, dict[str, Counts]]:
    if true.suffix.lower() == ".csv":
        return _score_points(guess, true, options)
    if guess.suffix.lower() == ".csv":
        msg = f"{guess}: points cannot be scored against the labels of {true.name}"
        raise SimcellError(msg)
    labels = read_labels(true)
    return score_labels(read_labels(guess), labels, options, _known(labels, name_of(true), options))


def _known(labels: NDArray[np.integer], name: str, options: Options) -> NDArray[np.bool_] | None:
    """Return where the truth of an image is known, None = everywhere."""
    if options.annotated == "all":
        return None
    if options.annotated == "labels":
        return np.asarray(labels > 0)
    masks = _by_name(Path(options.annotated))
    if name not in masks:
        msg = f"{options.annotated}: has no mask of {name!r}; give one for every image"
        raise SimcellError(msg)
    return np.asarray(read_labels(masks[name]) > 0)


def score_labels(
    guess: NDArray[np.integer],
    true: NDArray[np.integer],
    options: Options | None = None,
    known: NDArray[np.bool_] | None = None,
) -> tuple[Row, dict[str, Counts]]:
    """Score label images (y, x): a row of the table, and the counts behind it."""
    options = options or Options()
    by_iou = metrics.objects(true, guess, annotated=known)
    loose = metrics.any_overlap(true, guess, known)
    half = by_iou[0]
    row = {
        "n_true": half.found + half.missed,
        "n_predicted": half.found + half.made_up,
        "precision_50": half.precision,
        "recall_50": half.recall,
    }
    counts = {f"f1_{round(100 * at)}": each for at, each in zip(THRESHOLDS, by_iou, strict=True)}
    row |= {name: each.f1 for name, each in counts.items()}
    row |= {
        "ap_50": half.ap,
        "ap": metrics.average_precision(by_iou),
        "iou_of_found": half.quality,
        "d_precision": loose.precision,
        "d_recall": loose.recall,
        "d_f1": loose.f1,
        "dice": metrics.dice(true, guess, known),
        "boundary_f1": metrics.boundary_f1(true, guess, options.tolerance_px, known),
    }
    row["shift_y_px"], row["shift_x_px"] = metrics.shift(true, guess, known)
    return row, counts | {"d_f1": loose}


def _score_points(guess: Path, true: Path, options: Options) -> tuple[Row, dict[str, Counts]]:
    """Score centres; of label images also by the points that labels hold."""
    if options.radius_px is None:
        msg = f"{true.name} is points: --radius is missing; half a cell is a fair choice"
        raise SimcellError(msg)
    if options.annotated != "all":
        msg = f"{true.name} is points: it has no annotated area; leave out --annotated"
        raise SimcellError(msg)
    points = read_points(true)
    labels = None if guess.suffix.lower() == ".csv" else read_labels(guess)
    found = read_points(guess) if labels is None else metrics.centroids(labels)[1]
    near = metrics.centres(points, found, options.radius_px)
    counts = {"centre_f1": near}
    row: Row = {
        "n_true": len(points),
        "n_predicted": len(found),
        "centre_precision": near.precision,
        "centre_recall": near.recall,
        "centre_f1": near.f1,
    }
    if labels is not None:
        held = metrics.holding_points(points, labels)
        counts["d_f1"] = held
        row |= {"d_precision": held.precision, "d_recall": held.recall, "d_f1": held.f1}
    return row, counts


def read_points(path: Path) -> Float:
    """Read points (n, 2) in pixels (y, x) from a table with a header.

    The columns are the first whose names begin with y and x (``centroid_`` and ``centre_``
    before them do not matter). The centre of the first pixel is (0, 0), or (1, 1) where the
    names contain ``1based``.

    Raises
    ------
    SimcellError
        Naming the file, and the line where there is one.
    """
    try:
        lines = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: cannot be read ({error})"
        raise SimcellError(msg) from error
    header = [name.strip().lower() for name in lines[0]] if lines else []
    plain = [name.removeprefix("centroid_").removeprefix("centre_") for name in header]
    columns = [next((k for k, n in enumerate(plain) if n.startswith(a)), None) for a in "yx"]
    if None in columns:
        msg = f"{path}: its first line must name columns x and y; it is {','.join(header)[:60]!r}"
        raise SimcellError(msg)
    points = []
    for number, line in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in line):
            continue
        try:
            points.append([float(line[k]) for k in columns if k is not None])
        except (ValueError, IndexError) as error:
            msg = f"{path}: line {number} is {','.join(line)[:60]!r}; numbers are needed"
            raise SimcellError(msg) from error
    found = np.array(points, float).reshape(-1, 2)
    if not np.isfinite(found).all():
        msg = f"{path}: holds NaN or infinite positions"
        raise SimcellError(msg)
    return found - 1.0 if any("1based" in name for name in header) else found
