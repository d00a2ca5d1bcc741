"""The classifier two-sample test: how well patches betray which source they come from.

A ridge regression on the standardised features and their squares is trained on some
images and asked about others. Squares let it see that one source varies more.

Decision: images, never patches, are split between training and test, as patches of
one image are alike; each fold holds both sources.

Decision: how sure the answer is comes from dealing the images out to two made-up sources
at random, many times: a spread between images alone knows nothing of the luck of training.

References
----------
Lopez-Paz & Oquab (2017), Revisiting classifier two-sample tests, ICLR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from simcell.arrays import FloatArray, IntArray

FOLDS = 5
REPEATS = 2
SHUFFLES = 49
_RIDGE = 0.1
_SURE = 1.96
_LEVEL = 0.05
_FARTHEST = 4.0  # standard deviations, beyond which a feature says no more


@dataclass(frozen=True)
class Gap:
    """How well a simple classifier tells real patches from synthetic ones.

    Attributes
    ----------
    accuracy : float
        Mean share of right answers over the two sources; 0.5 = cannot tell.
    low, high : float
        95 % interval.
    p_value : float
        Chance to be right so often where the two sources are one, from shuffled images.
    real, synthetic : int
        Images of each.
    patches : int
        Patches of both.
    telling : tuple of (str, float)
        Features in which they differ most, and by how many standard deviations the
        synthetic ones lie above the real ones.
    """

    accuracy: float
    low: float
    high: float
    p_value: float
    real: int
    synthetic: int
    patches: int
    telling: tuple[tuple[str, float], ...]

    @property
    def words(self) -> str:
        """The accuracy in words."""
        if self.p_value > _LEVEL or self.accuracy < 0.6:
            return "can hardly tell them apart"
        if self.accuracy < 0.75:
            return "tells them apart now and then"
        return "tells most of them apart" if self.accuracy < 0.9 else "tells them apart at a glance"


def two_sample(
    features: FloatArray, source: IntArray, image: IntArray, names: list[str], rng: Generator
) -> Gap | None:
    """Test how well features tell two sources apart.

    Parameters
    ----------
    features : FloatArray
        One row (n, k) a patch; NaN where a patch cannot tell.
    source : IntArray
        0 = real, 1 = synthetic, (n,).
    image : IntArray
        Number of the image that each patch is of, (n,); no two sources share one.
    names : list of str
        Of the features.
    rng : numpy.random.Generator
        Deals images out to folds.

    Returns
    -------
    Gap or None
        None where a source has fewer than two images.
    """
    groups = [np.unique(image[source == k]) for k in (0, 1)]
    if min(len(group) for group in groups) < 2:
        return None
    accuracy, error = _cross_validated(features, source, image, rng)
    chance, errors = np.transpose(
        [
            _cross_validated(features, _shuffled(groups, image, rng), image, rng)
            for _ in range(SHUFFLES)
        ]
    )
    luck = max(1.0, float(chance.std() / np.sqrt(np.mean(errors**2))))
    return Gap(
        accuracy,
        max(accuracy - _SURE * luck * error, 0.0),
        min(accuracy + _SURE * luck * error, 1.0),
        float(1 + (chance >= accuracy).sum()) / (SHUFFLES + 1),
        len(groups[0]),
        len(groups[1]),
        len(source),
        _telling(features, source, names),
    )


def _shuffled(groups: list[IntArray], image: IntArray, rng: Generator) -> IntArray:
    """Deal all images out to two sources of the sizes that there are."""
    images = rng.permutation(np.concatenate(groups))
    return np.isin(image, images[len(groups[0]) :]).astype(np.int32)


def _cross_validated(
    features: FloatArray, source: IntArray, image: IntArray, rng: Generator
) -> tuple[float, float]:
    """Return the share of right answers, and its standard error between images."""
    groups = [np.unique(image[source == k]) for k in (0, 1)]
    folds = min(FOLDS, *(len(group) for group in groups))
    right = np.zeros(len(source))
    for _ in range(REPEATS):
        dealt = [{int(i): n % folds for n, i in enumerate(rng.permutation(g))} for g in groups]
        fold = np.array([(dealt[0] | dealt[1])[int(i)] for i in image])
        for k in range(folds):
            test = fold == k
            score = _predict(features[~test], source[~test], features[test])
            right[test] += (score > 0.5) == (source[test] == 1)
    right /= REPEATS
    each = [np.array([right[image == i].mean() for i in group]) for group in groups]
    return float(np.mean([shares.mean() for shares in each])), _error(each)


def _error(each: list[FloatArray]) -> float:
    """Return the standard error of the mean of two means over images.

    One made-up image that tells nothing joins each source: without it, few images that
    are all told apart would leave no doubt.
    """
    return 0.5 * float(np.sqrt(sum(np.append(s, 0.5).var(ddof=1) / len(s) for s in each)))


def _predict(features: FloatArray, source: IntArray, asked: FloatArray) -> FloatArray:
    """Train on some patches; score others, above 1/2 for synthetic."""
    with np.errstate(invalid="ignore"):
        centre = np.nan_to_num(_nanmean(features))
        spread = np.sqrt(np.nan_to_num(_nanmean((features - centre) ** 2)))
    spread = np.where(spread > 1e-9, spread, 1.0)

    def ready(rows: FloatArray) -> FloatArray:
        x = np.clip(np.nan_to_num((rows - centre) / spread), -_FARTHEST, _FARTHEST)
        return np.concatenate([np.ones((len(x), 1)), x, x * x - 1], axis=1)

    x, y = ready(features), source.astype(np.float64)
    share = np.where(source == 1, 0.5 / max(y.sum(), 1), 0.5 / max((1 - y).sum(), 1))
    moment = (x * share[:, None]).T @ x
    ridge = _RIDGE * np.eye(len(moment))
    ridge[0, 0] = 1e-9
    weights = np.linalg.solve(moment + ridge, (x * share[:, None]).T @ y)
    return np.asarray(ready(asked) @ weights)


def _nanmean(rows: FloatArray) -> FloatArray:
    """Mean of each column without its NaN; NaN, silently, where nothing is left."""
    good = np.isfinite(rows)
    count = good.sum(axis=0)
    total = np.where(good, rows, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _telling(
    features: FloatArray, source: IntArray, names: list[str], most: int = 12
) -> tuple[tuple[str, float], ...]:
    """Rank features by the difference of their means in pooled standard deviations."""
    a, b = features[source == 0], features[source == 1]
    means = _nanmean(a), _nanmean(b)
    spread = np.sqrt(0.5 * (_nanmean((a - means[0]) ** 2) + _nanmean((b - means[1]) ** 2)))
    shift = np.nan_to_num((means[1] - means[0]) / np.where(spread > 1e-9, spread, np.inf))
    order = np.argsort(-np.abs(shift), kind="stable")[:most]
    return tuple((names[i], float(shift[i])) for i in order)
