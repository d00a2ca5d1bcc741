"""The presets of skin sections written in Python instead of YAML: same numbers, same pixels.

Run it to see that they agree, and how the five layers and the confounders are read.
"""

from __future__ import annotations

import numpy as np

import simcell
from simcell.preset import Preset
from simcell.scene import Frame, Scene
from simcell.scene.oct import (
    Oct,
    OctAttenuation,
    OctCorneum,
    OctDermis,
    OctDisplay,
    OctEpidermis,
    OctField,
    OctSpeckle,
)
from simcell.scene.points import Poisson
from simcell.scene.prior import Classes
from simcell.scene.region import Full
from simcell.scene.skin import CONFOUNDERS, LAYERS, SkinConfounders, SkinLayers
from simcell.vary import LogUniform, Uniform


def skin_oct() -> Preset:
    """Full-field optical coherence tomography of skin under glass."""
    scene = Scene(
        frame=Frame(shape=(224, 512), spacing_um=0.9, margin_um=100),
        region=Full(),
        points=Poisson(density=160),
        cells=SkinLayers(
            glass_um=16,
            glass_slope=0.03,
            gap_um=8,
            surface_um=4,
            surface_scale_um=60,
            furrows_per_mm=2.0,
            furrow_um=10,
            furrow_width_um=30,
            epidermis_um=68,
            epidermis_cv=0.08,
            epidermis_scale_um=150,
            rete_um=28,
            rete_cv=0.35,
            rete_period_um=90,
            rete_period_cv=0.3,
            rete_sharpness=1.3,
            dej_um=5,
            confounders=SkinConfounders(hair=0.02, duct=0.03, merkel=0.3, langerhans=0.65),
        ),
        prior=Classes(classes=5),
        imaging=Oct(
            corneum=OctCorneum(brightness=0.55, surface=0.8, thickness_um=14, lamellae=0.5),
            epidermis=OctEpidermis(
                brightness=0.14, cell_um=12, nucleus_um=3.2, basal=1.5, junction=0.8
            ),
            dermis=OctDermis(
                brightness=0.4, fibres=0.5, fibre_um=1.6, fibre_length_um=11, wave_um=3
            ),
            attenuation=OctAttenuation(epidermis_per_mm=7, dermis_per_mm=12),
            field=OctField(falloff=0.85, falloff_power=3),
            speckle=OctSpeckle(looks=3, speckle_um=1.6),
            psf_um=0.9,
            floor=0.002,
            display=OctDisplay(scale="log", white=1.5, range_db=34),
        ),
    )
    vary = {
        "points.density": Uniform(low=40, high=300),
        "cells.glass_um": Uniform(low=8, high=28),
        "cells.gap_um": Uniform(low=0, high=20),
        "cells.surface_um": Uniform(low=2, high=6),
        "cells.furrow_um": Uniform(low=4, high=16),
        "cells.epidermis_um": Uniform(low=50, high=88),
        "cells.rete_um": Uniform(low=10, high=42),
        "cells.rete_period_um": Uniform(low=65, high=125),
        "cells.rete_sharpness": Uniform(low=0.9, high=2.2),
        "imaging.glass.face": LogUniform(low=0.3, high=4),
        "imaging.corneum.brightness": Uniform(low=0.3, high=0.9),
        "imaging.corneum.thickness_um": Uniform(low=9, high=22),
        "imaging.epidermis.brightness": Uniform(low=0.08, high=0.22),
        "imaging.epidermis.nucleus_depth": Uniform(low=0.5, high=1.0),
        "imaging.epidermis.basal": Uniform(low=0.9, high=2.2),
        "imaging.epidermis.junction": Uniform(low=0.5, high=1.2),
        "imaging.dermis.brightness": LogUniform(low=0.2, high=0.7),
        "imaging.dermis.fibres": Uniform(low=0.3, high=0.8),
        "imaging.attenuation.epidermis_per_mm": Uniform(low=4, high=10),
        "imaging.attenuation.dermis_per_mm": Uniform(low=7, high=13),
        "imaging.field.falloff": Uniform(low=0.3, high=0.97),
        "imaging.missing.columns": Uniform(low=0, high=0.8),
        "imaging.missing.patches": Uniform(low=0, high=1.2),
        "imaging.speckle.looks": LogUniform(low=1.5, high=6),
        "imaging.speckle.speckle_um": Uniform(low=1.0, high=2.4),
        "imaging.floor": LogUniform(low=0.0005, high=0.006),
        "imaging.display.white": LogUniform(low=0.8, high=2.5),
        "imaging.display.range_db": Uniform(low=28, high=42),
    }
    return Preset("skin-oct", "Skin sections", (), scene, vary, {})


PRESETS = (skin_oct,)


def main() -> None:
    """Compare every preset with the shipped one, and read one sample."""
    for make in PRESETS:
        preset = make()
        shipped = simcell.load_preset(preset.name)
        sample = simcell.simulate(preset.scene(seed=1, index=0), seed=1, index=0)
        other = simcell.simulate(shipped.scene(seed=1, index=0), seed=1, index=0)
        assert sample.image is not None
        assert sample.classes is not None
        assert sample.pattern is not None
        assert np.array_equal(sample.image, other.image)
        print(f"{preset.name}: equal to the shipped preset")
        for number, name in enumerate(LAYERS[1:], start=1):
            print(f"  {name:<10} {np.mean(sample.classes == number):6.1%} of the section")
        kinds = sample.pattern.marks["confounder"]
        for number, name in enumerate(CONFOUNDERS, start=1):
            print(f"  {name:<10} {np.sum(kinds == number):4.0f} in the field and beside it")


if __name__ == "__main__":
    main()
