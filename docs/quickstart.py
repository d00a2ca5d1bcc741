"""Draw the README's picture of a segmentation: ``python docs/quickstart.py``.

The image is simulated, with a preset that the model was not trained on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import simcell
from dermogan.model import load_model
from dermogan.segmentation import overlay, segment

PICTURE = Path(__file__).parent / "quickstart.jpg"
GAP = 6


def main() -> None:
    """Write ``docs/quickstart.jpg``: the image, the probability of membranes, the cells."""
    preset = simcell.load_preset("rcm-benchmark")
    image = simcell.simulate(preset.scene(seed=1, index=3), seed=1, index=3).image
    assert image is not None
    found = segment(load_model("confluent"), image, diameter_px="auto")
    probability = np.uint8(255 * found.probability[0])
    grey = [np.repeat(picture[..., None], 3, axis=-1) for picture in (image, probability)]
    gap = np.full((len(image), GAP, 3), 255, np.uint8)
    drawn = overlay(image.astype(np.float32), found.labels)
    Image.fromarray(np.hstack([grey[0], gap, grey[1], gap, drawn])).save(PICTURE, quality=90)
    print(PICTURE)


if __name__ == "__main__":
    main()
