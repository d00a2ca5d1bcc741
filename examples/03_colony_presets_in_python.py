"""The presets of colonies and dense cells in Python instead of YAML: same numbers, same pixels.

Run it to see that they agree; copy from it to build a preset in a notebook.
"""

from __future__ import annotations

import numpy as np

import simcell
from simcell.preset import Preset
from simcell.scene import Frame, Scene
from simcell.scene.camera import FluoCamera
from simcell.scene.cells import Outlines
from simcell.scene.colony import Colony
from simcell.scene.phase import (
    PhaseCells,
    PhaseContrast,
    PhaseDebris,
    PhaseField,
    PhaseNucleus,
    PhaseOptics,
    PhaseRounded,
)
from simcell.scene.points import HardCore
from simcell.scene.prior import Filled
from simcell.scene.region import Full
from simcell.vary import Choice, LogUniform, Uniform


def colony() -> Preset:
    """Epithelial-like colonies."""
    scene = Scene(
        frame=Frame(shape=(512, 512), spacing_um=0.8, margin_um=25),
        region=Full(),
        points=Colony(density=800, colony_size=15, distance_um=16, looseness=0.3),
        cells=Outlines(
            radius_um=10.5,
            radius_cv=0.15,
            waviness=0.1,
            harmonics=5,
            axis_ratio_min=0.6,
            meet="share",
            min_visible=0.2,
        ),
        prior=Filled(gap_um=1.6),
        imaging=PhaseContrast(
            cells=PhaseCells(
                phase=0.4, cell_cv=0.25, flat=0.45, edge_um=1.2, grain=0.12, grain_um=1.5
            ),
            nucleus=PhaseNucleus(phase=0.1, share=0.6),
            rounded=PhaseRounded(share=0.05, phase=2.6),
            debris=PhaseDebris(density=60, radius_um=1.0, phase=1.0),
            optics=PhaseOptics(ring=0.5, leak=0.9, halo_um=8, psf_um=1.2),
            field=PhaseField(uneven=0.03, scale_um=150),
            camera=FluoCamera(photons=4000, read_noise=0, gain=0.03, offset=0),
        ),
    )
    vary = {
        "frame.spacing_um": LogUniform(low=0.4, high=1.6),
        "points.density": LogUniform(low=200, high=2600),
        "points.colony_size": LogUniform(low=4, high=60),
        "points.distance_um": Uniform(low=14, high=19),
        "imaging.cells.phase": Uniform(low=0.25, high=0.55),
        "imaging.cells.flat": Uniform(low=0.2, high=0.8),
        "imaging.nucleus.phase": Uniform(low=0.0, high=0.15),
        "imaging.rounded.share": Uniform(low=0.0, high=0.12),
        "imaging.optics.halo_um": LogUniform(low=4, high=16),
        "imaging.optics.leak": Uniform(low=0.7, high=1.0),
        "imaging.optics.psf_um": Uniform(low=0.9, high=2.5),
    }
    return Preset("colony", "Cells in colonies", (), scene, vary, {})


def dense() -> Preset:
    """Elongated cells, evenly spread."""
    scene = Scene(
        frame=Frame(shape=(512, 512), spacing_um=1.0, margin_um=50),
        region=Full(),
        points=HardCore(density=900, distance_um=13),
        cells=Outlines(
            radius_um=12,
            radius_cv=0.2,
            waviness=0.1,
            harmonics=5,
            axis_ratio_min=0.12,
            axis_ratio_max=0.65,
            align_um=60,
            taper=1.2,
            meet="share",
            min_visible=0.2,
        ),
        prior=Filled(gap_um=2.0),
        imaging=PhaseContrast(
            cells=PhaseCells(
                phase=0.45, cell_cv=0.4, flat=0.15, edge_um=1.5, grain=0.08, grain_um=1.8
            ),
            nucleus=PhaseNucleus(
                phase=0.1, share=0.9, nucleoli=1.5, nucleolus_phase=0.15, nucleolus_um=1.0
            ),
            rounded=PhaseRounded(share=0.05, phase=2.2),
            debris=PhaseDebris(density=40, radius_um=1.0, phase=0.8),
            optics=PhaseOptics(polarity="negative", ring=0.6, leak=0.5, halo_um=9, psf_um=2.5),
            field=PhaseField(uneven=0.04, scale_um=250, falloff=0.25),
            camera=FluoCamera(photons=8000, read_noise=0, gain=0.0165, offset=0),
        ),
    )
    vary = {
        "frame.spacing_um": LogUniform(low=0.6, high=1.8),
        "points.density": LogUniform(low=150, high=2600),
        "points.distance_um": Uniform(low=10, high=14),
        "cells.align_um": LogUniform(low=20, high=300),
        "cells.radius_um": Uniform(low=10.5, high=13.5),
        "cells.taper": Uniform(low=0.6, high=2.2),
        "imaging.cells.phase": Uniform(low=0.3, high=0.6),
        "imaging.nucleus.phase": Uniform(low=0.0, high=0.2),
        "imaging.rounded.share": Uniform(low=0.0, high=0.1),
        "imaging.optics.leak": Uniform(low=0.15, high=0.95),
        "imaging.optics.halo_um": LogUniform(low=4, high=16),
        "imaging.optics.psf_um": Uniform(low=1.2, high=3.5),
        "imaging.optics.polarity": Choice(values=("positive", "negative"), weights=(1, 1)),
    }
    return Preset("dense", "Elongated cells at any density", (), scene, vary, {})


PRESETS = (colony, dense)


def main() -> None:
    """Compare every preset's pixels with those of its YAML file."""
    for make in PRESETS:
        ours = make()
        shipped = simcell.load_preset(ours.name)
        assert ours.base == shipped.base
        assert ours.vary == shipped.vary
        for index in range(2):
            pair = [
                simcell.simulate(p.scene(seed=7, index=index), seed=7, index=index)
                for p in (ours, shipped)
            ]
            assert np.array_equal(pair[0].labels, pair[1].labels)
            assert np.array_equal(pair[0].prior, pair[1].prior)
            assert np.array_equal(pair[0].image, pair[1].image)
        print(f"{ours.name:<16} Python and YAML give the same pixels")


if __name__ == "__main__":
    main()
