"""Simulate microscopy priors and images of tissue, with exact labels.

>>> import simcell
>>> preset = simcell.load_preset("rcm-sg")
>>> sample = simcell.simulate(preset.scene(seed=7, index=0), seed=7, index=0)
>>> sample.image.shape, int(sample.labels.max()) == len(sample.objects)
((256, 256), True)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simcell.batch import export, generate, open_dataset
    from simcell.errors import SimcellError
    from simcell.io.ome_image import write_ome_zarr
    from simcell.preset import Preset, load_preset
    from simcell.rng import stream
    from simcell.sample import Sample
    from simcell.scene import Scene
    from simcell.stages import simulate

__version__ = "0.1.0"
__all__ = [
    "Preset",
    "Sample",
    "Scene",
    "SimcellError",
    "__version__",
    "export",
    "generate",
    "load_preset",
    "open_dataset",
    "simulate",
    "stream",
    "write_ome_zarr",
]

_HOMES = {
    "Preset": "preset",
    "Sample": "sample",
    "Scene": "scene",
    "SimcellError": "errors",
    "export": "batch",
    "generate": "batch",
    "load_preset": "preset",
    "open_dataset": "batch",
    "simulate": "stages",
    "stream": "rng",
    "write_ome_zarr": "io.ome_image",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Import public names when first used, so that ``simcell --help`` is instant."""
    if name not in _HOMES:
        msg = f"module 'simcell' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"simcell.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
