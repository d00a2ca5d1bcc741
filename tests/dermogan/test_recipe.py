"""Recipes: round trips, overrides, what is refused, where they are found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import simcell
from dermogan.cli import main
from dermogan.domains import PresetSource
from dermogan.errors import DermoganError, need
from dermogan.recipe import CycleGan, DermoGan, Recipe, Supervised, load_recipe, recipe_files
from simcell import SimcellError
from simcell.settings import find

SHIPPED = [file.stem for file in recipe_files()]


def test_what_is_shipped() -> None:
    assert SHIPPED == [
        "cgan-seg",
        "confluent",
        "cyclegan-3d",
        "cyclegan-filter",
        "cyclegan-image",
        "dermogan-paper",
        "dermogan",
        "dermogan2",
        "mosaic-cascade",
        "oct-unet-paper",
        "oct-unet",
        "rcm",
        "supervised",
        "unet-3d",
        "unet-efficientnet",
        "vox2vox",
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_recipe_survives_its_own_text(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.sources
    assert Recipe.from_text(recipe.text) == recipe


@pytest.mark.parametrize("name", SHIPPED)
def test_the_presets_of_a_recipe_exist(name: str) -> None:
    recipe = load_recipe(name)
    sources = [recipe.data.images, recipe.data.priors, recipe.data.pairs, recipe.validation.source]
    for source in sources:
        if source is not None:
            assert source.kind == "preset"
            simcell.load_preset(source.preset).with_set(source.set)


def test_kinds_of_systems() -> None:
    assert type(load_recipe("supervised").system) is Supervised
    assert type(load_recipe("cyclegan-filter").system) is CycleGan
    paper = load_recipe("dermogan-paper").system
    assert type(paper) is DermoGan
    assert paper.coupling == "paper"
    assert paper.weights.cycle == 10 * paper.weights.adversarial


@pytest.mark.parametrize(
    ("assignment", "needle"),
    [
        ("budget.stps=3", "budget.stps: unknown name; did you mean 'steps'?"),
        ("budget.steps=0", "budget.steps = 0: should be greater than or equal to 1"),
        ("data.patch_px=100", "data.patch_px = 100: must be a multiple of 16; try 96"),
        ("data.pairs=null", "data.pairs: missing; the system supervised learns from it"),
        ("data.priors={kind: preset}", "data.priors: the system supervised does not use it"),
        ("system.kind=gan", "no such kind; did you mean 'dermogan'?"),
        ("nothing.kind=gan", "recipe has no 'nothing'"),
        ("system.dice=true", "should be a number"),
        ("data.augment={scale_low: 2, scale_high: 1}", "scale_low = 2 is above scale_high = 1"),
    ],
)
def test_what_is_refused(assignment: str, needle: str) -> None:
    _refused("supervised", assignment, needle)


@pytest.mark.parametrize(
    ("assignment", "needle"),
    [
        ("system.warm_steps=0", "network.norm = batch: needs first steps on pairs"),
        ("system.warm_steps=540", "must be below budget.steps = 540"),
        ("data.pairs_batch=0", "data.pairs_batch = 0: should be greater than or equal to 1"),
        ("system.weights.pairs=0", "data.pairs: the system dermogan does not use it"),
    ],
)
def test_what_is_refused_of_a_start_on_pairs(assignment: str, needle: str) -> None:
    _refused("dermogan", assignment, needle)


def _refused(name: str, assignment: str, needle: str) -> None:
    with pytest.raises(simcell.SimcellError) as error:
        load_recipe(name).with_set([assignment])
    assert needle in str(error.value)
    assert "\n" not in str(error.value)


def test_an_override_reaches_its_number() -> None:
    changed = load_recipe("supervised").with_set(["optimiser.rate=0.5", "data.batch=2"])
    assert (changed.optimiser.rate, changed.data.batch) == (0.5, 2)
    assert find(changed.model_dump(mode="json"), "optimiser.rate", "recipe") == 0.5


def test_recipes_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = load_recipe("supervised").with_set(["name=mine"]).text
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert load_recipe(tmp_path / "mine.yaml").name == "mine"
    monkeypatch.setenv("DERMOGAN_RECIPES", str(tmp_path))
    assert load_recipe("mine").name == "mine"
    with pytest.raises(SimcellError, match="no such recipe; did you mean 'supervised'"):
        load_recipe("supervise")
    monkeypatch.setenv("DERMOGAN_RECIPES", str(tmp_path / "no"))
    with pytest.raises(SimcellError, match="is no folder"):
        load_recipe("mine")


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("about: x\nsystem: {kind: supervised}", "name: missing"),
        ("name: x\nname: y", "stands twice"),
        ("[1, 2]", "needs a mapping with name, about and system"),
    ],
)
def test_broken_files(text: str, needle: str) -> None:
    with pytest.raises(simcell.SimcellError, match=needle):
        Recipe.from_text(text)


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, args, prog_name="dermogan")
    return result.exit_code, result.output


def test_the_recipes_command(tmp_path: Path) -> None:
    code, text = run("recipes")
    assert code == 0
    assert all(name in text for name in SHIPPED)
    code, text = run("recipes", "dermogan", "--yaml")
    assert (code, Recipe.from_text(text)) == (0, load_recipe("dermogan"))
    assert run("recipes", "--yaml")[0] == 2
    code, text = run("train", "--recipe", "nope", "-o", str(tmp_path / "out"))
    assert code == 2
    assert text.startswith("dermogan: recipe 'nope': no such recipe")


def test_help_needs_no_torch() -> None:
    """The help, and the recipes, come without the heavy libraries."""
    code = (
        "import sys\nfrom dermogan.cli import main\n"
        "main(['recipes'], standalone_mode=False)\n"
        "heavy = {'torch', 'lightning_fabric', 'cv2', 'scipy', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_missing_is_named() -> None:
    with pytest.raises(DermoganError, match=r"no_such is not installed; run: pip install"):
        need("no_such")


@pytest.mark.parametrize("name", ["supervised", "dermogan", "cyclegan-image"])
def test_one_preset_for_all_that_is_simulated(name: str) -> None:
    recipe = load_recipe(name).with_preset("honeycomb")
    data = recipe.data
    sources = [data.images, data.priors, data.pairs, recipe.validation.source]
    sources = [source for source in sources if source is not None]
    assert sources
    assert all(source == PresetSource(preset="honeycomb") for source in sources)
    folder = load_recipe(name).with_set(["validation.source={kind: dataset, path: a.zarr}"])
    assert folder.with_preset("honeycomb").validation.source == PresetSource(preset="honeycomb")


def test_images_of_ones_own_stay() -> None:
    recipe = load_recipe("dermogan").with_set(["data.images={kind: folder, path: mine}"])
    images = recipe.with_preset("honeycomb").data.images
    assert (images.kind, images.path) == ("folder", "mine")
