"""Kills, full disks and bad data: a clear line, and nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from click.testing import CliRunner, Result
from tiny import alike, rows, state, tiny

import simcell
from dermogan.cli import main
from dermogan.errors import DermoganError
from dermogan.model import load_model
from dermogan.recipe import Recipe
from dermogan.report import Log
from dermogan.trainer import train

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")


def command(recipe: Recipe, out: Path, *words: str) -> Result:
    file = out.with_suffix(".yaml")
    file.write_text(recipe.text)
    args = ["train", "--recipe", str(file), "-o", str(out), "--no-tensorboard", *words]
    return CliRunner().invoke(main, args, prog_name="dermogan")


def dataset(path: Path, *sets: str) -> str:
    preset = simcell.load_preset("rcm-sg").with_set(["frame.shape=[48, 48]", *sets])
    simcell.generate(preset, 4, path, seed=1, workers=1, progress=False)
    return f"{{kind: dataset, path: {path}}}"


def same_run(one: Path, other: Path) -> None:
    """Compare all that two runs leave, bit for bit."""
    alike(state(one), state(other))
    assert rows(one) == rows(other)
    alike(*(dict(load_model(run).network.state_dict()) for run in (one, other)))
    pictures = [
        {p.name: p.read_bytes() for p in (run / "pictures").iterdir()} for run in (one, other)
    ]
    assert pictures[0] == pictures[1]


# Kills

# One process that has everything at hand forks the ones that are killed: by themselves,
# without warning, at a chosen moment of writing a chosen file.
KILLS = """
import os, signal, sys
from pathlib import Path
from lightning_fabric import Fabric
from dermogan import checkpoint, files, model, run as loop, trainer
from dermogan.recipe import Recipe

