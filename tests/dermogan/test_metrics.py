"""Scores: against other libraries, against plain definitions, and where they must fail."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_cases import CASES, case, discs
from scipy.optimize import linear_sum_assignment

from dermogan import metrics
from dermogan.assign import Pairs, best_pairs, near_pairs
from simcell import SimcellError

TABLE = Path(__file__).parents[1] / "data" / "segmentation_scores.csv"
"""By stardist 0.9.2 (matching; IoUs in single precision) and daccuracy 2026.1."""


def reference(source: str) -> list[dict[str, str]]:
    with TABLE.open() as file:
        return [row for row in csv.DictReader(file) if row["source"] == source]


def agree(counts: metrics.Counts, row: dict[str, str]) -> None:
    assert [counts.found, counts.made_up, counts.missed] == [
        int(row[k]) for k in ("tp", "fp", "fn")
    ]
    for name in ("precision", "recall", "f1", "ap"):
        if row[name]:
            assert getattr(counts, name) == pytest.approx(float(row[name]), abs=1e-9)
    if row["threshold"] == "0.2":
        # stardist lets pairs below the threshold compete for the sum of IoUs.
        assert counts.quality > float(row["quality"]) - 1e-6
    else:
        assert counts.quality == pytest.approx(float(row["quality"]), abs=1e-6)


def test_counts_by_iou_are_those_of_stardist() -> None:
    rows = reference("stardist")
    assert len(rows) == 11 * len(CASES)
    for row in rows:
        [counts] = metrics.objects(*case(row["case"]), [float(row["threshold"])])
        agree(counts, row)


def test_counts_by_any_overlap_are_those_of_daccuracy() -> None:
    rows = reference("daccuracy")
    assert len(rows) == len(CASES) - 1
    for row in rows:
        agree(metrics.any_overlap(*case(row["case"])), row)


def test_average_precision_is_the_mean_over_thresholds() -> None:
    rows = [row for row in reference("stardist") if row["case"] == "jittered"][:10]
    counts = metrics.objects(*case("jittered"))
    expected = np.mean([float(row["ap"]) for row in rows])
    assert metrics.average_precision(counts) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 7), st.floats(0.1, 1.0))
def test_best_pairs_weigh_as_much_as_those_of_a_full_table(
    seed: int, rows: int, columns: int, filled: float
) -> None:
    rng = np.random.default_rng(seed)
    table = rng.random((rows, columns)) * (rng.random((rows, columns)) < filled)
    left, right = np.nonzero(table)
    chosen = best_pairs(Pairs(left, right, table[left, right]))
    assert len(set(chosen.left)) == len(set(chosen.right)) == len(chosen.left)
    best = table[linear_sum_assignment(table, maximize=True)].sum()
    assert chosen.weight.sum() == pytest.approx(best, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 6.0))
def test_as_many_centres_are_paired_as_possible(seed: int, radius: float) -> None:
    rng = np.random.default_rng(seed)
    truth, guess = rng.uniform(0, 20, (9, 2)), rng.uniform(0, 20, (7, 2))
    far = np.linalg.norm(truth[:, None] - guess, axis=-1)
    rows, columns = linear_sum_assignment(far <= radius, maximize=True)
    most = int((far <= radius)[rows, columns].sum())
    counts = metrics.centres(truth, guess, radius)
    assert (counts.found, counts.missed, counts.made_up) == (most, 9 - most, 7 - most)
    pairs = best_pairs(near_pairs(truth, guess, radius))
    cost = np.where(far <= radius, far, 1e6)
    least = cost[linear_sum_assignment(cost)]
    assert far[pairs.left, pairs.right].sum() == pytest.approx(least[least < 1e6].sum(), abs=1e-6)


def test_centres_of_images_without_points() -> None:
    none, one = np.empty((0, 2)), np.zeros((1, 2))
    assert metrics.centres(none, none, 3.0).f1 == 0.0
    assert metrics.centres(one, none, 3.0).missed == 1
    assert metrics.centres(none, one, 3.0).made_up == 1
    with pytest.raises(SimcellError, match="radius = 0: must be above 0"):
        metrics.centres(one, one, 0)


def test_an_object_holding_two_points_finds_one() -> None:
    labels = np.zeros((10, 10), np.int32)
    labels[:4, :4] = 5
    labels[6:, 6:] = 9
    points = np.array([[1.0, 1.0], [3.4, 3.4], [3.6, 3.6], [-0.4, 0.0]])
    counts = metrics.holding_points(points, labels)
    assert (counts.found, counts.made_up, counts.missed) == (1, 1, 3)


def test_predictions_mostly_outside_the_annotated_area_do_not_count() -> None:
    truth, predicted = np.zeros((8, 20), np.int32), np.zeros((8, 20), np.int32)
    truth[2:6, 2:6] = 1
    predicted[2:6, 2:6] = 1
    predicted[2:6, 8:12] = 2  # half inside: counts
    predicted[2:6, 13:19] = 3  # outside
    predicted[7, 7:15] = 4  # three of eight inside
    annotated = np.zeros(truth.shape, np.bool_)
    annotated[:, :10] = True
    plain, partial = (metrics.objects(truth, predicted, [0.5], a)[0] for a in (None, annotated))
    assert (plain.found, plain.made_up) == (1, 3)
    assert (partial.found, partial.made_up) == (1, 1)
    assert metrics.any_overlap(truth, predicted, annotated).made_up == 1
    # What stays keeps all its pixels.
    assert np.count_nonzero(metrics.within(predicted, annotated) == 2) == 16


def test_dice_counts_annotated_pixels_alone() -> None:
    truth, predicted = np.array([[1, 1, 0, 0]]), np.array([[2, 0, 3, 0]])
    assert metrics.dice(truth, predicted) == pytest.approx(2 * 1 / 4)
    known = np.array([[True, True, False, False]])
    assert metrics.dice(truth, predicted, known) == pytest.approx(2 * 1 / 3)
    assert metrics.dice(truth * 0, predicted * 0) == 1.0


def test_boundary_f1_forgives_its_tolerance_and_no_more() -> None:
    truth = (np.arange(40)[:, None] >= 20) * np.ones((1, 30), np.int64)
    for shift, tolerance, expected in ((2, 2.0, 1.0), (3, 2.0, 0.0), (3, 3.0, 1.0), (0, 0.0, 1.0)):
        moved = np.roll(truth, shift, axis=0)
        moved[:shift] = 0
        assert metrics.boundary_f1(truth, moved, tolerance) == expected
    both = truth.copy()
    both[:10] = 2  # a line too many: precision one half
    assert metrics.boundary_f1(truth, both, 2.0) == pytest.approx(2 / 3)
    known = np.ones(truth.shape, np.bool_)
    known[:12] = False
    assert metrics.boundary_f1(truth, both, 2.0, known) == 1.0
    assert metrics.boundary_f1(truth * 0, truth * 0) == 1.0
    assert metrics.boundary_f1(truth, truth * 0) == 0.0


def test_centroids_and_areas_of_any_numbering() -> None:
    labels = np.zeros((6, 9), np.uint32)
    labels[1:3, 2:5] = 4_000_000_000
    labels[5, 8] = 7
    values, centres, areas = metrics.centroids(labels)
    assert values.tolist() == [7, 4_000_000_000]
    assert centres.tolist() == [[5.0, 8.0], [1.5, 3.0]]
    assert areas.tolist() == [1, 6]
    assert metrics.centroids(labels * 0)[1].shape == (0, 2)


def test_numbering_changes_no_score() -> None:
    truth, predicted = discs(20, 4), discs(20, 4, shift=2)
    hashes = np.where(predicted > 0, predicted.astype(np.int64) * 1_000_003, 0)
    assert metrics.objects(truth, predicted) == metrics.objects(truth, hashes)


@pytest.mark.parametrize(
    ("truth", "predicted", "said"),
    [
        (np.zeros((3, 4), int), np.zeros((3, 5), int), r"prediction has \(3, 5\) pixels"),
        (np.zeros((3, 4)), np.zeros((3, 4), int), "truth: is float64"),
        (np.zeros((3, 4), int), np.zeros((1, 3, 4), int), "prediction: is int64 of shape"),
    ],
)
def test_labels_that_cannot_be_compared_are_refused(truth, predicted, said) -> None:
    with pytest.raises(SimcellError, match=said):
        metrics.objects(truth, predicted)
    with pytest.raises(SimcellError, match="threshold 0: an IoU"):
        metrics.objects(np.ones((2, 2), int), np.ones((2, 2), int), [0])


def test_a_shift_is_that_of_what_was_found() -> None:
    truth = np.zeros((60, 60), np.int32)
    for number, (y, x) in enumerate(np.ndindex(3, 3), 1):
        truth[20 * y + 3 : 20 * y + 17, 20 * x + 3 : 20 * x + 17] = number
    off = np.roll(truth, (2, -1), axis=(0, 1))
    off[off == 5] = 0  # missed
    off[0:2, 0:2] = 99  # made up
    assert metrics.shift(truth, off) == pytest.approx((2, -1))
    assert metrics.shift(truth, np.zeros_like(truth)) == (0, 0)
    assert metrics.shift(np.where(truth < 4, 0, truth), off, truth > 3) == pytest.approx((2, -1))
