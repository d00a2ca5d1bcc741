"""Pyramids against slow twins, and what coarse pixels may hold."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from large_samples import DEEP, FLAT, boxes

from simcell.io.pyramid import averages, flat_levels, levels, majorities

STEPS = [*product((1, 2), repeat=2), *product((1, 2), repeat=3)]


def blocks(array: np.ndarray, steps: tuple[int, ...]) -> dict[tuple[int, ...], list[int]]:
    found: dict[tuple[int, ...], list[int]] = {}
    for place, value in np.ndenumerate(array):
        coarse = tuple(i // step for i, step in zip(place, steps, strict=True))
        found.setdefault(coarse, []).append(int(value))
    return found


def winner(votes: list[int]) -> int:
    counts = Counter(votes)
    most = max(counts.values())
    best = sorted(value for value, count in counts.items() if count == most)
    return best[1] if best[0] == 0 and len(best) > 1 else best[0]


@pytest.mark.parametrize("steps", STEPS)
def test_pixels_are_those_of_a_slow_twin(steps: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(steps))
    image = rng.integers(0, 2**16, (5, 7, 6)[-len(steps) :], np.uint16)
    labels = rng.integers(0, 4, image.shape).astype(np.uint32)
    means, modes = averages(image, steps), majorities(labels, steps)
    assert (means.dtype, modes.dtype) == (np.uint16, np.uint32)
    for place, values in blocks(image, steps).items():
        assert means[place] == round(sum(values) / len(values))  # Python's halves go to even.
    for place, values in blocks(labels, steps).items():
        assert modes[place] == winner(values)
    assert means.size == len(blocks(image, steps))


def test_channels_stay_apart() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 9, 8), np.uint8)
    whole = averages(image, (1, 2, 2))
    for channel, coarse in zip(image, whole, strict=True):
        np.testing.assert_array_equal(averages(channel, (1, 2, 2)), coarse)


def test_no_label_is_invented_and_whole_boxes_stay() -> None:
    labels = boxes(DEEP[0], 3)
    coarse = majorities(majorities(labels, (1, 2, 2)), (2, 2, 2))
    assert set(np.unique(coarse)) == set(np.unique(labels))
    np.testing.assert_array_equal(coarse, labels[::2, ::4, ::4])
    mixed = np.random.default_rng(0).integers(0, 500, (31, 33)).astype(np.uint16)
    for place, values in blocks(mixed, (2, 2)).items():
        assert majorities(mixed, (2, 2))[place] in values


def test_flat_stacks_become_even_before_they_become_shallow() -> None:
    found = levels((40, 1100, 700), (1.0, 0.3, 0.3))
    assert [level.shape for level in found] == [
        (40, 1100, 700),
        (40, 550, 350),
        (40, 275, 175),
        (20, 138, 88),
    ]
    assert [level.steps for level in found[1:]] == [(1, 2, 2), (1, 2, 2), (2, 2, 2)]
    assert found[-1].spacing_um == pytest.approx((2.0, 2.4, 2.4))


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [FLAT, DEEP, ((256, 256), (1.0, 1.0)), ((2000, 1, 900), (0.01, 5.0, 1.0)), ((9, 5000), (1, 1))],
)
def test_levels_end_and_cover_the_field(shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    found = levels(shape, spacing)
    assert max(found[-1].shape) <= 256
    assert all(max(level.shape) > 256 for level in found[:-1])
    for level in found:
        for n, side, whole, unit in zip(level.shape, level.spacing_um, shape, spacing, strict=True):
            assert 0 <= n * side - whole * unit < side
        assert level.first_um == tuple(side / 2 for side in level.spacing_um)


def test_planes_are_halved_in_both_directions() -> None:
    shapes = [level.shape for level in flat_levels((600, 30), (1.0, 1.0))]
    assert shapes == [(600, 30), (300, 15), (150, 8)]
