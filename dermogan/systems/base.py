"""What every system offers the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from dermogan.data import Batch


@dataclass(frozen=True)
class Patches:
    """A `Batch` as tensors on a device; domains that the recipe lacks are None."""

    seed: int
    step: int
    first: int
    images: Any = None
    filtered: Any = None
    priors: Any = None
    pair_images: Any = None
    pair_filtered: Any = None
    pair_priors: Any = None
    noise: Any = None

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> Patches:
        """Bring a batch to a device."""
        values = {f.name: getattr(batch, f.name) for f in fields(cls)}
        for name, value in values.items():
            if value is not None and not isinstance(value, int):
                values[name] = torch.from_numpy(value).to(device)
        return cls(**values)


@dataclass(frozen=True)
class Outcome:
    """Losses of one half of a step.

    Attributes
    ----------
    total : Tensor
        What is minimised.
    parts : dict of str to Tensor
        What it is made of, before weights.
    made : dict of str to Tensor
        Images made on the way, for the discriminators and for pictures.
    """

    total: Tensor
    parts: dict[str, Tensor]
    made: dict[str, Tensor] = field(default_factory=dict)


class System(nn.Module, ABC):
    """Networks, and the losses of one step."""

    @abstractmethod
    def makers(self) -> list[nn.Module]:
        """Return the networks that the first half of a step trains."""

    def judges(self) -> list[nn.Module]:
        """Return the networks that the second half trains; none, and there is no second half."""
        return []

    def notes(self) -> list[str]:
        """Say what a user should know of how it is made."""
        return []

    @property
    @abstractmethod
    def product(self) -> nn.Module:
        """The network that is shipped: from A, or C, to logits of B."""

    @abstractmethod
    def seen_by_product(self, patches: Patches) -> Tensor:
        """Return what the shipped network gets of a batch."""

    @abstractmethod
    def maker_losses(self, patches: Patches) -> Outcome:
        """Return the losses of the first half."""

    def is_warming(self, step: int) -> bool:
        """Return whether a step learns from simulated pairs alone, without the second half."""
        del step
        return False

    def judge_losses(self, patches: Patches, made: dict[str, Tensor]) -> Outcome:
        """Return the losses of the second half, on what the first half made."""
        del patches, made
        msg = f"{type(self).__name__} names judges and does not say what they lose"
        raise AssertionError(msg)


class OneNetwork(System):
    """A system that is one network, on simulated pairs.

    Attributes
    ----------
    network : nn.Module
        Set by those that build on this.
    """

    network: nn.Module

    def makers(self) -> list[nn.Module]:
        """Return the one network."""
        return [self.network]

    @property
    def product(self) -> nn.Module:
        """The one network."""
        return self.network

    def seen_by_product(self, patches: Patches) -> Tensor:
        """Return the simulated images."""
        seen: Tensor = patches.pair_images
        return seen
