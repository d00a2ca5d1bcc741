"""Hypothesis strategies for skin layers, their prior and their tomograms."""

from __future__ import annotations

from hypothesis import strategies as st

from simcell.scene.imaging import NoImage
from simcell.scene.oct import (
    Oct,
    OctAttenuation,
    OctConfounders,
    OctCorneum,
    OctDermis,
    OctDisplay,
    OctEpidermis,
    OctField,
    OctGlass,
    OctMissing,
    OctSpeckle,
)
from simcell.scene.prior import Classes
from simcell.scene.skin import SkinConfounders, SkinLayers


def _number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.just(low) | st.floats(low, high, allow_nan=False)


def skin_layers() -> st.SearchStrategy[SkinLayers]:
    share = _number(0, 1)
    return st.builds(
        SkinLayers,
        glass_um=_number(0, 30),
        glass_slope=_number(0, 1),
        gap_um=_number(-10, 20),
        surface_um=_number(0, 15),
        surface_scale_um=_number(0.5, 200),
        furrows_per_mm=_number(0, 50),
        furrow_um=_number(0, 40),
        furrow_width_um=_number(0.5, 60),
        epidermis_um=_number(1, 60),
        epidermis_cv=_number(0, 0.5),
        epidermis_scale_um=_number(0.5, 300),
        rete_um=_number(0, 60),
        rete_cv=_number(0, 1.5),
        rete_period_um=_number(0.5, 200),
        rete_period_cv=_number(0, 1),
        rete_sharpness=_number(0.5, 8),
        dej_um=_number(0.1, 40),
        confounders=st.builds(
            SkinConfounders,
            hair=_number(0.01, 1),
            duct=share,
            merkel=share,
            langerhans=share,
            hair_radius_um=_number(0.1, 40),
            hair_slope=_number(0, 5),
            radius_cv=_number(0, 0.6),
        ),
    )


def class_prior() -> st.SearchStrategy[Classes]:
    return st.builds(Classes, classes=st.integers(1, 255))


def oct_imaging() -> st.SearchStrategy[NoImage | Oct]:
    return st.builds(NoImage) | st.builds(
        Oct,
        glass=st.builds(OctGlass, face=_number(0, 10), face_um=_number(0.1, 10)),
        corneum=st.builds(
            OctCorneum,
            brightness=_number(0, 5),
            surface_um=_number(0.1, 20),
            thickness_um=_number(0, 60),
            thickness_cv=_number(0, 0.6),
            lamellae=_number(0, 2),
        ),
        epidermis=st.builds(
            OctEpidermis,
            uneven=_number(0, 2),
            cell_um=_number(0.6, 40),
            nucleus_um=_number(0, 20),
            basal_um=_number(0.1, 9),
        ),
        dermis=st.builds(
            OctDermis,
            fibres=_number(0, 3),
            fibre_um=_number(0.1, 50),
            fibre_length_um=_number(0.1, 500),
            wave_um=_number(0, 100),
        ),
        attenuation=st.builds(OctAttenuation, epidermis_per_mm=_number(0, 100)),
        confounders=st.builds(OctConfounders, duct_pitch_um=_number(1, 100)),
        field=st.builds(OctField, falloff=_number(0, 1), offset=_number(0, 1)),
        missing=st.builds(
            OctMissing, columns=_number(0, 5), patches=_number(0, 5), patch_um=_number(0.1, 200)
        ),
        speckle=st.builds(OctSpeckle, looks=_number(1, 5), speckle_um=_number(0, 10)),
        psf_um=_number(0, 20),
        floor=_number(0, 1),
        display=st.builds(
            OctDisplay,
            scale=st.sampled_from(["log", "amplitude", "linear"]),
            white=_number(0.01, 10),
            range_db=_number(2, 80),
        ),
    )