recipe, out = Recipe.from_text(Path(sys.argv[1]).read_text()), Path(sys.argv[2])


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(name, moment, turn):
    real_write, real_sync, real_replace = files.write_whole, os.fsync, Path.replace
    turns = 0

    def write(path, content):
        nonlocal turns
        turns += path.name == name
        armed = path.name == name and turns == turn

        def sync(handle):
            if armed and moment == "half written":
                os.ftruncate(handle, len(content) // 2)
                die()
            real_sync(handle)
            if armed and moment == "not renamed":
                die()

        def replace(part, whole):
            done = real_replace(part, whole)
            if armed:
                die()
            return done

        os.fsync, Path.replace = sync, replace
        real_write(path, content)
        os.fsync, Path.replace = real_sync, real_replace

    checkpoint.write_whole = model.write_whole = write


def run(name=None, moment=None, turn=0):
    child = os.fork()
    if child == 0:
        if name:
            kill_at(name, moment, turn)
        resume = (out / "recipe.yaml").exists()
        trainer.train(recipe, out, resume=resume, quiet=True, tensorboard=False)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


if __name__ == "__main__":
    # Warm for all children; nothing goes backwards here, which torch does not do after a fork.
    warm = loop.Run(Fabric(accelerator="cpu"), recipe, out, 0)
    warm.data.batch(0)
    warm._calibrate()
    warm.state()
    warm.optimisers["makers"].step()
    loop.Data, loop.Validator = lambda *_: warm.data, lambda *_: warm.validator
    moments = [("half written", 2), ("not renamed", 2), ("renamed", 1)]
    ends = [run("checkpoint.pt", *moments[k % 3]) for k in range(10)]
    ends += [run("model.safetensors", moment, 1) for moment in ("half written", "renamed")]
    ends += [run("checkpoint.pt", *moments[k % 3]) for k in range(10)]
    print(*ends, run(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kills_while_writing_change_nothing(tmp_path: Path) -> None:
    """Twenty kills inside checkpoints and two inside a model; then all is as if there were none."""
    every = ["budget.checkpoint_every=1", "budget.validate_every=11", "budget.picture_every=11"]
    recipe = tiny("cyclegan-image", "budget.steps=22", *every)
    (tmp_path / "recipe.yaml").write_text(recipe.text)
    (tmp_path / "kills.py").write_text(KILLS)
    out = tmp_path / "killed"
    done = subprocess.run(
        [sys.executable, "kills.py", "recipe.yaml", str(out)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert [int(end) for end in done.stdout.split()] == [9] * 22 + [0]
    assert state(out)["step"] == 22
    train(recipe, tmp_path / "whole", quiet=True, tensorboard=False)
    same_run(tmp_path / "whole", out)


# Full disks


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["checkpoint.pt", "model.safetensors", "validation.png"])
def test_a_full_disk_costs_nothing_that_was_there(tmp_path: Path, name: str) -> None:
    """The system itself refuses to write: the unfinished file is a device without room."""
    recipe, out, whole = tiny("supervised"), tmp_path / "run", tmp_path / "whole"
    train(recipe.with_set(["budget.steps=2"]), out, quiet=True, tensorboard=False)
    content = state(out)
    content["best"]["score"] = -1.0  # so that the next model is a better one
    torch.save(content, out / "checkpoint.pt")
    shutil.copytree(out, whole)
    assert command(recipe, whole, "--resume", "--quiet").exit_code == 0
    kept = {f: (out / f).read_bytes() for f in ("checkpoint.pt", "model.safetensors")}
    place = out / "pictures" if name.endswith("png") else out
    part = place / f".{name}.part"
    part.symlink_to(FULL)
    result = command(recipe, out, "--resume", "--quiet")
    assert result.exit_code == 2, result.output
    assert result.stderr == (
        f"dermogan: {place / name}: No space left on device; "
        "free some space and run it again with --resume\n"
    )
    assert not part.is_symlink()
    now = {f: (out / f).read_bytes() for f in kept}
    assert now["checkpoint.pt"] == kept["checkpoint.pt"]
    assert (now == kept) == (name == "model.safetensors")  # else a better one was written before
    assert command(recipe, out, "--resume", "--quiet").exit_code == 0
    same_run(whole, out)


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_with_the_name_of_the_log(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.csv", 0)
    log.row(1, {"dice": 0.5}, None)
    (tmp_path / "log.csv").unlink()
    (tmp_path / "log.csv").symlink_to(FULL)
    with pytest.raises(OSError, match="No space left") as error:
        log.row(2, {"dice": 0.5}, None)
    assert error.value.filename == str(tmp_path / "log.csv")


# Bad images and data


@pytest.fixture
def fifty(tmp_path: Path) -> Path:
    """Fifty images, one of them cut off, one smaller than a patch."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(50):
        side = 24 if number == 31 else 64
        image = rng.integers(0, 2**16, (side, side)).astype(np.uint16)
        tifffile.imwrite(folder / f"{number:02}.tif", image)
    cut = folder / "17.tif"
    cut.write_bytes(cut.read_bytes()[:5000])
    return folder


def test_bad_images_among_fifty(tmp_path: Path, fifty: Path) -> None:
    domain = f"data.images={{kind: folder, path: {fifty}}}"
    recipe = tiny("cyclegan-image", "budget.steps=1").with_set([domain])
    out = tmp_path / "run"
    result = command(recipe, out)
    assert result.exit_code == 2
    assert f"{fifty / '17.tif'}: cannot be read" in result.stderr
    assert "set bad: skip" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not out.exists()
    result = command(recipe.with_set(["data.images.bad=skip"]), out)
    assert result.exit_code == 0, result.output
    skipped = [line for line in result.stderr.splitlines() if line.startswith("skipped")]
    assert len(skipped) == 2
    assert f"{fifty / '17.tif'}: cannot be read" in skipped[0]
    assert f"{fifty / '31.tif'}: 24 x 24 px, smaller than patches of" in skipped[1]


def test_a_recipe_that_cannot_run_replaces_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(tiny("supervised", "budget.steps=2"), out, quiet=True, tensorboard=False)
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    domain = f"data.images={{kind: folder, path: {tmp_path / 'no-such-folder'}}}"
    result = command(tiny("cyclegan-image").with_set([domain]), out, "--overwrite")
    assert result.exit_code == 2
    assert "no such folder" in result.stderr
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before


def test_a_dataset_of_empty_masks(tmp_path: Path) -> None:
    empty = dataset(tmp_path / "empty.zarr", "points.density=0.001")
    assert not simcell.open_dataset(tmp_path / "empty.zarr").counts.any()
    recipe = tiny("supervised", f"data.pairs={empty}")
    with pytest.raises(DermoganError, match=r"empty.zarr: none of 4 samples holds a cell"):
        train(recipe, tmp_path / "run", quiet=True)
    alone = tiny(
        "supervised", "validation.source.set=['frame.shape=[48, 48]', 'points.density=0.001']"
    )
    with pytest.raises(DermoganError, match="validation: none of 2 samples holds a cell"):
        train(alone, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_some_empty_masks_are_learnt_from(tmp_path: Path) -> None:
    some = dataset(tmp_path / "some.zarr", "points.density=600")
    counts = simcell.open_dataset(tmp_path / "some.zarr").counts
    assert counts.any()
    assert not counts.all()
    recipe = tiny("supervised", f"data.pairs={some}", "data.batch=8")
    train(recipe, tmp_path / "run", quiet=True, tensorboard=False)
    losses = np.array([[float(v) for v in row[1:3]] for row in rows(tmp_path / "run")[1:]])
    assert np.isfinite(losses).all()
