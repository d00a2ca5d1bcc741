"""Methods without learning: each finds what is there to find, by its own numbers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import filters

from dermogan import metrics
from dermogan.classical import NAMES, load_classical
from dermogan.classical.gabor import GaborBank, GaborPredictor
from dermogan.classical.thresholds import METHODS, Threshold, ThresholdPredictor, above
from dermogan.refine import Refinement
from dermogan.segmentation import segment
from simcell import SimcellError

RNG = np.random.default_rng


def spots() -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on a dark ground, blurred, with noise; and their labels."""
    labels = np.zeros((160, 160), np.int32)
    y, x = np.indices(labels.shape)
    for number in range(16):
        cy, cx = 20 + 40 * (number // 4), 20 + 40 * (number % 4)
        labels[(y - cy) ** 2 + (x - cx) ** 2 < (9 + number % 4) ** 2] = number + 1
    image = cv2.GaussianBlur(40 + 120 * (labels > 0).astype(np.float32), (0, 0), 1.5)
    return image + RNG(2).normal(0, 6, image.shape).astype(np.float32), labels


def tissue_image(dark: bool) -> tuple[np.ndarray, np.ndarray]:
    """Touching cells 20 px wide under uneven light, with noise."""
    y, x = np.indices((200, 200))
    rows = (y // 18).astype(int)
    labels = (rows * 12 + (x + 10 * (rows % 2)) // 20 + 1).astype(np.int32)
    lines = cv2.dilate(metrics.outlines(labels).astype(np.float32), np.ones((2, 2)))
    lines = cv2.GaussianBlur(lines, (0, 0), 1.0)
    image = 100 + 0.3 * x + (-1 if dark else 1) * 60 * lines
    return (image + RNG(3).normal(0, 7, image.shape)).astype(np.float32), labels


@pytest.mark.parametrize("method", METHODS)
def test_every_threshold_finds_discs(method: str) -> None:
    image, labels = spots()
    settings = {"window_px": 61} if method not in {"niblack", "sauvola"} else {"window_px": 41}
    if method == "niblack":
        settings["weight"] = -0.6  # above the mean: grounds of noise alone are no discs
    if method.startswith(("local", "cv-adaptive")):
        settings["offset"] = -0.2
    spec = Threshold(method=method, **settings)
    found = segment(ThresholdPredictor(spec), image, refinement=Refinement(diameter_px=20))
    assert metrics.objects(labels, found.labels, [0.5])[0].f1 > 0.9
    negative = spec.model_copy(update={"polarity": "dark"})
    turned = segment(ThresholdPredictor(negative), -image, refinement=Refinement(diameter_px=20))
    assert (turned.labels == found.labels).all()


def test_thresholds_are_those_of_their_libraries() -> None:
    image, _ = spots()
    for name in ("isodata", "li", "mean", "minimum", "otsu", "triangle", "yen"):
        level = getattr(filters, f"threshold_{name}")(image)
        assert (above(image, Threshold(method=name)) == (image > level)).all()
    grey = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    grey.flat[:2] = 0, 255
    level, mask = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)
    assert (above(grey.astype(np.float32), Threshold(method="cv-otsu")) == (mask > 0)).all()
    level, mask = cv2.threshold(grey, 0, 255, cv2.THRESH_TRIANGLE)
    assert (above(grey.astype(np.float32), Threshold(method="cv-triangle")) == (mask > 0)).all()
    medians = filters.threshold_local(grey.astype(float), 35, method="median")
    found = above(grey.astype(np.float32), Threshold(method="local-median"))
    inner = (slice(20, -20), slice(20, -20))
    assert (found[inner] == (grey > medians)[inner]).all()


def test_thresholds_know_no_unit() -> None:
    image, _ = spots()
    for method in METHODS:
        spec = Threshold(method=method, offset=-0.1)
        one, other = above(image, spec), above(image * 300 + 1000, spec)
        assert np.mean(one != other) < 0.002, method


def test_a_threshold_that_finds_none_says_so() -> None:
    hill = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    with pytest.raises(SimcellError, match="minimum: finds no threshold in this image"):
        above(hill, Threshold(method="minimum"))
    with pytest.raises(SimcellError, match="method = 'otto': unknown; one of isodata"):
        above(hill, Threshold(method="otto"))


@pytest.mark.parametrize("polarity", ["bright", "dark"])
def test_gabor_finds_membranes_of_its_polarity(polarity: str) -> None:
    image, labels = tissue_image(polarity == "dark")
    found = segment(GaborPredictor(GaborBank(polarity=polarity)), image, diameter_px=20)
    assert metrics.objects(labels, found.labels, [0.5])[0].f1 > 0.9
    other = "dark" if polarity == "bright" else "bright"
    wrong = segment(GaborPredictor(GaborBank(polarity=other)), image, diameter_px=20)
    assert metrics.objects(labels, wrong.labels, [0.5])[0].f1 < 0.5


def test_gabor_follows_the_diameter() -> None:
    image, labels = tissue_image(dark=False)
    large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    wanted = np.repeat(np.repeat(labels, 2, axis=0), 2, axis=1)
    right = segment(GaborPredictor(), large, diameter_px=40)
    assert metrics.objects(wanted, right.labels, [0.5])[0].f1 > 0.9


def test_gabor_knows_no_contrast() -> None:
    image, _ = tissue_image(dark=False)
    predictor = GaborPredictor()
    one, other = predictor.normalise(image), predictor.normalise(image * 30 - 4)
    assert np.abs(one - other).max() < 0.01
    assert 0 <= one.min() < 0.2
    assert 0.8 < one.max() <= 1


def test_names_and_settings() -> None:
    for name in NAMES:
        predictor = load_classical(name)
        assert predictor.channels == 1
    spec = load_classical("gabor-watershed", ["orientations=6", "polarity=dark"]).spec
    assert (spec.orientations, spec.polarity) == (6, "dark")
    assert load_classical("niblack", ["output=membrane"]).output == "membrane"
    for name, setting, said in (
        ("otto", "", "method 'otto': unknown"),
        ("otsu", "wavelength_px=3", "give FIELD=VALUE; otsu has polarity, output"),
        ("otsu", "method=li", "give FIELD=VALUE"),
        ("otsu", "polarity", "give FIELD=VALUE"),
        ("otsu", "polarity=grey", "--set polarity=grey: Input should be 'bright' or 'dark'"),
        ("otsu", "output=interior_boundary", "--set output=interior_boundary"),
        ("gabor-watershed", "orientations=1", "greater than or equal to 2"),
    ):
        with pytest.raises(SimcellError, match=said):
            load_classical(name, [setting] if setting else [])
