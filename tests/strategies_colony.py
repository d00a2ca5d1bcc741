"""Hypothesis strategies of the colony world: outlines that meet, masks, phase contrast."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from simcell.scene.camera import FluoCamera
from simcell.scene.cells import Outlines
from simcell.scene.masks import Masks
from simcell.scene.phase import (
    PhaseCells,
    PhaseContrast,
    PhaseDebris,
    PhaseField,
    PhaseNucleus,
    PhaseOptics,
    PhaseRounded,
)


def number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


_FOLDER = tempfile.TemporaryDirectory()


@lru_cache(maxsize=1)
def masks_folder() -> str:
    """Folder with a label image: a square, a bar, a disc, a ring, and an object cut."""
    y, x = np.mgrid[:48, :64]
    labels = np.zeros((48, 64), np.uint16)
    labels[4:12, 4:12] = 1
    labels[20:24, 4:24] = 2
    labels[np.hypot(y - 12, x - 40) < 7] = 5
    out = np.hypot(y - 34, x - 40)
    labels[(out < 9) & (out > 5)] = 9
    labels[30:, :6] = 11
    np.save(Path(_FOLDER.name) / "labels.npy", labels)
    return _FOLDER.name


def outlines() -> st.SearchStrategy[Outlines]:
    ratios = st.tuples(number(0.05, 1), number(0.05, 1)).map(sorted) | st.just([1.0, 1.0])
    return ratios.flatmap(
        lambda ratio: st.builds(
            Outlines,
            radius_um=number(0.5, 15),
            radius_cv=number(0, 0.8),
            waviness=st.just(0.0) | number(0, 0.4),
            harmonics=st.integers(2, 12),
            axis_ratio_min=st.just(ratio[0]),
            axis_ratio_max=st.just(ratio[1]),
            align_um=st.just(0.0) | number(1, 100),
            taper=st.just(0.5) | number(0.1, 4),
            meet=st.sampled_from(["cover", "share"]),
            min_visible=number(0, 1),
        )
    )


@st.composite
def masks(draw: st.DrawFn) -> Masks:
    scale = sorted([draw(number(0.2, 2)), draw(number(0.2, 2))])
    return Masks(
        path=masks_folder(),
        spacing_um=draw(st.none() | number(0.2, 2)),
        scale_min=scale[0],
        scale_max=scale[1],
        turn_deg=draw(number(0, 180)),
        flip=draw(number(0, 1)),
        overlap_limit=draw(st.sampled_from([0.0, 1.0]) | number(0, 1)),
        tries=draw(st.integers(1, 8)),
        min_visible=draw(number(0, 1)),
    )


def phase_contrast() -> st.SearchStrategy[PhaseContrast]:
    camera: dict[str, st.SearchStrategy[Any]] = {
        "photons": number(1, 1e6),
        "read_noise": st.just(0.0) | number(0, 100),
        "gain": number(1e-4, 10),
    }
    return st.builds(
        PhaseContrast,
        cells=st.builds(
            PhaseCells,
            phase=number(0, 20),
            cell_cv=number(0, 1.5),
            flat=number(0, 1),
            edge_um=number(0.1, 10),
            grain=number(0, 1.5),
            grain_um=number(0.1, 20),
        ),
        nucleus=st.builds(
            PhaseNucleus,
            phase=number(0, 5),
            share=number(0.05, 1),
            nucleoli=number(0, 10),
            nucleolus_phase=number(0, 5),
            nucleolus_um=number(0.1, 5),
        ),
        rounded=st.builds(PhaseRounded, share=number(0, 1), phase=number(0, 20)),
        debris=st.builds(
            PhaseDebris, density=number(0, 2e4), radius_um=number(0.1, 6), radius_cv=number(0, 1)
        ),
        optics=st.builds(
            PhaseOptics,
            polarity=st.sampled_from(["positive", "negative"]),
            ring=number(0.05, 1),
            leak=number(0, 1),
            halo_um=number(0.1, 100),
            psf_um=number(0, 10),
        ),
        field=st.builds(
            PhaseField,
            uneven=number(0, 1.5),
            scale_um=number(1, 500),
            falloff=number(0, 1),
            misalignment=number(0, 1),
        ),
        camera=st.builds(FluoCamera, **camera) | st.builds(FluoCamera, bits=st.just(16), **camera),
    )
