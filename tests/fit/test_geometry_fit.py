"""Fitting whole presets to labels and to centres, and what the command says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial import cKDTree

from simcell import SimcellError, load_preset, simulate
from simcell.cli import main
from simcell.describe.field import Field
from simcell.describe.read import fields_of
from simcell.fit import fit, generator, outlines, points, run, tissue
from simcell.fit.estimate import Estimate
from simcell.fit.expect import against, expectations
from simcell.fit.island import island
from simcell.fit.ranges import around
from simcell.fit.tissue import density_of
from simcell.io.tiff import save_tiff
from simcell.preset import Preset


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer and smaller simulations: enough to see that all parts meet."""
    monkeypatch.setattr(tissue, "_ROUNDS", (30, 30))
    monkeypatch.setattr(tissue, "_LAST", 24)
    monkeypatch.setattr(generator, "MOST_CELLS", 60)
    monkeypatch.setattr(run, "_CHECKED", 4)
    monkeypatch.setattr(outlines, "_ROUNDS", (30, 24))
    monkeypatch.setattr(
        points.choose, "__kwdefaults__", points.choose.__kwdefaults__ | {"draws": 39}
    )


def _tissue(count: int = 2, **values: float) -> list[Field]:
    preset = load_preset("confluent")
    sets = [f"{path}={value}" for path, value in values.items()]
    preset = preset.with_set(
        ["frame.spacing_um=1.0", "region.coverage=1.0", "frame.shape=[128, 128]", *sets]
    )
    samples = [
        simulate(preset.scene(seed=5, index=k), seed=5, index=k, upto="cells") for k in range(count)
    ]
    return [replace(f, points=None) for f in fields_of(samples)]


@pytest.mark.usefixtures("quick")
def test_tissue_gives_its_density_back_and_the_preset_is_one() -> None:
    like = load_preset("confluent")
    fields = _tissue()
    fitted = fit(fields, like, name="mine", seed=1)
    read = Preset.from_text(fitted.text)
    assert read.name == "mine"
    assert read.base.frame.spacing_um == 1.0
    assert read.base.points.kind == "hard_core"
    assert 2100 < read.base.points.density < 2900
    assert read.base.cells.kind in {"voronoi", "power"}
    status = {one.path: one.status for one in fitted.estimates}
    assert status["points.density"] == "estimated"
    assert status["prior.thickness_um"] == "unidentified"
    assert status["imaging"] == "taken"
    assert "2 label images" in read.sources[0]
    assert "NOT TOLD BY THE DATA" in fitted.text
    assert all(verdict.holds for verdict in against(read.expect, fields))
    assert fit(fields, like, name="mine", seed=1).text == fitted.text


@pytest.mark.usefixtures("quick")
def test_centres_alone_tell_density_and_say_what_they_do_not_tell() -> None:
    preset = load_preset("confluent").with_set(["frame.spacing_um=1.0", "region.coverage=1.0"])
    seen = []
    for k in range(2):
        sample = simulate(preset.scene(seed=5, index=k), seed=5, index=k, upto="cells")
        assert sample.pattern is not None
        places = sample.pattern.points
        places = places[np.all((places >= 0) & (places < 192), axis=1)]
        seen.append(Field(f"{k}", (1.0, 1.0), None, None, places, np.ones((192, 192), np.bool_)))
    fitted = fit(seen, load_preset("confluent"), seed=1)
    status = {one.path: one.status for one in fitted.estimates}
    assert status["cells.kind"] == status["cells.undulation_um"] == "unidentified"
    assert 2000 < fitted.preset.base.points.density < 3100  # type: ignore[union-attr]
    wanted = fitted.preset.expect["cells_per_mm2"]
    count = sum(len(field.points) for field in seen)
    assert wanted.low < count / (2 * 192**2) * 1e6 < wanted.high


@pytest.mark.usefixtures("quick")
def test_cells_apart_give_their_size_and_shape_back() -> None:
    like = load_preset("nonconfluent")
    preset = like.with_set(
        [
            "frame.spacing_um=0.5",
            "points={kind: hard_core, density: 1500, distance_um: 18}",
            "cells.waviness=0.03",
            "cells.radius_cv=0.1",
            "cells.axis_ratio_min=0.6",
            "cells.axis_ratio_max=0.8",
        ]
    )
    samples = [
        simulate(preset.scene(seed=2, index=k), seed=2, index=k, upto="cells") for k in range(5)
    ]
    fitted = fit(fields_of(samples), like, seed=1)
    found = {one.path: one for one in fitted.estimates}
    assert found["cells.kind"].value == "outlines"
    assert found["cells.radius_um"].value == pytest.approx(6.5, rel=0.08)
    assert found["cells.radius_cv"].value == pytest.approx(0.1, abs=0.06)
    middle = 0.5 * (found["cells.axis_ratio_min"].value + found["cells.axis_ratio_max"].value)
    assert middle == pytest.approx(0.7, abs=0.08)
    assert found["points.kind"].value in {"hard_core", "hard_core_gibbs", "strauss"}


def test_an_island_is_told_from_a_partial_annotation_by_the_image() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((120, 120), np.int32)
    labels[10:60, 10:110] = np.kron(np.arange(1, 51).reshape(5, 10), np.ones((10, 10)))
    known = labels > 0
    rough = rng.normal(120, 20, labels.shape).astype(np.float32)
    dark = np.where(known, rough, rng.normal(10, 2, labels.shape)).astype(np.float32)
    like = load_preset("confluent")
    goes_on = island([Field("a", (1.0, 1.0), labels, rough, None, known)], like)
    ends = island([Field("a", (1.0, 1.0), labels, dark, None, known)], like)
    blind = island([Field("a", (1.0, 1.0), labels, None, None, known)], like)
    assert [one.value for one in goes_on] == ["full"]
    assert ends[0].value == "bezier"
    assert ends[1].value == pytest.approx(known.mean())
    assert blind[0].status == "unidentified"


