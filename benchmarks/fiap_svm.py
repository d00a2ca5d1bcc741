"""Learn the machine by which `dermogan segment -m fiap` tells what shows something.

Simulated samples of two layers, with tissue and furrows; a window counts where nine tenths of it
are cells, or nothing is. Prints the numbers that stand in `dermogan.classical.fiap`, and how many
windows of samples that it has not seen it gets right.

    python benchmarks/fiap_svm.py
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

import simcell
from dermogan.classical.texture import BLOCK_PX, features, learnt

SETS = ["frame.shape=[256, 256]", "frame.spacing_um=1.0", "region.coverage=0.6"]
PRESETS = ("rcm-sg", "rcm-ss")


def windows(preset: str, index: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return features of a sample's windows (n, 4), and which of them show tissue."""
    scene = simcell.load_preset(preset).with_set(SETS).scene(seed=7, index=index)
    sample = simcell.simulate(scene, seed=7, index=index)
    assert sample.image is not None
    known = (sample.labels > 0).astype(np.float64)
    rows, columns = (side // BLOCK_PX for side in known.shape)
    blocks = known[: rows * BLOCK_PX, : columns * BLOCK_PX]
    share = blocks.reshape(rows, BLOCK_PX, columns, BLOCK_PX).mean(axis=(1, 3))
    inside = (share[:-1, :-1] + share[1:, :-1] + share[:-1, 1:] + share[1:, 1:]) / 4
    clear = (inside > 0.9) | (inside < 0.02)
    found = features(sample.image.astype(np.float32))
    return found[clear], (inside > 0.5)[clear]


def main() -> None:
    """Learn, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=16, help="samples of each preset")
    count = parser.parse_args().n
    seen = [windows(preset, index) for preset in PRESETS for index in range(count)]
    machine = learnt([x for x, _ in seen], [y for _, y in seen])
    for name in machine._fields:
        value = getattr(machine, name)
        print(name, np.round(value, 4).tolist())
    for preset in PRESETS:
        new = [windows(preset, 1000 + index) for index in range(8)]
        x, y = np.concatenate([x for x, _ in new]), np.concatenate([y for _, y in new])
        right = (machine(x) > 0) == y
        print(
            f"{preset}: {right[y].mean():.1%} of tissue, {right[~y].mean():.1%} of the rest right"
        )


if __name__ == "__main__":
    main()
