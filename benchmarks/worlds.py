"""What one sample costs beside other simulators: CPU seconds on one core.

Every row of ours is the whole sample: image, labels and table of objects (for a
peer that makes labels alone or optics alone, that part of ours too). Median of
several samples after compilation and warm-up, single-threaded.

Peers' figures named "given" were measured elsewhere, on a core of the same class.
Those that install from a registry can be measured in the same run, by a Python of
their own, because they hold numpy below 2:

    python3.11 -m venv peers
    peers/bin/pip install deeptrack==2.0.2 microsim==0.0.12 microstructpy==1.6.1
    peers/bin/pip install --no-deps cellsium==1.0.0
    peers/bin/pip install "matplotlib<3.10" "numpy<2" "opencv-python-headless<4.12"
    peers/bin/pip install tunable jsonpickle pymunk box2d roifile numpy-stl ezdxf tifffile
    python benchmarks/worlds.py --peers --peer-python peers/bin/python

DeepTrack2's search for places without overlap runs for half a minute and more
before it gives up; ``--only`` leaves rows out. SIMCEP (Octave 7.3), AnyStar and the
masks of nuclei and Golgi are in no registry: their figures are always given ones.

The ratio is to the quicker of the two figures of a peer; the exit status is 1
where one is below ten.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

import simcell
from simcell.scene import MAX_PIXELS, Scene
from simcell.stages import Stage, lay_out

LEAST = 10.0
"""Times as fast as every peer that a sample of ours must be."""

PX_UM = 0.65
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Row:
    """One task: ours, and what a peer takes for it."""

    name: str
    peer: str
    given_s: float
    scene: Callable[[], Scene]
    task: str | None = None
    """Name in ``peers.py``; None = the peer cannot be installed from a registry."""
    upto: Stage | None = None
    """Last stage of ours; None = the image."""
    note: str = ""


def simcep(side: int, count: int, cytoplasm: bool = False) -> Scene:
    """Nuclei of r = 10 px, or cells of r = 25 px about them, as SIMCEP draws them by default."""
    shape = {"radius_um": 10 * PX_UM, "alpha": 0.1, "beta": 0.1}
    cell = {"radius_um": 25 * PX_UM, "alpha": 0.3, "beta": 0.05} if cytoplasm else None
    return Scene.model_validate(
        {
            "frame": {"shape": [side, side], "spacing_um": PX_UM, "margin_um": 30 * PX_UM},
            "region": {"kind": "full"},
            "points": {"kind": "simcep_cluster", "density": density(count, side, PX_UM)},
            "cells": {
                "kind": "simcep",
                "types": [{"nucleus": shape, "cytoplasm": cell}],
                "overlap_limit": 0.2,
                "depth_um": 1.0,
            },
            "prior": {"kind": "filled"},
            "imaging": {
                "kind": "fluorescence",
                "field": {"glow": 0.05, "autofluorescence": 0.05},
                "psf_um": 1.0,
            },
        }
    )


def discs(side: int, count: int, radius_px: float, apart: bool) -> Scene:
    """Discs under a fluorescence microscope, without overlaps or with them."""
    seeds = {"kind": "poisson", "density": density(count, side, 1.0)}
    if apart:
        seeds |= {"kind": "hard_core", "distance_um": 2 * radius_px}
    return Scene.model_validate(
        {
            "frame": {"shape": [side, side], "spacing_um": 1.0, "margin_um": radius_px},
            "region": {"kind": "full"},
            "points": seeds,
            "cells": {"kind": "outlines", "radius_um": radius_px},
            "prior": {"kind": "filled"},
            "imaging": {"kind": "fluorescence", "psf_um": 1.0},
        }
    )


def tissue(count: int) -> Scene:
    """Cells about packed seeds: labels, table and neighbours."""
    return Scene.model_validate(
        {
            "frame": {"shape": [256, 256], "spacing_um": 1.0, "margin_um": 16},
            "region": {"kind": "full"},
            "points": {"kind": "hard_core", "density": density(count, 256, 1.0), "spread": 0.2},
            "cells": {"kind": "power"},
        }
    )


def volume(shape: tuple[int, int, int], pairs: float) -> Scene:
    """So many nuclei with their Golgi in a volume; others reach into it from outside."""
    preset = simcell.load_preset("nucleus-golgi").with_set([f"frame.shape={list(shape)}"])
    side_um = np.asarray(shape) * np.asarray(preset.base.frame.spacing_um)
    return preset.with_set([f"points.density={pairs / float(np.prod(side_um)) * 1e9}"]).base


def density(count: float, side: int, px_um: float) -> float:
    """Points per mm² that are so many on a square of ``side`` pixels."""
    return count / (side * px_um) ** 2 * 1e6


ROWS = (
    Row("512², 50 nuclei", "SIMCEP", 1.33, lambda: simcep(512, 50)),
    Row("512², 200 nuclei", "SIMCEP", 7.21, lambda: simcep(512, 200)),
    Row("512², 50 cells with nuclei", "SIMCEP", 3.96, lambda: simcep(512, 50, cytoplasm=True)),
    Row(
        "512², 200 discs",
        "DeepTrack2",
        0.56,
        lambda: discs(512, 200, 5, apart=False),
        "deeptrack 512/200",
    ),
    Row(
        "256², 50 discs r 8 apart",
        "DeepTrack2",
        30.5,
        lambda: discs(256, 50, 8, apart=True),
        "deeptrack 256/50 apart",
        note="fails",
    ),
    Row("512², 200 cells", "CellSium", 1.34, lambda: simcep(512, 200), "cellsium 512/200"),
    Row("256², 50 cells", "CellSium", 0.27, lambda: simcep(256, 50), "cellsium 256/50"),
    Row(
        "geometry of 193 cells",
        "MicroStructPy",
        0.22,
        lambda: tissue(193),
        "microstructpy 193",
        upto="cells",
    ),
    Row("labels 128³, 45 objects", "AnyStar", 11.9, lambda: volume((128,) * 3, 14), upto="cells"),
    Row("optics 128³", "microsim", 0.94, lambda: volume((128,) * 3, 14), "microsim 128"),
    Row(
        "labels 64×1010×1143, 57 pairs a 128²",
        "authors' masks",
        324.5,
        lambda: volume((64, 1010, 1143), 57 * 1010 * 1143 / 128**2),
        upto="cells",
    ),
)


def ours_s(scene: Scene, upto: Stage | None, number: int) -> tuple[float, float]:
    """CPU seconds of a sample, median after one to warm up, and the mean count of objects."""
    times, counts = [], []
    for index in range(number + 1):
        start = time.process_time()
        counts.append(len(objects_of(scene, index, upto)))
        times.append(time.process_time() - start)
    return statistics.median(times[1:]), statistics.mean(counts[1:])


def objects_of(scene: Scene, index: int, upto: Stage | None) -> np.ndarray[Any, Any]:
    """Make one sample, in bands where it is large, and return its table."""
    if np.prod(scene.frame.shape, dtype=np.int64) <= MAX_PIXELS:
        sample = simcell.simulate(scene, seed=1, index=index, upto=upto)
        assert sample.labels is not None
        assert sample.objects is not None
        return sample.objects
    canvas = lay_out(scene, seed=1, index=index)
    height = canvas.grid.shape[-2]
    for row in range(0, height, 64):
        canvas.paint(range(row, min(row + 64, height)), imaged=upto is None)
    return canvas.layout.objects


def peer_s(python: str, task: str) -> dict[str, Any]:
    """Let the peers' Python run one task of ``peers.py``."""
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run(
        [python, script, task], capture_output=True, text=True, env=os.environ | ONE_THREAD
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"failed": done.stderr.strip()[-200:]}


