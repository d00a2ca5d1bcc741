"""From what matching found to estimates: best values, intervals, ranges for a preset.

Decision: intervals tell how well a number is known by itself; ranges of a preset do not. A
preset draws its numbers one by one, and a strong blur may go with broad membranes alone:
drawn apart, both would hide the membranes that every image shows. Ranges are those of
independent numbers that come nearest to what images make likely together, which is what is
left of a number's spread when all others are known (mean field; Bishop, Pattern Recognition
and Machine Learning, 2006, section 10.1), and what images differ by besides; see
`simcell.fit.width`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from simcell.arrays import FloatArray
from simcell.fit.estimate import Estimate
from simcell.fit.knobs import Knob, Scale, is_on, settings
from simcell.fit.matching import Match
from simcell.fit.width import population
from simcell.paths import under
from simcell.preset import Preset
from simcell.vary import LogUniform, Uniform, Value

_UNTOLD = 0.68  # share of the first range that an interval of a number nobody can tell fills
_CELLS, _GAIN = "imaging.cytoplasm.brightness", "imaging.gain"
_CELL_LENGTHS = (
    "membrane.scale_um", "nucleus.edge_um", "nucleus.offset_um", "organelles.radius_um",
    "keratin.radius_um", "defocus.blur_um", "field.furrow_edge_um",
)  # fmt: skip


def estimates_of(
    found: Match,
    knobs: Sequence[Knob],
    fixed: Mapping[str, Value],
    how: str,
    stretch: Mapping[str, float],
    share: float | FloatArray = 1.0,
) -> list[Estimate]:
    """Return an estimate for every number that was matched.

    Parameters
    ----------
    found : Match
    knobs : sequence of Knob
    fixed : mapping
        Values by path that held for every draw.
    how : str
    stretch : mapping of str to float
        Factors by path, from the patches to the preset's frame.
    share : float or FloatArray
        Width of the ranges, of the widest; see `simcell.fit.width`.
    """
    middle = np.median(found.samples, axis=0)
    apart = found.samples - middle
    spread = np.maximum(apart.std(axis=0), 1e-6)
    between = found.between
    # How well the mean is known, and what images vary over: both widen what samples tell.
    mean = middle + apart * np.sqrt(1.0 + between**2 / max(found.images, 1) / spread**2)
    varied = population(found, share)
    # What others are told in is fixed in the preset: a range of gains times one of photons would
    # be a range of brightness that no image has, and one of membranes beside one of cells a
    # range of contrast. How bright whole images are is left to the gain.
    bases = {path for knob in knobs for path in (*knob.over, *knob.times)}
    brightness = _brightness(knobs, varied, fixed)
    for i, knob in enumerate(knobs):
        if knob.path in bases:
            varied[:, i] = middle[i]
    tables = [_values(knobs, np.clip(rows, 0.0, 1.0), fixed) for rows in (mean, varied)]
    low, high = np.quantile(found.samples, [0.05, 0.95], axis=0)
    told = high - low < _UNTOLD
    single = [
        _estimate(knob, tables, i, bool(told[i]), how, stretch.get(knob.path, 1.0))
        for i, knob in enumerate(knobs)
    ]
    return single + brightness


def out_of_reach(found: Match, kind: str) -> list[Estimate]:
    """Name what images measure and no sample does, beside the kind of imaging."""
    if not found.strange:
        return []
    how = f"no sample has the images' {', '.join(found.strange)}; counts little in the matching"
    return [Estimate("imaging.kind", kind, how=how, status="taken")]


def _brightness(
    knobs: Sequence[Knob], varied: FloatArray, fixed: Mapping[str, Value]
) -> list[Estimate]:
    """Return the gain that varies whole images as the cells' brightness does."""
    if _GAIN not in fixed or _CELLS not in [knob.path for knob in knobs]:
        return []
    i = [knob.path for knob in knobs].index(_CELLS)
    levels = np.array([knobs[i].value(unit) for unit in np.clip(varied[:, i], 0.0, 1.0)])
    gain = float(str(fixed[_GAIN]))
    ends = np.quantile(levels / np.median(levels), [0.05, 0.95]) * gain
    low, high = (float(f"{end:.3g}") for end in ends)
    law = LogUniform(low=low, high=high) if low < high else None
    # No interval: only gain times brightness shows, and how it differs between images.
    return [Estimate(_GAIN, gain, None, None, law, "so that whole images differ in brightness")]


def _values(knobs: Sequence[Knob], units: FloatArray, fixed: Mapping[str, Value]) -> FloatArray:
    rows = [list(settings(knobs, row.tolist(), fixed).values()) for row in units]
    return np.array(rows)


def _estimate(
    knob: Knob, tables: list[FloatArray], i: int, told: bool, how: str, factor: float
) -> Estimate:
    low, high = np.quantile(tables[0][:, i], [0.05, 0.95]) * factor
    value = np.median(tables[1][:, i]) * factor
    # What hardly shows varies about its middle: ends that no image shows add up to one that does.
    tails = [0.05, 0.95] if told else [0.2, 0.8]
    ends = np.quantile(tables[1][:, i], tails) * factor
    first, last = (float(f"{min(max(end, knob.least), knob.most):.3g}") for end in ends)
    law = LogUniform if knob.log and first > 0 else Uniform
    return Estimate(
        knob.path,
        float(f"{min(max(value, first), last):.4g}"),
        float(f"{low:.4g}"),
        float(f"{high:.4g}"),
        law(low=first, high=last) if first < last else None,
        how if told else f"{how}: hardly shows",
        "estimated" if told else "unidentified",
    )


def taken(
    like: Preset, scale: Scale, made: Sequence[Estimate], notes: Mapping[str, str]
) -> list[Estimate]:
    """Return what is not matched and yet not left as it is: fixed, or scaled with the cells."""
    tree = like.base.model_dump(mode="json")
    matched = {one.path for one in made}
    found = [
        Estimate(path, _at(tree, path), how=why, status="taken")
        for path, why in notes.items()
        if path not in matched
    ]
    ratio = scale.cell_um / cell_um_of(like)
    if like.base.imaging.kind != "rcm" or not 0.05 < ratio < 20 or abs(ratio - 1.0) < 0.1:
        return found
    for name in _CELL_LENGTHS:
        path = f"imaging.{name}"
        if path in matched or not is_on(Knob(path, 0, 0), like):
            continue
        if any(under(path, p) or under(p, path) for p in like.vary):
            continue
        value = float(f"{_at(tree, path) * ratio:.3g}")
        how = f"scaled with the cells, by {ratio:.2f}"
        found.append(Estimate(path, value, how=how, status="taken"))
    return found


def _at(tree: Mapping[str, Value], path: str) -> Value:
    node: Value = tree
    for part in path.split("."):
        node = node[part]
    return node


def cell_um_of(like: Preset) -> float:
    """Return the square root of the mean area of a preset's cells; NaN unknown."""
    area = like.expect.get("area_um2")
    if area is not None:
        return float(np.sqrt(0.5 * (area.low + area.high)))
    density = getattr(like.base.points, "density", None)
    return float("nan") if not density else float(1e3 / np.sqrt(density))
