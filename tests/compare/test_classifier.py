"""The classifier two-sample test: half right on one source, nearly always on two."""

import numpy as np
import pytest

from simcell.compare.classifier import two_sample

NAMES = [f"feature {k}" for k in range(12)]


def drawn(rng, images, patches, *, shift=0.0, spread=1.0):
    """Features of patches that share most of what they are with their image."""
    image = rng.normal(0, 1, (images, 1, 12))
    return (spread * (image + rng.normal(0, 0.5, (images, patches, 12))) + shift).reshape(-1, 12)


def asked(real, synthetic, patches, rng):
    features = np.concatenate([real, synthetic])
    source = np.repeat([0, 1], [len(real), len(synthetic)]).astype(np.int32)
    image = (np.arange(len(features)) // patches).astype(np.int32)
    return two_sample(features, source, image, NAMES, rng)


def test_one_source_against_itself_is_a_coin():
    rng = np.random.default_rng(3)
    found = [asked(drawn(rng, 12, 4), drawn(rng, 12, 4), 4, rng) for _ in range(8)]
    mean = np.mean([gap.accuracy for gap in found])
    assert 0.42 <= mean <= 0.58
    assert sum(gap.low <= 0.5 <= gap.high for gap in found) >= 6
    p_values = np.array([gap.p_value for gap in found])
    assert 0.3 <= p_values.mean() <= 0.7
    assert (p_values <= 0.05).sum() <= 2


def test_patches_of_an_image_do_not_betray_it():
    # A hundred patches of the same few images: a split by patches would find their images.
    rng = np.random.default_rng(4)
    found = [asked(drawn(rng, 4, 30), drawn(rng, 4, 30), 30, rng) for _ in range(4)]
    assert 0.33 <= np.mean([gap.accuracy for gap in found]) <= 0.67


@pytest.mark.parametrize("change", [{"shift": 2.0}, {"spread": 3.0}])
def test_two_sources_are_told_apart(change):
    rng = np.random.default_rng(5)
    gap = asked(drawn(rng, 12, 4), drawn(rng, 12, 4, **change), 4, rng)
    assert gap.accuracy > 0.85
    assert gap.low > 0.5
    assert gap.p_value == 0.02
    assert "hardly" not in gap.words


def test_one_telling_feature_is_named_first():
    rng = np.random.default_rng(6)
    other = drawn(rng, 10, 4)
    other[:, 7] -= 5
    gap = asked(drawn(rng, 10, 4), other, 4, rng)
    name, shift = gap.telling[0]
    assert (name, shift < -2) == ("feature 7", True)


def test_unknown_and_constant_features_do_no_harm():
    rng = np.random.default_rng(7)
    real, synthetic = drawn(rng, 8, 4), drawn(rng, 8, 4, shift=2.0)
    for features in (real, synthetic):
        features[:, 0] = np.nan
        features[:, 1] = 5.0
        features[::3, 2] = np.nan
    assert asked(real, synthetic, 4, rng).accuracy > 0.8


def test_needs_two_images_of_each_and_repeats_itself():
    rng = np.random.default_rng(8)
    one, more = drawn(rng, 1, 4), drawn(rng, 6, 4)
    assert asked(one, more, 4, rng) is None
    again = [asked(more, more + 1.0, 4, np.random.default_rng(1)) for _ in range(2)]
    assert again[0] == again[1]
