"""What systems that name classes share: one network, and what it learns from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dermogan.networks import pyramid
from dermogan.semantic import ClassMaps
from dermogan.systems.base import Patches, System


class MapSystem(System):
    """A network on simulated pairs of image and class map.

    Parameters
    ----------
    spec : ClassMaps
    """

    weights: Tensor

    def __init__(self, spec: ClassMaps) -> None:
        super().__init__()
        self.network = pyramid(spec)
        self.register_buffer("weights", torch.tensor(spec.class_weights), persistent=False)

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


def shown(logits: Tensor) -> Tensor:
    """Return the likeliest classes (n, 1, y, x) of logits, as greys that pictures show."""
    likeliest = logits.detach().argmax(dim=1, keepdim=True).float()
    return (likeliest + 1) / logits.shape[1]
