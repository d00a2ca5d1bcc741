"""The napari plugin: its manifest, its samples, its reader."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import simcell
from simcell import napari
from simcell.preset import load_preset, shipped_folder

# npe2 and napari warn when they are imported.
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).parents[1]
MANIFEST = Path(napari.__file__).with_name("napari.yaml")
SHIPPED = sorted(file.stem for file in shipped_folder().glob("*.yaml"))
TINY = ["frame.shape=[64, 48]", "frame.margin_um=5", "frame.spacing_um=0.4"]


@pytest.fixture
def manager() -> Any:
    """A plugin manager that knows simcell alone."""
    import npe2

    found = npe2.PluginManager()
    found.register(npe2.PluginManifest.from_file(MANIFEST))
    found.activate("simcell")
    return found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("napari") / "three.zarr"
    preset = load_preset("rcm-sg").with_set(TINY)
    simcell.generate(preset, 3, out, seed=5, progress=False)
    return out


def test_the_manifest_is_up_to_date() -> None:
    again = "run `python -m simcell.napari > simcell/napari.yaml`"
    assert MANIFEST.read_text("utf-8") == napari.manifest(), again


def test_installing_tells_napari_of_the_manifest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["napari.manifest"] == {"simcell": "simcell:napari.yaml"}


def test_npe2_accepts_the_manifest_and_finds_every_function(manager: Any) -> None:
    manifest = manager.get_manifest("simcell")
    manifest.validate_imports()
    samples = manifest.contributions.sample_data
    assert [sample.key for sample in samples] == SHIPPED
    commands = {sample.command for sample in samples} | {"simcell.read"}
    assert commands == {command.id for command in manifest.contributions.commands}


def test_unknown_samples_are_unknown() -> None:
    with pytest.raises(AttributeError, match="sample_rcm_xy"):
        napari.sample_rcm_xy  # noqa: B018


@pytest.mark.parametrize("name", SHIPPED)
def test_every_sample_opens(manager: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari, "LARGEST_PX", 1_000_000)
    [sample] = [
        found
        for found in manager.get_manifest("simcell").contributions.sample_data
        if found.key == name
    ]
    layers = sample.open(_registry=manager.commands)
    kinds = {str(settings["name"]).split()[1].strip("',"): kind for _, settings, kind in layers}
    frame = load_preset(name).scene(seed=0, index=0).frame
    assert kinds.pop("labels") == "labels"
    assert kinds.pop("classes", "labels") == "labels"
    assert set(kinds.values()) == {"image"}
    for data, settings, _ in layers:
        assert data.size <= 3_000_000
        assert settings["scale"] == frame.grid.spacing_um
        assert settings["units"] == ("micrometer",) * frame.ndim
    assert sum(settings["visible"] for _, settings, _ in layers) == 2


def test_huge_fields_are_cut_to_what_one_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari, "LARGEST_PX", 128 * 128)
    (image, _, _), (_, _, _), (labels, settings, _) = napari.sample_rcm_sg()
    assert image.shape == labels.shape == (128, 128)
    assert settings["scale"] == (0.5, 0.5)


def test_a_sample_is_that_of_the_preset() -> None:
    layers = {settings["name"]: (data, settings) for data, settings, _ in napari.sample_rcm_sg()}
    scene = load_preset("rcm-sg").scene(seed=0, index=0)
    want = simcell.simulate(scene, seed=0, index=0)
    for array in ("image", "prior", "labels"):
        np.testing.assert_array_equal(layers[f"rcm-sg {array}"][0], getattr(want, array))
    data, settings = layers["rcm-sg labels"]
    features = settings["features"]
    assert features["index"].tolist() == list(range(1, data.max() + 1))
    # A centroid of the table is where the layer's own pixels put it.
    for label in (1, len(want.objects) // 2, len(want.objects)):
        seen = np.argwhere(data == label).mean(axis=0) * settings["scale"] + settings["translate"]
        row = want.objects[label - 1]
        assert seen == pytest.approx([row["centroid_y_um"], row["centroid_x_um"]])
        assert features["area_um2"][label - 1] == row["area_um2"]


def test_a_dataset_opens_lazily_with_samples_in_front(manager: Any, path: Path) -> None:
    reader = manager.get_manifest("simcell").contributions.readers[0]
    read = reader.exec(kwargs={"path": [str(path)], "stack": False}, _registry=manager.commands)
    layers = read([str(path)], stack=False)
    dataset = simcell.open_dataset(path)
    assert [settings["name"] for _, settings, _ in layers] == [
        f"rcm-sg {name}" for name in ("image", "prior", "labels")
    ]
    for (data, settings, kind), name in zip(layers, ("image", "prior", "labels"), strict=True):
        assert isinstance(data, zarr.Array)
        assert kind == ("labels" if name == "labels" else "image")
        assert settings["scale"] == (1.0, 0.4, 0.4)
        assert settings["translate"] == (0.0, 0.2, 0.2)
        assert settings["axis_labels"] == ("sample", "y", "x")
        np.testing.assert_array_equal(data[2], dataset.read(name, 2))


def test_channels_become_layers_of_their_own() -> None:
    volume = {"prior": np.zeros((4, 2, 5, 6, 7)), "labels": np.zeros((4, 5, 6, 7), int)}
    prior, labels = napari._layers(volume, "a", (2.0, 0.5, 0.5), stacked=True)
    assert prior[1]["channel_axis"] == 1
    assert prior[1]["name"] == ["a prior 1", "a prior 2"]
    assert len(prior[1]["scale"]) == len(labels[1]["scale"]) == 4
    assert "channel_axis" not in labels[1]


def test_what_others_wrote_is_left_to_them(tmp_path: Path, path: Path) -> None:
    zarr.create_group(tmp_path / "other.zarr")
    for other in (str(tmp_path / "other.zarr"), str(tmp_path / "none.zarr"), [str(path)]):
        assert napari.get_reader(other) is None
    out = simcell.export(simcell.open_dataset(path), tmp_path / "ome", "ome-zarr")
    assert napari.get_reader(str(out / "images" / "0000.ome.zarr")) is None


def test_nothing_heavy_is_imported_to_be_found() -> None:
    code = (
        "import sys, simcell.napari; "
        "print([m for m in ('napari', 'npe2', 'numba', 'zarr') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_napari_shows_samples_and_datasets(path: Path) -> None:
    components = pytest.importorskip("napari.components")
    import npe2

    known = npe2.PluginManager.instance()
    if "simcell" not in known:
        known.register(npe2.PluginManifest.from_file(MANIFEST))
    viewer = components.ViewerModel()
    viewer.open_sample("simcell", "rcm-ss")
    image, _, labels = viewer.layers
    assert image.visible
    row = labels.features.iloc[9]
    where = (row["centroid_y_um"], row["centroid_x_um"])
    assert labels.get_value(where, world=True) == row["index"] == 10
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"micrometer"}
    viewer = components.ViewerModel()
    image, _, labels = viewer.open(str(path), plugin="simcell")
    assert image.data.shape == (3, 64, 48)
    dataset = simcell.open_dataset(path)
    viewer.dims.set_point(0, 2)
    row = dataset[2].objects[dataset[2].objects["touches_border"]][0]
    y, x = np.argwhere(dataset[2].labels == row["label"])[0]
    assert labels.get_value((2, (y + 0.5) * 0.4, (x + 0.5) * 0.4), world=True) == row["label"]
