"""Layers of tissue by one U-Net on simulated pairs of image and class map.

After Calderon-Delgado et al., "High resolution human skin image segmentation by means of fully
convolutional neural networks": cross-entropy in which a thin layer counts for more. Weighted so,
the thin layer comes out too thick; the boundary loss works against that.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from dermogan.losses import boundary, class_cross_entropy, signed_distances
from dermogan.networks import pyramid
from dermogan.semantic import Layers
from dermogan.systems.base import Outcome, Patches, System


class LayersSystem(System):
    """A network from images to class maps."""

    weights: Tensor

    def __init__(self, spec: Layers) -> None:
        super().__init__()
        self.spec = spec
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

    def maker_losses(self, patches: Patches) -> Outcome:
        """Compare the network's class maps with the simulated ones."""
        classes = patches.pair_priors[:, 0].long()
        logits = self.network(patches.pair_images).float()
        parts = {"cross_entropy": class_cross_entropy(logits, classes, self.weights)}
        total = parts["cross_entropy"]
        if self.spec.boundary:
            parts["boundary"] = boundary(torch.softmax(logits, dim=1), self._distances(classes))
            total = total + self.spec.boundary * parts["boundary"]
        return Outcome(total, parts, {"classes": shown(logits)})

    def _distances(self, classes: Tensor) -> Tensor:
        count, most = len(self.spec.classes), self.spec.boundary_px
        maps = [signed_distances(one, count, most) for one in classes.cpu().numpy()]
        return torch.from_numpy(np.stack(maps)).to(classes.device)


def shown(logits: Tensor) -> Tensor:
    """Return the likeliest classes (n, 1, y, x) of logits, as greys that pictures show."""
    likeliest = logits.detach().argmax(dim=1, keepdim=True).float()
    return (likeliest + 1) / logits.shape[1]
