"""Presets: shipped ones, round trips, streams, overrides, and where they are found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args
from zlib import crc32

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from scipy import stats

import simcell
from simcell import explain
from simcell.errors import SimcellError
from simcell.measure import STATISTICS
from simcell.preset import ENVIRONMENT, Preset, load_preset, preset_files, shipped_folder
from simcell.scene import Scene
from simcell.vary import Choice, Integers, LogUniform, Normal, Uniform

SHIPPED = sorted(file.stem for file in shipped_folder().glob("*.yaml"))
BARE = "name: mine\nabout: A test.\n"
VARIED = """\
name: mine
about: A test.
scene: {points: {kind: hard_core}, imaging: {kind: rcm}}
vary:
  points.density: {kind: uniform, low: 1000, high: 3000}
  points.distance_um: {kind: loguniform, low: 2, high: 8}
  cells.lloyd: {kind: normal, low: 0, high: 5, mean: 2, sd: 1}
  region.knots: {kind: integers, low: 3, high: 9}
  imaging.noise: {kind: choice, values: [low, medium, high], weights: [1, 2, 1]}
"""


def varied() -> Preset:
    return Preset.from_text(VARIED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_presets_load_and_explain_themselves(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.sources
    assert preset.expect
    text = explain.preset(preset)
    for path in preset.vary:
        assert re.search(rf"^\* {re.escape(path)} ", text, re.MULTILINE)
    for statistic in preset.expect:
        assert STATISTICS[statistic].about in text
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_presets_survive_text(name: str) -> None:
    preset = load_preset(name)
    again = Preset.from_text(preset.text)
    assert again == preset
    assert again.text == preset.text
    for index in range(3):
        assert again.scene(seed=7, index=index) == preset.scene(seed=7, index=index)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_presets_draw_valid_scenes_that_differ(name: str) -> None:
    preset = load_preset(name)
    scenes = [preset.scene(seed=1, index=index) for index in range(50)]
    assert len(set(scenes)) == (50 if preset.vary else 1)


def test_every_varied_number_has_the_law_that_is_written() -> None:
    preset = varied()
    draws = [preset.draw(seed=3, index=index) for index in range(2000)]
    columns = {path: [draw[path] for draw in draws] for path in preset.vary}
    reference = {
        "points.density": stats.uniform(1000, 2000).cdf,
        "points.distance_um": stats.loguniform(2, 8).cdf,
        "cells.lloyd": stats.truncnorm(-2, 3, 2, 1).cdf,
    }
    for path, cdf in reference.items():
        assert 1e-3 < stats.kstest(columns[path], cdf).pvalue < 1 - 1e-3
    for path, expected in (
        ("region.knots", dict.fromkeys(range(3, 10), 2000 / 7)),
        ("imaging.noise", {"low": 500, "medium": 1000, "high": 500}),
    ):
        counts = [columns[path].count(value) for value in expected]
        assert 1e-3 < stats.chisquare(counts, list(expected.values())).pvalue < 1 - 1e-3


def test_varied_numbers_are_independent() -> None:
    preset = varied()
    draws = [preset.draw(seed=3, index=index) for index in range(1000)]
    numbers = np.array([[d[p] for p in preset.vary if p != "imaging.noise"] for d in draws])
    correlation = np.corrcoef(stats.rankdata(numbers, axis=0), rowvar=False)
    off = correlation[~np.eye(len(correlation), dtype=bool)]
    assert np.abs(off).max() < 4 / np.sqrt(len(draws))


def test_each_varied_number_has_its_own_stream() -> None:
    preset = varied()
    text = VARIED + "  imaging.gain: {kind: uniform, low: 0.5, high: 2}\n"
    before, after = (p.draw(seed=3, index=5) for p in (preset, Preset.from_text(text)))
    assert {path: after[path] for path in before} == before
    fewer = preset.with_set(["points.density=2000"]).draw(seed=3, index=5)
    assert fewer == {path: value for path, value in before.items() if path != "points.density"}


def test_draws_depend_on_seed_and_index_alone() -> None:
    preset = varied()
    assert preset.draw(seed=3, index=5) == varied().draw(seed=3, index=5)
    for seed, index in ((3, 6), (4, 5), (5, 3)):
        other = preset.draw(seed=seed, index=index)
        assert other["points.density"] != preset.draw(seed=3, index=5)["points.density"]


def stage_names() -> set[str]:
    """Names of streams as they stand in the sources."""
    folder = Path(simcell.__file__).parent
    found: set[str] = set()
    for file in folder.rglob("*.py"):
        text = file.read_text("utf-8")
        found |= set(re.findall(r'streams\(\s*"([^"]+)"', text))
        found |= set(re.findall(r'stream\([^()"]*,\s*"([^"]+)"', text))
    return found


def scene_paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every path that a preset could vary."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        for part in models_in(field.annotation):
            yield from scene_paths(part, f"{prefix}{name}.")


def models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for member in get_args(annotation) for model in models_in(member)]


def test_no_two_streams_share_a_key() -> None:
    stages = stage_names()
    assert {"region", "points", "cells.vacancy", "imaging.speckle", "imaging.grain"} <= stages
    names = stages | {f"vary.{path}" for path in scene_paths(Scene)}
    assert len(names) > 130
    assert len({crc32(name.encode()) for name in names}) == len(names)


# Overrides


def test_an_override_fixes_what_varied() -> None:
    preset = varied().with_set(["points.density=1500", "frame.shape=[64, 32]"])
    assert preset.base.frame.shape == (64, 32)
    assert set(preset.vary) == set(varied().vary) - {"points.density"}
    scenes = [preset.scene(seed=1, index=index) for index in range(5)]
    assert {scene.points.density for scene in scenes} == {1500.0}


def test_setting_a_part_fixes_the_whole_that_varied() -> None:
    preset = varied().with_set(["imaging.noise.looks=6"])
    assert "imaging.noise" not in preset.vary
    assert preset.scene(seed=1, index=0).imaging.noise.looks == 6


def test_another_kind_starts_from_its_own_defaults() -> None:
    preset = varied().with_set(["points.kind=thomas", "points.density=500"])
    fresh = Scene(points={"kind": "thomas", "density": 500}).points
    assert preset.base.points == fresh
    assert not [path for path in preset.vary if path.startswith("points.")]
    bare = Preset.from_text(BARE + "scene: {imaging: {kind: none}}\n")
    rcm = bare.with_set(["imaging.kind=rcm", "imaging.organelles.radius_um=1"]).base.imaging
    assert rcm.organelles.density == Scene().imaging.organelles.density


def test_the_same_kind_changes_nothing() -> None:
    assert varied().with_set(["points.kind=hard_core"]) == varied()
    assert varied().with_set([]) == varied()


def test_the_order_of_overrides_of_one_scene_does_not_matter() -> None:
    sets = ["frame.edges=periodic", "region.kind=full", "frame.shape=[48, 48]"]
    assert Preset.from_text(BARE).with_set(sets) == Preset.from_text(BARE).with_set(sets[::-1])


def test_lists_are_set_by_the_number_of_their_entry() -> None:
    preset = Preset.from_text(
        BARE
        + "scene: {points: {kind: objects, types: [{radius_um: 3}, {radius_um: 9}]}}\n"
        + "vary: {points.types.0.radius_um: {kind: uniform, low: 2, high: 4}}\n"
    )
    radius = [preset.scene(seed=0, index=i).points.types[0].radius_um for i in range(20)]
    assert 2 <= min(radius) < max(radius) <= 4
    changed = preset.with_set(["points.types.1.radius_um=5", "frame.shape.0=64"])
    assert changed.base.points.types[1].radius_um == 5
    assert changed.base.frame.shape == (64, 256)
    assert preset.base.points.types[1].radius_um == 9


def test_parts_may_vary_as_wholes() -> None:
    preset = Preset.from_text(
        BARE
        + "vary: {points: {kind: choice, values: [{kind: poisson}, {kind: thomas, spread_um: 3}]}}"
    )
    kinds = {preset.scene(seed=0, index=index).points.kind for index in range(20)}
    assert kinds == {"poisson", "thomas"}
    assert Preset.from_text(preset.text) == preset


def test_ranges_are_tried_together_and_not_alone() -> None:
    """Ratios that are never drawn with the base's value need not fit it."""
    base = "types: [{axis_ratio_min: 0.2, axis_ratio_max: 0.3}]"
    laws = "\n".join(
        f"  points.types.0.axis_ratio_{end}: {{kind: uniform, low: {low}, high: {high}}}"
        for end, low, high in (("min", 0.5, 0.6), ("max", 0.6, 0.9))
    )
    text = f"{BARE}scene: {{points: {{kind: objects, {base}}}}}\nvary:\n{laws}\n"
    assert Preset.from_text(text).scene(seed=0, index=0).points.types[0].axis_ratio_min >= 0.5
    with pytest.raises(SimcellError, match=r"vary can draw .*axis_ratio_min = 0\.6"):
        Preset.from_text(text.replace("0.6, high: 0.9", "0.55, high: 0.9"))


