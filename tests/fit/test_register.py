"""Labels that lie beside the borders of the image are moved onto them; others stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

import simcell
from simcell.describe.read import fields_of
from simcell.fit.patches import on_borders
from simcell.fit.register import moved, seen_still


def _fields(shift):
    preset = simcell.load_preset("honeycomb").with_set(["frame.shape=[160, 160]"])
    samples = [simcell.simulate(preset.scene(seed=3, index=k), seed=3, index=k) for k in range(3)]
    fields = list(fields_of(samples))
    if shift == (0, 0):
        return preset, fields
    return preset, [
        replace(f, labels=moved(f.labels, shift), annotated=seen_still(f.known, shift))
        for f in fields
    ]


@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-1, 0)])
def test_labels_are_moved_back_onto_the_borders(shift):
    preset, fields = _fields(shift)
    found, back = on_borders(fields, preset)
    assert back == (-shift[0], -shift[1])
    for one, other in zip(found, _fields((0, 0))[1], strict=True):
        inner = (slice(8, -8), slice(8, -8))
        assert (one.labels[inner] == other.labels[inner]).mean() > 0.999


def test_labels_of_separate_cells_stay():
    _, fields = _fields((2, -1))
    apart = simcell.load_preset("nonconfluent")
    found, back = on_borders(fields, apart)
    assert back == (0, 0)
    assert all(one is other for one, other in zip(found, fields, strict=True))
