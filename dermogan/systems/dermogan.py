"""Two cycle-GANs side by side: of the images, and of their filtering, coupled by their losses.

After Lboukili, Stamatas & Descombes, J. Biomed. Opt. 29, 086003 (2024): eight networks, two
makers and two judges for each of the tasks A to B and C to B.

Decision: "the maximum value of the two trios of losses is set as the loss function for both"
is read as the larger of the two weighted sums (``coupling: paper``). Its gradient reaches only
the worse task's maker of priors, and the images' maker on its way around the cycle. The other
couplings train both tasks in every step; ``term_max`` takes the larger task loss by loss.
"""

from __future__ import annotations

from typing import assert_never

import torch
from torch import Tensor, nn

from dermogan.losses import mae
from dermogan.recipe import DermoGan
from dermogan.systems.base import Outcome, Patches, System
from dermogan.systems.task import Half, Task, Trio, named, total, weighted


def couple(spec: DermoGan, one: Trio, other: Trio, agreement: Tensor) -> Tensor:
    """Return the loss that drives the makers of priors of both tasks.

    Parameters
    ----------
    spec : DermoGan
    one, other : dict of str to Tensor
        Weighted losses of the two tasks' makers of priors.
    agreement : Tensor
        Difference between the priors that both make of the same images.
    """
    match spec.coupling:
        case "paper":
            return torch.maximum(total(one), total(other))
        case "sum":
            return total(one) + total(other)
        case "term_max":
            return torch.stack([torch.maximum(one[name], other[name]) for name in one]).sum()
        case "agreement":
            return total(one) + total(other) + spec.weights.agreement * agreement
        case _:
            assert_never(spec.coupling)


class DermoGanSystem(System):
    """Two tasks."""

    def __init__(self, spec: DermoGan) -> None:
        super().__init__()
        self.spec = spec
        self.of_images = Task(spec, "a")
        self.of_filtered = Task(spec, "c")

    def makers(self) -> list[nn.Module]:
        """Return the four makers."""
        return [*self.of_images.makers(), *self.of_filtered.makers()]

    def judges(self) -> list[nn.Module]:
        """Return the four judges."""
        return [*self.of_images.judges(), *self.of_filtered.judges()]

    @property
    def product(self) -> nn.Module:
        """The maker of priors from images."""
        return self.of_images.to_prior

    def seen_by_product(self, patches: Patches) -> Tensor:
        """Return domain A; the simulated images while there is nothing else."""
        seen: Tensor = patches.images
        if self.is_warming(patches.step):
            seen = patches.pair_images
        return seen

    def is_warming(self, step: int) -> bool:
        """Return whether a step is one of the first, on pairs alone."""
        self.of_filtered.is_warming(step)
        return self.of_images.is_warming(step)

    def maker_losses(self, patches: Patches) -> Outcome:
        """Couple the tasks' makers of priors; makers of images have their own trios."""
        weights = self.spec.weights
        if self.is_warming(patches.step):
            pairs, pictures = self._paired(patches), self._pictured(patches)
            loss = weights.pairs * pairs + weights.cycle * pictures
            return Outcome(loss, {"pairs": pairs, "pictures": pictures})
        a = self.of_images.losses(patches.images, patches.priors, patches.noise)
        c = self.of_filtered.losses(patches.filtered, patches.priors, patches.noise)
        agreement = mae(a.made_prior, c.made_prior)
        loss = couple(
            self.spec, weighted(a.prior_trio, weights), weighted(c.prior_trio, weights), agreement
        )
        for half in (a, c):
            loss = loss + total(weighted(half.image_trio, weights))
        parts = named(a, "a") | named(c, "c") | {"agreement": agreement}
        if weights.pairs:
            parts["pairs"] = self._paired(patches)
            loss = loss + weights.pairs * parts["pairs"]
        return Outcome(loss, parts, _made(a, c))

    def _paired(self, patches: Patches) -> Tensor:
        """Return what both makers of priors lose on simulated pairs."""
        of_images = self.of_images.paired(patches.pair_images, patches.pair_priors)
        return of_images + self.of_filtered.paired(patches.pair_filtered, patches.pair_priors)

    def _pictured(self, patches: Patches) -> Tensor:
        """Return what both makers of images lose on simulated pairs."""
        prior, noise = patches.pair_priors, patches.noise
        of_images = self.of_images.pictured(patches.pair_images, prior, noise)
        return of_images + self.of_filtered.pictured(patches.pair_filtered, prior, noise)

    def judge_losses(self, patches: Patches, made: dict[str, Tensor]) -> Outcome:
        """Add up the losses of the four judges."""
        parts = self.of_images.judged(patches.images, patches.priors, made, patches)
        parts |= self.of_filtered.judged(patches.filtered, patches.priors, made, patches)
        return Outcome(total(parts), parts)


def _made(a: Half, c: Half) -> dict[str, Tensor]:
    return {
        "prior_a": a.made_prior.detach(),
        "image_a": a.made_image.detach(),
        "prior_c": c.made_prior.detach(),
        "image_c": c.made_image.detach(),
    }
