"""What StarDist learns from: pictures as bad as networks make them, of cells that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from dermogan.degrade import Kind, degrade, smooth_noise
from dermogan.starscenes import DIAMETERS, PRESETS, Scenes

RUNS = 120


def tiles(gap: int) -> tuple[np.ndarray, np.ndarray]:
    """16 square cells of 24 px with gaps of a width between them: a mask, and labels."""
    y, x = np.indices((96, 96))
    inside = (y % 24 >= gap) & (x % 24 >= gap)
    labels = (1 + y // 24 * 4 + x // 24).astype(np.int32)
    return inside, labels


def drawn(kind: Kind) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Many pictures and masks of one scene, and its true interior."""
    inside, labels = tiles(2)
    prior = (~inside if kind == "membrane" else inside).astype(np.float32)
    if kind == "filled":
        labels = labels * inside
    pairs = [degrade(prior, labels, kind, 24.0, np.random.default_rng(k)) for k in range(RUNS)]
    pictures, masks = (np.array(part) for part in zip(*pairs, strict=True))
    return pictures, masks, inside


@pytest.mark.parametrize("kind", ["membrane", "filled"])
def test_pictures_are_what_refining_shows(kind: Kind) -> None:
    pictures, masks, _ = drawn(kind)
    assert pictures.dtype == np.float32
    assert pictures.min() == 0
    assert pictures.max() <= 1
    assert (pictures[~masks] == 0).all()
    # Inside the mask a pixel is above one half, but for specks that have been filled.
    assert (pictures[masks] > 0.5).mean() > 0.97


@pytest.mark.parametrize(("kind", "lost"), [("membrane", (0.05, 0.5)), ("filled", (0.4, 0.75))])
def test_cells_stay_and_borders_are_hurt_in_part(kind: Kind, lost: tuple[float, float]) -> None:
    pictures, masks, inside = drawn(kind)
    core = ~binary_dilation(~inside, iterations=5)
    assert 0.9 < masks[:, core].mean() < 0.999  # there are holes, and few
    assert pictures[:, core][masks[:, core]].std() > 0.03  # certainty varies
    open_share = masks[:, ~inside].mean(axis=1)  # of borders that are not seen
    assert lost[0] < open_share.mean() < lost[1]
    assert open_share.min() < 0.06  # some are whole, others hardly there
    assert np.quantile(open_share, 0.95) > 0.4 * lost[1]


def test_the_same_stream_draws_the_same_picture() -> None:
    inside, labels = tiles(2)
    prior = (~inside).astype(np.float32)
    first, again, other = (
        degrade(prior, labels, "membrane", 24.0, np.random.default_rng(seed))[0]
        for seed in (5, 5, 6)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_all_lengths_grow_with_the_cells() -> None:
    """Cells twice as large are hurt alike: the same share of the borders is lost."""
    shares = []
    for factor in (1, 2):
        inside, labels = (np.kron(a, np.ones((factor, factor), int)) for a in tiles(2))
        lost = [
            degrade(
                (1 - inside).astype(np.float32),
                labels.astype(np.int32),
                "membrane",
                24.0 * factor,
                np.random.default_rng(k),
            )[1][inside == 0].mean()
            for k in range(RUNS)
        ]
        shares.append((np.mean(lost), np.std(lost) / np.sqrt(RUNS)))
    (one, se_one), (two, se_two) = shares
    assert abs(one - two) < 4 * np.hypot(se_one, se_two) + 0.02


def test_noise_is_smooth_over_its_length() -> None:
    def kept(sigma: float, lag: int) -> float:
        noise = smooth_noise((256, 256), sigma, np.random.default_rng(1))
        return float((noise[:, lag:] * noise[:, :-lag]).mean())

    for sigma in (2.0, 6.0):  # a Gaussian kernel correlates as exp(-d^2 / 4 sigma^2)
        assert kept(sigma, round(2 * sigma)) == pytest.approx(np.exp(-1), abs=0.12)


def test_scenes_are_of_all_presets_and_sizes_and_are_known_by_number() -> None:
    count = sum(often for _, often in PRESETS)
    scenes = Scenes(seed=3, least_px=96)
    found = [scenes[k] for k in range(count)]
    assert [scene.kind for scene in found].count("membrane") == 6
    for scene in found:
        assert min(scene.labels.shape) >= 96
        assert scene.labels.any()
        areas = np.bincount(scene.labels.ravel())[1:]
        measured = np.sqrt(np.median(areas[areas > 0]) * 4 / np.pi)
        assert scene.diameter == pytest.approx(measured, rel=0.35)
    diameters = [scene.diameter for scene in found]
    assert min(diameters) < 18 < max(diameters)
    assert max(diameters) < 1.6 * DIAMETERS[1]
    again = Scenes(seed=3, least_px=96)[7]
    assert (again.prior == found[7].prior).all()
    assert (again.labels == found[7].labels).all()


def test_a_pair_is_a_window_that_is_turned_alike() -> None:
    scenes = Scenes(seed=3, least_px=96)
    picture, labels = scenes.pair(np.random.default_rng(0), 8, 96)  # separate cells
    assert picture.shape == labels.shape == (96, 96)
    covered = labels > 0
    assert covered.any()
    assert picture[covered].mean() > 5 * picture[~binary_dilation(covered, iterations=4)].mean()
