"""What labels and centres measure of the statistics that a preset's ``expect`` block may name.

Means over fields stand for means over samples. Cells that the frame cuts are dealt with
as in `simcell.measure`: densities and sizes are free of the bias of cut cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import t as student

from simcell.arrays import MM_IN_UM, FloatArray
from simcell.describe.cells import cells_of, tissue_of, weighted
from simcell.describe.field import Field
from simcell.preset import Expectation

_LEAST = {
    "cells_per_mm2": 0.08,
    "area_um2": 0.08,
    "area_cv": 0.15,
    "hexagons": 0.12,
    "neighbours": 0.02,
    "circularity": 0.03,
    "elongation": 0.05,
    "covered": 0.1,
    "nearest_um": 0.08,
    "image_mean": 0.15,
    "image_sd": 0.2,
}
"""Least width of a range to either side, relative to the value."""


_SHARES = {"hexagons", "covered", "image_mean", "image_sd"}


@dataclass(frozen=True)
class Verdict:
    """One expectation against fields: whether the value of all together lies in its range."""

    name: str
    value: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the value lies within the range."""
        return self.low <= self.value <= self.high


def measured(field: Field) -> dict[str, float]:
    """Measure one field; only what it can tell is in the result."""
    found: dict[str, float] = {}
    if field.labels is not None and field.labels.any():
        table = cells_of(field)
        apart = field.annotated is None
        found |= _sizes(table)
        found |= _apart(field, table) if apart and not _fills(field) else _tissue(table)
    elif field.points is not None and len(field.points) > 3:
        area = float(field.known.sum()) * float(np.prod(field.spacing_um))
        found["cells_per_mm2"] = len(field.points) / area * MM_IN_UM**2
        found |= _nearest(field.points, field)
    if field.image is not None:
        found["image_mean"] = float(field.image.mean()) / 255
        found["image_sd"] = float(field.image.std()) / 255
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _fills(field: Field) -> bool:
    assert field.labels is not None
    return bool((field.labels > 0).mean() > 0.9)


def _sizes(table: NDArray[np.void]) -> dict[str, float]:
    whole = table[table["whole"]]
    if len(whole) < 3:
        return {}
    area, cv = weighted(whole["area_um2"], whole["weight"])
    return {"area_um2": area, "area_cv": cv}


def _tissue(table: NDArray[np.void]) -> dict[str, float]:
    inner = table[table["surrounded"]]
    if len(inner) < 8:
        return {}
    sides = inner["neighbours"].astype(np.float64)
    return {
        "hexagons": float((sides == 6).mean()),
        "neighbours": float(sides.mean()),
    }


def _apart(field: Field, table: NDArray[np.void]) -> dict[str, float]:
    """Measure cells that stand apart; those on two of the four sides count, by an unbiased rule."""
    assert field.labels is not None
    cut = len(np.setdiff1d(np.unique([*field.labels[-1], *field.labels[:, -1]]), [0]))
    whole = table[table["whole"]]
    found = {
        "cells_per_mm2": (len(table) - cut) / float(np.prod(field.size_um)) * MM_IN_UM**2,
        "covered": float((field.labels > 0).mean()),
    }
    if len(whole) >= 3:
        found["circularity"] = float(whole["circularity"].mean())
        found["elongation"] = float(whole["elongation"].mean())
    places = np.stack([table["centroid_y_um"], table["centroid_x_um"]], axis=1)
    found |= _nearest(places, field)
    return found


def _nearest(places: FloatArray, field: Field) -> dict[str, float]:
    """Mean distance to the nearest centre, of those that lie nearer to it than to the edge."""
    if len(places) <= 3:
        return {}
    near = np.asarray(cKDTree(places).query(places, k=[2])[0])[:, 0]
    edge = np.minimum(places, np.array(field.size_um) - places).min(axis=1)
    inside = near <= edge
    return {"nearest_um": float(near[inside].mean())} if inside.sum() >= 3 else {}


def pooled(fields: Sequence[Field]) -> dict[str, tuple[float, float]]:
    """Return each statistic of all fields together, and its spread between them."""
    each = [measured(field) for field in fields]
    found = {}
    for name in _LEAST:
        values = np.array([one[name] for one in each if name in one])
        weights = np.array(
            [_weight(name, f) for f, one in zip(fields, each, strict=True) if name in one]
        )
        if len(values):
            mean = float((values * weights).sum() / weights.sum())
            found[name] = mean, float(values.std(ddof=1)) if len(values) > 1 else 0.0
    confluent = [
        f for f in fields if f.labels is not None and (f.annotated is not None or _fills(f))
    ]
    if confluent:
        tissue = tissue_of(confluent)
        spread = found.get("area_um2", (1.0, 0.0))
        density = tissue.density_per_mm2
        found["cells_per_mm2"] = density, density * spread[1] / spread[0]
    return {name: pair for name, pair in found.items() if np.isfinite(pair[0])}


def _weight(name: str, field: Field) -> float:
    """Cells count alike where a statistic is a mean over cells, else images do."""
    if name in {"cells_per_mm2", "covered", "image_mean", "image_sd"} or field.labels is None:
        return 1.0
    return float(max(int(field.labels.max(initial=0)), 1))


def expectations(fields: Sequence[Field]) -> dict[str, Expectation]:
    """Return ranges in which other fields of the same kind should lie, all together.

    A range is the interval of 98 % for the mean of as many other fields, and never
    narrower than what is worth mentioning.
    """
    m = len(fields)
    factor = float(student.ppf(0.99, m - 1)) * (2.0 / m) ** 0.5 if m > 1 else 0.0
    made = {}
    for name, (value, spread) in pooled(fields).items():
        least = _LEAST[name] * (1.0 if m > 1 else 2.0)
        # By ratios: a size that varies widely still is none below nothing.
        reach = min(max(factor * spread / max(abs(value), 1e-12), least), 1.5)
        low, high = value * float(np.exp(-reach)), value * float(np.exp(reach))
        if name in _SHARES:
            high = min(high, 1.0)
        made[name] = Expectation(low=float(f"{low:.4g}"), high=float(f"{high:.4g}"))
    return made


def against(expect: Mapping[str, Expectation], fields: Sequence[Field]) -> list[Verdict]:
    """Compare expectations with what fields measure, all together.

    Examples
    --------
    >>> labels = np.kron(np.arange(1, 37).reshape(6, 6), np.ones((9, 9))).astype(np.int32)
    >>> fields = [Field("squares", (1.0, 1.0), labels=labels)]
    >>> [verdict.holds for verdict in against({"area_um2": Expectation(low=80, high=82)}, fields)]
    [True]
    """
    found = pooled(fields)
    return [
        Verdict(name, found[name][0], wanted.low, wanted.high)
        for name, wanted in expect.items()
        if name in found
    ]
