"""Scores of a segmentation against the truth.

Three conventions of counting objects, each by the best one-to-one pairing:

- `objects`: a cell is found where a prediction overlaps it with an intersection over union
  (IoU) of at least a threshold. This is the convention to compare methods with.
- `any_overlap`: one shared pixel suffices (d-accuracy, E. Debreuve, Inria; the pairing
  has the largest sum of IoUs). Papers on reflectance confocal microscopy of skin use it.
- `centres`: centres at most a radius apart, for truth that is points.

Decision: where the truth covers only part of an image, ``annotated`` says which. Objects,
predicted or true, that lie with more than half of their pixels outside are dropped;
those that stay count with all their pixels. Cutting them at the edge instead would
reward predictions that run over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dermogan.assign import Float, Index, Pairs, best_pairs, near_pairs
from simcell import SimcellError

Labels = NDArray[Any]
Mask = NDArray[np.bool_]

_AT_ONCE = 2**22  # pixels whose positions are held at once

THRESHOLDS = tuple((50 + 5 * step) / 100 for step in range(10))
"""IoUs 0.5, 0.55 … 0.95."""


@dataclass(frozen=True)
class Counts:
    """How many objects were found, missed and made up.

    Attributes
    ----------
    found : int
        True objects with a prediction (true positives).
    made_up : int
        Predictions without a true object (false positives).
    missed : int
        True objects without a prediction (false negatives).
    quality : float
        Mean IoU of the pairs; NaN where the truth has no shapes, 0 where no pair.

    Examples
    --------
    >>> counts = Counts(found=8, made_up=2, missed=4)
    >>> counts.precision, round(counts.recall, 3), round(counts.f1, 3), round(counts.ap, 3)
    (0.8, 0.667, 0.727, 0.571)
    """

    found: int
    made_up: int
    missed: int
    quality: float = float("nan")

    @property
    def precision(self) -> float:
        """Share of the predictions that are right; 0 where there are none."""
        return _share(self.found, self.found + self.made_up)

    @property
    def recall(self) -> float:
        """Share of the true objects that were found; 0 where there are none."""
        return _share(self.found, self.found + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.found, 2 * self.found + self.made_up + self.missed)

    @property
    def ap(self) -> float:
        """Average precision as the Data Science Bowl 2018 counts it: TP / (TP + FP + FN)."""
        return _share(self.found, self.found + self.made_up + self.missed)


def _share(part: int, whole: int) -> float:
    return part / whole if part else 0.0


def overlaps(truth: Labels, predicted: Labels) -> tuple[Pairs, Index, Index]:
    """List which objects overlap, by how much.

    Parameters
    ----------
    truth, predicted : integer array (y, x)
        Labels, 0 = background, in any numbering.

    Returns
    -------
    pairs : Pairs
        Places of the true and the predicted label, weighted by their IoU.
    true_labels, predicted_labels : int64 array
        The labels, ascending, that the places count.
    """
    _check_same_shape(truth, predicted)
    true_labels, true_areas, rows = _numbered(truth)
    labels, areas, columns = _numbered(predicted)
    both = (rows >= 0) & (columns >= 0)
    key = rows[both].astype(np.int64) * len(labels) + columns[both]
    key, shared = np.unique(key, return_counts=True)
    left, right = np.divmod(key, max(len(labels), 1))
    iou = shared / (true_areas[left] + areas[right] - shared)
    return Pairs(left, right, iou), true_labels, labels


def _check_same_shape(truth: Labels, predicted: Labels) -> None:
    for name, labels in (("truth", truth), ("prediction", predicted)):
        if labels.ndim != 2 or labels.dtype.kind not in "iub":
            msg = f"{name}: is {labels.dtype} of shape {labels.shape}; labels are integers (y, x)"
            raise SimcellError(msg)
    if truth.shape != predicted.shape:
        msg = f"prediction has {predicted.shape} pixels, truth {truth.shape}; they must be equal"
        raise SimcellError(msg)


def _numbered(labels: Labels) -> tuple[Index, Index, NDArray[Any]]:
    """Return the labels, their areas, and each pixel's place among them (-1 = background)."""
    top = int(labels.max(initial=0))
    if top > 4 * labels.size + 1000:  # hashes as labels: too large to count by
        values, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
        behind = int(values[0] == 0)
        return values[behind:].astype(np.int64), counts[behind:], inverse.reshape(-1) - behind
    counts = np.bincount(labels.reshape(-1), minlength=top + 1)
    counts[0] = 0
    values = np.flatnonzero(counts)
    place = np.full(top + 1, -1, np.int32)
    place[values] = np.arange(len(values))
    return values, counts[values], place[labels.reshape(-1)]


