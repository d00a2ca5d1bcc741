"""The benchmark: its sets, its methods, its counts, its tables, and bad input."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from tiny import tiny

import dermogan.refine
import dermogan.stars
import simcell
from dermogan import cards
from dermogan.benchmark import flowing, score, sets, tables
from dermogan.benchmark import methods as methods_module
from dermogan.benchmark.methods import GROUPS, Member, Method, methods
from dermogan.benchmark.score import Outcome, Row, measure
from dermogan.benchmark.sets import Picture, Set, Told, Truth, folder_set, simulated
from dermogan.classical import NAMES
from dermogan.cli import main
from dermogan.errors import DermoganError
from dermogan.evaluation import score_labels
from dermogan.expects import Fit
from dermogan.metrics import Counts
from dermogan.model import save_model
from dermogan.networks import generator
from dermogan.refine import refine
from simcell import SimcellError

TRUTH = np.zeros((60, 60), np.int32)
for _k, (_y, _x) in enumerate(((2, 2), (2, 32), (32, 2), (32, 32)), 1):
    TRUTH[_y : _y + 24, _x : _x + 24] = _k
BRIGHT = np.where(TRUTH > 0, 200, 20).astype(np.float32)


class Seer:
    """A predictor whose output is the image over 200; it fails on images that are too dark."""

    halo_px, multiple, channels, output = 0, 1, 1, "filled"
    diameter_px: float | None = None

    def normalise(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        if abs(image).max() < 100:
            msg = "too dark for me"
            raise RuntimeError(msg)
        return np.clip(image / 200, 0, 1).astype(np.float32)

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return batch


def seer(invert: bool = False) -> Method:
    return Method("seer", "model", (lambda _: Member(Seer(), Fit(invert, None)),))


def one(image: NDArray[np.float32], truth: Truth, told: Told | None = None) -> Set:
    return Set("one", [Picture("a", lambda: (image, truth))], told or Told(shows="cells"))


# The simulated set


def test_imaging_and_geometry_lie_outside_the_training_ranges() -> None:
    trained, measured = (simcell.load_preset(name) for name in ("rcm-sg", sets.PRESET))
    inside = []
    for path, law in trained.vary.items():
        ours = measured.vary.get(path)
        if path == "imaging.noise":
            continue
        assert ours is not None, path
        if ours.low <= law.high and law.low <= ours.high:
            inside.append(path)
    assert inside == ["region.coverage"]
    noise = {p.rpartition(".")[2]: v for p, v in measured.vary.items() if ".noise." in p}
    levels = simcell.load_preset("rcm-sg").with_set
    for name, law in noise.items():
        known = [
            getattr(levels([f"imaging.noise={level}"]).base.imaging.noise, name)
            for level in ("low", "medium", "high")
        ]
        assert law.high < min(known) or law.low > max(known), name
    assert measured.vary["imaging.psf_um"].low > trained.base.imaging.psf_um


def test_perfect_membranes_give_nearly_all_cells() -> None:
    found = []
    for index in range(8):
        preset = simcell.load_preset(sets.PRESET)
        sample = simcell.simulate(
            preset.scene(seed=sets.SEED, index=index), seed=sets.SEED, index=index
        )
        labels = refine(sample.prior[None].astype(np.float32) / 255, "membrane")
        found.append(score_labels(labels, sample.labels)[0]["f1_50"])
    assert np.median(found) > 0.93


def test_the_simulated_set_is_frozen_and_may_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sets.SIZES == (256,) * 36 + (1000,) * 4
    monkeypatch.setattr(sets, "SIZES", (64, 64, 96))
    fresh, kept = simulated(), simulated(tmp_path)
    assert [p.name for p in fresh.pictures] == ["00-64", "01-64", "02-96"]
    assert fresh.survey() == kept.survey()
    assert fresh.pictures[2].load()[0].shape == (96, 96)
    file = tmp_path / "rcm-benchmark" / "images" / "01-64.tif"
    before = file.stat().st_mtime_ns
    (tmp_path / "rcm-benchmark" / "masks" / "00-64.tif").unlink()  # as after an interruption
    assert simulated(tmp_path).survey() == fresh.survey()
    assert file.stat().st_mtime_ns == before
    other = fresh.first(2)
    assert other.survey().fingerprint != fresh.survey().fingerprint


# Folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images of four bright cells, of which the second is annotated in part."""
    home = tmp_path / "mine"
    for name in ("images", "masks"):
        (home / name).mkdir(parents=True)
    for name, truth in {"a": TRUTH, "b": np.where(TRUTH < 3, TRUTH, 0)}.items():
        tifffile.imwrite(home / "images" / f"{name}.tif", BRIGHT)
        tifffile.imwrite(home / "masks" / f"{name}.tif", truth.astype(np.uint16))
    return home


