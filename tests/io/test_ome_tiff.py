"""OME-TIFF: its XML judged by the schema, its pixels read back by other readers."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from simcell.io import export, spool
from simcell.io.dataset import Dataset
from simcell.io.ome_tiff import _TILE
from simcell.io.pyramid import averages, majorities

pytestmark = pytest.mark.filterwarnings("ignore")

FOLDERS = {"images": "image", "priors": "prior", "labels": "labels", "classes": "classes"}


@pytest.fixture(scope="module")
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: dict[str, Path] = {}

    def make(name: str) -> tuple[Dataset, Path]:
        dataset = request.getfixturevalue(name)
        if name not in made:
            made[name] = export(dataset, tmp_path_factory.mktemp("ome") / name, "ome-tiff")
        return dataset, made[name]

    return make


def described(file: Path) -> Any:
    """The image that a file's OME-XML describes, after the schema of OME has judged it."""
    import ome_types

    with tifffile.TiffFile(file) as tiff:
        return ome_types.from_xml(tiff.ome_metadata, validate=True).images[0]


@pytest.mark.parametrize("name", ["dataset", "flat", "deep"])
def test_the_schema_of_ome_accepts_size_units_and_names(exported: Any, name: str) -> None:
    dataset, out = exported(name)
    shape, spacing = dataset.header.arrays["labels"].shape, dataset.spacing_um(0)
    files = sorted(out.glob("*/*.ome.tif"))
    assert len(files) == len(dataset) * len(dataset.header.arrays)
    for file in files[::3]:
        image = described(file)
        pixels = image.pixels
        for axis, n, side in zip("zyx"[-len(shape) :], shape, spacing, strict=True):
            assert getattr(pixels, f"size_{axis}") == n
            assert getattr(pixels, f"physical_size_{axis}") == pytest.approx(side)
            assert getattr(pixels, f"physical_size_{axis}_unit").value == "µm"
        array = FOLDERS[file.parent.name]
        names = [channel.name for channel in pixels.channels]
        many = len(dataset.header.arrays[array].shape) > len(shape)
        assert names == (["prior 1", "prior 2"] if many else [array])
        assert pixels.type.value == dataset.header.arrays[array].dtype
        assert image.name == f"handmade {int(file.name[:4])} {array}"


def test_the_schema_would_refuse_something(exported: Any) -> None:
    import ome_types

    _, out = exported("flat")
    with tifffile.TiffFile(out / "images/0000.ome.tif") as tiff:
        broken = tiff.ome_metadata.replace('PhysicalSizeXUnit="µm"', 'PhysicalSizeXUnit="cell"')
    with pytest.raises(Exception, match="cell"):
        ome_types.from_xml(broken, validate=True)


@pytest.mark.parametrize("name", ["dataset", "flat", "deep"])
def test_pillow_reads_every_plane(exported: Any, name: str) -> None:
    dataset, out = exported(name)
    for folder, array in FOLDERS.items():
        if array not in dataset.header.arrays:
            continue
        for place in range(len(dataset)):
            want = dataset.read(array, place)
            with Image.open(out / folder / f"{place:04d}.ome.tif") as file:
                for frame, at in enumerate(product(*map(range, want.shape[:-2]))):
                    file.seek(frame)
                    np.testing.assert_array_equal(np.asarray(file), want[at])
                assert file.n_frames == int(np.prod(want.shape[:-2]))


@pytest.mark.parametrize("name", ["dataset", "flat", "deep"])
def test_bioio_finds_pixels_and_size(exported: Any, name: str) -> None:
    bioio = pytest.importorskip("bioio")
    reader = pytest.importorskip("bioio_ome_tiff").Reader
    dataset, out = exported(name)
    for folder in ("images", "priors", "labels"):
        image = bioio.BioImage(out / folder / "0000.ome.tif", reader=reader)
        np.testing.assert_array_equal(np.squeeze(image.data), dataset.read(FOLDERS[folder], 0))
        spacing = dataset.spacing_um(0)
        assert tuple(image.physical_pixel_sizes)[-len(spacing) :] == pytest.approx(spacing)


@pytest.mark.parametrize(("name", "axes"), [("flat", "YX"), ("deep", "ZYX")])
def test_pyramids_lie_in_the_planes_and_halve_y_and_x(exported: Any, name: str, axes: str) -> None:
    dataset, out = exported(name)
    for folder in ("images", "priors", "labels"):
        halve = majorities if folder == "labels" else averages
        with tifffile.TiffFile(out / folder / "0000.ome.tif") as file:
            [series] = file.series
            assert series.axes.endswith(axes)
            want = dataset.read(FOLDERS[folder], 0)
            assert len(series.levels) == {"flat": 3, "deep": 2}[name]
            for number, level in enumerate(series.levels):
                np.testing.assert_array_equal(level.asarray(), want)
                page = level.pages[0]
                assert (page.tilelength, page.tilewidth) == (_TILE, _TILE)
                assert page.is_subifd == (number > 0)
                per_cm = page.tags["XResolution"].value
                assert per_cm[1] / per_cm[0] * 1e4 == pytest.approx(0.5 * 2**number)
                want = halve(want, (2, 2))


def test_labels_of_every_level_are_labels(exported: Any) -> None:
    _, out = exported("flat")
    with tifffile.TiffFile(out / "labels/0000.ome.tif") as file:
        fine, *coarse = (set(np.unique(level.asarray())) for level in file.series[0].levels)
    assert len(fine) > 50
    assert all(level == fine for level in coarse)


def test_bands_and_whole_samples_give_the_same_bytes(
    exported: Any, banded: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = exported("deep")
    monkeypatch.setattr(Dataset, "read", lambda *_: pytest.fail("read a whole array"))
    monkeypatch.setattr(Dataset, "_sample", lambda *_: pytest.fail("read a whole sample"))
    monkeypatch.setattr(spool, "HELD_BYTES", 1000)
    monkeypatch.setattr(spool, "BAND_BYTES", 100_000)
    out = export(banded, tmp_path / "out", "ome-tiff")
    files = sorted(file.relative_to(whole) for file in whole.rglob("*") if file.is_file())
    assert files == sorted(file.relative_to(out) for file in out.rglob("*") if file.is_file())
    for file in files:
        if file.name != "simcell.json":
            assert (whole / file).read_bytes() == (out / file).read_bytes(), file


def test_the_table_names_the_files(exported: Any) -> None:
    dataset, out = exported("deep")
    with (out / "objects.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["label"]) for row in rows] == dataset.objects(0)["label"].tolist()
    assert {(row["file"], row["index"]) for row in rows} == {("0000.ome.tif", "0")}
    assert list(rows[0])[2:] == list(dataset.header.columns)
