"""What to change first in a preset, so that its images come nearer to the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simcell.compare.statistics import Row
from simcell.errors import SimcellError
from simcell.paths import find
from simcell.preset import Preset

MOST = 3
_NOTHING = 5e-4
_CAUSES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "density": (
        ("points.density", 1),
        ("points.types.0.activity", 1),
        ("points.types.0.density", 1),
        ("points.probability", 1),
        ("points.distance_um", -1),
    ),
    "size": (
        ("cells.radius_um", 1),
        ("points.types.0.radius_um", 1),
        ("points.density", -1),
        ("points.distance_um", 1),
        ("cells.types.0.cytoplasm.radius_um", 1),
    ),
    "spread": (
        ("cells.radius_cv", 1),
        ("points.types.0.radius_cv", 1),
        ("cells.lloyd", -1),
        ("points.spread", 1),
    ),
    "order": (
        ("cells.lloyd", 1),
        ("points.distance_sides", 1),
        ("points.distance_um", 1),
        ("points.types.0.radius_um", 1),
        ("points.overlap_limit", -1),
    ),
    "cover": (
        ("cells.vacancy", -1),
        ("points.types.0.activity", 1),
        ("cells.radius_um", 1),
        ("region.coverage", 1),
    ),
    "shape": (
        ("cells.axis_ratio_min", -1),
        ("points.types.0.axis_ratio_min", -1),
        ("cells.lloyd", -1),
    ),
    "outline": (("cells.waviness", -1), ("cells.undulation_um", -1)),
    "brightness": (
        ("imaging.cytoplasm.brightness", 1),
        ("imaging.gain", 1),
        ("imaging.camera.gain", 1),
        ("imaging.cells.phase", 1),
    ),
    "depth": (
        ("imaging.gain", 1),
        ("imaging.cytoplasm.cell_cv", 1),
        ("imaging.camera.gain", 1),
        ("imaging.cells.cell_cv", 1),
    ),
    "borders": (("imaging.membrane.brightness", 1), ("imaging.optics.halo_um", 1)),
    "ground": (
        ("imaging.field.autofluorescence", -1),
        ("imaging.cytoplasm.brightness", 1),
        ("imaging.offset", -1),
    ),
    "spots": (
        ("imaging.organelles.brightness", 1),
        ("imaging.cytoplasm.texture.bias", -1),
        ("imaging.debris.density", 1),
    ),
    "blur": (("imaging.psf_um", -1), ("imaging.optics.psf_um", -1)),
    "noise": (
        ("imaging.noise", 1),
        ("imaging.noise.looks", -1),
        ("imaging.camera.photons", -1),
        ("imaging.camera.read_noise", 1),
    ),
    "grain": (
        ("imaging.noise.speckle_um", 1),
        ("imaging.psf_um", 1),
        ("imaging.camera.smooth_px", 1),
        ("imaging.optics.psf_um", 1),
    ),
    "texture": (
        ("imaging.cytoplasm.grain_um", -1),
        ("imaging.cytoplasm.texture.persistence", 1),
        ("imaging.cells.grain_um", -1),
    ),
    "light": (
        ("imaging.field.tilt", 1),
        ("imaging.field.uneven", 1),
        ("imaging.field.falloff", 1),
    ),
    "floor": (("imaging.offset", 1), ("imaging.camera.offset", 1), ("imaging.field.glow", 1)),
}
"""By cause: paths of a scene, the likeliest first, and whether raising the value raises the
statistic (1) or lowers it (-1)."""


@dataclass(frozen=True)
class Change:
    """One thing to change.

    Attributes
    ----------
    what : str
        What is wrong, in plain words.
    why : str
        The numbers behind it.
    how : str
        What to do.
    path : str or None
        Path of the scene to begin with; None where the preset has none for it, or there is
        no preset.
    statistic : str
        Name of the statistic that says so.
    """

    what: str
    why: str
    how: str
    path: str | None
    statistic: str


def first_changes(rows: list[Row], preset: Preset | None) -> list[Change]:
    """Return up to three things to change first, those with the largest effects.

    Each has another cause. What is alike, or too uncertain, is left alone.
    """
    weight = {"off": 1.0, "close": 0.5, "in range": 0.3}
    scored = [
        (weight[row.effect.verdict] * min(abs(row.effect.size), 8.0), row)
        for row in rows
        if row.effect.verdict in weight
    ]
    chosen: list[Change] = []
    causes: set[str] = set()
    for _, row in sorted(scored, key=lambda pair: -pair[0]):
        cause = row.statistic.cause
        twin = {"density": "size", "size": "density"}.get(cause, cause)
        if cause in causes or twin in causes:
            continue
        causes.add(cause)
        change = _change(row, preset)
        if change.path is not None and any(change.path == other.path for other in chosen):
            continue
        chosen.append(change)
        if len(chosen) == MOST:
            break
    return chosen


def _change(row: Row, preset: Preset | None) -> Change:
    effect, statistic = row.effect, row.statistic
    low = effect.size < 0
    what = statistic.words[0 if low else 1]
    what = what[0].upper() + what[1:]
    why = (
        f"{statistic.about}: {number(effect.synthetic)} in synthetic images, "
        f"{number(effect.real)} in real ones"
    )
    if effect.verdict == "in range":
        why += "; the synthetic range reaches over the real one"
    path, sign = _path(statistic.cause, preset)
    if path is None:
        how = "Look for what makes it, and vary it." if preset is None else "No number for it yet."
        return Change(what, why, how, None, statistic.name)
    assert preset is not None
    if statistic.name == "nearest_cv":
        sign = -sign
    raised = (sign > 0) == low
    return Change(what, why, _how(path, raised, row, preset), path, statistic.name)


def _path(cause: str, preset: Preset | None) -> tuple[str | None, int]:
    """Return the first path for a cause that the preset has."""
    if preset is None:
        return None, 0
    there = ((path, sign) for path, sign in _CAUSES[cause] if _value(preset, path) is not None)
    return next(there, (None, 0))


def _value(preset: Preset, path: str) -> Any:  # noqa: ANN401 - any value of a scene
    try:
        return find(preset.base.model_dump(mode="json"), path)
    except SimcellError:
        return None


def _how(path: str, raised: bool, row: Row, preset: Preset) -> str:
    """Say which way to turn a number, and from where."""
    law = preset.vary.get(path)
    value = _value(preset, path)
    if path == "imaging.noise":
        return f"Vary {path} among {'higher' if raised else 'lower'} levels."
    verb = "Raise" if raised else "Lower"
    if law is not None:
        ends = [end for end in law.ends() if isinstance(end, int | float)]
        span = f", which varies from {min(ends):.4g} to {max(ends):.4g}" if len(ends) > 1 else ""
        if row.effect.verdict == "in range":
            return f"Narrow {path}{span}, towards {'higher' if raised else 'lower'} values."
        return f"{verb} the range of {path}{span}."
    if not isinstance(value, int | float):
        return f"{verb} {path}."
    target = _target(path, row, float(value))
    return f"{verb} {path} from {value:.4g}{target}."


def _target(path: str, row: Row, value: float) -> str:
    """Guess the value that is needed, where a number simply scales with it."""
    effect = row.effect
    if min(effect.real, effect.synthetic) <= 0:
        return ""
    ratio = effect.real / effect.synthetic
    if row.statistic.name == "density" and path.endswith("density"):
        return f" to about {value * ratio:.3g}"
    if row.statistic.name == "area_um2":
        power = -1.0 if path.endswith("density") else 0.5  # areas go with lengths squared
        return f" to about {value * ratio**power:.3g}"
    return ""


def number(value: float) -> str:
    """Write a number with three figures.

    Examples
    --------
    >>> number(1234.5), number(0.04567), number(-3.0)
    ('1230', '0.0457', '−3')
    """
    if value != value:
        return "–"
    if abs(value) < _NOTHING:
        return "0" if value == 0 else "≈ 0"
    if abs(value) >= 1000:
        return f"{round(value, 3 - len(str(int(abs(value))))):.0f}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")
