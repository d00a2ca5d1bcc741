"""The StarDist model that is shipped, its file, and the command that makes another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from safetensors.numpy import save

from dermogan import cards, starnet, startrain
from dermogan.cli import main
from dermogan.cli_stars import train_stardist
from dermogan.errors import DermoganError
from dermogan.metrics import objects
from dermogan.pack import LARGEST
from dermogan.refine import Refinement, refine
from dermogan.starfile import NAME, read_stars, shipped_stars, star_header, write_stars
from dermogan.starnet import StarNet
from dermogan.stars import lacking, load
from dermogan.startrain import Plan, held_out, pictures
from simcell import SimcellError

CARD = {"config": {"n_rays": 8}, "thresholds": {"prob": 0.5, "nms": 0.4}, "diameter_px": 20.0}
WEIGHTS = [np.float32([[0.1, -2], [3e-5, 0]]), np.float32([1.0])]


def _call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="dermogan")


# The file


def test_weights_come_back_in_order_and_half_as_precise(tmp_path: Path) -> None:
    many = [*WEIGHTS, *(np.float32([k]) for k in range(20))]
    write_stars(tmp_path / "a.safetensors", many, CARD, "steps: 1\n")
    header, found = read_stars(tmp_path / "a.safetensors")
    assert header.card == CARD
    assert header.recipe == "steps: 1\n"
    assert [a.shape for a in found] == [a.shape for a in many]
    for old, new in zip(many, found, strict=True):
        assert new.dtype == np.float32
        assert np.abs(old - new).max() <= np.maximum(np.abs(old) * 2.0**-11, 2.0**-25).max()


def test_weights_too_large_for_half_precision_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DermoganError, match="array 001 of the weights is not finite"):
        write_stars(tmp_path / "a.safetensors", [WEIGHTS[0], np.float32([1e6])], CARD, "")
    assert not (tmp_path / "a.safetensors").exists()


def test_other_files_are_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    about = {"format": "dermogan stars 1", "recipe": "", "card": json.dumps({"config": {}})}
    path.write_bytes(save({"000": WEIGHTS[0]}, about))
    with pytest.raises(DermoganError, match="its card has no diameter_px, thresholds; train"):
        star_header(path)
    path.write_bytes(path.read_bytes()[:-4])
    write_stars(path, WEIGHTS, CARD, "")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DermoganError, match="weights cannot be read"):
        read_stars(path)
    with pytest.raises(DermoganError, match="format 'dermogan 1', 'dermogan stars 1' expected"):
        star_header(cards.SHIPPED / "confluent.safetensors")


# What is shipped


def test_what_the_shipped_model_says_of_itself() -> None:
    file = shipped_stars()
    assert file.stat().st_size <= LARGEST
    assert [f.name for f in file.parent.iterdir()] == [file.name]
    header, weights = read_stars(file)
    card = header.card
    assert {"about", "presets", "seed", "steps", "cpu_hours", "scores", "versions"} <= card.keys()
    assert (card["name"], card["config"]["grid"]) == (NAME, [2, 2])
    assert all(0 < card["thresholds"][key] < 1 for key in ("prob", "nms"))
    assert all(np.isfinite(w).all() for w in weights)
    rays, filters = card["config"]["n_rays"], card["config"]["net_conv_after_unet"]
    assert {(1, 1, filters, rays), (1, 1, filters, 1)} <= {w.shape for w in weights}


def test_one_command_makes_it_again() -> None:
    header = star_header(shipped_stars())
    made = yaml.safe_load(header.recipe)
    assert made == vars(Plan())
    assert (made["seed"], made["steps"]) == (header.card["seed"], header.card["steps"])
    asked = {option.name: option.default for option in train_stardist.params}
    assert (asked["seed"], asked["steps"]) == (made["seed"], made["steps"])


def test_models_lists_it_and_no_image_is_segmented_by_it(tmp_path: Path) -> None:
    listed = _call("models").output
    assert any(line.startswith(f"{NAME} ") and " stars " in line for line in listed.splitlines())
    shown = _call("models", NAME).output
    assert "thresholds" in shown
    assert "patch_px" in shown
    done = _call("segment", tmp_path, "-m", NAME, "-o", tmp_path / "out")
    assert done.exit_code == 2
    (tmp_path / "a.png").touch()
    done = _call("segment", tmp_path / "a.png", "-m", NAME, "-o", tmp_path / "out")
    assert "-m stardist: splits the cells of other models; give one, and --split" in done.stderr


# Training


def test_pictures_are_known_by_their_number() -> None:
    plan = Plan(steps=3, batch=2, patch_px=96, scenes=12, seed=1)
    (xs, ys), (again, _) = pictures(plan), pictures(plan)
    assert len(xs) == len(ys) == 6
    picture = xs[5]
    ys[2]
    assert (again[5] == picture).all()  # whatever was asked for before
    assert (xs[4] != picture).any()
    assert ys[5].shape == picture.shape == (96, 96)


def test_thresholds_are_chosen_on_scenes_of_their_own() -> None:
    plan = Plan(scenes=12, seed=1)
    xs = pictures(plan)[0]
    seen, truth = held_out(plan, 3)
    assert [x.shape for x in seen] == [y.shape for y in truth]
    trained = [xs._scenes[k].prior for k in range(12)]
    apart = [xs._scenes[12 + k].prior for k in range(3)]
    for one in apart:
        assert not any(one.shape == two.shape and (one == two).all() for two in trained)


def test_the_command_refuses_before_it_trains(tmp_path: Path) -> None:
    done = _call("train-stardist", "-o", tmp_path / "a.h5")
    assert (done.exit_code, "models end in .safetensors" in done.stderr) == (2, True)
    (tmp_path / "a.safetensors").touch()
    done = _call("train-stardist", "-o", tmp_path / "a.safetensors")
    assert (done.exit_code, "exists already" in done.stderr) == (2, True)


# With the library


@pytest.fixture
def _library() -> None:
    if lacking():
        pytest.skip(lacking())
    load.cache_clear()


@pytest.fixture
def _keras(_library: None) -> None:
    pytest.importorskip("tensorflow")


def grid(side: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Discs in rows that touch, as a map of filled cells, and their labels."""
    y, x = np.indices((side * count, side * count))
    far = np.hypot(y % side - side / 2 + 0.5, x % side - side / 2 + 0.5)
    labels = np.where(far < 0.52 * side, 1 + y // side * count + x // side, 0).astype(np.int32)
    return (0.97 * (labels > 0)).astype(np.float32), labels


@pytest.mark.usefixtures("_library")
@pytest.mark.filterwarnings("ignore")  # of TensorFlow
@pytest.mark.parametrize("side", [12, 20, 60])
def test_the_shipped_model_parts_discs_of_any_size(side: int) -> None:
    picture, truth = grid(side, 6)
    options = Refinement(split="stardist", diameter_px=side)
    found = refine(picture[None], "filled", options)
    assert objects(truth, found, (0.5,))[0].f1 > 0.9
    assert found.shape == truth.shape


@pytest.mark.usefixtures("_library")
def test_stars_of_tiles_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    header, weights = read_stars(shipped_stars())
    network = StarNet(header.card["config"], weights)
    picture = grid(21, 28)[0][:571, :420]
    whole = network.stars(picture, 0.5)
    assert len(whole[0]) > 500
    monkeypatch.setattr(starnet, "_TILE_PX", 144)
    for ours, theirs in zip(_sorted(network.stars(picture, 0.5)), _sorted(whole), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    monkeypatch.setattr(StarNet, "reach", 16)  # too little: seams are seen
    few = network.stars(picture, 0.5)
    assert len(few[0]) != len(whole[0]) or not np.allclose(_sorted(few)[1], _sorted(whole)[1], 1e-4)


def _sorted(stars: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    order = np.lexsort(stars[0].T)
    return [each[order] for each in stars]


def test_networks_of_other_kinds_are_refused() -> None:
    header, weights = read_stars(shipped_stars())
    config = header.card["config"]
    with pytest.raises(ValueError, match="unet_batch_norm"):
        StarNet({**config, "unet_batch_norm": True}, weights)
    with pytest.raises(ValueError, match="17 layers where 19 are expected"):
        StarNet(config, weights[:-4])


@pytest.mark.usefixtures("_keras")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", [(160, 160), (117, 203)])
def test_the_network_is_the_librarys(shape: tuple[int, int]) -> None:
    from stardist.models import Config2D, StarDist2D

    header, weights = read_stars(shipped_stars())
    model = StarDist2D(Config2D(**header.card["config"]), name="a", basedir=None)
    model.keras_model.set_weights(weights)
    picture = grid(20, 12)[0][: shape[0], : shape[1]]
    prob, dist, points = model.predict_sparse(picture, prob_thresh=0.3)
    ours = _sorted(StarNet(header.card["config"], weights).stars(picture, 0.3))
    for one, two in zip(ours, _sorted((points, prob, dist)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("_keras")
@pytest.mark.filterwarnings("ignore")
def test_a_model_is_trained_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startrain, "_JUDGED", 1)
    out = tmp_path / "a.safetensors"
    done = _call("train-stardist", "-o", out, "--steps", 2, "--quiet")
    assert done.exit_code == 0, done.output
    assert "thresholds: probability" in done.output
    labels = load(str(out))(grid(20, 4)[0], 20.0)
    assert labels.shape == (80, 80)


@pytest.mark.usefixtures("_library")
@pytest.mark.filterwarnings("ignore")
def test_a_file_with_other_weights_is_refused_in_a_line(tmp_path: Path) -> None:
    write_stars(tmp_path / "a.safetensors", WEIGHTS, CARD, "")
    with pytest.raises(SimcellError, match=r"cannot be loaded .*; train it again"):
        load(str(tmp_path / "a.safetensors"))
