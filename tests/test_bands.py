"""Samples painted and stored in bands are those that are painted whole."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import simcell
from simcell.batch import task
from simcell.errors import SimcellError
from simcell.io import header
from simcell.io.header import PARTS
from simcell.io.preview import contact_sheet
from simcell.preset import Preset, load_preset
from simcell.scene import IN_BANDS, MAX_PIXELS
from simcell.stages import excerpt, lay_out, simulate

SMALL = {
    "rcm-mosaic": ["frame.shape=[150, 90]", "frame.spacing_um=4"],
    "nucleus-golgi": ["frame.shape=[12, 140, 60]"],
}
ROWS = 32  # the lowest band there is
SAMPLES = 2


@pytest.fixture(params=sorted(SMALL))
def preset(request: pytest.FixtureRequest) -> Preset:
    return load_preset(request.param).with_set(SMALL[request.param])


@pytest.fixture
def in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store every sample in bands, and those as low as can be."""
    monkeypatch.setattr(task, "WHOLE_PIXELS", 0)
    monkeypatch.setattr(header, "BAND_PIXELS", 0)


def tree(path: Path) -> dict[str, bytes | None]:
    return {
        str(file.relative_to(path)): file.read_bytes() if file.is_file() else None
        for file in path.rglob("*")
    }


def test_every_kind_painted_in_bands_is_tested() -> None:
    kinds = {load_preset(name).base.cells.kind for name in SMALL}
    assert kinds == set(IN_BANDS)


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_bands_of_any_height_are_cut_from_the_same_picture(preset: Preset, rows: int) -> None:
    scene = preset.scene(seed=3, index=1)
    whole = simulate(scene, seed=3, index=1)
    canvas = lay_out(scene, seed=3, index=1)
    np.testing.assert_array_equal(canvas.layout.objects, whole.objects)
    for start in (0, 53, 140 - rows):
        part = canvas.paint(range(start, start + rows))
        for name, array in part.items():
            wanted = getattr(whole, name)[..., start : start + rows, :]
            np.testing.assert_array_equal(array, wanted)


@pytest.mark.usefixtures("in_bands")
def test_a_dataset_in_bands_holds_the_same_samples(preset: Preset, tmp_path: Path) -> None:
    summary = simcell.generate(preset, SAMPLES, tmp_path / "bands.zarr", seed=5, progress=False)
    data = simcell.open_dataset(tmp_path / "bands.zarr")
    assert data.header.rows == ROWS
    assert data.header.bands == -(-data.header.height // ROWS)
    for index, stored in enumerate(data):
        sample = simulate(preset.scene(seed=5, index=index), seed=5, index=index)
        for name in ("image", "prior", "labels", "classes", "objects", "adjacency"):
            np.testing.assert_array_equal(getattr(stored, name), getattr(sample, name))
        assert stored.grid == sample.grid
    assert summary.cells_per_image == pytest.approx(data.counts.mean())
    assert summary.made == SAMPLES


@pytest.mark.usefixtures("in_bands")
def test_two_workers_write_the_same_bytes(preset: Preset, tmp_path: Path) -> None:
    for workers in (1, 2):
        out = tmp_path / f"{workers}.zarr"
        simcell.generate(preset, SAMPLES, out, seed=5, workers=workers, progress=False)
    assert tree(tmp_path / "1.zarr") == tree(tmp_path / "2.zarr")


_KILLED = """
import sys, simcell
from simcell.batch import task
from simcell.io import header
task.WHOLE_PIXELS = header.BAND_PIXELS = 0
preset = simcell.Preset.from_text(sys.stdin.read())
simcell.generate(preset, int(sys.argv[2]), sys.argv[1], seed=5, progress=False)
"""


@pytest.mark.usefixtures("in_bands")
def test_killed_between_bands_it_goes_on_to_the_same_bytes(preset: Preset, tmp_path: Path) -> None:
    out, whole = tmp_path / "killed.zarr", tmp_path / "whole.zarr"
    simcell.generate(preset, SAMPLES, whole, seed=5, progress=False)
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(out), str(SAMPLES)], stdin=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(preset.text)
    process.stdin.close()
    while not (out / PARTS).is_dir() or len(list((out / PARTS).glob("*.npz"))) < 3:
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    with pytest.raises(SimcellError, match=r"incomplete, [01] of 2 samples are done"):
        simcell.open_dataset(out)
    summary = simcell.generate(preset, SAMPLES, out, seed=5, resume=True, progress=False)
    assert summary.made in (1, 2)
    assert tree(out) == tree(whole)


@pytest.mark.usefixtures("in_bands")
def test_bands_and_the_middle_can_be_read_alone(preset: Preset, tmp_path: Path) -> None:
    out = tmp_path / "bands.zarr"
    simcell.generate(preset, 1, out, seed=5, progress=False)
    data = simcell.open_dataset(out)
    for name in data.header.arrays:
        whole = data.read(name, 0)
        np.testing.assert_array_equal(data.band(name, 0, range(40, 71)), whole[..., 40:71, :])
    scene = preset.scene(seed=5, index=0)
    ours, stored = excerpt(scene, seed=5, index=0, side=40), data.excerpt(0, 40)
    rows, columns = (range((side - 40) // 2, (side + 40) // 2) for side in scene.frame.shape[-2:])
    for name in data.header.arrays:
        wanted = data.read(name, 0)[..., rows.start : rows.stop, columns.start : columns.stop]
        np.testing.assert_array_equal(getattr(ours, name), wanted)
        np.testing.assert_array_equal(getattr(stored, name), wanted)
    assert contact_sheet([stored]).shape == contact_sheet([ours]).shape


def test_what_does_not_fit_in_memory_is_refused_whole_but_not_in_bands() -> None:
    preset = load_preset("rcm-mosaic").with_set(["frame.shape=[9000, 9000]"])
    assert MAX_PIXELS < 9000**2
    with pytest.raises(SimcellError, match="do not fit in memory as one sample; generate it"):
        simulate(preset.scene(seed=0, index=0), seed=0, index=0)
    sample = excerpt(preset.scene(seed=0, index=0), seed=0, index=0, side=32)
    assert sample.image is not None
    assert sample.image.shape == (32, 32)


def test_cells_that_are_painted_whole_have_no_bands() -> None:
    scene = load_preset("discs").scene(seed=0, index=0)
    with pytest.raises(SimcellError, match="'outlines': painted whole; use one of nucleus_golgi"):
        lay_out(scene, seed=0, index=0)
