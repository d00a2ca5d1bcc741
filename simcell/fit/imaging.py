"""How a microscope made images whose cells are labelled.

What images tell directly comes first: whether borders are bright or dark, how bright cells,
borders and background are. The rest is matched by simulating images on the same labels;
see `simcell.fit.matching`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simcell.arrays import FloatArray
from simcell.describe.field import Field
from simcell.describe.zones import levels_of
from simcell.errors import SimcellError
from simcell.fit.answers import estimates_of, out_of_reach, taken
from simcell.fit.estimate import Estimate
from simcell.fit.knobs import FIXED, Knob, allowed, is_on, knobs_of
from simcell.fit.nearest import closest
from simcell.fit.patches import cut, on_borders
from simcell.fit.rigs import Bench, Patch, Squares
from simcell.fit.width import widest
from simcell.paths import find
from simcell.preset import Preset
from simcell.vary import Value

_FAINT = 0.02  # contrast of borders below which they may be bright or dark
_GAIN, _PHOTONS = "imaging.camera.gain", "imaging.camera.photons"


@dataclass(frozen=True)
class Brightness:
    """Mean grey levels over all images, on the scale 0 to 255; NaN where there is none."""

    border: float
    interior: float
    background: float
    dark: float

    @property
    def contrast(self) -> float:
        """Border over interior less 1."""
        return self.border / max(self.interior, 1.0) - 1.0


def fit_imaging(
    fields: Sequence[Field],
    like: Preset,
    *,
    seed: int = 0,
    minutes: float = 5.0,
    workers: int = 1,
    progress: bool | None = False,
) -> list[Estimate]:
    """Estimate how images with labelled cells were made.

    Parameters
    ----------
    fields : sequence of Field
        Those with an image and labels count.
    like : Preset
        Kind of imaging, and where the search starts.
    seed : int
    minutes : float
        Budget of work on one ordinary core.
    workers : int
        Processes; the answer does not depend on it.
    progress : bool or None
        See ``simcell.batch.progress.reported``.

    Returns
    -------
    list of Estimate
        Of paths below ``imaging``.
    """
    kind = like.base.imaging.kind
    if kind not in FIXED:
        how = f"images of kind {kind} are not matched; {' and '.join(FIXED)} are"
        return [Estimate("imaging.kind", kind, how=how, status="taken")]
    both = [f for f in fields if f.image is not None and f.labels is not None and f.labels.any()]
    if not both:
        msg = "images: none has labelled cells; give labels of the same names"
        raise SimcellError(msg)
    both, shift = on_borders(both, like)
    patches, scale = cut(both, like)
    part = "nucleus" if like.base.cells.kind == "simcep" else "cytoplasm"
    knobs = [
        *level_knobs(like, brightness_of(patches), part),
        *knobs_of(like, scale, part),
    ]
    fixed, notes = fixed_of(like, part)
    bench = Bench(tuple(patches), like, tuple(knobs), fixed, part)
    stretch = stretch_of(like, patches)
    images = tuple(f.image for f in fields if f.image is not None)
    squares = Squares(images, like, tuple(knobs), fixed, stretch)
    found = closest(
        (bench, squares), seed=seed, minutes=minutes, workers=workers, progress=progress
    )
    how = f"matched, {len(both)} images on their labels"
    if any(shift):
        how += f" moved {shift[0]:+d}, {shift[1]:+d} px (y, x) onto the borders"
    share = widest(bench, found, seed)
    made = estimates_of(found, knobs, fixed, how, stretch, share)
    return [*made, *taken(like, scale, made, notes), *out_of_reach(found, kind)]


def brightness_of(patches: Sequence[Patch]) -> Brightness:
    """Measure how bright the parts of labelled cells are, over all patches."""
    rows = []
    for patch in patches:
        assert patch.zones is not None
        levels = levels_of(patch.image, patch.zones)
        dark = float(np.quantile(patch.image, 0.02))
        rows.append([levels.border, levels.interior, levels.background, dark])
    table: FloatArray = np.array(rows)
    columns = [column[np.isfinite(column)] for column in table.T]
    return Brightness(*(float(c.mean()) if len(c) else float("nan") for c in columns))


def level_knobs(like: Preset, seen: Brightness, part: str = "cytoplasm") -> list[Knob]:
    """List the knobs of brightness, with ends about what the images show."""
    if like.base.imaging.kind == "rcm":
        return _levels_of_rcm(like, seen)
    return _levels_of_stain(like, seen, part)


def _levels_of_rcm(like: Preset, seen: Brightness) -> list[Knob]:
    gain = float(find(like.base.model_dump(), "imaging.gain"))
    offset = float(find(like.base.model_dump(), "imaging.offset"))
    body = max((seen.interior / 255.0 - offset) / gain, 0.01)
    cells = "imaging.cytoplasm.brightness"
    membrane = Knob("imaging.membrane.brightness", *_contrasts(seen.contrast), times=(cells,))
    ends = Knob(cells, 0.45 * body, min(2.0 * body, 3.0), log=True)
    return [allowed(ends, like), allowed(membrane, like)]


def _contrasts(contrast: float) -> tuple[float, float]:
    """Return the ends of membranes over cells; blur hides most of what there is."""
    if contrast < -_FAINT:
        return 0.0, 0.97
    if contrast > _FAINT:
        return 1.03, 5.0
    return 0.3, 2.5


def _levels_of_stain(like: Preset, seen: Brightness, part: str) -> list[Knob]:
    """Photons go with the cells' brightness, which is kept, and haze with the background's."""
    light = max(seen.interior - np.nan_to_num(seen.background), 1.0)
    ground = max(np.nan_to_num(seen.background, nan=seen.dark), 0.5)
    knobs = [
        Knob(_PHOTONS, 0.6 * light, 4.0 * light, True, over=(_GAIN, f"imaging.{part}.brightness")),
        Knob("imaging.camera.offset", 0.0, 1.2 * ground),
        Knob("imaging.field.glow", 0.0, 1.2 * ground, over=(_GAIN, _PHOTONS)),
        Knob("imaging.field.autofluorescence", 0.0, 1.5 * ground, over=(_GAIN, _PHOTONS)),
    ]
    return [allowed(knob, like) for knob in knobs if is_on(knob, like)]


def fixed_of(like: Preset, part: str) -> tuple[dict[str, Value], dict[str, str]]:
    """Return the values that images cannot tell beside others, and why, by path."""
    kind = like.base.imaging.kind
    notes = {f"imaging.{k.format(part=part)}": why for k, why in FIXED[kind].items()}
    tree = like.base.model_dump(mode="json")
    return {path: find(tree, path) for path in notes}, notes


def stretch_of(like: Preset, patches: Sequence[Patch]) -> Mapping[str, float]:
    """Return what is told per patch and grows with the frame of the preset."""
    frame = float(np.mean(like.base.frame.shape))
    patch = float(np.mean([patch.image.shape for patch in patches]))
    return {"imaging.field.tilt": frame / patch}
