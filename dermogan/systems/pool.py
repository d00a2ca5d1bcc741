"""Pool of made images: discriminators also see older ones (Shrivastava et al., CVPR 2017)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import simcell
from dermogan.systems.base import Patches


class Pool(nn.Module):
    """Keeps made images; its contents are part of the state of the module.

    Parameters
    ----------
    size : int
        Images kept; with 0, every image passes as it is.
    name : str
        Of its random stream.
    """

    def __init__(self, size: int, name: str) -> None:
        super().__init__()
        self.size, self.name = size, name
        self.kept: list[Tensor] = []

    def exchange(self, made: Tensor, patches: Patches) -> Tensor:
        """Return for every image itself or, half of the time, an older one that it replaces."""
        out = []
        for place, image in enumerate(made.detach()):
            if len(self.kept) < self.size:
                self.kept.append(image.clone())
                out.append(image)
                continue
            rng = simcell.stream(patches.seed, patches.first + place, f"pool.{self.name}")
            if self.size and rng.random() < 0.5:
                at = int(rng.integers(self.size))
                out.append(self.kept[at])
                self.kept[at] = image.clone()
            else:
                out.append(image)
        return torch.stack(out)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the kept images, for the state of the module."""
        return {"kept": self.kept}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take kept images over."""
        self.kept = list(state["kept"])
