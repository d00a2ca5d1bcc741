"""What samples measure: the statistics that a preset's ``expect`` block may name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from simcell.arrays import MM_IN_UM, BoolArray, FloatArray
from simcell.fields import border_distance
from simcell.sample import Sample

_MEMBRANE_PX = 1.0  # a pixel this near to a border lies on the membrane
_INTERIOR_UM = 2.5  # a pixel this far from every border lies inside a cell
_JUNCTION = 4  # class of the dermal-epidermal junction in skin layers
_RUN = 4  # columns over which the slope of a layer is taken


@dataclass(frozen=True)
class Statistic:
    """One number measured over many samples.

    Attributes
    ----------
    about : str
        What it is, with its unit.
    collect : callable
        Rows (k, m) that one sample contributes.
    reduce : callable
        From all rows to the number.
    """

    about: str
    collect: Callable[[Sample], FloatArray]
    reduce: Callable[[FloatArray], float]

    def measure(self, samples: Sequence[Sample]) -> tuple[float, float]:
        """Return the number and its standard error (jackknife over samples).

        Both are NaN where no sample contributes a row.
        """
        return self.combine([self.collect(sample) for sample in samples])

    def combine(self, rows: Sequence[FloatArray]) -> tuple[float, float]:
        """Reduce the rows collected from each sample; see ``measure``."""
        everything = np.concatenate(rows)
        if len(everything) == 0:
            return np.nan, np.nan
        value = self.reduce(everything)
        if len(rows) < 2:
            return value, np.nan
        parts = [np.concatenate([*rows[:i], *rows[i + 1 :]]) for i in range(len(rows))]
        left_out = np.array([self.reduce(part) for part in parts if len(part)])
        return value, float(np.sqrt((len(left_out) - 1) * left_out.var()))


def _mean(rows: FloatArray) -> float:
    return float(rows[:, 0].mean())


def _cv(rows: FloatArray) -> float:
    return float(rows[:, 0].std() / rows[:, 0].mean())


def _ratio(rows: FloatArray) -> float:
    total = rows.sum(axis=0)
    return float(total[0] / total[1]) if total[1] > 0 else 0.0


def _column(values: FloatArray | BoolArray) -> FloatArray:
    return np.asarray(values, dtype=np.float64).reshape(-1, 1)


def seeded_inside(sample: Sample) -> BoolArray:
    """Rows of the table whose seed lies in the field.

    Counting these, and their whole areas, is free of the bias of counting cells
    that the frame happens to cut. A cell cut into several pieces counts once, and so
    does a pair of objects around one seed.
    """
    table = sample.objects
    assert table is not None
    seeds = np.stack([table[f"seed_{axis}_um"] for axis in "zyx"[-sample.grid.ndim :]], axis=1)
    inside = np.all((seeds >= 0) & (seeds < np.asarray(sample.grid.size_um)), axis=1)
    _, first = np.unique(seeds, axis=0, return_index=True)
    once = np.zeros(len(table), np.bool_)
    once[first] = True
    return np.asarray(inside & once, dtype=np.bool_)


def surrounded(sample: Sample) -> BoolArray:
    """Rows of the table whose cells touch neither the frame nor background."""
    table, labels = sample.objects, sample.labels
    assert table is not None
    assert labels is not None
    open_sided = np.zeros(len(table) + 1, np.bool_)
    for axis in range(labels.ndim):
        along = np.moveaxis(labels, axis, 0)
        open_sided[along[1:][along[:-1] == 0]] = True
        open_sided[along[:-1][along[1:] == 0]] = True
    return np.asarray(~open_sided[1:] & ~table["touches_border"], dtype=np.bool_)


def _density(ndim: int) -> Callable[[Sample], FloatArray]:
    """Count seeds in the field, and its area in mm² or volume in mm³."""

    def collect(sample: Sample) -> FloatArray:
        if sample.grid.ndim != ndim:
            return np.zeros((0, 2))
        assert sample.region is not None
        size = float(sample.region.mean()) * float(np.prod(sample.grid.size_um)) / MM_IN_UM**ndim
        return np.array([[float(seeded_inside(sample).sum()), size]])

    return collect


def _objects(
    name: str, rows: Callable[[Sample], BoolArray], ndim: int | None = None
) -> Callable[[Sample], FloatArray]:
    def collect(sample: Sample) -> FloatArray:
        assert sample.objects is not None
        if ndim not in (None, sample.grid.ndim):
            return np.zeros((0, 1))
        return _column(sample.objects[name][rows(sample)])

    return collect


def _of_type(number: int) -> Callable[[Sample], BoolArray]:
    """Rows of one type whose seed lies in the field."""

    def rows(sample: Sample) -> BoolArray:
        table = sample.objects
        assert table is not None
        seeds = np.stack([table[f"seed_{axis}_um"] for axis in "zyx"], axis=1)
        inside = np.all((seeds >= 0) & (seeds < np.asarray(sample.grid.size_um)), axis=1)
        return np.asarray(inside & (table["type"] == number), dtype=np.bool_)

    return rows


def _pair_distance(sample: Sample) -> FloatArray:
    """Distances of paired objects that are whole, once a pair."""
    table = sample.objects
    if table is None or sample.grid.ndim != 3:
        return np.zeros((0, 1))
    place = np.stack([table[f"centroid_{axis}_um"] for axis in "zyx"], axis=1)
    first = np.flatnonzero(table["partner"] > table["label"])
    other = table["partner"][first] - 1
    whole = ~table["touches_border"][first] & ~table["touches_border"][other]
    return _column(np.linalg.norm(place[first] - place[other], axis=1)[whole])


def _uncut(sample: Sample) -> BoolArray:
    assert sample.objects is not None
    return np.asarray(~sample.objects["touches_border"], dtype=np.bool_)


def _circularity(sample: Sample) -> FloatArray:
    assert sample.objects is not None
    if sample.grid.ndim == 3:
        return np.zeros((0, 1))
    table = sample.objects[_uncut(sample)]
    return _column(4 * np.pi * table["area_um2"] / np.maximum(table["perimeter_um"], 1e-9) ** 2)


def _elongation(sample: Sample) -> FloatArray:
    assert sample.objects is not None
    table = sample.objects[_uncut(sample)]
    return _column(table["major_um"] / table["minor_um"])


def _nearest(sample: Sample) -> FloatArray:
    from scipy.spatial import cKDTree

    assert sample.pattern is not None
    points = sample.pattern.points
    if len(points) < 2:
        return np.zeros((0, 1))
    inside = np.all((points >= 0) & (points < np.asarray(sample.grid.size_um)), axis=1)
    distance, _ = cKDTree(points).query(points[inside], k=[2])
    return _column(np.asarray(distance))


def _covered(sample: Sample) -> FloatArray:
    assert sample.labels is not None
    return _column(np.array([(sample.labels > 0).mean()]))


def _prior_level(sample: Sample) -> FloatArray:
    assert sample.prior is not None
    return _column(np.array([sample.prior.mean() / 255]))


def _grey(sample: Sample) -> FloatArray:
    """Sum grey levels, pixels and squares; whole images would fill the memory."""
    if sample.image is None:
        return np.zeros((0, 3))
    levels = sample.image.astype(np.float64) / _top(sample)
    return np.array([[levels.sum(), float(levels.size), np.square(levels).sum()]])


def _spread(rows: FloatArray) -> float:
    total, count, squares = rows.sum(axis=0)
    return float(np.sqrt(max(squares / count - (total / count) ** 2, 0.0)))


def _top(sample: Sample) -> int:
    """Brightest grey level that the image can hold."""
    assert sample.image is not None
    return int(np.iinfo(sample.image.dtype).max)


def _saturated(sample: Sample) -> FloatArray:
    if sample.image is None:
        return np.zeros((0, 1))
    return _column(np.array([(sample.image == _top(sample)).mean()]))


def _contrast(sample: Sample) -> FloatArray:
    if sample.image is None or sample.labels is None or sample.grid.ndim == 3:
        return np.zeros((0, 2))
    distance = border_distance(sample.labels)
    tissue = sample.labels > 0
    line = sample.image[tissue & (distance <= _MEMBRANE_PX)]
    body = sample.image[tissue & (distance * sample.grid.spacing_um[0] >= _INTERIOR_UM)]
    if len(line) == 0 or len(body) == 0:
        return np.zeros((0, 2))
    bright, dark = float(line.mean()), float(body.mean())
    return np.array([[bright - dark, bright + dark]])


def _roughness(sample: Sample) -> FloatArray:
    if sample.image is None or sample.labels is None:
        return np.zeros((0, 2))
    pixels, labels = sample.image.astype(np.float64), sample.labels
    same = (labels[..., 1:] == labels[..., :-1]) & (labels[..., 1:] > 0)
    same = np.broadcast_to(same, pixels[..., 1:].shape)  # an image may have channels
    step = np.abs(pixels[..., 1:] - pixels[..., :-1])[same]
    level = pixels[..., 1:][same]
    return np.array([[float(step.sum()), float(level.sum())]])


def _class_share(number: int) -> Callable[[Sample], FloatArray]:
    def collect(sample: Sample) -> FloatArray:
        if sample.classes is None:
            return np.zeros((0, 1))
        return _column(np.array([(sample.classes == number).mean()]))

    return collect


def _thickness(*numbers: int) -> Callable[[Sample], FloatArray]:
    """Sum up the pixels of skin layers in µm, half of the last layer's, and the columns."""

    def collect(sample: Sample) -> FloatArray:
        if sample.classes is None or sample.scene.cells.kind != "skin_layers":
            return np.zeros((0, 2))
        pixels = sum(float((sample.classes == number).sum()) for number in numbers)
        if len(numbers) > 1:
            pixels -= 0.5 * float((sample.classes == numbers[-1]).sum())
        return np.array([[pixels * sample.grid.spacing_um[0], sample.grid.shape[1]]])

    return collect


