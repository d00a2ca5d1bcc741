"""Systems: networks, and the losses of one step. No loop, no files."""

from __future__ import annotations

from typing import assert_never

from dermogan.recipe import CganSeg, CycleGan, DermoGan, Supervised, SystemSpec
from dermogan.semantic import Cascade, Layers
from dermogan.systems.base import Outcome, Patches, System
from dermogan.systems.cascade import CascadeSystem
from dermogan.systems.cganseg import CganSegSystem
from dermogan.systems.cyclegan import CycleGanSystem
from dermogan.systems.dermogan import DermoGanSystem
from dermogan.systems.layers import LayersSystem
from dermogan.systems.supervised import SupervisedSystem

__all__ = ["Outcome", "Patches", "System", "build_system"]


def build_system(spec: SystemSpec) -> System:
    """Build the system of a spec; its weights come from torch's global seed."""
    match spec:
        case Supervised():
            return SupervisedSystem(spec)
        case DermoGan():  # a kind of CycleGan, so it stands before it
            return DermoGanSystem(spec)
        case CycleGan():
            return CycleGanSystem(spec)
        case Layers():
            return LayersSystem(spec)
        case Cascade():
            return CascadeSystem(spec)
        case CganSeg():
            return CganSegSystem(spec)
        case _:
            assert_never(spec)
