"""Matching: numbers put into images come out again, with intervals that mean what they say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from simcell import load_preset, simulate
from simcell.arrays import FloatArray
from simcell.describe.field import Field
from simcell.describe.read import fields_of
from simcell.errors import SimcellError
from simcell.fit.answers import estimates_of
from simcell.fit.estimate import Estimate
from simcell.fit.imaging import brightness_of, fit_imaging, fixed_of, level_knobs
from simcell.fit.knobs import Knob, knobs_of, settings
from simcell.fit.matching import Match, infer, match
from simcell.fit.patches import cut
from simcell.fit.rigs import Bench, Squares
from simcell.fit.unlabelled import fit_unlabelled, provisional
from simcell.fit.width import widest
from simcell.paths import find
from simcell.preset import Preset
from simcell.rng import stream

IMAGES = 4


@dataclass(frozen=True)
class Toy:
    """Three numbers behind 12 noisy measures, and a fourth that shows in none."""

    truth: tuple[float, ...]
    number: int
    between: float = 0.0

    unknowns = 4
    measures = tuple(str(i) for i in range(12))
    pixels = 10**9  # the smallest budget: 60 draws a round

    def _measure(self, units: FloatArray, seed: int, index: int) -> FloatArray:
        slopes = stream(1, 0, "slopes").standard_normal((3, 12))
        seen = units[:3] @ slopes
        bent = seen + 0.3 * np.sin(2 * seen)
        return np.asarray(bent + 0.3 * stream(seed, index, "toy").standard_normal(12), np.float64)

    def observed(self) -> FloatArray:
        rows = []
        for i in range(IMAGES):
            own = np.array(self.truth)
            own[0] += self.between * stream(self.number, i, "own").standard_normal()
            rows.append(self._measure(own, 1000 + self.number, i))
        return np.array(rows)

    def simulated(self, units: FloatArray, seed: int, index: int) -> FloatArray:
        rows = [self._measure(units, seed, index * IMAGES + i) for i in range(IMAGES)]
        return np.array(rows)


def toys(count: int, between: float = 0.0) -> list[tuple[FloatArray, Match]]:
    found = []
    for number in range(count):
        truth = stream(number, 0, "truth").uniform(0.1, 0.9, 4)
        toy = Toy(tuple(truth.tolist()), number, between)
        found.append((truth, match(toy, seed=number, minutes=1)))
    return found


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held, widths = [], []
    for truth, found in toys(40):
        low, high = np.quantile(found.samples, [0.05, 0.95], axis=0)
        held.append((truth >= low) & (truth <= high))
        widths.append(high - low)
    share = np.mean(held, axis=0)[:3].mean()
    # 120 intervals of 90 %, of which 3 % is one standard error.
    assert 0.82 <= share <= 0.97
    assert np.mean(widths, axis=0)[:3].max() < 0.25
    # What does not show is told to be anywhere.
    assert np.mean(widths, axis=0)[3] > 0.7


def test_numbers_that_differ_between_images_are_seen_to() -> None:
    alike = np.mean([found.between for _, found in toys(8)], axis=0)
    apart = np.mean([found.between for _, found in toys(8, between=0.25)], axis=0)
    assert alike[:3].max() < 0.06
    assert apart[0] == pytest.approx(0.25, abs=0.12)
    assert apart[1:3].max() < 0.1


@pytest.mark.parametrize("off", [3.0, 6.0, 40.0])
def test_measures_out_of_reach_are_named_and_do_not_move_the_answer(off: float) -> None:
    toy = Toy((0.3, 0.6, 0.5, 0.5), 3)
    rng = stream(0, 0, "units")
    units = rng.uniform(0, 1, (200, 4))
    measured = np.stack([toy.simulated(row, 5, i) for i, row in enumerate(units)])
    observed = toy.observed()
    plain, strange = infer(units, measured, observed)
    assert not strange.any()
    odd = observed.copy()
    odd[:, 7] += off
    bent, strange = infer(units, measured, odd)
    assert np.flatnonzero(strange).tolist() == [7]
    assert np.abs(bent.mean(axis=0) - plain.mean(axis=0))[:3].max() < 0.1


def test_brightness_of_a_part_is_told_as_a_multiple_of_another() -> None:
    cells = Knob("cells", 0.2, 0.8)
    knobs = [Knob("lines", 0.0, 2.0, times=("cells",)), cells, Knob("haze", 1, 9, over=("gain",))]
    values = settings(knobs, [0.25, 0.5, 0.5], {"gain": 2.0})
    assert values == pytest.approx({"lines": 0.25, "cells": 0.5, "haze": 2.5})


def small(name: str = "examples/cornea/drawn.yaml", *more: str) -> Preset:
    """Return a preset that shows few things, on small fields."""
    fixed = ["frame.shape=[80, 80]", "frame.spacing_um=1.0", "frame.margin_um=20", *more]
    return replace(load_preset(name).with_set(fixed), vary={})


def images_of(preset: Preset, seed: int = 0, count: int = 3) -> list[Field]:
    scenes = [preset.scene(seed=seed, index=i) for i in range(count)]
    return fields_of([simulate(s, seed=seed, index=i) for i, s in enumerate(scenes)])


TRUTH = {
    "imaging.psf_um": 2.4,
    "imaging.membrane.width_um": 3.0,
    "imaging.noise.looks": 12.0,
    "imaging.noise.photons": 2000.0,
    "imaging.cytoplasm.brightness": 0.5,
    "imaging.membrane.brightness": 0.15,
}


@pytest.fixture(scope="module")
def matched() -> dict[str, Estimate]:
    made = small(*["examples/cornea/drawn.yaml", *(f"{p}={v}" for p, v in TRUTH.items())])
    found = fit_imaging(images_of(made, seed=11), small(), seed=2, minutes=0.3)
    return {estimate.path: estimate for estimate in found}


def test_imaging_that_made_images_is_found_again(matched: dict[str, Estimate]) -> None:
    inside = [
        matched[path].low <= value <= matched[path].high  # type: ignore[operator]
        for path, value in TRUTH.items()
    ]
    assert sum(inside) >= len(TRUTH) - 1


@pytest.mark.parametrize("path", ["imaging.psf_um", "imaging.cytoplasm.brightness"])
def test_ranges_are_much_narrower_than_where_the_search_began(
    path: str, matched: dict[str, Estimate]
) -> None:
    patches, scale = cut(images_of(small()), small())
    knobs = [*level_knobs(small(), brightness_of(patches)), *knobs_of(small(), scale)]
    start = next(knob for knob in knobs if knob.path == path)
    found = matched[path]
    assert found.status == "estimated"
    assert found.low is not None
    assert found.high is not None
    assert np.log(found.high / found.low) < 0.5 * np.log(start.high / start.low)
    assert len(patches) == 3


def test_an_estimate_lies_in_its_interval_and_is_what_the_preset_may_draw(
    matched: dict[str, Estimate],
) -> None:
    for estimate in matched.values():
        if estimate.status == "taken":
            assert find(small().base.model_dump(), estimate.path) is not None
            continue
        if estimate.path != "imaging.gain":  # a range alone, see below
            assert estimate.low is not None
            assert estimate.high is not None
            assert estimate.low <= estimate.value <= estimate.high
        law = estimate.vary
        assert law is None or law.ends()[0] <= estimate.value <= law.ends()[1]
        small().scene_with({estimate.path: estimate.value})


def test_what_the_preset_switches_off_stays_off(matched: dict[str, Estimate]) -> None:
    assert not any("nucleus" in path or "organelles" in path for path in matched)
    assert matched["imaging.offset"].status == "taken"


def test_brightness_of_whole_images_varies_by_the_gain_alone(matched: dict[str, Estimate]) -> None:
    assert matched["imaging.cytoplasm.brightness"].vary is None
    gain = matched["imaging.gain"]
    assert gain.vary is not None
    assert gain.vary.low < float(str(gain.value)) < gain.vary.high
    assert gain.low is None  # only its product with the brightness shows


def test_numbers_that_go_together_are_drawn_from_less_than_their_intervals() -> None:
    knobs = [Knob(f"imaging.{name}", 0.0, 1.0) for name in ("psf_um", "defocus.share")]
    one, other = 0.1 * stream(0, 0, "samples").standard_normal((2, 400))
    apart, together = (
        estimates_of(Match(0.5 + rows.T, np.zeros(2), 5, 1, ()), knobs, {}, "", {})[0]
        for rows in (np.stack([one, other]), np.stack([one, one + 0.1 * other]))
    )
    assert apart.vary is not None
    assert together.vary is not None
    assert apart.high is not None
    assert together.high is not None
    assert together.high == pytest.approx(apart.high, rel=0.05)
    wide, narrow = (each.vary.high - each.vary.low for each in (apart, together))
    assert 0.2 < narrow / wide < 0.5


def bench() -> Bench:
    like = small()
    patches, scale = cut(images_of(like, count=2), like)
    knobs = [*level_knobs(like, brightness_of(patches)), *knobs_of(like, scale)]
    return Bench(tuple(patches[:2]), like, tuple(knobs), fixed_of(like, "cytoplasm")[0])


def test_a_draw_is_a_function_of_seed_and_number() -> None:
    rig = bench()
    units = np.full(rig.unknowns, 0.5)
    first = rig.simulated(units, 3, 7)
    np.testing.assert_array_equal(first, rig.simulated(units, 3, 7))
    assert not np.array_equal(first, rig.simulated(units, 3, 8))
    assert first.shape == rig.observed().shape == (2, len(rig.measures))


def test_the_answer_does_not_depend_on_the_number_of_workers() -> None:
    like = small("examples/cornea/drawn.yaml", "frame.shape=[32, 32]")
    fields = images_of(like, count=1)
    one, two = (
        fit_imaging(fields, like, seed=5, minutes=0.001, workers=workers) for workers in (1, 2)
    )
    assert one == two


def test_a_spread_between_images_widens_the_range_that_is_drawn_from() -> None:
    knobs = [Knob("imaging.psf_um", 1.0, 8.0, log=True, least=0.0, most=20.0)]
    samples = 0.5 + 0.02 * stream(0, 0, "samples").standard_normal((400, 1))
    narrow, wide = (
        estimates_of(Match(samples, np.array([spread]), 5, 1, ()), knobs, {}, "", {})[0]
        for spread in (0.0, 0.2)
    )
    assert narrow.vary is not None
    assert wide.vary is not None
    assert np.log(wide.vary.high / wide.vary.low) > 3 * np.log(narrow.vary.high / narrow.vary.low)
    assert (narrow.status, wide.status) == ("estimated", "estimated")


def test_discs_apart_are_found_without_labels() -> None:
    like = replace(load_preset("nonconfluent"), vary={})
    like = like.with_set(["points={kind: hard_core, density: 1500, distance_um: 18}"])
    for field in images_of(like, count=2):
        assert field.labels is not None
        whole = int(field.labels.max())  # corners that the frame leaves of cells are not found
        assert int(provisional(field).labels.max()) == pytest.approx(whole, rel=0.25)  # type: ignore[union-attr]


def test_density_of_a_mosaic_is_told_by_images_alone() -> None:
    like = small("examples/cornea/drawn.yaml", "region.kind=full", "frame.shape=[96, 96]")
    denser = like.with_set(["points.density=4500", "points.distance_um=8"])
    found = fit_unlabelled(images_of(denser, seed=4), like, seed=1, minutes=0.01)
    by_path = {estimate.path: estimate for estimate in found}
    density = by_path["points.density"]
    assert density.low is not None
    assert density.high is not None
    assert density.low < 4500 < density.high
    assert density.high < 2.0 * density.low
    assert by_path["cells.undulation_um"].status == "unidentified"


def test_images_that_cannot_be_matched_are_refused_in_one_line() -> None:
    like = small()
    blank = Field("a", (1.0, 1.0), image=np.zeros((80, 80), np.float32))
    with pytest.raises(SimcellError, match="labelled"):
        fit_imaging([blank], like)
    tiny = Field("a", (1.0, 1.0), image=np.zeros((16, 16), np.float32))
    with pytest.raises(SimcellError, match="24 px"):
        fit_unlabelled([tiny], like)
    with pytest.raises(SimcellError, match="mosaic"):
        fit_unlabelled([blank], like)
    with pytest.raises(SimcellError, match="oct"):
        fit_unlabelled([blank], load_preset("skin-oct"))


def test_other_kinds_of_imaging_are_taken_as_they_are() -> None:
    like = load_preset("skin-oct")
    found = fit_imaging([], like)
    assert [(e.path, e.status) for e in found] == [("imaging.kind", "taken")]


@pytest.mark.parametrize("number", [0, 1])
def test_ranges_give_way_where_images_are_alike(number: int) -> None:
    """A match says that images differ: where they do not, ranges give way."""
    samples = stream(1, 0, "samples").normal(0.5, 0.02, (200, 4))
    told = Match(samples, np.array([0.3, 0, 0, 0]), IMAGES, 1000, ())
    alike, apart = (Toy((0.5, 0.5, 0.5, 0.5), number, between) for between in (0.0, 0.3))
    narrow = widest(alike, told, seed=3)
    assert narrow[0] < 1.0
    assert narrow[3] == 1.0  # it shows in nothing that is measured
    assert widest(apart, told, seed=3)[0] == 1.0


def test_squares_of_samples_and_of_images_measure_the_same_things() -> None:
    like = small()
    images = [field.image for field in images_of(like, seed=3)]
    knobs = (Knob("imaging.field.tilt", 0.0, 3.0, most=6.0),)
    plain, wide = (
        Squares(tuple(images), like, knobs, {}, stretch)  # type: ignore[arg-type]
        for stretch in ({}, {"imaging.field.tilt": 2.0})
    )
    assert plain.side == 64
    observed = plain.observed()
    assert observed.shape == (3, len(plain.measures))
    # What a knob at a half says is what a stretched one at a quarter does.
    rows = plain.simulated(np.array([0.5]), 1, 0)
    assert np.allclose(rows, wide.simulated(np.array([0.25]), 1, 0), equal_nan=True)
    steep = plain.measures.index("tilt, log")
    assert rows[:, steep].mean() > plain.simulated(np.array([0.0]), 1, 0)[:, steep].mean() + 1.0
