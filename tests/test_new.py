"""`simcell new`: a preset to edit that is what it started from, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from simcell.cli import main
from simcell.explain import starter
from simcell.preset import Preset, load_preset, preset_files


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["new", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize("file", preset_files(), ids=lambda file: file.stem)
def test_a_new_preset_draws_what_the_one_it_is_like_draws(file: Path) -> None:
    like = load_preset(file)
    made = Preset.from_text(starter(like, "mine"))
    assert (made.name, made.base, made.vary) == ("mine", like.base, like.vary)
    assert made.scene(seed=3, index=1) == like.scene(seed=3, index=1)


def test_every_number_has_its_meaning_beside_it() -> None:
    text = starter(load_preset("rcm-sg"), "mine")
    line = next(line for line in text.splitlines() if line.strip().startswith("looks:"))
    assert "speckle looks" in line
    assert "(0.5 to 100000)" in line
    density = next(line for line in text.splitlines() if line.strip().startswith("density:"))
    assert "varies below" in density


def test_what_samples_should_measure_is_left_to_the_user() -> None:
    text = starter(load_preset("rcm-sg"), "mine")
    assert not Preset.from_text(text).expect
    assert "#   hexagons: {low: 0.34, high: 0.54}" in text


def test_the_file_is_written_and_next_steps_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run("mine", "--like", "rcm-sg", "--spacing-um", "0.8")
    assert code == 0, output
    assert load_preset("./mine.yaml").base.frame.spacing_um == 0.8
    assert "simcell check --preset ./mine.yaml" in output


def test_nothing_is_overwritten_unless_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine own")
    code, output = run("mine", "-o", str(path))
    assert code == 2
    assert "--overwrite" in output
    assert path.read_text() == "mine own"
    assert run("mine", "-o", str(path), "--overwrite")[0] == 0
    assert load_preset(path).name == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mine", "--like", "rcm-gs"], "did you mean"),
        (["a tissue", "--like", "rcm-sg"], "use letters, digits"),
        (["mine", "-o", "mine.txt"], ".yaml"),
        (["mine", "--spacing-um", "-1"], "spacing_um"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run(*arguments)
    assert code == 2
    assert said in output
    assert len(output.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
