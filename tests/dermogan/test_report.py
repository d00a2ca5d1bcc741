"""What a run leaves to look at: the table, and the log for TensorBoard."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tiny import tiny

from dermogan import run as loop
from dermogan.cli import main
from dermogan.report import Log, panel, png
from dermogan.trainer import train


def test_rows_that_a_run_was_cut_off_in_are_dropped(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    log = Log(file, 0)
    for step in range(1, 13):
        log.row(step, {"dice": 1 / step}, 0.5 if step == 4 else None)
    whole = file.read_text().splitlines()
    with file.open("a") as end:
        end.write("1")  # of 13
    Log(file, 10).row(11, {"dice": 0.125}, None)
    assert file.read_text().splitlines() == [*whole[:11], "11,0.125,"]


def test_panels_show_every_picture_in_its_range() -> None:
    prior, image = np.eye(4, dtype=np.float32), np.linspace(-1, 1, 16, dtype=np.float32)
    drawn = panel([[prior, prior], [image.reshape(4, 4), 2 * image.reshape(4, 4)]])
    assert drawn.shape == (12, 12)
    assert drawn[1:5, 1:5].tolist() == (255 * np.eye(4)).tolist()
    assert (drawn[7:11, 1:5] == drawn[7:11, 7:11]).all()
    assert drawn[[7, 10], [1, 4]].tolist() == [0, 255]
    assert png(drawn)[:4] == b"\x89PNG"


# TensorBoard


class _Cut(Exception):
    pass


def _cut_at(step: int, patch: pytest.MonkeyPatch) -> None:
    """Stop a run before the checkpoint of a step: its log is ahead of its checkpoint."""
    original = loop.save_checkpoint

    def save(path: Path, content: dict[str, Any]) -> None:
        if content["step"] == step:
            raise _Cut
        original(path, content)

    patch.setattr(loop, "save_checkpoint", save)


def _values(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), {"scalars": 0, "images": 0}).Reload()
    assert sorted(found.Tags()["images"]) == ["training", "validation"]
    assert [each.step for each in found.Images("training")] == [3, 4]
    assert [each.step for each in found.Images("validation")] == [4]
    drawn = found.Images("validation")[0]
    with Image.open(folder.parent / "pictures" / "validation.png") as picture:
        assert (drawn.width, drawn.height) == picture.size
    return {
        tag: [(each.step, each.value) for each in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def test_a_resumed_run_goes_on_in_the_same_board(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    recipe, out = tiny("supervised"), tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        _cut_at(4, patch)
        with pytest.raises(_Cut):
            train(recipe, out, quiet=True)
    # Files of a board are read in the order of the second that they were begun in.
    time.sleep(1.0 - time.time() % 1.0)
    assert train(recipe, out, resume=True, quiet=True, tensorboard=True).steps == 4
    assert len(list((out / "tensorboard").iterdir())) == 2
    lines = [line.split(",") for line in (out / "log.csv").read_text().splitlines()]
    wanted = {
        f"loss/{name}": [
            (int(row[0]), pytest.approx(float(row[at]), rel=1e-5)) for row in lines[1:]
        ]
        for at, name in enumerate(lines[0][1:-1], 1)
    }
    score = pytest.approx(float(lines[-1][-1]), rel=1e-5)
    assert _values(out / "tensorboard") == {**wanted, "validation/score": [(4, score)]}


def test_no_board_unless_there_is_tensorboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    recipe = tiny("supervised", "budget.steps=1")
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.text)
    args = ["train", "--recipe", str(file), "-o", str(tmp_path / "run"), "--quiet"]
    result = CliRunner().invoke(main, [*args, "--tensorboard"], prog_name="dermogan")
    assert result.exit_code == 2
    assert result.stderr == (
        "dermogan: tensorboard is not installed; run: pip install 'simcell[tensorboard]'\n"
    )
    assert not (tmp_path / "run").exists()
    assert CliRunner().invoke(main, args, prog_name="dermogan").exit_code == 0
    assert (tmp_path / "run" / "log.csv").exists()
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_no_board_where_none_is_wanted(tmp_path: Path) -> None:
    train(tiny("supervised", "budget.steps=1"), tmp_path / "run", quiet=True, tensorboard=False)
    assert not (tmp_path / "run" / "tensorboard").exists()
