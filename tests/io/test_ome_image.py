"""One image with labels as OME-Zarr: judged by validators, read back, never half there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from simcell import SimcellError, write_ome_zarr
from simcell.io import ome_image
from simcell.io.pyramid import averages

# Imports of these readers warn, each in its own way.
pytestmark = pytest.mark.filterwarnings("ignore")

TABLE = np.dtype([("label", np.int64), ("area_px", np.int64)])


def picture(kind: str, shape: tuple[int, ...] = (700, 1100)) -> np.ndarray:
    values = np.random.default_rng(0).normal(100, 20, shape)
    return values.astype(kind)


def blocks(shape: tuple[int, int] = (700, 1100)) -> np.ndarray:
    y, x = np.indices(shape) // 100
    return (1 + y * 11 + x).astype(np.uint16) * (y + x > 0)


def ome(group: Path) -> dict[str, Any]:
    content = json.loads((group / "zarr.json").read_text("utf-8"), parse_constant=pytest.fail)
    return content["attributes"]["ome"]


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("spacing", [(0.5, 0.4), None])
def test_validators_and_readers(tmp_path: Path, kind: str, spacing: Any) -> None:
    import yaozarrs
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader
    from ome_zarr_models.v05 import Image, ImageLabel, Labels

    image, labels, path = picture(kind), blocks(), tmp_path / "a.ome.zarr"
    table = np.array([(3, 10_000)], TABLE)
    write_ome_zarr(path, image, {"cells": labels}, spacing_um=spacing, tables={"cells": table})
    yaozarrs.validate_zarr_store(str(path))
    yaozarrs.validate_zarr_store(str(path / "labels" / "cells"))
    Image.from_zarr(zarr.open_group(path, mode="r"))
    held = Labels.from_zarr(zarr.open_group(path / "labels", mode="r")).attributes.ome.labels
    assert held == ["cells"]
    ImageLabel.from_zarr(zarr.open_group(path / "labels" / "cells", mode="r"))
    found = [node for node in Reader(parse_url(str(path)))() if node.data]
    for node, array in zip(found, (image, labels), strict=True):
        assert node.data[0].dtype == array.dtype
        np.testing.assert_array_equal(np.asarray(node.data[0]), array)
        assert len(node.data) == 4
    assert set(np.unique(np.asarray(found[1].data[3]))) <= set(np.unique(labels))
    for group in (path, path / "labels" / "cells"):
        [image_of] = ome(group)["multiscales"]
        assert [axis.get("unit") for axis in image_of["axes"]] == [spacing and "micrometer"] * 2
        for number, level in enumerate(image_of["datasets"]):
            side = np.array(spacing or (1.0, 1.0))
            scale, shift = level["coordinateTransformations"]
            np.testing.assert_allclose(scale["scale"], side * 2**number)
            np.testing.assert_allclose(shift["translation"], side * (2**number - 1) / 2)
    [row] = ome(path / "labels" / "cells")["image-label"]["properties"]
    assert row == {"label-value": 3, "area_px": 10_000}


def test_a_mean_of_floats_is_a_mean() -> None:
    image = np.array([[0.1, 0.2, 5.0], [0.3, 0.6, 7.0]], np.float32)
    np.testing.assert_allclose(averages(image, (2, 2)), [[0.3, 6.0]], rtol=1e-6)
    assert averages(image, (2, 2)).dtype == np.float32


def test_channels_and_other_numbers(tmp_path: Path) -> None:
    both = np.stack([picture("f8", (40, 50)), 2 * picture("f8", (40, 50))])
    write_ome_zarr(tmp_path / "a.ome.zarr", both)
    stored = zarr.open_array(tmp_path / "a.ome.zarr" / "0", mode="r")
    assert stored.dtype == np.float32
    np.testing.assert_allclose(stored[...], both, rtol=1e-6)
    assert not (tmp_path / "a.ome.zarr" / "labels").exists()
    about = ome(tmp_path / "a.ome.zarr")
    assert [axis["name"] for axis in about["multiscales"][0]["axes"]] == ["c", "y", "x"]
    windows = [channel["window"] for channel in about["omero"]["channels"]]
    for window, channel in zip(windows, both, strict=True):
        assert window["min"] <= window["start"] < window["end"] <= window["max"]
        assert abs(window["end"] - np.percentile(channel, 99.9)) < 0.01 * window["end"]


def test_an_image_of_one_grey_has_a_range(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.ome.zarr", np.full((8, 8), 0.5, np.float32))
    [channel] = ome(tmp_path / "a.ome.zarr")["omero"]["channels"]
    assert channel["window"] == {"min": 0.5, "max": 1.5, "start": 0.5, "end": 1.5}


def test_what_is_there_is_replaced_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, labels = tmp_path / "a.ome.zarr", blocks((40, 50))
    write_ome_zarr(path, picture("u1", (40, 50)), {"old": labels})
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ome_image, "_write_labels", full)
        with pytest.raises(OSError, match="No space left"):
            write_ome_zarr(path, picture("u1", (40, 50)), {"new": labels})
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]
    write_ome_zarr(path, picture("u1", (40, 50)), {"new": labels})
    assert ome(path / "labels")["labels"] == ["new"]
    assert not (path / "labels" / "old").exists()


@pytest.mark.parametrize("labels", [np.zeros((4, 4), np.int32), np.zeros((4, 5), np.uint8)])
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, labels: np.ndarray) -> None:
    with pytest.raises(SimcellError, match=r"labels 'cells' are .* are needed"):
        write_ome_zarr(tmp_path / "a.ome.zarr", np.eye(4), {"cells": labels})
    assert not list(tmp_path.iterdir())
