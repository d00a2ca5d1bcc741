"""One cycle-GAN between images X (domain A or C) and priors B."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dermogan.losses import cross_entropy, dice, lsgan_discriminator, lsgan_generator, mae
from dermogan.networks import PatchDiscriminator, freeze, generator, glorot
from dermogan.recipe import CycleGan, UNet, Weights
from dermogan.systems.base import Patches
from dermogan.systems.pool import Pool

Trio = dict[str, Tensor]


@dataclass(frozen=True)
class Half:
    """The three losses of a task's maker of priors and of its maker of images, and what they made.

    Attributes
    ----------
    prior_trio, image_trio : dict
        ``adversarial``, ``cycle`` and, where they have a weight, ``identity`` and (of the maker of
        priors) ``translated``; before weights.
    made_prior, made_image : Tensor
    """

    prior_trio: Trio
    image_trio: Trio
    made_prior: Tensor
    made_image: Tensor


class Task(nn.Module):
    """Two makers and two judges.

    Parameters
    ----------
    spec : CycleGan
    name : str
        Of the images' domain: ``"a"`` or ``"c"``.
    """

    def __init__(self, spec: CycleGan, name: str) -> None:
        super().__init__()
        self.spec, self.name = spec, name
        self.build()
        self.old_priors = Pool(spec.pool, f"{name}.priors")
        self.old_images = Pool(spec.pool, f"{name}.images")

    def build(self) -> None:
        """Build the four networks."""
        spec = self.spec
        self.to_prior: nn.Module = generator(spec.network)
        back = spec.network
        if isinstance(back, UNet):  # its batches are one image, and never a tile of one
            back = back.model_copy(update={"norm": "instance"})
        self.to_image: nn.Module = generator(back, 1 + spec.z_noise)
        judge = spec.discriminator
        self.judge_prior = PatchDiscriminator(judge.base, judge.layers)
        self.judge_image = PatchDiscriminator(judge.base, judge.layers)
        for network in (self.to_prior, self.to_image, self.judge_prior, self.judge_image):
            glorot(network)

    def makers(self) -> list[nn.Module]:
        """Return the two makers."""
        return [self.to_prior, self.to_image]

    def judges(self) -> list[nn.Module]:
        """Return the two judges."""
        return [self.judge_prior, self.judge_image]

    def is_warming(self, step: int) -> bool:
        """Return whether a step is one of the first, on pairs alone.

        Afterwards the statistics of batches are frozen in the maker of priors: batches of images
        of several domains would have others.
        """
        warming = step < self.spec.warm_steps
        freeze(self.to_prior, not warming)
        return warming

    def prior(self, image: Tensor) -> Tensor:
        """Make priors in 0..1."""
        return torch.sigmoid(self.to_prior(image).float())

    def image(self, prior: Tensor, noise: Tensor) -> Tensor:
        """Make images in -1..1; with ``z_noise``, of priors and noise."""
        beside = noise[:, 1 : 1 + self.spec.z_noise]
        return torch.tanh(self.to_image(torch.cat([prior, beside], dim=1)).float())

    def apart(self, made: Tensor, prior: Tensor) -> Tensor:
        """Return how far priors lie apart."""
        return mae(made, prior)

    def overlap(self, logits: Tensor, prior: Tensor) -> Tensor:
        """Return Dice and cross-entropy of priors."""
        return dice(torch.sigmoid(logits), prior) + cross_entropy(logits, prior)

    def as_image(self, prior: Tensor) -> Tensor:
        """Return priors in the shape of images, for the identity."""
        return prior

    def as_prior(self, image: Tensor) -> Tensor:
        """Return images in the shape of priors, for the identity."""
        return image

    def losses(self, image: Tensor, prior: Tensor, noise: Tensor) -> Half:
        """Return the trios of both makers, on unpaired images and priors.

        A made prior gets noise before it becomes an image again, or it would carry the image
        along in shades that no eye sees.
        """
        made_prior = self.prior(image)
        noisy = made_prior + self.spec.mask_noise * noise[:, :1]
        again = self.image(noisy, noise)
        made_image = self.image(prior, noise)
        if self.spec.texture:
            unexplained = scrambled((image - again).detach(), noise[:, :1])
            made_image = (made_image + self.spec.texture * unexplained).clamp(-1, 1)
        back = self.to_prior(made_image).float()
        prior_trio = {
            "adversarial": lsgan_generator(self.judge_prior(made_prior).float()),
            "cycle": self.apart(torch.sigmoid(back), prior),
        }
        if self.spec.weights.translated:
            prior_trio["translated"] = self.overlap(back, prior)
        image_trio = {
            "adversarial": lsgan_generator(self.judge_image(made_image).float()),
            "cycle": mae(again, image),
        }
        if self.spec.weights.identity:  # a third of a step's cost
            prior_trio["identity"] = self.apart(self.prior(self.as_image(prior)), prior)
            image_trio["identity"] = mae(self.image(self.as_prior(image), noise), image)
        return Half(prior_trio, image_trio, made_prior, made_image)

    def judged(
        self, image: Tensor, prior: Tensor, made: dict[str, Tensor], patches: Patches
    ) -> Trio:
        """Return the losses of both judges, on what was made now and before."""
        old_prior = self.old_priors.exchange(made[f"prior_{self.name}"], patches)
        old_image = self.old_images.exchange(made[f"image_{self.name}"], patches)
        judge_prior, judge_image = self.judge_prior, self.judge_image
        return {
            f"judge_prior_{self.name}": lsgan_discriminator(
                judge_prior(prior).float(), judge_prior(old_prior).float()
            ),
            f"judge_image_{self.name}": lsgan_discriminator(
                judge_image(image).float(), judge_image(old_image).float()
            ),
        }

    def paired(self, image: Tensor, prior: Tensor) -> Tensor:
        """Return Dice and cross-entropy on simulated pairs."""
        return self.overlap(self.to_prior(image).float(), prior)

    def pictured(self, image: Tensor, prior: Tensor, noise: Tensor) -> Tensor:
        """Return how far images made of simulated priors are from their own; as many as noise."""
        few = slice(len(noise))
        return mae(self.image(prior[few], noise), image[few])


def scrambled(texture: Tensor, noise: Tensor) -> Tensor:
    """Return textures (n, 1, [z], y, x) of mean 0: their spectrum, the phases of white noise.

    Makers of images learn what an image is like on average, which has no noise; taught with
    images without noise, makers of priors would take that of real ones for membranes.
    """
    axes = tuple(range(2, texture.ndim))
    phases = torch.fft.rfftn(noise, dim=axes)
    strength = torch.fft.rfftn(texture - texture.mean(axes, keepdim=True), dim=axes).abs()
    made: Tensor = torch.fft.irfftn(
        strength * phases / (phases.abs() + 1e-12), s=list(texture.shape[2:]), dim=axes
    )
    return made


def weighted(trio: Trio, weights: Weights) -> Trio:
    """Weigh the three losses of a maker."""
    return {name: getattr(weights, name) * loss for name, loss in trio.items()}


def total(trio: Trio) -> Tensor:
    """Add up the losses of a maker."""
    return torch.stack(list(trio.values())).sum()


def named(half: Half, name: str) -> Trio:
    """Name the losses of a task for the log."""
    prior = {f"{loss}_prior_{name}": value for loss, value in half.prior_trio.items()}
    return prior | {f"{loss}_image_{name}": value for loss, value in half.image_trio.items()}
