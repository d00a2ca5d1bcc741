"""From a folder of images to a trained model, on a tissue that no preset knows.

You have images of a tissue and traced the cells of two or three of them. The commands are

    simcell fit --labels traced --images images --like confluent --spacing-um 0.5 -o my-tissue.yaml
    simcell show --preset my-tissue.yaml -o sheet.png
    simcell compare images my-tissue.yaml --labels traced --spacing-um 0.5 -o report
    dermogan train --recipe supervised --preset my-tissue.yaml -o run
    dermogan segment images -m run -o cells
    dermogan evaluate cells/labels traced --common

1. `fit` writes a preset: what the traced cells and the images tell, with intervals, and what they
   do not. Read it; it is a text file, made to be tuned by hand.
2. `show` draws samples of it. Put them beside your images before anything else.
3. `compare` opens with what gives the samples away and which number to change first.
4. `train` learns from samples alone; your traced cells were only measured, never trained on.
5. `segment` finds the cells of all images; `evaluate` scores those that you traced.

Here a few lines of numpy stand in for the microscope: stretched cells with bright borders, which no
preset has. The numbers below are small, so that all of it runs in about a minute; with your own
images leave out `--minutes` and `--steps`: with so few steps no model finds cells.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from tifffile import imwrite

import dermogan.cli
import simcell.cli

MINUTES, STEPS = 0.1, 4
IMAGES, TRACED, SIDE = 2, 1, 96


def microscope(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image of the tissue, and its cells as someone would trace them."""
    rng = np.random.default_rng(number)
    grid = np.stack(np.meshgrid(*[np.arange(13.0)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    seeds = (grid + rng.uniform(0.1, 0.9, grid.shape)) * (11, 18) - 16  # longer than wide
    at = np.stack(np.indices((SIDE, SIDE)), axis=-1).reshape(-1, 2) / (11, 18)
    cells = cKDTree(seeds / (11, 18)).query(at)[1].reshape(SIDE, SIDE)
    seen, labels = np.unique(cells, return_inverse=True)
    labels = labels.reshape(SIDE, SIDE).astype(np.int32) + 1
    borders = (ndimage.maximum_filter(labels, 2) != labels).astype(float)
    light = 0.8 + 0.4 * np.linspace(0, 1, SIDE)
    level = rng.normal(0.3, 0.03, len(seen) + 1)[labels]
    signal = ndimage.gaussian_filter((level + 0.5 * borders) * light, 1.0)
    noisy = rng.poisson(200 * signal) / 200 + rng.normal(0, 0.01, signal.shape)
    return (255 * np.clip(noisy, 0, 1)).astype(np.uint8), labels


def run(line: str) -> None:
    """Run a command line, and show it."""
    print("\n$", line)
    tool, *words = shlex.split(line)
    group = {"simcell": simcell.cli.main, "dermogan": dermogan.cli.main}[tool]
    group(words, standalone_mode=False)


def main() -> None:
    """Image a tissue, and learn it."""
    Path("images").mkdir(exist_ok=True)
    Path("traced").mkdir(exist_ok=True)
    for number in range(IMAGES):
        image, labels = microscope(number)
        imwrite(f"images/field{number}.tif", image)
        if number < TRACED:
            imwrite(f"traced/field{number}.tif", labels)
    run(
        "simcell fit --labels traced --images images --like confluent --spacing-um 0.5"
        f" --minutes {MINUTES} -o my-tissue.yaml"
    )
    run("simcell show --preset my-tissue.yaml -o sheet.png")
    run("simcell compare images my-tissue.yaml --labels traced --spacing-um 0.5 -n 4 -o report")
    run(f"dermogan train --recipe supervised --preset my-tissue.yaml --steps {STEPS} -o run")
    run("dermogan segment images -m run -o cells")
    run("dermogan evaluate cells/labels traced --common")


if __name__ == "__main__":
    main()
