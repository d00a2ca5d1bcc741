"""Systems: networks, and the losses of one step. No loop, no files."""

from __future__ import annotations

from typing import assert_never

from dermogan.recipe import CganSeg, CycleGan, CycleGan3d, DermoGan, Supervised, SystemSpec
from dermogan.semantic import Cascade, Layers
from dermogan.systems.base import Outcome, Patches, System
from dermogan.systems.cascade import CascadeSystem
from dermogan.systems.cganseg import CganSegSystem
from dermogan.systems.cyclegan import CycleGanSystem
from dermogan.systems.cyclegan3d import CycleGan3dSystem
from dermogan.systems.dermogan import DermoGanSystem
from dermogan.systems.layers import LayersSystem
from dermogan.systems.solid import SolidSystem
from dermogan.systems.supervised import SupervisedSystem
from dermogan.systems.vox2vox import Vox2VoxSystem
from dermogan.volumetric import Solid, Vox2Vox

__all__ = ["Outcome", "Patches", "System", "build_system"]


def build_system(spec: SystemSpec) -> System:
    """Build the system of a spec; its weights come from torch's global seed."""
    match spec:
        case Supervised():
            return SupervisedSystem(spec)
        case Solid() | Vox2Vox() | CycleGan3d():  # kinds of CycleGan stand before it
            return _of_volumes(spec)
        case DermoGan():
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


def _of_volumes(spec: Solid | Vox2Vox | CycleGan3d) -> System:
    match spec:
        case Solid():
            return SolidSystem(spec)
        case Vox2Vox():
            return Vox2VoxSystem(spec)
        case CycleGan3d():
            return CycleGan3dSystem(spec)
