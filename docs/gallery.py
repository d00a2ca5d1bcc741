"""Draw one sample of every shipped preset for the README: ``python docs/gallery.py``."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

import simcell
from simcell.io import contact_sheet
from simcell.preset import shipped_folder

FOLDER = Path(__file__).parent / "gallery"
SEED = 7


def main() -> None:
    """Write ``docs/gallery/NAME.jpg`` for every preset that is shipped."""
    FOLDER.mkdir(exist_ok=True)
    for file in sorted(shipped_folder().glob("*.yaml")):
        preset = simcell.load_preset(file)
        sample = simcell.simulate(preset.scene(seed=SEED, index=0), seed=SEED, index=0)
        picture = FOLDER / f"{preset.name}.jpg"
        Image.fromarray(contact_sheet([sample], title=preset.name)).save(picture, quality=88)
        print(picture)


if __name__ == "__main__":
    main()
