"""What systems that name classes share: one network, and what it learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from dermogan.networks import PyramidNet, pyramid
from dermogan.semantic import ClassMaps
from dermogan.systems.base import OneNetwork


class MapSystem(OneNetwork):
    """A network on simulated pairs of image and class map.

    Parameters
    ----------
    spec : ClassMaps
    """

    network: PyramidNet
    weights: Tensor

    def __init__(self, spec: ClassMaps) -> None:
        super().__init__()
        self.network = pyramid(spec)
        self.register_buffer("weights", torch.tensor(spec.class_weights), persistent=False)


def shown(logits: Tensor) -> Tensor:
    """Return the likeliest classes (n, 1, y, x) of logits, as greys that pictures show."""
    likeliest = logits.detach().argmax(dim=1, keepdim=True).float()
    return (likeliest + 1) / logits.shape[1]
