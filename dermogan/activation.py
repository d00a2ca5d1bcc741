"""What the last layer's filters look for: inputs that gradient ascent makes them answer most to.

After Mordvintsev, Olah & Tyka, "Inceptionism" (2015): from faint noise, every step moves the image
along the gradient of a filter's mean output, in steps of one size whatever the gradient's.

Decision: the gradient is blurred a little before each step. Without, single pixels of either sign
answer most, which a network makes much of and no image has.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dermogan.classmaps import class_map, colours
from dermogan.filters import FloatImage
from dermogan.model import Model
from dermogan.report import Picture, png
from simcell import stream

__all__ = ["maximised", "picture", "png"]

_GAP_PX = 4
_TEXT_PX = 22


def maximised(
    model: Model,
    sides: tuple[int, int],
    *,
    steps: int = 60,
    rate: float = 0.08,
    blur_px: float = 1.0,
    seed: int = 0,
    report: Callable[[float], None] | None = None,
) -> FloatImage:
    """Return the input that each filter of the last layer answers most to.

    Parameters
    ----------
    model : Model
        Of classes: its last layer has a filter for each.
    sides : tuple of int
        Of the inputs; rounded up to what the network takes.
    steps : int
        Of gradient ascent.
    rate : float
        Root mean square of a step; inputs lie in -1..1.
    blur_px : float
        Standard deviation of the gradients' blur.
    seed : int
    report : callable, optional
        Called with the share that is done.

    Returns
    -------
    float32 array (classes, y, x)
        In the grey values of normalised images.
    """
    height, width = (-(-side // model.multiple) * model.multiple for side in sides)
    found = np.empty((model.channels, height, width), np.float32)
    for channel, image in enumerate(found):
        rng = stream(seed, channel, "activation.noise")
        image[:] = 0.1 * rng.standard_normal(image.shape, dtype=np.float32)
        for step in range(steps):
            slope = cv2.GaussianBlur(_slope(model, image, channel), (0, 0), blur_px)
            image += rate * slope / (np.sqrt(np.mean(slope * slope)) + 1e-12)
            np.clip(image, -1, 1, out=image)
            if report:
                report((channel + (step + 1) / steps) / model.channels)
    return found


def _slope(model: Model, image: FloatImage, channel: int) -> FloatImage:
    """Return the gradient of a filter's mean output with respect to an image (y, x)."""
    given = torch.from_numpy(image.copy())[None, None].requires_grad_()
    answer = model.network(given)[0, channel].mean()
    (slope,) = torch.autograd.grad(answer, given)
    return np.asarray(slope[0, 0].numpy(), np.float32)


def picture(model: Model, images: FloatImage) -> Picture:
    """Draw inputs above what the model finds in them, under the names of the filters."""
    palette = np.concatenate([np.zeros((1, 3), np.uint8), colours(model.channels)])
    columns = []
    for name, image in zip(model.classes, images, strict=True):
        found = class_map(_AsItIs(model), model.classes, image).classes
        grey = np.rint(127.5 * (np.clip(image, -1, 1) + 1)).astype(np.uint8)
        title = np.full((_TEXT_PX, image.shape[1]), 255, np.uint8)
        cv2.putText(title, name, (4, _TEXT_PX - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0, 1)
        flat = [np.repeat(part[..., None], 3, axis=2) for part in (title, grey)]
        gap = np.full((_GAP_PX, image.shape[1], 3), 255, np.uint8)
        columns.append(np.vstack([*flat, gap, palette[found]]))
    between = np.full((columns[0].shape[0], _GAP_PX, 3), 255, np.uint8)
    parts: list[NDArray[np.uint8]] = [columns[0]]
    for column in columns[1:]:
        parts += [between, column]
    return np.hstack(parts)


class _AsItIs:
    """A model that takes images which are normalised already."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.output, self.channels = model.output, model.channels
        self.halo_px, self.multiple = model.halo_px, model.multiple
        self.diameter_px, self.ordered = None, model.ordered
        self.predict = model.predict

    def normalise(self, image: FloatImage) -> FloatImage:
        """Return the image as it is."""
        return image
