"""What the papers report of their own systems, on images of their own.

Decision: these figures stand beside ours to show the order of the papers' methods and how large
differences between them are. They are of other images, mostly real ones, and no bar to pass.
"""

from __future__ import annotations

from math import isnan
from typing import NamedTuple


class Score(NamedTuple):
    """Values of one kind, such as the sensitivities of all classes.

    Attributes
    ----------
    name : str
    values : tuple of float
    spread : float or None
        Of the value, where there is one.
    digits : int
        Decimals that are shown.
    """

    name: str
    values: tuple[float, ...]
    spread: float | None = None
    digits: int = 3

    def __str__(self) -> str:
        """Return the values in words."""
        shown = " / ".join("–" if isnan(v) else f"{v:.{self.digits}f}" for v in self.values)
        spread = "" if self.spread is None else f" ± {self.spread:.{self.digits}f}"
        return f"{self.name}: {shown}{spread}"


def _skin(f1: float) -> tuple[Score, ...]:
    """Return F1 on nine real images of skin, where any overlap counts as found."""
    return (Score("d-accuracy F1", (f1,)),)


def _volumes(nuclei: float, golgi: float) -> tuple[Score, ...]:
    return (Score("Dice of nuclei / golgi", (nuclei, golgi)),)


PUBLISHED: dict[str, tuple[Score, ...]] = {
    "dermogan + StarDist": _skin(0.69),
    "unet-efficientnet": _skin(0.479),
    "cyclegan-image": _skin(0.416),
    "cyclegan-filter": _skin(0.304),
    "stardist-gabor": _skin(0.389),
    "fiap": _skin(0.651),
    "cellpose": _skin(0.350),
    "dermogan-cellpose": _skin(0.624),
    "unet-3d": _volumes(0.776, 0.683),
    "vox2vox": _volumes(0.795, 0.599),
    "cyclegan-3d": _volumes(0.781, 0.677),
    "cgan-seg": (Score("F1 of five sets of images, least / most", (0.52, 0.98), digits=2),),
}
"""By the name of the recipe, or of the method; those of models split by StarDist by both."""
