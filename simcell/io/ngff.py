"""The metadata of OME-Zarr 0.5: where pixels lie, how to show them, what labels mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from colorsys import hsv_to_rgb
from math import isfinite
from operator import sub
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simcell.io.pyramid import Level

Json: TypeAlias = dict[str, Any]

MOST_LABELS = 10_000
"""Labels whose rows and colours are put into the metadata; objects.csv has all."""

_COUNTED = 2**20
_GOLDEN = 0.618034
_COLOURS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")


def multiscales(
    title: str,
    pyramid: list[Level],
    kind: str,
    channels: int = 0,
    *,
    measured: bool = True,
    centred: bool = False,
) -> Json:
    """Return the axes of an image and where each of its levels lies in space.

    Parameters
    ----------
    title : str
        Name of the image.
    pyramid : list of Level
        The finest first; level ``i`` is the array ``"i"``.
    kind : str
        How a level was made from the one below it.
    channels : int
        Length of a channel axis in front, 0 = there is none.
    measured : bool
        False where nobody knows how large a pixel is: then a pixel is 1, without a unit.
    centred : bool
        The origin is the centre of the first pixel of the finest level, not its corner.

    Examples
    --------
    >>> [image] = multiscales("a", [Level((8, 8), (0.5, 0.5), (1, 1))], "mean")["multiscales"]
    >>> [step[step["type"]] for step in image["datasets"][0]["coordinateTransformations"]]
    [[0.5, 0.5], [0.25, 0.25]]
    """
    names = "zyx"[-len(pyramid[0].shape) :]
    unit = {"unit": "micrometer"} if measured else {}
    axes: list[Json] = [{"name": a, "type": "space", **unit} for a in names]
    one, zero = ([1.0], [0.0]) if channels else ([], [])
    if channels:
        axes.insert(0, {"name": "c", "type": "channel"})
    shift = pyramid[0].first_um if centred else (0.0,) * len(names)
    datasets = [
        {
            "path": str(number),
            "coordinateTransformations": [
                {"type": "scale", "scale": [*one, *level.spacing_um]},
                {
                    "type": "translation",
                    "translation": [*zero, *map(sub, level.first_um, shift)],
                },
            ],
        }
        for number, level in enumerate(pyramid)
    ]
    image = {"name": title, "type": kind, "axes": axes, "datasets": datasets}
    return {"multiscales": [image]}


def omero(name: str, windows: list[Json]) -> Json:
    """Return how to show each channel: its name, its colour and its range of greys."""
    single = len(windows) == 1
    channels = [
        {
            "label": name if single else f"{name} {number + 1}",
            "color": "FFFFFF" if single else _COLOURS[number % len(_COLOURS)],
            "active": True,
            "window": window,
        }
        for number, window in enumerate(windows)
    ]
    return {"channels": channels, "rdefs": {"model": "greyscale" if single else "color"}}


def image_label(values: Iterable[int], objects: NDArray[np.void] | None = None) -> Json:
    """Return what is known of labels: their image, their colours, their rows of the table.

    Parameters
    ----------
    values : iterable of int
        The labels.
    objects : structured array, optional
        Their rows; more than ``MOST_LABELS`` are left out, and their colours too.
    """
    shown = list(values)
    label: Json = {"source": {"image": "../../"}}
    if len(shown) <= MOST_LABELS:
        label["colors"] = [{"label-value": value, "rgba": _colour(value)} for value in shown]
        if objects is not None and len(objects):
            label["properties"] = list(_properties(objects))
    return label


def _colour(value: int) -> list[int]:
    """Return a colour for a label: neighbours in number are far apart in hue."""
    if value == 0:
        return [0, 0, 0, 0]
    rgb = hsv_to_rgb(value * _GOLDEN % 1, 0.75, 1.0 - 0.3 * (value % 2))
    return [*(round(255 * part) for part in rgb), 255]


def _properties(objects: NDArray[np.void]) -> Iterator[Json]:
    """Yield the rows of the table by label, in JSON: it has no NaN."""
    columns = [name for name in objects.dtype.names or () if name != "label"]
    for label, row in zip(objects["label"].tolist(), objects[columns].tolist(), strict=True):
        values = (v if not isinstance(v, float) or isfinite(v) else None for v in row)
        yield {"label-value": label, **dict(zip(columns, values, strict=True))}


class Greys:
    """Counts the greys of a picture as its bands come, to find a range to show.

    Parameters
    ----------
    channels : int
        Number of channels, at least 1.
    dtype : dtype
        Of its pixels, uint8 or uint16.
    """

    def __init__(self, channels: int, dtype: np.dtype[Any]) -> None:
        self._most = int(np.iinfo(dtype).max)
        self._counts = np.zeros((channels, self._most + 1), np.int64)

    def add(self, band: NDArray[Any]) -> None:
        """Count the pixels of a band, a few at a time: counting turns them to 64 bits."""
        for counts, pixels in zip(self._counts, band.reshape(len(self._counts), -1), strict=True):
            for first in range(0, len(pixels), _COUNTED):
                counts += np.bincount(pixels[first : first + _COUNTED], minlength=len(counts))

    def windows(self, rarest: float = 0.001) -> list[Json]:
        """Return the range of each channel without its rarest greys, at either end.

        Examples
        --------
        >>> greys = Greys(1, np.dtype(np.uint8))
        >>> greys.add(np.arange(100, dtype=np.uint8))
        >>> greys.windows(0.1)
        [{'min': 0, 'max': 255, 'start': 9, 'end': 89}]
        """
        found = []
        for counts in self._counts:
            share = np.cumsum(counts) / counts.sum()
            low, high = (int(np.searchsorted(share, part)) for part in (rarest, 1.0 - rarest))
            low = min(low, self._most - 1)
            found.append({"min": 0, "max": self._most, "start": low, "end": max(high, low + 1)})
        return found
