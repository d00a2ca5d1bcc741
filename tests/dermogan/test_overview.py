"""One table of all systems: every model on the set of its kind, beside what papers report."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from tiny import tiny

from dermogan import cards
from dermogan.benchmark import overview, sets, volumes, worlds
from dermogan.benchmark.overview import Line, as_csv, as_json, as_markdown, of_protocol
from dermogan.benchmark.published import PUBLISHED, Score
from dermogan.classical import NAMES
from dermogan.cli import main
from dermogan.errors import DermoganError
from dermogan.model import save_model
from dermogan.networks import product
from dermogan.recipe import recipe_files


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(cards, "SHIPPED", tmp_path / "shipped")
    monkeypatch.delenv("DERMOGAN_MODELS", raising=False)
    small = replace(worlds.WORLDS["oct"], sets=("frame.shape=[64, 64]",), count=1)
    monkeypatch.setitem(worlds.WORLDS, "oct", small)
    monkeypatch.setattr(sets, "SIZES", (64,))
    sample = volumes.sample
    few = ["frame.shape=[16, 32, 32]", "frame.margin_um=4"]
    monkeypatch.setattr(volumes, "sample", lambda index: sample(index, few))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(3)
    home, made = tmp_path_factory.mktemp("models"), {}
    outputs = {"supervised": "membrane", "oct-unet": "classes", "vox2vox": "volume"}
    for name, output in outputs.items():
        recipe = tiny(name)
        card = {"output": output, "diameter_px": 20.0, "recipe": name, "trainer_cpu_s": 12.0}
        made[name] = home / f"{name}.safetensors"
        save_model(made[name], product(recipe.system), recipe, card)
    return made


def results(home: Path) -> Path:
    """Write what a protocol of two folds leaves."""
    rows = [
        {
            "fold": fold,
            "scenario": scenario,
            "f1": list(np.linspace(f1, f1 - 0.45, 10)),
            "dice": 0.9,
            "train_cpu_s": 10.0 * fold,
            "cpu_s_per_image": 0.5,
        }
        for fold, f1 in ((1, 0.8), (2, 0.6))
        for scenario in ("cgan-few", "conventional-few")
    ]
    home.mkdir()
    path = home / "protocol.json"
    path.write_text(json.dumps({"results": rows}))
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(main, ["benchmark", *map(str, args)], prog_name="dermogan")


def test_every_model_goes_to_the_set_of_its_kind(models: dict[str, Path], tmp_path: Path) -> None:
    out, protocol = tmp_path / "out", results(tmp_path / "nuclei")
    ball = (np.square(np.indices((16, 16, 16)) - 8).sum(axis=0) < 25).astype(np.uint8)
    for folder, volume in (("images", 20 + 100 * ball), ("masks", ball)):
        (tmp_path / "stacks" / folder).mkdir(parents=True)
        np.save(tmp_path / "stacks" / folder / "a.npy", volume)
    words: list[Any] = ["--world", "all", "--first", 1, "--quiet", "--method", "otsu"]
    words += [word for name, path in models.items() for word in ("--model", f"my-{name}={path}")]
    words += ["--volumes", tmp_path / "stacks", "--voxel-um", "1"]
    done = run(*words, "--method", "models", "--protocol", protocol, "-o", out)
    assert done.exit_code == 0, done.output
    lines = json.loads((out / "table.json").read_text())
    by = {line["method"]: line for line in lines if line["scored_on"] != "stacks"}
    own = [line for line in lines if line["scored_on"] == "stacks"]
    assert {line["method"] for line in own} == {"my-vox2vox", "multi-otsu"}
    assert [len(score[1]) for score in own[0]["scores"]] == [1, 1]  # of nuclei alone
    assert by["my-supervised"]["scored_on"] == "rcm-benchmark"
    assert by["my-oct-unet"]["scored_on"].startswith("oct: glass")
    assert by["my-vox2vox"]["scored_on"] == volumes.PRESET.stem
    assert by["cGAN-Seg on few"]["scored_on"] == "nuclei, 2 folds"
    assert {"otsu", "multi-otsu"} <= by.keys()
    # figures stand by what a model is, and not by what it is called
    assert by["my-vox2vox"]["published"][0][1] == [0.795, 0.599]
    assert by["my-oct-unet"]["published"][0][1] == [100, 96, 90, 91, 88]
    assert by["my-supervised"]["published"] == by["otsu"]["published"] == []
    assert by["my-supervised"]["trained_s"] == by["my-vox2vox"]["trained_s"] == 12.0
    assert by["otsu"]["trained_s"] is None
    for name in ("cells", "volumes", "oct"):  # each by itself, as without --world all
        assert (out / name / "benchmark.md").is_file()
    alone = json.loads((out / "oct" / "benchmark.json").read_text())["models"][0]
    measured = np.array(by["my-oct-unet"]["scores"][0][1], float)
    np.testing.assert_allclose(measured, 100 * np.array(alone["sensitivity"], float), atol=1e-3)
    assert "NaN" not in (out / "oct" / "benchmark.json").read_text()
    assert not (out / "mosaic").exists()
    assert (out / "table.md").read_text() in done.output
    again = run(*words, "-o", out)
    assert again.exit_code == 2
    assert "exists already" in again.output
    shutil.rmtree(out / "cells")
    for path in out.glob("table.*"):
        path.unlink()
    assert "oct/benchmark.json: exists already" in run(*words, "-o", out).output


def test_without_models_of_cells_other_methods_stand_alone(
    models: dict[str, Path], tmp_path: Path
) -> None:
    words = ["--world", "all", "--first", 1, "--quiet", "--model", models["oct-unet"]]
    done = run(*words, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    found = {line["method"] for line in json.loads((tmp_path / "out/table.json").read_text())}
    assert found == {*NAMES, "fiap", "stardist-gabor", "cellpose", "dermogan-cellpose", "oct-unet"}


def test_what_cannot_be_used_is_refused_before_any_work(
    models: dict[str, Path], tmp_path: Path
) -> None:
    def refused(needle: str, *words: object) -> None:
        done = run("--world", "all", *words, "-o", tmp_path / "out")
        assert (done.exit_code, needle in done.output) == (2, True), done.output
        assert not (tmp_path / "out").exists()

    volumes_of, maps_of = models["vox2vox"], models["oct-unet"]
    for folder in ("images", "masks"):
        (tmp_path / "s" / folder).mkdir(parents=True)
        for name, depth in (("a", 8), ("b", 8 + (folder == "masks"))):
            np.save(tmp_path / "s" / folder / f"{name}.npy", np.ones((depth, 16, 16), np.uint8))
    stacks = ["--volumes", tmp_path / "s", "--voxel-um", "1"]
    refused("two models are named x", "--model", f"x={maps_of}", "--model", f"x={maps_of}")
    refused(
        "a row is named 'x' already", "--model", f"x={volumes_of}", "--model", f"x={volumes_of}"
    )
    refused("a row is named 'multi-otsu'", "--model", f"multi-otsu={volumes_of}")
    refused("make them equal", "--model", volumes_of, *stacks)
    refused("s: two sets of volumes have this name", "--model", volumes_of, *stacks, *stacks)
    refused("--voxel-um 1: goes with folders", "--model", volumes_of, "--voxel-um", "1")


def test_named_models_stay_out_where_others_are_given(
    models: dict[str, Path], tmp_path: Path
) -> None:
    cards.SHIPPED.mkdir()
    (cards.SHIPPED / "named.safetensors").write_bytes(models["supervised"].read_bytes())
    (cards.SHIPPED / "torn.safetensors").write_bytes(b"x" * 99)
    words = ["--world", "all", "--first", 1, "--quiet", "--method", "otsu", "--method", "models"]
    done = run(*words, "--model", models["oct-unet"], "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    found = {line["method"] for line in json.loads((tmp_path / "out/table.json").read_text())}
    assert found == {"otsu", "oct-unet"}
    assert overview.divided([]) == {"cells": [], "oct": [], "mosaic": [], "volumes": []}


def test_what_is_not_known_is_left_open() -> None:
    lines = [Line("ours", "skin", (Score("F1", (float("nan"), 0.5)),))]
    assert "F1: – / 0.500" in as_markdown(lines)
    assert json.loads(as_json(lines))[0]["scores"][0][1] == [None, 0.5]
    (row,) = csv.DictReader(io.StringIO(as_csv(lines)))
    assert row["values"] == " 0.5"


def test_folders_of_volumes_need_a_model(models: dict[str, Path], tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", np.ones((8, 16, 16), np.uint8))
    words = ["--world", "all", "--model", models["oct-unet"], "--volumes", tmp_path]
    done = run(*words, "--voxel-um", "1", "-o", tmp_path / "out")
    assert (done.exit_code, "no --model shows volumes" in done.output) == (2, True)
    done = run("--world", "all", "--no-simulated", "-o", tmp_path / "out")
    assert (done.exit_code, "goes with --world cells" in done.output) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_protocol_by_hand(tmp_path: Path) -> None:
    cgan, plain = of_protocol(f"mine={results(tmp_path / 'x')}")
    assert (cgan.method, cgan.scored_on) == ("cGAN-Seg on few", "mine, 2 folds")
    assert cgan.scores[0].values == pytest.approx((0.7,))
    assert cgan.scores[0].spread == pytest.approx(0.1 * 2**0.5)
    assert cgan.scores[1].values == pytest.approx((0.5,))  # four of nine steps to .45 less
    assert (cgan.trained_s, cgan.image_s) == (15.0, 0.5)
    assert cgan.published == PUBLISHED["cgan-seg"]
    assert plain.published == ()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"results": []}',
        '{"results": [{"scenario": "x"}]}',
        '{"results": [{"scenario": 1}]}',
        None,
    ],
)
def test_other_files_are_no_protocols(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "protocol.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DermoganError, match=r"^--protocol .*protocol\.json: "):
        of_protocol(str(path))
    done = run("--world", "all", "--protocol", path, "-o", tmp_path / "out")
    assert done.exit_code == 2
    for option in ("--volumes", "--voxel-um"):
        alone = run(option, path, "-o", tmp_path / "out")
        assert (alone.exit_code, f"{option}: goes with --world all" in alone.output) == (2, True)
    assert not (tmp_path / "out").exists()
    alone = run("--protocol", path, "-o", tmp_path / "out")
    assert (alone.exit_code, "goes with --world all" in alone.output) == (2, True)


def test_the_table_by_hand() -> None:
    f1 = Score("F1", (0.69,), digits=2)
    lines = [
        Line("ours", "skin", (Score("F1", (0.5,), 0.01), Score("Dice", (0.25, 1.0), digits=1)),
             (f1,), 12.3, 0.456),
        Line("theirs", "skin", (), note="missing: weights"),
        Line("ours", "cornea", (f1,), (f1,), 12.3, 9.0, simulated=False),
    ]  # fmt: skip
    assert as_markdown(lines).splitlines()[2:] == [
        "| ours | *skin* F1: 0.500 ± 0.010; Dice: 0.2 / 1.0 | *cornea* F1: 0.69 | F1: 0.69 "
        "| 12 | 0.46 |",
        "| theirs | *skin* missing: weights | – | – | – | – |",
    ]
    lines = lines[:2]
    rows = list(csv.DictReader(io.StringIO(as_csv(lines))))
    assert [row["source"] for row in rows] == [
        "measured",
        "measured",
        "published",
        "missing: weights",
    ]
    assert rows[1]["values"] == "0.25 1"
    assert rows[0]["train_cpu_s"] == "12.3"


def test_published_figures_belong_to_systems_that_are_here() -> None:
    known = {
        *(path.stem for path in recipe_files()),
        "stardist-gabor",
        "fiap",
        "cellpose",
        "dermogan-cellpose",
        "dermogan + StarDist",
    }
    assert known >= PUBLISHED.keys()


def test_models_of_classes_that_no_set_has(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = replace(worlds.WORLDS["oct"], classes=("a", "b"))
    monkeypatch.setitem(worlds.WORLDS, "oct", other)
    with pytest.raises(DermoganError, match=r"names glass, .*; no set has these classes"):
        overview.divided([str(models["oct-unet"])])
    done = run("--world", "all", "--model", models["oct-unet"], "-o", tmp_path / "out")
    assert done.exit_code == 2