def within(labels: Labels, annotated: Mask | None) -> Labels:
    """Drop objects that lie with more than half of their pixels outside a mask.

    Examples
    --------
    >>> within(np.array([[1, 1, 2, 2, 2]]), np.array([[True, True, True, False, False]])).tolist()
    [[1, 1, 0, 0, 0]]
    """
    if annotated is None:
        return labels
    if annotated.shape != labels.shape:
        msg = f"annotated area has {annotated.shape} pixels, labels {labels.shape}"
        raise SimcellError(f"{msg}; they must be equal")
    values, areas, places = _numbered(labels)
    inside = places[(places >= 0) & annotated.reshape(-1)]
    kept = 2 * np.bincount(inside, minlength=len(values)) >= areas
    chosen = np.append(kept, False)[places].reshape(labels.shape)
    return np.where(chosen, labels, np.zeros_like(labels))


def objects(
    truth: Labels,
    predicted: Labels,
    thresholds: Sequence[float] = THRESHOLDS,
    annotated: Mask | None = None,
) -> list[Counts]:
    """Count objects found at each IoU threshold.

    The pairing has as many pairs as possible at or above the threshold, and among those
    the largest sum of IoUs.

    Parameters
    ----------
    truth, predicted : integer array (y, x)
        Labels, 0 = background.
    thresholds : sequence of float
        IoUs in (0, 1].
    annotated : bool array (y, x), optional
        Where the truth is known; default everywhere.

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 0, 2, 2]])
    >>> predicted = np.array([[1, 1, 0, 0, 2, 2]])
    >>> [counts.f1 for counts in objects(truth, predicted, (0.5, 0.9))]
    [1.0, 0.5]
    """
    pairs, true, guessed = overlaps(within(truth, annotated), within(predicted, annotated))
    most = max(min(len(true), len(guessed)), 1)
    found = []
    for threshold in thresholds:
        if not 0 < threshold <= 1:
            msg = f"threshold {threshold}: an IoU is above 0 and at most 1"
            raise SimcellError(msg)
        good = pairs.where(pairs.weight >= threshold)
        offered = good._replace(weight=1.0 + good.weight / (2 * most))
        chosen = best_pairs(offered)
        quality = (chosen.weight - 1.0) * (2 * most)
        found.append(_counts(quality, len(true), len(guessed)))
    return found


def _counts(quality: Float, true: int, guessed: int) -> Counts:
    found = len(quality)
    mean = float(quality.mean()) if found else 0.0
    return Counts(found, guessed - found, true - found, mean)


def average_precision(counts: Sequence[Counts]) -> float:
    """Return the mean of `Counts.ap` over thresholds."""
    return float(np.mean([each.ap for each in counts]))


def any_overlap(truth: Labels, predicted: Labels, annotated: Mask | None = None) -> Counts:
    """Count objects found by the d-accuracy convention: one shared pixel is enough.

    Parameters
    ----------
    truth, predicted : integer array (y, x)
        Labels, 0 = background.
    annotated : bool array (y, x), optional
        Where the truth is known; default everywhere.

    References
    ----------
    E. Debreuve, DAccuracy, https://gitlab.inria.fr/edebreuv/daccuracy
    """
    pairs, true, guessed = overlaps(within(truth, annotated), within(predicted, annotated))
    return _counts(best_pairs(pairs).weight, len(true), len(guessed))


def holding_points(points_yx: Float, predicted: Labels) -> Counts:
    """Count points by the d-accuracy convention for truth that is points.

    A predicted object that holds at least one point is right; further points in it are
    missed, and so are points on background.

    Parameters
    ----------
    points_yx : float64 array (n, 2)
        True centres in pixels; the centre of the first pixel is (0, 0).
    predicted : integer array (y, x)
        Labels, 0 = background.
    """
    values, _, _ = _numbered(predicted)
    limit = np.array(predicted.shape) - 1
    # A point half a pixel outside lies on the outermost pixel still.
    pixel = np.clip(np.floor(points_yx + 0.5).astype(np.int64), 0, limit)
    held = predicted[pixel[:, 0], pixel[:, 1]]
    found = len(np.unique(held[held > 0]))
    return Counts(found, len(values) - found, len(points_yx) - found)


