"""Real fields against synthetic ones: every number, curve and test, in one record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simcell.compare.advice import Change, first_changes
from simcell.compare.classifier import Gap
from simcell.compare.curves import Panel, panels
from simcell.compare.effects import VERDICTS, Verdict
from simcell.compare.measured import Measured
from simcell.compare.patches import Patch, gap, patches, side_for
from simcell.compare.statistics import Row, rows
from simcell.describe.field import Field
from simcell.errors import SimcellError
from simcell.preset import Preset

_FILLED = 0.9  # share of a field that is cells, from which there are no gaps


@dataclass(frozen=True)
class Comparison:
    """How far real and synthetic fields are apart.

    Attributes
    ----------
    real, synthetic : list of Measured
    rows : list of Row
        Numbers that both have, with effect sizes and verdicts.
    panels : list of Panel
        Curves that both have.
    image_gap, outline_gap : Gap, optional
        Classifier two-sample tests on patches of images, and of labels; None where a
        source lacks them, or has fewer than two fields with them.
    changes : list of Change
        What to change first.
    patches : pair of list of Patch
        Patches of images (else of labels), real and synthetic.
    seed : int
    """

    real: list[Measured]
    synthetic: list[Measured]
    rows: list[Row]
    panels: list[Panel]
    image_gap: Gap | None
    outline_gap: Gap | None
    changes: list[Change]
    patches: tuple[list[Patch], list[Patch]]
    seed: int

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """How many numbers have each verdict."""
        counts = Counter(row.effect.verdict for row in self.rows)
        return {verdict: counts[verdict] for verdict in VERDICTS}


def compare(
    real: Sequence[Field],
    synthetic: Sequence[Field],
    *,
    preset: Preset | None = None,
    seed: int = 0,
    stretch: bool = False,
) -> Comparison:
    """Compare real fields with synthetic ones.

    Parameters
    ----------
    real, synthetic : sequence of Field
        What one side lacks (labels, images, centres) is not compared.
    preset : Preset, optional
        What the synthetic fields were made from, to say what to change in it.
    seed : int
        Of the classifier's folds.
    stretch : bool
        Spread the grey levels of every image over the scale first, as of images whose
        brightness means nothing.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> import simcell
    >>> from simcell.describe.read import fields_of
    >>> preset = simcell.load_preset("discs")
    >>> samples = [simcell.simulate(preset.scene(seed=1, index=i), seed=1, index=i)
    ...            for i in range(8)]
    >>> found = compare(fields_of(samples[:4]), fields_of(samples[4:]))
    >>> found.verdicts["off"]
    0
    """
    for name, fields in (("real", real), ("synthetic", synthetic)):
        if not fields:
            msg = f"{name}: no field to compare; give at least one"
            raise SimcellError(msg)
    if stretch:
        real, synthetic = ([stretched(f) for f in fields] for fields in (real, synthetic))
    a, b = ([Measured(field) for field in _as_one(fields)] for fields in (real, synthetic))
    found = rows(a, b)
    if not found:
        msg = (
            "the real and the synthetic fields have nothing in common to compare "
            f"({_has(real)} against {_has(synthetic)}); give labels, images or centres of both"
        )
        raise SimcellError(msg)
    side = side_for([a, b])
    images = tuple(patches(source, "image", side) if side else [] for source in (a, b))
    reliefs = tuple(patches(source, "relief", side) if side else [] for source in (a, b))
    shown = images if images[0] and images[1] else reliefs
    return Comparison(
        a,
        b,
        found,
        panels(a, b, seed),
        gap(images[0], images[1], seed, "image"),
        gap(reliefs[0], reliefs[1], seed, "relief"),
        first_changes(found, preset),
        (shown[0], shown[1]),
        seed,
    )


def stretched(field: Field) -> Field:
    """Return a field whose grey levels from the 0.5 % to the 99.5 % quantile fill 0 to 255."""
    if field.image is None:
        return field
    low, high = np.quantile(field.image, [0.005, 0.995])
    levels = (field.image - low) * (255.0 / max(float(high - low), 1e-9))
    return replace(field, image=np.clip(levels, 0, 255).astype(np.float32))


def _as_one(fields: Sequence[Field]) -> list[Field]:
    """Take all fields of a source as one tissue: with gaps between cells, or without.

    Where cells stand apart, a few that huddle do not make the rest of their field unknown.
    """
    labelled = [field for field in fields if field.labels is not None]
    apart = sum(field.annotated is None and not _filled(field) for field in labelled)
    if apart * 2 <= len(labelled):
        return list(fields)
    return [field if field.labels is None else replace(field, annotated=None) for field in fields]


def _filled(field: Field) -> bool:
    assert field.labels is not None
    return bool((field.labels > 0).mean() >= _FILLED)


def _has(fields: Sequence[Field]) -> str:
    parts = [
        what
        for what in ("labels", "image", "points")
        if any(getattr(field, what) is not None for field in fields)
    ]
    return " and ".join(parts) or "nothing"
