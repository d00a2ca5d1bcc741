"""The command line: help, happy paths, exit codes, pictures, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import simcell
from simcell import cli
from simcell.cli import main
from simcell.io.outputs import FORMATS
from simcell.preset import load_preset

COMMANDS = ["generate", "presets", "show", "check", "fit", "compare", "new"]
TINY = ["--set", "frame.shape=[48, 48]", "--set", "frame.margin_um=5"]
GENERATE = ["generate", "--preset", "rcm-sg", *TINY, "-n", "3"]
SIMCELL = [sys.executable, "-c", "from simcell.cli import main; main(prog_name='simcell')"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args, prog_name="simcell")


def good(*args: str) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


def environment() -> dict[str, str]:
    """Let a process find this simcell, wherever it starts."""
    home = str(Path(simcell.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])}


def size(picture: str) -> tuple[int, int]:
    with Image.open(picture) as opened:
        return opened.size


# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_whole_commands(command: str) -> None:
    text = good(command, "--help")
    assert text.startswith(f"Usage: simcell {command}")
    assert f"  simcell {command}" in text.partition("Examples:")[2]
    assert good(command, "-h") == text


def test_help_of_all_names_every_command() -> None:
    text = good("--help")
    for command in COMMANDS:
        assert f"\n  {command} " in text
        assert f"  simcell {command}" in text.partition("Examples:")[2]
    assert set(main.commands) == set(COMMANDS)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys\n"
        "from simcell.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'numpy', 'scipy', 'numba', 'cv2', 'zarr', 'torch', 'tensorflow', 'pydantic'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_version() -> None:
    assert good("--version") == f"simcell, version {simcell.__version__}\n"


def test_the_formats_are_those_that_can_be_written() -> None:
    assert get_args(cli.Format) == FORMATS


# generate


def test_generate_writes_a_dataset_and_a_picture(folder: Path) -> None:
    text = good(*GENERATE, "--seed", "5")
    assert sorted(path.name for path in folder.iterdir()) == ["rcm-sg-preview.png", "rcm-sg.zarr"]
    dataset = simcell.open_dataset("rcm-sg.zarr")
    assert len(dataset) == 3
    preset = load_preset("rcm-sg").with_set(TINY[1::2])
    sample = simcell.simulate(preset.scene(seed=5, index=2), seed=5, index=2)
    assert (dataset[2].image == sample.image).all()
    assert f"output   {folder / 'rcm-sg.zarr'}" in text
    assert "samples  3 (all made in" in text
    assert f"preview  {folder / 'rcm-sg-preview.png'}" in text
    assert size("rcm-sg-preview.png")[0] > 3 * 48


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_has_its_own_default_name(folder: Path, format_: str) -> None:
    good(*GENERATE, "--format", format_, "--no-preview")
    name = "rcm-sg.zarr" if format_ == "zarr" else f"rcm-sg-{format_}"
    assert [path.name for path in folder.iterdir()] == [name]


def test_quiet_says_nothing(folder: Path) -> None:
    result = run(*GENERATE, "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert (folder / "rcm-sg-preview.png").exists()


def test_a_preview_lies_beside_its_output_whatever_the_name() -> None:
    good(*GENERATE, "--out", "deep/er/a.zarr/", "--quiet")
    assert Path("deep/er/a-preview.png").is_file()
    Path("here").mkdir()
    os.chdir("here")
    good(*GENERATE, "--out", ".", "--quiet")
    assert Path("../here-preview.png").is_file()
    assert len(simcell.open_dataset(".")) == 3


def test_a_picture_of_another_run_is_replaced_only_with_its_output(folder: Path) -> None:
    picture = folder / "rcm-sg-preview.png"
    picture.write_bytes(b"mine")
    assert run(*GENERATE).exit_code == 2
    assert picture.read_bytes() == b"mine"
    assert not (folder / "rcm-sg.zarr").exists()
    good(*GENERATE, "--no-preview")
    assert picture.read_bytes() == b"mine"
    good(*GENERATE, "--overwrite")
    assert size(str(picture))[0] > 0


def test_resuming_what_is_complete_makes_nothing() -> None:
    good(*GENERATE, "--no-preview")
    assert "samples  3 (all there before)" in good(*GENERATE, "--resume")


def test_workers_and_overrides_reach_the_run() -> None:
    good(*GENERATE, "--workers", "2", "--out", "two.zarr", "--no-preview")
    good(*GENERATE, "--out", "one.zarr", "--no-preview")
    one, two = simcell.open_dataset("one.zarr"), simcell.open_dataset("two.zarr")
    for a, b in zip(one, two, strict=True):
        assert (a.labels == b.labels).all()
        assert a.scene == b.scene
        assert a.scene.frame.shape == (48, 48)


# presets


def test_presets_lists_explains_and_prints() -> None:
    listing = good("presets")
    assert "rcm-sg" in listing
    assert "simcell presets NAME" in listing
    assert "* points.density" in good("presets", "rcm-sg")
    assert "points.kind=hard_core" in good("presets", "--kinds")
    Path("mine.yaml").write_text(good("presets", "rcm-sg", "--yaml"), "utf-8")
    assert load_preset("mine.yaml") == load_preset("rcm-sg")


def test_the_example_that_a_preset_ends_with_runs() -> None:
    words = good("presets", "rcm-sg").splitlines()[-1].split()
    assert words[:2] == ["simcell", "generate"]
    good(*words[1:], *TINY, "-n", "1", "--no-preview")


# show


def test_show_draws_a_preset_and_a_dataset(folder: Path) -> None:
    assert good("show", "--preset", "rcm-sg", *TINY, "-n", "2") == "sheet.png\n"
    good("show", "--preset", "rcm-sg", *TINY, "-n", "4", "-o", "more.png")
    assert size("more.png")[1] > size("sheet.png")[1]
    good(*GENERATE, "--no-preview")
    good("show", "rcm-sg.zarr", "-o", "new/data.jpg", "-n", "2")
    assert size("new/data.jpg")[0] == size("sheet.png")[0]
    assert not list(folder.glob("*.partial"))


def test_show_replaces_a_picture_only_when_told() -> None:
    args = ["show", "--preset", "rcm-sg", *TINY, "-n", "1"]
    good(*args)
    before = Path("sheet.png").read_bytes()
    assert run(*args, "--seed", "9").exit_code == 2
    assert Path("sheet.png").read_bytes() == before
    good(*args, "--seed", "9", "--overwrite")
    assert Path("sheet.png").read_bytes() != before


# check


EXPECTING = """\
name: mine
about: A test.
scene: {{frame: {{shape: [48, 48], margin_um: 5}}, region: {{kind: full}}, imaging: {{kind: none}}}}
expect: {{covered: {{low: {low}, high: 1}}}}
"""


def test_check_passes_with_code_0() -> None:
    Path("mine.yaml").write_text(EXPECTING.format(low=0.99), "utf-8")
    lines = good("check", "--preset", "mine.yaml", "-n", "2").splitlines()
    assert lines[1].startswith("ok  covered")
    assert lines[-1] == "all 1 expectations hold"


def test_check_fails_with_code_1() -> None:
    Path("mine.yaml").write_text(EXPECTING.format(low=0.5), "utf-8")
    result = run("check", "--preset", "mine.yaml", "-n", "2", "--set", "cells.vacancy=0.9")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].startswith("OFF covered")
    assert result.stdout.splitlines()[-1] == "off: covered"


def test_check_says_when_nothing_is_expected() -> None:
    Path("mine.yaml").write_text(EXPECTING.format(low=0).partition("expect")[0], "utf-8")
    assert "the preset expects nothing" in good("check", "--preset", "mine.yaml", "-n", "2")


# Interruptions


def test_ctrl_c_is_code_130_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("simcell.batch.generate", interrupted)
    result = run(*GENERATE)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "simcell: stopped; go on with --resume\n"


def test_out_of_memory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("simcell.batch.generate", hungry)
    result = run(*GENERATE)
    assert result.exit_code == 2
    assert result.stderr.startswith("simcell: out of memory;")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupted_run_goes_on_to_the_same_dataset(folder: Path) -> None:
    args = [*GENERATE[:-1], "400", "--no-preview", "--seed", "2"]
    process = subprocess.Popen(
        [*SIMCELL, *args, "--out", "cut.zarr"],
        cwd=folder,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background, a shell has SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    parts = folder / "cut.zarr" / ".parts"
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and process.poll() is None and not any(parts.glob("*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "simcell: stopped; go on with --resume"
    shown = run("show", "cut.zarr")
    assert shown.exit_code == 2
    assert "--resume" in shown.stderr
    good(*args, "--out", "cut.zarr", "--resume")
    good(*args, "--out", "whole.zarr")
    cut, whole = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
        for f in (folder / "cut.zarr", folder / "whole.zarr")
    )
    assert cut == whole


def test_a_closed_pipe_ends_quietly() -> None:
    script = f"{sys.executable} -c 'from simcell.cli import main; main()' presets --kinds | head -1"
    done = subprocess.run(
        ["sh", "-c", script], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "region.kind=full\n"
    assert done.stderr == ""


def test_seeds_that_do_not_fit_are_reported() -> None:
    full = ["region.kind=full", "points.density=5500", "points.distance_um=13"]
    sets = [part for item in full for part in ("--set", item)]
    crowded = good(*GENERATE, *sets, "--no-preview", "--out", "crowded.zarr")
    assert "packing  5500 per mm² asked for, 4" in crowded
    easy = [*sets, "--set", "points.density=1500"]
    assert "packing" not in good(*GENERATE, *easy, "--no-preview", "--out", "easy.zarr")
