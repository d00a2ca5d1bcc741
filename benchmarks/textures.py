"""Ways to draw a smooth texture of 512 x 512 pixels, CPU ms each.

The `noise` package is measured where it is installed (`pip install noise` needs
a C compiler); simcell does not depend on it.

    python benchmarks/textures.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from simcell.fields import perlin_noise, smooth_noise

SHAPE, SCALE = (512, 512), 16.0


def cost(draw: Callable[[], object], repeats: int) -> float:
    """CPU milliseconds of one call, after one to warm up."""
    draw()
    start = time.process_time()
    for _ in range(repeats):
        draw()
    return 1e3 * (time.process_time() - start) / repeats


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    rows = [
        ("simcell smooth_noise (value)", cost(lambda: smooth_noise(SHAPE, SCALE / 2, rng), 50)),
        ("simcell perlin_noise (gradient)", cost(lambda: perlin_noise(SHAPE, SCALE, rng), 50)),
        (
            "white noise, scipy gaussian_filter",
            cost(lambda: gaussian_filter(rng.standard_normal(SHAPE), SCALE / 2), 10),
        ),
    ]
    try:
        from noise import pnoise2
    except ImportError:
        print("noise package: not installed")
    else:

        def perlin() -> list[list[float]]:
            return [[pnoise2(x / SCALE, y / SCALE) for x in range(512)] for y in range(512)]

        rows.append(("noise.pnoise2, one octave", cost(perlin, 3)))
    best = min(ms for _, ms in rows)
    for name, ms in rows:
        print(f"{name:<36}{ms:9.2f} ms {ms / best:7.1f} x")


if __name__ == "__main__":
    main()
