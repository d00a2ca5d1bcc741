"""Cells that stand apart: how many, where, how large, how long, how wavy, how they meet.

Sizes are those of whole cells, each counted with the inverse of its chance to be whole.
Ratio of axes and waviness are those of simulated outlines that measure the same, as pixels
and waves lengthen outlines too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from simcell.arrays import MM_IN_UM, FloatArray, IntArray, Window
from simcell.cells.pieces import adjacent_pairs, split
from simcell.describe.cells import cells_of, weighted
from simcell.describe.field import Field
from simcell.errors import SimcellError
from simcell.fit.estimate import Estimate, Status
from simcell.fit.families import Seen
from simcell.fit.invert import Free, Observed, invert
from simcell.fit.order import thinned
from simcell.fit.points import Choice, Fit, choose
from simcell.fit.ranges import around, clearly, drawn_within
from simcell.rng import stream
from simcell.scene import Frame, Scene
from simcell.scene.cells import Outlines
from simcell.scene.points import HardCore
from simcell.scene.region import Full
from simcell.stages import simulate

Report = Callable[[str, float], None]
_SHAPES = (Free("least", 0.1, 0.98), Free("most", 0.3, 1.0), Free("wavy", 0.0, 0.3))
_ROUNDS = (80, 70)
_SIDE_PX = 240  # of simulated fields of outlines
_TOUCH = 0.1  # share of cells that touch another one, from which outlines share the ground
_DENSE = 0.5  # simulated outlines, over as many as there would be side by side
_FEWEST = 8
_BEYOND = 0.35  # of what images differ by, beyond the last of them
_DENSITIES = {"density", "activity"}


def fit_labels(
    fields: Sequence[Field], like: Scene, seed: int, report: Report | None = None
) -> list[Estimate]:
    """Estimate what label images tell of cells that stand apart."""
    tables = [cells_of(field) for field in fields]
    rows = np.concatenate(tables)
    whole = rows[rows["whole"]]
    if len(whole) < _FEWEST:
        msg = (
            f"labels: {len(whole)} whole cells in {len(fields)} images; at least {_FEWEST} are "
            "needed to tell sizes and shapes: add label images, or centres with --points"
        )
        raise SimcellError(msg)
    radius = float(np.quantile(whole["diameter_um"], 0.75)) / 2
    seen = [_within(f, table, radius) for f, table in zip(fields, tables, strict=True)]
    told = None if report is None else (lambda done: report("point process", 0.6 * done))
    made = places(seen, seed, told)
    made += _sizes(tables)
    told = None if report is None else (lambda done: report("outlines", 0.6 + 0.4 * done))
    made += _shapes(fields, whole, like, seed, told)
    return [*made, _meeting(fields)]


def fit_centres(
    fields: Sequence[Field], like: Scene, seed: int, report: Report | None = None
) -> list[Estimate]:
    """Estimate what centres alone tell of cells that stand apart: where they are."""
    seen = []
    for field in fields:
        if field.points is not None:
            mask = None if field.annotated is None or field.annotated.all() else field.annotated
            window = Window(field.size_um, mask)
            inside = window.contains(field.points)
            seen.append((field.points[inside], window))
    told = None if report is None else (lambda done: report("point process", done))
    made = places(seen, seed, told)
    blind = "centres do not show outlines"
    return [
        *made,
        *(
            Estimate(f"cells.{name}", getattr(like.cells, name), how=blind, status="unidentified")
            for name in ("radius_um", "radius_cv", "waviness")
            if hasattr(like.cells, name)
        ),
    ]


def places(seen: Seen, seed: int, report: Callable[[float], None] | None = None) -> list[Estimate]:
    """Choose a point process for centres, with its numbers and their ranges between images."""
    choice = choose(seen, seed, report=report)
    fit = choice.chosen
    count = sum(len(points) for points, _ in seen)
    said = f"{fit.family.words}; {count} cells in {len(seen)} images"
    made = [Estimate("points.kind", fit.family.kind, how=_words(choice))]
    for k, name in enumerate(fit.family.names):
        ends = {"value": fit.value[k], "low": fit.low[k], "high": fit.high[k]}
        if name in _DENSITIES:
            made.append(_uneven(name, ends, seen, said))
            continue
        status: Status = "estimated" if fit.identified[k] else "unidentified"
        most = 1.0 if name == "gamma" else 1e5
        least = 0.0 if name == "gamma" else 1e-3
        made.append(around(f"points.{name}", ends, said, status, least=least, most=most))
    return made


def _words(choice: Choice) -> str:
    fit: Fit = choice.chosen
    poor = "" if fit.p_value >= 0.05 else "the nearest, though none looks quite alike; "
    return poor + choice.words


def _uneven(name: str, ends: dict[str, float], seen: Seen, said: str) -> Estimate:
    """Widen the range of a density by what images differ more than chance lets them."""
    counts = np.array([len(points) for points, _ in seen], np.float64)
    areas = np.array([window.volume for _, window in seen])
    relative = counts / areas / (counts.sum() / areas.sum())
    chance = float((1.0 / np.maximum(areas / areas.mean() * counts.mean(), 1.0)).mean())
    m = len(seen)
    between = max(float(relative.var(ddof=1)) - chance, 0.0) ** 0.5 if m > 1 else 0.0
    low, high, value = ends["low"], ends["high"], ends["value"]
    if between > 0.1:
        factor = float(student.ppf(0.95, m - 1)) * (between**2 + chance) ** 0.5 / m**0.5
        low, high = min(low, value * max(1 - factor, 0.2)), max(high, value * (1 + factor))
        said += "; images differ more than chance"
    least = min(low, value * max(float(relative.min()), 0.1)) if between > 0.1 else low
    most = max(high, value * float(relative.max())) if between > 0.1 else high
    vary = drawn_within(0.97 * least, 1.03 * most)
    return Estimate(f"points.{name}", float(f"{value:.4g}"), low, high, vary, said)


def _within(field: Field, table: NDArray[np.void], radius: float) -> tuple[FloatArray, Window]:
    """Return centres within the field less a rim as wide as a cell.

    What is seen of a cell that the frame cuts has its centre in the rim, wherever the
    cell's own one lies.
    """
    places = np.stack([table["centroid_y_um"], table["centroid_x_um"]], axis=1)
    size = np.array(field.size_um)
    rim = min(radius, 0.2 * float(size.min()))
    inner = size - 2 * rim
    inside = np.all((places >= rim) & (places < rim + inner), axis=1)
    return places[inside] - rim, Window((float(inner[0]), float(inner[1])))


def _sizes(tables: Sequence[NDArray[np.void]]) -> list[Estimate]:
    """Radius and its spread, with what images differ by."""
    rows = np.concatenate(tables)
    rows = rows[rows["whole"]]
    mean, _ = weighted(rows["diameter_um"] / 2, rows["weight"])
    # What images differ by goes into the range of the radius, not into its spread as well.
    own = [t[t["whole"]] for t in tables if t["whole"].sum() >= 3] or [rows]
    parts = [weighted(t["diameter_um"], t["weight"])[1] for t in own]
    cv = float(np.sqrt(np.average(np.square(parts), weights=[len(t) for t in own])))
    each = [t["diameter_um"][t["whole"]].mean() / 2 for t in tables if t["whole"].sum() >= 3]
    m, n = len(each), len(rows)
    between = float(np.std(each, ddof=1)) if m > 1 else 0.0
    error = cv * mean / n**0.5
    unlike = m > 1 and between / m**0.5 > error * clearly(m)
    if unlike:
        error = between / m**0.5
    factor = float(student.ppf(0.95, m - 1)) if unlike else 1.645
    how = f"{n} whole cells, each by its chance to be whole"
    low, high = max(mean - factor * error, 0.3 * mean), mean + factor * error
    least, most = min([low, *each]), max([high, *each])
    if m > 2 and unlike:
        # How badly few images tell the mean is no reason to draw cells that none of them shows.
        least = max(min(each) - _BEYOND * between, 0.5 * min(each))
        most = max(each) + _BEYOND * between
    width = 1.645 * cv * (0.5 / n) ** 0.5 * 1.5
    spread = {"value": cv, "low": cv - width, "high": cv + width}
    value = float(f"{mean:.4g}")
    return [
        Estimate("cells.kind", "outlines", how="background lies between the cells"),
        Estimate("cells.radius_um", value, low, high, drawn_within(least, most), how),
        around("cells.radius_cv", spread, how, least=0.0, most=0.8),
    ]


def _shapes(
    fields: Sequence[Field],
    whole: NDArray[np.void],
    like: Scene,
    seed: int,
    report: Callable[[float], None] | None,
) -> list[Estimate]:
    """Ratio of axes and waviness, by simulated outlines of the same size in pixels."""
    thin = thinned(max(fields, key=lambda f: 0 if f.labels is None else int(f.labels.max())))
    spacing = float(np.prod(thin.spacing_um)) ** 0.5
    harmonics = int(getattr(like.cells, "harmonics", 6))
    taper = float(getattr(like.cells, "taper", 0.5))
    radius = float(np.median(whole["diameter_um"])) / 2
    spread = float(np.clip(whole["diameter_um"].std() / whole["diameter_um"].mean(), 0.0, 0.4))
    pitch = 3.6 * radius
    side = int(np.clip(np.ceil((min(len(whole), 150) ** 0.5) * pitch / spacing), _SIDE_PX / 2, 700))
    drawn = _DENSE * (side * spacing / pitch - 1.0) ** 2

    def measure(values: dict[str, float], number: int) -> FloatArray:
        low, high = sorted((values["least"], values["most"]))
        scene = Scene(
            frame=Frame(shape=(side, side), spacing_um=spacing, margin_um=2 * radius),
            region=Full(),
            points=HardCore(density=_DENSE / pitch**2 * MM_IN_UM**2, distance_um=0.7 * pitch),
            cells=Outlines(
                radius_um=radius,
                radius_cv=spread,
                axis_ratio_min=low,
                axis_ratio_max=high,
                waviness=values["wavy"],
                harmonics=harmonics,
                taper=taper,
            ),
        )
        labels = simulate(scene, seed=seed, index=number, upto="cells").labels
        assert labels is not None
        table = cells_of(Field("drawn", (spacing, spacing), labels=labels))
        return _looks(table[table["whole"]])

    tables = [cells_of(thinned(field)) for field in fields]
    rows = np.concatenate(tables)
    observed = Observed(_looks(rows[rows["whole"]]), share=drawn / len(whole))
    told = None if report is None else (lambda done: report(done / sum(_ROUNDS)))
    found = invert(_SHAPES, measure, observed, stream(seed, 0, "fit.outlines"), _ROUNDS, told)
    how = "elongation, solidity and outlines against simulations"
    made = []
    for path, name, least, most in (
        ("cells.axis_ratio_min", "least", 0.05, 1.0),
        ("cells.axis_ratio_max", "most", 0.05, 1.0),
        ("cells.waviness", "wavy", 0.0, 0.4),
    ):
        ends = {"value": found.value[name], "low": found.low[name], "high": found.high[name]}
        status: Status = "estimated" if found.identified[name] else "unidentified"
        made.append(around(path, ends, how, status, least=least, most=most))
    return _in_order(made)


def _in_order(made: list[Estimate]) -> list[Estimate]:
    """Keep ranges of the least and the largest ratio of axes from crossing."""
    low, high, *rest = made
    middle = 0.5 * (float(low.value) + float(high.value))
    if low.value > high.value:
        low, high = (
            Estimate(a.path, b.value, b.low, b.high, b.vary, a.how, a.status)
            for a, b in ((low, high), (high, low))
        )
    cut = []
    for one, least, most in ((low, 0.05, middle), (high, middle, 1.0)):
        vary = one.vary
        if vary is not None:
            ends = vary.ends()
            vary = drawn_within(max(ends[0], least), min(ends[1], most))
        cut.append(Estimate(one.path, one.value, one.low, one.high, vary, one.how, one.status))
    return [*cut, *rest]


def _looks(rows: NDArray[np.void]) -> FloatArray:
    """Return what outlines look like: elongation, its spread and ends, solidity, roundness."""
    if len(rows) < _FEWEST:
        return np.full(7, np.nan)
    long = np.log(rows["elongation"])
    hollow = np.log(np.maximum(1.0 - rows["solidity"], 1e-3))
    rough = np.log(1.0 / rows["circularity"])
    return np.array(
        [
            np.log(long.mean() + 0.02),
            np.log(long.std() + 0.02),
            np.quantile(long, 0.15),
            np.quantile(long, 0.85),
            hollow.mean(),
            rough.mean(),
            # What is rough beyond its length is wavy.
            (rough - long**2 / 4).mean(),
        ]
    )


def _meeting(fields: Sequence[Field]) -> Estimate:
    """Tell whether cells touch, so that outlines share the ground, or lie on each other."""
    touching = total = 0
    for field in fields:
        assert field.labels is not None
        pieces = split(field.labels)
        pairs: IntArray = adjacent_pairs(pieces)
        touching += len(np.unique(pieces.owner[pairs]))
        total += int(field.labels.max(initial=0))
    share = touching / max(total, 1)
    value = "share" if share > _TOUCH else "cover"
    return Estimate("cells.meet", value, how=f"{share:.0%} of the cells touch another one")
