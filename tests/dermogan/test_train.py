"""Training: bit-exact resume, atomic files, what stops a run, several devices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from tiny import MAPS, NAMES, alike, rows, state, tiny

import dermogan
from dermogan import run as loop
from dermogan.checkpoint import load_checkpoint
from dermogan.cli import main
from dermogan.data import Data
from dermogan.errors import DermoganError
from dermogan.files import write_whole
from dermogan.model import load_model, read_model
from dermogan.recipe import Recipe
from dermogan.systems import Patches
from dermogan.trainer import Summary, train
from dermogan.validate import Validator, membrane_f1

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", [*NAMES, *MAPS])
def test_every_system_trains_and_resumes_bit_for_bit(name: str, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    summary = train(tiny(name), whole, seed=3, quiet=True)
    assert isinstance(summary, Summary)
    assert 0 <= summary.score <= 1
    assert 0 < summary.wait_share < 1
    assert 0 < summary.start_s < summary.seconds

    class _PowerCut(Exception):
        pass

    original = loop.save_checkpoint

    def cut(path: Path, content: dict[str, Any]) -> None:
        original(path, content)
        if content["step"] == 2:
            raise _PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", cut)
        with pytest.raises(_PowerCut):
            train(tiny(name), parts, seed=3, quiet=True)
    assert state(parts)["step"] == 2
    with (parts / "log.csv").open("a") as file:
        file.write("3,0.1,0.2,\n")  # of a step that the checkpoint does not hold
    train(tiny(name), parts, seed=3, resume=True, quiet=True)

    alike(state(whole), state(parts))
    assert rows(whole) == rows(parts)
    assert [row[0] for row in rows(whole)] == ["step", "1", "2", "3", "4"]
    one, other = load_model(whole), load_model(parts)
    alike(dict(one.network.state_dict()), dict(other.network.state_dict()))
    with Image.open(whole / "pictures" / "step-0000003.png") as picture:
        assert picture.size == (
            2 * 34,
            34 * (2 if name in ("supervised", *MAPS) else picture.height // 34),
        )
    assert one.card["score"] == summary.score
    if name in MAPS:
        assert (one.card["output"], one.card["diameter_px"]) == ("classes", None)
        return
    assert one.card["output"] == ("filled" if name == "dermogan2" else "membrane")
    assert 10 < one.card["diameter_px"] < 70


def test_other_seeds_and_other_learning(tmp_path: Path) -> None:
    train(tiny("supervised"), tmp_path / "a", seed=1, quiet=True)
    train(tiny("supervised"), tmp_path / "b", seed=2, quiet=True)
    one, other = state(tmp_path / "a"), state(tmp_path / "b")
    assert not torch.equal(
        one["system"]["network.last.weight"], other["system"]["network.last.weight"]
    )


def test_it_learns(tmp_path: Path) -> None:
    """A hundred tiny steps bring the loss well below its beginning."""
    sets = ["budget.steps=100", "budget.validate_every=50", "data.batch=4", "optimiser.rate=0.02"]
    recipe = tiny("supervised", *sets)
    train(recipe, tmp_path / "run", quiet=True)
    losses = np.array([[float(v) for v in row[1:3]] for row in rows(tmp_path / "run")[1:]])
    assert losses[-10:].mean() < 0.7 * losses[:5].mean()


COMMAND = [sys.executable, "-c", "from dermogan.cli import main; main(prog_name='dermogan')"]


@pytest.mark.parametrize(("keep", "kept"), [("best", 2), ("last", 6)])
def test_the_model_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, kept: int
) -> None:
    """Scores of 1/2, 1/4 and 1/6 after 2, 4 and 6 steps."""
    recipe = tiny("supervised", "budget.steps=6", "budget.validate_every=2")
    recipe = recipe.with_set([f"validation.keep={keep}"])
    validate = Validator.__call__
    calls = iter((2, 4, 6))
    monkeypatch.setattr(
        Validator,
        "__call__",
        lambda self, *given: replace(validate(self, *given), score=1 / next(calls)),
    )
    summary = train(recipe, tmp_path / "run", quiet=True)
    assert (summary.best_step, summary.score) == (kept, pytest.approx(1 / kept))
    assert read_model(summary.path)[2]["step"] == kept


def test_kill_and_resume(tmp_path: Path) -> None:
    """kill -9 at whatever moment, several times: the end is as if nothing had happened."""
    recipe = tiny("dermogan", "budget.steps=10", "budget.checkpoint_every=1", "data.workers=1")
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = tmp_path / "killed"
    command = [*COMMAND, "train", "--recipe", str(file), "-o", str(out), "--quiet"]
    killed = 0
    for step in (2, 6):
        resume = ["--resume"] if out.exists() else []
        process = subprocess.Popen([*command, *resume], env=environment, start_new_session=True)
        give_up = time.monotonic() + 240
        while process.poll() is None and time.monotonic() < give_up:
            log = out / "log.csv"
            if log.exists() and len(log.read_text().splitlines()) > step:
                time.sleep(0.01 * killed)
                os.killpg(process.pid, signal.SIGKILL)
                killed += 1
                break
            time.sleep(0.01)
        process.wait(60)
    assert killed == 2
    subprocess.run([*command, "--resume"], env=environment, check=True, timeout=300)
    train(recipe, tmp_path / "whole", quiet=True)
    alike(state(tmp_path / "whole"), state(out))
    assert rows(tmp_path / "whole") == rows(out)


def test_half_precision_goes_the_same_way(tmp_path: Path) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    recipe = tiny("dermogan", "system.network.norm=instance", "system.warm_steps=0")
    train(recipe, whole, quiet=True)
    train(recipe, half, quiet=True, precision="bf16-mixed")
    one, other = (np.array([float(v) for v in rows(f)[1][1:-1]]) for f in (whole, half))
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(one, other, rtol=0.05)


def test_a_longer_budget_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(tiny("supervised"), out, quiet=True)
    longer = tiny("supervised", "budget.steps=6", "data.workers=1")
    assert train(longer, out, resume=True, quiet=True).steps == 6
    assert len(rows(out)) == 7
    assert Recipe.from_text((out / "recipe.yaml").read_text()) == longer


# What stops a run


def test_folders_are_not_overwritten(tmp_path: Path) -> None:
    recipe, out = tiny("supervised", "budget.steps=2"), tmp_path / "run"
    with pytest.raises(DermoganError, match="no run to resume"):
        train(recipe, out, resume=True, quiet=True)
    train(recipe, out, quiet=True)
    with pytest.raises(DermoganError, match="exists; add --resume or --overwrite"):
        train(recipe, out, quiet=True)
    before = (out / "checkpoint.pt").stat().st_mtime_ns
    train(recipe, out, overwrite=True, quiet=True)
    assert (out / "checkpoint.pt").stat().st_mtime_ns > before
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(DermoganError, match="is not the folder of a run"):
        train(recipe, mine, overwrite=True, quiet=True)
    assert (mine / "thesis.txt").exists()


def test_checkpoints_of_something_else(tmp_path: Path) -> None:
    recipe, out = tiny("supervised", "budget.steps=2"), tmp_path / "run"
    train(recipe, out, quiet=True)
    other = recipe.with_set(["optimiser.rate=0.01"])
    with pytest.raises(
        DermoganError, match=r"another recipe, optimiser.rate is \S+ in it, not 0.01"
    ):
        train(other, out, resume=True, quiet=True)
    other = tiny("dermogan", "budget.steps=2")
    with pytest.raises(DermoganError, match=r'system.kind is "supervised" in it, not "dermogan"'):
        train(other, out, resume=True, quiet=True)
    assert Recipe.from_text((out / "recipe.yaml").read_text()) == recipe
    with pytest.raises(DermoganError, match="--seed 0, not 1"):
        train(recipe, out, seed=1, resume=True, quiet=True)
    file = out / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DermoganError, match="damaged"):
        load_checkpoint(file, recipe, 0)


def test_another_machine_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, out = tiny("supervised", "budget.steps=2"), tmp_path / "run"
    train(recipe, out, quiet=True)
    more = recipe.with_set(["budget.steps=3"])
    train(more, out, resume=True)
    assert "bit for bit" not in capsys.readouterr().err
    content = state(out)
    content["versions"]["torch"] = "2.0.0"
    content["machine"]["threads"] = "3"
    del content["machine"]["device"]  # not recorded: nothing is said of it
    torch.save(content, out / "checkpoint.pt")
    train(more.with_set(["budget.steps=4"]), out, resume=True)
    [line] = [line for line in capsys.readouterr().err.splitlines() if "bit for bit" in line]
    assert line == (
        "the run goes on, but not bit for bit as it would have: "
        f"torch was 2.0.0, is {torch.__version__}; threads was 3, is 1"
    )
    assert state(out)["step"] == 4


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "checkpoint.pt"
    write_whole(file, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, b"new")
    assert file.read_bytes() == b"old"
    assert [f.name for f in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    recipe = tiny("supervised", "optimiser.rate=1", "budget.steps=200")
    real = Data.batch

    def broken(self: Data, step: int, rank: int = 0, ranks: int = 1) -> Any:
        batch = real(self, step, rank, ranks)
        if step == 3:
            batch.pair_images[0] = np.nan
        return batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Data, "batch", broken)
        with pytest.raises(DermoganError, match=r"step 4: the loss dice is not finite"):
            train(recipe, tmp_path / "run", quiet=True)
    assert state(tmp_path / "run")["step"] == 2


def test_the_same_output_for_all_inputs_stops_the_run(tmp_path: Path) -> None:
    recipe = tiny("supervised")
    with pytest.MonkeyPatch.context() as patch:
        same = np.full((48, 48), 0.25, np.float32)
        patch.setattr("dermogan.validate.probabilities", lambda *_: same)
        with pytest.raises(DermoganError, match="mode collapse: the network gives the same"):
            train(recipe, tmp_path / "run", quiet=True)


def test_errors_reach_the_user_as_one_line(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(tiny("supervised", "data.patch_px=64").text)
    result = CliRunner().invoke(
        main, ["train", "--recipe", str(file), "-o", str(tmp_path / "out")], prog_name="dermogan"
    )
    assert result.exit_code == 2
    assert "smaller than patches" in result.output
    assert len(result.output.splitlines()) == 1


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(tiny("supervised").text)
    args = ["train", "--recipe", str(file), "-o", str(tmp_path / "out"), "--steps", "2"]
    result = CliRunner().invoke(main, args, prog_name="dermogan")
    assert result.exit_code == 0, result.output
    assert "step 2: membrane_f1" in result.output
    assert "at step 2 of 2" in result.output
    assert json.dumps(dermogan.load_model(tmp_path / "out").card)


def test_images_of_ones_own_are_one_option(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(photos / "a.png")
    file = tmp_path / "recipe.yaml"
    file.write_text(tiny("dermogan").text)

    def command(recipe: str, folder: str) -> Any:
        args = ["train", "--recipe", recipe, "--images", str(tmp_path / folder), "--steps", "2"]
        return CliRunner().invoke(main, [*args, "-o", str(tmp_path / "out")], prog_name="dermogan")

    result = command(str(file), "photos")
    assert result.exit_code == 0, result.output
    source = dermogan.load_model(tmp_path / "out").recipe.data.images
    assert source is not None
    assert (source.kind, source.path) == ("folder", str(photos))  # type: ignore[union-attr]
    result = command("supervised", "photos")
    assert result.exit_code == 2
    assert "learns from simulated pairs alone; try --recipe dermogan" in result.output


# Several devices


def _gradients(fabric: Any, recipe: Recipe, folder: str) -> None:
    torch.set_num_threads(1)
    run = loop.Run(fabric, recipe, Path(folder), 0)
    batch = run.data.batch(0, fabric.global_rank, fabric.world_size)
    run.update(Patches.of(batch, fabric.device))
    grads = {name: p.grad for name, p in run.system.named_parameters() if p.grad is not None}
    torch.save(grads, Path(folder) / f"{fabric.world_size}-{fabric.global_rank}.pt")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("warm", [0, 1])  # two cycle-GANs, or the first steps with batch norm
def test_two_devices_have_the_gradients_of_one(tmp_path: Path, warm: int) -> None:
    from lightning_fabric import Fabric

    norm = "batch" if warm else "instance"
    recipe = tiny(
        "dermogan",
        f"system.network={{kind: unet, base: 2, depth: 2, norm: {norm}}}",
        f"system.warm_steps={warm}",
        "data.batch=4",
        "data.pairs_batch=4",
        "system.pool=8",  # which 4 do not fill
    )
    Fabric(accelerator="cpu", devices=1).launch(_gradients, recipe, str(tmp_path))
    Fabric(accelerator="cpu", devices=2, strategy="ddp_spawn").launch(
        _gradients, recipe, str(tmp_path)
    )
    one, two, too = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    assert len(one) > (50 if warm else 100)
    for name, gradient in one.items():
        assert torch.equal(two[name], too[name]), name
        scale = gradient.abs().max() + 1e-6
        assert (gradient - two[name]).abs().max() < 1e-3 * scale, name


def test_a_batch_that_devices_cannot_share(tmp_path: Path) -> None:
    with pytest.raises(DermoganError, match="must be a multiple of --devices = 3"):
        train(tiny("supervised"), tmp_path / "run", devices=3, quiet=True)


# Scores


def test_membrane_f1_by_hand() -> None:
    wanted = np.zeros((9, 9), bool)
    wanted[4] = True
    made = np.zeros_like(wanted)
    made[5, :6] = True
    made[8, :3] = True
    # within one pixel: 6 of 9 made are right; of 9 wanted, 6 are found
    assert membrane_f1(made, wanted, 1) == pytest.approx(2 / 3)
    assert membrane_f1(made, wanted, 0) == 0
    assert membrane_f1(wanted, wanted, 0) == 1
    assert membrane_f1(made & False, wanted, 1) == 0
    assert membrane_f1(made & False, wanted & False, 1) == 1
