"""Models for other software: the graph is the model, files are whole, packages are valid."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from scipy.ndimage import gaussian_filter
from tiny import tiny

import dermogan
from dermogan.cli import main
from dermogan.errors import DermoganError
from dermogan.exchange import onnxfile
from dermogan.exchange.graph import Whole, halo_px
from dermogan.filters import local_normalise
from dermogan.model import Model, load_model, save_model
from dermogan.networks import generator, product
from dermogan.starfile import write_stars
from dermogan.tiles import predict

CARD = {"output": "membrane", "diameter_px": 31.5, "score": 0.5, "score_name": "membrane_f1"}


def saved(path: Path, name: str, *more: str) -> Path:
    """Write a model whose probabilities use all of 0..1."""
    torch.manual_seed(1)
    recipe = tiny(name, *more)
    network = generator(recipe.system.network)
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 1, 32, 32))
        last = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)][-1]
        seen = torch.from_numpy(local_normalise(picture(64, 64), 7.5))[None, None]
        found = network.eval()(seen)
        last.weight *= 2 / found.std()
        last.bias -= 2 * (found.mean() - last.bias) / found.std() + last.bias
    save_model(path, network, recipe, CARD)
    return path


def picture(*shape: int) -> np.ndarray:
    noise = np.random.default_rng(0).gamma(3, 300, shape)
    return gaussian_filter(noise, 2).astype(np.float32) + np.float32(9000)


def own(model: Model, image: np.ndarray) -> np.ndarray:
    return predict(model, image, tile_px=max(image.shape))[0]


def test_models_of_classes_are_refused_in_a_line(tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    recipe = tiny("oct-unet")
    path = tmp_path / "m.safetensors"
    save_model(path, product(recipe.system), recipe, {**CARD, "output": "classes"})
    with pytest.raises(DermoganError, match=r"names classes.*; export a model that shows"):
        dermogan.export(path, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("shape", [(64, 96), (75, 131), (9, 200), (2, 5)])
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("supervised", ["data.normalise_px=7.5", "data.normalise_floor=0.3"]),
        ("cyclegan-filter", []),
        ("cyclegan-filter", ["data.filter.polarity=dark"]),
    ],
)
def test_the_graph_is_the_model(
    tmp_path: Path, name: str, more: list[str], shape: tuple[int, int]
) -> None:
    model = load_model(saved(tmp_path / "m.safetensors", name, *more))
    image = picture(*shape)
    with torch.inference_mode():
        found = Whole(model)(torch.from_numpy(np.stack([image, 3 * image[::-1]])[:, None]))
    expected = own(model, image)
    assert np.ptp(expected) > (0.2 if min(shape) > 8 else 0)
    np.testing.assert_allclose(found[0, 0], expected, atol=5e-5)
    np.testing.assert_allclose(found[1, 0], own(model, 3 * image[::-1]), atol=5e-5)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture(scope="module")
def needed() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)


@pytest.fixture(scope="module")
def package(request: pytest.FixtureRequest, shelf: Path) -> Path:
    """A package, made on the command line."""
    request.getfixturevalue("needed")
    saved(shelf / "skin.safetensors", "supervised")
    command = ["export", str(shelf / "skin.safetensors"), "-o", str(shelf / "made" / "skin.zip")]
    command += ["--format", "bioimageio", "--author", "A. Name", "--licence", "CC-BY-4.0"]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "off by at most" in result.output
    assert [file.name for file in (shelf / "made").iterdir()] == ["skin.zip"]
    return shelf / "made" / "skin.zip"


def run(content: bytes | str, batch: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": batch})[0]


@pytest.mark.usefixtures("needed")
def test_onnx_takes_grey_levels_of_any_size_and_says_what_it_is(shelf: Path) -> None:
    import onnx

    file = saved(shelf / "lines.safetensors", "cyclegan-filter")
    made = dermogan.export(file, shelf / "lines.onnx")
    assert made.path == shelf / "lines.onnx"
    assert 0 < made.difference < 1e-4
    model = load_model(file)
    for shape in [(64, 96), (53, 31), (7, 300)]:
        batch = np.stack([picture(*shape), picture(*shape)[:, ::-1]])[:, None]
        found = run(str(made.path), np.ascontiguousarray(batch))
        for one, image in zip(found, batch, strict=True):
            np.testing.assert_allclose(one[0], own(model, image[0]), atol=1e-4)

    proto = onnx.load(made.path)
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", 18)]
    for tensor in (*proto.graph.input, *proto.graph.output):
        sides = [side.dim_param or side.dim_value for side in tensor.type.tensor_type.shape.dim]
        assert sides == ["batch", 1, "height", "width"]
    told = {each.key: each.value for each in proto.metadata_props}
    assert json.loads(told["card"]) == CARD
    assert json.loads(told["normalisation"]) == {"sd_px": 20.0, "floor": 0.1}
    assert told["recipe"] == model.recipe.text
    assert (told["name"], told["output"], told["opset"]) == ("lines", "membrane", "18")
    assert (float(told["diameter_px"]), int(told["multiple"])) == (31.5, 4)
    assert int(told["halo_px"]) == halo_px(model) >= 60 + model.halo_px
    assert str(Path(dermogan.__file__).parent).encode() not in made.path.read_bytes()


def test_a_package_holds_what_it_names(package: Path, shelf: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    told = yaml.safe_load(files["bioimageio.yaml"])
    assert (told["license"], told["authors"]) == ("CC-BY-4.0", [{"name": "A. Name"}])
    assert files["skin.safetensors"] == (shelf / "skin.safetensors").read_bytes()
    assert {"README.md", "cover.png", "weights.onnx"} <= files.keys()
    height, width = cv2.imdecode(np.frombuffer(files["cover.png"], np.uint8), 0).shape
    assert (width, len(files["cover.png"]) < 500_000) == (2 * height, True)
    model = load_model(shelf / "skin.safetensors")
    image = np.load(io.BytesIO(files["test_input.npy"]))
    kept = np.load(io.BytesIO(files["test_output.npy"]))
    np.testing.assert_array_equal(kept[0, 0], own(model, image[0, 0]))
    np.testing.assert_allclose(run(files["weights.onnx"], image), kept, atol=1e-4)
    size, halo = told["inputs"][0]["axes"][2]["size"], told["outputs"][0]["axes"][2]["halo"]
    assert size["step"] == model.multiple
    assert halo >= 60 + model.halo_px
    assert size["min"] % model.multiple == halo % model.multiple == 0
    assert size["min"] > 2 * halo


@pytest.mark.filterwarnings("ignore")  # of the zoo's library and what it imports
def test_the_zoos_library_validates_and_runs_a_package(
    package: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = pytest.importorskip("bioimageio.core")
    offline(monkeypatch)
    summary = core.test_model(package)
    assert summary.status == "passed", summary.display()
    description = core.load_model_description(package)
    model = load_model(shelf / "skin.safetensors")
    pipeline = core.create_prediction_pipeline(description)

    def predicted(image: np.ndarray, **options: Any) -> np.ndarray:
        sample = core.digest_spec.create_sample_for_model(
            description, inputs={"image": image[None, None]}
        )
        given = pipeline.predict_sample_without_blocking
        if options.pop("tiled", False):
            given = pipeline.predict_sample_with_blocking
        return given(sample, **options).members["probability"].data.to_numpy()[0, 0]

    image = picture(256, 312)
    expected = own(model, image)
    whole = {"skip_input_padding": True, "skip_output_cropping": True}
    np.testing.assert_allclose(predicted(image, **whole), expected, atol=1e-4)
    inner = (slice(100, -100), slice(100, -100))
    tiled = predicted(image, tiled=True, ns=2)
    assert tiled.shape == image.shape
    assert np.abs(tiled - expected)[inner].max() < 0.05


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refused(*_: Any) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refused)


def said(*command: str) -> str:
    """Return the one line of an error; exit code 2."""
    result = CliRunner().invoke(main, ["export", *command])
    assert result.exit_code == 2, result.output
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    return lines[0]


def test_errors_are_one_line_and_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "a.onnx")
    assert "use one of confluent" in said("nothing", "-o", out)
    assert "no such file" in said(str(tmp_path / "b.safetensors"), "-o", out)
    assert "sees no image" in said("stardist", "-o", out)
    card = {"config": {}, "thresholds": {}, "diameter_px": 9.0}
    write_stars(tmp_path / "stars.safetensors", [np.zeros(2, np.float32)], card, "")
    assert "sees no image" in said(str(tmp_path / "stars.safetensors"), "-o", out)
    assert "end in .onnx; try" in said("confluent", "-o", str(tmp_path / "a.zip"))
    assert "end in .zip; try" in said("confluent", "-o", out, "--format", "bioimageio")
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "pip install 'simcell[export]'" in said("confluent", "-o", out)
    assert [file.name for file in tmp_path.iterdir()] == ["stars.safetensors"]
    Path(out).write_text("old")
    assert "add --overwrite" in said("confluent", "-o", out)
    assert Path(out).read_text() == "old"


@pytest.mark.usefixtures("needed")
def test_what_is_not_the_model_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxfile, "_traced", lambda _: None)
    monkeypatch.setattr(onnxfile, "_named", lambda *_: b"")
    monkeypatch.setattr(onnxfile, "_difference", lambda *_: 2e-4)
    file = saved(tmp_path / "m.safetensors", "supervised")
    assert "differ by 0.0002 from the model's" in said(str(file), "-o", str(tmp_path / "m.onnx"))
    assert [each.name for each in tmp_path.iterdir()] == ["m.safetensors"]


def test_filters_without_a_form_in_onnx_are_refused(tmp_path: Path) -> None:
    more = ["data.filter={kind: canny, sigma_px: 1.0, low: 0.7, high: 0.9}"]
    model = load_model(saved(tmp_path / "m.safetensors", "cyclegan-filter", *more))
    with pytest.raises(DermoganError, match="filter canny has no form in ONNX"):
        Whole(model)
