"""Class maps: tiles without seams, the commands, scores of bands by hand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from click.testing import CliRunner
from PIL import Image
from tiny import MAPS, tiny

import dermogan
from dermogan.classmaps import class_map, legend, legend_names
from dermogan.cli import main
from dermogan.mapscores import columns_of, evaluate_maps
from dermogan.model import Model, load_model, save_model
from dermogan.networks import product
from simcell import SimcellError

LAYERS = ("glass", "glycerol", "epidermis", "junction", "dermis")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    torch.set_num_threads(1)
    recipe = tiny("oct-unet")
    card = {"output": "classes", "diameter_px": None}
    path = tmp_path / "model.safetensors"
    save_model(path, product(recipe.system), recipe, card)
    return path


def picture(shape: tuple[int, int] = (70, 101)) -> Any:
    return np.random.default_rng(3).integers(0, 255, shape).astype(np.uint8)


def run(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(arg) for arg in args], prog_name="dermogan")
    return result.exit_code, result.output


def test_models_say_what_they_show(model: Path) -> None:
    loaded = load_model(model)
    assert (loaded.channels, loaded.classes, loaded.output) == (5, LAYERS, "classes")


@pytest.mark.parametrize("name", MAPS)
def test_tiles_leave_no_seam(name: str) -> None:
    torch.manual_seed(5)
    recipe = tiny(name)
    card = {"output": "classes", "diameter_px": None}
    names = recipe.system.classes  # type: ignore[union-attr]

    class _Wary(Model):
        """Trusts no output that anything beyond its tile could change."""

        @property
        def halo_px(self) -> int:
            return self.network.reach_px

    wary = _Wary(product(recipe.system).eval(), recipe, card)
    shares: list[float] = []
    whole = class_map(wary, names, picture(), tile_px=128)
    tiled = class_map(wary, names, picture(), tile_px=16, report=shares.append)
    assert np.abs(whole.probability.astype(int) - tiled.probability).max() <= 1  # a rounding
    assert (whole.classes == tiled.classes).mean() > 0.999
    assert shares == sorted(shares)
    assert (len(shares), shares[-1]) == (5 * 7, 1.0)
    assert set(np.unique(whole.classes)) <= set(range(1, len(names) + 1))
    assert abs(whole.probability.sum(0, dtype=int) - 255).max() <= 3  # roundings
    assert sum(whole.shares.values()) == pytest.approx(1)


def test_the_frame_is_an_edge_as_in_training(model: Path) -> None:
    loaded, image = load_model(model), picture((64, 96))
    normal = loaded.normalise(image.astype(np.float32))
    (wanted,) = loaded.predict(normal[None, None])
    for tile in (32, 128):
        made = class_map(loaded, LAYERS, image, tile_px=tile)
        assert np.abs(made.probability / 255 - wanted).max() < 0.004


def test_models_of_other_things(model: Path) -> None:
    loaded = load_model(model)
    with pytest.raises(SimcellError, match=r"finds no cells; call dermogan\.class_map"):
        dermogan.segment(loaded, picture())
    with pytest.raises(SimcellError, match="a model of 2 classes is needed"):
        class_map(loaded, ("a", "b"), picture())
    with pytest.raises(SimcellError, match="one grey picture"):
        dermogan.class_map(loaded, LAYERS, np.zeros((3, 4, 5)))


def test_segment_writes_maps(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tifffile.imwrite(tmp_path / "skin.tif", picture(), resolution=(1e4 / 0.9, 1e4 / 0.9))
    code, said = run("segment", tmp_path / "skin.tif", "-m", model, "-o", out, "--tile", 32)
    assert code == 0, said
    assert "1 of 1 images" in said
    made = class_map(load_model(model), LAYERS, picture(), tile_px=32)
    classes = tifffile.imread(out / "classes" / "skin.tif")
    assert classes.dtype == np.uint8
    assert np.array_equal(classes, made.classes)
    probability = tifffile.imread(out / "probabilities" / "skin.tif")
    assert np.array_equal(probability, made.probability)
    with Image.open(out / "overlays" / "skin.png") as shown:
        assert shown.size == (101, 70)
        colours = np.asarray(shown).astype(int)
    assert np.ptp(colours, axis=-1).max() > 50
    assert legend_names(out / "classes.csv") == LAYERS
    code, said = run("segment", tmp_path / "skin.tif", "-m", model, "-o", out)
    assert (code, "exists already" in said) == (2, True)
    alone = tmp_path / "alone"
    code, said = run("segment", tmp_path / "skin.tif", "-m", model, "-o", alone, "--labels-only")
    assert code == 0
    assert sorted(p.name for p in alone.iterdir()) == ["classes", "classes.csv"]


@pytest.mark.parametrize(
    "option",
    [
        ["--diameter", "20"],
        ["--threshold", "0.4"],
        ["--split", "stardist"],
        ["--refine", "smallest=0.1"],
        ["--format", "ome-zarr"],
    ],
)
def test_options_of_cells_are_refused(model: Path, tmp_path: Path, option: list[str]) -> None:
    tifffile.imwrite(tmp_path / "skin.tif", picture())
    code, said = run("segment", tmp_path / "skin.tif", "-m", model, "-o", tmp_path / "o", *option)
    assert code == 2
    assert f"{' '.join(option)}: goes with models of cells" in said
    assert not (tmp_path / "o").exists()


def test_maps_of_other_classes_are_kept_apart(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "classes.csv").write_text(legend(["a", "b"]))
    tifffile.imwrite(tmp_path / "skin.tif", picture())
    code, said = run("segment", tmp_path / "skin.tif", "-m", model, "-o", out)
    assert (code, "is of other classes" in said) == (2, True)


# Scores

TRUTH = np.array([[1, 1, 1, 0], [2, 2, 1, 2], [2, 2, 3, 2], [3, 3, 3, 3]])
FOUND = np.array([[1, 2, 1, 2], [1, 2, 2, 3], [2, 2, 3, 3], [2, 3, 3, 3]])


def test_a_band_by_hand() -> None:
    band = columns_of(TRUTH, FOUND, 2, 2.0)
    assert band.true_um.tolist() == [4, 4, 4]  # the third column has none
    assert band.predicted_um.tolist() == [4, 6, 0]  # the pixel above the last is not known
    np.testing.assert_allclose(band.off_um, [2, -1, np.nan])
    assert band.found == pytest.approx(2 / 3)
    assert band.thickness_bias == pytest.approx(0.25)
    assert (band.bias_um, band.error_um) == (0.5, 1.5)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    predicted, truth = tmp_path / "maps", tmp_path / "data"
    for folder, array in ((predicted, FOUND), (truth, TRUTH)):
        (folder / "classes").mkdir(parents=True)
        size = {"resolution": (1e4 / 2, 1e4 / 2), "resolutionunit": "CENTIMETER"}
        tifffile.imwrite(folder / "classes" / "a.tif", array.astype(np.uint8), **size)
        tifffile.imwrite(folder / "classes" / "b.tif", TRUTH.astype(np.uint8), **size)
    (predicted / "classes.csv").write_text(legend(["up", "band", "down"]))
    return predicted, truth


def test_evaluate_maps(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out, figure = tmp_path / "scores.csv", tmp_path / "confusion.png"
    more = ["--band", "band", "-o", out, "--figure", figure]
    code, said = run("evaluate", *folders, *more)
    assert code == 0, said
    with out.open(newline="") as file:
        rows = {row["class"]: row for row in csv.DictReader(file)}
    # of two images: the one above, and one that is right
    wanted = {"up": [6, 2, 0, 0], "band": [1, 9, 2, 0], "down": [0, 1, 9, 0]}
    columns = ("as_up", "as_band", "as_down", "as_none")
    assert {n: [int(r[c]) for c in columns] for n, r in rows.items()} == wanted
    assert float(rows["band"]["sensitivity"]) == pytest.approx(9 / 12)
    assert float(rows["band"]["specificity"]) == pytest.approx(15 / 18, abs=1e-5)
    assert "2 images, 30 pixels with a class, 80.0% of them right" in said
    assert "band: found in 83.3% of 6 columns, thickness +10.0%" in said
    with Image.open(figure) as shown:
        assert min(shown.size) > 300
    found = evaluate_maps(*folders, ("up", "band", "down"), band="band", spacing_um=2.0)
    assert found.band is not None
    assert found.band.error_um == pytest.approx((2 + 1) / 5)


def test_evaluate_maps_that_are_named(folders: tuple[Path, Path]) -> None:
    files = [folder / "classes" / "a.tif" for folder in folders]
    code, said = run("evaluate", *files, "--classes", "up, band, down")
    assert code == 0
    assert "1 images, 15 pixels with a class, 60.0% of them right" in said


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--classes", "up,band"], "holds class 3, there are 2; name all classes"),
        (["--classes", "up,up"], "give at least two different names"),
        (["--band", "side"], "--band side: no such class; there are up, band, down"),
        (["--radius", "3"], "go with cells, these are class maps"),
    ],
)
def test_what_is_refused_of_maps(
    folders: tuple[Path, Path], options: list[str], needle: str
) -> None:
    code, said = run("evaluate", *folders, *options)
    assert (code, needle in said) == (2, True), said


def test_bands_are_no_cells(tmp_path: Path) -> None:
    for name in ("p", "t"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", TRUTH.astype(np.uint8))
    code, said = run("evaluate", tmp_path / "p", tmp_path / "t", "--band", "x")
    assert (code, "go with class maps" in said) == (2, True)


def test_pixels_of_no_known_size(folders: tuple[Path, Path]) -> None:
    predicted, truth = folders
    tifffile.imwrite(truth / "classes" / "a.tif", TRUTH.astype(np.uint8))
    code, said = run("evaluate", predicted, truth, "--band", "band")
    assert (code, "give --spacing-um" in said) == (2, True)
