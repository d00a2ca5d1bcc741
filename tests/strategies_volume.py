"""Hypothesis strategies for scenes of nuclei and Golgi in a small volume."""

from __future__ import annotations

from hypothesis import strategies as st

from simcell.scene import Frame, Scene
from simcell.scene.imaging import FluoCamera, NoImage
from simcell.scene.points import Binomial, HardCore, PointSpec, Poisson, Thomas
from simcell.scene.prior import Channels, Classes, PriorSpec
from simcell.scene.region import Full
from simcell.scene.volume import (
    FluorescenceVolume,
    NucleusGolgi,
    VolumeClutter,
    VolumeGolgi,
    VolumeOptics,
    VolumePart,
)


def _number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def volume_cells(draw: st.DrawFn) -> NucleusGolgi:
    ends = {}
    for name, high in (("long", 9.0), ("short", 6.0), ("golgi", 5.0)):
        a, b = sorted((draw(_number(0.1, high)), draw(_number(0.1, high))))
        ends |= {f"{name}_min_um": a, f"{name}_max_um": b}
    return NucleusGolgi(
        **ends,
        offset_max_um=draw(_number(0, 6)),
        offset_from=draw(st.sampled_from(["centre", "tip"])),
        rotation=draw(st.sampled_from(["full", "in_plane", "upright"])),
        layer_um=draw(st.none() | _number(0, 20)),
        elastic=draw(st.just(0.0) | _number(0, 2)),
        elastic_box_um=draw(_number(1, 64)),
        overlap_limit=draw(_number(0, 1)),
        tries=draw(st.integers(1, 8)),
    )


def _parts(kind: type[VolumePart]) -> st.SearchStrategy[VolumePart]:
    return st.builds(
        kind,
        brightness=_number(0, 5),
        cell_cv=_number(0, 1.5),
        texture=st.just(0.0) | _number(0, 2),
        texture_um=_number(0.1, 10),
    )


def volume_imaging() -> st.SearchStrategy[FluorescenceVolume | NoImage]:
    return st.builds(NoImage) | st.builds(
        FluorescenceVolume,
        nucleus=_parts(VolumePart),
        golgi=_parts(VolumeGolgi),
        clutter=st.builds(
            VolumeClutter,
            haze=_number(0, 2),
            haze_um=_number(0.1, 30),
            haze_cv=_number(0, 2),
            spots=_number(0, 1e8),
            spot_brightness=_number(0, 10),
        ),
        optics=st.builds(
            VolumeOptics,
            lateral_um=st.just(0.0) | _number(0, 4),
            axial_um=st.just(0.0) | _number(0, 8),
            attenuation_um=st.none() | _number(1, 1e3),
        ),
        channels=st.sampled_from([1, 2]),
        bleed=_number(0, 1),
        camera=st.builds(
            FluoCamera,
            photons=_number(1, 1e5),
            read_noise=st.just(0.0) | _number(0, 100),
            gain=_number(1e-3, 10),
            offset=_number(-100, 1000),
            bits=st.sampled_from([8, 16]),
        ),
    )


def _points(size_mm3: float) -> st.SearchStrategy[PointSpec]:
    density = st.integers(1, 40).map(lambda n: n / size_mm3)
    return st.one_of(
        st.builds(Poisson, density=density),
        st.builds(Binomial, count=st.integers(0, 40)),
        st.builds(HardCore, density=density, distance_um=_number(0.1, 1.0)),
        st.builds(Thomas, density=density, cluster_size=_number(1, 6), spread_um=_number(1, 6)),
    )


@st.composite
def volume_scenes(draw: st.DrawFn) -> Scene:
    """A valid scene of some tens of voxels a side."""
    frame = Frame(
        shape=draw(st.tuples(st.integers(1, 20), st.integers(8, 32), st.integers(8, 32))),
        spacing_um=draw(st.sampled_from([0.5, 1.0]) | _number(0.4, 1.5)),
        z_spacing_um=draw(st.none() | _number(0.3, 3)),
        margin_um=draw(_number(0, 8)),
    )
    size = 1e-9
    for side in frame.grid.size_um:
        size *= side + 2 * frame.margin_um
    prior: PriorSpec = draw(
        st.builds(Channels, classes=st.integers(1, 3))
        | st.builds(Classes, classes=st.integers(1, 9))
    )
    return Scene(
        frame=frame,
        region=Full(),
        points=draw(_points(size)),
        cells=draw(volume_cells()),
        prior=prior,
        imaging=draw(volume_imaging()),
    )
