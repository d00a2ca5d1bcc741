"""Squares of images."""

import pytest

from simcell.describe.squares import corners, some, starts


@pytest.mark.parametrize(
    ("length", "expected"), [(64, [0]), (127, [0]), (128, [0, 64]), (200, [0, 68, 136])]
)
def test_squares_fill_a_length_without_overlap(length, expected):
    assert starts(length, 64) == expected


def test_corners_are_all_pairs_of_starts():
    assert corners((128, 64), 64) == [(0, 0), (64, 0)]


def test_some_are_spread_evenly():
    places = [(i, 0) for i in range(9)]
    assert some(places, 3) == [(0, 0), (4, 0), (8, 0)]
    assert some(places, 20) == places
    assert some([], 3) == []