def centres(truth_yx: Float, predicted_yx: Float, radius: float) -> Counts:
    """Count centres found: as many pairs as possible at most a radius apart, nearest first.

    Parameters
    ----------
    truth_yx, predicted_yx : float64 array (n, 2)
        Centres.
    radius : float
        In the unit of the centres, above 0. About half a cell is a fair choice.
    """
    if not radius > 0:
        msg = f"radius = {radius}: must be above 0 px; half a cell is a fair choice"
        raise SimcellError(msg)
    found = len(best_pairs(near_pairs(truth_yx, predicted_yx, radius)).left)
    return Counts(found, len(predicted_yx) - found, len(truth_yx) - found)


def centroids(labels: Labels) -> tuple[Index, Float, Index]:
    """Return the labels, their centroids (n, 2) in pixels (y, x) and their areas in pixels."""
    values, areas, places = _numbered(labels)
    places = places.reshape(labels.shape)
    sums = np.zeros((len(values), 2))
    rows = max(1, _AT_ONCE // max(labels.shape[1], 1))
    for start in range(0, labels.shape[0], rows):
        band = places[start : start + rows]
        y, x = np.nonzero(band >= 0)
        of = band[y, x]
        for axis, side in enumerate((y + start, x)):
            sums[:, axis] += np.bincount(of, weights=side, minlength=len(values))
    return values, sums / areas[:, None], areas


def shift(truth: Labels, predicted: Labels, annotated: Mask | None = None) -> tuple[float, float]:
    """Return by how many pixels (y, x) found objects are off on average; 0 if none is.

    Near 0 for honest noise: half a pixel or more tells of two conventions of where a pixel
    lies, or of truth that was resized or drawn beside the cells.

    Examples
    --------
    >>> truth = np.zeros((9, 9), int)
    >>> truth[2:7, 2:7] = 1
    >>> shift(truth, np.roll(truth, 1, axis=0))
    (1.0, 0.0)
    """
    truth, predicted = within(truth, annotated), within(predicted, annotated)
    pairs = best_pairs(overlaps(truth, predicted)[0])
    pairs = pairs.where(pairs.weight >= 0.5)
    if len(pairs.left) == 0:
        return 0.0, 0.0
    off = centroids(predicted)[1][pairs.right] - centroids(truth)[1][pairs.left]
    y, x = off.mean(axis=0).tolist()
    return y, x


def dice(truth: Labels, predicted: Labels, annotated: Mask | None = None) -> float:
    """Return the Dice coefficient of everything that is an object; 1 where both are empty."""
    _check_same_shape(truth, predicted)
    known = np.ones(truth.shape, np.bool_) if annotated is None else annotated
    true, guessed = (truth > 0) & known, (predicted > 0) & known
    both = np.count_nonzero(true) + np.count_nonzero(guessed)
    return 2 * np.count_nonzero(true & guessed) / both if both else 1.0


def boundary_f1(
    truth: Labels, predicted: Labels, tolerance_px: float = 2.0, annotated: Mask | None = None
) -> float:
    """Return the F1 of the outlines of objects, within a tolerance.

    An outline pixel is one whose right or lower neighbour has another label; the
    frame of the image is no outline. Precision is the share of predicted outline pixels
    at most ``tolerance_px`` from a true one, recall the reverse.

    Parameters
    ----------
    truth, predicted : integer array (y, x)
        Labels, 0 = background.
    tolerance_px : float
        Distance that is forgiven.
    annotated : bool array (y, x), optional
        Outlines elsewhere are not judged.

    References
    ----------
    Csurka et al., "What is a good evaluation measure for semantic segmentation?",
    BMVC 2013.
    """
    _check_same_shape(truth, predicted)
    lines = [outlines(labels) for labels in (truth, predicted)]
    near = [_within_distance(line, tolerance_px) for line in lines]
    if annotated is not None:
        lines = [line & annotated for line in lines]
    true, guessed = (np.count_nonzero(line) for line in lines)
    if true == 0 or guessed == 0:
        return float(true == guessed)
    precision = np.count_nonzero(lines[1] & near[0]) / guessed
    recall = np.count_nonzero(lines[0] & near[1]) / true
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def outlines(labels: Labels) -> Mask:
    """Mark pixels whose right or lower neighbour has another label."""
    line = np.zeros(labels.shape, np.bool_)
    line[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    line[:-1] |= labels[1:] != labels[:-1]
    return line


def _within_distance(line: Mask, distance_px: float) -> Mask:
    if not line.any():
        return line
    return np.asarray(ndimage.distance_transform_edt(~line) <= distance_px)
