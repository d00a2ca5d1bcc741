"""A single cycle-GAN: images to priors, or filtered images to priors."""

from __future__ import annotations

from torch import Tensor, nn

from dermogan.recipe import CycleGan
from dermogan.systems.base import Outcome, Patches, System
from dermogan.systems.task import Task, named, total, weighted


class CycleGanSystem(System):
    """One task."""

    task: type[Task] = Task

    def __init__(self, spec: CycleGan) -> None:
        super().__init__()
        self.spec = spec
        self.one = self.task(spec, "a" if spec.task == "image" else "c")

    def makers(self) -> list[nn.Module]:
        """Return both makers."""
        return self.one.makers()

    def judges(self) -> list[nn.Module]:
        """Return both judges."""
        return self.one.judges()

    @property
    def product(self) -> nn.Module:
        """The maker of priors."""
        return self.one.to_prior

    def seen_by_product(self, patches: Patches) -> Tensor:
        """Return domain A, or C; of the simulated pairs while there is nothing else."""
        images = self.spec.task == "image"
        if self.is_warming(patches.step):
            return self._simulated(patches)
        seen: Tensor = patches.images if images else patches.filtered
        return seen

    def _simulated(self, patches: Patches) -> Tensor:
        images = self.spec.task == "image"
        simulated: Tensor = patches.pair_images if images else patches.pair_filtered
        return simulated

    def is_warming(self, step: int) -> bool:
        """Return whether a step is one of the first, on pairs alone."""
        return self.one.is_warming(step)

    def maker_losses(self, patches: Patches) -> Outcome:
        """Add up both trios, and the loss on pairs where it has a weight."""
        weights, task = self.spec.weights, self.one
        if self.is_warming(patches.step):
            seen, prior = self._simulated(patches), patches.pair_priors
            pairs, pictures = task.paired(seen, prior), task.pictured(seen, prior, patches.noise)
            loss = weights.pairs * pairs + weights.cycle * pictures
            return Outcome(loss, {"pairs": pairs, "pictures": pictures})
        half = task.losses(self.seen_by_product(patches), patches.priors, patches.noise)
        loss = total(weighted(half.prior_trio, weights)) + total(weighted(half.image_trio, weights))
        parts = named(half, task.name)
        if weights.pairs:
            parts["pairs"] = task.paired(self._simulated(patches), patches.pair_priors)
            loss = loss + weights.pairs * parts["pairs"]
        made = {f"prior_{task.name}": half.made_prior, f"image_{task.name}": half.made_image}
        return Outcome(loss, parts, {name: image.detach() for name, image in made.items()})

    def judge_losses(self, patches: Patches, made: dict[str, Tensor]) -> Outcome:
        """Add up the losses of both judges."""
        parts = self.one.judged(self.seen_by_product(patches), patches.priors, made, patches)
        return Outcome(total(parts), parts)
