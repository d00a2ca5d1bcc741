"""Segmentation without learning, to be measured against: filters and thresholds.

Each method is a `dermogan.tiles.Predictor` and goes through the same inference, refinement
and scoring as a model. Its parameters are the fields of its spec.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from dermogan.classical.gabor import GaborBank, GaborPredictor
from dermogan.classical.thresholds import METHODS, Threshold, ThresholdPredictor
from dermogan.tiles import Predictor
from simcell import SimcellError

NAMES = ("gabor-watershed", *METHODS)
"""What `load_classical` knows."""


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
    kind = GaborBank if name == "gabor-watershed" else Threshold
    given: dict[str, str] = {}
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals or field not in kind.model_fields or field == "method":
            fields = ", ".join(key for key in kind.model_fields if key != "method")
            msg = f"--set {setting}: give FIELD=VALUE; {name} has {fields}"
            raise SimcellError(msg)
        given[field] = value
    try:
        if kind is GaborBank:
            return GaborPredictor(GaborBank.model_validate(given))
        return ThresholdPredictor(Threshold.model_validate({**given, "method": name}))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        msg = f"--set {field}={given.get(field)}: {first['msg']}"
        raise SimcellError(msg) from error
