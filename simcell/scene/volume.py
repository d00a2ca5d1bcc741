"""Specs of nuclei with their Golgi in a volume, and of how fluorescence shows them."""

from __future__ import annotations

from typing import Literal

from simcell.scene._spec import Spec


class NucleusGolgi(Spec):
    """Pairs of an ellipsoid nucleus and a Golgi in a volume, around the points."""

    kind: Literal["nucleus_golgi"] = "nucleus_golgi"


class FluorescenceVolume(Spec):
    """Fluorescence volume."""

    kind: Literal["fluorescence_volume"] = "fluorescence_volume"
