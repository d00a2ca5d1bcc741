"""Whatever the scene: nothing crashes, and labels, table and images agree."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as repeated
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import label as connected
from skimage.measure import perimeter_crofton
from strategies import banded_scenes, flat_scenes, scenes

from simcell.arrays import IntArray
from simcell.errors import SimcellError
from simcell.sample import Sample
from simcell.scene import Scene
from simcell.stages import STAGES, simulate

SEEDS = st.integers(0, 2**32 - 1)
quick = settings(
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def made(scene: Scene, seed: int) -> Sample | None:
    """The sample, or None where the scene cannot be: said in one line."""
    try:
        return simulate(scene, seed=seed, index=0)
    except SimcellError as error:
        said = str(error)
    assert said
    assert "\n" not in said
    return None


@pytest.mark.parametrize(
    ("drawn", "examples", "banded"), [(flat_scenes(), 500, False), (banded_scenes(), 150, True)]
)
def test_labels_and_table_agree_in_any_scene(
    drawn: st.SearchStrategy[Scene], examples: int, banded: bool
) -> None:
    outcomes: Counter[bool] = Counter()
    seen: Counter[str] = Counter()

    @settings(quick, max_examples=examples)
    @given(drawn, SEEDS)
    def check(scene: Scene, seed: int) -> None:
        sample = made(scene, seed)
        outcomes[sample is not None] += 1
        if sample is None:
            return
        seen.update(getattr(scene, part).kind for part in ("region", "points", "cells", "prior"))
        seen[scene.frame.edges] += 1
        seen[f"imaging.{scene.imaging.kind}"] += 1
        check_labels(sample)
        check_table(sample)
        check_neighbours(sample)
        check_pictures(sample)

    wanted = BANDED if banded else expected_kinds() - BANDED
    # What is drawn depends on the modules that are loaded; a kind in forty can be left out.
    for again in range(3):
        repeated(again)(check)()
        if wanted <= set(seen):
            break
    assert outcomes[False] <= 0.05 * outcomes.total()
    assert not wanted - set(seen)


BANDED = {
    "nucleus_golgi",
    "mosaic",
    "channels",
    "imaging.fluorescence_volume",
    "imaging.rcm_mosaic",
}


def expected_kinds() -> set[str]:
    """Every kind that a scene may be put together from."""
    kinds = {"free", "periodic"}
    for part in ("region", "points", "cells", "prior", "imaging"):
        for member in get_args(Scene.model_fields[part].annotation):
            kind = member.model_fields["kind"].default
            kinds.add(f"imaging.{kind}" if part == "imaging" else kind)
    return kinds - {"mask"}


def check_labels(sample: Sample) -> None:
    labels, table = sample.labels, sample.objects
    assert labels is not None
    assert table is not None
    assert sample.region is not None
    assert labels.shape == sample.region.shape == sample.scene.frame.shape
    assert labels.dtype == np.int32
    numbers = np.unique(labels[labels > 0])
    assert np.array_equal(numbers, np.arange(1, len(table) + 1))
    assert np.array_equal(numbers, table["label"])
    pieces = connected(labels, background=0, connectivity=1)
    assert pieces.max() == len(numbers), "every label is one connected piece"
    if sample.scene.cells.kind not in {"outlines", "simcep", "masks"}:
        assert not np.any(labels[~sample.region]), "tissue stays inside the region"


def check_table(sample: Sample) -> None:
    labels, table = sample.labels, sample.objects
    assert labels is not None
    assert table is not None
    size, amodal = ("volume_um3", "amodal_volume_um3")
    if labels.ndim == 2:
        size, amodal = ("area_um2", "amodal_area_um2")
        assert np.all(np.abs(table["orientation_rad"]) <= np.pi / 2 + 1e-12)
    pixels = np.bincount(labels.ravel(), minlength=len(table) + 1)[1:]
    np.testing.assert_allclose(table[size], pixels * np.prod(sample.grid.spacing_um), rtol=1e-9)
    assert np.all(table[amodal] >= table[size] * (1 - 1e-9))
    assert np.all((table["overlap"] >= 0) & (table["overlap"] <= 1))
    assert np.all(table["major_um"] >= table["minor_um"])
    assert np.all(table["minor_um"] > 0)
    for name in table.dtype.names or ():
        assert np.all(np.isfinite(table[name])), name
    rim = [np.take(labels, end, axis).ravel() for axis in range(labels.ndim) for end in (0, -1)]
    assert np.array_equal(table["touches_border"], np.isin(table["label"], np.concatenate(rim)))
    for row in table:
        own = labels == row["label"]
        if labels.ndim == 3:
            check_solid(row, own, sample)
        else:
            check_shape(row, own, sample.grid.spacing_um[0])
    if labels.ndim == 3:
        check_pairs(sample)


def check_solid(row: np.void, own: NDArray[np.bool_], sample: Sample) -> None:
    """Centroid and axes are those of the ellipsoid with the object's second moments."""
    spacing = np.asarray(sample.grid.spacing_um)
    places = (np.argwhere(own) + 0.5) * spacing
    centroid = [row[f"centroid_{axis}_um"] for axis in "zyx"]
    np.testing.assert_allclose(centroid, places.mean(axis=0), rtol=1e-9, atol=1e-9)
    second = np.cov(places.T, ddof=0) + np.diag(spacing**2) / 12
    full = 2 * np.sqrt(5 * np.linalg.eigvalsh(second))
    measured = [row["minor_um"], row["middle_um"], row["major_um"]]
    np.testing.assert_allclose(measured, full, rtol=1e-6)
    axis = np.array([row[f"axis_{name}"] for name in "zyx"])
    np.testing.assert_allclose(np.linalg.norm(axis), 1)
    assert axis[np.nonzero(axis)[0][-1]] > 0
    np.testing.assert_allclose(axis @ second @ axis, row["major_um"] ** 2 / 20, rtol=1e-6)


