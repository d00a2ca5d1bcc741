"""Models by name: their cards, packing, and what they expect of images."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file
from tiny import tiny

from dermogan import cards, load_model
from dermogan import pack as packing
from dermogan.cards import Expects, find_model, model_files, read_header
from dermogan.cli import main
from dermogan.errors import DermoganError
from dermogan.expects import fit
from dermogan.images import read_labels, write_tiff
from dermogan.model import save_model
from dermogan.networks import generator

CARD = {
    "recipe": "supervised",
    "seed": 3,
    "step": 200,
    "score": 0.9,
    "score_name": "membrane_f1",
    "output": "membrane",
    "diameter_px": 20.0,
    "trainer_cpu_s": 360.0,
    "versions": {},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A training run's folder with a model and a checkpoint of 1800 CPU seconds."""
    torch.manual_seed(0)
    folder = tmp_path / "run"
    folder.mkdir()
    recipe = tiny("supervised")
    network = generator(recipe.system.network)
    save_model(folder / "model.safetensors", network, recipe, CARD)
    torch.save({"cpu_s": 1800.0}, folder / "checkpoint.pt")
    return folder


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models of one's own, and an empty one in place of the shipped models'."""
    for name in ("own", "shipped"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(cards, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("DERMOGAN_MODELS", str(tmp_path / "own"))
    return tmp_path / "own"


def _call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="dermogan")


def test_a_packed_model_says_all_about_itself(run: Path, shelf: Path) -> None:
    done = _call(
        "pack", run, "-o", shelf / "skin.safetensors", "--name", "skin", "--about", "Skin."
    )
    assert done.exit_code == 0, done.output
    card = read_header(find_model("skin")).card
    assert card == CARD | {
        "name": "skin",
        "about": "Skin.",
        "presets": ["rcm-sg"],
        "steps": 4,
        "cpu_hours": 0.5,
        "expects": {
            "polarity": "either",
            "diameter_px": 20.0,
            "spacing_um": 0.5,
            "normalise_px": 20.0,
            "size": "given",
        },
        "scores": {},
    }
    model = load_model("skin")
    assert model.card == card
    assert model.expects == Expects(polarity="either", diameter_px=20, spacing_um=0.5)
    before, after = (load_file(f) for f in (run / "model.safetensors", shelf / "skin.safetensors"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_scores_come_later_and_weights_stay(run: Path, shelf: Path, tmp_path: Path) -> None:
    file = shelf / "below" / "skin.safetensors"
    first = ("pack", run, "-o", file, "--about", "Skin.", "--polarity", "dark")
    assert _call(*first, "--spacing-um", "any").exit_code == 0
    file = file.rename(shelf / file.name)
    weights = load_file(file)
    for scores in ({"a": {"f1_50": 0.9}}, {"b": {"f1_50": 0.8, "f1_70": 0.7}}):
        (tmp_path / "scores.json").write_text(json.dumps(scores))
        again = ("pack", "skin", "-o", file, "--scores", tmp_path / "scores.json")
        assert "exists already" in _call(*again).stderr
        assert _call(*again, "--overwrite").exit_code == 0
    header = read_header(file)
    assert header.scores == {"a": {"f1_50": 0.9}, "b": {"f1_50": 0.8, "f1_70": 0.7}}
    assert header.expects == Expects(polarity="dark", diameter_px=20, spacing_um=None)
    assert header.card["cpu_hours"] == 0.5  # of the run; its checkpoint is no longer beside
    assert all(torch.equal(value, weights[key]) for key, value in load_file(file).items())


def test_pixels_have_no_size_where_presets_differ() -> None:
    assert packing._spacing_um(tiny("supervised")) == 0.5
    varied = tiny("supervised", "data.pairs={kind: preset, preset: confluent}")
    assert packing._spacing_um(varied) is None
    other = tiny("supervised", "data.pairs.set=['frame.spacing_um=0.7']")
    assert packing._spacing_um(other) is None


def test_own_models_come_before_shipped_ones(run: Path, shelf: Path) -> None:
    content = (run / "model.safetensors").read_bytes()
    for file in (cards.SHIPPED / "a", cards.SHIPPED / "b", shelf / "b"):
        file.with_suffix(".safetensors").write_bytes(content)
    assert {name: file.parent for name, file in model_files().items()} == {
        "a": cards.SHIPPED,
        "b": shelf,
    }
    with pytest.raises(DermoganError, match=r"'bb': no such model; did you mean 'b'\?"):
        find_model("bb")
    with pytest.raises(DermoganError, match=r"no such model; use one of b, a|one of a, b"):
        find_model("something")


def test_a_run_in_this_folder_is_meant_before_a_name(
    run: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    (shelf / "run.safetensors").write_bytes((run / "model.safetensors").read_bytes())
    assert find_model("run") == Path("run/model.safetensors")
    (run / "model.safetensors").unlink()
    assert find_model("run") == shelf / "run.safetensors"
    (shelf / "run.safetensors").unlink()
    with pytest.raises(DermoganError, match="no model in it yet"):
        find_model("run")


def test_the_list_of_models(run: Path, shelf: Path, tmp_path: Path) -> None:
    assert "no models" in _call("models").output
    (tmp_path / "s.json").write_text('{"cornea": {"f1_50": 0.954, "f1_70": 0.9}}')
    file = shelf / "skin.safetensors"
    words = ("--about", "Skin from above.", "--scores", tmp_path / "s.json")
    assert _call("pack", run, "-o", file, *words).exit_code == 0
    (shelf / "torn.safetensors").write_bytes(file.read_bytes()[:100])
    heading, first, second = _call("models").output.splitlines()
    assert heading.split() == ["name", "shows", "cell", "pixel", "size", "scores", "for"]
    assert first.split()[:8] == ["skin", "membrane", "20", "px", "0.5", "µm", "0.0", "MB"]
    assert first.endswith("cornea f1_50 0.95  Skin from above.")
    assert second.startswith("torn")
    assert "not a model" in second
    shown = _call("models", "skin").output
    assert str(file) in shown
    for line in ("about: Skin from above.", "cpu_hours: 0.5", "  polarity: either", "kind: unet"):
        assert line in shown


REFUSED: dict[str, tuple[list[str], str]] = {
    "no sentence": ([], "--about: missing"),
    "other name": (["--about", "x", "--name", "y"], "--name y: models are found by their files'"),
    "no scores": (["--about", "x", "--scores", "no.json"], "--scores no.json: cannot be read"),
    "odd scores": (["--about", "x", "--scores", "odd.json"], "--scores odd.json: needs"),
    "spacing": (["--about", "x", "--spacing-um", "-1"], "--spacing-um -1: give a size above 0"),
    "spacing word": (["--about", "x", "--spacing-um", "big"], "--spacing-um big: give a size"),
    "polarity": (["--about", "x", "--polarity", "both"], "'both' is not one of"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_packed(
    what: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd.json").write_text('{"a": 0.9}')
    words, said = REFUSED[what]
    done = _call("pack", run, "-o", "skin.safetensors", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path("skin.safetensors").exists()


def test_large_models_and_odd_names_are_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = _call("pack", run, "-o", tmp_path / "skin.pt", "--about", "x")
    assert (done.exit_code, "models end in .safetensors" in done.stderr) == (2, True)
    monkeypatch.setattr(packing, "LARGEST", 9_000)
    done = _call("pack", run, "-o", tmp_path / "skin.safetensors", "--about", "x")
    assert done.exit_code == 2
    assert "0.009 MB is the most; train a smaller network" in done.stderr
    assert not (tmp_path / "skin.safetensors").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no sensible length"),
        (b"\xff" * 50, "no sensible length"),
        (b"\x02" + bytes(7) + b"{}", "not a model"),
        (b"\x02" + bytes(7) + b"[]", "not a model"),
        (b"\x13" + bytes(7) + b'{"__metadata__":{}}', "format None, 'dermogan 1' expected"),
    ],
)
def test_headers_that_are_none(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(DermoganError, match=said):
        read_header(tmp_path / "x.safetensors")


def test_a_card_that_expects_nonsense(tmp_path: Path) -> None:
    recipe = tiny("supervised")
    card = CARD | {"expects": {"polarity": "grey"}}
    save_model(tmp_path / "x.safetensors", generator(recipe.system.network), recipe, card)
    with pytest.raises(DermoganError, match=r"expects\.polarity: .*pack the model again"):
        _ = load_model(tmp_path / "x.safetensors").expects


BRIGHT = Expects(polarity="bright", diameter_px=40, spacing_um=0.5)


def test_images_are_fitted_to_the_model() -> None:
    assert fit(BRIGHT) == (False, None)
    assert fit(BRIGHT, diameter=12) == (False, 12)
    estimating = Expects(diameter_px=20, size="estimated")
    asked = [fit(estimating, diameter=given).diameter_px for given in (None, "any", 12)]  # type: ignore[arg-type]
    assert asked == ["auto", None, 12]
    assert fit(BRIGHT, diameter="auto").diameter_px == "auto"
    assert fit(BRIGHT, polarity="bright") == (False, None)
    assert fit(BRIGHT, polarity="dark") == (True, None)
    assert fit(Expects(polarity="either"), polarity="dark") == (False, None)
    assert fit(BRIGHT, spacing_um=0.25) == (False, 80)
    assert fit(None) == (False, None)


@pytest.mark.parametrize(
    ("expects", "given", "said"),
    [
        (None, {"polarity": "dark"}, "does not say what it was taught"),
        (None, {"spacing_um": 1.0}, "give --diameter"),
        (Expects(diameter_px=9), {"spacing_um": 1.0}, "no size of pixels of its own"),
        (BRIGHT, {"spacing_um": 1.0, "diameter": 9}, "give one of them"),
        (BRIGHT, {"spacing_um": 0.0}, "must be above 0"),
        (BRIGHT, {"spacing_um": float("nan")}, "must be above 0"),
    ],
)
def test_images_that_cannot_be_fitted(expects: Expects, given: dict, said: str) -> None:
    with pytest.raises(DermoganError, match=said):
        fit(expects, **given)


def test_segmenting_inverts_and_rescales(run: Path, shelf: Path, tmp_path: Path) -> None:
    """An inverted image of half the resolution is segmented as the other way says it."""
    file = shelf / "skin.safetensors"
    assert _call("pack", run, "-o", file, "--about", "x", "--polarity", "bright").exit_code == 0
    image = np.random.default_rng(0).normal(100, 20, (48, 48)).astype(np.float32)
    write_tiff(tmp_path / "plain.tif", image)
    write_tiff(tmp_path / "other.tif", -image)

    def found(name: str, *words: str) -> np.ndarray:
        out = tmp_path / "-".join((name, *words))
        done = _call("segment", tmp_path / f"{name}.tif", "-m", "skin", "-o", out, *words)
        assert done.exit_code == 0, done.output
        return tifffile.imread(out / "probabilities" / f"{name}.tif")

    plain = found("plain", "--diameter", "10")
    assert np.array_equal(plain, found("other", "--polarity", "dark", "--spacing-um", "1.0"))
    assert not np.array_equal(plain, found("other", "--spacing-um", "1.0"))
    assert not np.array_equal(plain, found("other", "--polarity", "dark"))
    grey = np.clip(image, 0, 255).astype(np.uint8)
    grey[:8] = 0
    write_tiff(tmp_path / "bytes.tif", grey)
    write_tiff(tmp_path / "floats.tif", grey.astype(np.float32))
    bytes_, floats = (found(name, "--polarity", "dark") for name in ("bytes", "floats"))
    assert np.array_equal(bytes_, floats)
    done = _call("segment", tmp_path / "other.tif", "-m", "otsu", "-o", "x", "--spacing-um", "1")
    assert (done.exit_code, "goes with a trained model" in done.stderr) == (2, True)


def test_polarity_reaches_classical_methods(tmp_path: Path) -> None:
    y, x = np.mgrid[:40, :40]
    discs = (np.hypot(y % 20 - 10, x % 20 - 10) < 6).astype(np.float32) * 100
    write_tiff(tmp_path / "discs.tif", discs)
    write_tiff(tmp_path / "inverse.tif", -discs)
    for name, polarity in (("discs", "bright"), ("inverse", "dark")):
        words = ("-m", "otsu", "--polarity", polarity, "-o", tmp_path / name)
        assert _call("segment", tmp_path / f"{name}.tif", *words).exit_code == 0
        assert read_labels(tmp_path / name / "labels" / f"{name}.tif").max() == 4


def test_cards_are_read_without_torch(run: Path) -> None:
    code = (
        "import sys\nfrom dermogan.cli import main\n"
        f"main(['models', {str(run)!r}], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules and 'cv2' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
