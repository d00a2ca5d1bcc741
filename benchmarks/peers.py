"""Other simulators at the tasks of ``worlds.py``, run by a Python that has them.

One function a peer. Each returns a call that makes one sample anew; building what
is built once is outside of it. Prints one JSON line a task: CPU seconds (median)
and peak memory, or why there are none. ``worlds.py`` starts it; by hand:

    python benchmarks/peers.py deeptrack cellsium

Nothing of simcell is imported here: the peers need versions of numpy that simcell
does not.
"""

from __future__ import annotations

import json
import logging
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

LIMIT_S = 40.0
"""CPU time after which a task is not run again."""

Call = Callable[[], object]


def deeptrack(side: int, count: int, overlaps: bool) -> Call:
    """Discs of 5 px (8 px, apart) under a fluorescence microscope, with a mask; DeepTrack2."""
    import deeptrack as dt

    rng = np.random.default_rng(0)
    optics = dt.Fluorescence(
        NA=0.7,
        wavelength=520e-9,
        resolution=1e-6,
        magnification=10,
        output_region=(0, 0, side, side),
    )
    discs = dt.Ellipse(
        position=lambda: rng.uniform(10, side - 10, 2) * dt.units.pixel,
        radius=(5 if overlaps else 8) * dt.units.pixel,
        intensity=100,
    )
    objects = discs ^ count
    if not overlaps:
        warnings.filterwarnings("error", message=".*overlap")
        objects = dt.NonOverlapping(objects, min_distance=0)
        pipeline = optics(objects)
        return lambda: pipeline.update()()
    mask = objects >> dt.SampleToMasks(
        lambda: lambda volume: volume > 0, output_region=optics.output_region, merge_method="or"
    )
    pipeline = optics(objects) & mask

    def sample() -> object:
        image, labels = pipeline.update()()
        assert np.asarray(image).shape[:2] == (side, side)
        return image, labels

    return sample


def cellsium(side: int, count: int) -> Call:
    """Bacteria in phase contrast, with a mask; CellSium without its growth of colonies."""
    # Names that newer scipy has dropped.
    import types

    import scipy.ndimage

    old = types.ModuleType("scipy.ndimage.interpolation")
    old.rotate = scipy.ndimage.rotate
    sys.modules["scipy.ndimage.interpolation"] = old
    from cellsium.cli import initialize_cells, initialize_simulator
    from cellsium.output.gt import GenericMaskOutput
    from cellsium.output.render import NoisyUnevenIlluminationPhaseContrast
    from cellsium.parameters import pixel_to_um
    from tunable import TunableManager

    size = {"Width": pixel_to_um(side), "Height": pixel_to_um(side)}
    TunableManager.load(size | {"NewCellRadiusFromCenter": 1}, reset=False)
    renderer = NoisyUnevenIlluminationPhaseContrast()

    def sample() -> object:
        simulator = initialize_simulator()
        initialize_cells(simulator, count=count)
        simulator.step(60.0)
        world = simulator.simulation.world
        image = renderer.output(world)
        points = [cell.points_on_canvas() for cell in world.cells]
        return image, GenericMaskOutput.generate_cells_mask(points)

    return sample


def microsim(side: int) -> Call:
    """Optics of a given volume of dye in a wide-field microscope; microsim."""
    from microsim import schema as ms

    truth = np.zeros((side, side, side), np.float32)
    truth[32:-32:8, 8:-8:8, 8:-8:8] = 100

    def sample() -> object:
        simulation = ms.Simulation.from_ground_truth(
            truth, scale=(0.1, 0.1, 0.1), settings=ms.Settings(max_psf_radius_aus=2)
        )
        return np.asarray(simulation.optical_image())

    return sample


def microstructpy(count: int) -> Call:
    """Geometry of a polygonal tissue about packed discs; MicroStructPy."""
    import microstructpy as msp
    from scipy import stats

    domain = msp.geometry.Rectangle(side_lengths=(256, 256))
    phase = {"shape": "circle", "r": stats.uniform(7, 5), "fraction": 1}

    def sample() -> object:
        area = 256 * 256 * count / 225
        seeds = msp.seeding.SeedList.from_info([phase], area)
        seeds.position(domain)
        return msp.meshing.PolyMesh.from_seeds(seeds, domain)

    return sample


TASKS: dict[str, Callable[[], Call]] = {
    "deeptrack 512/200": lambda: deeptrack(512, 200, overlaps=True),
    "deeptrack 256/50 apart": lambda: deeptrack(256, 50, overlaps=False),
    "cellsium 512/200": lambda: cellsium(512, 200),
    "cellsium 256/50": lambda: cellsium(256, 50),
    "microsim 128": lambda: microsim(128),
    "microstructpy 193": lambda: microstructpy(193),
}


def measured(task: Callable[[], Call], repeats: int = 3) -> dict[str, object]:
    """CPU seconds of a sample, median after one to warm up, or the time until it failed."""
    try:
        sample = task()
    except ImportError as error:
        return {"missing": str(error)}
    times: list[float] = []
    for _ in range(repeats + 1):
        start = time.process_time()
        try:
            sample()
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}"[:200], "s": since(start)}
        times.append(since(start))
        if sum(times) > LIMIT_S:
            break
    return {"s": statistics.median(times[1:] or times)}


def since(start: float) -> float:
    return time.process_time() - start


def main() -> None:
    """Run the tasks whose names begin with one of the arguments; all without any."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    wanted = sys.argv[1:] or [""]
    for name, task in TASKS.items():
        if any(name.startswith(start) for start in wanted):
            told = measured(task) | {"name": name}
            told["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
