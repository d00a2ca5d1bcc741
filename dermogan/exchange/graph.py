"""All of a model up to the probability as one torch module: grey levels in, probability out.

Decision: mirrored places are looked up (gather) and not padded. Padding cannot mirror more than
once, which small images need, and exporters turn its widths into constants.
"""

from __future__ import annotations

import copy
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dermogan.domains import Canny, Gabor, Sato
from dermogan.errors import DermoganError
from dermogan.filters import Normaliser, gabor_kernel
from dermogan.model import Model

_TINY = 1e-12


def halo_px(model: Model) -> int:
    """Return the rim of the probability that depends on what lies beyond: a multiple."""
    return _up(Normaliser.of(model.recipe.data).reach_px + model.halo_px, model.multiple)


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


class Whole(nn.Module):
    """A model with what comes before its network, and after it.

    Parameters
    ----------
    model : Model
    """

    taps: Tensor
    kernels: Tensor

    def __init__(self, model: Model) -> None:
        super().__init__()
        network = copy.deepcopy(model.network)
        self.network = network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        normaliser = Normaliser.of(model.recipe.data)
        self.floor = normaliser.floor
        self.multiple = model.multiple
        self.halo = _up(model.halo_px, model.multiple)
        self.register_buffer("taps", torch.from_numpy(_gaussian(normaliser)))
        kernels = _kernels(model)
        self.filtered = kernels is not None
        self.register_buffer("kernels", torch.from_numpy(kernels) if self.filtered else None)

    def forward(self, image: Tensor) -> Tensor:
        """Map grey levels (n, 1, y, x) to probabilities (n, 1, y, x); any size will do."""
        height, width = image.shape[2:]
        x = self._normalised(image)
        if self.filtered:
            x = self._responses(x)
        for side in (2, 3):
            x = _mirrored(x, side, self.halo, self.halo + (-x.shape[side]) % self.multiple)
        found = torch.sigmoid(self.network(x))
        return found[:, :, self.halo : self.halo + height, self.halo : self.halo + width]

    def _normalised(self, image: Tensor) -> Tensor:
        """Do what `dermogan.filters.local_normalise` does."""
        centred = image - image.mean((2, 3), keepdim=True)
        whole = centred.square().mean((2, 3), keepdim=True)
        mean = self._blurred(centred)
        variance = (self._blurred(centred.square()) - mean.square()).clamp(min=0)
        scale = 3 * torch.sqrt(variance + self.floor**2 * whole) + _TINY
        return ((centred - mean) / scale).clamp(-1, 1)

    def _blurred(self, x: Tensor) -> Tensor:
        half = len(self.taps) // 2
        x = functional.conv2d(_doubled(x, 2, half), self.taps[None, None, :, None])
        return functional.conv2d(_doubled(x, 3, half), self.taps[None, None, None, :])

    def _responses(self, x: Tensor) -> Tensor:
        """Do what `dermogan.filters.apply` does with Gabor filters."""
        half = self.kernels.shape[-1] // 2
        x = _doubled(_doubled(x, 2, half), 3, half)
        best = functional.conv2d(x, self.kernels).amax(1, keepdim=True)
        strength = 3 * torch.sqrt(best.square().mean((2, 3), keepdim=True)) + _TINY
        return (best / strength).clamp(-1, 1)


def _gaussian(normaliser: Normaliser) -> NDArray[np.float32]:
    half = normaliser.reach_px
    taps = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * normaliser.sigma_px**2))
    return np.asarray(taps / taps.sum(), np.float32)


def _kernels(model: Model) -> NDArray[np.float32] | None:
    """Return the bank (n, 1, y, x) of the filter that the network was taught behind, if any."""
    spec = model.recipe.data.filter
    if getattr(model.recipe.system, "task", "image") != "filter" or spec is None:
        return None
    match spec:
        case Gabor():
            angles = [np.pi * k / spec.orientations for k in range(spec.orientations)]
            bank = [gabor_kernel(spec.wavelength_px, angle, spec.bandwidth) for angle in angles]
            sign = np.float32(1 if spec.polarity == "bright" else -1)
            return sign * np.stack(bank)[:, None]
        case Sato() | Canny():
            msg = f"recipe {model.recipe.name}: its filter {spec.kind} has no form in ONNX"
            raise DermoganError(f"{msg}; export a model that sees the image, or Gabor filters")
        case _:
            assert_never(spec)


def _places(x: Tensor, side: int, before: int, after: int) -> Tensor:
    return torch.arange(-before, x.shape[side] + after, device=x.device)


def _mirrored(x: Tensor, side: int, before: int, after: int) -> Tensor:
    """Mirror at the last pixels, which are not repeated, as tiles do; see `dermogan.tiles`."""
    length = x.shape[side]
    period = torch.full((), 2 * (length - 1), dtype=torch.int64).clamp(min=1)
    inside = torch.remainder(_places(x, side, before, after), period)
    return x.index_select(side, torch.where(inside < length, inside, period - inside))


def _doubled(x: Tensor, side: int, width: int) -> Tensor:
    """Mirror at the border, the last pixels repeated, as OpenCV's BORDER_REFLECT does."""
    length = x.shape[side]
    period = torch.full((), 2 * length, dtype=torch.int64)
    inside = torch.remainder(_places(x, side, width, width), period)
    return x.index_select(side, torch.where(inside < length, inside, period - 1 - inside))