def test_partly_annotated_images_are_scored_where_they_are(folder: Path) -> None:
    told = Told(shows="cells")
    whole = measure(folder_set(folder, told), [seer()])
    assert whole.rows[0].f1("f1_50").tolist() == [[1.0, pytest.approx(2 / 3)]]
    part = measure(folder_set(folder, replace(told, annotated="labels")), [seer()])
    assert part.rows[0].f1("f1_50").tolist() == [[1.0, 1.0]]
    assert part.facts["annotated"] == "labels"
    assert whole.facts["diameter_px"] == pytest.approx(np.sqrt(4 / np.pi) * 24, abs=0.01)


def test_points_are_scored_by_centres(folder: Path) -> None:
    (folder / "masks").rename(folder / "points")
    for name in "ab":
        (folder / "points" / f"{name}.tif").unlink()
        (folder / "points" / f"{name}.csv").write_text("x,y\n13,13\n44,14\n14,55\n")
    result = measure(folder_set(folder, Told(shows="cells", radius_px=5)), [seer()])
    assert result.scores == ("centre_f1", "d_f1")
    counts = result.rows[0].outcomes[0][0].counts
    assert (counts["centre_f1"].found, counts["centre_f1"].missed) == (2, 1)
    assert (counts["d_f1"].found, counts["d_f1"].made_up) == (3, 1)
    assert result.facts["diameter_px"] == pytest.approx(np.hypot(31, 1), abs=0.01)
    wide = measure(folder_set(folder, Told(shows="cells")), [seer()])  # half of it, 15.5 px
    assert wide.rows[0].outcomes[0][0].counts["centre_f1"].found == 3


# Methods

LATER = ("fiap", "stardist-gabor", "cellpose", "dermogan-cellpose")


@pytest.fixture(autouse=True)
def _no_shipped_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "SHIPPED", tmp_path / "shipped")
    monkeypatch.delenv("DERMOGAN_MODELS", raising=False)


def test_all_methods_have_names_and_groups() -> None:
    assert [m.name for m in methods()] == [*NAMES, *LATER]
    assert [m.name for m in methods(["gabor", "otsu"])] == [
        "gabor-watershed",
        "otsu",
        "fiap",
        "stardist-gabor",
    ]
    assert [m.name for m in methods(["gabor-stardist"])] == ["stardist-gabor"]
    star = methods(["stardist-gabor"], lacks="no stardist")[0]
    assert (star.stardist, star.lacks) == (True, "no stardist")
    assert methods(["stardist-gabor"])[0].lacks == ""
    assert len(GROUPS["thresholds"]) == 17


def test_polarity_reaches_every_classical_method() -> None:
    for told in (Told("bright", "membranes"), Told("dark", "cells")):
        for method in methods():
            if method.lacks:
                continue
            spec = method.members[0](told).predictor.spec  # type: ignore[attr-defined]
            of_gabor = "gabor" in method.name or method.name == "fiap"
            if of_gabor:
                assert spec.polarity == "bright"  # between dark cells it is bright
            else:
                assert spec.polarity == told.polarity
                assert (spec.output == "membrane") == (told.shows == "membranes")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    recipe = tiny("supervised")
    expects = {"polarity": "dark", "diameter_px": 20.0}
    card = {"output": "membrane", "diameter_px": 20.0, "expects": expects}
    (tmp_path / "run").mkdir()
    save_model(
        tmp_path / "run" / "model.safetensors", generator(recipe.system.network), recipe, card
    )
    return tmp_path / "run"


def test_models_of_one_name_are_one_row(run: Path) -> None:
    found = methods(["models"], [f"ours={run}", f"ours={run}", str(run)])
    assert [(m.name, len(m.members), m.stardist) for m in found] == [
        ("ours", 2, False),
        ("ours + StarDist", 2, True),
        ("run", 1, False),
        ("run + StarDist", 1, True),
    ]
    assert [m.name for m in methods(["models"], [str(run)], lacks="x")] == ["run"]
    member = found[0].members[0]
    assert member(Told("bright")).fit.invert
    assert not member(Told("dark")).fit.invert
    assert not member(Told("bright", "cells")).fit.invert  # dark membranes between bright cells


