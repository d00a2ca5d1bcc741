"""Tissue without gaps: density, order, kind of diagram, wavy borders, lines, vacancies, island.

Decision: order has two sources here, the hard core of the seeds and the Lloyd steps after
it. Both are estimated; where data cannot tell them apart their intervals say so. Where images
differ much in the size of their cells, order is looked for in Lloyd steps alone, after a hard
core that goes with the cells; one in µm would be dense in one image and loose in another.

Decision: cells are those of a Voronoi diagram unless the data exclude radii that are all
alike; then they are those of a power diagram.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.stats import t as student

from simcell.arrays import MM_IN_UM, FloatArray, IntArray
from simcell.cells.pieces import measure
from simcell.describe.cells import closed, tissue_of
from simcell.describe.field import Field
from simcell.fit.estimate import Estimate, Status
from simcell.fit.generator import View, enough, tissue
from simcell.fit.invert import Free, Inverted, Observed, invert
from simcell.fit.order import of_centres, of_labels, thinned
from simcell.fit.ranges import around, drawn_within
from simcell.rng import stream
from simcell.scene import Scene

Report = Callable[[str, float], None]
_EQUAL = 0.06  # spread of radii that counts as none
_APART = Free("apart", 0.05, 0.82)
_UNLIKE = 2.0  # ratio of densities from which the hard core goes with them
_FIRM = 0.7  # that hard core, over the side of a cell: few Lloyd steps are left to do
_STEPS = Free("steps", 0.0, float(np.log(16.0)))
_WAVY = Free("wavy", 0.0, 0.12)
_SPREAD = Free("spread", 0.0, 0.6)
_ROUNDS = (90, 80)
_LAST = 70  # simulations of plain Voronoi cells
_BEYOND = 0.35  # of what images differ by, beyond the last of them
_OTHER = 1.5  # ratio of cells' sides from which lengths of a preset are scaled
_HOLE = 0.3  # share of a cell's area from which a hole counts as a missing cell


@dataclass(frozen=True)
class Density:
    """Cells per mm² of tissue: the mean, its 90 % interval, and the range between images."""

    value: float
    low: float
    high: float
    least: float
    most: float


def density_of(values: FloatArray, total: float, relative_error: float) -> Density:
    """Sum densities of single images up, by their ratios.

    Parameters
    ----------
    values : FloatArray
        Density of each image.
    total : float
        That of all together.
    relative_error : float
        Standard error of the whole relative to it, were images all alike.
    """
    m = len(values)
    between = float(np.log(np.maximum(values, 1e-3 * total)).std(ddof=1)) if m > 2 else 0.0
    error = max(between / max(m, 1) ** 0.5, relative_error)
    factor = float(student.ppf(0.95, m - 1)) if m > 2 and between / m**0.5 >= error else 1.645
    near = min(factor * error, 1.5)
    far = min(max(1.645 * between * (1 + 1 / max(m, 1)) ** 0.5, 0.04, near), 1.5)
    low, high = total * float(np.exp(-near)), total * float(np.exp(near))
    least, most = total * float(np.exp(-far)), total * float(np.exp(far))
    if m > 2:
        # Tails of a normal law reach where no tissue is; what images show ends not far beyond.
        beyond = float(np.exp(max(_BEYOND * between, 0.04)))
        least = min(max(least, float(values.min()) / beyond), low)
        most = max(min(most, float(values.max()) * beyond), high)
    return Density(total, low, high, least, most)


def fit_labels(
    fields: Sequence[Field], like: Scene, seed: int, report: Report | None = None
) -> list[Estimate]:
    """Estimate what label images tell of tissue without gaps.

    Parameters
    ----------
    fields : sequence of Field
        With labels.
    like : Scene
        Where what cannot be told is taken from.
    seed : int
    report : callable, optional
        Told what goes on, and how much of it is done.
    """
    found = tissue_of(fields)
    whole = max(found.whole, 1)
    each = np.array([tissue_of([f]).density_per_mm2 for f in fields])
    density = density_of(each[np.isfinite(each)], found.density_per_mm2, found.area_cv / whole**0.5)
    said = f"{found.whole} whole cells in {len(fields)} images"
    thin = [thinned(field) for field in fields]
    view = View(enough(thin, density.value), density.value)
    wave = _wave(like, view.side_um)
    observed = _observed(thin, view, of_labels)
    made = _measuring(view, wave, seed, of_labels)
    free = [*_order(density), _WAVY, _SPREAD]
    told = _told(report, 0.0, 0.75, sum(_ROUNDS))
    first = invert(free, made, observed, stream(seed, 0, "fit.tissue"), _ROUNDS, told)
    power, second = first.low["spread"] > _EQUAL, first
    if not power:
        again = _measuring(view, wave, seed + 1, of_labels)
        told = _told(report, 0.75, 1.0, _LAST)
        rng = stream(seed, 1, "fit.tissue")
        second = invert(first.left[:-1], again, observed, rng, (_LAST,), told)
    return [
        _density_estimate(density, said),
        *_order_estimates(second, view, said, density),
        *_cells_estimates(second, power, view, first, like),
        _vacancies(fields, found.cells),
        *_lines(fields, like, view.side_um),
    ]


def fit_centres(
    fields: Sequence[Field], like: Scene, seed: int, report: Report | None = None
) -> list[Estimate]:
    """Estimate what centres alone tell of the tissue around them."""
    counts = np.array([len(f.points) for f in fields if f.points is not None], np.float64)
    areas = np.array([float(f.known.sum()) * float(np.prod(f.spacing_um)) for f in fields])
    total = float(counts.sum() / areas.sum()) * MM_IN_UM**2
    # The number of ordered points in a window varies with its rim only.
    error = 0.35 * float(np.sqrt(np.sqrt(counts).sum())) / float(counts.sum())
    density = density_of(counts / areas * MM_IN_UM**2, total, error)
    said = f"{int(counts.sum())} centres in {len(fields)} images"
    coarse = [_coarse(field, density.value) for field in fields]
    view = View(enough(coarse, density.value), density.value)
    observed = _observed(coarse, view, of_centres)
    found = invert(
        _order(density),
        _measuring(view, _wave(like, view.side_um), seed, of_centres),
        observed,
        stream(seed, 0, "fit.centres"),
        _ROUNDS,
        _told(report, 0.0, 1.0, sum(_ROUNDS)),
    )
    blind = "centres do not show borders"
    return [
        _density_estimate(density, said),
        *_order_estimates(found, view, said, density),
        Estimate("cells.kind", "voronoi", how=blind, status="unidentified"),
        _of_like(like, "cells.undulation_um", 0.8, blind),
        _of_like(like, "cells.vacancy", 0.0, "a missing cell and a large one look alike"),
    ]


def _order(density: Density) -> list[Free]:
    """Return what makes order: hard core, over the side of a cell, and Lloyd steps."""
    return [_STEPS] if density.most > _UNLIKE * density.least else [_APART, _STEPS]


def _coarse(field: Field, density: float) -> Field:
    """Return a field of points with as few pixels as cells need."""
    area = float(field.known.sum()) * float(np.prod(field.spacing_um))
    pixels = 250.0 * area * density / MM_IN_UM**2
    step = max((float(field.known.sum()) / max(pixels, 64.0)) ** 0.5, 1.0)
    shape = (max(int(field.shape[0] / step), 8), max(int(field.shape[1] / step), 8))
    spacing = (field.size_um[0] / shape[0], field.size_um[1] / shape[1])
    known = None
    if field.annotated is not None and not field.annotated.all():
        at = np.ix_(
            *(
                ((np.arange(n) + 0.5) * s / n).astype(int)
                for n, s in zip(shape, field.shape, strict=True)
            )
        )
        known = np.ascontiguousarray(field.annotated[at])
    empty = np.zeros(shape, np.int32) if known is None else None
    return Field(field.name, spacing, empty, None, field.points, known)


def _observed(
    fields: Sequence[Field], view: View, summaries: Callable[[Sequence[Field]], FloatArray]
) -> Observed:
    """Measure all fields, and each alone, beside the part of them that is simulated."""
    each = np.array([summaries([field]) for field in fields])
    share = sum(float(field.known.sum() * np.prod(field.spacing_um)) for field in view.fields)
    share /= sum(float(field.known.sum() * np.prod(field.spacing_um)) for field in fields)
    return Observed(summaries(fields), each, share)


def _measuring(
    view: View, wave: float, seed: int, summaries: Callable[[Sequence[Field]], FloatArray]
) -> Callable[[dict[str, float], int], FloatArray]:
    def measure(values: dict[str, float], number: int) -> FloatArray:
        given = {"apart": _FIRM, **values, "lloyd": float(np.expm1(values["steps"])), "wave": wave}
        return summaries(tissue(view, given, seed, number))

    return measure


def _told(
    report: Report | None, start: float, end: float, whole: int
) -> Callable[[int], None] | None:
    if report is None:
        return None
    return lambda done: report("order of the tissue", start + (end - start) * done / whole)


def _wave(like: Scene, side: float) -> float:
    """Scale of wavy borders over the side of a cell, taken from the scene to start from."""
    scale = getattr(like.cells, "undulation_scale_um", 0.0) / side
    return float(np.clip(scale, 0.2, 0.6)) if scale else 0.35


def _density_estimate(density: Density, said: str) -> Estimate:
    vary = drawn_within(density.least, density.most)
    low, high = density.low, density.high
    value = float(f"{density.value:.4g}")
    return Estimate("points.density", value, low, high, vary, f"{said}, edge-corrected")


def _order_estimates(found: Inverted, view: View, said: str, density: Density) -> list[Estimate]:
    how = f"simulations that look alike; {said}"
    ends = _ends(found)
    lloyd = {k: float(np.expm1(v["steps"])) for k, v in ends.items()}
    steps: Status = "estimated" if found.identified["steps"] else "unidentified"
    if "apart" in found.value:
        core: Status = "estimated" if found.identified["apart"] else "unidentified"
        apart = {k: v["apart"] * view.side_um for k, v in ends.items()}
        # Beyond, random packing would not reach the densest fields.
        most = _APART.high * float((MM_IN_UM**2 / density.most) ** 0.5)
        distance = [around("points.distance_um", apart, how, core, least=1e-3, most=most)]
    else:
        unlike = "images differ in the size of their cells: relative to it"
        unused = "not in use: distance_sides is"
        apart_um = float(f"{_FIRM * view.side_um:.3g}")
        distance = [
            Estimate("points.distance_sides", _FIRM, how=unlike, status="taken"),
            Estimate("points.distance_um", apart_um, how=unused, status="taken"),
        ]
    return [
        Estimate("points.kind", "hard_core", how="seeds of tissue"),
        *distance,
        around("cells.lloyd", lloyd, how, steps, least=0.0, most=200.0),
    ]


def _ends(found: Inverted) -> dict[str, dict[str, float]]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _cells_estimates(
    found: Inverted, power: bool, view: View, first: Inverted, like: Scene
) -> list[Estimate]:
    ends = _ends(found)
    wavy = {k: v["wavy"] * view.side_um for k, v in ends.items()}
    how = "solidity and outlines of cells against simulations"
    status: Status = "estimated" if found.identified["wavy"] else "unidentified"
    interval = f"spread of radii {first.low['spread']:.2f} to {first.high['spread']:.2f}"
    kind = "power" if power else "voronoi"
    made = [
        Estimate("cells.kind", kind, how=f"{interval} (0 = Voronoi)"),
        around("cells.undulation_um", wavy, how, status, least=0.0, most=50.0),
    ]
    if power:
        spread = {k: v["spread"] for k, v in ends.items()}
        status = "estimated" if found.identified["spread"] else "unidentified"
        how = "areas, neighbours and power distances against simulations"
        made.append(around("cells.radius_cv", spread, how, status, least=0.0, most=0.8))
    scale = _wave(like, view.side_um) * view.side_um
    how = "that of the start, or a third of a cell"
    return [*made, Estimate("cells.undulation_scale_um", scale, how=how, status="taken")]


def _of_like(like: Scene, path: str, other: float, why: str) -> Estimate:
    value = getattr(like.cells, path.rpartition(".")[2], other)
    return Estimate(path, value, how=why, status="unidentified")


def _vacancies(fields: Sequence[Field], cells: int) -> Estimate:
    """Holes in the tissue as large as cells, over all places of cells."""
    missing = 0.0
    for field in fields:
        assert field.labels is not None
        labels = closed(field.labels)
        area = float((labels > 0).sum()) / max(int(labels.max(initial=0)), 1)
        holes = ndimage.binary_fill_holes(labels > 0) & (labels == 0)
        numbered, count = ndimage.label(holes)
        sizes = np.bincount(np.asarray(numbered).ravel(), minlength=count + 1)[1:] / area
        missing += float(sizes[sizes >= _HOLE].sum())
    places = cells + missing
    share = missing / places
    error = 1.645 * (max(missing, 1.0) ** 0.5) / places
    low, high = max(share - error, 0.0), min(share + error, 0.95)
    said = f"holes in the tissue worth {missing:.3g} cells; may be cells left out by the annotator"
    vary = drawn_within(low, high) if missing else None
    return Estimate("cells.vacancy", round(share, 4), low, high, vary, said)


def _lines(fields: Sequence[Field], like: Scene, side_um: float) -> list[Estimate]:
    """Width of lines of background between cells, where labels are drawn with such."""
    if like.prior.kind not in {"membrane", "boundary_interior"}:
        return []
    path = "prior.thickness_um"
    value = float(getattr(like.prior, "thickness_um", 1.0))
    widths = np.array([_line_width(field) for field in fields])
    pixel = float(np.prod(fields[0].spacing_um)) ** 0.5
    width = float(widths.mean())
    if width < 0.5 * pixel:
        how = "labels touch: they do not show how wide membranes are"
        density = getattr(like.points, "density", None)
        ratio = side_um / (MM_IN_UM**2 / density) ** 0.5 if density else 1.0
        if not 1 / _OTHER < ratio < _OTHER:
            value = float(f"{max(value * ratio, 1.5 * pixel):.3g}")
            how += f"; scaled with the cells, by {ratio:.2f}"
        return [Estimate(path, value, how=how, status="unidentified")]
    error = max(1.645 * float(widths.std()) / len(widths) ** 0.5, 0.25 * pixel)
    vary = drawn_within(max(width - 2 * error, 0.3 * pixel), width + 2 * error)
    low, high = max(width - error, 0.0), width + error
    return [Estimate(path, width, low, high, vary, "lines between labels; their area over length")]


def _line_width(field: Field) -> float:
    """Area of the lines over the length of the borders that two cells share, in µm."""
    assert field.labels is not None
    filled: IntArray = closed(field.labels)
    pixel = float(np.prod(field.spacing_um))
    area = float(((filled > 0) & (field.labels == 0)).sum()) * pixel
    of_cells = measure(filled, int(filled.max(initial=0)))[1][1:].sum()
    of_all = measure((filled > 0).astype(np.int32), 1)[1][1]
    length = 0.5 * np.pi / 8 * float(of_cells - of_all) * pixel**0.5
    return float(area / max(length, 1e-9))
