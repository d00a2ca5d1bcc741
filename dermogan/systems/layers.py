"""Layers of tissue by one U-Net on simulated pairs of image and class map.

After Calderon-Delgado et al., "High resolution human skin image segmentation by means of fully
convolutional neural networks": cross-entropy in which a thin layer counts for more. Weighted so,
the thin layer comes out too thick; the boundary loss works against that.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dermogan.losses import boundary, class_cross_entropy, signed_distances
from dermogan.semantic import Layers
from dermogan.systems.base import Outcome, Patches
from dermogan.systems.maps import MapSystem, shown


class LayersSystem(MapSystem):
    """A network from images to class maps."""

    def __init__(self, spec: Layers) -> None:
        super().__init__(spec)
        self.spec = spec

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
