"""StarDist models in one file: weights in half precision, and in the header what StarDist needs.

Decision: weights are kept in the order in which Keras names them, and given to a network that
the library builds from its own configuration. What lies on disk depends on no version of Keras,
and is half as large; the library's own class does everything else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dermogan import cards
from dermogan.cards import Header, read_header
from dermogan.errors import DermoganError, need
from dermogan.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = "dermogan stars 1"
NAME = "stardist"
"""Of the model that is shipped."""

Weights = list[NDArray[np.float32]]


def shipped_stars() -> Path:
    """Return the file of the shipped model.

    It lies apart from those that are found by name: it splits maps, and sees no image.
    """
    return cards.SHIPPED / "stars" / f"{NAME}{cards.SUFFIX}"


def star_file(name: str) -> Path | None:
    """Return the file of a model by its name or path; None if it is none of this kind."""
    if name == NAME:
        return shipped_stars()
    path = Path(name)
    return path if path.suffix == cards.SUFFIX and path.is_file() else None


def star_header(path: Path) -> Header:
    """Read what a file says of itself: its card has ``config, thresholds, diameter_px``."""
    header = read_header(path, FORMAT)
    lacking = {"config", "thresholds", "diameter_px"} - header.card.keys()
    if lacking:
        msg = f"{path}: its card has no {', '.join(sorted(lacking))}; train it again"
        raise DermoganError(msg)
    return header


def write_stars(
    path: Path, weights: Sequence[NDArray[np.float32]], card: dict[str, Any], recipe: str
) -> None:
    """Write a model.

    Parameters
    ----------
    path : Path
    weights : sequence of array
        As Keras gives them.
    card : dict
        Facts, with ``config`` and ``thresholds`` of StarDist, and ``diameter_px``.
    recipe : str
        In YAML: what makes it again.
    """
    with np.errstate(over="ignore"):  # what has become infinite is named below
        arrays = {f"{k:03d}": np.asarray(each, np.float16) for k, each in enumerate(weights)}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            msg = f"{path}: array {name} of the weights is not finite in half precision"
            raise DermoganError(f"{msg}; train with another --seed, or fewer --steps")
    about = {"format": FORMAT, "recipe": recipe, "card": json.dumps(card)}
    write_whole(path, need("safetensors.numpy").save(arrays, about))


def read_stars(path: Path) -> tuple[Header, Weights]:
    """Read a model: what it says of itself, and its weights in single precision."""
    header = star_header(path)
    try:
        arrays = need("safetensors.numpy").load_file(path)
    except Exception as error:  # of a library that raises what it likes
        msg = f"{path}: weights cannot be read ({' '.join(str(error).split())[:80]})"
        raise DermoganError(f"{msg}; train it again") from None
    return header, [arrays[name].astype(np.float32) for name in sorted(arrays)]
