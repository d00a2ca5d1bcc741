"""Scores of class maps, all from one table: which class was taken for which.

Class maps hold 1, 2, ... for classes and 0 where nothing is said. Pixels whose truth is 0 are
not scored; pixels that a prediction leaves at 0 are missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcell import SimcellError

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Confusion:
    """How many pixels of each class were taken for which.

    Scores of a class that the truth never shows are NaN.

    Attributes
    ----------
    counts : int64 array (classes, classes + 1)
        Rows: true classes. Columns: predicted ones, and last what was left at 0.

    Examples
    --------
    >>> found = Confusion(np.array([[8, 2, 0], [1, 9, 0]]))
    >>> found.sensitivity.tolist(), found.specificity.tolist(), found.accuracy.tolist()
    ([0.8, 0.9], [0.9, 0.8], [0.85, 0.85])
    >>> float(found.overall), found.dice.round(3).tolist()
    (0.85, [0.842, 0.857])
    """

    counts: NDArray[np.int64]

    def __add__(self, other: Confusion) -> Confusion:
        """Count two images as one."""
        return Confusion(self.counts + other.counts)

    @property
    def _right(self) -> NDArray[np.int64]:
        return np.asarray(np.diagonal(self.counts))

    @property
    def _true(self) -> NDArray[np.int64]:
        return np.asarray(self.counts.sum(axis=1))

    @property
    def _predicted(self) -> NDArray[np.int64]:
        return np.asarray(self.counts.sum(axis=0)[:-1])

    @property
    def sensitivity(self) -> Float:
        """Share of a class's pixels that are found: the diagonal of `shares`."""
        return _over(self._right, self._true)

    @property
    def specificity(self) -> Float:
        """Share of the other classes' pixels that are not taken for it."""
        others = self.counts.sum() - self._true
        found = _over(others - (self._predicted - self._right), others)
        return np.where(self._true > 0, found, np.nan)

    @property
    def accuracy(self) -> Float:
        """Share of all pixels that are rightly told to be of a class, or not to be of it."""
        wrong = self._true + self._predicted - 2 * self._right
        found = _over(self.counts.sum() - wrong, np.full_like(wrong, self.counts.sum()))
        return np.where(self._true > 0, found, np.nan)

    @property
    def dice(self) -> Float:
        """Overlap of what is and what is taken for a class, over their mean."""
        found = _over(2 * self._right, self._true + self._predicted)
        return np.where(self._true > 0, found, np.nan)

    @property
    def overall(self) -> float:
        """Share of all pixels that have their class; NaN without any."""
        return float(_over(self._right.sum(), self.counts.sum()))

    @property
    def shares(self) -> Float:
        """Rows that add up to 1: what the pixels of each class were taken for."""
        return _over(self.counts, self._true[:, None])


def _over(part: Any, whole: Any) -> Float:  # noqa: ANN401 - arrays and numbers
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(whole > 0, part / np.maximum(whole, 1), np.nan))


def confusion(truth: NDArray[Any], predicted: NDArray[Any], count: int) -> Confusion:
    """Compare two class maps.

    Parameters
    ----------
    truth, predicted : integer array (y, x)
        0 ... count.
    count : int
        Number of classes.

    Raises
    ------
    SimcellError
        Where the maps differ in size, or hold a class beyond the last.

    Examples
    --------
    >>> confusion(np.array([[1, 1, 2, 0]]), np.array([[1, 2, 0, 2]]), 2).counts.tolist()
    [[1, 1, 0], [0, 0, 1]]
    """
    if truth.shape != predicted.shape:
        msg = f"prediction has {predicted.shape} pixels, truth {truth.shape}; they must be equal"
        raise SimcellError(msg)
    for name, classes in (("truth", truth), ("prediction", predicted)):
        last = int(classes.max(initial=0))
        if last > count:
            msg = f"{name}: holds class {last}, there are {count}; name all classes"
            raise SimcellError(msg)
    key = truth.astype(np.int64) * (count + 1) + (predicted.astype(np.int64) - 1) % (count + 1)
    table = np.bincount(key.reshape(-1), minlength=(count + 1) ** 2)
    return Confusion(table.reshape(count + 1, count + 1)[1:])
