"""Frozen sets of class maps: layers of skin in sections, patterns of mosaics.

Every image's look lies outside the ranges that its preset's images are drawn from: each range of
the imaging is left to one side in even images and to the other in odd ones (where it ends at 0,
to the upper side in both). What the tissue is like is drawn as the preset says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import simcell

SEED = 20240611


@dataclass(frozen=True)
class World:
    """A frozen set.

    Attributes
    ----------
    name, preset : str
    count : int
        Images.
    looks : tuple of dict of str to float
        Imaging of even and of odd images, by the field's name after ``imaging.``
    classes : tuple of str
    published : dict of str to tuple of float
        Scores in percent, class by class, that others published on images of their own.
    source : str
        Where.
    recipes : tuple of str
        Of the systems that those scores are of.
    sets : tuple of str
        Overrides of the preset.
    band : str
        Class whose thickness and place are measured; empty for none.
    """

    name: str
    preset: str
    count: int
    looks: tuple[dict[str, float], dict[str, float]]
    classes: tuple[str, ...]
    published: dict[str, tuple[float, ...]]
    source: str
    recipes: tuple[str, ...]
    sets: tuple[str, ...] = ()
    band: str = ""

    def sample(self, index: int) -> simcell.Sample:
        """Simulate an image and its class map."""
        look = [f"imaging.{name}={value}" for name, value in self.looks[index % 2].items()]
        preset = simcell.load_preset(self.preset).with_set([*self.sets, *look])
        return simcell.simulate(preset.scene(seed=SEED, index=index), seed=SEED, index=index)

    def pair(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.uint8], float]:
        """Return an image, its class map, and the size of a pixel in µm."""
        made = self.sample(index)
        assert made.image is not None
        assert made.classes is not None
        return made.image.astype(np.float32), made.classes, made.grid.spacing_um[-1]


WORLDS = {
    "oct": World(
        name="oct",
        preset="skin-oct",
        count=24,
        looks=(
            {  # dim, grainy, with a long range of greys
                "glass.face": 4.5,
                "corneum.brightness": 0.95,
                "corneum.thickness_um": 23,
                "epidermis.brightness": 0.23,
                "epidermis.nucleus_depth": 0.45,
                "epidermis.basal": 2.3,
                "epidermis.junction": 1.25,
                "dermis.brightness": 0.75,
                "dermis.fibres": 0.85,
                "attenuation.epidermis_per_mm": 11,
                "attenuation.dermis_per_mm": 14,
                "field.falloff": 0.98,
                "missing.columns": 0.9,
                "missing.patches": 1.3,
                "speckle.looks": 1.4,
                "speckle.speckle_um": 0.9,
                "floor": 0.0065,
                "display.white": 0.75,
                "display.range_db": 44,
            },
            {  # clear and dark, with coarse grain and a short range of greys
                "glass.face": 0.27,
                "corneum.brightness": 0.27,
                "corneum.thickness_um": 8,
                "epidermis.brightness": 0.075,
                "epidermis.nucleus_depth": 0.45,
                "epidermis.basal": 0.85,
                "epidermis.junction": 0.45,
                "dermis.brightness": 0.19,
                "dermis.fibres": 0.27,
                "attenuation.epidermis_per_mm": 3.5,
                "attenuation.dermis_per_mm": 6,
                "field.falloff": 0.25,
                "missing.columns": 0.9,
                "missing.patches": 1.3,
                "speckle.looks": 7,
                "speckle.speckle_um": 2.6,
                "floor": 0.0004,
                "display.white": 2.7,
                "display.range_db": 26,
            },
        ),
        classes=("glass", "glycerol", "epidermis", "junction", "dermis"),
        published={"sensitivity": (100, 96, 90, 91, 88)},
        source="Calderon-Delgado et al., sections of real skin; the junction twice as thick",
        recipes=("oct-unet", "oct-unet-paper"),
        band="junction",
    ),
    "mosaic": World(
        name="mosaic",
        preset="rcm-mosaic",
        count=12,
        looks=(
            {  # bright, coarse and noisy
                "epidermis.brightness": 0.32,
                "epidermis.membrane": 0.53,
                "epidermis.cell_um": 23,
                "epidermis.furrow_um": 22,
                "papillae.interior": 0.2,
                "papillae.rim": 1.05,
                "papillae.rim_um": 15,
                "papillae.between_um": 20,
                "papillae.cord": 0.85,
                "papillae.cord_um": 55,
                "nests.brightness": 0.95,
                "nests.radius_um": 58,
                "nests.present": 0.57,
                "nests.around": 0.3,
                "plain.brightest": 0.75,
                "plain.fibres": 0.55,
                "uneven": 0.27,
                "tiles.gain_sd": 0.16,
                "tiles.vignette": 0.43,
                "noise.looks": 4.5,
                "noise.speckle_um": 3.8,
                "gain": 1.25,
            },
            {  # dim, fine and even
                "epidermis.brightness": 0.15,
                "epidermis.membrane": 0.18,
                "epidermis.cell_um": 13,
                "epidermis.furrow_um": 22,
                "papillae.interior": 0.04,
                "papillae.rim": 0.47,
                "papillae.rim_um": 7.5,
                "papillae.between_um": 20,
                "papillae.cord": 0.42,
                "papillae.cord_um": 26,
                "nests.brightness": 0.46,
                "nests.radius_um": 26,
                "nests.present": 0.57,
                "nests.around": 0.11,
                "plain.brightest": 0.37,
                "plain.fibres": 0.08,
                "uneven": 0.06,
                "tiles.gain_sd": 0.01,
                "tiles.vignette": 0.03,
                "noise.looks": 34,
                "noise.speckle_um": 1.3,
                "gain": 0.7,
            },
        ),
        classes=("non-lesion", "artifact", "meshwork", "ring", "nested", "patternless"),
        published={
            "sensitivity": (72, 77, 24, 77, 94, 90),
            "specificity": (97, 97, 98, 97, 87, 91),
        },
        source="Kose et al., mosaics of real lesions",
        recipes=("mosaic-cascade",),
        sets=("frame.shape=[1024, 1024]",),
    ),
}
