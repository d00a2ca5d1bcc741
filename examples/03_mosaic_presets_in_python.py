"""The shipped mosaic preset written in Python instead of YAML: same numbers, same pixels.

It also paints a larger mosaic band by band, as a dataset is written.
"""

from __future__ import annotations

import numpy as np

import simcell
from simcell.preset import Preset
from simcell.scene import Frame, Scene
from simcell.scene.mosaic import (
    Mosaic,
    MosaicArtifacts,
    MosaicEpidermis,
    MosaicNests,
    MosaicNoise,
    MosaicPapillae,
    MosaicPlain,
    MosaicTiles,
    PatternShares,
    RcmMosaic,
)
from simcell.scene.points import HardCore
from simcell.scene.prior import Classes
from simcell.scene.region import Full
from simcell.stages import lay_out
from simcell.vary import LogUniform, Uniform


def rcm_mosaic() -> Preset:
    """Patches of mosaics of melanocytic lesions."""
    scene = Scene(
        frame=Frame(shape=(512, 512), spacing_um=2.0, margin_um=200),
        region=Full(),
        points=HardCore(density=96, distance_um=74),
        cells=Mosaic(
            region_um=600,
            shares=PatternShares(
                non_lesion=0.24,
                artifact=0.1,
                meshwork=0.14,
                ring=0.18,
                nested=0.14,
                patternless=0.2,
            ),
            wave_um=50,
            wave_scale_um=180,
            border_um=45,
            wobble_um=6,
            wobble_scale_um=32,
        ),
        prior=Classes(classes=6),
        imaging=RcmMosaic(
            epidermis=MosaicEpidermis(
                brightness=0.24, membrane=0.34, cell_um=18, cobblestone=0.35, furrow_um=14
            ),
            papillae=MosaicPapillae(
                interior=0.1, rim=0.8, rim_um=10, between_um=8, cord=0.62, cord_um=40, basal_um=10
            ),
            nests=MosaicNests(
                brightness=0.72, radius_um=42, radius_cv=0.25, present=0.85, around=0.2
            ),
            plain=MosaicPlain(darkest=0.22, brightest=0.55, fibres=0.3, cells=0.02),
            artifacts=MosaicArtifacts(bubbles=0.3, stripes=0.25, corneum=0.3, empty=0.15),
            region_cv=0.12,
            uneven=0.17,
            tiles=MosaicTiles(
                tile_um=500,
                overlap_um=24,
                gain_sd=0.09,
                offset_sd=0.012,
                vignette=0.25,
                shift_um=1.2,
            ),
            noise=MosaicNoise(looks=12, speckle_um=2.4, photons=300, read_noise=0.01),
            psf_um=2.0,
            offset=0.02,
        ),
    )
    vary = {
        "points.density": Uniform(low=80, high=110),
        "points.distance_um": Uniform(low=68, high=76),
        "cells.region_um": LogUniform(low=400, high=1000),
        "cells.wave_um": Uniform(low=25, high=75),
        "cells.border_um": Uniform(low=15, high=80),
        "cells.wobble_um": Uniform(low=3, high=9),
        "imaging.epidermis.brightness": Uniform(low=0.16, high=0.3),
        "imaging.epidermis.membrane": Uniform(low=0.2, high=0.5),
        "imaging.epidermis.cell_um": Uniform(low=14, high=22),
        "imaging.epidermis.furrow_um": Uniform(low=0, high=20),
        "imaging.papillae.interior": Uniform(low=0.05, high=0.18),
        "imaging.papillae.rim": Uniform(low=0.5, high=1.0),
        "imaging.papillae.rim_um": Uniform(low=8, high=14),
        "imaging.papillae.between_um": Uniform(low=0, high=18),
        "imaging.papillae.cord": Uniform(low=0.45, high=0.8),
        "imaging.papillae.cord_um": Uniform(low=28, high=52),
        "imaging.nests.brightness": Uniform(low=0.5, high=0.9),
        "imaging.nests.radius_um": Uniform(low=28, high=55),
        "imaging.nests.present": Uniform(low=0.6, high=1.0),
        "imaging.nests.around": Uniform(low=0.12, high=0.28),
        "imaging.plain.brightest": Uniform(low=0.4, high=0.7),
        "imaging.plain.fibres": Uniform(low=0.1, high=0.5),
        "imaging.uneven": Uniform(low=0.08, high=0.25),
        "imaging.tiles.gain_sd": Uniform(low=0.02, high=0.15),
        "imaging.tiles.vignette": Uniform(low=0.05, high=0.4),
        "imaging.noise.looks": LogUniform(low=5, high=30),
        "imaging.noise.speckle_um": Uniform(low=1.5, high=3.5),
        "imaging.gain": Uniform(low=0.75, high=1.2),
    }
    return Preset("rcm-mosaic", "Mosaics of melanocytic lesions", (), scene, vary, {})


PRESETS = (rcm_mosaic,)


def in_bands() -> None:
    """Paint a mosaic of 3 mm in bands of 256 rows, as wide as memory allows."""
    preset = simcell.load_preset("rcm-mosaic").with_set(["frame.shape=[1500,1500]"])
    canvas = lay_out(preset.scene(seed=7, index=0), seed=7, index=0)
    rows = canvas.grid.shape[0]
    total = 0
    for top in range(0, rows, 256):
        total += int(canvas.paint(range(top, min(top + 256, rows)))["image"].sum())
    regions = canvas.layout.objects
    print(f"{len(regions)} regions, mean grey level {total / rows**2:.1f}")


def main() -> None:
    """Compare the preset with its YAML, and paint a larger mosaic."""
    for make in PRESETS:
        ours = make()
        shipped = simcell.load_preset(ours.name)
        one = simcell.simulate(ours.scene(seed=1, index=0), seed=1, index=0)
        other = simcell.simulate(shipped.scene(seed=1, index=0), seed=1, index=0)
        assert one.image is not None
        assert other.image is not None
        print(f"{ours.name}: equal pixels: {np.array_equal(one.image, other.image)}")
    in_bands()


if __name__ == "__main__":
    main()
