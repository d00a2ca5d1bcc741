"""One network on simulated pairs: what one would try first, and what others must beat."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dermogan.encoder import EfficientNet
from dermogan.losses import cross_entropy, dice
from dermogan.networks import generator
from dermogan.networks.efficientnet import EfficientNetUNet
from dermogan.networks.pretrained import load_encoder
from dermogan.recipe import Supervised
from dermogan.systems.base import Outcome, Patches, System


class SupervisedSystem(System):
    """A network from images to priors, by Dice and cross-entropy."""

    def __init__(self, spec: Supervised) -> None:
        super().__init__()
        self.spec = spec
        self.network = generator(spec.network)
        if isinstance(spec.network, EfficientNet) and spec.network.weights:
            assert isinstance(self.network, EfficientNetUNet)
            load_encoder(self.network, spec.network.weights)

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

    def maker_losses(self, patches: Patches) -> Outcome:
        """Compare the network's priors with the simulated ones."""
        logits = self.network(patches.pair_images).float()
        probability = torch.sigmoid(logits)
        parts = {
            "dice": dice(probability, patches.pair_priors),
            "cross_entropy": cross_entropy(logits, patches.pair_priors, self.spec.focal),
        }
        total = self.spec.dice * parts["dice"] + self.spec.cross_entropy * parts["cross_entropy"]
        return Outcome(total, parts, {"prior": probability.detach()})