def check_pairs(sample: Sample) -> None:
    """Partners point at each other, share pattern row and seed, and are of both types."""
    table, pattern = sample.objects, sample.pattern
    assert table is not None
    assert pattern is not None
    assert set(table["type"].tolist()) <= {1, 2}
    assert np.all((table["parent"] >= 1) & (table["parent"] <= len(pattern)))
    seeds = np.stack([table[f"seed_{axis}_um"] for axis in "zyx"], axis=1)
    assert np.array_equal(seeds, pattern.points[table["parent"] - 1].reshape(-1, 3))
    whole = set(zip(table["parent"].tolist(), table["type"].tolist(), strict=True))
    assert len(whole) == len(table), "an object has one label"
    for row in table[table["partner"] > 0]:
        other = table[row["partner"] - 1]
        assert other["partner"] == row["label"]
        assert other["parent"] == row["parent"]
        assert {other["type"], row["type"]} == {1, 2}
    for row in table[table["partner"] == 0]:
        assert (row["parent"], 3 - row["type"]) not in whole


def check_shape(row: np.void, own: NDArray[np.bool_], spacing: float) -> None:
    for axis, name in ((0, "centroid_y_um"), (1, "centroid_x_um")):
        at = np.nonzero(own)[axis]
        assert at.min() * spacing < row[name] < (at.max() + 1) * spacing
        np.testing.assert_allclose(row[name], (at.mean() + 0.5) * spacing)
    reference = perimeter_crofton(np.pad(own, 1), directions=4) * spacing
    np.testing.assert_allclose(row["perimeter_um"], reference, rtol=1e-6)


def check_neighbours(sample: Sample) -> None:
    labels, table, pairs = sample.labels, sample.objects, sample.adjacency
    assert labels is not None
    assert table is not None
    assert pairs is not None
    found = set(brute_force_pairs(labels))
    assert [tuple(pair) for pair in pairs.tolist()] == sorted(found)
    counts = Counter(number for pair in found for number in pair)
    assert table["neighbours"].tolist() == [counts[number] for number in table["label"].tolist()]


def brute_force_pairs(labels: IntArray) -> list[tuple[int, int]]:
    pairs = []
    for a, b in chain.from_iterable(
        zip(along[1:].ravel().tolist(), along[:-1].ravel().tolist(), strict=True)
        for along in (np.moveaxis(labels, axis, 0) for axis in range(labels.ndim))
    ):
        if a != b and a and b:
            pairs.append((min(a, b), max(a, b)))
    return pairs


def check_pictures(sample: Sample) -> None:
    scene, shape = sample.scene, sample.grid.shape
    assert sample.prior is not None
    assert sample.labels is not None
    channels = (scene.prior.classes,) if scene.prior.kind == "channels" else ()
    assert sample.prior.shape == (*channels, *shape)
    assert sample.prior.dtype == np.uint8
    if scene.prior.kind in {"membrane", "filled"}:
        assert set(np.unique(sample.prior)) <= {0, 255}
    if scene.prior.kind == "filled":
        assert not np.any(sample.prior[sample.labels == 0])
    of_prior = scene.prior.kind == "boundary_interior"
    checks = {
        "simcep": check_parts,
        "skin_layers": check_layers,
        "mosaic": check_regions,
        "nucleus_golgi": check_volume,
    }
    own = checks.get(scene.cells.kind)
    assert (sample.classes is not None) == (of_prior or own is not None)
    if sample.classes is not None:
        assert sample.classes.dtype == np.uint8
    if of_prior:
        assert sample.classes is not None
        assert np.array_equal(sample.classes > 0, sample.labels > 0)
        assert np.array_equal(sample.prior, np.array([0, 128, 255])[sample.classes])
    elif own is not None:
        own(sample)
    assert (sample.image is None) == (scene.imaging.kind == "none")
    if sample.image is not None:
        two = scene.imaging.kind == "fluorescence_volume" and scene.imaging.channels == 2
        assert sample.image.shape == ((2, *shape) if two else shape)
        camera = getattr(scene.imaging, "camera", None)
        deep = camera is not None and camera.bits == 16
        assert sample.image.dtype == (np.uint16 if deep else np.uint8)
    for name in ("region", "labels", "objects", "prior", "classes", "image"):
        array = getattr(sample, name)
        assert array is None or not array.flags.writeable