# Text


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    about=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1),
    density=st.floats(1e-3, 1e9),
    low=st.floats(0.1, 100),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_preset_survives_text(about: str, density: float, low: float, seed: int) -> None:
    law = Uniform(low=low, high=low + 1)
    preset = Preset(
        "mine", about, ("é: [", "#"), Scene(points={"kind": "poisson", "density": density}),
        {"imaging.gain": law} if low < 10 else {}, {},
    )  # fmt: skip
    again = Preset.from_text(preset.text)
    assert again == preset
    assert again.draw(seed=seed, index=0) == preset.draw(seed=seed, index=0)


def test_anchors_and_merged_keys_are_read() -> None:
    text = BARE + (
        "scene:\n  imaging:\n    kind: rcm\n    organelles: &spots {density: 7, radius_um: 1}\n"
        "    keratin: {<<: *spots, density: 9}\n"
    )
    imaging = Preset.from_text(text).base.imaging
    assert (imaging.organelles.density, imaging.keratin.density) == (7, 9)
    assert imaging.keratin.radius_um == 1


def test_the_text_is_plain_yaml_with_every_default() -> None:
    content = yaml.safe_load(Preset.from_text(BARE).text)
    assert list(content) == ["name", "about", "sources", "scene", "vary", "expect"]
    assert Scene.model_validate(content["scene"]) == Scene()
    assert content["scene"]["frame"] == Scene().frame.model_dump(mode="json")


