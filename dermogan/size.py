"""How large the cells of an image are, by asking a model that knows cells of one size.

Decision: the model looks at the middle of the image at several magnifications, and is believed
where it is surest. Magnified far too much, membranes become edges of something large and the
model is sure that there are none: looks at which next to nothing is membrane do not count. Of
looks that are about as sure, the one from farthest away wins: texture looks like small cells from
near, and cells never look like texture from afar.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dermogan.refine import evidence, typical_diameter
from dermogan.tiles import Map, Predictor, mirrored
from simcell import SimcellError

_LOOK_PX = 256  # side of what the model is shown
_LEAST_PX = 48
_MAGNIFICATIONS = tuple(2.0 ** (k / 2) for k in range(-5, 4))
_ABOUT = 0.01  # a difference of sureness that says nothing
_SHARES = (0.12, 0.32)  # of pixels between cells, in looks that count
_DIAMETERS = (6.0, 75.0)  # px of the image, for looks that count
_ROUND = 0.85  # diameter of the circle inside a cell, over that of a disc of the cell's area


@dataclass(frozen=True)
class Look:
    """What a model makes of an image at one magnification.

    Attributes
    ----------
    magnification : float
    diameter_px : float
        Of a typical cell, in pixels of the image as it is.
    sureness : float
        Mean of |2 p - 1|: 0 = no idea, 1 = certain.
    between : float
        Share of the pixels that lie between cells.
    """

    magnification: float
    diameter_px: float
    sureness: float
    between: float


def looks(predictor: Predictor, image: Map) -> list[Look]:
    """Look at the middle of an image (y, x) at all magnifications that fit."""
    found = []
    for magnification in _MAGNIFICATIONS:
        window = round(_LOOK_PX / magnification)
        corner = [max(0, (side - window) // 2) for side in image.shape]
        middle = image[tuple(slice(c, c + window) for c in corner)]
        shape = tuple(round(side * magnification) for side in middle.shape)
        if min(shape) >= _LEAST_PX:
            found.append(_look(predictor, middle, shape, magnification))
    return found


def _look(predictor: Predictor, middle: Map, shape: tuple[int, ...], magnification: float) -> Look:
    how = cv2.INTER_AREA if magnification < 1 else cv2.INTER_LINEAR
    seen = np.asarray(cv2.resize(middle, (shape[1], shape[0]), interpolation=how), np.float32)
    normal = predictor.normalise(seen)
    picked = [mirrored(np.arange(n + -n % predictor.multiple), n) for n in shape]
    made = np.asarray(predictor.predict(np.ascontiguousarray(normal[np.ix_(*picked)])[None, None]))
    inside = evidence(made[0, :, : shape[0], : shape[1]], predictor.output)[0]
    mask = inside >= 0.5
    diameter = typical_diameter(mask, shared=predictor.output == "membrane") / _ROUND
    return Look(
        magnification,
        diameter / magnification,
        float(np.abs(2 * inside - 1).mean()),
        float(1 - mask.mean()),
    )


def estimate_diameter(predictor: Predictor, image: Map) -> float:
    """Return the diameter of a typical cell of an image (y, x) of tissue, in pixels."""
    if predictor.output != "membrane":
        msg = (
            "the size of cells can be estimated by models of membranes alone, this one is of "
            f"output {predictor.output!r}; give --diameter in px, or leave it out"
        )
        raise SimcellError(msg)
    count = [
        look
        for look in looks(predictor, image)
        if _SHARES[0] <= look.between <= _SHARES[1]
        and _DIAMETERS[0] <= look.diameter_px <= _DIAMETERS[1]
    ]
    if not count:
        msg = "no cells found at any magnification, so that their size is unknown; give --diameter"
        raise SimcellError(msg)
    surest = max(look.sureness for look in count)
    return next(look for look in count if look.sureness >= surest - _ABOUT).diameter_px
