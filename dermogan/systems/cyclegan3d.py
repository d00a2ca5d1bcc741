"""One cycle-GAN between volumes and unpaired masks of nuclei and Golgi.

After Rosa, Narotamo & Silveira, "Self-supervised segmentation of 3D fluorescence microscopy images
using CycleGAN": Golgi, which are few, count more in the cycle and identity losses of masks.

Decision: masks have more channels than volumes. For the identity losses masks are drawn as a
volume, nuclei dim and Golgi bright, and a volume stands in every channel of its masks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dermogan.losses import cross_entropy
from dermogan.networks import glorot, solid
from dermogan.recipe import CycleGan3d
from dermogan.systems.cyclegan import CycleGanSystem
from dermogan.systems.solids import dice_of_channels, judge, shown, weighted_mae
from dermogan.systems.task import Task


class SolidTask(Task):
    """Two makers and two judges of volumes and masks."""

    weights: Tensor

    def __init__(self, spec: CycleGan3d, name: str) -> None:
        super().__init__(spec, name)
        weights = torch.ones(spec.channels)
        weights[1] = spec.golgi_weight
        self.register_buffer("weights", weights, persistent=False)

    def build(self) -> None:
        """Build the four networks."""
        spec = self.spec
        assert isinstance(spec, CycleGan3d)
        maker, count = spec.network, spec.channels
        back = maker.model_copy(update={"norm": "instance"})  # its batches are never a tile
        self.to_prior = solid(maker, 1, count)
        self.to_image = solid(back, count + spec.z_noise, 1)
        self.judge_prior = judge(spec.discriminator, count)
        self.judge_image = judge(spec.discriminator, 1)
        for network in (self.to_prior, self.to_image, self.judge_prior, self.judge_image):
            glorot(network)

    def apart(self, made: Tensor, prior: Tensor) -> Tensor:
        """Return how far masks lie apart, by the weights of classes."""
        return weighted_mae(made, prior, self.weights)

    def as_image(self, prior: Tensor) -> Tensor:
        """Draw masks as volumes in -1..1."""
        return 2 * shown(prior) - 1

    def as_prior(self, image: Tensor) -> Tensor:
        """Return volumes as masks, the same in every channel."""
        return ((image + 1) / 2).expand(-1, len(self.weights), -1, -1, -1)

    def overlap(self, logits: Tensor, prior: Tensor) -> Tensor:
        """Return Dice of every class and cross-entropy."""
        return dice_of_channels(torch.sigmoid(logits), prior) + cross_entropy(logits, prior)


class CycleGan3dSystem(CycleGanSystem):
    """One task of volumes."""

    task = SolidTask