def check_regions(sample: Sample) -> None:
    """Every region of a mosaic is of its class; what has no label has no class."""
    assert sample.labels is not None
    assert sample.objects is not None
    kind = np.concatenate([[0], sample.objects["type"]])
    assert set(np.unique(kind[1:])) <= set(range(1, 7))
    assert np.array_equal(sample.classes, kind[sample.labels])


def check_layers(sample: Sample) -> None:
    """Every label is a piece of one class, and the table says which; the prior shows it."""
    labels, classes, table = sample.labels, sample.classes, sample.objects
    assert labels is not None
    assert classes is not None
    assert table is not None
    assert sample.pattern is not None
    assert np.array_equal(np.concatenate([[0], table["type"]])[labels], classes)
    assert set(np.unique(classes)) <= set(range(6))
    assert sample.prior is not None
    assert sample.scene.prior.kind == "classes"
    last = sample.scene.prior.classes
    greys = np.rint(255 * np.minimum(np.arange(6) / last, 1))
    assert np.array_equal(sample.prior, greys[classes])
    assert np.all(np.isin(sample.pattern.marks["confounder"], [1, 2, 3, 4]))
    assert np.all(sample.pattern.marks["radius_um"] > 0)


def check_volume(sample: Sample) -> None:
    """Every label is of one class, which is its type; the prior shows the classes."""
    labels, classes, table = sample.labels, sample.classes, sample.objects
    assert labels is not None
    assert classes is not None
    assert table is not None
    assert sample.prior is not None
    assert np.array_equal(np.concatenate([[0], table["type"]])[labels], classes)
    if sample.scene.prior.kind == "channels":
        for number, channel in enumerate(sample.prior, start=1):
            assert np.array_equal(channel, 255 * (classes == number))


def check_parts(sample: Sample) -> None:
    """Classes 1 cytoplasm, 2 nucleus, 3 spot lie where the labels say."""
    labels, classes, table = sample.labels, sample.classes, sample.objects
    assert labels is not None
    assert classes is not None
    assert table is not None
    assert sample.pattern is not None
    cells = sample.scene.cells
    assert cells.kind == "simcep"
    assert set(np.unique(classes)) <= {0, 1, 2, 3}
    if cells.label == "cell":
        assert np.array_equal(classes > 0, labels > 0)
        assert not table["parent"].any()
    else:
        assert set(np.unique(classes[labels > 0])) <= {2, 3}
        own = table["parent"] > 0
        assert np.all(table["parent"] <= len(sample.pattern))
        seeds = sample.pattern.points[table["parent"][own] - 1]
        assert np.array_equal(table["seed_y_um"][own], seeds[:, 0])
    assert np.all((table["type"] >= 1) & (table["type"] <= len(cells.types)))
    if cells.depth_um == 0:
        assert not table["depth_um"].any()


@settings(quick, max_examples=25)
@given(scenes(), SEEDS)
def test_the_same_address_gives_the_same_sample(scene: Scene, seed: int) -> None:
    first, second = made(scene, seed), made(scene, seed)
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        for name in ("region", "labels", "objects", "adjacency", "prior", "classes", "image"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@settings(quick, max_examples=20)
@given(scenes(), SEEDS)
def test_stopping_early_gives_the_beginning_of_the_whole(scene: Scene, seed: int) -> None:
    whole = made(scene, seed)
    if whole is None:
        return
    holds = {
        "region": ["region"],
        "points": ["region"],
        "cells": ["region", "labels", "objects", "adjacency"],
        "prior": ["region", "labels", "objects", "adjacency", "prior", "classes"],
        "image": ["region", "labels", "objects", "adjacency", "prior", "classes", "image"],
    }
    for stage in STAGES:
        part = simulate(scene, seed=seed, index=0, upto=stage)
        for name in holds["image"]:
            wanted = getattr(whole, name) if name in holds[stage] else None
            np.testing.assert_array_equal(getattr(part, name), wanted)
        assert (part.pattern is None) == (stage == "region")


@settings(quick, max_examples=20)
@given(scenes(), SEEDS)
def test_a_scene_survives_a_round_trip_through_text(scene: Scene, seed: int) -> None:
    del seed
    assert Scene.model_validate_json(scene.model_dump_json()) == scene
    assert Scene.model_validate(scene.model_dump(mode="json")) == scene


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(SimcellError, match="upto = 'pixels': no such stage; use one of region"):
        simulate(Scene(), seed=0, index=0, upto="pixels")  # type: ignore[arg-type]