def test_models_that_have_names_are_measured_unasked(run: Path) -> None:
    cards.SHIPPED.mkdir()
    (run / "model.safetensors").rename(cards.SHIPPED / "skin.safetensors")
    assert [m.name for m in methods(lacks="x")] == [*NAMES, *LATER, "skin"]
    assert [m.name for m in methods(["models"])] == ["skin", "skin + StarDist"]
    assert [m.name for m in methods(["otsu"])] == ["otsu"]


@pytest.mark.parametrize(
    ("names", "models", "said"),
    [
        (["otzu"], [], r"--method otzu: no such method; did you mean '(cv-)?otsu'\?"),
        (["models"], [], "there is none; name some with --model"),
        ([], ["=x"], "--model =x: give NAME=PATH"),
        ([], ["x="], "--model x=: give NAME=PATH"),
        ([], ["nothing"], "'nothing': no such model"),
        ([], ["otsu={run}"], "--model otsu: is the name of a method"),
    ],
)
def test_methods_that_are_none(names: list, models: list, said: str, run: Path) -> None:
    with pytest.raises(DermoganError, match=said):
        methods(names, [model.format(run=run) for model in models])


# Counts


def test_what_is_seen_is_found_and_inverted_is_not() -> None:
    images = one(BRIGHT, Truth(labels=TRUTH))
    right = measure(images, [seer()]).rows[0]
    assert {key: c.f1 for key, c in right.outcomes[0][0].counts.items()} == {
        "f1_50": 1.0,
        "f1_70": 1.0,
        "d_f1": 1.0,
    }
    assert measure(images, [seer(invert=True)]).rows[0].medians("f1_50") == 0.0
    inverse = one(-BRIGHT, Truth(labels=TRUTH))
    assert measure(inverse, [seer(invert=True)]).rows[0].medians("f1_50") == 1.0


def test_failing_counts_as_finding_nothing_and_is_told() -> None:
    dark = Picture("night", lambda: (BRIGHT / 10, Truth(labels=TRUTH)))
    images = Set("s", [*one(BRIGHT, Truth(labels=TRUTH)).pictures, dark], Told(shows="cells"))
    result = measure(images, [seer()])
    row = result.rows[0]
    assert row.f1("f1_50").tolist() == [[1.0, 0.0]]
    assert row.summary("f1_50")["pooled"] == pytest.approx(2 * 4 / (2 * 4 + 4))
    assert [o.image for o in row.failures] == ["night"]
    assert tables.failures([result]) == [
        "seer failed on 1 of 2 images of s, which count 0; on night: too dark for me"
    ]
    assert "| seer (fails on 1) | 0.500 |" in tables.as_markdown([result])


def test_the_diameter_is_told_to_all_or_to_none(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = score.segment
    monkeypatch.setattr(
        score, "segment", lambda *a, **k: asked.append(k["diameter_px"]) or real(*a, **k)
    )
    for told in (None, 33.0, "auto"):
        measure(one(BRIGHT, Truth(labels=TRUTH), Told(shows="cells", diameter_px=told)), [seer()])  # type: ignore[arg-type]
    true = pytest.approx(np.sqrt(4 / np.pi) * 24)
    assert asked == [true, true, 33.0, 33.0, None, None]  # once to warm up, once to count
    images = one(BRIGHT, Truth(labels=TRUTH), Told(shows="cells", diameter_px="auto"))
    wise = replace(seer(), members=(lambda _: Member(Seer(), Fit(False, 11.0)),))
    measure(images, [wise])
    assert asked[-1] == 11.0  # as it does on its own


def test_stardist_is_used_where_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = np.where(np.arange(60)[:, None] < 14, 1, 2) * (BRIGHT > 100)
    loaded = []

    def load(weights: str) -> dermogan.stars.Predict:
        loaded.append(weights)
        return lambda picture, _: halves[: picture.shape[0], : picture.shape[1]].astype(np.int32)

    monkeypatch.setattr(dermogan.refine, "load", load)
    with_stars = replace(seer(), stardist=True)
    plain, star = measure(one(BRIGHT, Truth(labels=TRUTH)), [seer(), with_stars], weights="w").rows
    assert plain.medians("f1_50") == 1.0
    assert star.medians("f1_50") < 1.0
    assert set(loaded) == {"w"}


def row(*members: list[tuple[int, int, int]], cpu: float = 0.5) -> Row:
    outcomes = [
        [
            Outcome(str(k), {"f1_50": Counts(*c, 0.0)}, cpu * (k + 1), 0.25)
            for k, c in enumerate(member)
        ]
        for member in members
    ]
    return Row(Method("m", "model"), outcomes)


def test_summaries_over_images_and_seeds() -> None:
    first = [(8, 2, 2), (5, 5, 5), (9, 1, 1)]  # F1 0.8, 0.5, 0.9
    second = [(6, 4, 4), (7, 3, 3), (1, 9, 9)]  # 0.6, 0.7, 0.1
    third = [(4, 6, 6), (4, 6, 6), (4, 6, 6)]  # 0.4
    found = row(first, second, third)
    np.testing.assert_allclose(found.medians("f1_50"), [0.8, 0.6, 0.4])
    told = found.summary("f1_50")
    assert told["median"] == pytest.approx(0.6)
    assert told["spread"] == pytest.approx(0.2)
    assert told["sd"] == pytest.approx(np.std([0.8, 0.5, 0.9], ddof=1))  # the middle of the three
    assert told["pooled"] == pytest.approx(14 / 30)  # the middle of 22, 14 and 12 of 30
    assert told["mean"] == pytest.approx(1.4 / 3)
    assert found.cpu_s == pytest.approx(1.0)
    assert found.cpu_s_per_megapixel == pytest.approx(4.0)
    assert row([(1, 0, 0)]).summary("f1_50")["sd"] == 0.0


# The command


@pytest.fixture(autouse=True)
def _no_stardist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dermogan.stars, "lacking", lambda: "stardist not installed")


