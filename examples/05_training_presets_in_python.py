"""The presets for training generalists written in Python instead of YAML: same numbers and pixels.

Run it to see that they agree, and how a preset can vary a whole part of its scene.
"""

from __future__ import annotations

import numpy as np

import simcell
from simcell.preset import Preset
from simcell.scene import Frame, Scene
from simcell.scene.camera import FluoCamera
from simcell.scene.cells import Outlines, Voronoi
from simcell.scene.imaging import (
    FluoField,
    FluoPart,
    Fluorescence,
    FluoTexture,
    Rcm,
    RcmCytoplasm,
    RcmDefocus,
    RcmField,
    RcmKeratin,
    RcmMembrane,
    RcmNucleus,
    RcmOrganelles,
)
from simcell.scene.points import HardCore, Objects, ObjectType
from simcell.scene.prior import Filled, Membrane
from simcell.scene.region import Bezier, Full
from simcell.vary import Choice, Integers, LogUniform, Uniform

MEDIUM = {"looks": 9, "speckle_um": 1.3, "photons": 300, "read_noise": 0.01, "jitter_um": 0.12}
STILL = {"looks": 150, "speckle_um": 1.2, "photons": 400, "read_noise": 0.01, "jitter_um": 0.05}
CLEAN = {"looks": 1000, "speckle_um": 1.2, "photons": 3000, "read_noise": 0.003, "jitter_um": 0.0}


def confluent() -> Preset:
    """Tissue without gaps, borders dark or bright."""
    scene = Scene(
        frame=Frame(shape=(192, 192), spacing_um=1.0, margin_um=25),
        region=Bezier(coverage=1.0, knots=9, roughness=0.2, wander=0.12),
        points=HardCore(density=2500, distance_um=11),
        cells=Voronoi(lloyd=0.6, undulation_um=0.8, undulation_scale_um=8),
        prior=Membrane(thickness_um=2.2),
        imaging=Rcm(
            membrane=RcmMembrane(
                brightness=0.8, width_um=3, width_cv=0.3, strength_cv=0.35, scale_um=10
            ),
            cytoplasm=RcmCytoplasm(brightness=0.4, cell_cv=0.15, grain=0.3, grain_um=3, octaves=2),
            nucleus=RcmNucleus(visible=0.4, radius_um=4.5, depth=0.3, edge_um=2, offset_um=1.5),
            organelles=RcmOrganelles(density=3000, radius_um=0.8, brightness=0.15),
            keratin=RcmKeratin(density=200, radius_um=2, brightness=0.4),
            defocus=RcmDefocus(share=0.2, blur_um=5),
            field=RcmField(uneven=0.2, scale_um=60, tilt=0.3, furrow=0.04, furrow_edge_um=3),
            noise=MEDIUM,
            psf_um=1.5,
            gain=1.0,
            offset=0.03,
        ),
    )
    vary = {
        "frame.spacing_um": LogUniform(low=0.7, high=1.6),
        "region.coverage": Choice(values=(1.0, 0.9, 0.6), weights=(3, 1, 1)),
        "points.distance_um": Uniform(low=6, high=15),
        "cells.lloyd": Uniform(low=0.0, high=2.5),
        "cells.undulation_um": Uniform(low=0.2, high=1.8),
        "imaging.membrane.brightness": Choice(values=(0.0, 0.08, 0.16, 0.7, 0.85, 1.1)),
        "imaging.membrane.width_um": Uniform(low=1.5, high=6.0),
        "imaging.membrane.width_cv": Uniform(low=0.1, high=0.5),
        "imaging.membrane.strength_cv": Uniform(low=0.1, high=0.6),
        "imaging.cytoplasm.brightness": Uniform(low=0.3, high=0.5),
        "imaging.cytoplasm.cell_cv": Uniform(low=0.02, high=0.4),
        "imaging.cytoplasm.grain": Uniform(low=0.05, high=0.6),
        "imaging.cytoplasm.grain_um": LogUniform(low=1.2, high=7),
        "imaging.nucleus.visible": Choice(values=(0.0, 0.5, 1.0)),
        "imaging.nucleus.radius_um": Uniform(low=2.5, high=6.5),
        "imaging.nucleus.depth": Uniform(low=-0.9, high=0.7),
        "imaging.organelles.density": LogUniform(low=100, high=12000),
        "imaging.organelles.brightness": Uniform(low=0.05, high=0.4),
        "imaging.defocus.share": Uniform(low=0.0, high=0.4),
        "imaging.field.uneven": Uniform(low=0.02, high=0.45),
        "imaging.field.tilt": Uniform(low=0.0, high=0.8),
        "imaging.noise": Choice(values=("low", "medium", "high", STILL, CLEAN)),
        "imaging.psf_um": LogUniform(low=0.6, high=4.5),
        "imaging.gain": Uniform(low=0.5, high=1.1),
    }
    return Preset("confluent", "Tissue without gaps", (), scene, vary, {})


