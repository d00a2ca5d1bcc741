"""Features of a fixed network, which compare images better than their grey values do.

Decision: the papers take VGG trained on ImageNet. Its weights are half a gigabyte that many do
not have, so unless a file of them is named, features come from a model of ours, trained on
images of simcell alone. By default that is the shipped ``confluent``.

References
----------
Johnson, Alahi & Fei-Fei, ECCV 2016; Simonyan & Zisserman, ICLR 2015 (VGG).
"""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dermogan.errors import DermoganError
from dermogan.losses import mae
from dermogan.model import load_model
from dermogan.networks import UNetGenerator

_WIDTHS = (64, 128, 256, 512, 512)
_SIZES = {"VGG16": (2, 2, 3, 3, 3), "VGG19": (2, 2, 4, 4, 4)}
_LEVELS = 4  # of VGG and of ours; deeper ones say what is shown, not what it looks like
_MEAN, _SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class Features(nn.Module, ABC):
    """A network that is not trained, from images in -1..1 to features of several sizes.

    Attributes
    ----------
    said : str
        What it is, in words.
    """

    said: str

    @abstractmethod
    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of x (n, 1, y, x), fine to coarse."""


class Vgg(Features):
    """VGG up to the last convolution before each of its first four halvings.

    Parameters
    ----------
    weights : dict of str to Tensor
        As torchvision has them: ``features.0.weight`` ...; those of the classifier are left out.
    name : {"VGG16", "VGG19"}
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, weights: dict[str, Tensor], name: str) -> None:
        super().__init__()
        self.said = f"{name}, trained on photographs"
        self.blocks, at, channels = nn.ModuleList(), 0, 3
        for width, count in list(zip(_WIDTHS, _SIZES[name], strict=True))[:_LEVELS]:
            parts: list[nn.Module] = []
            for _ in range(count):
                one = nn.Conv2d(channels, width, 3, padding=1)
                one.load_state_dict({k: weights[f"features.{at}.{k}"] for k in ("weight", "bias")})
                parts += [one, nn.ReLU()]
                channels, at = width, at + 2
            self.blocks.append(nn.Sequential(*parts))
            at += 1  # the halving
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])
        self.register_buffer("sd", torch.tensor(_SD)[:, None, None])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of x (n, 1, y, x), fine to coarse."""
        x = ((x + 1) / 2 - self.mean) / self.sd
        return _through(x, self.blocks)


class Own(Features):
    """The way down of a U-Net that segments.

    Parameters
    ----------
    name : str
        Of a model, or its path.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        network = load_model(name).network
        if not isinstance(network, UNetGenerator):
            msg = f"system.perceptual = {name}: is no model of one U-Net; try confluent"
            raise DermoganError(msg)
        self.said = f"the model {name}, trained on simulated images"
        self.blocks = nn.ModuleList(list(network.down)[:_LEVELS])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of x (n, 1, y, x), fine to coarse."""
        return _through(x, self.blocks)


def _through(x: Tensor, blocks: nn.ModuleList) -> list[Tensor]:
    found: list[Tensor] = []
    for level, block in enumerate(blocks):
        x = block(functional.max_pool2d(x, 2) if level else x)
        found.append(x)
    return found


def difference(made: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Return the mean absolute difference of features, a mean over their sizes.

    Examples
    --------
    >>> difference([torch.ones(1), torch.zeros(2)], [torch.zeros(1), torch.zeros(2)]).item()
    0.5
    """
    return torch.stack([mae(a, b) for a, b in zip(made, real, strict=True)]).mean()


def features(name: str) -> Features:
    """Load what is named: VGG weights of torchvision (``.pth``), or a model of dermogan."""
    found = _vgg(Path(name)) if name.endswith((".pth", ".pt")) else Own(name)
    return found.eval().requires_grad_(False)


def _vgg(path: Path) -> Vgg:
    try:
        weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        name = "VGG19" if "features.34.weight" in weights else "VGG16"
        return Vgg(weights, name)
    except OSError as error:
        why = error.strerror or str(error)
    except (RuntimeError, pickle.UnpicklingError, KeyError, TypeError, AttributeError) as error:
        why = f"not the weights of VGG16 or VGG19 as torchvision has them ({error})"
    msg = f"{path}: {' '.join(why.split())}; name another file, or leave it out"
    raise DermoganError(msg)
