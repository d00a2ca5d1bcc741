"""Datasets: what is written is what is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from simcell.errors import SimcellError
from simcell.io.dataset import Dataset
from simcell.io.header import plan
from simcell.sample import Sample

ARRAYS = ("image", "prior", "labels", "objects", "adjacency")


def assert_same(sample: Sample, expected: Sample) -> None:
    assert (sample.seed, sample.index, sample.grid) == (
        expected.seed,
        expected.index,
        expected.grid,
    )
    for name in ARRAYS:
        got, want = getattr(sample, name), getattr(expected, name)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_every_sample_comes_back(dataset: Dataset, handmade: Callable[..., Sample]) -> None:
    assert len(dataset) == 9
    for index, sample in enumerate(dataset):
        assert_same(sample, handmade(index))


def test_it_is_a_sequence(dataset: Dataset, handmade: Callable[..., Sample]) -> None:
    assert_same(dataset[-1], handmade(8))
    part = dataset[7:2:-2]
    assert [sample.index for sample in part] == [7, 5, 3]
    assert part[1].index == 5
    assert part.read("labels", 0).max() == handmade(7).labels.max()
    assert len(dataset[20:]) == 0
    assert list(part.counts) == [len(handmade(i).objects) for i in (7, 5, 3)]
    with pytest.raises(IndexError):
        dataset[9]
    assert repr(part).endswith("3 samples of 'handmade'>")


def test_samples_cannot_be_changed(dataset: Dataset) -> None:
    sample = dataset[0]
    for name in ARRAYS:
        with pytest.raises(ValueError, match=r"read-only"):
            getattr(sample, name)[...] = 0


def test_drawn_numbers_keep_value_and_type(
    dataset: Dataset, drawn: Callable[[int], dict[str, object]]
) -> None:
    assert dataset.header.drawn == tuple(drawn(0))
    for name in dataset.header.drawn:
        got = dataset.drawn(name)
        assert got == [drawn(i)[name] for i in range(9)]
        assert [type(value) for value in got] == [type(drawn(i)[name]) for i in range(9)]
    assert dataset[3:5].drawn("cells.kind") == [drawn(i)["cells.kind"] for i in (3, 4)]


def test_attributes_tell_the_origin(dataset: Dataset) -> None:
    attributes = dataset.attrs
    assert attributes["preset"] == "name: handmade\n"
    assert (attributes["seed"], attributes["n"]) == (7, 9)
    assert attributes["spacing_um"] == (0.5, 0.5)
    assert attributes["versions"] == {"simcell": "1", "numpy": "2"}
    assert attributes["complete"] is True


def test_plain_zarr_reads_it(dataset: Dataset, handmade: Callable[..., Sample]) -> None:
    group = zarr.open_group(dataset.path, mode="r")
    assert set(group.array_keys()) == {"image", "prior", "labels", "spacing_um"}
    assert set(group.group_keys()) == {"objects", "adjacency", "drawn"}
    assert group["labels"].dtype == np.uint16
    assert group["image"].dtype == np.uint16
    assert group["prior"].dtype == np.uint8
    first, last = group["objects/offset"][3:5]
    np.testing.assert_array_equal(
        group["objects/area_um2"][first:last], handmade(3).objects["area_um2"]
    )


def test_axes_are_named(dataset: Dataset) -> None:
    group = zarr.open_group(dataset.path, mode="r")
    for name in ("image", "prior", "labels"):
        assert group[name].metadata.dimension_names == ("sample", "y", "x")


def test_unknown_names_are_named(dataset: Dataset) -> None:
    with pytest.raises(SimcellError, match=r"no array 'classes'.*image, prior, labels"):
        dataset.read("classes", 0)
    with pytest.raises(SimcellError, match=r"'points.x' is not varied"):
        dataset.drawn("points.x")


def test_classes_and_missing_image(
    tmp_path: Path, builder: type, handmade: Callable[..., Sample]
) -> None:
    def sample(index: int) -> Sample:
        made = handmade(index)
        classes = (made.labels > 0).astype(np.uint8)
        return replace(made, image=None, classes=classes)

    dataset = builder(tmp_path / "a", 4, sample).build()
    assert not (dataset.path / "image").exists()
    assert dataset[1].image is None
    np.testing.assert_array_equal(dataset[1].classes, dataset[1].labels > 0)


def test_one_sample(tmp_path: Path, builder: type, handmade: Callable[..., Sample]) -> None:
    dataset = builder(tmp_path / "a", 1).build()
    assert_same(dataset[0], handmade(0))
    assert dataset[0:0].drawn("points.density") == []


def test_nothing_but_empty_samples(
    tmp_path: Path, builder: type, handmade: Callable[..., Sample]
) -> None:
    dataset = builder(tmp_path / "a", 3, lambda index: replace(handmade(2), index=index)).build()
    assert [len(sample.objects) for sample in dataset] == [0, 0, 0]
    assert dataset[2].adjacency.shape == (0, 2)


def test_spacing_may_vary(tmp_path: Path, builder: type, handmade: Callable[..., Sample]) -> None:
    dataset = builder(
        tmp_path / "a", 3, lambda index: handmade(index, spacing_um=0.5 + index)
    ).build()
    assert dataset.attrs["spacing_um"] is None
    assert [sample.grid.spacing_um for sample in dataset] == [(0.5,) * 2, (1.5,) * 2, (2.5,) * 2]


def test_shape_may_not_vary(tmp_path: Path, builder: type, handmade: Callable[..., Sample]) -> None:
    build = builder(tmp_path / "a", 3, lambda index: handmade(index, shape=(24, 20 + index // 2)))
    with pytest.raises(SimcellError, match=r"sample 2.*\(24, 21\).*do not vary frame.shape"):
        build.build()


def test_labels_that_do_not_fit_are_refused(
    tmp_path: Path, builder: type, handmade: Callable[..., Sample]
) -> None:
    def sample(index: int) -> Sample:
        made = handmade(index)
        return replace(made, labels=made.labels + 70_000 * index, objects=None) if index else made

    with pytest.raises(SimcellError, match=r"sample 1: labels runs to 7000., uint16 ends at 65535"):
        builder(tmp_path / "a", 2, sample).build()


@pytest.mark.parametrize(
    ("n", "shape", "shard"),
    [
        (1, (8, 8), 1),
        (64, (8, 8), 1),
        (65, (8, 8), 2),
        (10**6, (8, 8), 64),
        (10**6, (2048,) * 2, 2),
    ],
)
def test_shards_depend_on_the_samples_alone(
    handmade: Callable[..., Sample], n: int, shape: tuple[int, int], shard: int
) -> None:
    first = handmade(2, shape=shape)
    header = plan(name="a", preset="", seed=0, n=n, first=first, drawn=())
    assert header.shard == shard
    assert sum(len(header.indices(k)) for k in range(header.shards)) == n
    assert header.arrays["labels"].dtype == ("uint32" if shape == (2048, 2048) else "uint16")
