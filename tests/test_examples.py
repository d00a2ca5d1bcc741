"""The examples run, and presets written in Python equal those written in YAML."""

import importlib.util
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import simcell
from simcell.preset import preset_files

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def _module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


def test_every_shipped_preset_has_a_python_twin():
    modules = [_module(path) for path in EXAMPLES if path.stem.endswith("presets_in_python")]
    twins = {preset.name: preset for module in modules for preset in (m() for m in module.PRESETS)}
    assert set(twins) == {file.stem for file in preset_files()}
    for name, ours in twins.items():
        shipped = simcell.load_preset(name)
        assert ours.base == shipped.base
        assert ours.vary == shipped.vary
        for index in (0, 3):
            one, other = (
                simcell.simulate(p.scene(seed=5, index=index), seed=5, index=index)
                for p in (ours, shipped)
            )
            assert np.array_equal(one.labels, other.labels)
            assert np.array_equal(one.prior, other.prior)
            assert one.image is None or np.array_equal(one.image, other.image)


FILES = sorted((ROOT / "examples").glob("*/*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_presets_and_recipes_of_the_examples_load(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    if "system:" in path.read_text():
        from dermogan import load_recipe

        recipe = load_recipe(path)
        assert Path(recipe.data.pairs.preset).is_file()
        return
    preset = simcell.load_preset(path)
    sample = simcell.simulate(preset.scene(seed=0, index=0), seed=0, index=0)
    assert sample.labels.max() > 20


def test_python_blocks_of_the_readme_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_commands_of_the_readme_are_understood():
    """Every simcell command line of the README parses (nothing is simulated)."""
    import shlex

    import click

    from simcell.cli import main

    text = (ROOT / "README.md").read_text()
    lines = [
        line.split("#")[0].split(">")[0].strip()
        for block in re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
    ]
    calls = [part.strip() for line in lines for part in line.split("&&")]
    calls = [call for call in calls if call.startswith("simcell ")]
    assert len(calls) >= 6
    for call in calls:
        _, command, *arguments = shlex.split(call)
        assert command in main.commands, call
        # Commands remember what their first context calls help.
        parent = click.Context(main, **main.context_settings)
        main.commands[command].make_context(command, arguments, parent=parent)


def test_the_gallery_shows_every_preset():
    text = (ROOT / "README.md").read_text()
    names = {file.stem for file in preset_files()}
    assert {file.stem for file in (ROOT / "docs" / "gallery").iterdir()} == names
    for name in names:
        assert f"(docs/gallery/{name}.jpg)" in text
        assert f"| `{name}` |" in text
