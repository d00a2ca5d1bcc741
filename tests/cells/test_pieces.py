"""Connected pieces, borders and shape measures against scikit-image."""

import numpy as np
import pytest
from skimage.measure import label, perimeter_crofton, regionprops

from simcell.cells.pieces import adjacent_pairs, measure, merge_into_neighbours, split


@pytest.mark.parametrize("seed", range(8))
def test_pieces_are_those_of_an_independent_labeller(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (37, 41)).astype(np.int32)
    pieces, expected = split(labels), label(labels, connectivity=1, background=0)
    pairs = np.unique(np.stack([pieces.image.ravel(), expected.ravel()]), axis=1)
    assert pieces.count == expected.max() == pairs.shape[1] - 1
    assert np.array_equal(np.bincount(pieces.image.ravel())[1:], pieces.area_px[1:])
    assert np.array_equal(pieces.owner[pieces.image], labels)
    first = [np.flatnonzero(pieces.image == k)[0] for k in range(1, pieces.count + 1)]
    assert first == sorted(first)


def test_main_piece_is_the_largest():
    pieces = split(np.array([[1, 0, 1, 1], [2, 0, 2, 0]], np.int32))
    assert pieces.owner[1:].tolist() == [1, 1, 2, 2]
    assert pieces.main[1:].tolist() == [False, True, True, False]


def test_merging_takes_the_longest_border_and_chains():
    labels = np.array([[1, 1, 1, 1], [2, 3, 1, 1], [2, 2, 2, 2], [0, 0, 0, 4]], np.int32)
    pieces = split(labels)
    small = np.array([False, False, False, True, True])
    root = merge_into_neighbours(pieces, small)
    three, four = labels[1, 1], labels[3, 3]
    owner = pieces.owner[root]
    assert owner[pieces.image[1, 1]] in {1, 2}
    assert three == 3
    assert owner[pieces.image[3, 3]] == 2
    assert four == 4


def test_a_piece_alone_stays():
    pieces = split(np.array([[0, 0, 0], [0, 5, 0], [0, 0, 0]], np.int32))
    assert merge_into_neighbours(pieces, np.array([False, True])).tolist() == [0, 1]


def test_many_neighbours_overflow_the_first_table():
    labels = np.ones((3, 200), np.int32)
    labels[0] = np.arange(200) + 2
    pieces = split(labels)
    pairs = adjacent_pairs(pieces)
    hub = pieces.image[2, 0]
    assert np.sum(pairs == hub) == 200


@pytest.mark.parametrize("seed", range(4))
def test_measures_agree_with_scikit_image(seed):
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 5, (5, 6)), np.ones((9, 8))).astype(np.int32)
    pieces = split(labels)
    moments, crossings, at_frame = measure(pieces.image, pieces.count)
    for props in regionprops(pieces.image):
        n, y, x = moments[props.label][:3]
        assert n == props.area
        assert np.allclose((y / n - 0.5, x / n - 0.5), props.centroid)
        expected = perimeter_crofton(np.pad(props.image, 2), directions=4)
        assert np.isclose(np.pi / 8 * crossings[props.label], expected, rtol=1e-6)
        box = props.bbox
        touches = box[0] == 0 or box[1] == 0 or box[2] == 45 or box[3] == 48
        assert at_frame[props.label] == touches


def test_as_many_labels_as_pixels():
    labels = np.arange(1, 131 * 97 + 1, dtype=np.int32).reshape(131, 97)
    pieces = split(labels)
    assert pieces.count == labels.size
    assert np.array_equal(pieces.image, labels)
