"""Which numbers of an imaging are matched, and between which ends.

Decision: ends are far enough apart for any tissue and microscope of the kind; they enclose
the range of the preset that a fit starts from. Lengths of the tissue are another matter: they
are shares of the size of a cell, so that a fit of small cells does not start from large ones.

Decision: what only shows as a product is matched as what it makes of grey levels. Brightness
is told in grey levels and divided by the camera's gain; that of membranes is told as a
multiple of the cells', and how deep nuclei are as what they take from all cells together.

Decision: what the preset switches off stays off: a preset without nuclei stays without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import BaseModel

from simcell.paths import find, under
from simcell.preset import Preset
from simcell.vary import Choice, Distribution

Unit = Literal["", "cell", "pixel", "per cell area"]

_LEAST_DIVISOR = 1e-3
"""A share of 0 shows nothing, whatever the number is that it is a divisor of."""


@dataclass(frozen=True)
class Knob:
    """One number that is matched.

    Attributes
    ----------
    path : str
        Of the scene.
    low, high : float
        Ends between which it is looked for.
    log : bool
        Every ratio alike, as for lengths.
    unit : str
        What its ends in a table are multiples of.
    times, over : tuple of str
        Paths of the scene whose values it is multiplied by and divided by.
    always : bool
        Matched though the preset switches it off.
    least, most : float
        What the scene allows.
    """

    path: str
    low: float
    high: float
    log: bool = False
    unit: Unit = ""
    times: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    always: bool = False
    least: float = -np.inf
    most: float = np.inf

    def value(self, unit: float) -> float:
        """Return the number at a place from 0 to 1 between the ends."""
        if self.log:
            return float(self.low * (self.high / self.low) ** unit)
        return float(self.low + unit * (self.high - self.low))


@dataclass(frozen=True)
class Scale:
    """Sizes that lengths are told in.

    Attributes
    ----------
    cell_um : float
        Square root of the mean area of a cell.
    pixel_um : float
    """

    cell_um: float
    pixel_um: float

    def of(self, unit: Unit) -> float:
        """Return what a unit is in µm, or in cells per mm² for a density."""
        match unit:
            case "cell":
                return self.cell_um
            case "pixel":
                return self.pixel_um
            case "per cell area":
                return 1e6 / self.cell_um**2
        return 1.0


_RCM = (
    Knob("membrane.width_um", 0.05, 0.35, True, "cell"),
    Knob("membrane.strength_cv", 0.02, 0.9),
    Knob("cytoplasm.cell_cv", 0.01, 0.5),
    Knob("cytoplasm.grain", 0.02, 0.9),
    Knob("cytoplasm.grain_um", 0.05, 0.5, True, "cell"),
    Knob("nucleus.radius_um", 0.18, 0.35, True, "cell"),
    Knob("nucleus.visible", 0.2, 1.0),
    Knob("nucleus.depth", -0.5, 0.7),
    Knob("organelles.density", 0.2, 5.0, True, "per cell area"),
    Knob("organelles.brightness", 0.0, 0.5),
    Knob("keratin.brightness", 0.0, 0.8),
    Knob("defocus.share", 0.0, 0.6),
    Knob("field.uneven", 0.01, 0.5),
    Knob("field.scale_um", 0.5, 6.0, True, "cell"),
    Knob("field.tilt", 0.0, 3.0),
    Knob("noise.looks", 4.0, 2e4, True),
    Knob("noise.speckle_um", 0.6, 6.0, True, "pixel"),
    Knob("noise.photons", 50.0, 3e5, True),
    Knob("noise.read_noise", 0.0005, 0.04, True),
    Knob("noise.jitter_um", 0.0, 1.5, unit="pixel"),
    Knob("noise.interlace", 0.0, 0.06, always=True),
    Knob("noise.smear_um", 0.0, 3.0, unit="pixel", always=True),
    Knob("noise.lines", 0.0, 0.02, always=True),
    Knob("noise.peaking", -0.5, 1.5, always=True),
    Knob("noise.peaking_um", 1.0, 20.0, True, "pixel", always=True),
    Knob("psf_um", 0.6, 8.0, True, "pixel"),
    Knob("gamma", 0.3, 1.6, True, always=True),
)
_OPTICS = (
    Knob("field.falloff", 0.0, 0.9),
    Knob("psf_um", 0.8, 10.0, True, "pixel"),
    Knob("camera.gain", 0.002, 2.0, True),
    Knob("camera.read_noise", 0.05, 8.0, True, over=("imaging.camera.gain",)),
    Knob("camera.smooth_px", 0.0, 1.5, always=True),
)
_PART = (
    Knob("cell_cv", 0.01, 1.0),
    Knob("texture.persistence", 0.1, 1.0),
    Knob("texture.bias", 0.05, 0.95),
)
FIXED = {
    "rcm": {"gain": "only gain times brightness shows", "offset": "hidden in the brightness"},
    "fluorescence": {"{part}.brightness": "only photons times brightness shows"},
}
"""Numbers that no image tells beside the others, and why; they stay those of the preset."""
SWITCHES = {"organelles": "density", "keratin": "density", "nucleus": "visible"}


def knobs_of(like: Preset, scale: Scale, part: str = "cytoplasm") -> list[Knob]:
    """List what is matched for the imaging of a preset, but for the levels.

    Parameters
    ----------
    like : Preset
        With imaging of one of the kinds in ``FIXED``.
    scale : Scale
    part : str
        Part of the cells that fluoresces.
    """
    table: tuple[Knob, ...] = _RCM
    if like.base.imaging.kind == "fluorescence":
        parts = tuple(replace(knob, path=f"{part}.{knob.path}") for knob in _PART)
        table = parts + _OPTICS
    named = [replace(knob, path=f"imaging.{knob.path}") for knob in table]
    return [allowed(_ends(knob, like, scale), like) for knob in named if is_on(knob, like)]


def is_on(knob: Knob, like: Preset) -> bool:
    """Tell whether the preset ever shows what a number is of."""
    part = knob.path.split(".")[-2]
    switch = knob.path
    if part in SWITCHES:
        switch = f"{knob.path.rpartition('.')[0]}.{SWITCHES[part]}"
    if knob.always or any(under(switch, path) for path in like.vary):
        return True
    return bool(find(like.base.model_dump(mode="json"), switch) != 0)


def _ends(knob: Knob, like: Preset, scale: Scale) -> Knob:
    """Return a knob with ends in the scene's units, that enclose the preset's range."""
    size = scale.of(knob.unit)
    low, high = knob.low * size, knob.high * size
    law = like.vary.get(knob.path)
    ends = None if law is None else numbers(law)
    if ends is not None and knob.unit in {"", "pixel"}:
        low, high = min(low, ends[0]), max(high, ends[1])
    if knob.log:
        low = max(low, 1e-3)
    return replace(knob, low=low, high=high)


def allowed(knob: Knob, like: Preset) -> Knob:
    """Return a knob that knows what the scene allows, and keeps its ends within."""
    node: BaseModel = like.base
    *parts, last = knob.path.split(".")
    for part in parts:
        node = getattr(node, part)
    least, most = -np.inf, np.inf
    for rule in type(node).model_fields[last].metadata:
        least = max(least, getattr(rule, "ge", getattr(rule, "gt", -np.inf)))
        most = min(most, getattr(rule, "le", getattr(rule, "lt", np.inf)))
    knob = replace(knob, least=least, most=most)
    if knob.times or knob.over:
        return knob
    return replace(knob, low=max(knob.low, least), high=min(knob.high, most))


def numbers(law: Distribution) -> tuple[float, float] | None:
    """Return the ends of what a law draws, None where it draws no numbers."""
    if isinstance(law, Choice):
        values = [v for v in law.values if isinstance(v, int | float)]
        if len(values) < len(law.values) or min(values) == max(values):
            return None
        return float(min(values)), float(max(values))
    return float(law.low), float(law.high)


def settings(
    knobs: Sequence[Knob], units: Sequence[float], base: Mapping[str, float]
) -> dict[str, float]:
    """Turn places from 0 to 1 into values of the scene, by path.

    ``base`` holds the values of paths that knobs are multiples of and that are no knobs.
    """
    plain = {knob.path: knob.value(units[i]) for i, knob in enumerate(knobs)}
    known = {**base, **{k.path: plain[k.path] for k in knobs if not (k.times or k.over)}}
    for knob in knobs:
        value = plain[knob.path]
        for path in knob.over:
            value /= max(known[path], _LEAST_DIVISOR)
        for path in knob.times:
            value *= known[path]
        value = min(max(value, knob.least), knob.most)
        plain[knob.path] = known[knob.path] = value
    return plain
