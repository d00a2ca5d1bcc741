"""The preset that segmentation is measured on, written in Python: same numbers, same pixels.

It also tells which ranges of its imaging lie outside those of the preset that one trains on.
"""

from __future__ import annotations

import numpy as np

import simcell
from simcell.preset import Preset
from simcell.scene import Frame, Scene
from simcell.scene.cells import Voronoi
from simcell.scene.imaging import (
    Rcm,
    RcmCytoplasm,
    RcmDefocus,
    RcmField,
    RcmKeratin,
    RcmMembrane,
    RcmNoise,
    RcmNucleus,
    RcmOrganelles,
)
from simcell.scene.points import HardCore
from simcell.scene.prior import Membrane
from simcell.scene.region import Bezier
from simcell.vary import Uniform


def rcm_benchmark() -> Preset:
    """Stratum granulosum beyond the ranges of rcm-sg."""
    scene = Scene(
        frame=Frame(shape=(256, 256), spacing_um=0.5, margin_um=25),
        region=Bezier(coverage=0.98, knots=12, roughness=0.36, wander=0.2),
        points=HardCore(density=2900, distance_um=10.5),
        cells=Voronoi(lloyd=1.8, undulation_um=1.45, undulation_scale_um=9),
        prior=Membrane(thickness_um=1.0),
        imaging=Rcm(
            membrane=RcmMembrane(
                brightness=1.08, width_um=2.6, width_cv=0.35, strength_cv=0.52, scale_um=10
            ),
            cytoplasm=RcmCytoplasm(brightness=0.25, cell_cv=0.25, grain=0.63, grain_um=3.2),
            nucleus=RcmNucleus(visible=0.08, radius_um=4.2, depth=0.78, edge_um=2.4, offset_um=1.2),
            organelles=RcmOrganelles(density=7000, radius_um=0.8, brightness=0.25),
            keratin=RcmKeratin(density=1500, radius_um=1.6, brightness=0.8),
            defocus=RcmDefocus(share=0.06, blur_um=7, contrast=0.25),
            field=RcmField(uneven=0.38, scale_um=70, tilt=0.88, furrow=0.07, furrow_edge_um=4),
            noise=RcmNoise(looks=3.5, speckle_um=0.9, photons=80, read_noise=0.02, jitter_um=0.3),
            psf_um=1.1,
            gain=0.5,
            offset=0.06,
        ),
    )
    vary = {
        "region.coverage": Uniform(low=0.95, high=1.0),
        "region.roughness": Uniform(low=0.33, high=0.4),
        "points.density": Uniform(low=2750, high=3050),
        "points.distance_um": Uniform(low=10.0, high=10.9),
        "cells.lloyd": Uniform(low=1.6, high=2.2),
        "cells.undulation_um": Uniform(low=1.35, high=1.6),
        "imaging.membrane.brightness": Uniform(low=0.95, high=1.2),
        "imaging.membrane.width_um": Uniform(low=2.45, high=2.8),
        "imaging.membrane.strength_cv": Uniform(low=0.51, high=0.54),
        "imaging.cytoplasm.brightness": Uniform(low=0.245, high=0.265),
        "imaging.cytoplasm.grain": Uniform(low=0.61, high=0.65),
        "imaging.cytoplasm.grain_um": Uniform(low=3.05, high=3.4),
        "imaging.nucleus.visible": Uniform(low=0.0, high=0.15),
        "imaging.nucleus.depth": Uniform(low=0.72, high=0.85),
        "imaging.defocus.share": Uniform(low=0.03, high=0.09),
        "imaging.field.uneven": Uniform(low=0.36, high=0.4),
        "imaging.field.tilt": Uniform(low=0.82, high=0.95),
        "imaging.noise.looks": Uniform(low=3.2, high=3.8),
        "imaging.noise.speckle_um": Uniform(low=0.75, high=1.1),
        "imaging.noise.photons": Uniform(low=70, high=95),
        "imaging.noise.read_noise": Uniform(low=0.017, high=0.024),
        "imaging.noise.jitter_um": Uniform(low=0.27, high=0.34),
        "imaging.psf_um": Uniform(low=0.95, high=1.2),
        "imaging.gain": Uniform(low=0.45, high=0.58),
    }
    return Preset("rcm-benchmark", "Stratum granulosum, to measure on", (), scene, vary, {})


PRESETS = (rcm_benchmark,)


def main() -> None:
    """Compare with the shipped preset, and its ranges with those of rcm-sg."""
    ours, shipped = rcm_benchmark(), simcell.load_preset("rcm-benchmark")
    one, other = (
        simcell.simulate(p.scene(seed=5, index=0), seed=5, index=0) for p in (ours, shipped)
    )
    assert np.array_equal(one.labels, other.labels)
    print(
        "rcm-benchmark", one.labels.max(), "cells; pixels agree:", (one.image == other.image).all()
    )

    trained = simcell.load_preset("rcm-sg").vary
    for path, law in ours.vary.items():
        known = trained.get(path)
        if isinstance(known, Uniform) and isinstance(law, Uniform):
            where = (
                "above" if law.low > known.high else "below" if law.high < known.low else "within"
            )
            print(f"{path:<30} {where} {known.low:g} to {known.high:g}")


if __name__ == "__main__":
    main()
