"""Hypothesis strategies for whole scenes, small enough to simulate by the hundred."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError
from strategies_colony import masks, outlines, phase_contrast
from strategies_mosaic import mosaic_scenes
from strategies_oct import class_prior, oct_imaging, skin_layers
from strategies_points import point_specs
from strategies_volume import volume_scenes

from simcell.scene import Frame, Scene
from simcell.scene.cells import (
    CellSpec,
    Power,
    Simcep,
    SimcepShape,
    SimcepSpots,
    SimcepType,
    Voronoi,
)
from simcell.scene.imaging import (
    NOISE_LEVELS,
    FluoCamera,
    FluoField,
    FluoFocus,
    FluoPart,
    Fluorescence,
    FluoTexture,
    ImagingSpec,
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
    RcmSpots,
)
from simcell.scene.points import PointSpec
from simcell.scene.prior import BoundaryInterior, Distance, Filled, Membrane, PriorSpec
from simcell.scene.region import Bezier, Full, Polygon, RegionSpec, Relief


def number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    return Frame(
        shape=draw(st.tuples(st.integers(32, 96), st.integers(32, 96))),
        spacing_um=draw(st.sampled_from([0.5, 1.0]) | number(0.3, 1.5)),
        margin_um=draw(number(0, 15)),
        edges=draw(st.sampled_from(["free", "periodic"])),
    )


@st.composite
def polygons(draw: st.DrawFn, size_um: tuple[float, ...]) -> Polygon:
    """A triangle that holds the middle of the field, its corners in or out of it."""
    middle = [0.5 * side for side in size_um]
    arms = [draw(number(4, 60)) for _ in range(3)]
    spokes = [(-1.0, 0.2), (0.6, 0.8), (0.4, -1.0)]
    corners = [
        (middle[0] + arm * y, middle[1] + arm * x) for arm, (y, x) in zip(arms, spokes, strict=True)
    ]
    return Polygon(points_um=tuple(corners))


def regions(size_um: tuple[float, ...]) -> st.SearchStrategy[RegionSpec]:
    """Every kind but ``mask``, which needs a file."""
    return st.one_of(
        st.builds(Full),
        st.builds(
            Bezier,
            coverage=number(0.1, 1),
            knots=st.integers(3, 14),
            roughness=number(0, 0.8),
            wander=number(0, 0.5),
        ),
        st.builds(
            Relief,
            islands=st.integers(1, 12),
            furrow_um=number(0, 15),
            furrow_cv=number(0, 1),
            rounding_um=number(0, 12),
            roughness_um=number(0, 6),
        ),
        polygons(size_um),
    )


def cells() -> st.SearchStrategy[CellSpec]:
    tissue: dict[str, st.SearchStrategy[Any]] = {
        "lloyd": st.just(0.0) | number(0, 4),
        "undulation_um": st.just(0.0) | number(0, 4),
        "undulation_scale_um": number(1, 20),
        "vacancy": st.just(0.0) | number(0, 0.9),
        "rim": st.sampled_from(["merge", "drop", "keep"]),
        "rim_min_area": number(0, 1),
    }
    return st.one_of(
        st.builds(Voronoi, **tissue),
        st.builds(Power, radius_cv=number(0, 0.8), strength=number(0, 1), **tissue),
        outlines(),
        masks(),
        simcep(),
        skin_layers(),
    )


def _simcep_shapes(largest: float) -> st.SearchStrategy[SimcepShape]:
    return st.builds(
        SimcepShape,
        radius_um=number(0.2, largest),
        radius_cv=number(0, 0.8),
        radius_law=st.sampled_from(["normal", "lognormal", "uniform"]),
        alpha=number(0, 0.6),
        beta=number(0, 0.6),
        harmonics=st.none() | st.integers(1, 4),
    )


def simcep() -> st.SearchStrategy[Simcep]:
    parts: dict[str, st.SearchStrategy[Any]] = {
        "share": number(0.05, 1),
        "nucleus_offset": number(0, 1),
        "spots": st.builds(
            SimcepSpots,
            count=st.just(0.0) | number(0, 20),
            radius_um=number(0.1, 3),
            where=st.sampled_from(["cytoplasm", "nucleus"]),
        ),
    }
    cell = st.builds(
        SimcepType,
        cytoplasm=_simcep_shapes(15),
        nucleus=st.none() | _simcep_shapes(8),
        **parts,
    )
    alone = st.builds(SimcepType, cytoplasm=st.none(), nucleus=_simcep_shapes(10), **parts)
    return st.builds(
        Simcep,
        types=st.lists(cell | alone, min_size=1, max_size=3).map(tuple),
        label=st.sampled_from(["cell", "nucleus"]),
        overlap_limit=number(0, 1),
        tries=st.integers(1, 5),
        depth_um=number(0, 10),
        min_visible=number(0, 1),
    )


def priors() -> st.SearchStrategy[PriorSpec]:
    return st.one_of(
        st.builds(Membrane, thickness_um=number(0.1, 6)),
        st.builds(Filled, gap_um=number(0, 4)),
        st.builds(BoundaryInterior, thickness_um=number(0.1, 6)),
        st.builds(Distance),
    )


def _spots(kind: type[RcmSpots]) -> st.SearchStrategy[RcmSpots]:
    return st.builds(
        kind,
        density=number(0, 5e4),
        radius_um=number(0.1, 6),
        radius_cv=number(0, 1),
        brightness=number(0, 5),
    )


def _fluo_parts() -> st.SearchStrategy[FluoPart]:
    return st.builds(
        FluoPart,
        brightness=number(0, 20),
        cell_cv=number(0, 1.5),
        texture=st.builds(
            FluoTexture,
            persistence=number(0, 1),
            first=st.integers(1, 10),
            octaves=st.integers(1, 10),
            bias=number(0, 1),
        ),
    )


def fluorescence() -> st.SearchStrategy[Fluorescence]:
    camera: dict[str, st.SearchStrategy[Any]] = {
        "photons": number(1, 1e7),
        "read_noise": st.just(0.0) | number(0, 100),
        "smooth_px": st.just(0.0) | number(0, 5),
        "gain": number(1e-4, 10),
        "offset": number(-100, 1000),
    }
    return st.builds(
        Fluorescence,
        cytoplasm=_fluo_parts(),
        nucleus=_fluo_parts(),
        spots=_fluo_parts(),
        field=st.builds(
            FluoField,
            glow=number(0, 5),
            falloff=number(0, 1),
            misalignment=number(0, 1),
            autofluorescence=number(0, 5),
        ),
        focus=st.builds(FluoFocus, plane_um=number(-20, 20), blur=number(0, 10)),
        psf_um=number(0, 20),
        camera=st.builds(FluoCamera, jpeg=st.integers(0, 100), **camera)
        | st.builds(FluoCamera, bits=st.just(16), **camera),
    )


def imaging() -> st.SearchStrategy[ImagingSpec]:
    return st.one_of(
        st.builds(NoImage),
        fluorescence(),
        phase_contrast(),
        st.builds(
            Rcm,
            membrane=st.builds(
                RcmMembrane,
                brightness=number(0, 3),
                width_um=number(0.1, 10),
                width_cv=number(0, 1),
                strength_cv=number(0, 2),
                scale_um=number(0.5, 60),
            ),
            cytoplasm=st.builds(
                RcmCytoplasm,
                brightness=number(0, 3),
                cell_cv=number(0, 1.5),
                grain=number(0, 1.5),
                grain_um=number(0.1, 20),
                octaves=st.integers(1, 6),
                texture=st.sampled_from(["value", "perlin"]),
            ),
            nucleus=st.builds(
                RcmNucleus,
                visible=number(0, 1),
                radius_um=number(0.1, 15),
                radius_cv=number(0, 0.6),
                depth=number(0, 1),
                edge_um=number(0.1, 6),
                offset_um=number(0, 8),
            ),
            organelles=_spots(RcmOrganelles),
            keratin=_spots(RcmKeratin),
            defocus=st.builds(RcmDefocus, share=number(0, 1), blur_um=number(0.1, 40)),
            field=st.builds(
                RcmField,
                uneven=number(0, 1.5),
                scale_um=number(1, 500),
                tilt=number(0, 2),
                furrow=number(0, 1),
                furrow_edge_um=number(0, 30),
            ),
            noise=st.sampled_from(list(NOISE_LEVELS))
            | st.builds(
                RcmNoise,
                looks=number(0.5, 100),
                speckle_um=number(0, 10),
                photons=number(1, 1e4),
                read_noise=number(0, 0.5),
                jitter_um=number(0, 5),
            ),
            psf_um=number(0, 8),
            gain=number(0.1, 5),
            offset=number(-0.5, 0.5),
        ),
    )


def _packs(points: PointSpec) -> bool:
    """Tell whether a scene takes these seeds: no density that no packing can have."""
    try:
        Scene(points=points)
    except ValidationError:
        return False
    return True


def scenes() -> st.SearchStrategy[Scene]:
    """Any valid scene of a small field or volume."""
    return st.one_of(flat_scenes(), banded_scenes())


def banded_scenes() -> st.SearchStrategy[Scene]:
    """Any valid scene that is painted in bands."""
    return st.one_of(mosaic_scenes(), volume_scenes())


@st.composite
def flat_scenes(draw: st.DrawFn) -> Scene:
    """Any valid scene of a small field that is painted whole."""
    made = draw(cells())
    layered = made.kind == "skin_layers"
    frame = draw(frames())
    if layered:
        frame = frame.model_copy(update={"edges": "free"})
    size = tuple(side * frame.spacing_um for side in frame.shape)
    return Scene(
        frame=frame,
        region=Full() if frame.edges == "periodic" else draw(regions(size)),
        points=draw(point_specs().filter(_packs)),
        cells=made,
        prior=draw(class_prior() if layered else priors()),
        imaging=draw(oct_imaging() if layered else imaging()),
    )
