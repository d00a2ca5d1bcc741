"""Scores of nuclei and Golgi in volumes, and of their pairs."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

import simcell
from dermogan.instances import Labels, Splitting

IOU = 0.5
"""Overlap from which on two objects are one."""
PAIR_IOU = 0.3
"""Overlap from which on a pair's nucleus, or its Golgi, is found."""


@dataclass(frozen=True)
class Truth:
    """What is known of a volume.

    Attributes
    ----------
    nuclei : int array (z, y, x)
        Labels 1, 2, ...; 0 = background, -1 = slivers, which are no objects to be found.
    golgi : int array (z, y, x), optional
        As nuclei; None: nobody looked for Golgi.
    pairs : int array (n, 2), optional
        Labels of nuclei and Golgi that belong together; None: not known.
    """

    nuclei: Labels
    golgi: Labels | None = None
    pairs: NDArray[np.int64] | None = None


@dataclass
class Class:
    """Counts of one class: voxels, and objects at an IoU of 0.5."""

    shared: int = 0
    made: int = 0
    true: int = 0
    hits: int = 0
    found: int = 0
    wanted: int = 0

    @property
    def dice(self) -> float:
        """Dice overlap of voxels; NaN where there are none."""
        return _ratio(2 * self.shared, self.made + self.true)

    @property
    def precision(self) -> float:
        """Share of the made voxels that are true."""
        return _ratio(self.shared, self.made)

    @property
    def recall(self) -> float:
        """Share of the true voxels that are made."""
        return _ratio(self.shared, self.true)

    @property
    def f1(self) -> float:
        """F1 of objects."""
        return _ratio(2 * self.hits, self.found + self.wanted)

    def __add__(self, other: Class) -> Class:
        """Add up the counts."""
        names = [one.name for one in fields(self)]
        return Class(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass
class SolidScores:
    """Counts of volumes.

    Attributes
    ----------
    nuclei, golgi : Class
    pairs : int
        True pairs.
    seen : int
        Those whose nucleus and Golgi are both found.
    joined : int
        Those of them that are paired with each other.
    """

    nuclei: Class = field(default_factory=Class)
    golgi: Class = field(default_factory=Class)
    pairs: int = 0
    seen: int = 0
    joined: int = 0

    @property
    def pairing(self) -> float:
        """Share of the pairs whose two ends are found that are paired with each other."""
        return _ratio(self.joined, self.seen)

    @property
    def pairs_found(self) -> float:
        """Share of all true pairs that are found and paired with each other."""
        return _ratio(self.joined, self.pairs)

    def __add__(self, other: SolidScores) -> SolidScores:
        """Add up the counts."""
        return SolidScores(
            self.nuclei + other.nuclei,
            self.golgi + other.golgi,
            self.pairs + other.pairs,
            self.seen + other.seen,
            self.joined + other.joined,
        )

    def row(self) -> dict[str, float]:
        """Return all scores by name."""
        scores: dict[str, float] = {}
        for name, one in (("nuclei", self.nuclei), ("golgi", self.golgi)):
            scores |= {f"dice_{name}": one.dice, f"f1_{name}": one.f1}
            scores |= {f"precision_{name}": one.precision, f"recall_{name}": one.recall}
        return scores | {"pairing": self.pairing, "pairs_found": self.pairs_found}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def score(nuclei: Labels, golgi: Labels, pairs: NDArray[np.int64], truth: Truth) -> SolidScores:
    """Score the objects of one volume, and their pairs (n, 2) of labels."""
    scores = SolidScores(_compared(nuclei, truth.nuclei))
    if truth.golgi is None:
        return scores
    scores.golgi = _compared(golgi, truth.golgi)
    if truth.pairs is not None:
        ends = matches(truth.nuclei, nuclei), matches(truth.golgi, golgi)
        made = {tuple(pair) for pair in pairs.tolist()}
        both = [
            (ends[0][nucleus], ends[1][other])
            for nucleus, other in truth.pairs.tolist()
            if nucleus in ends[0] and other in ends[1]
        ]
        scores.pairs, scores.seen = len(truth.pairs), len(both)
        scores.joined = sum(pair in made for pair in both)
    return scores


def _compared(made: Labels, true: Labels) -> Class:
    overlap, sizes = overlaps(np.maximum(true, 0), made)
    return Class(
        shared=int(np.count_nonzero((made > 0) & (true != 0))),
        made=int(np.count_nonzero(made)),
        true=int(np.count_nonzero(true)),
        hits=int(np.count_nonzero(overlap > IOU)),
        found=int(np.count_nonzero(sizes[1])),
        wanted=int(np.count_nonzero(sizes[0])),
    )


def overlaps(
    true: Labels, made: Labels
) -> tuple[NDArray[np.float64], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the IoU (true, made) of labels 1, 2, ..., and the sizes of both.

    Examples
    --------
    >>> overlaps(np.int32([0, 1, 1, 2]), np.int32([0, 1, 1, 1]))[0].round(2).tolist()
    [[0.67], [0.33]]
    """
    rows, columns = int(true.max(initial=0)) + 1, int(made.max(initial=0)) + 1
    both = true.reshape(-1).astype(np.int64) * columns + made.reshape(-1)
    table = np.bincount(both, minlength=rows * columns).reshape(rows, columns)
    sizes = table.sum(axis=1)[1:], table.sum(axis=0)[1:]
    shared = table[1:, 1:]
    union = sizes[0][:, None] + sizes[1][None] - shared
    return shared / np.maximum(union, 1), sizes


def matches(true: Labels, made: Labels) -> dict[int, int]:
    """Return the made label that overlaps most with each true one, if enough and its own best."""
    overlap, _ = overlaps(np.maximum(true, 0), made)
    if not overlap.size:
        return {}
    best, back = overlap.argmax(axis=1), overlap.argmax(axis=0)
    return {
        row + 1: int(column) + 1
        for row, column in enumerate(best)
        if overlap[row, column] > PAIR_IOU and back[column] == row
    }


def truth_of(sample: simcell.Sample, least: Splitting | None = None) -> Truth:
    """Return what is known of a simulated volume; what is dropped as too small is a sliver."""
    assert sample.labels is not None
    assert sample.objects is not None
    least = least or Splitting()
    table = sample.objects
    numbers = np.zeros((2, int(table["label"].max(initial=0)) + 1), np.int32)
    for row, (kind, um3) in enumerate(((1, least.nucleus_um3), (2, least.golgi_um3))):
        mine = table[table["type"] == kind]
        large = mine["volume_um3"] >= um3
        numbers[row, mine["label"]] = np.where(large, np.cumsum(large), -1)
    nuclei = table[(table["type"] == 1) & (table["partner"] > 0)]
    pairs = np.stack([numbers[0][nuclei["label"]], numbers[1][nuclei["partner"]]], axis=1)
    pairs = pairs[(pairs > 0).all(axis=1)]
    return Truth(numbers[0][sample.labels], numbers[1][sample.labels], pairs.astype(np.int64))


def pairs_of(table: NDArray[np.void]) -> NDArray[np.int64]:
    """Return the pairs (n, 2) of labels of nuclei and Golgi in a table of objects."""
    nuclei = table[(table["class"] == "nuclei") & (table["pair"] > 0)]
    return np.stack([nuclei["label"], nuclei["pair"]], axis=1).astype(np.int64)
