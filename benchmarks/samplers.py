"""Time the point samplers against spatstat and scipy: CPU time on one core.

Run ``python benchmarks/samplers.py``. spatstat's times (R 4.2.2, spatstat.random
3.1-3, same machine class, CPU seconds per pattern) are constants; scipy's
PoissonDisk is timed in the same run. The window is 256 µm square.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats.qmc import PoissonDisk

from simcell.arrays import Window
from simcell.points import sample
from simcell.rng import stream
from simcell.scene.points import (
    AreaInteraction,
    HardCore,
    HardCoreGibbs,
    MaternII,
    Objects,
    ObjectType,
    PointSpec,
    Strauss,
    Thomas,
)

WINDOW = Window((256.0, 256.0))
DENSITY = 300 / 256**2 * 1e6
BALL = np.pi * 64
HARD = HardCoreGibbs(activity=1e4, distance_um=8)
SOFT = Strauss(activity=1e4, gamma=0.5, distance_um=8)
DISCS = Objects(
    types=(ObjectType(activity=6e3, radius_um=6, radius_cv=0.19),),
    overlap_penalty=3,
    overlap_limit=1,
)
ELLIPSES = Objects(
    types=(ObjectType(activity=6e3, axis_ratio_min=0.5, axis_ratio_max=0.9),), overlap_penalty=3
)

# name, spec, spatstat's CPU time in ms (None = no counterpart)
CASES: list[tuple[str, PointSpec, float | None]] = [
    ("hard_core, 300 points (rSSI)", HardCore(density=DENSITY, distance_um=8), 6.0),
    ("hard_core to saturation (rSSI)", HardCore(density=None, distance_um=8), 267.0),
    ("hard_core to saturation, spread .2", HardCore(density=None, distance_um=8, spread=0.2), None),
    (
        "matern_ii, .01 (rMaternII)",
        MaternII(density=1e6 * (1 - np.exp(-0.01 * BALL)) / BALL, distance_um=8),
        20.0,
    ),
    ("thomas, 200 points", Thomas(density=3050.0), 0.8),
    ("hard_core_gibbs, perfect (rHardcore)", HARD.model_copy(update={"method": "perfect"}), 79.0),
    ("hard_core_gibbs, mh (rHardcore)", HARD, 79.0),
    ("strauss, perfect (rStrauss)", SOFT.model_copy(update={"method": "perfect"}), 34.0),
    ("strauss, mh (rStrauss)", SOFT, 34.0),
    ("strauss, mh, 1e5 steps (rmh, 50-190)", SOFT.model_copy(update={"steps": 100_000}), 50.0),
    ("area_interaction, mh (rmh)", AreaInteraction(activity=6e3, eta=0.2), 110.0),
    ("objects, 195 discs, mh", DISCS, None),
    ("objects, 195 discs, mbd", DISCS.model_copy(update={"method": "mbd"}), None),
    ("objects, ellipses, mh", ELLIPSES, None),
]


def cpu_ms(call: Callable[[int], object], least: float = 0.4) -> float:
    """Return the CPU time of a call in ms, averaged over at least ``least`` seconds."""
    call(0)
    start, runs = time.process_time(), 0
    while time.process_time() - start < least:
        runs += 1
        call(runs)
    return (time.process_time() - start) / runs * 1e3


def fresh(code: str, cache: str) -> float:
    """Return the wall time in s of a new interpreter that runs ``code``."""
    start = time.perf_counter()
    environment = {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    return time.perf_counter() - start


def main() -> None:
    print(f"{'sampler':40s} {'ms':>8s} {'spatstat':>9s} {'ratio':>7s}")
    slower = []
    for name, spec, theirs in CASES:
        ours = cpu_ms(lambda k, spec=spec: sample(spec, WINDOW, stream(1, k, "bench")))
        beside = "" if theirs is None else f"{theirs:9.1f} {theirs / ours:6.1f}x"
        print(f"{name:40s} {ours:8.3f} {beside}")
        if theirs is not None and ours > theirs:
            slower.append(name)
    # Radius for about 300 points in the unit square, as 8 in 256.
    disk = cpu_ms(lambda k: PoissonDisk(2, radius=8 / 256, rng=k).random(300))
    ours = cpu_ms(lambda k: sample(CASES[0][1], WINDOW, stream(1, k, "bench")))
    print(f"{'scipy PoissonDisk, 300 points':40s} {disk:8.3f} {'':9s} {disk / ours:6.1f}x ours")
    print("\nfirst use in a new process, s (wall)           cold    cached")
    with tempfile.TemporaryDirectory() as cache:
        base = "import numpy as np; from simcell.arrays import Window; import simcell.points as p;"
        print(f"{'import simcell.points':40s} {fresh(base, cache):10.2f} {fresh(base, cache):9.2f}")
        for spec in ("HardCore()", "Strauss()", "Strauss(method='perfect')", "Objects()"):
            code = (
                f"{base} from simcell.scene.points import *;"
                f" p.sample({spec}, Window((99.0, 99.0)), np.random.default_rng(1))"
            )
            print(f"{spec:40s} {fresh(code, cache):10.2f} {fresh(code, cache):9.2f}")
    if slower:
        sys.exit(f"slower than spatstat: {', '.join(slower)}")


if __name__ == "__main__":
    main()
