"""Image sets that methods are measured on.

Decision: the simulated set is frozen by its preset, its seed and its sizes, and is made anew
wherever it is needed: that is faster than reading it, and nothing needs to be shipped. Its
fingerprint goes with the scores, so that one sees whether two were taken on the same pixels.

Decision: all methods are told the same diameter of a typical cell, as a user who has measured
some would: the median of the set's true cells, unless another is given, or ``auto``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

import simcell
from dermogan.errors import DermoganError
from dermogan.evaluation import read_points
from dermogan.images import image_files, name_of, read_image, read_labels, write_labels, write_tiff

PRESET = "rcm-benchmark"
SEED = 20240611
SIZES = (256,) * 36 + (1000,) * 4
"""Sides of the simulated images."""

Polarity = Literal["bright", "dark"]
Shows = Literal["membranes", "cells"]


@dataclass(frozen=True)
class Truth:
    """What is known of an image: labels, or points; and where (None: everywhere)."""

    labels: NDArray[Any] | None = None
    points_yx: NDArray[np.float64] | None = None
    known: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Picture:
    """An image and its truth, loaded when asked for."""

    name: str
    load: Callable[[], tuple[NDArray[np.float32], Truth]]


@dataclass(frozen=True)
class Told:
    """What a user knows of a set's images.

    Attributes
    ----------
    polarity : {"bright", "dark"}
        Of what is shown.
    shows : {"membranes", "cells"}
        What has grey values of its own: borders of cells, or whole cells.
    diameter_px : float, "auto" or None
        Of a typical cell. Auto: none is told, as to ``dermogan segment`` without
        ``--diameter``; None: that of the truth.
    annotated : {"all", "labels"}
        Whether images are annotated wholly, or where they have labels.
    radius_px : float, optional
        Farthest that a centre may lie from its point; half a diameter by default.
    """

    polarity: Polarity = "bright"
    shows: Shows = "membranes"
    diameter_px: float | Literal["auto"] | None = None
    annotated: Literal["all", "labels"] = "all"
    radius_px: float | None = None


class Survey(NamedTuple):
    """What is known of the images of a set together.

    Attributes
    ----------
    diameter_px : float or None
        Of a typical true cell; None where there is none.
    points : bool
        Whether the truth is points.
    fingerprint : str
        Another one for other pixels.
    """

    diameter_px: float | None
    points: bool
    fingerprint: str


@dataclass(frozen=True)
class Set:
    """Images of one kind.

    Attributes
    ----------
    name : str
    pictures : list of Picture
    told : Told
    """

    name: str
    pictures: Sequence[Picture]
    told: Told = field(default_factory=Told)

    def first(self, count: int | None) -> Set:
        """Return the set of the first images alone."""
        return replace(self, pictures=self.pictures[:count])

    def survey(self) -> Survey:
        """Read all images once, for what is known of them together."""
        crc, points, found = 0, False, [np.empty(0)]
        for picture in self.pictures:
            image, truth = picture.load()
            crc = zlib.crc32(np.ascontiguousarray(image).tobytes(), crc)
            points = truth.points_yx is not None
            found.append(_diameters(truth))
        values = np.concatenate(found)
        diameter = float(np.median(values)) if len(values) else None
        return Survey(diameter, points, f"{crc:08x}")


def _diameters(truth: Truth) -> NDArray[np.float64]:
    """Return diameters of the true cells: of discs of their areas, or distances of neighbours."""
    if truth.points_yx is not None:
        if len(truth.points_yx) < 2:
            return np.empty(0)
        distances = np.asarray(cKDTree(truth.points_yx).query(truth.points_yx, k=2)[0])
        return np.asarray(distances[:, 1], np.float64)
    assert truth.labels is not None
    areas = np.unique(truth.labels[truth.labels > 0], return_counts=True)[1]
    return np.sqrt(4 / np.pi * areas)


def simulated(cache: Path | None = None) -> Set:
    """Return the frozen simulated set.

    Parameters
    ----------
    cache : Path, optional
        Folder to keep it in, in ``rcm-benchmark/images`` and ``/masks``.
    """
    pictures = [
        Picture(f"{index:02}-{side}", lambda i=index, s=side: _drawn(i, s))  # type: ignore[misc]
        for index, side in enumerate(SIZES)
    ]
    whole = Set(PRESET, pictures)
    if cache is None:
        return whole
    home = cache / PRESET
    for picture in pictures:
        image, labels = (home / folder / f"{picture.name}.tif" for folder in ("images", "masks"))
        if image.is_file() and labels.is_file():
            continue
        for path in (image, labels):
            path.parent.mkdir(parents=True, exist_ok=True)
        drawn, truth = picture.load()
        assert truth.labels is not None
        write_tiff(image, drawn.astype(np.uint8))
        write_labels(labels, truth.labels)
    return replace(folder_set(home), name=PRESET)


def _drawn(index: int, side: int) -> tuple[NDArray[np.float32], Truth]:
    preset = simcell.load_preset(PRESET).with_set([f"frame.shape=[{side}, {side}]"])
    sample = simcell.simulate(preset.scene(seed=SEED, index=index), seed=SEED, index=index)
    assert sample.image is not None
    return sample.image.astype(np.float32), Truth(labels=sample.labels)


def folder_set(folder: Path, told: Told | None = None) -> Set:
    """Return the images of a folder: ``images/`` and, by the same names, ``masks/`` or ``points/``.

    Parameters
    ----------
    folder : Path
        Masks are label images, points are tables as `dermogan.evaluate.read_points` takes them.
    told : Told, optional
    """
    told = told or Told()
    images = _by_name(folder, "images")
    kind = "points" if (folder / "points").is_dir() else "masks"
    truths = _by_name(folder, kind)
    both = sorted(images.keys() & truths.keys())
    if not both:
        msg = f"{folder}: no image of images/ has a truth of the same name in {kind}/"
        raise DermoganError(msg)
    if kind == "points" and told.annotated == "labels":
        msg = f"{folder}: points have no annotated area; leave out --annotated"
        raise DermoganError(msg)
    pictures = [
        Picture(name, lambda i=images[name], t=truths[name]: _read(i, t, told.annotated))  # type: ignore[misc]
        for name in both
    ]
    return Set(folder.resolve().name, pictures, told)


def _by_name(folder: Path, kind: str) -> dict[str, Path]:
    inner = folder / kind
    if not inner.is_dir():
        other = " (or points)" if kind == "masks" else ""
        msg = f"{folder}: has no folder {kind}{other}; it needs images, and masks or points"
        raise DermoganError(msg)
    if kind == "points":
        return {path.stem: path for path in sorted(inner.glob("*.csv"))}
    return {name_of(path): path for path in image_files(inner)}


def _read(
    image: Path, truth: Path, annotated: Literal["all", "labels"]
) -> tuple[NDArray[np.float32], Truth]:
    picture = read_image(image)
    if truth.suffix.lower() == ".csv":
        return picture, Truth(points_yx=read_points(truth))
    labels = read_labels(truth)
    if labels.shape != picture.shape:
        msg = f"{truth}: has {labels.shape} pixels, its image {picture.shape}; they must be equal"
        raise DermoganError(msg)
    return picture, Truth(labels, known=labels > 0 if annotated == "labels" else None)
