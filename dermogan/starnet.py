"""StarDist's network in torch, so that our own StarDist model needs no TensorFlow.

Decision: what makes StarDist StarDist, its choice among overlapping stars and its drawing of
them, stays the library's own code. Only the small U-Net before it is run here: TensorFlow's
start alone costs more than segmenting a megapixel. A test holds both networks against each other
where TensorFlow is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as nf

Weights = list[NDArray[np.float32]]
Stars = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]
"""Centres (n, 2) in pixels, how sure they are (n), distances to the outline (n, rays)."""

_TILE_PX = 1024
_BORDER = 2
_LEAST = 1e-3
"""Of a distance, as in the library."""


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[range, range]]:
    parts = [
        [range(k, min(k + _TILE_PX, side)) for k in range(0, side, _TILE_PX)] for side in shape
    ]
    yield from product(*parts)


class StarNet:
    """The U-Net of a StarDist configuration: one channel in, a probability and distances out.

    Parameters
    ----------
    config : dict
        Of ``stardist.models.Config2D``; plain U-Nets with rectified convolutions.
    weights : list of array
        Kernels (y, x, in, out) and biases in turn, in the order in which Keras names them.
    """

    def __init__(self, config: dict[str, Any], weights: Weights) -> None:
        self._levels = int(config["unet_n_depth"])
        self._convolutions = int(config["unet_n_conv_per_depth"])
        self.grid = int(config["grid"][0])
        self.multiple = self.grid * 2**self._levels
        kernels = [torch.from_numpy(w.transpose(3, 2, 0, 1).copy()) for w in weights[::2]]
        self._layers = list(zip(kernels, map(torch.from_numpy, weights[1::2]), strict=True))
        self._check(config)

    def _check(self, config: dict[str, Any]) -> None:
        plain = {
            "unet_activation": "relu",
            "unet_last_activation": "relu",
            "unet_batch_norm": False,
        }
        other = [key for key, value in plain.items() if config.get(key, value) != value]
        steps = self.grid.bit_length() - 1
        convolutions = self._convolutions * (steps + 2 * self._levels + 1)
        count = convolutions + bool(config["net_conv_after_unet"]) + 2
        if other or len(self._layers) != count or config["grid"] != [self.grid, self.grid]:
            what = ", ".join(other) or f"{len(self._layers)} layers where {count} are expected"
            msg = f"config: not one of the networks that train-stardist makes ({what})"
            raise ValueError(msg)

    @property
    def reach(self) -> int:
        """Pixels that a star depends on, in each direction: a bound, in whole cells of the net."""
        # At the bottom convolutions see one multiple each, at each level above half as much, twice.
        return 4 * self._convolutions * self.multiple

    @torch.inference_mode()
    def stars(self, picture: NDArray[np.float32], threshold: float) -> Stars:
        """Return the stars of a picture (y, x) that are surer than a threshold.

        As in the library, the outermost two of the network's pixels have none.
        """
        sides = [(0, -side % self.multiple) for side in picture.shape]
        padded = np.pad(picture, sides, mode="reflect" if min(picture.shape) > 1 else "edge")
        found = [self._tile(padded, rows, cols, threshold) for rows, cols in _tiles(padded.shape)]
        points, sure, dist = (np.concatenate(each) for each in zip(*found, strict=True))
        edge = np.array(padded.shape) - _BORDER * self.grid
        kept = ((points >= _BORDER * self.grid) & (points < edge)).all(1)
        kept &= (points < picture.shape).all(1)
        return points[kept], sure[kept], dist[kept]

    def _tile(
        self, padded: NDArray[np.float32], rows: range, cols: range, threshold: float
    ) -> Stars:
        sides = zip((rows, cols), padded.shape, strict=True)
        seen = [(max(r.start - self.reach, 0), min(r.stop + self.reach, n)) for r, n in sides]
        out = self._run(padded[slice(*seen[0]), slice(*seen[1])])
        inner = [
            slice((r.start - f) // self.grid, (r.stop - f) // self.grid)
            for r, (f, _) in zip((rows, cols), seen, strict=True)
        ]
        out = out[inner[0], inner[1]]
        where = out[..., 0] > threshold
        points = np.argwhere(where) * self.grid + (rows.start, cols.start)
        return points, out[where, 0], np.maximum(out[where, 1:], _LEAST)

    def _run(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        layers = iter(self._layers)

        def convolve(x: torch.Tensor, times: int = self._convolutions) -> torch.Tensor:
            for _ in range(times):
                kernel, bias = next(layers)
                x = nf.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2).relu_()
            return x

        x = torch.from_numpy(np.ascontiguousarray(picture, np.float32))[None, None]
        for _ in range(self.grid.bit_length() - 1):
            x = nf.max_pool2d(convolve(x), 2)
        skipped = []
        for _ in range(self._levels):
            skipped.append(convolve(x))
            x = nf.max_pool2d(skipped[-1], 2)
        x = convolve(x)
        for level in reversed(skipped):
            x = convolve(torch.cat([nf.interpolate(x, scale_factor=2.0), level], 1))
        x = convolve(x, len(self._layers) - 2 - self._used)
        (prob, prob_bias), (dist, dist_bias) = self._layers[-2:]
        heads = [nf.conv2d(x, prob, prob_bias).sigmoid_(), nf.conv2d(x, dist, dist_bias)]
        return torch.cat(heads, 1)[0].permute(1, 2, 0).numpy()

    @property
    def _used(self) -> int:
        """Convolutions of the U-Net itself."""
        return self._convolutions * (self.grid.bit_length() - 1 + 2 * self._levels + 1)