def importing() -> float:
    """Wall seconds of a new interpreter that imports simcell."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import simcell"], check=True)
    return time.perf_counter() - start


@click.command()
@click.option("--peers", is_flag=True, help="measure the peers that --peer-python has")
@click.option("--peer-python", default=sys.executable, help="Python that has them")
@click.option("-n", "number", default=15, show_default=True, help="samples of ours a row")
@click.option("--only", default="", help="rows whose name or peer contains this")
def main(peers: bool, peer_python: str, number: int, only: str) -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    print(f"{'task':<38}{'objects':>8}{'ours s':>9}  {'peer':<16}{'given s':>8}{'run s':>8}{'':>8}")
    short = []
    for row in ROWS:
        if only not in f"{row.name} {row.peer}":
            continue
        scene = row.scene()
        pixels = int(np.prod(scene.frame.shape))
        ours, count = ours_s(scene, row.upto, number if pixels < 1e7 else 1)
        told = peer_s(peer_python, row.task) if peers and row.task else {}
        best = min(row.given_s, told.get("s", row.given_s))
        if best / ours < LEAST:
            short.append(row.name)
        run = f"{told['s']:.2f}" if "s" in told else "-"
        notes = [row.note] if row.note and "failed" not in told else []
        notes += [f"{key}: {told[key]}" for key in ("failed", "missing") if key in told]
        print(
            f"{row.name:<38}{count:>8.0f}{ours:>9.4f}  {row.peer:<16}{row.given_s:>8.2f}{run:>8}"
            f"{best / ours:>7.0f}x  {'; '.join(notes)[:90]}"
        )
    print(f"import simcell: {importing():.2f} s (wall)")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    if short:
        sys.exit(f"less than {LEAST:.0f} times as fast: {', '.join(short)}")


if __name__ == "__main__":
    main()
