"""A segmenter of few annotated images, taught by a maker of images too.

After Zargari et al., iScience 27, 109740 (2024). Their equations 6 to 17 are the losses here:
both networks should fool a discriminator, bring each other's results back, and do what was
annotated.

Decision: their program thresholds masks before they are judged and made images of again, which
leaves the segmenter no gradient of either loss (``masks: cut``). Equations have no threshold, and
``soft`` masks are probabilities; in their greys the segmenter then hides what the maker of images
needs to bring an image back. ``straight`` masks are thresholded and have the gradient of
probabilities: nothing can hide, and the segmenter learns from both losses.

Decision: the segmenter's average statistics are those of real images alone, as it will meet no
others.

Decision: masks that have no image (``data.priors``: denser ones, say) teach as those that have
one do, but for the identity losses.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dermogan.losses import cross_entropy, dice, lsgan_discriminator, lsgan_generator, mae
from dermogan.networks import generator, unremembered
from dermogan.networks.attention import attentive
from dermogan.networks.style import StyleUNetMaker
from dermogan.perceptual import Features, difference, features
from dermogan.recipe import CganSeg
from dermogan.systems.base import Outcome, Patches, System
from dermogan.systems.diffaug import differentiable


class CganSegSystem(System):
    """A segmenter, a maker of images, and a discriminator of each."""

    def __init__(self, spec: CganSeg) -> None:
        super().__init__()
        self.spec = spec
        self.segmenter = generator(spec.network)
        self.maker = StyleUNetMaker(spec.maker.base, spec.maker.depth, spec.maker.style)
        shape = (spec.discriminator.base, spec.discriminator.layers, spec.heads, spec.head_width)
        self.judge_image, self.judge_mask = attentive(*shape), attentive(*shape)
        # In a tuple, so that checkpoints do not hold it.
        self._features: tuple[Features, ...] = ()
        if spec.perceptual is not None:
            self._features = (features(spec.perceptual),)

    def makers(self) -> list[nn.Module]:
        """Return the segmenter and the maker of images."""
        return [self.segmenter, self.maker]

    def judges(self) -> list[nn.Module]:
        """Return both discriminators."""
        return [self.judge_image, self.judge_mask]

    @property
    def product(self) -> nn.Module:
        """The segmenter."""
        return self.segmenter

    def seen_by_product(self, patches: Patches) -> Tensor:
        """Return the annotated images."""
        seen: Tensor = patches.pair_images
        return seen

    def notes(self) -> list[str]:
        """Say what compares images."""
        said = self._features[0].said if self._features else "their grey values alone"
        return [f"made images are compared with real ones by {said}"]

    def image(self, mask: Tensor, noise: Tensor, style: int = 0) -> Tensor:
        """Make images of masks; ``style`` numbers the styles that one batch of noise gives."""
        count = self.spec.maker.style
        random = noise[:, 0].flatten(1)[:, style * count : (style + 1) * count]
        made: Tensor = self.maker(mask, random, noise[:, 1:])
        return made.float()

    def maker_losses(self, patches: Patches) -> Outcome:
        """Add up what the segmenter and the maker of images lose: equations 6 to 11, and 16."""
        image, mask, noise = patches.pair_images, patches.pair_priors, patches.noise
        masks, count = mask, len(mask)
        if patches.priors is not None:
            masks, noise = torch.cat([mask, patches.priors]), torch.cat([noise, noise.flip(-1)])
        logits = self.segmenter(image).float()
        found = self._mask(torch.sigmoid(logits))
        made = self.image(masks, noise)
        again = self.image(found, noise[:count], 1)
        with unremembered(self.segmenter):
            back = self.segmenter(made).float()
        seen = differentiable(made, patches, self.spec.differentiable, "maker")
        real = self._seen(image)
        parts = {
            "adversarial_image": lsgan_generator(self.judge_image(seen).float()),
            "adversarial_mask": lsgan_generator(self.judge_mask(found).float()),
            "reconstruction_image": self._apart(again, image, real),
            "reconstruction_mask": _lost(back, masks),
            "identity_image": self._apart(made[:count], image, real),
            "identity_mask": _lost(logits, mask),
        }
        total = torch.stack([self._weight(name) * part for name, part in parts.items()]).sum()
        pictures = {"mask": found, "image": made[:count], "again": again}
        if patches.priors is not None:
            pictures |= {"more_masks": patches.priors, "more_images": made[count:]}
        return Outcome(total, parts, {name: one.detach() for name, one in pictures.items()})

    def _mask(self, probability: Tensor) -> Tensor:
        """Return the masks that are judged and made images of again."""
        if self.spec.masks == "soft":
            return probability
        sure = (probability > 0.5).float()
        return sure if self.spec.masks == "cut" else sure + probability - probability.detach()

    def _weight(self, name: str) -> float:
        found: float = getattr(self.spec.weights, name.partition("_")[0])
        return found

    def _seen(self, image: Tensor) -> list[Tensor]:
        """Return the features of images; none, if nothing but grey values counts."""
        return [found for net in self._features for found in net.to(image.device)(image)]

    def _apart(self, made: Tensor, image: Tensor, real: list[Tensor]) -> Tensor:
        """Return how far images are from real ones, whose features are known."""
        lost = self.spec.weights.grey * mae(made, image)
        return lost + difference(self._seen(made), real) if real else lost

    def judge_losses(self, patches: Patches, made: dict[str, Tensor]) -> Outcome:
        """Add up what both discriminators lose: equations 12 to 15, and 17."""
        images = [made[name] for name in ("image", "more_images") if name in made]
        share, real = self.spec.differentiable, patches.pair_images
        seen, others = (
            differentiable(some, patches, share, "judge") for some in (real, torch.cat(images))
        )
        parts = {
            "judge_image": lsgan_discriminator(
                self.judge_image(seen).float(), self.judge_image(others).float()
            ),
            "judge_mask": lsgan_discriminator(
                self.judge_mask(patches.pair_priors).float(), self.judge_mask(made["mask"]).float()
            ),
        }
        return Outcome(parts["judge_image"] + parts["judge_mask"], parts)


def _lost(logits: Tensor, mask: Tensor) -> Tensor:
    """Return cross-entropy and Dice of two classes: cells, and all else."""
    return cross_entropy(logits, mask) + dice(torch.sigmoid(logits), mask)
