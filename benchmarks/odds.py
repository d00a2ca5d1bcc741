"""Choose by how much each class of a model counts when it is found (`system.found_weights`).

On samples of the preset that the model learnt from, with other seeds and with extreme looks (every
number of the imaging at an end of its range), the sensitivities and specificities of all classes
are brought above those that were published: what is far above gives to what is near or below. No
image of the benchmark is seen.

    python benchmarks/odds.py MODEL --world mosaic
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

import simcell
from dermogan.benchmark.worlds import WORLDS
from dermogan.cards import find_model
from dermogan.model import Model, read_model
from dermogan.simulated import drawn
from dermogan.tiles import tiles

SEED = 4242
STEP_PX = 4
SOFT = 0.25
"""Distances of log odds that count about alike."""

Floats = NDArray[np.float64]


def seen(model: Model, preset: simcell.Preset, count: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return log probabilities (classes, pixels) of some pixels, and their true classes from 0."""
    logs, truths = [], []
    for index in range(count):
        made = drawn(preset, SEED, index, extremes=1.0)
        assert made.image is not None
        assert made.classes is not None
        image = made.image.astype(np.float32)
        found = np.empty((len(model.classes), *image.shape), np.float32)
        for rows, columns, part in tiles(model, image):
            found[:, rows, columns] = part
        truth = made.classes[::STEP_PX, ::STEP_PX].reshape(-1).astype(np.int64)
        some = found[:, ::STEP_PX, ::STEP_PX].reshape(len(found), -1)
        logs.append(np.log(some[:, truth > 0].astype(np.float64) + 1e-30))
        truths.append(truth[truth > 0] - 1)
    return np.concatenate(logs, axis=1), np.concatenate(truths)


def scores(logs: Floats, truth: NDArray[np.int64], odds: Floats) -> Floats:
    """Return sensitivities, then specificities, where classes count by log odds."""
    count = len(odds)
    pairs = truth * count + (logs + odds[:, None]).argmax(axis=0)
    table = np.bincount(pairs, minlength=count**2).reshape(count, count)
    right, true, made = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
    return np.concatenate([right / true, 1 - (made - right) / (table.sum() - true)])


def worth(found: Floats, wanted: Floats) -> float:
    """Say how far scores lie above others, in log odds: the lowest counts most."""
    one, other = (np.log(x / (1 - x)) for x in (np.clip(found, 1e-3, 1 - 1e-3), wanted))
    return float(-np.exp((other - one) / SOFT).sum())


def main() -> None:
    """Choose, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="model file, folder of a run, or name")
    parser.add_argument("--world", choices=list(WORLDS), default="mosaic")
    parser.add_argument("-n", type=int, default=24, help="samples")
    parser.add_argument("--steps", type=int, default=600, help="of the search")
    told = parser.parse_args()
    world = WORLDS[told.world]
    if "specificity" not in world.published:
        parser.error(f"--world {told.world}: no specificities were published; use mosaic")
    network, recipe, card = read_model(find_model(told.model))  # as trained, nothing weighed
    model = Model(network, recipe, card)
    if model.classes != world.classes:
        parser.error(f"{told.model}: names {model.classes}, {world.name} has {world.classes}")
    preset = simcell.load_preset(world.preset).with_set(["frame.shape=[768, 768]"])
    logs, truth = seen(model, preset, told.n)
    if len(np.unique(truth)) < len(world.classes):
        parser.error(f"-n {told.n}: some class is in none of the samples; take more")
    kinds = ("sensitivity", "specificity")
    wanted = np.concatenate([np.array(world.published[kind]) / 100 for kind in kinds])
    rng = np.random.default_rng(0)
    best = np.zeros(len(model.classes))
    value = worth(scores(logs, truth, best), wanted)
    for step in range(told.steps):
        width = 0.5 if step < told.steps / 2 else 0.15
        tried = best + rng.normal(0, width, len(best)) * (rng.random(len(best)) < 0.5)
        tried -= tried[0]
        if (new := worth(scores(logs, truth, tried), wanted)) > value:
            best, value = tried, new
    for name, odds in (("alike", np.zeros(len(best))), ("chosen", best)):
        shown = np.array2string(100 * scores(logs, truth, odds), precision=0, max_line_width=200)
        print(f"{name:7} {shown}")
    print(f"system.found_weights={[float(f'{w:.3g}') for w in np.exp(best)]}")


if __name__ == "__main__":
    main()
