"""How well the imaging that made images is told from them again.

    python benchmarks/matching.py                        # 10 sets of 5 images, some minutes
    python benchmarks/matching.py --like confluent nonconfluent --sets 100 --minutes 5

Each set of images has numbers of its own, drawn from where the matching looks for them, and
the same for all of its images. The table says, over all sets, how often the 90 % interval
holds the true number, how wide it is against where the search began, and how far off the best
value is, in the same measure.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from simcell.arrays import FloatArray
from simcell.describe.read import fields_of
from simcell.fit.estimate import Estimate
from simcell.fit.imaging import brightness_of, fit_imaging, fixed_of, level_knobs
from simcell.fit.knobs import Knob, knobs_of, settings
from simcell.fit.patches import cut
from simcell.preset import Preset, load_preset
from simcell.rng import stream
from simcell.stages import simulate


def main() -> None:
    """Print a table for each preset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--like", nargs="+", default=["confluent"])
    parser.add_argument("--sets", type=int, default=10)
    parser.add_argument("--images", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--side", type=int, default=96, help="of an image in pixels")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="seed of the first set")
    asked = parser.parse_args()
    for name in asked.like:
        study(name, asked)


def study(name: str, asked: argparse.Namespace) -> None:
    """Fit all sets of one preset and print its table."""
    like = load_preset(name).with_set([f"frame.shape=[{asked.side}, {asked.side}]"])
    like = like.with_set([f"frame.spacing_um={like.base.frame.spacing_um}"])
    rows: dict[str, list[tuple[bool, float, float, bool]]] = {}
    start = time.process_time()
    for seed in range(asked.first, asked.first + asked.sets):
        truth, knobs, found = one_set(like, seed, asked)
        for estimate in found:
            if estimate.path in truth and estimate.low is not None:
                rows.setdefault(estimate.path, []).append(
                    _row(estimate, truth, knobs[estimate.path])
                )
    cpu = (time.process_time() - start) / asked.sets
    print(f"{name}: {asked.sets} sets of {asked.images}, {cpu:.0f} CPU-seconds each")
    print(f"{'number':<36}{'held':>7}{'width':>8}{'off':>8}{'told':>7}")
    for path, found_rows in rows.items():
        held, width, off, told = np.array(found_rows, np.float64).mean(axis=0)
        print(f"{path:<36}{held:>7.0%}{width:>8.2f}{off:>8.2f}{told:>7.0%}")
    every = np.concatenate([np.array(r, np.float64) for r in rows.values()])
    print(f"{'all':<36}{every[:, 0].mean():>7.0%}{every[:, 1].mean():>8.2f}\n")


def one_set(
    like: Preset, seed: int, asked: argparse.Namespace
) -> tuple[dict[str, float], dict[str, Knob], list[Estimate]]:
    """Draw numbers, simulate images with them, and fit."""
    part = "nucleus" if like.base.cells.kind == "simcep" else "cytoplasm"
    scene = like.scene(seed=seed, index=0)
    plain = fields_of([simulate(scene, seed=seed, index=0)])
    patches, scale = cut(plain, like)
    knobs = [*level_knobs(like, brightness_of(patches), part), *knobs_of(like, scale, part)]
    units: FloatArray = stream(seed, 0, "truth").uniform(0.1, 0.9, len(knobs))
    fixed, _ = fixed_of(like, part)
    truth = settings(knobs, units.tolist(), fixed)
    made = replace(like, base=scene, vary={}).scene_with({**fixed, **truth})
    samples = [simulate(made, seed=seed, index=i) for i in range(asked.images)]
    found = fit_imaging(
        fields_of(samples), like, seed=seed, minutes=asked.minutes, workers=asked.workers
    )
    return truth, {knob.path: knob for knob in knobs}, found


def _row(
    estimate: Estimate, truths: dict[str, float], knob: Knob
) -> tuple[bool, float, float, bool]:
    """Return whether the interval holds the truth, its width and the error, over the start's."""
    assert estimate.low is not None
    assert estimate.high is not None
    truth = truths[knob.path]
    held = estimate.low <= truth <= estimate.high
    if knob.log and min(estimate.low, float(estimate.value), truth) > 0:
        size = np.log(knob.high / knob.low)
        width = np.log(estimate.high / estimate.low) / size
        off = abs(np.log(float(estimate.value) / truth)) / size
    else:
        size = (knob.high - knob.low) * np.prod([truths[path] for path in knob.times])
        width = (estimate.high - estimate.low) / size
        off = abs(float(estimate.value) - truth) / size
    return held, float(width), float(off), estimate.status == "estimated"


if __name__ == "__main__":
    main()
