"""Fit images to what a model expects of them: its polarity and its size of pixels."""

from __future__ import annotations

from typing import Literal, NamedTuple

from dermogan.cards import Expects
from dermogan.errors import DermoganError


class Fit(NamedTuple):
    """What is done to images before they are segmented.

    Attributes
    ----------
    invert : bool
        Make bright what is dark.
    diameter_px : float, "auto" or None
        Diameter of a typical cell in the image, as `dermogan.segment.segment` takes it.
    """

    invert: bool
    diameter_px: float | Literal["auto"] | None


def fit(
    expects: Expects | None,
    *,
    polarity: Literal["bright", "dark"] | None = None,
    spacing_um: float | None = None,
    diameter: float | Literal["auto", "any"] | None = None,
) -> Fit:
    """Return how images of this polarity and size are brought to those of the training.

    The size of a pixel says how large the model's cells are in the image: it is magnified as
    if that diameter had been given.

    Parameters
    ----------
    expects : Expects or None
        Of the model; None where it does not say.
    polarity : {"bright", "dark"}, optional
        Of the membranes of the images, or of the cells, where the model shows these.
    spacing_um : float, optional
        Size of a pixel of the images.
    diameter : float, "auto" or "any", optional
        Diameter of a typical cell in the images; "auto": estimated, "any": not asked for.
        Default: estimated by models that are made for it.

    Examples
    --------
    >>> fit(Expects(polarity="bright", diameter_px=40, spacing_um=0.5), polarity="dark")
    Fit(invert=True, diameter_px=None)
    >>> fit(Expects(diameter_px=40, spacing_um=0.5), spacing_um=1.0)
    Fit(invert=False, diameter_px=20.0)
    >>> fit(Expects(diameter_px=40, size="estimated"))
    Fit(invert=False, diameter_px='auto')
    """
    invert = False
    if polarity is not None:
        if expects is None:
            msg = f"--polarity {polarity}: the model does not say what it was taught"
            raise DermoganError(f"{msg}; pack it with --polarity, or leave this out")
        invert = expects.polarity not in {polarity, "either"}
    if spacing_um is None:
        if diameter is None and expects is not None and expects.size == "estimated":
            diameter = "auto"
        return Fit(invert, None if diameter == "any" else diameter)
    if diameter is not None:
        msg = f"--spacing-um {spacing_um:g}: --diameter says already how large cells are"
        raise DermoganError(f"{msg}; give one of them")
    if not 0 < spacing_um < float("inf"):
        msg = f"--spacing-um {spacing_um:g}: must be above 0 µm; 0.5 is usual"
        raise DermoganError(msg)
    if expects is None or expects.spacing_um is None or expects.diameter_px is None:
        msg = f"--spacing-um {spacing_um:g}: the model has no size of pixels of its own"
        raise DermoganError(f"{msg}; give --diameter, that of a cell in px")
    return Fit(invert, expects.diameter_px * expects.spacing_um / spacing_um)
