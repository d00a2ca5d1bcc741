"""Samples of shipped presets stay what they were.

A change here is a change of users' pixels: note it in CHANGELOG.md under "Pixels
changed", then write the new values with ``python tests/test_golden.py``. Values are
rounded so that another processor's last bit does not count.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import simcell
from simcell.preset import preset_files

GOLDENS = Path(__file__).parent / "data" / "goldens.json"
_SIZE = {2: "amodal_area_um2", 3: "amodal_volume_um3"}
NAMES = tuple(sorted(file.stem for file in preset_files()))


def _summary(name):
    preset = simcell.load_preset(name)
    sample = simcell.simulate(preset.scene(seed=7, index=0), seed=7, index=0)
    summary = {
        "cells": len(sample.objects),
        "adjacent": len(sample.adjacency),
        "area_um2": float(sample.objects[_SIZE[sample.grid.ndim]].sum()),
        "prior": _blocks(sample.prior),
    }
    return summary | ({} if sample.image is None else {"image": _blocks(sample.image)})


def _blocks(picture):
    """Means of 4 x 4 blocks: enough to see a shift, a flip or another texture."""
    height, width = (side // 4 for side in picture.shape[-2:])
    planes = picture[..., : 4 * height, : 4 * width].reshape(-1, 4, height, 4, width)
    return np.round(planes.mean(axis=(0, 2, 4)), 2).ravel().tolist()


@pytest.mark.parametrize("name", NAMES)
def test_sample_is_what_it_was(name):
    before, now = json.loads(GOLDENS.read_text())[name], _summary(name)
    assert now.keys() == before.keys()
    for key, value in before.items():
        assert np.allclose(now[key], value, rtol=2e-3, atol=0.1), key


if __name__ == "__main__":
    GOLDENS.write_text(json.dumps({name: _summary(name) for name in NAMES}, indent=1) + "\n")
