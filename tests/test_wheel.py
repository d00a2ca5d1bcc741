"""The wheel holds what a user needs and nothing heavy: build, install afresh, generate."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _run(*command, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=500, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


def test_presets_and_types_ship_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("presets", "presets/recipes"):
        shipped = {Path(n).stem for n in names if Path(n).parent == Path("simcell", folder)}
        assert shipped == {p.stem for p in (ROOT / folder).glob("*.yaml")}
    models = {n for n in names if n.startswith("dermogan/models/")}
    kept = (p for p in (ROOT / "dermogan/models").rglob("*") if p.is_file())
    assert models == {str(p.relative_to(ROOT)) for p in kept}
    assert {"simcell/py.typed", "simcell/napari.yaml"} <= set(names)
    assert not [n for n in names if n.startswith(("tests", "benchmarks", "examples"))]


@pytest.mark.timeout(900)
def test_wheel_generates_in_a_fresh_environment(wheel, tmp_path):
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    _run(str(python), "-m", "pip", "install", "-q", "-c", str(constraints), str(wheel))
    freeze = _run(str(python), "-m", "pip", "freeze").lower()
    assert not [
        name for name in ("torch", "tensorflow", "keras", "dask") if f"\n{name}==" in freeze
    ]
    out = _run(
        str(home / "bin" / "simcell"),
        "generate",
        "--preset",
        "rcm-sg",
        "-n",
        "3",
        "--set",
        "frame.shape=[64, 64]",
        cwd=tmp_path,
    )
    assert "rcm-sg.zarr" in out
    trainer = str(home / "bin" / "dermogan")
    assert "supervised" in _run(trainer, "recipes", cwd=tmp_path)
    done = subprocess.run(
        [trainer, "train", "--recipe", "supervised", "-o", "run"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    needed = "dermogan: torch is not installed; run: pip install 'simcell[dermogan]'\n"
    assert (done.returncode, done.stderr) == (2, needed)
    assert (tmp_path / "rcm-sg.zarr").is_dir()
    assert (tmp_path / "rcm-sg-preview.png").stat().st_size > 1000
    count = "import simcell; print(len(simcell.open_dataset('rcm-sg.zarr')))"
    assert _run(str(python), "-c", count, cwd=tmp_path).strip() == "3"
