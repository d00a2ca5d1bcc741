"""Only what simcell wrote, and nothing else, is ever deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from simcell.errors import SimcellError
from simcell.io import export
from simcell.io.dataset import Dataset
from simcell.io.outputs import FORMATS, check_writable, format_of, is_vacant, remove_output


@pytest.fixture
def copied(dataset: Dataset, tmp_path: Path) -> Path:
    return shutil.copytree(dataset.path, tmp_path / "copy")


def test_free_places(tmp_path: Path) -> None:
    assert is_vacant(tmp_path / "none")
    assert is_vacant(tmp_path)
    check_writable(tmp_path, overwrite=False)
    remove_output(tmp_path / "none")


@pytest.mark.parametrize("overwrite", [False, True])
def test_folders_and_files_of_others_stay(tmp_path: Path, overwrite: bool) -> None:
    folder, file, link = tmp_path / "folder", tmp_path / "file", tmp_path / "link"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years")
    file.write_text("years")
    link.symlink_to(tmp_path / "nowhere")
    for path in (folder, file, link):
        with pytest.raises(SimcellError, match="not an output of simcell"):
            check_writable(path, overwrite=overwrite)
        with pytest.raises(SimcellError, match="not an output of simcell"):
            remove_output(path)
    assert (folder / "thesis.tex").read_text() == file.read_text() == "years"


def test_another_zarr_group_stays(tmp_path: Path) -> None:
    import zarr

    zarr.create_group(tmp_path / "mine", attributes={"n": 3})
    with pytest.raises(SimcellError, match="not an output of simcell"):
        remove_output(tmp_path / "mine")


def test_a_dataset_that_holds_a_guest_stays(copied: Path) -> None:
    (copied / "notes.txt").write_text("mine")
    with pytest.raises(SimcellError, match=r"holds 'notes.txt', which simcell did not write"):
        remove_output(copied)
    assert format_of(copied) == "zarr"
    (copied / "notes.txt").unlink()
    remove_output(copied)
    assert not copied.exists()


def test_a_deletion_cut_short_can_be_finished(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rmdir", lambda _: 1 / 0)
        patch.setattr(Path, "unlink", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            remove_output(copied)
    assert not (copied / "image").exists()
    assert format_of(copied) == "zarr"
    remove_output(copied)
    assert not copied.exists()


@pytest.mark.parametrize("format", FORMATS[1:])
def test_exports_are_recognised(dataset: Dataset, tmp_path: Path, format: str) -> None:
    out = export(dataset[:1], tmp_path / "out", format)
    assert format_of(out) == format
    with pytest.raises(SimcellError, match="--overwrite"):
        check_writable(out, overwrite=False)
    remove_output(out)
    assert not out.exists()