def junction(sample: Sample) -> FloatArray:
    """Area in µm² of the junction's band in skin layers, and the length in µm of its middle.

    The middle of the band's pixels in each column is smoothed over a few columns, as
    its steps from pixel to pixel would lengthen it.
    """
    if sample.classes is None or sample.scene.cells.kind != "skin_layers":
        return np.zeros((0, 2))
    band = sample.classes == _JUNCTION
    count = band.sum(axis=0)
    row = (np.arange(len(band)) @ band) / np.maximum(count, 1)
    whole = (count[:-_RUN] > 0) & (count[_RUN:] > 0)
    step = (row[_RUN:] - row[:-_RUN]) / _RUN
    area = count[_RUN // 2 : _RUN // 2 - _RUN][whole].sum()
    length = np.sqrt(1.0 + step[whole] ** 2).sum()
    spacing = sample.grid.spacing_um[0]
    return np.array([[area * spacing**2, length * spacing]])


STATISTICS: dict[str, Statistic] = {
    "cells_per_mm2": Statistic("cells per mm² of tissue", _density(2), _ratio),
    "cells_per_mm3": Statistic("cells (or pairs) per mm³ of a volume", _density(3), _ratio),
    "area_um2": Statistic(
        "mean whole area of a cell, µm²", _objects("amodal_area_um2", seeded_inside, 2), _mean
    ),
    "area_cv": Statistic(
        "relative spread of whole areas", _objects("amodal_area_um2", seeded_inside, 2), _cv
    ),
    "volume_um3": Statistic(
        "mean whole volume of an object of type 1, µm³",
        _objects("amodal_volume_um3", _of_type(1), 3),
        _mean,
    ),
    "volume_cv": Statistic(
        "relative spread of these volumes", _objects("amodal_volume_um3", _of_type(1), 3), _cv
    ),
    "volume_2_um3": Statistic(
        "mean whole volume of an object of type 2, µm³",
        _objects("amodal_volume_um3", _of_type(2), 3),
        _mean,
    ),
    "pair_um": Statistic(
        "mean distance of two paired objects' centroids, µm", _pair_distance, _mean
    ),
    "overlap": Statistic("mean hidden share of a cell", _objects("overlap", _uncut), _mean),
    "neighbours": Statistic(
        "mean neighbours of surrounded cells", _objects("neighbours", surrounded), _mean
    ),
    "hexagons": Statistic(
        "share of surrounded cells with six neighbours",
        _objects("neighbours", surrounded, 2),
        lambda rows: float((rows[:, 0] == 6).mean()),
    ),
    "circularity": Statistic("mean 4π area / perimeter² of uncut cells", _circularity, _mean),
    "elongation": Statistic("mean axis ratio (major / minor) of uncut cells", _elongation, _mean),
    "nearest_um": Statistic("mean distance to the nearest seed, µm", _nearest, _mean),
    "covered": Statistic("share of the field that is cells", _covered, _mean),
    "prior_level": Statistic("mean of the prior, 0 to 1", _prior_level, _mean),
    "image_mean": Statistic("mean grey level, 0 to 1", _grey, _ratio),
    "image_sd": Statistic("standard deviation of grey levels, 0 to 1", _grey, _spread),
    "saturated": Statistic("share of pixels at the top of the range", _saturated, _mean),
    "contrast": Statistic(
        "membranes against interiors, (bright - dark) / (bright + dark)", _contrast, _ratio
    ),
    "roughness": Statistic(
        "mean step between neighbouring pixels of a cell, relative to their level",
        _roughness,
        _ratio,
    ),
    **{
        f"class_{number}": Statistic(
            f"share of pixels in semantic class {number}", _class_share(number), _mean
        )
        for number in range(1, 7)
    },
    "glycerol_um": Statistic(
        "skin layers: mean gap between glass and skin, µm", _thickness(2), _ratio
    ),
    "epidermis_um": Statistic(
        "skin layers: mean depth of the junction below the surface, µm", _thickness(3, 4), _ratio
    ),
    "junction_um": Statistic(
        "skin layers: area of the junction's band over its length, µm", junction, _ratio
    ),
}
