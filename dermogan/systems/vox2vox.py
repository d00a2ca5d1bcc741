"""Nuclei and Golgi by a 3-D U-Net that must also please a judge of volumes and their masks.

After Cirillo, Abramian & Eklund, "Vox2Vox: 3D-GAN for brain tumour segmentation": least squares
and 5 times Dice; the judge sees a volume and its masks together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dermogan.losses import lsgan_discriminator, lsgan_generator
from dermogan.systems.base import Outcome, Patches
from dermogan.systems.solids import MaskSystem, dice_of_channels, judge, shown
from dermogan.volumetric import Vox2Vox


class Vox2VoxSystem(MaskSystem):
    """A maker of masks and a judge."""

    def __init__(self, spec: Vox2Vox) -> None:
        super().__init__(spec)
        self.spec = spec
        self.judge = judge(spec.discriminator, 1 + spec.channels)

    def judges(self) -> list[nn.Module]:
        """Return the one judge."""
        return [self.judge]

    def maker_losses(self, patches: Patches) -> Outcome:
        """Compare the made masks with the simulated ones, and have them judged."""
        probability = torch.sigmoid(self.network(patches.pair_images).float())
        judged = self.judge(torch.cat([patches.pair_images, probability], dim=1)).float()
        parts = {
            "dice": dice_of_channels(probability, patches.pair_priors),
            "adversarial": lsgan_generator(judged),
        }
        spec = self.spec
        total = spec.dice * parts["dice"] + spec.adversarial * parts["adversarial"]
        made = {"masks": shown(probability), "whole": probability.detach()}
        return Outcome(total, parts, made)

    def judge_losses(self, patches: Patches, made: dict[str, Tensor]) -> Outcome:
        """Tell simulated masks from made ones, beside their volumes."""
        seen = patches.pair_images
        real = self.judge(torch.cat([seen, patches.pair_priors], dim=1)).float()
        fake = self.judge(torch.cat([seen, made["whole"]], dim=1)).float()
        loss = lsgan_discriminator(real, fake)
        return Outcome(loss, {"judge": loss})
