"""Hypothesis strategies for scenes of mosaics, small enough to simulate by the hundred."""

from __future__ import annotations

from hypothesis import strategies as st

from simcell.scene import Frame, Scene
from simcell.scene.imaging import NoImage
from simcell.scene.mosaic import (
    PATTERNS,
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
from simcell.scene.points import HardCore, Poisson
from simcell.scene.prior import Channels, Classes
from simcell.scene.region import Full


def number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


def _shares(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries({name: st.just(0.0) | number(0.01, 1) for name in names}).filter(
        lambda shares: any(shares.values())
    )


def mosaics() -> st.SearchStrategy[Mosaic]:
    return st.builds(
        Mosaic,
        region_um=number(50, 400),
        shares=_shares(PATTERNS).map(lambda shares: PatternShares(**shares)),
        wave_um=st.just(0.0) | number(0, 80),
        wave_scale_um=number(10, 300),
        border_um=st.just(0.0) | number(0, 100),
        wobble_um=st.just(0.0) | number(0, 30),
        wobble_scale_um=number(4, 100),
        annotated=st.just(1.0) | number(0, 1),
        annotation_gap_um=st.just(0.0) | number(0, 40),
    )


def rcm_mosaics() -> st.SearchStrategy[RcmMosaic]:
    light = number(0, 1.5)
    return st.builds(
        RcmMosaic,
        epidermis=st.builds(
            MosaicEpidermis,
            brightness=light,
            membrane=light,
            cell_um=number(6, 60),
            cobblestone=number(0, 1),
            furrow_um=st.just(0.0) | number(0, 100),
        ),
        papillae=st.builds(
            MosaicPapillae,
            interior=light,
            rim=light,
            rim_um=number(3, 60),
            between_um=number(0, 200),
            cord=light,
            cord_um=number(4, 200),
            basal_um=number(4, 40),
        ),
        nests=st.builds(
            MosaicNests,
            brightness=light,
            radius_um=number(5, 300),
            radius_cv=number(0, 0.8),
            present=number(0, 1),
            around=light,
        ),
        plain=st.builds(
            MosaicPlain, darkest=light, brightest=light, fibres=number(0, 2), cells=number(0, 1)
        ),
        artifacts=_shares(("bubbles", "stripes", "corneum", "empty")).map(
            lambda shares: MosaicArtifacts(**shares)
        ),
        region_cv=number(0, 1),
        uneven=number(0, 1.5),
        tiles=st.builds(
            MosaicTiles,
            tile_um=number(50, 600),
            overlap_um=st.just(0.0) | number(0, 25),
            gain_sd=number(0, 1),
            offset_sd=number(0, 0.5),
            vignette=number(0, 1),
            shift_um=st.just(0.0) | number(0, 10),
        ),
        noise=st.builds(
            MosaicNoise,
            looks=number(0.5, 100),
            speckle_um=st.just(0.0) | number(0, 10),
            photons=number(1, 1e4),
            read_noise=number(0, 0.5),
        ),
        psf_um=st.just(0.0) | number(0, 8),
        gain=number(0.1, 5),
        offset=number(-0.5, 0.5),
    )


@st.composite
def mosaic_scenes(draw: st.DrawFn) -> Scene:
    """A scene of a mosaic: any number of regions and papillae, none of the latter included."""
    return Scene(
        frame=Frame(
            shape=draw(st.tuples(st.integers(32, 96), st.integers(32, 96))),
            spacing_um=draw(st.sampled_from([1.0, 2.0]) | number(0.5, 4)),
            margin_um=draw(number(0, 100)),
        ),
        region=Full(),
        points=draw(
            st.builds(HardCore, density=number(1, 90), distance_um=number(20, 80))
            | st.builds(Poisson, density=number(1, 400))
        ),
        cells=draw(mosaics()),
        prior=draw(st.builds(Classes, classes=st.integers(1, 8)) | st.builds(Channels)),
        imaging=draw(st.builds(NoImage) | rcm_mosaics()),
    )