def test_lines_and_vacancies_are_measured() -> None:
    labels = np.kron(np.arange(1, 65).reshape(8, 8), np.ones((12, 12))).astype(np.int32)
    labels[np.isin(labels, [19, 37])] = 0
    field = Field("a", (0.5, 0.5), labels)
    missing = tissue._vacancies([field], 62)
    assert missing.value == pytest.approx(2 / 64, rel=0.05)
    lined = np.kron(np.arange(1, 65).reshape(8, 8), np.ones((12, 12))).astype(np.int32)
    for rows in (lined, lined.T):
        rows[11:90:12] = rows[12:91:12] = 0
    like = load_preset("confluent").base
    (width,) = tissue._lines([Field("a", (0.5, 0.5), lined)], like, 20.0)
    assert width.status == "estimated"
    assert width.value == pytest.approx(1.0, rel=0.25)


def test_expectations_hold_for_more_of_the_same_and_not_for_other_tissue() -> None:
    fields = _tissue(8)
    expect = expectations(fields[:4])
    assert {"cells_per_mm2", "area_um2", "hexagons"} <= set(expect)
    assert all(verdict.holds for verdict in against(expect, fields[4:]))
    other = _tissue(4, **{"points.density": 5000, "points.distance_um": 8})
    off = {verdict.name for verdict in against(expect, other) if not verdict.holds}
    assert {"cells_per_mm2", "area_um2"} <= off


def test_the_interval_of_a_density_widens_with_what_images_differ_by() -> None:
    alike = density_of(np.full(5, 1000.0), 1000.0, 0.02)
    unlike = density_of(np.array([600.0, 800, 1000, 1200, 1400]), 1000.0, 0.02)
    assert alike.high - alike.low == pytest.approx(2 * 1.645 * 20, rel=0.01)
    assert unlike.high - unlike.low > 5 * (alike.high - alike.low)
    assert unlike.least < 650 < 1400 < unlike.most


@pytest.mark.usefixtures("quick")
def test_tissue_is_as_orderly_where_images_differ_in_the_size_of_cells() -> None:
    fields = [
        replace(_tissue(1, **{"points.density": n, "points.distance_um": 9})[0], name=f"{n}")
        for n in (900, 1500, 2500, 4500)
    ]
    made = fit(fields, load_preset("confluent"), seed=1)
    by_path = {one.path: one for one in made.estimates}
    assert by_path["points.distance_sides"].status == "taken"
    assert "not in use" in by_path["points.distance_um"].how
    assert "points.distance_um" not in made.preset.vary
    assert {"points.density", "cells.lloyd"} <= set(made.preset.vary)
    nearest = []
    for density in (900.0, 4500.0):
        scene = made.preset.with_set([f"points.density={density}", "cells.lloyd=0"])
        points = simulate(
            scene.scene(seed=0, index=0), seed=0, index=0, upto="points"
        ).pattern.points
        gaps = cKDTree(points).query(points, k=2)[0][:, 1]
        nearest.append(gaps.min() * density**0.5 / 1000)
    assert nearest == pytest.approx([0.7, 0.7], rel=0.02)


@pytest.mark.usefixtures("quick")
def test_tissue_of_one_size_has_a_hard_core_in_micrometres() -> None:
    made = fit(_tissue(**{"points.distance_um": 13}), load_preset("confluent"), seed=1)
    by_path = {one.path: one for one in made.estimates}
    assert "points.distance_sides" not in by_path
    assert by_path["points.distance_um"].vary is not None


def test_ranges_hold_intervals_and_stay_in_bounds() -> None:
    one = around("cells.lloyd", {"low": 0.1, "value": 1.0, "high": 3.0}, "", most=3.2)
    assert one.vary is not None
    low, high = one.vary.ends()
    assert 0 <= low <= 0.1
    assert 3.0 <= high <= 3.2
    assert Estimate("a", 1).interval == ""


def test_too_little_and_unfit_starts_are_refused() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[10:20, 10:20] = 1
    one = [Field("a", (1.0, 1.0), labels)]
    with pytest.raises(SimcellError, match="at least 8"):
        fit(one, load_preset("nonconfluent"))
    with pytest.raises(SimcellError, match="cannot be fitted"):
        fit(one, load_preset("nucleus-golgi"))
    with pytest.raises(SimcellError, match="square"):
        fit([Field("a", (1.0, 2.0), labels)], load_preset("nonconfluent"))


@pytest.mark.usefixtures("quick")
def test_the_command_writes_a_preset_and_says_what_it_knows(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for k, field in enumerate(_tissue(2)):
        assert field.labels is not None
        save_tiff(tmp_path / "masks" / f"{k}.tif", field.labels.astype(np.uint16), (1.0, 1.0))
    out = tmp_path / "mine.yaml"
    call = ["fit", "--labels", str(tmp_path / "masks"), "-o", str(out)]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    assert load_preset(out).name == "mine"
    for text in ("estimated from the data", "cannot tell", "points.density", "note: spacing_um"):
        assert text in done.output
    again = CliRunner().invoke(main, call)
    assert again.exit_code == 2
    assert "--overwrite" in again.output


def test_the_command_names_what_is_missing(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["fit", "-o", str(tmp_path / "a.yaml")])
    assert done.exit_code == 2
    assert "nothing to read" in done.output
