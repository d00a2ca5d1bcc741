"""Run methods on sets, and count what they find and what they cost.

Decision: a method that fails on an image found nothing there: its scores of it are 0, and it is
said why. Leaving the image out would reward giving up.

Decision: the cost is CPU time of the whole process, from the image to its labels, with one thread
unless more are asked for. The first image is shown to every method once before, in a small crop,
so that what is loaded only once is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dermogan import metrics
from dermogan.benchmark.methods import Member, Method
from dermogan.benchmark.sets import Picture, Set, Survey, Told, Truth
from dermogan.evaluation import pooled
from dermogan.metrics import Counts
from dermogan.refine import Refinement
from dermogan.segmentation import segment
from dermogan.starfile import NAME
from simcell import SimcellError

Image = NDArray[np.float32]
Found = dict[str, Counts]

_WARM_PX = 96


@dataclass(frozen=True)
class Outcome:
    """One image by one member of a method; ``failure`` says why there is nothing."""

    image: str
    counts: Found
    cpu_s: float
    megapixels: float
    failure: str = ""


@dataclass(frozen=True)
class Row:
    """A method on a set: the outcomes of its members, image by image.

    Attributes
    ----------
    method : Method
    outcomes : list of list of Outcome
        Of every member; empty where the method lacks something.
    """

    method: Method
    outcomes: list[list[Outcome]]

    def f1(self, score: str) -> NDArray[np.float64]:
        """Return a score (members, images)."""
        return np.array([[o.counts[score].f1 for o in member] for member in self.outcomes])

    def medians(self, score: str) -> NDArray[np.float64]:
        """Return the median over images, of every member."""
        return np.median(self.f1(score), axis=1)

    def summary(self, score: str) -> dict[str, float]:
        """Return medians over members of: median, sd and mean over images, and pooled F1.

        ``spread`` is half the distance of the best and the worst member's medians.
        """
        values = self.f1(score)
        medians = np.median(values, axis=1)
        sd = values.std(axis=1, ddof=1) if values.shape[1] > 1 else np.zeros(len(values))
        together = [pooled([o.counts[score] for o in member]).f1 for member in self.outcomes]
        return {
            "median": float(np.median(medians)),
            "sd": float(np.median(sd)),
            "mean": float(np.median(values.mean(axis=1))),
            "pooled": float(np.median(together)),
            "spread": float(np.ptp(medians) / 2),
        }

    @property
    def cpu_s(self) -> float:
        """CPU seconds per image: the mean over images, and members."""
        return float(np.mean([o.cpu_s for member in self.outcomes for o in member]))

    @property
    def cpu_s_per_megapixel(self) -> float:
        """CPU seconds per megapixel."""
        every = [o for member in self.outcomes for o in member]
        return sum(o.cpu_s for o in every) / sum(o.megapixels for o in every)

    @property
    def failures(self) -> list[Outcome]:
        """Outcomes of images that it failed on."""
        return [o for member in self.outcomes for o in member if o.failure]


@dataclass(frozen=True)
class Result:
    """All methods on a set.

    Attributes
    ----------
    name : str
        Of the set.
    scores : tuple of str
        Names of the scores, the main one first.
    rows : list of Row
    facts : dict
        ``images, diameter_px, polarity, shows, annotated, fingerprint``.
    """

    name: str
    scores: tuple[str, ...]
    rows: list[Row]
    facts: dict[str, Any] = field(default_factory=dict)

    def ranked(self) -> list[Row]:
        """Return rows by their main score, the best first; those that lack something last."""
        main = self.scores[0]
        return sorted(
            self.rows,
            key=lambda row: row.summary(main)["median"] if row.outcomes else -1.0,
            reverse=True,
        )


def measure(
    images: Set,
    methods: Sequence[Method],
    *,
    weights: str | None = None,
    known: Survey | None = None,
    report: Callable[[str], None] | None = None,
) -> Result:
    """Run methods on a set.

    Parameters
    ----------
    images : Set
    methods : sequence of Method
    weights : str, optional
        Of StarDist; the shipped ones if not given.
    known : Survey, optional
        Of the set, where it has been made already.
    report : callable, optional
        Called with the name of an image and of a method, before it is run.
    """
    told = images.told
    known = known or images.survey()
    diameter = _diameter(told, known.diameter_px)
    members = [[make(told) for make in method.members] for method in methods]
    able = [not method.lacks for method in methods]
    found: list[list[list[Outcome]]] = [
        [[] for _ in made] if runs else [] for made, runs in zip(members, able, strict=True)
    ]
    for number, picture in enumerate(images.pictures):
        image, truth = picture.load()
        radius = told.radius_px or (diameter / 2 if diameter else None)
        for at, method in enumerate(methods):
            if not able[at]:
                continue
            if report:
                report(f"{picture.name} {method.name}")
            runs = _Runs(method, weights, diameter)
            for which, member in enumerate(members[at]):
                if number == 0:
                    runs.warm(member, image)
                labels, cpu_s, failure = runs.labels(member, image)
                outcome = _outcome(picture, truth, labels, radius, cpu_s, failure)
                found[at][which].append(outcome)
    rows = [Row(method, outcomes) for method, outcomes in zip(methods, found, strict=True)]
    facts = {
        "images": len(images.pictures),
        "diameter_px": diameter if diameter is None else round(diameter, 2),
        "polarity": told.polarity,
        "shows": told.shows,
        "annotated": told.annotated,
        "fingerprint": known.fingerprint,
    }
    scores = ("centre_f1", "d_f1") if known.points else ("f1_50", "f1_70", "d_f1")
    return Result(images.name, scores, rows, facts)


def _diameter(told: Told, true: float | None) -> float | None:
    """Return the diameter that methods are told; None where they measure by themselves."""
    if told.diameter_px == "auto":
        return None
    found = true if told.diameter_px is None else told.diameter_px
    return None if found is None else max(found, 3.0)


@dataclass(frozen=True)
class _Runs:
    """How a method is run."""

    method: Method
    weights: str | None
    diameter: float | None

    def labels(self, member: Member, image: Image) -> tuple[NDArray[np.int32], float, str]:
        """Return labels, CPU seconds, and why there are none."""
        options = Refinement()
        if self.method.stardist:
            options = Refinement(split="stardist", weights=self.weights or NAME)
        start, failure = time.process_time(), ""
        try:
            found = segment(
                member.predictor,
                -image if member.fit.invert else image,
                diameter_px=member.fit.diameter_px if self.diameter is None else self.diameter,
                refinement=options,
            ).labels
        except Exception as error:  # of any library below: one method stops no others
            found = np.zeros(image.shape, np.int32)
            failure = " ".join(str(error).split())[:160] or type(error).__name__
        return found, time.process_time() - start, failure

    def warm(self, member: Member, image: Image) -> None:
        """Run on a small crop, for what is loaded but once."""
        self.labels(member, np.ascontiguousarray(image[:_WARM_PX, :_WARM_PX]))


def _outcome(
    picture: Picture,
    truth: Truth,
    labels: NDArray[np.int32],
    radius: float | None,
    cpu_s: float,
    failure: str,
) -> Outcome:
    counts = score(truth, labels, radius)  # of no labels at all, where it failed
    return Outcome(picture.name, counts, cpu_s, labels.size / 1e6, failure)


def score(truth: Truth, labels: NDArray[np.int32], radius: float | None = None) -> Found:
    """Count objects of an image: by IoU 0.5 and 0.7 and by d-accuracy, or by centres."""
    if truth.points_yx is not None:
        if radius is None:
            msg = "--radius: missing; how far may a centre lie from its point, in px?"
            raise SimcellError(msg)
        centres = metrics.centroids(labels)[1]
        return {
            "centre_f1": metrics.centres(truth.points_yx, centres, radius),
            "d_f1": metrics.holding_points(truth.points_yx, labels),
        }
    assert truth.labels is not None
    half, most = metrics.objects(truth.labels, labels, (0.5, 0.7), truth.known)
    loose = metrics.any_overlap(truth.labels, labels, truth.known)
    return {"f1_50": half, "f1_70": most, "d_f1": loose}