def _call(*words: object) -> Result:
    return CliRunner().invoke(main, ["benchmark", *map(str, words)], prog_name="dermogan")


def test_the_command(folder: Path, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--data", folder, "--no-simulated", "--shows", "mine=cells", "-o", out, "--quiet")
    words += ("--method", "otsu", "--method", "gabor", "--model", f"ours={run}")
    done = _call(*words, "--model", f"ours={run}", "--annotated", "labels")
    assert done.exit_code == 0, done.output
    text = (out / "benchmark.md").read_text()
    assert text in done.output
    assert "| otsu | 1.000 | 0.000 | 1.000 | 1.000 | 1.000 |" in text
    assert "| ours (2 seeds) | " in text
    assert "| stardist-gabor (missing: stardist not installed) | – |" in text
    assert "2 images, bright cells, cells of 27.08 px, annotated in part" in text

    rows = list(csv.DictReader(io.StringIO((out / "benchmark.csv").read_text())))
    by_name = {r["method"]: r for r in rows}
    assert list(by_name)[-1] == "stardist-gabor"  # the best first
    assert by_name.keys() == {"otsu", "gabor-watershed", "fiap", "ours", "stardist-gabor"}
    assert by_name["otsu"]["f1_50_median"] == "1"
    assert by_name["otsu"]["centre_f1_median"] == ""
    assert by_name["ours"]["seeds"] == "2"
    assert rows[-1]["missing"] == "stardist not installed"

    told = json.loads((out / "benchmark.json").read_text())["sets"][0]
    assert (told["name"], told["images"]) == ("mine", 2)
    best = told["methods"][0]
    assert best["f1_50"]["pooled"] == 1.0
    assert [o["image"] for o in best["members"][0]] == ["a", "b"]
    assert float(rows[0]["cpu_s"]) > 0

    again = _call(*words)
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)
    assert _call(*words, "--overwrite").exit_code == 0


def test_the_simulated_set_is_there_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "SIZES", (64, 64))
    words = ("-o", tmp_path / "out", "--method", "niblack", "--first", 1, "--diameter", "auto")
    done = _call(*words, "--cache", tmp_path / "kept")
    assert done.exit_code == 0, done.output
    assert "### rcm-benchmark" in done.output
    assert "1 images, bright membranes, size of cells not told" not in done.output  # own folders'
    assert len(list((tmp_path / "kept/rcm-benchmark/images").iterdir())) == 2


