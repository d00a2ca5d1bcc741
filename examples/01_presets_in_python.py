"""The shipped presets written in Python instead of YAML: same numbers, same pixels.

Run it to see that they agree; copy from it to build a preset in a notebook.
"""

from __future__ import annotations

import numpy as np

import simcell
from simcell.preset import Preset
from simcell.scene import Frame, Scene
from simcell.scene.cells import Outlines, Simcep, SimcepShape, SimcepType, Voronoi
from simcell.scene.imaging import (
    FluoCamera,
    FluoField,
    FluoFocus,
    FluoPart,
    Fluorescence,
    FluoTexture,
    NoImage,
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
from simcell.scene.points import HardCore, Objects, ObjectType, SimcepCluster
from simcell.scene.prior import Filled, Membrane
from simcell.scene.region import Bezier, Full, Relief
from simcell.vary import Choice, Integers, LogUniform, Normal, Uniform

ISLAND = Bezier(coverage=0.8, knots=9, roughness=0.22, wander=0.12)
GRANULAR = Voronoi(lloyd=0.6, undulation_um=0.8, undulation_scale_um=7)
GRANULAR_VARY = {
    "region.coverage": Uniform(low=0.5, high=1.0),
    "region.roughness": Uniform(low=0.08, high=0.32),
    "points.density": Uniform(low=1900, high=2700),
    "points.distance_um": Uniform(low=11, high=14),
    "cells.lloyd": Uniform(low=0.0, high=1.5),
    "cells.undulation_um": Uniform(low=0.3, high=1.3),
}
NOISE = Choice(values=("low", "medium", "high"), weights=(1, 2, 1))


def rcm_sg() -> Preset:
    """Stratum granulosum."""
    scene = Scene(
        frame=Frame(shape=(256, 256), spacing_um=0.5, margin_um=25),
        region=ISLAND,
        points=HardCore(density=2300, distance_um=13),
        cells=GRANULAR,
        prior=Membrane(thickness_um=1.0),
        imaging=Rcm(
            membrane=RcmMembrane(
                brightness=0.52, width_um=1.7, width_cv=0.3, strength_cv=0.35, scale_um=8
            ),
            cytoplasm=RcmCytoplasm(brightness=0.2, cell_cv=0.22, grain=0.45, grain_um=2.0),
            nucleus=RcmNucleus(visible=0.55, radius_um=4.6, depth=0.5, edge_um=1.8, offset_um=1.0),
            organelles=RcmOrganelles(density=9000, radius_um=0.6, brightness=0.22),
            keratin=RcmKeratin(density=500, radius_um=1.3, brightness=0.5),
            defocus=RcmDefocus(share=0.3, blur_um=4),
            field=RcmField(uneven=0.22, scale_um=45, tilt=0.35, furrow=0.04, furrow_edge_um=3),
            noise=RcmNoise.model_validate("medium"),
            psf_um=0.8,
            offset=0.03,
        ),
    )
    vary = GRANULAR_VARY | {
        "imaging.membrane.brightness": Uniform(low=0.42, high=0.75),
        "imaging.membrane.width_um": Uniform(low=1.2, high=2.4),
        "imaging.membrane.strength_cv": Uniform(low=0.2, high=0.5),
        "imaging.cytoplasm.brightness": Uniform(low=0.11, high=0.24),
        "imaging.cytoplasm.grain": Uniform(low=0.25, high=0.6),
        "imaging.cytoplasm.grain_um": Uniform(low=1.4, high=3.0),
        "imaging.nucleus.visible": Uniform(low=0.2, high=0.9),
        "imaging.nucleus.depth": Uniform(low=0.25, high=0.7),
        "imaging.defocus.share": Uniform(low=0.1, high=0.45),
        "imaging.field.uneven": Uniform(low=0.1, high=0.35),
        "imaging.field.tilt": Uniform(low=0.0, high=0.8),
        "imaging.noise": NOISE,
        "imaging.gain": Uniform(low=0.8, high=1.25),
    }
    return Preset("rcm-sg", "Stratum granulosum", (), scene, vary, {})


def rcm_ss() -> Preset:
    """Stratum spinosum."""
    scene = Scene(
        frame=Frame(shape=(256, 256), spacing_um=0.5, margin_um=20),
        region=ISLAND,
        points=HardCore(density=4800, distance_um=9.5),
        cells=Voronoi(lloyd=1.0, undulation_um=0.6, undulation_scale_um=6),
        prior=Membrane(thickness_um=1.0),
        imaging=Rcm(
            membrane=RcmMembrane(
                brightness=0.6, width_um=1.9, width_cv=0.3, strength_cv=0.3, scale_um=7
            ),
            cytoplasm=RcmCytoplasm(brightness=0.22, cell_cv=0.2, grain=0.3, grain_um=1.6),
            nucleus=RcmNucleus(visible=0.9, radius_um=4.0, depth=0.75, edge_um=1.4, offset_um=0.6),
            organelles=RcmOrganelles(density=5000, radius_um=0.5, brightness=0.18),
            keratin=RcmKeratin(density=60, radius_um=1.2, brightness=0.5),
            defocus=RcmDefocus(share=0.32, blur_um=4),
            field=RcmField(uneven=0.2, scale_um=45, tilt=0.35, furrow=0.04, furrow_edge_um=3),
            noise=RcmNoise.model_validate("medium"),
            psf_um=0.9,
            offset=0.03,
        ),
    )
    vary = {
        "region.coverage": Uniform(low=0.5, high=1.0),
        "region.roughness": Uniform(low=0.08, high=0.32),
        "points.density": Uniform(low=4000, high=5700),
        "points.distance_um": Uniform(low=7.5, high=9.5),
        "cells.lloyd": Uniform(low=0.2, high=2.5),
        "cells.undulation_um": Uniform(low=0.2, high=1.0),
        "imaging.membrane.brightness": Uniform(low=0.45, high=0.8),
        "imaging.membrane.width_um": Uniform(low=1.4, high=2.6),
        "imaging.membrane.strength_cv": Uniform(low=0.15, high=0.45),
        "imaging.cytoplasm.brightness": Uniform(low=0.14, high=0.3),
        "imaging.cytoplasm.grain": Uniform(low=0.15, high=0.5),
        "imaging.cytoplasm.grain_um": Uniform(low=1.2, high=2.4),
        "imaging.nucleus.visible": Uniform(low=0.7, high=1.0),
        "imaging.nucleus.depth": Uniform(low=0.5, high=0.9),
        "imaging.defocus.share": Uniform(low=0.15, high=0.5),
        "imaging.field.uneven": Uniform(low=0.1, high=0.35),
        "imaging.field.tilt": Uniform(low=0.0, high=0.8),
        "imaging.noise": NOISE,
        "imaging.gain": Uniform(low=0.8, high=1.25),
    }
    return Preset("rcm-ss", "Stratum spinosum", (), scene, vary, {})


def rcm_sg_clean() -> Preset:
    """Membranes of rcm-sg without an image."""
    scene = Scene(
        frame=Frame(shape=(256, 256), spacing_um=0.5, margin_um=25),
        region=ISLAND,
        points=HardCore(density=2300, distance_um=13),
        cells=GRANULAR,
        prior=Membrane(thickness_um=1.0),
        imaging=NoImage(),
    )
    return Preset("rcm-sg-clean", "Membranes of granular cells", (), scene, GRANULAR_VARY, {})


def discs() -> Preset:
    """Non-confluent discs."""
    scene = Scene(
        frame=Frame(shape=(256, 256), spacing_um=0.5, margin_um=15),
        region=Full(),
        points=Objects(
            types=(ObjectType(activity=5000, radius_um=6.5, radius_cv=0.2),),
            overlap_penalty=20,
            overlap_limit=0.1,
        ),
        cells=Outlines(),
        prior=Filled(gap_um=0.0),
        imaging=NoImage(),
    )
    return Preset("discs", "Filled discs", (), scene, {}, {})


def honeycomb() -> Preset:
    """Near-regular tissue."""
    scene = Scene(
        frame=Frame(shape=(256, 256), spacing_um=0.5, margin_um=20),
        region=Full(),
        points=HardCore(density=None, distance_um=14),
        cells=Voronoi(lloyd=8, undulation_um=0.3, undulation_scale_um=6),
        prior=Membrane(thickness_um=1.0),
        imaging=Rcm(
            membrane=RcmMembrane(
                brightness=0.65, width_um=1.6, width_cv=0.15, strength_cv=0.15, scale_um=8
            ),
            cytoplasm=RcmCytoplasm(brightness=0.18, cell_cv=0.12, grain=0.2, grain_um=1.6),
            nucleus=RcmNucleus(visible=1.0, radius_um=4.0, depth=0.6, edge_um=1.4, offset_um=0.4),
            organelles=RcmOrganelles(density=2000, radius_um=0.5, brightness=0.12),
            keratin=RcmKeratin(density=0),
            defocus=RcmDefocus(share=0.15, blur_um=4),
            field=RcmField(uneven=0.1, scale_um=60, tilt=0.15),
            noise=RcmNoise.model_validate("low"),
            psf_um=0.8,
        ),
    )
    vary = {
        "points.distance_um": Uniform(low=12, high=16),
        "cells.lloyd": Uniform(low=4, high=12),
    }
    return Preset("honeycomb", "Near-regular honeycomb", (), scene, vary, {})


def islands() -> Preset:
    """Several islands with furrows between them."""
    scene = Scene(
        frame=Frame(shape=(256, 256), spacing_um=1.0, margin_um=25),
        region=Relief(islands=5, furrow_um=18, furrow_cv=0.3, rounding_um=18, roughness_um=4),
        points=HardCore(density=2300, distance_um=13),
        cells=GRANULAR,
        prior=Membrane(thickness_um=2.0),
        imaging=Rcm(
            membrane=RcmMembrane(
                brightness=0.6, width_um=2.2, width_cv=0.25, strength_cv=0.3, scale_um=8
            ),
            cytoplasm=RcmCytoplasm(brightness=0.2, cell_cv=0.22, grain=0.4, grain_um=3.0),
            nucleus=RcmNucleus(visible=0.7, radius_um=4.6, depth=0.55, edge_um=1.8, offset_um=1.0),
            organelles=RcmOrganelles(density=4000, radius_um=0.8, brightness=0.2),
            keratin=RcmKeratin(density=250, radius_um=1.5, brightness=0.5),
            defocus=RcmDefocus(share=0.25, blur_um=5),
            field=RcmField(uneven=0.2, scale_um=80, tilt=0.35, furrow=0.05, furrow_edge_um=5),
            noise=RcmNoise(looks=9, speckle_um=2.0, photons=300, read_noise=0.01, jitter_um=0.2),
            psf_um=1.2,
        ),
    )
    vary = {
        "region.islands": Integers(low=3, high=8),
        "region.furrow_um": Uniform(low=10, high=26),
        "points.density": Uniform(low=1900, high=2700),
        "cells.lloyd": Uniform(low=0.0, high=1.5),
        "imaging.membrane.brightness": Uniform(low=0.45, high=0.75),
        "imaging.cytoplasm.grain": Uniform(low=0.2, high=0.6),
        "imaging.nucleus.visible": Uniform(low=0.3, high=0.9),
        "imaging.field.tilt": Uniform(low=0.0, high=0.8),
        "imaging.noise.looks": LogUniform(low=4, high=20),
    }
    return Preset("islands", "Several islands", (), scene, vary, {})


def simcep() -> Preset:
    """Cells with cytoplasm and nucleus."""
    cell = SimcepType(
        cytoplasm=SimcepShape(radius_um=21.0, radius_cv=0.05, alpha=0.25, beta=0.08),
        nucleus=SimcepShape(radius_um=10.45, radius_cv=0.025, alpha=0.11, beta=0.1),
    )
    scene = Scene(
        frame=Frame(shape=(512, 512), spacing_um=0.65, margin_um=30),
        region=Full(),
        points=SimcepCluster(density=450, clusters=4, probability=0.25, spread=0.05),
        cells=Simcep(types=(cell,), overlap_limit=0.1, depth_um=0.65),
        prior=Filled(gap_um=0.0),
        imaging=Fluorescence(
            cytoplasm=FluoPart(
                brightness=0.35,
                cell_cv=0.01,
                texture=FluoTexture(persistence=0.9, first=2, octaves=8, bias=0.2),
            ),
            nucleus=FluoPart(brightness=0.75, cell_cv=0.08),
            field=FluoField(falloff=0.05, misalignment=0.1, autofluorescence=0.005),
            focus=FluoFocus(plane_um=2.15, blur=0.5),
            psf_um=1.22,
            camera=FluoCamera(
                photons=100000, read_noise=1000, smooth_px=0.55, gain=0.00255, offset=0.5
            ),
        ),
    )
    vary = {
        "points.density": Uniform(low=150, high=700),
        "points.probability": Uniform(low=0.0, high=0.5),
        "imaging.psf_um": Uniform(low=0.6, high=4.0),
        "imaging.focus.plane_um": Normal(mean=2.15, sd=0.36, low=1.0, high=3.3),
    }
    return Preset("simcep", "Cells with nuclei", (), scene, vary, {})


def simcep_nuclei() -> Preset:
    """Nuclei alone."""
    shape = SimcepShape(radius_um=8.5, radius_cv=0.15, radius_law="lognormal", alpha=0.1, beta=0.1)
    scene = Scene(
        frame=Frame(shape=(256, 256), spacing_um=0.65, margin_um=25),
        region=Full(),
        points=SimcepCluster(density=1200, clusters=4, probability=0.3, spread=0.08),
        cells=Simcep(
            types=(SimcepType(cytoplasm=None, nucleus=shape),), overlap_limit=0.15, depth_um=2.0
        ),
        prior=Filled(gap_um=0.65),
        imaging=Fluorescence(
            nucleus=FluoPart(brightness=0.7, cell_cv=0.2),
            field=FluoField(glow=0.03, falloff=0.2, misalignment=0.15, autofluorescence=0.03),
            focus=FluoFocus(plane_um=0.0, blur=0.4),
            psf_um=0.9,
            camera=FluoCamera(photons=1500, read_noise=6, gain=0.165, offset=3),
        ),
    )
    vary = {
        "points.density": Uniform(low=500, high=1900),
        "points.probability": Uniform(low=0.0, high=0.6),
        "cells.types.0.nucleus.radius_um": Uniform(low=7.5, high=9.5),
        "imaging.field.autofluorescence": Uniform(low=0.0, high=0.08),
        "imaging.focus.plane_um": Uniform(low=-3, high=3),
        "imaging.camera.photons": LogUniform(low=600, high=1700),
    }
    return Preset("simcep-nuclei", "Nuclei alone", (), scene, vary, {})


def simcep_bacteria() -> Preset:
    """Small cells that overlap."""
    shape = SimcepShape(radius_um=1.05, radius_cv=0.05, alpha=0.1, beta=0.1)
    scene = Scene(
        frame=Frame(shape=(256, 256), spacing_um=0.2, margin_um=4),
        region=Full(),
        points=SimcepCluster(density=66000, clusters=10, probability=0.4, spread=0.1),
        cells=Simcep(
            types=(SimcepType(cytoplasm=None, nucleus=shape),),
            overlap_limit=0.7,
            depth_um=1.0,
            min_visible=0.1,
        ),
        prior=Filled(gap_um=0.2),
        imaging=Fluorescence(
            nucleus=FluoPart(brightness=0.75, cell_cv=0.05, texture=FluoTexture(bias=0.55)),
            field=FluoField(glow=0.29, misalignment=0.15, autofluorescence=0.05),
            focus=FluoFocus(plane_um=0.0, blur=0.4),
            psf_um=0.42,
            camera=FluoCamera(photons=20000, read_noise=180, gain=0.01275, offset=9),
        ),
    )
    vary = {
        "points.density": Normal(mean=66000, sd=24000, low=25000, high=125000),
        "points.probability": Uniform(low=0.1, high=0.7),
        "imaging.field.glow": Normal(mean=0.29, sd=0.07, low=0.12, high=0.45),
    }
    return Preset("simcep-bacteria", "Small overlapping cells", (), scene, vary, {})


def dermogan2() -> Preset:
    """Stained cells, and the discs that they are."""
    shape = SimcepShape(alpha=0.1, beta=0.08, harmonics=4)
    scene = Scene(
        frame=Frame(shape=(256, 256), spacing_um=0.5, margin_um=15),
        region=Full(),
        points=Objects(
            types=(ObjectType(activity=5000, radius_um=6.5, radius_cv=0.2),),
            overlap_penalty=20,
            overlap_limit=0.1,
        ),
        cells=Simcep(
            types=(SimcepType(cytoplasm=None, nucleus=shape),), overlap_limit=0.15, depth_um=1.5
        ),
        prior=Filled(gap_um=0.0),
        imaging=Fluorescence(
            nucleus=FluoPart(
                brightness=0.75, cell_cv=0.2, texture=FluoTexture(persistence=0.6, bias=0.3)
            ),
            field=FluoField(glow=0.03, falloff=0.2, misalignment=0.15, autofluorescence=0.04),
            focus=FluoFocus(plane_um=0.0, blur=0.4),
            psf_um=0.7,
            camera=FluoCamera(photons=400, read_noise=5, gain=0.6, offset=4),
        ),
    )
    vary = {
        "points.types.0.activity": Uniform(low=3000, high=8000),
        "cells.types.0.nucleus.alpha": Uniform(low=0.03, high=0.15),
        "imaging.nucleus.brightness": Uniform(low=0.5, high=0.85),
        "imaging.field.autofluorescence": Uniform(low=0.0, high=0.1),
        "imaging.camera.photons": LogUniform(low=100, high=400),
    }
    return Preset("dermogan2", "Stained discs", (), scene, vary, {})


PRESETS = (
    rcm_sg,
    rcm_ss,
    rcm_sg_clean,
    discs,
    honeycomb,
    islands,
    simcep,
    simcep_nuclei,
    simcep_bacteria,
    dermogan2,
)


def main() -> None:
    """Compare every preset's pixels with those of its YAML file."""
    for make in PRESETS:
        ours = make()
        shipped = simcell.load_preset(ours.name)
        for index in range(2):
            pair = [
                simcell.simulate(p.scene(seed=7, index=index), seed=7, index=index)
                for p in (ours, shipped)
            ]
            assert np.array_equal(pair[0].labels, pair[1].labels)
            assert np.array_equal(pair[0].prior, pair[1].prior)
            if pair[0].image is not None:
                assert np.array_equal(pair[0].image, pair[1].image)
        print(f"{ours.name:<16} Python and YAML give the same pixels")


if __name__ == "__main__":
    main()
