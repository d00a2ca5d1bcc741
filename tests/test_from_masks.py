"""`--from-masks`: a user's own objects in place of a preset's cells, and what can go wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import simcell
from simcell.cells.library import open_library
from simcell.cli import main
from simcell.preset import load_preset

SMALL = ["--set", "frame.shape=[96, 96]", "--set", "frame.margin_um=10"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with label images, and folders with other things."""
    monkeypatch.chdir(tmp_path)
    for name in ("labels", "floats", "rgb", "nothing"):
        Path(name).mkdir()
    y, x = np.mgrid[:60, :60]
    labels = np.zeros((60, 60), np.uint16)
    labels[np.hypot(y - 15, x - 15) < 8] = 1
    labels[30:45, 30:38] = 2
    np.save("labels/a.npy", labels)
    np.save("floats/a.npy", labels / 2)
    np.save("rgb/a.npy", np.stack([labels] * 3, axis=-1))
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args, prog_name="simcell")


def good(*args: str) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*args: str) -> str:
    result = run(*args)
    lines = result.stderr.splitlines()
    assert result.exit_code == 2, result.output
    assert len(lines) == 1, result.stderr
    assert result.stdout == ""
    return lines[0]


def test_the_preset_is_colony_unless_named() -> None:
    good("generate", "--from-masks", "labels", "-n", "2", *SMALL, "--no-preview")
    dataset = simcell.open_dataset("colony.zarr")
    cells = dataset[1].scene.cells
    assert cells.kind == "masks"
    assert cells.path == "labels"
    assert cells.fingerprint == open_library("labels").fingerprint
    good("generate", "--from-masks", "labels", "--preset", "rcm-sg", "-n", "1", *SMALL)
    assert simcell.open_dataset("rcm-sg.zarr")[0].scene.cells.kind == "masks"


def test_samples_are_made_of_the_users_objects() -> None:
    preset = load_preset("colony").with_masks("labels")
    preset = preset.with_set(["cells.scale_min=1", "cells.scale_max=1", "points.density=500"])
    sample = simcell.simulate(preset.scene(seed=3, index=0), seed=3, index=0)
    assert sample.objects is not None
    whole = sample.objects[~sample.objects["touches_border"]]
    pixels = whole["area_um2"] / sample.grid.spacing_um[0] ** 2
    areas = open_library("labels").area
    nearest = np.abs(pixels[:, None] / areas - 1).min(axis=1)
    assert len(whole) > 30
    assert nearest.max() < 0.06
    assert not whole["overlap"].any()


def test_a_pixel_gets_the_size_that_the_presets_cells_need() -> None:
    colony = load_preset("colony")
    ours = colony.with_masks("labels")
    expected = colony.expect["area_um2"]
    area = open_library("labels").area.mean() * ours.base.frame.spacing_um**2
    assert expected.low < area < expected.high
    assert "frame.spacing_um" not in ours.vary
    assert "points.density" in ours.vary
    assert not ours.expect
    # A preset that expects no area keeps its pixel.
    bare = colony.with_masks("labels").with_masks("labels")
    assert bare.base.frame.spacing_um == ours.base.frame.spacing_um


def test_what_is_set_comes_after_the_masks() -> None:
    good("show", "--from-masks", "labels", "-n", "1", *SMALL, "-o", "a.png")
    good("show", "--from-masks", "labels", "-n", "1", *SMALL, "-o", "b.png", "--preset", "dense")
    good(
        "show", "--from-masks", "labels", "-n", "1", *SMALL, "-o", "c.png", "--set", "cells.flip=0"
    )
    assert Path("a.png").read_bytes() != Path("b.png").read_bytes()


def test_check_measures_without_expecting() -> None:
    text = good("check", "--from-masks", "labels", "-n", "2", *SMALL)
    assert "the preset expects nothing" in text
    assert "area_um2" in text


def test_crowded_objects_are_reported() -> None:
    more = ["--set", "points.density=2600", "--set", "points.distance_um=5", "--no-preview"]
    text = good("generate", "--from-masks", "labels", "-n", "2", *SMALL, *more)
    asked, got = (
        float(text.partition(start)[2].split()[0]) for start in ("packing  ", "asked for, ")
    )
    assert asked == 2600
    assert 500 < got < 2500


def test_resuming_with_other_masks_is_refused() -> None:
    make = ["generate", "--from-masks", "labels", "-n", "2", *SMALL, "--no-preview"]
    good(*make)
    assert "all there before" in good(*make, "--resume")
    labels = np.load("labels/a.npy")
    labels[40:58, 5:12] = 3
    np.save("labels/a.npy", labels)
    line = refused(*make, "--resume")
    assert "colony.zarr: made with another preset" in line
    assert "fingerprint" in line


def test_a_preset_file_with_masks_is_pinned_too() -> None:
    text = (
        "name: mine\nabout: A test.\nscene:\n  frame: {shape: [64, 64], margin_um: 5}\n"
        "  region: {kind: full}\n  points: {kind: hard_core, density: 900, distance_um: 20}\n"
        "  cells: {kind: masks, path: labels}\n  imaging: {kind: none}\n"
    )
    Path("mine.yaml").write_text(text)
    make = ["generate", "--preset", "mine.yaml", "-n", "1", "--no-preview"]
    good(*make)
    np.save("labels/b.npy", np.load("labels/a.npy"))
    assert "fingerprint" in refused(*make, "--resume")


def test_every_number_of_workers_gives_the_same_samples() -> None:
    for workers, out in (("1", "one"), ("2", "two")):
        good(
            *["generate", "--from-masks", "labels", "-n", "5", *SMALL, "--no-preview"],
            *["--workers", workers, "--out", out],
        )
    one, two = simcell.open_dataset("one"), simcell.open_dataset("two")
    for index in range(5):
        assert np.array_equal(one[index].labels, two[index].labels)
        assert np.array_equal(one[index].image, two[index].image)


@pytest.mark.parametrize(
    ("masks", "needles"),
    [
        ("absent", ["cells.path = 'absent': no such folder", "give a folder of label images"]),
        ("labels/a.npy", ["no folder; give a folder"]),
        ("nothing", ["'nothing': holds no label image", ".tif, .tiff, .png, .npy"]),
        ("floats", ["floats/a.npy", "holds float64", "save it as such"]),
        ("rgb", ["rgb/a.npy", "has shape (60, 60, 3)", "save one plane"]),
    ],
)
@pytest.mark.parametrize("command", ["generate", "show", "check"])
def test_a_bad_folder_is_refused_in_one_line(
    folder: Path, command: str, masks: str, needles: list[str]
) -> None:
    before = sorted(folder.rglob("*"))
    line = refused(command, "--from-masks", masks, "-n", "2")
    for needle in needles:
        assert needle in line
    assert sorted(folder.rglob("*")) == before


def test_a_bad_name_beside_good_masks_is_refused() -> None:
    assert "no such preset" in refused("show", "--from-masks", "labels", "--preset", "colonny")
    assert "either a dataset or" in refused("show", "a.zarr", "--from-masks", "labels")
    assert "scale_min" in refused("show", "--from-masks", "labels", "--set", "cells.scale_min=9")


@pytest.mark.parametrize("name", ["rcm-mosaic", "skin-oct", "nucleus-golgi"])
def test_presets_whose_cells_masks_cannot_replace_are_refused(name: str) -> None:
    line = refused("show", "--from-masks", "labels", "--preset", name)
    assert "--from-masks: preset" in line
    assert name in line
    assert "use a preset of flat cells" in line