def test_a_plot_needs_matplotlib_and_the_rest_does_not(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    words = ("--data", folder, "--no-simulated", "--method", "otsu", "-o", tmp_path / "out")
    done = _call(*words)
    assert done.exit_code == 0
    assert "no plot: matplotlib is not installed; run: pip install matplotlib" in done.output
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == [
        "benchmark.csv",
        "benchmark.json",
        "benchmark.md",
    ]


def test_a_plot_is_drawn(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    words = ("--data", folder, "--no-simulated", "--method", "otsu", "--method", "gabor")
    assert _call(*words, "-o", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "benchmark.png").read_bytes()[:4] == b"\x89PNG"


REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("--no-simulated", "then --data is needed"),
    "no folder": ("--data no", "no: has no folder images; it needs images, and masks or points"),
    "no masks": ("--data bare", "bare: has no folder masks (or points)"),
    "no pairs": ("--data apart", "apart: no image of images/ has a truth of the same name"),
    "sizes": ("--data sizes", "masks/a.tif: has (9, 9) pixels, its image (60, 60)"),
    "twice": ("--data mine --data other/mine", "two folders are named mine"),
    "method": ("--method otzu", "--method otzu: no such method"),
    "model": ("--model nothing", "model 'nothing': no such model"),
    "weights": ("--weights nowhere", "stardist"),
    "polarity": ("--data mine --polarity grey", "--polarity grey: must be bright or dark"),
    "shows": ("--data mine --shows mine=x", "--shows x: must be membranes or cells"),
    "annotated": ("--data mine --annotated some", "--annotated some: must be all or labels"),
    "diameter": ("--data mine --diameter 1", "must be auto or a number of px, at least 3"),
    "diameter nan": ("--data mine --diameter nan", "--diameter nan: must be auto or"),
    "radius": ("--data mine --radius 0", "--radius 0: must be px above 0"),
    "folder": ("--data mine --polarity his=dark", "no --data folder is named 'his'; there is mine"),
    "points": ("--data dots --annotated labels", "dots: points have no annotated area"),
    "first": ("--first 0", "0 is not in the range"),
    "no out": ("", "Missing option '-o'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input(
    what: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("bare/images", "apart/images", "apart/masks", "sizes/images", "sizes/masks"):
        Path(name).mkdir(parents=True)
    for name in ("dots/images", "dots/points", "other/mine/images", "other/mine/masks"):
        Path(name).mkdir(parents=True)
    for name in ("apart/images/b", "sizes/images/a", "dots/images/a"):
        tifffile.imwrite(f"{name}.tif", BRIGHT)
    tifffile.imwrite("sizes/masks/a.tif", np.eye(9, dtype=np.uint8))
    Path("dots/points/a.csv").write_text("x,y\n1,2\n")
    words, said = REFUSED[what]
    out = () if what == "no out" else ("-o", "out")
    simulated_too = (
        () if what in {"nothing", "no out"} or "--data" not in words else ("--no-simulated",)
    )
    done = _call(*words.split(), *simulated_too, *out)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path("out").exists()
    assert folder.exists()


def test_points_without_a_radius_to_tell() -> None:
    lonely = Truth(points_yx=np.array([[14.0, 14.0]]))
    with pytest.raises(SimcellError, match="--radius: missing"):
        measure(one(BRIGHT, lonely), [seer()])


# Cellpose


def test_rows_of_cellpose_say_what_they_lack(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flowing, "find_spec", lambda _: None)
    names = ["cellpose", "dermogan-cellpose"]
    found = methods(names, [f"rcm={run}"], lacks="x", cellpose="w")[:2]
    assert [(m.name, m.lacks) for m in found] == [(n, "cellpose not installed") for n in names]
    text = tables.as_markdown([measure(one(BRIGHT, Truth(labels=TRUTH)), found)])
    assert "| cellpose (missing: cellpose not installed) | – |" in text
    monkeypatch.setattr(flowing, "find_spec", lambda _: "there")
    lacks = [m.lacks for m in methods(names, [f"rcm={run}"], lacks="x")[:2]]
    assert lacks == ["no Cellpose weights, give --cellpose"] * 2


def test_cellpose_sees_images_or_what_a_model_makes_of_them(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []

    class _Flows:
        def cells(self, image: np.ndarray, *_: object) -> tuple[np.ndarray, np.ndarray]:
            seen.append(image)
            return np.int32(image > image.mean()), np.zeros((1, *image.shape), np.float32)

    monkeypatch.setattr(flowing, "find_spec", lambda _: "there")
    monkeypatch.setattr(methods_module, "load_cellpose", lambda _: _Flows())
    rows = methods(["cellpose", "dermogan-cellpose"], [f"dermogan={run}"], lacks="x", cellpose="w")
    assert [row.name for row in rows[:2]] == ["cellpose", "dermogan-cellpose"]
    image = BRIGHT.astype(np.float32)
    for row in rows[:2]:
        member = row.members[0](Told())
        member.predictor.cells(image, 20.0, 0.5)  # type: ignore[union-attr]
    assert np.array_equal(seen[0], image)
    assert seen[1].min() >= 0  # interiors, as probabilities
    assert seen[1].max() <= 1
