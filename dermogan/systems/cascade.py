"""Patterns of a mosaic by U-Nets from coarse to fine, each with a loss of its own.

After Kose et al., "A multiresolution deep learning framework for automated annotation of
reflectance confocal microscopy images": every U-Net gets the classes that the coarser one found
beside its image, and is compared with the truth at its own size.

Decision: coarse truth is the pixel nearest to the middle of each block; a mean of class numbers
would be none. What finer U-Nets lose reaches the coarser ones too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dermogan.losses import class_cross_entropy
from dermogan.networks.pyramid import resized
from dermogan.semantic import Cascade
from dermogan.systems.base import Outcome, Patches
from dermogan.systems.maps import MapSystem, shown


class CascadeSystem(MapSystem):
    """U-Nets one after the other."""

    def __init__(self, spec: Cascade) -> None:
        super().__init__(spec)
        self.spec = spec

    def maker_losses(self, patches: Patches) -> Outcome:
        """Add up the losses of all levels."""
        classes = patches.pair_priors[:, 0].long()
        found = self.network.levels(patches.pair_images)
        parts = {
            f"cross_entropy_{scale}": class_cross_entropy(
                logits.float(), coarse(classes, scale), self.weights
            )
            for scale, logits in zip(self.spec.network.scales, found, strict=True)
        }
        weighted = zip(self.spec.level_weights, parts.values(), strict=True)
        total = torch.stack([weight * part for weight, part in weighted]).sum()
        made = {"classes": shown(resized(found[-1], classes.shape[1:]))}
        return Outcome(total, parts, made)


def coarse(classes: Tensor, scale: int) -> Tensor:
    """Return every so many pixels of class maps (n, y, x), from the middle of the first block."""
    return classes[:, scale // 2 :: scale, scale // 2 :: scale]
