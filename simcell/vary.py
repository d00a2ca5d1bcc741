"""Distributions from which a preset draws the numbers that vary between samples."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.random import Generator
from pydantic import Field, model_validator

from simcell.scene import Spec

Value: TypeAlias = Any
"""What a field of a scene may be set to: a number, a string, a list, a mapping."""


class _Range(Spec):
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            msg = f"low = {self.low:g} must be below high = {self.high:g}"
            raise ValueError(msg)
        return self

    def ends(self) -> list[Value]:
        """Return the extreme values that can be drawn."""
        return [self.low, self.high]


class Uniform(_Range):
    """Any number from low to high, all alike."""

    kind: Literal["uniform"] = "uniform"

    def draw(self, rng: Generator) -> Value:
        """Draw one value."""
        return float(rng.uniform(self.low, self.high))


class LogUniform(_Range):
    """Any number from low to high, every ratio alike; both above 0."""

    kind: Literal["loguniform"] = "loguniform"
    low: float = Field(gt=0)

    def draw(self, rng: Generator) -> Value:
        """Draw one value."""
        value = np.exp(rng.uniform(np.log(self.low), np.log(self.high)))
        return float(np.clip(value, self.low, self.high))


class Normal(_Range):
    """Normal, cut off at low and high."""

    kind: Literal["normal"] = "normal"
    mean: float
    sd: float = Field(gt=0)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not self.low <= self.mean <= self.high:
            msg = f"mean = {self.mean:g} must lie from low = {self.low:g} to high = {self.high:g}"
            raise ValueError(msg)
        return self

    def draw(self, rng: Generator) -> Value:
        """Draw one value (exactly, by the inverse of the truncated distribution)."""
        from scipy.special import ndtr, ndtri

        ends = ndtr([(self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd])
        value = self.mean + self.sd * ndtri(rng.uniform(ends[0], ends[1]))
        return float(np.clip(value, self.low, self.high))


class Integers(Spec):
    """Any whole number from low to high, both included."""

    kind: Literal["integers"] = "integers"
    low: int
    high: int

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            msg = f"low = {self.low} must be below high = {self.high}"
            raise ValueError(msg)
        return self

    def ends(self) -> list[Value]:
        """Return the extreme values that can be drawn."""
        return [self.low, self.high]

    def draw(self, rng: Generator) -> Value:
        """Draw one value."""
        return int(rng.integers(self.low, self.high, endpoint=True))


class Choice(Spec):
    """One of the listed values, all alike or by weight."""

    kind: Literal["choice"] = "choice"
    values: tuple[Value, ...] = Field(min_length=1)
    weights: tuple[Annotated[float, Field(ge=0, le=1e9)], ...] | None = None

    @model_validator(mode="after")
    def _weighted(self) -> Self:
        if self.weights is not None and (
            len(self.weights) != len(self.values) or sum(self.weights) <= 0
        ):
            msg = f"weights = {list(self.weights)}: needs one per value, not all 0"
            raise ValueError(msg)
        return self

    def ends(self) -> list[Value]:
        """Return every value that can be drawn."""
        return list(self.values)

    def draw(self, rng: Generator) -> Value:
        """Draw one value."""
        weights = np.ones(len(self.values)) if self.weights is None else np.array(self.weights)
        return self.values[int(rng.choice(len(self.values), p=weights / weights.sum()))]


Distribution = Annotated[
    Uniform | LogUniform | Normal | Integers | Choice, Field(discriminator="kind")
]
