"""Few annotated images: the folder, conventional augmentations, the protocol."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from few import annotated, small

from dermogan import protocol
from dermogan.cli import main
from dermogan.conventional import _LOOKS, _MOVES, conventional
from dermogan.data import Data
from dermogan.domains import LabelledSource
from dermogan.filters import Normaliser
from dermogan.labelled import Labelled, files_of, filled
from dermogan.model import read_model
from dermogan.recipe import CganSeg, Supervised
from dermogan.trainer import train
from dermogan.validate import Validator
from simcell import SimcellError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return annotated(tmp_path_factory.mktemp("few"), 6)


def said(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


# The folder


def test_a_gap_between_cells_that_touch_and_nowhere_else() -> None:
    labels = np.zeros((9, 12), int)
    labels[2:7, 1:5], labels[2:7, 5:9] = 7, 300
    inside = filled(labels, 1)
    assert (inside[2:7, 1:4] & inside[2:7, 6:9]).all()
    assert not inside[:, 4:6].any()
    assert inside.sum() == 30
    assert filled(labels, 2).sum() == 20
    assert (filled(labels, 0) == (labels > 0)).all()
    full = filled(np.repeat([[1, 1, 2, 2]], 3, 0), 1)  # no background at all
    assert full[0].tolist() == [True, False, False, True]


def test_squares_are_of_one_place_in_image_and_mask(folder: Path) -> None:
    source = LabelledSource(path=str(folder), names=("4", "2"), gap_px=0)
    window = Labelled(source, Normaliser(20.0), 32)
    assert len(window) == 2
    rng = np.random.default_rng(0)
    for number in range(6):
        image, mask = window.cut(rng, number, 32)
        assert image.shape == mask.shape == (32, 32)
        assert set(np.unique(mask)) <= {0, 1}
        if 0 < mask.mean() < 1:
            assert image[mask > 0].mean() > image[mask == 0].mean() + 0.2
    image, mask, sizes = window.held(0)
    assert image.shape == (48, 48)
    assert max(sizes) == pytest.approx(12, abs=0.5)
    with pytest.raises(SimcellError, match="2 images, 3 needed"):
        window.held(2)


def test_a_run_is_validated_on_annotated_images(folder: Path) -> None:
    found = Validator(small(folder))
    assert (found.output, len(found.images)) == ("filled", 2)
    assert 8 < found.diameter_px <= 12.5  # type: ignore[operator]


def test_images_may_be_of_unequal_sizes(tmp_path: Path) -> None:
    folder = annotated(tmp_path, 4, sides=(40, 64))
    train(small(folder, "validation.count=4"), tmp_path / "run", quiet=True)
    assert any((tmp_path / "run" / "pictures").iterdir())


@pytest.mark.parametrize(
    ("source", "needle"),
    [
        ({"path": "nowhere"}, "has no folder images"),
        ({"names": ("9",)}, "9: no image and mask of that name"),
    ],
)
def test_what_is_refused_of_a_folder(folder: Path, source: dict[str, object], needle: str) -> None:
    with pytest.raises(SimcellError, match=needle):
        files_of(LabelledSource.model_validate({"path": str(folder), **source}))


def test_images_that_no_patch_can_be_cut_from(folder: Path) -> None:
    with pytest.raises(SimcellError, match=r"48 x 48 px, smaller than 64 px .*leave it out"):
        Labelled(LabelledSource(path=str(folder)), Normaliser(20.0), 64)


# Augmentation


def test_a_mask_moves_with_its_image() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(40):
        mask = np.zeros((32, 32), np.float32)
        mask[4:20, 8:14] = 1
        image, moved = conventional(2 * mask - 1, mask, rng)
        assert moved is not None
        assert image.shape == moved.shape == (32, 32)
        assert image.dtype == moved.dtype == np.float32
        assert -1 <= image.min() <= image.max() <= 1
        assert np.corrcoef(image.ravel(), moved.ravel())[0, 1] > 0.5
        seen.add(moved.tobytes())
    assert len(seen) > 20


def test_half_of_the_changes_are_made_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for table in (_MOVES, _LOOKS):
        for name in list(table):
            monkeypatch.setitem(table, name, lambda x, _, n=name: (made.append(n), x)[1])
    rng, count, firsts = np.random.default_rng(0), 0, set()
    for _ in range(400):
        made.clear()
        conventional(np.zeros((4, 4), np.float32), None, rng)
        assert len(made) == len(set(made))
        count += len(made)
        firsts.update(made[:1])
    assert count / 400 == pytest.approx(4.5, abs=4 * 1.5 / 20)  # nine, each with 1/2
    assert firsts == {*_MOVES, *_LOOKS}


@pytest.mark.parametrize("name", list(_LOOKS))
def test_looks_change_an_image(name: str) -> None:
    image = np.random.default_rng(0).uniform(-0.5, 0.5, (16, 16)).astype(np.float32)
    changed = _LOOKS[name](image, np.random.default_rng(1))
    assert changed.shape == image.shape
    assert not np.allclose(changed, image)


def test_a_recipe_says_how_many_patches_are_changed(folder: Path) -> None:
    none, all_ = (
        Data(small(folder, f"data.augment.conventional={share}", "data.batch=8"), 1).batch(0)
        for share in (0, 1)
    )
    assert none.pair_images is not None
    assert all_.pair_images is not None
    same = [np.array_equal(a, b) for a, b in zip(none.pair_images, all_.pair_images, strict=True)]
    assert sum(same) <= 1


# The protocol


def plan(folder: Path, **more: int) -> protocol.Plan:
    given = {"folds": 3, "few": 1, "validation": 2, **more}
    return protocol.Plan(folder, small(folder, "budget.steps=1"), **given)


def test_folds_share_nothing_that_they_must_not(folder: Path) -> None:
    folds = plan(folder).split()
    tested = [name for fold in folds for name in fold.test]
    assert sorted(tested) == [str(n) for n in range(6)]
    for fold in folds:
        assert len({*fold.test, *fold.validation, *fold.many}) == 6
        assert set(fold.few) < set(fold.many)
        assert (len(fold.test), len(fold.validation), len(fold.few)) == (2, 2, 1)
    assert folds == plan(folder).split()
    assert folds != plan(folder, seed=1).split()
    with pytest.raises(SimcellError, match="6 images, 2 too few for 3 folds with --few 4"):
        plan(folder, few=4).split()


def test_scenarios_differ_in_nothing_else(folder: Path) -> None:
    asked = plan(folder)
    fold = asked.split()[0]
    ours, few, many = (asked.recipe_of(fold, name) for name in protocol.SCENARIOS)
    assert isinstance(ours.system, CganSeg)
    assert isinstance(few.system, Supervised)
    assert few.system.network == ours.system.network
    assert few.data == ours.data
    assert few.data.pairs.names == fold.few  # type: ignore[union-attr]
    assert many.data.pairs.names == fold.many  # type: ignore[union-attr]
    assert ours.validation == few.validation == many.validation
    assert ours.validation.source.names == fold.validation  # type: ignore[union-attr]
    assert many.model_copy(update={"data": few.data}) == few


def test_the_protocol_from_the_command_line(folder: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "mine.yaml", tmp_path / "out"
    recipe.write_text(small(folder, "budget.steps=1").text)
    command = ["protocol", folder, "-o", out, "--recipe", recipe, "--folds", 2, "--few", 1]
    command += ["--validation", 2, "--quiet", "--scenario", "cgan-few"]
    command += ["--scenario", "conventional-many"]
    began = time.process_time()
    done = said(*command)
    used = time.process_time() - began
    assert done.exit_code == 0, done.output
    with (out / "protocol.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    results = json.loads((out / "protocol.json").read_text())["results"]
    for row, found in zip(rows, results, strict=True):
        per_image = np.array(list(found["images"].values()))
        assert per_image.shape == (3, 11)
        np.testing.assert_allclose(per_image.mean(0)[:10], found["f1"])
        assert float(row["f1_50"]) == pytest.approx(found["f1"][0], abs=1e-6)
    spent = [found["train_cpu_s"] for found in results]
    assert sum(spent) <= used + 0.05 * len(spent)  # each training's own, told to a tenth
    kept = out / "fold-1" / "cgan-few"
    assert len(list((kept / "labels").glob("*.tif"))) == 3
    assert read_model(kept / "model.safetensors")[1].data.pairs is not None
    before = (kept / "model.safetensors").stat().st_mtime_ns
    again = said(*command)
    assert again.output == done.output
    assert (kept / "model.safetensors").stat().st_mtime_ns == before
    other = said(*command, "--seed", 1)
    assert other.exit_code == 2
    assert "was begun with another seed" in other.output


def test_the_gain_by_hand() -> None:
    def row(fold: int, scenario: str, f1: float) -> protocol.Scores:
        return {
            "fold": fold,
            "scenario": scenario,
            "f1": [f1] * 10,
            "dice": 0.9,
            "train_cpu_s": 10.0,
            "cpu_s_per_image": 0.1,
        }

    rows = [row(1, "cgan-few", 0.7), row(1, "conventional-few", 0.6)]
    rows += [row(2, "cgan-few", 0.7), row(2, "conventional-few", 0.8)]
    text = protocol.as_markdown(rows)
    assert "| cGAN-Seg on few | 0.700 | 0.700 | 0.700 ± 0.000 |" in text
    assert "0.000 ± 0.141 F1, above 0 in 1 of 2 folds" in text
    assert "gain" not in protocol.as_markdown(rows[:1])


def test_other_systems_have_no_such_protocol(folder: Path, tmp_path: Path) -> None:
    done = said("protocol", folder, "-o", tmp_path / "out", "--recipe", "supervised", "--folds", 2,
                "--few", 1, "--validation", 2)  # fmt: skip
    assert done.exit_code == 2
    assert "supervised: is of the system supervised, not cgan-seg" in done.output
