"""What every node of a scene has in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

MOST_LAYERS = 20.0
"""Depth to which specks may lie on each other; drawing them costs as much more."""


class Spec(BaseModel):
    """A frozen node of a scene: plain numbers, no behaviour.

    Unknown keys, NaN, infinities and truth values in place of numbers are
    refused. Every field has a default, so that a node can be made from its
    ``kind`` alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_values(cls, data: Any) -> Any:  # noqa: ANN401 - raw input
        # pydantic would read `true` as 1.
        if isinstance(data, Mapping):
            for name, value in data.items():
                found = _truth_value(value)
                if found is not None and name in cls.model_fields:
                    msg = f"{name} = {str(found).lower()}: should be a number or a name"
                    raise ValueError(msg)
        return data


def _truth_value(value: object) -> bool | None:
    """Find a truth value in raw input: itself, or in lists of lists."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return next((found for v in value if (found := _truth_value(v)) is not None), None)
    return None


def check_layers(density: float, radius_um: float) -> None:
    """Refuse more specks per mm² of this radius than ``MOST_LAYERS`` on every point."""
    disc_mm2 = math.pi * (radius_um * 1e-3) ** 2
    if density * disc_mm2 > MOST_LAYERS:
        msg = (
            f"density = {density:g}: specks of radius_um = {radius_um:g} would lie "
            f"{density * disc_mm2:.3g} deep everywhere, above {MOST_LAYERS:g}; lower it to "
            f"{math.floor(MOST_LAYERS / disc_mm2)} or less, or lower radius_um"
        )
        raise ValueError(msg)
