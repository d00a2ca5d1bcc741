from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from large_samples import deep_sample, large_sample

from simcell.arrays import Grid
from simcell.io.dataset import Dataset
from simcell.io.header import Header, plan
from simcell.io.parts import finished, tables_of, write_band, write_shard
from simcell.io.store import create
from simcell.io.tables import finalise
from simcell.sample import OBJECT_COLUMNS_2D, Sample
from simcell.scene import Scene

SHAPE = (24, 20)


def make_sample(index: int, shape: tuple[int, int] = SHAPE, spacing_um: float = 0.5) -> Sample:
    """A sample of random rectangles; every third one is empty."""
    rng = np.random.default_rng(index)
    labels = np.zeros(shape, np.int32)
    count = 0 if index % 3 == 2 else int(rng.integers(2, 6))
    for label in range(1, count + 1):
        labels[4 * (label - 1) : 4 * label, rng.integers(0, 6) : rng.integers(10, 20)] = label
    labels[1, 7] *= index != 0  # A hole in the first object of sample 0.
    objects = np.zeros(count, OBJECT_COLUMNS_2D)
    for name in OBJECT_COLUMNS_2D.names or ():
        objects[name] = rng.integers(0, 2, count) if "um" not in name else rng.random(count)
    objects["label"] = np.arange(1, count + 1)
    return Sample(
        scene=Scene(),
        seed=7,
        index=index,
        grid=Grid(shape, (spacing_um, spacing_um)),
        labels=labels,
        objects=objects,
        adjacency=rng.integers(1, 9, (count // 2, 2)).astype(np.int32),
        prior=((labels > 0) * 255).astype(np.uint8),
        image=rng.integers(0, 60_000, shape).astype(np.uint16),
        versions={"simcell": "1", "numpy": "2"},
    )


def make_drawn(index: int) -> dict[str, Any]:
    return {
        "points.density": 100.0 + 0.1 * index,
        "imaging.looks": index + 2**40,
        "frame.flat": index % 2 == 0,
        "cells.kind": ["voronoi", "discs", "voronoi"][index % 3],
        "imaging.gains": [0.5, index / 3],
        "imaging.mixed": [1, 2.5, None, {"kind": "µ", "of": [1, 2]}][index % 4],
        "imaging.huge": 2**70 + index,
    }


class Builder:
    """Writes a dataset of handmade samples, shard by shard."""

    def __init__(self, path: Path, n: int, sample: Callable[[int], Sample] = make_sample) -> None:
        self.path = path
        self.sample = sample
        self.header = plan(
            name="handmade",
            preset="name: handmade\n",
            seed=7,
            n=n,
            first=sample(0),
            drawn=tuple(make_drawn(0)),
        )

    def start(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        create(self.path, self.header)

    def shard(self, number: int) -> None:
        write_shard(self.path, self.header, number, self._samples(number))

    def _samples(self, number: int) -> Iterator[tuple[Sample, dict[str, Any]]]:
        return ((self.sample(i), make_drawn(i)) for i in self.header.indices(number))

    def build(self) -> Dataset:
        self.start()
        for number in sorted(set(range(self.header.shards)) - finished(self.path, self.header)):
            self.shard(number)
        finalise(self.path, self.header)
        return open_handmade(self.path)


def open_handmade(path: Path) -> Dataset:
    def scenes(_: Header) -> Callable[[int], Scene]:
        return lambda _: Scene()

    return Dataset(path, scenes)


@pytest.fixture(scope="session")
def builder() -> type[Builder]:
    return Builder


@pytest.fixture(scope="session")
def handmade() -> Callable[[int], Sample]:
    return make_sample


@pytest.fixture(scope="session")
def drawn() -> Callable[[int], dict[str, Any]]:
    return make_drawn


@pytest.fixture(scope="session")
def reopen() -> Callable[[Path], Dataset]:
    return open_handmade


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Builder(tmp_path_factory.mktemp("shared") / "nine.zarr", 9).build()


@pytest.fixture(scope="session")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two large flat samples, the second without objects."""
    return Builder(tmp_path_factory.mktemp("shared") / "flat.zarr", 2, large_sample).build()


@pytest.fixture(scope="session")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two volumes whose priors have two channels."""
    return Builder(tmp_path_factory.mktemp("shared") / "deep.zarr", 2, deep_sample).build()


@pytest.fixture(scope="session")
def banded(tmp_path_factory: pytest.TempPathFactory, deep: Dataset) -> Dataset:
    """The same as ``deep``, stored in bands of rows."""
    path = tmp_path_factory.mktemp("shared") / "banded.zarr"
    header = deep.header.model_copy(
        update={"rows": 64, "shard": 1, "complete": False, "spacing_um": None}
    )
    path.mkdir()
    create(path, header)
    for shard in range(header.shards):
        sample = deep_sample(header.indices(shard)[0])
        rows = header.band(shard)
        arrays = {
            name: getattr(sample, name)[..., rows.start : rows.stop, :] for name in header.arrays
        }
        tables = None
        if shard % header.bands == 0:
            drawn = make_drawn(sample.index)
            tables = tables_of(
                sample.objects, sample.adjacency, sample.grid.spacing_um, drawn, header
            )
        write_band(path, header, shard, arrays, tables)
    finalise(path, header)
    return open_handmade(path)
