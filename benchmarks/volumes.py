"""CPU time and peak memory of whole volumes of nuclei and Golgi.

Two contents: masks with instances and table of 1143 x 1010 x 64 voxels with 57 pairs per
128 x 128 x 64 of them, and 2694 x 1981 x 61 voxels with the image, painted in bands of
64 rows. Run ``python benchmarks/volumes.py``; each volume runs in a process of its own,
once kernels are compiled.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import simcell
from simcell.scene import Scene
from simcell.scene.imaging import NoImage
from simcell.stages import lay_out

VOLUMES = {"masks": (64, 1143, 1010), "image": (61, 2694, 1981)}
ROWS = 64
PAIRS = 57 / (128 * 128 * 64 * 0.5**3) * 1e9


def scene(shape: tuple[int, int, int], image: bool) -> Scene:
    base = simcell.load_preset("nucleus-golgi").base
    points = base.points.model_copy(update={"density": PAIRS})
    frame = base.frame.model_copy(update={"shape": shape})
    update = {"frame": frame, "points": points}
    return base.model_copy(update=update if image else update | {"imaging": NoImage()})


def paint(shape: tuple[int, int, int], image: bool) -> tuple[float, float, int]:
    """Return CPU-seconds of the layout, of all bands, and the number of objects."""
    begin = time.process_time()
    canvas = lay_out(scene(shape, image), seed=0, index=0)
    laid = time.process_time()
    for row in range(0, shape[1], ROWS):
        canvas.paint(range(row, min(row + ROWS, shape[1])))
    return laid - begin, time.process_time() - laid, len(canvas.layout.objects)


def main() -> None:
    if len(sys.argv) > 1:
        shape, image = VOLUMES[sys.argv[1]], sys.argv[1] == "image"
        paint((16, 64, 64), image)
        laid, painted, objects = paint(shape, image)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{sys.argv[1]} {shape}: {objects} objects, layout {laid:.2f} CPU-s, "
            f"bands {painted:.2f} CPU-s, peak {peak:.2f} GiB"
        )
        return
    for name in VOLUMES:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main()
