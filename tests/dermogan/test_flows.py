"""Cellpose: the library is called as it is documented, and its masks are kept."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from image_files import honeycomb, save
from scipy import ndimage

from dermogan.cli import main


class _Network:
    """Stands in for the library's model: what is bright is cell."""

    seen: list[dict[str, Any]]

    def __init__(self, *, gpu: bool, pretrained_model: str) -> None:
        self.seen.append({"gpu": gpu, "weights": pretrained_model})
        if pretrained_model.endswith("bad"):
            msg = "no\nmodel"
            raise RuntimeError(msg)

    def eval(self, image: np.ndarray, **options: Any) -> tuple[Any, ...]:
        self.seen.append({"image": image, **options})
        logits = np.where(image > 100, 3.0, -200.0).astype(np.float32)
        masks = 7 * ndimage.label(image > 100)[0].astype(np.uint16)
        return masks, [None, None, logits, None], np.zeros(256)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    models: Any = ModuleType("cellpose.models")
    _Network.seen = []
    models.CellposeModel, models.MODEL_NAMES = _Network, ["cyto3"]
    models.get_user_models = lambda: ["mine"]
    monkeypatch.setitem(sys.modules, "cellpose", ModuleType("cellpose"))
    monkeypatch.setitem(sys.modules, "cellpose.models", models)
    return _Network.seen


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "photo.png", 255 - honeycomb())


def run(photo: Path, *words: object) -> Result:
    out = photo.with_name("out")
    args = ["segment", str(photo), "-m", "cellpose", "-o", str(out), *map(str, words)]
    return CliRunner().invoke(main, args, prog_name="dermogan")


def test_the_librarys_masks_are_kept(photo: Path, library: list[dict[str, Any]]) -> None:
    weights = photo.with_name("weights")
    weights.write_bytes(b"")
    words = ["--weights", weights, "--diameter", 24, "--threshold", 0.9, "--set", "min_size=3"]
    result = run(photo, *words)
    assert result.exit_code == 0, result.output
    assert "16 cells" in result.stdout
    made, called = library
    assert made == {"gpu": False, "weights": str(weights)}
    image = called.pop("image")
    assert (image.dtype, image.shape) == (np.float32, (96, 96))
    assert called == {
        "diameter": 24,
        "cellprob_threshold": pytest.approx(np.log(9)),
        "flow_threshold": 0.4,
        "min_size": 3,
    }
    labels = tifffile.imread(photo.parent / "out" / "labels" / "photo.tif")
    assert np.unique(labels).tolist() == list(range(17))
    np.testing.assert_array_equal(labels > 0, honeycomb() < 155)
    probability = tifffile.imread(photo.parent / "out" / "probabilities" / "photo.tif")
    np.testing.assert_allclose(np.unique(probability), [0, 1 / (1 + np.exp(-3))], atol=1e-6)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "-m cellpose: --weights is missing"),
        (["--weights", "lost"], "--weights lost: no such file, and none of cyto3, mine"),
        (["--weights", "bad"], "--weights bad: cannot be loaded (no model)"),
        (["--weights", "cyto3", "--set", "size=1"], "cellpose has flow_threshold, min_size"),
        (["--weights", "cyto3", "--set", "min_size=-1"], "--set min_size=-1: Input should be"),
        (["--weights", "cyto3", "--refine", "depth=0.3"], "--refine depth=0.3: goes with other"),
        (["--weights", "cyto3", "--split", "stardist"], "--split stardist: goes with other"),
    ],
)
def test_what_it_cannot_do_is_said_in_one_line(
    photo: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(photo.parent)
    Path("bad").write_bytes(b"")
    result = run(photo, *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not Path("out").exists()


def test_sizes_are_not_estimated(photo: Path, library: list[dict[str, Any]]) -> None:
    result = run(photo, "--weights", "cyto3", "--diameter", "auto")
    assert result.exit_code == 1
    assert "diameter = auto: this method estimates none" in result.stderr
    assert len(library) == 1
    assert run(photo, "--weights", "cyto3", "--overwrite").exit_code == 0
    assert library[-1]["diameter"] is None


def test_a_missing_library_is_told(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cellpose", None)
    result = run(photo, "--weights", "cyto3")
    assert result.exit_code == 2
    assert result.stderr.startswith("dermogan: cellpose: cannot be imported (")
    assert result.stderr.endswith("; pip install cellpose\n")


@pytest.mark.filterwarnings("ignore")
def test_the_real_library_runs(photo: Path) -> None:
    """A network with random weights, saved and read by the library itself."""
    models = pytest.importorskip("cellpose.models")
    weights = photo.with_name("random")
    models.CellposeModel(gpu=False).net.save_model(str(weights))
    result = run(photo, "--weights", weights, "--diameter", 24)
    assert result.exit_code == 0, result.output
    labels = tifffile.imread(photo.parent / "out" / "labels" / "photo.tif")
    assert labels.shape == (96, 96)