def _apart(activity: float, radius_cv: float, axis_ratio_min: float) -> dict[str, object]:
    return {
        "activity": activity,
        "radius_um": 6.5,
        "radius_cv": radius_cv,
        "axis_ratio_min": axis_ratio_min,
    }


def nonconfluent() -> Preset:
    """Cells that stand apart or touch."""
    scene = Scene(
        frame=Frame(shape=(192, 192), spacing_um=0.5, margin_um=15),
        region=Full(),
        points=Objects(
            types=(ObjectType(activity=4000, radius_um=6.5, radius_cv=0.2, axis_ratio_min=0.5),),
            overlap_penalty=10,
            overlap_limit=0.1,
        ),
        cells=Outlines(radius_um=6.5, radius_cv=0.2, axis_ratio_min=0.5, waviness=0.05),
        prior=Filled(gap_um=1.0),
        imaging=Fluorescence(
            cytoplasm=FluoPart(
                brightness=0.7, cell_cv=0.3, texture=FluoTexture(persistence=0.6, bias=0.4)
            ),
            field=FluoField(glow=0.03, falloff=0.2, misalignment=0.15, autofluorescence=0.04),
            psf_um=1.0,
            camera=FluoCamera(photons=400, read_noise=4, gain=0.5, offset=6),
        ),
    )
    # A whole part of the scene is drawn: sparse, uneven, dense, in clusters.
    objects = {"kind": "objects", "overlap_limit": 0.1}
    points = (
        objects | {"types": [_apart(800, 0.2, 0.5)]},
        objects | {"types": [_apart(4000, 0.3, 0.45)]},
        objects
        | {"types": [_apart(12000, 0.15, 0.6)], "overlap_penalty": 4, "overlap_limit": 0.15},
        {"kind": "thomas", "density": 1500, "cluster_size": 5, "spread_um": 11},
    )
    vary = {
        "frame.spacing_um": LogUniform(low=0.25, high=1.2),
        "points": Choice(values=points, weights=(1, 2, 2, 1)),
        "cells.waviness": Uniform(low=0.0, high=0.12),
        "cells.harmonics": Integers(low=3, high=8),
        "imaging.cytoplasm.brightness": LogUniform(low=0.2, high=0.9),
        "imaging.cytoplasm.cell_cv": Uniform(low=0.05, high=0.7),
        "imaging.cytoplasm.texture.persistence": Uniform(low=0.3, high=0.9),
        "imaging.cytoplasm.texture.bias": Uniform(low=0.1, high=0.9),
        "imaging.field.autofluorescence": Choice(values=(0.0, 0.03, 0.08, 0.15)),
        "imaging.field.falloff": Uniform(low=0.0, high=0.5),
        "imaging.psf_um": LogUniform(low=0.4, high=4.0),
        "imaging.camera.photons": LogUniform(low=60, high=460),
    }
    return Preset("nonconfluent", "Cells that stand apart", (), scene, vary, {})


PRESETS = (confluent, nonconfluent)


def main() -> None:
    """Compare every preset's pixels with those of its YAML file."""
    for make in PRESETS:
        ours = make()
        shipped = simcell.load_preset(ours.name)
        for index in range(2):
            one, other = (
                simcell.simulate(p.scene(seed=7, index=index), seed=7, index=index)
                for p in (ours, shipped)
            )
            assert np.array_equal(one.prior, other.prior)
            assert np.array_equal(one.image, other.image)
        print(f"{ours.name:<16} Python and YAML give the same pixels")


if __name__ == "__main__":
    main()
