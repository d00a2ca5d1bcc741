"""One network on simulated pairs: what one would try first, and what others must beat."""

from __future__ import annotations

import torch

from dermogan.encoder import EfficientNet
from dermogan.losses import cross_entropy, dice
from dermogan.networks import generator
from dermogan.networks.efficientnet import EfficientNetUNet
from dermogan.networks.pretrained import load_encoder
from dermogan.recipe import Supervised
from dermogan.systems.base import OneNetwork, Outcome, Patches


class SupervisedSystem(OneNetwork):
    """A network from images to priors, by Dice and cross-entropy."""

    def __init__(self, spec: Supervised) -> None:
        super().__init__()
        self.spec = spec
        self.network = generator(spec.network)
        if isinstance(spec.network, EfficientNet) and spec.network.weights:
            assert isinstance(self.network, EfficientNetUNet)
            load_encoder(self.network, spec.network.weights)

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
