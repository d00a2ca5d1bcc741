"""Bad input: one clear line on stderr, exit code 2, and nothing left behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from simcell.cli import main
from simcell.errors import SimcellError
from simcell.preset import ENVIRONMENT, Preset

HEAD = "name: mine\nabout: A test.\n"
TINY = f"""{HEAD}
scene:
  frame: {{shape: [32, 32], margin_um: 4}}
  region: {{kind: full}}
  points: {{kind: hard_core, density: 4000, distance_um: 6}}
  imaging: {{kind: none}}
"""


def scene(text: str) -> str:
    return f"{HEAD}scene: {{frame: {{shape: [32, 32], margin_um: 4}}, {text}}}\n"


def vary(path: str, law: str) -> str:
    return f"{TINY}vary:\n  {path}: {law}\n"


def mask(path: str) -> str:
    return scene(f"region: {{kind: mask, path: {path}}}")


UNIFORM = "{kind: uniform, low: 1, high: 2}"
FAR = "[[222, 222], [222, 234], [234, 234], [234, 222]]"
BOW = "[[2, 2], [14, 14], [2, 14], [14, 2]]"

# The text of a preset file, and what the line must say.
PRESETS: dict[str, tuple[str, list[str]]] = {
    # The file itself
    "empty": ("", ["bad.yaml: holds nothing", "needs a mapping"]),
    "a list": ("- 1\n", ["holds a list", "needs a mapping"]),
    "a word": ("rcm-sg\n", ["holds a str", "needs a mapping"]),
    "syntax": (HEAD + "scene: {frame: [1\n", ["not valid YAML in line 4", "correct the file"]),
    "tab": (HEAD + "\tscene: 3\n", ["not valid YAML in line 3"]),
    "key twice": (HEAD + "name: x\n", ["line 3", "the key 'name' stands twice"]),
    "key twice below": (TINY.replace("kind: full", "kind: full, kind: full"), ["line 6", "'kind'"]),
    "code": (HEAD + "scene: !!python/name:os.system x\n", ["not valid YAML in line 3"]),
    "two documents": (HEAD + "---\nname: x\n", ["another document"]),
    "no date": (HEAD + "scene: 2024-13-45\n", ["not valid YAML", "month"]),
    "too deep": (HEAD + "scene: " + "[" * 5000, ["not valid YAML", "nested too deeply"]),
    "list as key": (HEAD + "? [a]\n: 1\n", ["unhashable key"]),
    # Names
    "no name": ("about: b\n", ["bad.yaml: name: missing; add it"]),
    "bad name": ("name: a b\nabout: b\n", ["name = 'a b'", "use letters, digits"]),
    "no about": ("name: a\nabout: ''\n", ["about = ''", "must not be empty"]),
    "unknown block": (HEAD + "scen: {}\n", ["scen: unknown name", "did you mean 'scene'?"]),
    "unknown part": (HEAD + "scene: {cel: {}}\n", ["scene.cel", "did you mean 'cells'?"]),
    "tomogram without layers": (
        scene("imaging: {kind: oct}"),
        ["scene: imaging.kind = 'oct'", "does not go with cells.kind = 'voronoi'"],
    ),
    "layers under another microscope": (
        scene("cells: {kind: skin_layers}, prior: {kind: classes}"),
        ["scene: imaging.kind = 'rcm'", "cells.kind = 'skin_layers'", "use none or oct"],
    ),
    "layers on a torus": (
        f"{HEAD}scene: {{frame: {{edges: periodic}}, region: {{kind: full}}, "
        "cells: {kind: skin_layers}, prior: {kind: classes}, imaging: {kind: oct}}\n",
        ["frame.edges = 'periodic'", "cells.kind = 'skin_layers' needs 'free'"],
    ),
    "nothing for points to become": (
        scene(
            "cells: {kind: skin_layers, confounders: {hair: 0, duct: 0, merkel: 0, langerhans: 0}}"
        ),
        ["one share must be above 0"],
    ),
    "unknown field": (
        scene("points: {kind: hard_core, densty: 3}"),
        ["scene.points.densty: unknown name", "did you mean 'density'?"],
    ),
    "unknown field deep down": (
        scene("imaging: {kind: rcm, noise: {luks: 3}}"),
        ["scene.imaging.noise.luks", "did you mean 'looks'?"],
    ),
    "unknown field in a list": (
        scene("points: {kind: objects, types: [{radius: 3}]}"),
        ["scene.points.types.0.radius: unknown name", "did you mean 'radius_um'?"],
    ),
    "unknown field, nothing near": (
        scene("prior: {kind: distance, qqq: 1}"),
        ["scene.prior.qqq: unknown name", "use one of kind"],
    ),
    # Kinds
    "unknown kind": (
        scene("points: {kind: hardcore}"),
        ["scene.points.kind = 'hardcore': no such kind", "did you mean 'hard_core'?"],
    ),
    "kind of wrong type": (scene("prior: {kind: 3}"), ["scene.prior.kind = 3", "membrane, filled"]),
    "no kind": (scene("cells: {lloyd: 1}"), ["scene.cells.kind: missing", "voronoi, power"]),
    "kind alone": (scene("cells: voronoi"), ["scene.cells = 'voronoi'", "{kind: voronoi}"]),
    # Values
    "word for number": (
        scene("points: {kind: hard_core, density: lots}"),
        ["scene.points.density = 'lots': should be a number"],
    ),
    "list for number": (
        scene("points: {kind: hard_core, density: [1]}"),
        ["scene.points.density = [1]: should be a number"],
    ),
    "number for list": (HEAD + "scene: {frame: {shape: 64}}\n", ["frame.shape = 64: needs a list"]),
    "number for mapping": (HEAD + "scene: {frame: 3}\n", ["scene.frame = 3: needs a mapping"]),
    "nothing for mapping": (HEAD + "scene:\n", ["scene = null: needs a mapping"]),
    "half a pixel": (
        HEAD + "scene: {frame: {shape: [64.5, 64]}}\n",
        ["frame.shape.0 = 64.5: should be a whole number"],
    ),
    "not a number": (
        scene("points: {kind: hard_core, distance_um: .nan}"),
        ["scene.points.distance_um = nan: should be a finite number"],
    ),
    "infinite": (
        scene("cells: {kind: voronoi, lloyd: .inf}"),
        ["scene.cells.lloyd = inf: should be a finite number"],
    ),
    "negative radius": (
        scene("cells: {kind: outlines, radius_um: -3}"),
        ["scene.cells.radius_um = -3: should be greater than 0"],
    ),
    "true for a number": (
        scene("points: {kind: hard_core, density: true}"),
        ["scene.points", "density = true", "should be a number"],
    ),
    "false in a list": (
        scene("points: {kind: multi_strauss, activities: [false, 2000]}"),
        ["scene.points", "false", "should be a number"],
    ),
    "beyond its range": (
        scene("region: {kind: bezier, coverage: 1.5}"),
        ["scene.region.coverage = 1.5: should be less than or equal to 1"],
    ),
    "unknown word": (
        HEAD + "scene: {frame: {edges: open}}\n",
        ["scene.frame.edges = 'open'", "'free' or 'periodic'"],
    ),
    "debris many layers deep": (
        scene("imaging: {kind: phase_contrast, debris: {density: 1000000, radius_um: 50}}"),
        ["imaging.debris: density = 1e+06", "radius_um = 50", "above 20", "lower it to 2546"],
    ),
    "spots many layers deep": (
        scene("imaging: {kind: rcm, keratin: {density: 1000000, radius_um: 20}}"),
        ["imaging.keratin: density = 1e+06", "lower it to 15915 or less"],
    ),
    "unknown noise": (scene("imaging: {kind: rcm, noise: loud}"), ["'loud'", "low, medium, high"]),
    "one side": (HEAD + "scene: {frame: {shape: [64]}}\n", ["scene.frame", "needs two sides"]),
    "three sides": (
        HEAD + "scene: {frame: {shape: [9, 64, 64]}}\n",
        ["frame.shape = [9, 64, 64]: cells.kind = 'voronoi' needs 2 sides, [y, x]"],
    ),
    "four sides": (HEAD + "scene: {frame: {shape: [2, 9, 64, 64]}}\n", ["or three, [z, y, x]"]),
    "number of channels that varies": (
        HEAD + "scene: {frame: {shape: [9, 64, 64]}, region: {kind: full}, "
        "points: {kind: poisson, density: 100}, cells: {kind: nucleus_golgi}, "
        "prior: {kind: channels}, imaging: {kind: fluorescence_volume}}\n"
        "vary: {imaging.channels: {kind: choice, values: [1, 2]}}\n",
        ["vary.imaging.channels", "same shape and the same arrays", "a preset for each"],
    ),
    "a flat volume": (
        HEAD + "scene: {region: {kind: full}, cells: {kind: nucleus_golgi}}\n",
        ["frame.shape = [256, 256]", "needs 3 sides, [z, y, x]"],
    ),
    "z of a flat field": (
        HEAD + "scene: {frame: {z_spacing_um: 2}}\n",
        ["z_spacing_um = 2: shape = [256, 256] has no z", "give shape three sides"],
    ),
    "membranes of a volume": (
        HEAD + "scene: {frame: {shape: [9, 64, 64]}, region: {kind: full}, "
        "cells: {kind: nucleus_golgi}}\n",
        ["prior.kind = 'membrane': does not go with", "use channels or classes"],
    ),
    "channels of cells": (
        scene("prior: {kind: channels}"),
        ["prior.kind = 'channels'", "cells.kind = 'voronoi'", "use another"],
    ),
    "image of another world": (
        scene("imaging: {kind: rcm_mosaic}"),
        ["imaging.kind = 'rcm_mosaic'", "use another"],
    ),
    "island of a volume": (
        HEAD + "scene: {frame: {shape: [9, 64, 64]}, cells: {kind: nucleus_golgi}, "
        "prior: {kind: channels}, imaging: {kind: none}}\n",
        ["region.kind = 'bezier'", "needs 'full'"],
    ),
    "too small": (HEAD + "scene: {frame: {shape: [4, 64]}}\n", ["at least 8 px"]),
    "too big": (HEAD + "scene: {frame: {shape: [90000, 90000]}}\n", ["use a smaller field"]),
    "margin too big": (HEAD + "scene: {frame: {margin_um: 9999}}\n", ["field or margin"]),
    "no objects": (scene("points: {kind: objects, types: []}"), ["needs at least 1 entries"]),
    "matrix": (
        scene("points: {kind: multi_strauss, gamma: [[0.5, 0.1], [0.2, 0.5]]}"),
        ["scene.points", "gamma[0][1]"],
    ),
    # What does not fit together
    "periodic island": (
        HEAD + "scene: {frame: {edges: periodic}, region: {kind: bezier}}\n",
        ["region.kind = 'bezier'", "needs region.kind = 'full'"],
    ),
    "density beyond any packing": (
        scene("points: {kind: hard_core, density: 9000, distance_um: 14}"),
        ["points.density = 9000", "14", "per mm²", "lower"],
    ),
    "sides of no density": (
        scene("points: {kind: hard_core, density: null, distance_sides: 0.7}"),
        ["scene.points", "distance_sides = 0.7", "give a density, or distance_um"],
    ),
    "sides beyond any packing": (
        scene("points: {kind: hard_core, density: 4000, distance_sides: 1.15}"),
        ["points.density = 4000", "18.18 µm apart", "lower"],
    ),
    "too many points": (
        scene("points: {kind: poisson, density: 1.0e+12}"),
        ["density = 1000000000000.0", "at most 5,000,000"],
    ),
    "polygon of two": (
        scene("region: {kind: polygon, points_um: [[0, 0], [9, 9]]}"),
        ["scene.region.points_um", "needs at least 3 entries"],
    ),
    "polygon crosses itself": (
        scene(f"region: {{kind: polygon, points_um: {BOW}}}"),
        ["region.points_um: the outline crosses itself", "list the corners in order"],
    ),
    "polygon elsewhere": (
        scene(f"region: {{kind: polygon, points_um: {FAR}}}"),
        ["region (polygon)", "no pixel of the field is tissue", "enlarge the region"],
    ),
    "nothing but furrows": (
        scene("region: {kind: relief, furrow_um: 500, furrow_cv: 0}"),
        ["region (relief)", "no pixel of the field is tissue"],
    ),
    "no mask": (mask("none.tif"), ["region.path = 'none.tif'", "no such file"]),
    "mask of zeros": (mask("zeros.npy"), ["region (mask)", "no pixel of the field is tissue"]),
    "mask in 3-D": (mask("deep.npy"), ["deep.npy", "shape (4, 4, 3)", "two axes"]),
    "mask without pixels": (mask("empty.npy"), ["empty.npy", "shape (0, 4)"]),
    "mask of objects": (mask("objects.npy"), ["objects.npy", "cannot be read"]),
    "corrupt TIFF": (mask("corrupt.tif"), ["corrupt.tif", "cannot be read", "give a TIFF"]),
    "corrupt PNG": (mask("corrupt.png"), ["corrupt.png", "cannot be read"]),
    "corrupt array": (mask("corrupt.npy"), ["corrupt.npy", "cannot be read"]),
    "mask is a folder": (mask("."), ["region.path = '.'", "no such file"]),
    # What varies
    "vary nothing known": (vary("points.densty", UNIFORM), ["vary.points.densty", "'density'"]),
    "vary below a value": (
        vary("points.density.x", UNIFORM),
        ["vary.points.density.x", "points.density is a value and has no fields"],
    ),
    "vary beyond a list": (
        vary("frame.shape.2", "{kind: integers, low: 32, high: 64}"),
        ["vary.frame.shape.2", "frame.shape has 2 entries"],
    ),
    "vary without kind": (
        vary("points.density", "{low: 1, high: 2}"),
        ["vary.points.density.kind: missing", "uniform, loguniform"],
    ),
    "vary of unknown kind": (
        vary("points.density", "{kind: unifrm, low: 1, high: 2}"),
        ["vary.points.density.kind = 'unifrm'", "did you mean 'uniform'?"],
    ),
    "vary by a number": (vary("points.density", "3"), ["vary.points.density = 3: needs a mapping"]),
    "low above high": (
        vary("points.density", "{kind: uniform, low: 3, high: 2}"),
        ["vary.points.density", "low = 3 must be below high = 2"],
    ),
    "low equals high": (
        vary("region.knots", "{kind: integers, low: 3, high: 3}"),
        ["vary.region.knots", "low = 3 must be below high = 3"],
    ),
    "no high": (
        vary("points.density", "{kind: uniform, low: 1}"),
        ["vary.points.density.high: missing"],
    ),
    "bad low end": (
        vary("points.density", "{kind: uniform, low: -1, high: 2000}"),
        ["vary can draw points.density = -1.0: should be greater than 0"],
    ),
    "bad high end": (
        vary("cells.vacancy", "{kind: uniform, low: 0, high: 1}"),
        ["vary can draw cells.vacancy = 1.0: should be less than or equal to 0.95"],
    ),
    "bad in between": (
        vary("cells.lloyd", "{kind: choice, values: [1, 2, -1]}"),
        ["vary can draw cells.lloyd = -1"],
    ),
    "fractions of a whole number": (
        TINY.replace("kind: full", "kind: bezier")
        + "vary: {region.knots: {kind: uniform, low: 3, high: 9}}\n",
        ["vary can draw region.knots", "should be a whole number"],
    ),
    "bad together": (
        TINY
        + "vary:\n  frame.margin_um: {kind: uniform, low: 1, high: 9000}\n"
        + "  frame.spacing_um: {kind: uniform, low: 0.5, high: 50}\n",
        ["vary can draw frame", "use a smaller field or margin"],
    ),
    "log of zero": (
        vary("points.density", "{kind: loguniform, low: 0, high: 9}"),
        ["vary.points.density.low = 0: should be greater than 0"],
    ),
    "mean outside": (
        vary("points.density", "{kind: normal, low: 1, high: 9, mean: 10, sd: 1}"),
        ["mean = 10 must lie from low = 1 to high = 9"],
    ),
    "no spread": (
        vary("points.density", "{kind: normal, low: 1, high: 9, mean: 5, sd: 0}"),
        ["vary.points.density.sd = 0"],
    ),
    "no choice": (
        vary("points.density", "{kind: choice, values: []}"),
        ["values = []: needs at least 1"],
    ),
    "too few weights": (
        vary("points.density", "{kind: choice, values: [1, 2], weights: [1]}"),
        ["weights = [1.0]: needs one per value"],
    ),
    "weights of zero": (
        vary("points.density", "{kind: choice, values: [1, 2], weights: [0, 0]}"),
        ["weights = [0.0, 0.0]", "not all 0"],
    ),
    "negative weight": (
        vary("points.density", "{kind: choice, values: [1, 2], weights: [-1, 2]}"),
        ["weights.0 = -1"],
    ),
    "vary twice": (
        TINY
        + f"vary:\n  points.density: {UNIFORM}\n"
        + "  points: {kind: choice, values: [{kind: poisson}]}\n",
        ["vary.points.density", "points varies as a whole", "drop one of the two"],
    ),
    "vary the kind alone": (
        vary("points.kind", "{kind: choice, values: [poisson, hard_core]}"),
        ["vary can draw points.distance_um: unknown name"],
    ),
    # What is expected
    "unknown statistic": (
        TINY + "expect: {hexagon: {low: 0, high: 1}}\n",
        ["expect.hexagon: no such statistic", "did you mean 'hexagons'?"],
    ),
    "expect low above high": (
        TINY + "expect: {covered: {low: 1, high: 0}}\n",
        ["expect.covered", "low = 1 must not be above high = 0"],
    ),
    "expect a number": (TINY + "expect: {covered: 1}\n", ["expect.covered = 1: needs a mapping"]),
}

# Assignments to a preset that is good, and what the line must say.
ASSIGNMENTS: dict[str, tuple[list[str], list[str]]] = {
    "no equals": (["frame.shape"], ["--set 'frame.shape'", "write path=value"]),
    "no path": (["=3"], ["--set '=3'", "write path=value"]),
    "gap in the path": (["frame..shape=3"], ["--set 'frame..shape': not a path"]),
    "dots only": ([".=3"], ["--set '.': not a path"]),
    "unknown part": (["imging.gain=2"], ["--set imging", "did you mean 'imaging'?"]),
    "unknown field": (["frame.shap=[9, 9]"], ["--set frame.shap", "did you mean 'shape'?"]),
    "unknown kind": (["points.kind=poison"], ["--set points.kind = 'poison'", "'poisson'"]),
    "kind of nothing": (["frame.kind=big"], ["--set frame.kind: frame has no 'kind'"]),
    "below a number": (["points.density.x=3"], ["--set points.density.x", "set points.density"]),
    "below a list": (["frame.shape.y=3"], ["--set frame.shape.y", "has 2 entries"]),
    "below a named level": (
        ["imaging.kind=rcm", "imaging.noise=high", "imaging.noise.looks=6"],
        ["--set imaging.noise.looks", "imaging.noise is set to 'high' as a whole"],
    ),
    "outside the scene": (["name=other"], ["--set name: unknown name"]),
    "a part by a word": (["points=poisson"], ["--set points = 'poisson'", "{kind: poisson}"]),
    "no YAML": (["points={kind: poisson"], ["--set 'points={kind", "not valid YAML"]),
    "key twice": (["frame={shape: [9, 9], shape: [8, 8]}"], ["'shape' stands twice"]),
    "wrong type": (["points.density=many"], ["--set points.density = 'many': should be a number"]),
    "negative": (["points.density=-5"], ["--set points.density = -5: should be greater than 0"]),
    "yes": (["points.density=yes"], ["--set points", "density = true"]),
    "nan": (["points.distance_um=.nan"], ["--set points.distance_um = nan"]),
    "no value": (["points.distance_um="], ["--set points.distance_um = null: should be a number"]),
    "periodic island": (
        ["region.kind=bezier", "frame.edges=periodic"],
        ["--set region.kind = 'bezier': frame.edges = 'periodic' needs"],
    ),
}

GOOD = ["generate", "--preset", "tiny.yaml"]

# Whole command lines, and what the line must say.
COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "unknown preset": (["show", "--preset", "rcm-sgg"], ["'rcm-sgg'", "did you mean 'rcm-sg'?"]),
    "no such preset": (["presets", "zzzz"], ["preset 'zzzz'", "use one of", "rcm-sg"]),
    "no such file": (["check", "--preset", "no.yaml"], ["'no.yaml'", "No such file"]),
    "preset is a folder": (["check", "--preset", "full/"], ["'full'", "Is a directory"]),
    "preset not UTF-8": (["check", "--preset", "latin.yaml"], ["latin.yaml", "not UTF-8 text"]),
    "no preset": (["generate"], ["--preset: missing", "simcell presets"]),
    "n of zero": ([*GOOD, "-n", "0"], ["'-n'", "0 is not in the range", "--help"]),
    "no workers": ([*GOOD, "--workers", "0"], ["'--workers'", "0 is not in the range"]),
    "negative seed": ([*GOOD, "--seed", "-1"], ["'--seed'", "-1 is not in the range"]),
    "seed too big": ([*GOOD, "--seed", str(2**32)], ["'--seed'", "4294967296 is not in the range"]),
    "seed of words": (["check", "--seed", "x"], ["'--seed'", "'x' is not a valid integer"]),
    "unknown format": ([*GOOD, "--format", "bmp"], ["'bmp' is not one of 'zarr', 'ome-zarr'"]),
    "unknown option": ([*GOOD, "--wrokers", "2"], ["'--wrokers'", "'--workers'"]),
    "unknown command": (["generat"], ["'generat'", "simcell --help"]),
    "empty out": ([*GOOD, "--out", ""], ["--out: empty"]),
    "out holds other files": (
        [*GOOD, "--out", "full", "--overwrite"],
        ["full: exists and is not an output of simcell", "choose another name"],
    ),
    "out is a file": ([*GOOD, "--out", "zeros.npy"], ["zeros.npy", "choose another name"]),
    "parent is a file": ([*GOOD, "--out", "zeros.npy/a.zarr"], ["zeros.npy", "a parent of it is"]),
    "name too long": ([*GOOD, "--out", "q" * 300], ["qqqq", "ame too long"]),
    "resume and overwrite": ([*GOOD, "--resume", "--overwrite"], ["drop one"]),
    "workers and cluster": ([*GOOD, "--workers", "2", "--cluster", "tcp://a:1"], ["drop one"]),
    "show nothing": (["show"], ["show: name either a dataset or --preset"]),
    "show both": (["show", "full", "--preset", "rcm-sg"], ["either a dataset or --preset"]),
    "show no dataset": (["show", "no.zarr"], ["no.zarr", "give the folder of a dataset"]),
    "show another folder": (["show", "full"], ["full", "give the folder of a dataset"]),
    "show a dataset, changed": (["show", "a.zarr", "--set", "a=1"], ["a.zarr", "with --preset"]),
    "show a dataset's seed": (["show", "a.zarr", "--seed", "1"], ["a.zarr", "with --preset"]),
    "picture of no kind": (
        ["show", "--preset", "tiny.yaml", "-o", "sheet.doc"],
        ["sheet.doc: must end in .png"],
    ),
    "picture exists": (
        ["show", "--preset", "tiny.yaml", "-o", "corrupt.png"],
        ["corrupt.png: exists already", "--overwrite"],
    ),
    "picture below a file": (
        ["show", "--preset", "tiny.yaml", "-o", "zeros.npy/a.png"],
        ["cannot write zeros.npy", "not a folder"],
    ),
    "check one": (["check", "--preset", "tiny.yaml", "-n", "1"], ["'-n'", "not in the range"]),
    "YAML of nothing": (["presets", "--yaml"], ["presets: give NAME"]),
    "kinds of a preset": (["presets", "rcm-sg", "--kinds"], ["--kinds alone"]),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a good preset and much that is bad."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY, "utf-8")
    Path("latin.yaml").write_bytes("name: é".encode("latin-1"))
    Path("full").mkdir()
    Path("full/keep.txt").write_text("mine", "utf-8")
    for name in ("corrupt.tif", "corrupt.png", "corrupt.npy"):
        Path(name).write_bytes(b"\x93NUMPY this is no picture\n at all")
    np.save("zeros.npy", np.zeros((4, 4)))
    np.save("empty.npy", np.zeros((0, 4)))
    np.save("deep.npy", np.ones((4, 4, 3)))
    np.save("objects.npy", np.array([[None]]), allow_pickle=True)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args, prog_name="simcell")


def content(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def assert_refused(folder: Path, args: list[str], needles: list[str]) -> None:
    """Run a command that must fail with one line and change nothing."""
    before = content(folder)
    result = run(*args)
    lines = result.stderr.splitlines()
    assert result.exit_code == 2, (result.output, result.exception)
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("simcell: ")
    for needle in needles:
        assert needle in lines[0]
    assert result.stdout == ""
    assert content(folder) == before


@pytest.mark.parametrize(("text", "needles"), PRESETS.values(), ids=PRESETS.keys())
def test_bad_presets(folder: Path, text: str, needles: list[str]) -> None:
    (folder / "bad.yaml").write_text(text, "utf-8")
    assert_refused(folder, ["generate", "--preset", "bad.yaml", "-n", "1"], needles)


@pytest.mark.parametrize(("sets", "needles"), ASSIGNMENTS.values(), ids=ASSIGNMENTS.keys())
def test_bad_assignments(folder: Path, sets: list[str], needles: list[str]) -> None:
    args = [arg for text in sets for arg in ("--set", text)]
    assert_refused(folder, ["generate", "--preset", "tiny.yaml", "-n", "1", *args], needles)


@pytest.mark.parametrize(("args", "needles"), COMMANDS.values(), ids=COMMANDS.keys())
def test_bad_commands(folder: Path, args: list[str], needles: list[str]) -> None:
    assert_refused(folder, args, needles)


def test_presets_folder_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(folder / "nowhere"))
    assert_refused(
        folder, ["presets"], ["$SIMCELL_PRESETS", "nowhere", "correct or unset the variable"]
    )


def generated(*more: str) -> Result:
    return run(*GOOD, "-n", "2", "--out", "a.zarr", "--no-preview", *more)


def test_an_output_is_never_replaced_or_mixed_silently(folder: Path) -> None:
    assert generated().exit_code == 0
    again = [*GOOD, "-n", "2", "--out", "a.zarr"]
    assert_refused(folder, again, ["a.zarr: exists", "--resume", "--overwrite"])
    assert_refused(folder, [*again, "--resume", "--seed", "4"], ["seed = 0, not 4"])
    assert_refused(folder, [*again[:-3], "3", "--out", "a.zarr", "--resume"], ["n = 2, not 3"])
    assert_refused(
        folder,
        [*again, "--resume", "--set", "points.density=3000"],
        ["another preset", "density: 4000.0", "density: 3000.0"],
    )
    assert_refused(
        folder, [*again, "--resume", "--format", "coco"], ["format = 'zarr', not 'coco'"]
    )
    (folder / "a.zarr" / "notes.txt").write_text("mine", "utf-8")
    assert_refused(folder, [*again, "--overwrite"], ["notes.txt", "did not write"])


def test_a_picture_in_the_way_of_the_preview(folder: Path) -> None:
    (folder / "a-preview.png").write_bytes(b"mine")
    assert_refused(folder, [*GOOD, "--out", "a.zarr"], ["a-preview.png: exists", "--no-preview"])


@pytest.mark.parametrize("name", ["zarr.json", "labels/zarr.json"])
def test_a_damaged_dataset_is_not_shown(folder: Path, name: str) -> None:
    assert generated().exit_code == 0
    (folder / "a.zarr" / name).write_bytes(b"{")
    assert_refused(folder, ["show", "a.zarr"], ["a.zarr"])


def test_a_dataset_without_its_pixels_is_not_shown(folder: Path) -> None:
    assert generated().exit_code == 0
    for chunk in (folder / "a.zarr" / "labels" / "c").rglob("*"):
        if chunk.is_file():
            chunk.unlink()
    assert_refused(folder, ["show", "a.zarr"], ["a.zarr", "labels"])


def test_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    result = generated()
    assert result.exit_code == 2
    assert "the disk is full" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert_refused(
        folder, ["show", "--preset", "tiny.yaml", "-n", "1"], ["sheet.png", "disk is full"]
    )


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write")
def test_a_folder_that_may_not_be_written(folder: Path) -> None:
    locked = folder / "locked"
    locked.mkdir(mode=0o500)
    assert_refused(folder, [*GOOD, "--out", "locked/a.zarr"], ["locked", "permission denied"])
    assert_refused(
        folder, ["show", "--preset", "tiny.yaml", "-o", "locked/a.png"], ["locked", "permission"]
    )


def test_resuming_nothing_starts(folder: Path) -> None:
    assert generated("--resume").exit_code == 0
    assert (folder / "a.zarr").is_dir()


@pytest.mark.parametrize(
    ("args", "needle"),
    [
        (["generate", "--preset", "rcm-sgg"], "did you mean 'rcm-sg'?"),
        ([*GOOD, "--set", "points.density=-1"], "points.density = -1"),
        (["show", "full"], "give the folder of a dataset"),
    ],
)
def test_in_a_process_of_its_own(folder: Path, args: list[str], needle: str) -> None:
    command = [sys.executable, "-c", "from simcell.cli import main; main()", *args]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert needle in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_errors_of_the_api_are_value_errors() -> None:
    with pytest.raises(ValueError, match=r"^preset: scen: unknown name; did you mean 'scene'\?"):
        Preset.from_text(HEAD + "scen: {}\n")
    assert issubclass(SimcellError, ValueError)


def test_there_are_enough_cases() -> None:
    assert len(PRESETS) + len(ASSIGNMENTS) + len(COMMANDS) >= 100
