"""Streams are addressed by meaning."""

import re
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

import simcell
from simcell.errors import SimcellError
from simcell.rng import Streams, stream


def test_same_address_same_numbers():
    assert np.array_equal(stream(1, 2, "a").random(9), stream(1, 2, "a").random(9))


@pytest.mark.parametrize("other", [(2, 2, "a"), (1, 3, "a"), (1, 2, "b"), (1, 2, "a", 0)])
def test_other_address_other_numbers(other):
    ours, theirs = stream(1, 2, "a").random(4000), stream(*other).random(4000)
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 4 / np.sqrt(4000)


@pytest.mark.parametrize("bad", [-1, 2**32, 1.0, True, "7", None])
def test_words_are_checked(bad):
    with pytest.raises(SimcellError, match="must be an integer from 0 to 4294967295"):
        stream(bad, 0, "a")
    with pytest.raises(SimcellError, match="index"):
        stream(0, bad, "a")


def test_streams_open_the_same_streams():
    assert Streams(3, 4)("x", 5).random() == stream(3, 4, "x", 5).random()


def test_stage_names_do_not_collide():
    sources = "".join(p.read_text() for p in Path(simcell.__file__).parent.rglob("*.py"))
    names = set(re.findall(r'streams\(\s*"([a-z_.]+)"', sources))
    assert {"points", "region", "cells.undulation", "imaging.speckle"} <= names
    assert len({crc32(name.encode()) for name in names}) == len(names)
