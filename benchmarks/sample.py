"""What one sample costs, against the bare drawing of its noise.

The yardstick is numpy drawing one float32 gamma (speckle) and one float32 normal
(detector) value per pixel, timed in the same run and in turn with the samples,
so that the ratio holds on a busy machine. CPU time of this process only.

    python benchmarks/sample.py --preset rcm-sg -n 200
"""

from __future__ import annotations

import time
from collections import defaultdict

import click
import cv2
import numpy as np

import simcell
from simcell.arrays import Grid
from simcell.rng import Streams
from simcell.stages import STAGES, _stages


def _bare(shape: tuple[int, ...], rng: np.random.Generator) -> float:
    start = time.process_time()
    rng.standard_gamma(4.0, shape, dtype=np.float32)
    rng.standard_normal(shape, dtype=np.float32)
    return time.process_time() - start


@click.command()
@click.option("--preset", "name", default="rcm-sg", show_default=True)
@click.option("-n", "count", default=200, show_default=True)
@click.option("--set", "assignments", multiple=True)
def main(name: str, count: int, assignments: tuple[str, ...]) -> None:
    """Print CPU milliseconds per stage and the ratio to the bare noise."""
    cv2.setNumThreads(1)
    preset = simcell.load_preset(name).with_set(assignments)
    rng = np.random.default_rng(0)
    stages: dict[str, list[float]] = defaultdict(list)
    whole, bare, draws = [], [], []
    for index in range(count + 10):
        start = time.process_time()
        scene = preset.scene(seed=1, index=index)
        drawn = time.process_time() - start
        start = time.process_time()
        simcell.simulate(scene, seed=1, index=index)
        took = time.process_time() - start
        noise = _bare(scene.frame.shape, rng)
        grid = Grid(scene.frame.shape, (scene.frame.spacing_um,) * 2)
        run = _stages(scene, grid, Streams(1, index))
        parts = {}
        for stage in STAGES:
            start = time.process_time()
            next(run)
            parts[stage] = time.process_time() - start
        if index >= 10:  # after compilation and warm-up
            whole.append(took)
            bare.append(noise)
            draws.append(drawn)
            for stage, part in parts.items():
                stages[stage].append(part)
    print(f"{name}: CPU ms per sample, median of {count}")
    for stage, times in stages.items():
        print(f"  {stage:<24}{1e3 * np.median(times):8.2f}")
    print(f"  {'whole sample':<24}{1e3 * np.median(whole):8.2f}")
    print(f"  {'drawing its scene':<24}{1e3 * np.median(draws):8.2f}")
    print(f"  {'bare noise (numpy)':<24}{1e3 * np.median(bare):8.2f}")
    totals, medians = np.sum(whole) / np.sum(bare), np.median(whole) / np.median(bare)
    print(f"  ratio whole / bare: {totals:.2f} (totals), {medians:.2f} (medians)")


if __name__ == "__main__":
    main()
