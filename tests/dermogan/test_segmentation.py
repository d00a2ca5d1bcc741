"""Tiles without seams, files of all kinds, and a command that never loses work."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from image_files import broken_files, honeycomb, noise, save
from toy_predictors import Convolutional, Identity

from dermogan import cli_segment
from dermogan.evaluation import evaluate
from dermogan.images import read_labels, read_picture
from dermogan.refine import Refinement
from dermogan.segmentation import _room, overlay, segment, table_of
from dermogan.tiles import predict
from dermogan.turns import Turned
from simcell import SimcellError

# Tiles


@pytest.mark.parametrize("tile", [16, 30, 37, 64])
@pytest.mark.parametrize("shape", [(150, 131), (64, 64), (40, 200), (7, 5), (1, 50)])
def test_tiled_is_whole(tile: int, shape: tuple[int, int]) -> None:
    network, image = Convolutional(), noise(shape)
    whole = predict(network, image, tile_px=1000)
    assert whole.shape == (2, *shape)
    assert np.abs(predict(network, image, tile_px=tile) - whole).max() < 1e-5


def test_tiled_is_what_the_network_says_of_the_whole_image_away_from_its_frame() -> None:
    network, image = Convolutional(), noise((150, 132))
    plain = network.predict(network.normalise(image)[None, None])[0]
    tiled = predict(network, image, tile_px=32)
    rim = network.halo_px
    inside = (slice(None), slice(rim, -rim), slice(rim, -rim))
    assert np.abs(tiled[inside] - plain[inside]).max() < 1e-3
    assert np.abs(tiled - plain).max() > 0.01  # at the frame one sees zeros, the other a mirror


def test_too_narrow_a_halo_makes_seams() -> None:
    image = noise((150, 132))
    whole = predict(Convolutional(), image, tile_px=1000)
    assert np.abs(predict(Convolutional(halo_px=6), image, tile_px=32) - whole).max() > 1e-3


def test_no_tile_is_larger_than_asked() -> None:
    network = Convolutional()
    predict(network, noise((300, 300)), tile_px=48)
    assert network.largest == (48 + 2 * 10) ** 2


def test_a_model_with_other_channels_than_it_says_is_refused() -> None:
    network = Convolutional()
    network.predict = lambda batch: np.zeros((1, 3, *batch.shape[2:]), np.float32)
    with pytest.raises(SimcellError, match="returned shape"):
        predict(network, noise((20, 20)))
    with pytest.raises(SimcellError, match="tile_px = 0"):
        predict(network, noise((20, 20)), tile_px=0)


def test_large_maps_lie_in_a_file() -> None:
    room = _room(2, (4200, 4200))
    assert isinstance(room, np.memmap)
    room[1, 4199] = 7
    assert room[1, 4199].tolist() == [7] * 4200
    assert not isinstance(_room(1, (100, 100)), np.memmap)


# One image


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_grey_values_of_every_type_give_the_same_cells(kind: type) -> None:
    found = segment(Identity(), honeycomb().astype(kind))
    assert len(found.cells) == 16
    assert found.labels.dtype == np.int32


def test_cells_are_where_they_are() -> None:
    found = segment(Identity(), honeycomb())
    assert found.cells["label"].tolist() == list(range(1, 17))
    assert np.abs(found.cells["y_px"][:4] - 12).max() < 1.5
    assert np.abs(found.cells["x_px"][:4] - [12, 36, 60, 84]).max() < 1.5
    assert found.cells["area_px"].sum() == 96 * 96
    assert table_of(np.zeros((4, 4), np.int32)).shape == (0,)


def test_diameter_rescales_to_the_size_of_training_and_back() -> None:
    seen = []

    class Spy(Identity):
        def normalise(self, image: np.ndarray) -> np.ndarray:
            seen.append(image.shape)
            return super().normalise(image)

    image = honeycomb(192, 48)
    found = segment(Spy(diameter_px=24), image, diameter_px=48)
    assert seen == [(96, 96)]
    assert found.labels.shape == image.shape == found.probability.shape[1:]
    assert len(found.cells) == 16
    assert np.abs(found.cells["x_px"][:4] - [24, 72, 120, 168]).max() < 2
    segment(Spy(diameter_px=24), image)
    segment(Spy(diameter_px=None), image, diameter_px=48)
    assert seen[1:] == [(192, 192), (192, 192)]
    with pytest.raises(SimcellError, match="diameter = 2 px: must be at least 3"):
        segment(Spy(diameter_px=24), image, diameter_px=2)


def test_overlay_draws_outlines_and_thins_huge_images() -> None:
    image, labels = np.zeros((50, 60), np.float32), np.zeros((50, 60), np.int32)
    labels[:, 30:] = 1
    picture = overlay(image, labels)
    assert picture[10, 29].tolist() == [255, 210, 0]
    assert not picture[10, [10, 50]].any()
    assert (
        overlay(np.zeros((10, 9000), np.float32), np.zeros((10, 9000), np.int32)).shape[1] == 4500
    )


# The command


@pytest.fixture
def _model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_segment, "_load", lambda *_: Identity())


def run(*words: object) -> Result:
    return CliRunner().invoke(cli_segment.segment, [str(word) for word in words])


@pytest.mark.usefixtures("_model")
def test_command_takes_files_folders_and_patterns(tmp_path: Path) -> None:
    for folder, names in (("a", ["one.png", "two.tif"]), ("b", ["three.png", "four.png"])):
        (tmp_path / folder).mkdir()
        for name in names:
            save(tmp_path / folder / name, honeycomb())
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    out = tmp_path / "out"
    result = run(
        tmp_path / "a",
        tmp_path / "b" / "th*.png",
        tmp_path / "b" / "four.png",
        tmp_path / "a" / "one.png",
        "-m",
        "any",
        "-o",
        out,
    )
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[1:3] for line in lines[:-1]] == [["16", "cells"]] * 4
    assert lines[-1] == f"4 of 4 images -> {out}"
    names = {"one", "two", "three", "four"}
    for folder, suffix in (
        ("labels", "tif"),
        ("cells", "csv"),
        ("overlays", "png"),
        ("probabilities", "tif"),
    ):
        assert {p.name for p in (out / folder).iterdir()} == {f"{n}.{suffix}" for n in names}
    labels = tifffile.imread(out / "labels" / "one.tif")
    assert labels.max() == 16
    with (out / "cells" / "one.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["label", "y_px", "x_px", "area_px"]
    assert [int(row["area_px"]) for row in rows] == np.bincount(labels.ravel())[1:].tolist()
    probability = tifffile.imread(out / "probabilities" / "one.tif")
    assert (probability == honeycomb() / np.float32(255)).all()


@pytest.mark.usefixtures("_model")
@pytest.mark.filterwarnings("ignore")  # of the validators' imports
def test_command_writes_ome_zarr_with_the_size_of_a_pixel(tmp_path: Path) -> None:
    import yaozarrs

    size = {"axes": "YX", "PhysicalSizeX": 0.4, "PhysicalSizeY": 0.5}
    grey = honeycomb(300, 60)
    save(tmp_path / "a.tif", grey, ome=True, metadata=size)
    save(tmp_path / "b.png", grey)
    files = [tmp_path / "a.tif", tmp_path / "b.png"]
    out = tmp_path / "out"
    result = run(*files, "-m", "any", "-o", out, "--format", "ome-zarr")
    assert result.exit_code == 0, result.output
    wanted = {f"images/{n}.ome.zarr" for n in "ab"} | {f"probabilities/{n}.ome.zarr" for n in "ab"}
    assert {f"{p.parent.name}/{p.name}" for p in out.glob("*/*.zarr")} == wanted
    for path in wanted:
        yaozarrs.validate_zarr_store(str(out / path))
    yaozarrs.validate_zarr_store(str(out / "images/a.ome.zarr/labels/cells"))
    picture = read_picture(out / "images" / "a.ome.zarr")
    assert picture.spacing_um == pytest.approx((0.5, 0.4))
    assert picture.pixels.dtype == np.uint8
    assert (picture.pixels == grey).all()
    assert read_picture(out / "probabilities/a.ome.zarr").spacing_um == pytest.approx((0.5, 0.4))
    assert read_picture(out / "images" / "b.ome.zarr").spacing_um is None
    run(*files, "-m", "any", "-o", tmp_path / "flat", "--labels-only")
    labels = tifffile.imread(tmp_path / "flat" / "labels" / "a.tif")
    assert (read_labels(out / "images" / "a.ome.zarr") == labels).all()
    assert read_picture(tmp_path / "flat/labels/a.tif").spacing_um == pytest.approx((0.5, 0.4))
    again = run(out / "images" / "a.ome.zarr", "-m", "any", "-o", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert (read_labels(tmp_path / "again" / "labels" / "a.tif") == labels).all()
    scores = evaluate(out, tmp_path / "flat" / "labels")
    assert scores.names == ["a", "b"]
    assert scores.column("f1_95").tolist() == [1, 1]
    refused = run(*files, "-m", "any", "-o", out, "--format", "ome-zarr")
    assert "a.ome.zarr: exists already" in str(refused.exception)
    assert run(*files, "-m", "any", "-o", out, "--format", "ome-zarr", "--overwrite").exit_code == 0


@pytest.mark.usefixtures("_model")
def test_a_full_disk_names_what_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dermogan.images.tifffile.imwrite", full)
    image, out = save(tmp_path / "a.png", honeycomb()), tmp_path / "out"
    result = run(image, "-m", "any", "-o", out, "--labels-only")
    assert result.exit_code == 1
    assert result.stderr == f"dermogan: {out / 'labels' / 'a.tif'}: No space left on device\n"
    assert not list((out / "labels").iterdir())


@pytest.mark.usefixtures("_model")
def test_command_goes_on_after_bad_files(tmp_path: Path) -> None:
    broken = broken_files(tmp_path)
    files = [tmp_path / name for name in broken]
    good = save(tmp_path / "good.png", honeycomb())
    out = tmp_path / "out"
    result = run(*files, good, "-m", "any", "-o", out, "--labels-only")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == len(files)
    for name, said in broken.items():
        assert any(name in line and said in line for line in result.stderr.splitlines())
    assert [p.name for p in (out / "labels").iterdir()] == ["good.tif"]
    assert f"1 of {len(files) + 1} images" in result.stdout
    assert sorted(p.name for p in out.iterdir()) == ["cells", "labels"]


@pytest.mark.usefixtures("_model")
def test_command_overwrites_nothing_unasked(tmp_path: Path) -> None:
    image, out = save(tmp_path / "one.png", honeycomb()), tmp_path / "out"
    (out / "overlays").mkdir(parents=True)
    (out / "overlays" / "one.png").write_text("mine")
    result = run(image, "-m", "any", "-o", out)
    assert isinstance(result.exception, SimcellError)
    assert "one.png: exists already; choose another --out or add --overwrite" in str(
        result.exception
    )
    assert (out / "overlays" / "one.png").read_text() == "mine"
    assert not (out / "labels").exists()
    assert run(image, "-m", "any", "-o", out, "--overwrite").exit_code == 0
    assert (out / "overlays" / "one.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.usefixtures("_model")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["one.png", "two/one.tif"], "would both be written"),
        (["no*.png"], "matches nothing"),
        (["empty"], "holds no image"),
        (["one.png", "--diameter", "1"], "--diameter 1: must be auto, any, or at least 3"),
        (["one.png", "--diameter", "big"], "--diameter big: must be auto, any, or at least 3"),
        (["one.png", "--weights", "x"], "goes with --split stardist"),
        (["one.png", "--split", "stardist", "--weights", "x"], "stardist"),
        (["one.png", "--refine", "depth"], "give FIELD=VALUE with one of tissue_radius"),
        (["one.png", "--refine", "depth=7"], "--refine depth=7: Input should be less than"),
    ],
)
def test_command_refuses_what_it_cannot_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "stardist", None)
    for folder in ("two", "empty"):
        Path(folder).mkdir()
    save(Path("one.png"), honeycomb())
    save(Path("two/one.tif"), honeycomb())
    result = run(*words, "-m", "any", "-o", "out")
    assert isinstance(result.exception, SimcellError)
    assert said in str(result.exception)
    assert not Path("out").exists()


def test_turned_predictors_say_the_same_of_a_turned_image() -> None:
    # One whose kernels know up from down and left from right.
    plain = Convolutional()
    batch = noise((40, 28))[None, None] / 100 - 1
    turned = np.ascontiguousarray(np.rot90(batch[..., ::-1], axes=(2, 3)))
    back = np.rot90(Turned(plain).predict(turned), -1, axes=(2, 3))[..., ::-1]
    assert np.allclose(Turned(plain).predict(batch), back, atol=1e-6)
    alone = np.rot90(plain.predict(turned), -1, axes=(2, 3))[..., ::-1]
    assert not np.allclose(plain.predict(batch), alone, atol=0.01)
    assert np.allclose(Turned(Identity()).predict(batch), batch, atol=1e-6)


def test_turns_are_asked_for_and_go_with_models_of_cells_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(cli_segment, "_load", lambda *_: Identity())
    monkeypatch.setattr(
        "dermogan.segmentation.segment",
        lambda predictor, image, **_: seen.append(predictor) or segment(predictor, image),
    )
    image = save(tmp_path / "one.png", honeycomb())
    assert run(image, "-m", "any", "-o", tmp_path / "out", "--turns").exit_code == 0
    assert [type(one) for one in seen] == [Turned]
    for model in ("oct", "fiap"):
        result = run(image, "-m", model, "-o", tmp_path / "other", "--turns")
        assert "--turns: goes with" in str(result.exception)


def test_options_reach_the_refinement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(predictor, image, *, refinement, **others) -> object:
        seen.append((refinement, others))
        return segment(predictor, image)

    monkeypatch.setattr(cli_segment, "_load", lambda *_: Identity())
    monkeypatch.setattr("dermogan.segmentation.segment", spy)
    image = save(tmp_path / "one.png", honeycomb())
    words = ["--threshold", "0.4", "--refine", "depth=0.3", "--diameter", "24", "--tile", "64"]
    assert run(image, "-m", "any", "-o", tmp_path / "out", *words).exit_code == 0
    [(refinement, others)] = seen
    assert refinement == Refinement(threshold=0.4, depth=0.3)
    assert (others["diameter_px"], others["tile_px"]) == (24, 64)


def test_classical_names_come_before_models_and_alone_take_settings(tmp_path: Path) -> None:
    image = save(tmp_path / "one.png", 255 - honeycomb())
    result = run(image, "-m", "otsu", "-o", tmp_path / "out", "--set", "blur_px=0")
    assert result.exit_code == 0, result.output
    assert "16 cells" in result.stdout
    result = run(image, "-m", "x.model", "-o", tmp_path / "other", "--set", "blur_px=0")
    assert "goes with a classical method" in str(result.exception)


def test_help_shows_whole_commands() -> None:
    context = click.Context(cli_segment.segment)
    text = cli_segment.segment.get_help(context)
    assert "dermogan segment photo.tif -m run/model.safetensors -o cells" in text
