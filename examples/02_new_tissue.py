"""A prior domain for a tissue that no preset knows, in three ways.

1. Change a preset by a few numbers (what `--set` does).
2. Write a preset of your own as YAML.
3. Use the stages alone, numpy arrays in and out, where you bring a part yourself.
"""

from __future__ import annotations

import numpy as np

import simcell
from simcell import cells, points, prior
from simcell.arrays import Grid, Pattern, Window
from simcell.fields import border_distance
from simcell.points import summary
from simcell.preset import Preset
from simcell.rng import Streams
from simcell.scene.cells import Power
from simcell.scene.points import Strauss
from simcell.scene.prior import BoundaryInterior

ENDOTHELIUM = """
name: my-endothelium
about: Corneal endothelium, confluent, about 2700 cells per mm², borders without a rim.
sources: ["densities of healthy adults are 2500-3000 cells per mm²"]
scene:
  frame: {shape: [192, 192], spacing_um: 1.0}
  region: {kind: full}
  points: {kind: hard_core, density: 2700, distance_um: 13}
  cells: {kind: voronoi, lloyd: 2, undulation_um: 0.5}
  prior: {kind: boundary_interior, thickness_um: 2}
  imaging: {kind: none}
vary:
  points.density: {kind: uniform, low: 2300, high: 3100}
expect:
  cells_per_mm2: {low: 2400, high: 3000}
"""


def from_a_preset() -> simcell.Sample:
    """Start from rcm-ss, with fewer cells and missing ones."""
    preset = simcell.load_preset("rcm-ss").with_set(["points.density=3500", "cells.vacancy=0.05"])
    return simcell.simulate(preset.scene(seed=1, index=0), seed=1, index=0)


def from_yaml() -> simcell.Sample:
    """Write the preset down; save the text as my-endothelium.yaml for the command line."""
    preset = Preset.from_text(ENDOTHELIUM)
    return simcell.simulate(preset.scene(seed=1, index=0), seed=1, index=0)


def from_stages() -> np.ndarray:
    """Seeds by a Strauss process, radii of your own, power cells, a two-class prior."""
    grid, streams = Grid((160, 160), (0.5, 0.5)), Streams(seed=1, index=0)
    window = Window(grid.size_um)
    seeds = points.sample(
        Strauss(activity=6000, gamma=0.1, distance_um=10), window, streams("points")
    )
    radius = streams("my radii").uniform(4, 9, len(seeds))
    marked = Pattern(seeds.points, {"radius_um": radius})
    region = np.ones(grid.shape, np.bool_)
    grown = cells.grow(Power(), marked, region, grid, 0, streams)
    distance = border_distance(grown.labels) * np.float32(0.5)
    _, classes = prior.render(BoundaryInterior(), grown.labels, distance, 0.5)
    r = np.arange(2.0, 20.0, 2.0)
    print(
        "pair correlation of the seeds:",
        np.round(summary.pair_correlation(seeds.points, window, r), 2),
    )
    assert classes is not None
    return classes


def main() -> None:
    """Make one sample each way."""
    for sample in (from_a_preset(), from_yaml()):
        assert sample.objects is not None
        print(f"{len(sample.objects)} cells, prior {sample.prior.shape} {sample.prior.dtype}")
    print("classes:", np.unique(from_stages()))


if __name__ == "__main__":
    main()
