"""The shipped preset of volumes written in Python: same numbers, same voxels.

Run it to see that they agree, and how pairs of nucleus and Golgi are read off the table.
"""

from __future__ import annotations

import numpy as np

import simcell
from simcell.preset import Preset
from simcell.scene import Frame, Scene
from simcell.scene.imaging import FluoCamera
from simcell.scene.points import HardCore
from simcell.scene.prior import Channels
from simcell.scene.region import Full
from simcell.scene.volume import (
    FluorescenceVolume,
    NucleusGolgi,
    VolumeClutter,
    VolumeGolgi,
    VolumeOptics,
    VolumePart,
)
from simcell.vary import LogUniform, Uniform


def nucleus_golgi() -> Preset:
    """Nuclei with their Golgi in a crowded volume."""
    scene = Scene(
        frame=Frame(shape=(64, 128, 128), spacing_um=0.5, margin_um=20),
        region=Full(),
        points=HardCore(density=435_000, distance_um=8),
        cells=NucleusGolgi(
            long_min_um=8.5,
            long_max_um=15,
            short_min_um=4,
            short_max_um=6.5,
            golgi_min_um=2.5,
            golgi_max_um=4.5,
            offset_max_um=3,
            elastic=0.75,
            elastic_box_um=64,
            overlap_limit=0.2,
        ),
        prior=Channels(classes=2),
        imaging=FluorescenceVolume(
            nucleus=VolumePart(brightness=0.3, cell_cv=0.35, texture=0.3, texture_um=0.9),
            golgi=VolumeGolgi(brightness=1.0, cell_cv=0.4, texture=0.9, texture_um=0.7),
            clutter=VolumeClutter(
                haze=0.08, haze_um=8, haze_cv=0.6, spots=200_000, spot_brightness=1.0
            ),
            optics=VolumeOptics(lateral_um=0.8, axial_um=2.4, attenuation_um=80),
            camera=FluoCamera(photons=150, read_noise=2, gain=1.0, offset=8),
        ),
    )
    vary = {
        "points.density": Uniform(low=343_000, high=534_000),
        "imaging.nucleus.brightness": Uniform(low=0.15, high=0.45),
        "imaging.golgi.brightness": Uniform(low=0.6, high=1.3),
        "imaging.clutter.haze": Uniform(low=0.02, high=0.16),
        "imaging.clutter.spots": LogUniform(low=30_000, high=600_000),
        "imaging.optics.axial_um": Uniform(low=1.6, high=3.4),
        "imaging.optics.attenuation_um": Uniform(low=40, high=160),
        "imaging.camera.photons": LogUniform(low=60, high=250),
    }
    return Preset("nucleus-golgi", "Nuclei with their Golgi", (), scene, vary, {})


PRESETS = (nucleus_golgi,)


def main() -> None:
    """Compare the preset with the shipped one, and read pairs off the table."""
    for make in PRESETS:
        preset = make()
        shipped = simcell.load_preset(preset.name)
        sample = simcell.simulate(preset.scene(seed=1, index=0), seed=1, index=0)
        other = simcell.simulate(shipped.scene(seed=1, index=0), seed=1, index=0)
        assert sample.image is not None
        assert sample.objects is not None
        assert np.array_equal(sample.image, other.image)
        print(f"{preset.name}: equal to the shipped preset")
        table = sample.objects
        nuclei = table[(table["type"] == 1) & (table["partner"] > 0)]
        golgi = table[nuclei["partner"] - 1]
        axis = [golgi[f"centroid_{k}_um"] - nuclei[f"centroid_{k}_um"] for k in "zyx"]
        print(f"  {len(nuclei)} pairs, {np.linalg.norm(axis, axis=0).mean():.1f} µm apart")


if __name__ == "__main__":
    main()