def test_every_law_is_written_and_read() -> None:
    laws = {law.kind for law in varied().vary.values()}
    assert laws == {c.model_fields["kind"].default for c in
                    (Uniform, LogUniform, Normal, Integers, Choice)}  # fmt: skip


# Where presets are found


def test_a_users_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rcm-sg.yaml").write_text(BARE, "utf-8")
    (tmp_path / "other.yml").write_text(BARE, "utf-8")
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    assert load_preset("rcm-sg").about == "A test."
    assert load_preset("other").about == "A test."
    assert load_preset("rcm-ss").about != "A test."
    stems = [file.stem for file in preset_files()]
    assert sorted(stems) == sorted({*SHIPPED, "other"})


def test_a_path_is_never_taken_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rcm-sg").write_text(BARE, "utf-8")
    assert load_preset("rcm-sg").about != "A test."
    assert load_preset("./rcm-sg").about == "A test."
    with pytest.raises(SimcellError, match=r"preset 'rcm-sg.yaml': cannot be read"):
        load_preset("rcm-sg.yaml")


def test_a_broken_preset_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.yaml").write_text("- 1\n", "utf-8")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    listing = explain.all_presets()
    assert re.search(r"^broken +cannot be used:", listing, re.MULTILINE)
    assert "holds a list; needs a mapping" in " ".join(listing.split())
    for name in SHIPPED:
        assert re.search(rf"^{name} ", listing, re.MULTILINE)


def test_kinds_lists_every_kind_with_its_fields() -> None:
    listing = explain.kinds()
    for part, field in Scene.model_fields.items():
        for model in models_in(field.annotation):
            if "kind" in model.model_fields:
                assert f"{part}.kind={model.model_fields['kind'].default}" in listing
    assert "types.0.radius_um" in listing
    assert "BaseModel" not in listing
    assert "=RcmSpots" not in listing


def test_explaining_a_choice_shows_its_shares() -> None:
    text = explain.preset(varied())
    assert "low (25%) | medium (50%) | high (25%)" in text
    assert "imaging.noise.looks" not in text
