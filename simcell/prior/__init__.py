"""Domain B: labels as perfect imaging would show them."""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import Image, IntArray
from simcell.fields import distance_to_zero
from simcell.scene.prior import (
    BoundaryInterior,
    Channels,
    Classes,
    Distance,
    Filled,
    Membrane,
    PriorSpec,
)

__all__ = ["of_classes", "render"]

_CLASS_GREYS = np.array([0, 128, 255], np.uint8)


def render(
    spec: PriorSpec, labels: IntArray, distance_um: Image, spacing_um: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Draw the prior of a label image.

    Parameters
    ----------
    spec : PriorSpec
    labels : IntArray
        Label image (y, x), 0 = background.
    distance_um : Image
        Distance of every pixel to the nearest border, ``fields.border_distance`` in µm.
    spacing_um : float
        Size of a pixel in µm.

    Returns
    -------
    prior : uint8 array
    classes : uint8 array or None
        Semantic classes, for the kinds that have any.

    Examples
    --------
    >>> import numpy as np
    >>> from simcell.fields import border_distance
    >>> labels = np.repeat(np.array([[1, 2]], np.int32), 4, axis=1).repeat(8, axis=0)
    >>> prior, _ = render(Membrane(thickness_um=1.0), labels, border_distance(labels) * 0.5, 0.5)
    >>> prior[0].tolist()
    [0, 0, 0, 255, 255, 0, 0, 0]
    """
    match spec:
        case Membrane():
            return _lines(labels, distance_um, spec.thickness_um, spacing_um).view(
                np.uint8
            ) * 255, None
        case Filled():
            filled = labels > 0
            if spec.gap_um > 0:
                filled &= ~_lines(labels, distance_um, spec.gap_um, spacing_um)
            return filled.view(np.uint8) * np.uint8(255), None
        case BoundaryInterior():
            lines = _lines(labels, distance_um, spec.thickness_um, spacing_um)
            classes = (labels > 0).view(np.uint8) + (lines & (labels > 0))
            return _CLASS_GREYS[classes], classes
        case Distance():
            return _relative_depth(labels, distance_um), None
        case Channels() | Classes():
            msg = f"a prior of kind {spec.kind!r} is drawn by of_classes, from classes"
            raise AssertionError(msg)
        case _:
            assert_never(spec)


def of_classes(spec: Channels | Classes, classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw the prior of a class map.

    Parameters
    ----------
    spec : Channels or Classes
    classes : uint8 array
        Class of every pixel, (z,) y, x.

    Returns
    -------
    uint8 array
        Of the same shape; for ``channels`` with one axis more, in front.

    Examples
    --------
    >>> import numpy as np
    >>> classes = np.array([[0, 1, 2]], np.uint8)
    >>> of_classes(Channels(), classes).tolist(), of_classes(Classes(classes=2), classes).tolist()
    ([[[0, 255, 0]], [[0, 0, 255]]], [[0, 128, 255]])
    """
    if isinstance(spec, Channels):
        drawn = np.empty((spec.classes, *classes.shape), np.uint8)
        for number, channel in enumerate(drawn, 1):
            np.equal(classes, number, out=channel.view(np.bool_))
            np.negative(channel, out=channel)
        return drawn
    steps = np.minimum(np.arange(256) / spec.classes, 1.0)
    return np.asarray(np.rint(255 * steps).astype(np.uint8)[classes])


def _lines(
    labels: IntArray, distance_um: Image, thickness_um: float, spacing_um: float
) -> NDArray[np.bool_]:
    """Mark lines of the thickness, rounded to whole pixels, along every border.

    An even number of pixels lies half on either side of a border, an odd one has
    its middle pixel on the lower or right side.
    """
    pixels = max(1, round(thickness_um / spacing_um))
    slack = np.float32(1e-3)  # distances are float32 and must not break ties
    if pixels % 2 == 0:
        return np.asarray(distance_um / np.float32(spacing_um) <= 0.5 * pixels + slack)
    thin = np.ones(labels.shape, np.uint8)
    thin[1:][labels[1:] != labels[:-1]] = 0
    thin[:, 1:][labels[:, 1:] != labels[:, :-1]] = 0
    if thin.all():
        return np.zeros(labels.shape, np.bool_)
    return np.asarray(distance_to_zero(thin) <= 0.5 * (pixels - 1) + slack)


def _relative_depth(labels: IntArray, distance_um: Image) -> NDArray[np.uint8]:
    deepest = np.zeros(int(labels.max(initial=0)) + 1, np.float32)
    np.maximum.at(deepest, labels.ravel(), distance_um.ravel())
    deepest[0] = np.inf
    levels: NDArray[np.uint8] = np.rint(distance_um / deepest[labels] * 255).astype(np.uint8)
    return levels
