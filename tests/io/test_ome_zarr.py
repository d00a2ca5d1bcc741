"""OME-Zarr: judged by validators of the format, read back by readers of others."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from large_samples import bare_sample

from simcell.io import export, ngff, ngff_store
from simcell.io.dataset import Dataset

# Imports of these readers warn, each in its own way.
pytestmark = pytest.mark.filterwarnings("ignore")

SETS = ["dataset", "flat", "deep", "banded"]


@pytest.fixture(scope="module")
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: dict[str, Path] = {}

    def make(name: str) -> tuple[Dataset, Path]:
        dataset = request.getfixturevalue(name)
        if name not in made:
            made[name] = export(dataset, tmp_path_factory.mktemp("ome") / name, "ome-zarr")
        return dataset, made[name]

    return make


def ome(group: Path) -> dict[str, Any]:
    """The metadata of a group, in JSON as strict as any other language reads it."""
    text = (group / "zarr.json").read_text("utf-8")
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    return content["attributes"]["ome"]


def placed(group: Path) -> list[tuple[np.ndarray, list[float], list[float]]]:
    """Pixels, scale and translation of every level, without a channel axis."""
    [image] = ome(group)["multiscales"]
    skipped = image["axes"][0]["type"] == "channel"
    found = []
    for level in image["datasets"]:
        scale, shift = level["coordinateTransformations"]
        array = np.asarray(zarr.open_array(group / level["path"], mode="r"))
        found.append((array, scale["scale"][skipped:], shift["translation"][skipped:]))
    return found


@pytest.mark.parametrize("name", SETS)
def test_validators_of_the_format_find_nothing(exported: Any, name: str) -> None:
    import yaozarrs
    from ome_zarr_models.v05 import Image, ImageLabel, Labels

    _, out = exported(name)
    images = sorted(out.glob("*/*.ome.zarr"))
    assert len(images) == 2 * len(list((out / "images").iterdir()))
    for path in images:
        yaozarrs.validate_zarr_store(str(path))
        Image.from_zarr(zarr.open_group(path, mode="r"))
    for path in (out / "images").iterdir():
        names = Labels.from_zarr(zarr.open_group(path / "labels", mode="r")).attributes.ome.labels
        for label in names:
            yaozarrs.validate_zarr_store(str(path / "labels" / label))
            ImageLabel.from_zarr(zarr.open_group(path / "labels" / label, mode="r"))


def test_a_validator_would_find_something(exported: Any, tmp_path: Path) -> None:
    import shutil

    import yaozarrs

    _, out = exported("flat")
    broken = shutil.copytree(out / "images/0000.ome.zarr", tmp_path / "broken.ome.zarr")
    shutil.rmtree(broken / "1")
    with pytest.raises(ValueError, match="validation error"):
        yaozarrs.validate_zarr_store(str(broken))


@pytest.mark.parametrize("name", SETS)
def test_another_reader_finds_the_pixels_and_the_labels(exported: Any, name: str) -> None:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    dataset, out = exported(name)
    for place in range(len(dataset)):
        file = f"{place:04d}.ome.zarr"
        nodes = list(Reader(parse_url(str(out / "images" / file)))())
        held = [node for node in nodes if node.data]
        image, labels = held[0], held[1:]
        np.testing.assert_array_equal(np.asarray(image.data[0]), dataset.read("image", place))
        arrays = [key for key in ("labels", "classes") if key in dataset.header.arrays]
        assert len(labels) == len(arrays)
        for node, array in zip(labels, arrays, strict=True):
            assert node.data[0].dtype == dataset.header.arrays[array].dtype
            np.testing.assert_array_equal(np.asarray(node.data[0]), dataset.read(array, place))
        [prior] = Reader(parse_url(str(out / "priors" / file)))()
        np.testing.assert_array_equal(np.asarray(prior.data[0]), dataset.read("prior", place))
        axes = [axis["name"] for axis in prior.metadata["axes"]]
        assert axes == list("czyx" if dataset.header.arrays["prior"].shape[0] == 2 else "yx")


@pytest.mark.parametrize("name", ["dataset", "flat", "deep"])
def test_bioio_finds_pixels_and_size(exported: Any, name: str) -> None:
    bioio = pytest.importorskip("bioio")
    reader = pytest.importorskip("bioio_ome_zarr").Reader
    dataset, out = exported(name)
    image = bioio.BioImage(out / "images" / "0000.ome.zarr", reader=reader)
    np.testing.assert_array_equal(np.squeeze(image.data), dataset.read("image", 0))
    spacing = dataset.spacing_um(0)
    assert tuple(image.physical_pixel_sizes)[-len(spacing) :] == pytest.approx(spacing)
    prior = bioio.BioImage(out / "priors" / "0000.ome.zarr", reader=reader)
    np.testing.assert_array_equal(np.squeeze(prior.data), dataset.read("prior", 0))


@pytest.mark.parametrize("name", ["flat", "deep"])
def test_napari_opens_it_with_labels(exported: Any, name: str) -> None:
    reader = pytest.importorskip("napari_ome_zarr").napari_get_reader
    layer = pytest.importorskip("napari.layers").Layer
    dataset, out = exported(name)
    path = str(out / "images" / "0000.ome.zarr")
    layers = [layer.create(*made) for made in reader(path)(path)]
    assert [type(made).__name__ for made in layers] == ["Image", "Labels", "Labels"]
    for made, array in zip(layers, ("image", "labels", "classes"), strict=True):
        assert made.multiscale
        np.testing.assert_array_equal(np.asarray(made.data[0]), dataset.read(array, 0))
        assert tuple(made.scale) == pytest.approx(dataset.spacing_um(0))
        assert {str(unit) for unit in made.units} == {"micrometer"}
    features = layers[1].features
    assert features["index"].tolist() == dataset.objects(0)["label"].tolist()
    assert features["neighbours"].tolist() == dataset.objects(0)["neighbours"].tolist()


@pytest.mark.parametrize("name", SETS)
def test_every_level_lies_on_the_field(exported: Any, name: str) -> None:
    dataset, out = exported(name)
    shape = dataset.header.arrays["labels"].shape
    spacing = dataset.spacing_um(0)
    image = out / "images/0000.ome.zarr"
    for group in (image, out / "priors/0000.ome.zarr", image / "labels/labels"):
        assert [
            axis["unit"] for axis in ome(group)["multiscales"][0]["axes"] if "unit" in axis
        ] == ["micrometer"] * len(shape)
        found = placed(group)
        assert found[0][1] == pytest.approx(spacing)
        assert max(found[-1][0].shape[-len(shape) :]) <= 256
        for array, scale, shift in found:
            assert shift == pytest.approx([side / 2 for side in scale])
            for n, side, whole, unit in zip(
                array.shape[-len(shape) :], scale, shape, spacing, strict=True
            ):
                assert 0 <= n * side - whole * unit < side


@pytest.mark.parametrize("name", ["flat", "deep"])
def test_objects_keep_their_place_at_every_level(exported: Any, name: str) -> None:
    _, out = exported(name)
    found = placed(out / "images/0000.ome.zarr/labels/labels")
    assert len(found) == {"flat": 3, "deep": 2}[name]
    centres = []
    for labels, scale, shift in found:
        where = [np.argwhere(labels == label).mean(axis=0) for label in range(1, 8)]
        centres.append(np.array(where) * scale + shift)
        assert set(np.unique(labels)) == set(np.unique(found[0][0]))
    for coarse in centres[1:]:
        np.testing.assert_allclose(coarse, centres[0], rtol=1e-12)


def test_light_keeps_its_amount_and_place(exported: Any) -> None:
    _, out = exported("flat")
    sums, centres = [], []
    for array, scale, shift in placed(out / "images/0000.ome.zarr"):
        places = [np.arange(n) * s + t for n, s, t in zip(array.shape, scale, shift, strict=True)]
        sums.append(array.sum() * math.prod(scale))
        rows, columns = array.sum(axis=1), array.sum(axis=0)
        centres.append((rows @ places[0] / rows.sum(), columns @ places[1] / columns.sum()))
    np.testing.assert_allclose(sums, sums[0], rtol=1e-4)
    np.testing.assert_allclose(centres, np.broadcast_to(centres[0], (3, 2)), atol=1e-3)


def test_bands_and_whole_samples_give_the_same_bytes(
    exported: Any, banded: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = exported("deep")
    monkeypatch.setattr(Dataset, "read", lambda *_: pytest.fail("read a whole array"))
    monkeypatch.setattr(Dataset, "_sample", lambda *_: pytest.fail("read a whole sample"))
    out = export(banded, tmp_path / "out", "ome-zarr")
    files = sorted(file.relative_to(whole) for file in whole.rglob("*") if file.is_file())
    assert files == sorted(file.relative_to(out) for file in out.rglob("*") if file.is_file())
    for file in files:
        if file.name != "simcell.json":
            assert (whole / file).read_bytes() == (out / file).read_bytes(), file


def test_small_bands_make_the_same_pixels(
    exported: Any, deep: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, want = exported("deep")
    monkeypatch.setattr(ngff_store, "_CHUNK", {3: (4, 32, 64)})
    monkeypatch.setattr(ngff_store, "_SHARD", {3: (8, 96, 128)})
    out = export(deep[:1], tmp_path / "out", "ome-zarr")
    for part in ("images/0000.ome.zarr", "priors/0000.ome.zarr"):
        array = zarr.open_array(out / part / "0", mode="r")
        assert (array.chunks[-3:], array.shards[-3:]) == ((4, 32, 64), (8, 96, 128))
    for part in ("images/0000.ome.zarr", "images/0000.ome.zarr/labels/labels"):
        for here, there in zip(placed(out / part), placed(want / part), strict=True):
            np.testing.assert_array_equal(here[0], there[0])


def test_labels_carry_their_rows(exported: Any) -> None:
    dataset, out = exported("flat")
    label = ome(out / "images/0000.ome.zarr/labels/labels")["image-label"]
    objects = dataset.objects(0)
    assert [row["label-value"] for row in label["properties"]] == objects["label"].tolist()
    assert [row["neighbours"] for row in label["properties"]] == objects["neighbours"].tolist()
    assert label["properties"][0]["overlap"] is None  # NaN, which JSON has not
    assert label["properties"][-1]["overlap"] == 0.0
    assert len({tuple(colour["rgba"]) for colour in label["colors"]}) == len(objects)
    empty = ome(out / "images/0001.ome.zarr/labels/labels")["image-label"]
    assert "properties" not in empty
    classes = ome(out / "images/0000.ome.zarr/labels/classes")["image-label"]
    assert [colour["label-value"] for colour in classes["colors"]] == [0, 1, 2]
    with (out / "objects.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {"0000.ome.zarr"}
    assert len(rows) == dataset.counts.sum()


def test_very_many_labels_leave_the_metadata_small(
    flat: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaozarrs

    monkeypatch.setattr(ngff, "MOST_LABELS", 3)
    out = export(flat, tmp_path / "out", "ome-zarr")
    group = out / "images/0000.ome.zarr/labels/labels"
    assert ome(group)["image-label"] == {"source": {"image": "../../"}}
    yaozarrs.validate_zarr_store(str(group))


def test_without_an_image_the_labels_lie_with_the_prior(builder: type, tmp_path: Path) -> None:
    import yaozarrs

    dataset = builder(tmp_path / "bare.zarr", 1, bare_sample).build()
    out = export(dataset, tmp_path / "out", "ome-zarr")
    assert not (out / "images").exists()
    yaozarrs.validate_zarr_store(str(out / "priors/0000.ome.zarr"))
    labels = zarr.open_array(out / "priors/0000.ome.zarr/labels/labels/0", mode="r")
    np.testing.assert_array_equal(np.asarray(labels), dataset.read("labels", 0))


def test_images_are_shown_between_their_usual_greys(exported: Any) -> None:
    dataset, out = exported("flat")
    [channel] = ome(out / "images/0000.ome.zarr")["omero"]["channels"]
    low, high = np.quantile(dataset.read("image", 0), [0.001, 0.999], method="inverted_cdf")
    assert channel["window"] == {"min": 0, "max": 65535, "start": low, "end": high}
    deep, out = exported("deep")
    channels = ome(out / "priors/0000.ome.zarr")["omero"]["channels"]
    assert [c["label"] for c in channels] == ["prior 1", "prior 2"]
    assert len({c["color"] for c in channels}) == len(deep.read("prior", 0))
    assert channels[0]["window"] == {"min": 0, "max": 255, "start": 0, "end": 255}


def test_slices_say_which_samples_they_hold(flat: Dataset, tmp_path: Path) -> None:
    out = export(flat[1:], tmp_path / "out", "ome-zarr")
    [image] = (out / "images").iterdir()
    origin = json.loads((image / "zarr.json").read_text("utf-8"))["attributes"]["simcell"]
    assert (image.name, origin["index"], origin["seed"]) == ("0000.ome.zarr", 1, 7)
    array = zarr.open_array(image / "0", mode="r")
    np.testing.assert_array_equal(np.asarray(array), flat.read("image", 1))
