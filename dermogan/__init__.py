"""Learn from simulated tissue to segment real images.

A recipe says everything, a system owns its step, one loop runs them all.

>>> import dermogan
>>> dermogan.load_recipe("supervised").system.kind
'supervised'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from simcell import __version__

if TYPE_CHECKING:
    from dermogan.classmaps import class_map
    from dermogan.errors import DermoganError
    from dermogan.evaluation import evaluate
    from dermogan.exchange import export
    from dermogan.model import Model, load_model
    from dermogan.recipe import Recipe, load_recipe
    from dermogan.segmentation import segment
    from dermogan.solidsegment import segment_volume
    from dermogan.trainer import train

__all__ = [
    "DermoganError",
    "Model",
    "Recipe",
    "__version__",
    "class_map",
    "evaluate",
    "export",
    "load_model",
    "load_recipe",
    "segment",
    "segment_volume",
    "train",
]

_HOMES = {
    "DermoganError": "errors",
    "Model": "model",
    "Recipe": "recipe",
    "class_map": "classmaps",
    "evaluate": "evaluation",
    "export": "exchange",
    "load_model": "model",
    "load_recipe": "recipe",
    "segment": "segmentation",
    "segment_volume": "solidsegment",
    "train": "trainer",
}
_NEED_TORCH = {"model", "segmentation", "solidsegment", "trainer"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Import public names when first used, so that ``dermogan --help`` is instant."""
    if name not in _HOMES:
        msg = f"module 'dermogan' has no attribute {name!r}"
        raise AttributeError(msg)
    home = _HOMES[name]
    if home in _NEED_TORCH:
        import_module("dermogan.errors").need("torch")
    module = import_module(f"dermogan.{home}")
    value = getattr(module, name)
    globals()[name] = value
    return value
