"""Runs of equal pixels give the pieces, the measures and the pixels that images give."""

import numpy as np
import pytest
from scipy.ndimage import zoom

from simcell.arrays import Block
from simcell.cells import pieces as of_pixels
from simcell.cells import runs


def _labels(seed, shape, values, blur):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, values, tuple(-(-side // blur) for side in shape))
    return zoom(coarse, blur, order=0)[: shape[0], : shape[1]].astype(np.int32)


IMAGES = [
    _labels(0, (40, 60), 3, 1),
    _labels(1, (61, 47), 4, 3),
    _labels(2, (1, 50), 3, 2),
    _labels(3, (50, 1), 3, 2),
    np.zeros((5, 7), np.int32),
    np.full((6, 4), 9, np.int32),
]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: "x".join(map(str, image.shape)))
def test_pieces_measures_and_neighbours_are_those_of_the_pixels(image):
    cut = runs.runs_of(image)
    label, owner = runs.pieces(cut)
    wanted = of_pixels.split(image)
    assert np.array_equal(owner, wanted.owner)
    labelled = cut._replace(value=label)
    assert np.array_equal(runs.paint(labelled, Block((0, 0), image.shape)), wanted.image)
    assert np.array_equal(runs.adjacent(labelled), of_pixels.adjacent_pairs(wanted))
    ours = runs.measure(labelled, wanted.count)
    theirs = of_pixels.measure(wanted.image, wanted.count)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-9)


def test_bands_joined_are_the_runs_of_the_whole():
    image = IMAGES[1]
    joined = runs.join(
        [runs.runs_of(image[:20]), runs.runs_of(image[20:21]), runs.runs_of(image[21:])]
    )
    for one, other in zip(joined, runs.runs_of(image), strict=True):
        assert np.array_equal(one, other)


def test_a_block_beyond_the_field_is_0_there():
    image = IMAGES[0] + 1
    cut = runs.runs_of(image)
    wide = runs.paint(cut, Block((-3, -4), (50, 70)))
    assert np.array_equal(wide, np.pad(image, ((3, 7), (4, 6))))
    assert np.array_equal(runs.paint(cut, Block((10, 20), (5, 6))), image[10:15, 20:26])
