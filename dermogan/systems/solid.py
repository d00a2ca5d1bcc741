"""Nuclei and Golgi by one 3-D U-Net on simulated pairs: what the others must beat.

After Çiçek et al., MICCAI 2016, with the Dice loss.
"""

from __future__ import annotations

import torch

from dermogan.losses import cross_entropy
from dermogan.systems.base import Outcome, Patches
from dermogan.systems.solids import MaskSystem, dice_of_channels, shown
from dermogan.volumetric import Solid


class SolidSystem(MaskSystem):
    """A network from volumes to masks."""

    def __init__(self, spec: Solid) -> None:
        super().__init__(spec)
        self.spec = spec

    def maker_losses(self, patches: Patches) -> Outcome:
        """Compare the network's masks with the simulated ones."""
        logits = self.network(patches.pair_images).float()
        probability = torch.sigmoid(logits)
        parts = {"dice": dice_of_channels(probability, patches.pair_priors)}
        total = self.spec.dice * parts["dice"]
        if self.spec.cross_entropy:
            parts["cross_entropy"] = cross_entropy(logits, patches.pair_priors)
            total = total + self.spec.cross_entropy * parts["cross_entropy"]
        return Outcome(total, parts, {"masks": shown(probability)})
