"""Whatever is wrong with a folder, one line names the file and what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from simcell.errors import SimcellError
from simcell.io.dataset import Dataset
from simcell.io.header import PARTS
from simcell.sample import Sample


@pytest.fixture
def copied(dataset: Dataset, tmp_path: Path) -> Path:
    return shutil.copytree(dataset.path, tmp_path / "copy")


def read_all(dataset: Dataset) -> list[Sample]:
    for name in dataset.header.drawn:
        dataset.drawn(name)
    return list(dataset)


def shard_of(path: Path, name: str) -> Path:
    return path / name / "c/4/0/0"


@pytest.mark.parametrize("name", ["image", "prior", "labels"])
def test_a_missing_shard_is_named_before_any_read(
    copied: Path, reopen: Callable[[Path], Dataset], name: str
) -> None:
    shard_of(copied, name).unlink()
    with pytest.raises(SimcellError, match=rf"{name}/c/4/0/0: missing"):
        reopen(copied)


@pytest.mark.parametrize("kept", [0, 10, -1])
@pytest.mark.parametrize("name", ["image/c/4/0/0", "labels/c/4/0/0", "objects/label/c/0"])
def test_a_truncated_shard_is_named(
    copied: Path, reopen: Callable[[Path], Dataset], name: str, kept: int
) -> None:
    file = copied / name
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(SimcellError, match=rf"{name}: (damaged|missing or empty)"):
        read_all(reopen(copied))


@pytest.mark.parametrize(
    "name", ["image/c/4/0/0", "prior/c/0/0/0", "objects/area_um2/c/0", "drawn/cells.kind/c/0"]
)
def test_any_changed_byte_is_found(
    copied: Path, reopen: Callable[[Path], Dataset], name: str
) -> None:
    file = copied / name
    data = bytearray(file.read_bytes())
    for place in (0, len(data) // 2, len(data) - 1):
        changed = data.copy()
        changed[place] ^= 0x10
        file.write_bytes(changed)
        with pytest.raises(SimcellError, match=rf"{name}: damaged"):
            read_all(reopen(copied))


@pytest.mark.parametrize(
    "name", ["image", "labels", "objects", "objects/label", "adjacency/pairs", "drawn/frame.flat"]
)
def test_a_missing_array_is_named(
    copied: Path, reopen: Callable[[Path], Dataset], name: str
) -> None:
    shutil.rmtree(copied / name)
    with pytest.raises(SimcellError, match=rf"{name}.*/zarr.json: missing"):
        reopen(copied)


def test_an_array_of_another_length_is_named(
    copied: Path, reopen: Callable[[Path], Dataset]
) -> None:
    file = copied / "objects/label/zarr.json"
    content = json.loads(file.read_text())
    content["shape"][0] -= 1
    file.write_text(json.dumps(content))
    with pytest.raises(SimcellError, match=r"objects/label: \d+ rows, \d+ expected"):
        reopen(copied)


def change(path: Path, **attributes: object) -> None:
    file = path / "zarr.json"
    content = json.loads(file.read_text())
    content["attributes"].update(attributes)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"n": 0}, "attribute n = 0"),
        ({"n": "many"}, "attribute n = 'many'"),
        ({"seed": -1}, "attribute seed = -1"),
        (
            {"arrays": {"image": {"shape": [1], "dtype": "object"}}},
            "attribute arrays.image.dtype = 'object'",
        ),
        ({"format_version": 99}, "attribute format_version = 99"),
        ({"surprise": 1}, "attribute surprise = 1"),
    ],
)
def test_bad_attributes_are_named(
    copied: Path, reopen: Callable[[Path], Dataset], attributes: dict[str, object], text: str
) -> None:
    change(copied, **attributes)
    with pytest.raises(SimcellError, match=rf"zarr.json: {text}.*make the dataset again"):
        reopen(copied)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"attributes": {}}', '{"attributes": 3}']
)
def test_a_header_that_is_none(
    copied: Path, reopen: Callable[[Path], Dataset], content: str
) -> None:
    (copied / "zarr.json").write_text(content)
    with pytest.raises(SimcellError, match=r"zarr.json: not the header of a simcell dataset"):
        reopen(copied)


def test_labels_that_contradict_the_objects(
    copied: Path, reopen: Callable[[Path], Dataset]
) -> None:
    change(copied, columns={"label": "<i4"})
    shutil.copytree(copied / "prior/c", copied / "labels/c", dirs_exist_ok=True)
    with pytest.raises(SimcellError, match="damaged"):
        read_all(reopen(copied))


def test_no_dataset_at_all(tmp_path: Path, reopen: Callable[[Path], Dataset]) -> None:
    with pytest.raises(SimcellError, match="nowhere: does not exist"):
        reopen(tmp_path / "nowhere")
    with pytest.raises(SimcellError, match=r"holds no zarr.json; give the folder of a dataset"):
        reopen(tmp_path)


def test_an_incomplete_dataset_says_how_far_it_is(
    tmp_path: Path, builder: type, reopen: Callable[[Path], Dataset]
) -> None:
    build = builder(tmp_path / "a", 300)
    build.start()
    for shard in (0, 5):
        build.shard(shard)
    with pytest.raises(SimcellError, match=r"incomplete, 10 of 300 samples.*--resume"):
        reopen(tmp_path / "a")
    assert (tmp_path / "a" / PARTS).exists()
