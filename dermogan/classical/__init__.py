"""Segmentation without learning, to be measured against: filters and thresholds.

Each method is a `dermogan.tiles.Predictor` and goes through the same inference, refinement
and scoring as a model. Its parameters are the fields of its spec.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dermogan.classical.fiap import Fiap, FiapMethod
from dermogan.classical.gabor import GaborBank, GaborPredictor
from dermogan.classical.thresholds import METHODS, Threshold, ThresholdPredictor
from dermogan.tiles import Predictor
from simcell import SimcellError

NAMES = ("gabor-watershed", *METHODS)
"""What `load_classical` knows."""
FIAP = "fiap"
"""What `load_fiap` makes; it finds cells by itself."""

_Spec = TypeVar("_Spec", bound=BaseModel)


def load_classical(name: str, settings: Iterable[str] = ()) -> Predictor:
    """Make a classical method by its name.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    settings : iterable of str
        ``FIELD=VALUE`` of its spec.

    Examples
    --------
    >>> load_classical("gabor-watershed", ["polarity=dark"]).output
    'membrane'
    >>> load_classical("otsu").output
    'filled'
    """
    if name not in NAMES:
        msg = f"method {name!r}: unknown; one of {', '.join(NAMES)}"
        raise SimcellError(msg)
    if name == "gabor-watershed":
        return GaborPredictor(_spec(GaborBank, name, settings))
    return ThresholdPredictor(_spec(Threshold, name, settings, method=name))


def load_fiap(settings: Iterable[str] = ()) -> FiapMethod:
    """Make the pipeline of `dermogan.classical.fiap`; settings are ``FIELD=VALUE`` of `Fiap`."""
    return FiapMethod(_spec(Fiap, FIAP, settings))


def _spec(kind: type[_Spec], name: str, settings: Iterable[str], **fixed: str) -> _Spec:
    """Return the numbers of a method as they are, but for what is set."""
    given: dict[str, str] = {}
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals or field not in kind.model_fields or field in fixed:
            fields = ", ".join(key for key in kind.model_fields if key not in fixed)
            msg = f"--set {setting}: give FIELD=VALUE; {name} has {fields}"
            raise SimcellError(msg)
        given[field] = value
    try:
        return kind.model_validate({**given, **fixed})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        msg = f"--set {field}={given.get(field)}: {first['msg']}"
        raise SimcellError(msg) from error
