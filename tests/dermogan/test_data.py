"""Batches: purity, ranges, pairs that fit, files that do not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import simcell
from dermogan.data import NOISE_CHANNELS, Batch, Data
from dermogan.domains import Augment, FolderSource, PresetSource
from dermogan.errors import DermoganError
from dermogan.feed import feed
from dermogan.filters import Normaliser, apply, local_normalise
from dermogan.folder import Folder
from dermogan.recipe import Recipe, load_recipe
from dermogan.simulated import Drawn, pair

TINY = "frame.shape=[64, 64]"
PRESET = f"{{kind: preset, preset: rcm-sg, set: ['{TINY}', 'region.kind=full']}}"
CLEAN = f"{{kind: preset, preset: rcm-sg-clean, set: ['{TINY}']}}"
COMMON = ["data.patch_px=32", "data.batch=2", "data.workers=0"]

COLD = ["system.network.norm=instance", "system.warm_steps=0", "data.pairs_batch=null"]


def supervised(*more: str) -> Recipe:
    return load_recipe("supervised").with_set([f"data.pairs={PRESET}", *COMMON, *more])


def dermogan(*more: str) -> Recipe:
    domains = [f"data.images={PRESET}", f"data.priors={CLEAN}", f"data.pairs={PRESET}"]
    return load_recipe("dermogan").with_set([*domains, *COLD, *COMMON, *more])  # no start on pairs


def equal(one: Batch, other: Batch) -> bool:
    return all(
        np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Batch)[3:]
    )


@pytest.mark.parametrize("make", [supervised, dermogan])
def test_a_batch_is_a_function_of_seed_and_step(make: object) -> None:
    recipe = make()  # type: ignore[operator]
    one, other = Data(recipe, 5), Data(recipe, 5)
    other.batch(7)
    assert equal(one.batch(3), other.batch(3))
    assert not equal(one.batch(3), one.batch(4))
    assert not equal(one.batch(3), Data(recipe, 6).batch(3))


def test_what_a_batch_holds() -> None:
    batch = Data(dermogan(), 0).batch(1)
    assert batch.first == 2
    for field in fields(Batch)[3:]:
        array = getattr(batch, field.name)
        channels = NOISE_CHANNELS if field.name == "noise" else 1
        assert array.shape == (2, channels, 32, 32)
        assert array.dtype == np.float32
        if "prior" in field.name:
            assert array.min() >= 0
            assert array.max() <= 1
        elif field.name != "noise":
            assert -1 <= array.min() < 0 < array.max() <= 1
    assert abs(batch.noise.std() - 1) < 0.05
    how = dermogan().data.filter
    assert how is not None
    np.testing.assert_array_equal(batch.filtered[1, 0], apply(how, batch.images[1, 0]))
    assert not np.array_equal(batch.images, batch.pair_images)


def test_devices_share_a_batch() -> None:
    data = Data(dermogan("data.batch=4"), 1)
    whole = data.batch(5)
    for rank in range(2):
        part = data.batch(5, rank, 2)
        assert part.first == 20 + 2 * rank
        for field in fields(Batch)[3:]:
            share = getattr(whole, field.name)[2 * rank : 2 * rank + 2]
            np.testing.assert_array_equal(getattr(part, field.name), share)


def test_workers_change_nothing() -> None:
    here, there = Data(supervised(), 2), Data(supervised("data.workers=1"), 2)
    with feed(here, range(4, 7)) as near, feed(there, range(4, 7)) as far:
        for _ in range(3):
            assert equal(near.next(), far.next())
        assert far.first_s > 0


def test_waiting_for_the_first_batch_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10.0, 15.0, 16.0, 18.0, 20.0, 20.5])
    with feed(Data(supervised(), 2), range(3)) as batches:
        monkeypatch.setattr("dermogan.feed.time.perf_counter", lambda: next(ticks))
        for _ in range(3):
            batches.next()
    assert (batches.first_s, batches.began_s, batches.waited_s) == (5, 15, 2.5)


def test_a_killed_worker_is_told() -> None:
    with feed(Data(supervised("data.workers=1"), 2), range(100)) as batches:
        batches.next()
        (worker,) = batches._pool._processes.values()  # type: ignore[union-attr]
        worker.kill()
        worker.join()

        def go_on() -> None:
            while True:  # those that were made ahead may still come
                batches.next()

        with pytest.raises(DermoganError, match="a worker process was killed"):
            go_on()


TRAINER = """
import os, signal
from dermogan.data import Data
from dermogan.feed import feed
from dermogan.recipe import Recipe
if __name__ == "__main__":
    with feed(Data(Recipe.from_text(open("recipe.yaml").read()), 0), range(100)) as batches:
        batches.next()
        print(*batches._pool._processes, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_a_killed_trainer(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(supervised("data.workers=1").text)
    (tmp_path / "killed.py").write_text(TRAINER)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "killed.py"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        worker = Path("/proc") / process.stdout.readline().strip().decode()
    process.wait(60)
    give_up = time.monotonic() + 60
    while worker.exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not worker.exists()


def test_an_image_stays_with_its_prior() -> None:
    """Turned, mirrored, and magnified alike: membranes stay brighter than what is beside."""
    recipe = supervised("data.augment={scale_low: 0.8, scale_high: 1.25}", "data.batch=16")
    batch = Data(recipe, 3).batch(0)
    lines = batch.pair_priors > 0.5
    assert batch.pair_images[lines].mean() > batch.pair_images[~lines].mean() + 0.2
    apart = np.roll(lines, 1, axis=0)
    assert abs(batch.pair_images[apart].mean() - batch.pair_images[~apart].mean()) < 0.1


def test_all_turns_and_mirrors_come_up() -> None:
    source = PresetSource(set=(TINY,), count=1)
    recipe = supervised("data.patch_px=64").with_set([f"data.pairs={source.model_dump_json()}"])
    recipe = recipe.with_set([f"data.augment={Augment().model_dump_json()}"])
    data = Data(recipe, 0)
    seen = {image.tobytes() for step in range(20) for image in data.batch(step).pair_priors}
    assert len(seen) == 8


def test_intensities_are_changed_as_asked() -> None:
    def images(*sets: str) -> np.ndarray:
        none = "data.augment={scale_low: 1, scale_high: 1}"
        return Data(supervised(none, "data.batch=8", *sets), 0).batch(0).pair_images

    plain = images()
    np.testing.assert_allclose(images("data.augment.invert=1"), -plain)
    shift = images("data.augment.brightness=0.2") - plain
    inside = np.abs(plain) < 0.7
    per_image = np.array([shift[i][inside[i]].mean() for i in range(8)])
    assert 0.08 < per_image.std() < 0.16
    assert np.abs(per_image).max() <= 0.2
    noise = images("data.augment.noise=0.2") - plain
    assert 0.05 < noise[inside].std() < 0.2
    spread = images("data.augment.contrast=0.5").std((1, 2, 3)) / plain.std((1, 2, 3))
    assert 0.5 <= spread.min() < 0.9
    assert spread.max() > 1.05
    sharp = _roughness(images("data.augment.blur=3")) / _roughness(plain)
    assert sharp.max() <= 1 + 1e-5
    assert sharp.min() < 0.4
    fine = images("data.augment.grain=0.2", "data.augment.grain_px=1") - plain
    coarse = images("data.augment.grain=0.2", "data.augment.grain_px=6") - plain
    for blotches in (fine, coarse):
        assert 0.05 < blotches[inside].std() < 0.2
    assert _roughness(coarse).mean() < 0.6 * _roughness(fine).mean()


def _roughness(images: np.ndarray) -> np.ndarray:
    return np.diff(images, axis=3).std((1, 2, 3)) / images.std((1, 2, 3))


def test_a_limited_number_of_samples() -> None:
    drawn = Drawn(PresetSource(set=(TINY,), count=2), 0, Normaliser(20))
    rng = np.random.default_rng(0)
    seen = {drawn.cut(rng, number, 64)[1].tobytes() for number in range(12)}
    assert len(seen) == 2


def test_extreme_looks_lie_at_the_ends_of_all_ranges() -> None:
    preset = simcell.load_preset("rcm-sg").with_set(["frame.shape=[40, 40]"])
    names = [path for path in preset.vary if path.startswith("imaging.")]
    spans = {path: preset.vary[path] for path in names if preset.vary[path].kind == "uniform"}
    assert len(spans) > 5
    source = PresetSource(preset="rcm-sg", set=("frame.shape=[40, 40]",), extremes=0.4)
    domain = Drawn(source, 3, Normaliser(20.0))
    at_ends, lows = [], []
    for index in range(60):
        scene = domain.sample(index).scene
        looks = {path: _get(scene, path) for path in spans}
        at_ends.append([looks[path] in span.ends() for path, span in spans.items()])
        lows += [looks[path] == spans[path].ends()[0] for path in spans if all(at_ends[-1])]
    extreme = np.all(at_ends, axis=1)
    assert np.array_equal(extreme, np.any(at_ends, axis=1))  # wholly, or not at all
    assert 0.2 < extreme.mean() < 0.6
    assert 0.4 < np.mean(lows) < 0.6  # either end, whatever the others are
    usual = Drawn(source.model_copy(update={"extremes": 0.0}), 3, Normaliser(20.0))
    index = int(np.flatnonzero(~extreme)[0])
    assert np.array_equal(domain.sample(index).image, usual.sample(index).image)  # type: ignore[arg-type]


def test_extreme_looks_need_looks_that_vary() -> None:
    source = PresetSource(preset="rcm-sg-clean", extremes=0.5)
    with pytest.raises(DermoganError, match=r"extremes = 0\.5: preset rcm-sg-clean varies nothing"):
        Drawn(source, 3, Normaliser(20.0))


def _get(scene: simcell.Scene, path: str) -> object:
    found: object = scene
    for name in path.split("."):
        found = getattr(found, name)
    return found


def test_a_dataset_as_source(tmp_path: Path) -> None:
    preset = simcell.load_preset("rcm-sg").with_set([TINY])
    simcell.generate(preset, 2, tmp_path / "d.zarr", seed=3, workers=1, progress=False)
    kind = f"{{kind: dataset, path: {tmp_path / 'd.zarr'}}}"
    one_scale = "data.augment={scale_low: 1}"
    recipe = supervised(one_scale, "data.patch_px=64").with_set([f"data.pairs={kind}"])
    batch = Data(recipe, 0).batch(0)
    stored = [
        pair(sample, Normaliser(20))[1] for sample in simcell.open_dataset(tmp_path / "d.zarr")
    ]
    turned = [np.rot90(m, k) for prior in stored for m in (prior, prior.T) for k in range(4)]
    assert all(any(np.array_equal(p[0], t) for t in turned) for p in batch.pair_priors)


@pytest.mark.parametrize(
    ("override", "needle"),
    [
        ("data.patch_px=80", "64 x 64 px, smaller than patches of"),
        ("data.pairs.preset=nope", "no such preset"),
        ("data.pairs.set=['prior={kind: distance}']", "prior.kind = distance: must be membrane"),
        ("data.pairs={kind: dataset, path: no.zarr}", "no.zarr"),
    ],
)
def test_sources_that_cannot_be_learnt_from(override: str, needle: str) -> None:
    with pytest.raises(simcell.SimcellError) as error:
        Data(supervised(override), 0).batch(0)
    assert needle in str(error.value)


# Folders


def grain(side: int = 80) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 250, (side, side)).astype(np.uint8)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Images of every type that is promised."""
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    Image.fromarray(grain(80)).save(folder / "a.png")
    Image.fromarray(np.dstack([grain(72)] * 3)).save(folder / "colour.png")
    Image.fromarray(grain(64).astype(np.uint16) * 257).save(folder / "deep.png")
    tifffile.imwrite(folder / "b.tif", grain(90).astype(np.uint16) * 200)
    tifffile.imwrite(folder / "more" / "c.TIFF", grain(100).astype(np.float32) / 250)
    return folder


def test_images_of_every_type(images: Path) -> None:
    folder = Folder(FolderSource(path=str(images)), Normaliser(8))
    rng = np.random.default_rng(0)
    for number in range(40):
        image, prior = folder.cut(rng, number, 48)
        assert prior is None
        assert image.shape == (48, 48)
        assert -1 <= image.min() < -0.3
        assert 0.3 < image.max() <= 1


def test_a_patch_is_normalised_as_the_whole_image(tmp_path: Path) -> None:
    image = grain(160).astype(np.float32)
    image[:, 80:] += 300
    tifffile.imwrite(tmp_path / "a.tif", image)
    folder = Folder(FolderSource(path=str(tmp_path)), Normaliser(8))
    whole = local_normalise(image, 8)
    windows = np.lib.stride_tricks.sliding_window_view(whole, (32, 32))
    for number in range(10):
        patch, _ = folder.cut(np.random.default_rng(number), number, 32)
        assert np.abs(windows - patch).max((2, 3)).min() < 1e-4


def _cut_off(path: Path) -> None:
    tifffile.imwrite(path, grain(80))
    path.write_bytes(path.read_bytes()[:3000])


BAD = {
    "cut.tif": (_cut_off, "cannot be read"),
    "text.png": (lambda p: p.write_text("hello"), "cannot be read"),
    "empty.tif": (lambda p: p.write_bytes(b""), "cannot be read"),
    "flat.png": (lambda p: Image.new("L", (64, 64), 7).save(p), "all pixels are 7"),
    "nan.tif": (
        lambda p: tifffile.imwrite(p, np.full((9, 9), np.nan, "f4")),
        "are NaN or infinite",
    ),
    "stack.tif": (lambda p: tifffile.imwrite(p, np.stack([grain()] * 5)), "has 5 pages"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bad_files_are_named(images: Path, name: str) -> None:
    make, needle = BAD[name]
    make(images / name)  # type: ignore[operator]
    with pytest.raises(DermoganError) as error:
        Folder(FolderSource(path=str(images)), Normaliser(8))
    assert name in str(error.value)
    assert needle in str(error.value)
    assert "\n" not in str(error.value)
    folder = Folder(FolderSource(path=str(images), bad="skip"), Normaliser(8))
    assert len(folder.notes) == 1
    assert name in folder.notes[0]
    assert folder.cut(np.random.default_rng(0), 0, 48)[0].shape == (48, 48)


def test_folders_without_images(tmp_path: Path) -> None:
    with pytest.raises(DermoganError, match="no images"):
        Folder(FolderSource(path=str(tmp_path)), Normaliser(8))
    with pytest.raises(DermoganError, match="no such folder"):
        Folder(FolderSource(path=str(tmp_path / "no")), Normaliser(8))
    BAD["flat.png"][0](tmp_path / "flat.png")  # type: ignore[operator]
    with pytest.raises(DermoganError, match="none of 1 images can be used"):
        Folder(FolderSource(path=str(tmp_path), bad="skip"), Normaliser(8))


def test_images_smaller_than_a_patch(images: Path) -> None:
    source = FolderSource(path=str(images))
    with pytest.raises(DermoganError, match=r"deep.png: 64 x 64 px, smaller than patches of 65 px"):
        Folder(source, Normaliser(8), (65, 80))
    skipping = source.model_copy(update={"bad": "skip"})
    folder = Folder(skipping, Normaliser(8), (81, 100))
    assert [Path(note.split(":")[0]).name for note in folder.notes] == [
        "a.png",
        "colour.png",
        "deep.png",
    ]
    assert folder.cut(np.random.default_rng(0), 0, 100)[0].shape == (100, 100)
    with pytest.raises(DermoganError, match="no image is wider than 100 px, patches are up to 101"):
        Folder(skipping, Normaliser(8), (50, 101))


def test_too_small_images_are_found_before_training(images: Path) -> None:
    domain = f"data.images={{kind: folder, path: {images}}}"
    scales = "data.augment={scale_low: 0.5, scale_high: 1}"
    with pytest.raises(DermoganError, match="patches are up to 128 px"):
        Data(dermogan(domain, scales, "data.patch_px=64", "data.batch=1"), 0).notes()
    assert Data(dermogan(domain, scales), 0).notes() == []  # of 32 to 64 px


def test_margins_without_anything_in_them(tmp_path: Path) -> None:
    image = np.zeros((96, 96), np.uint8)
    image[:32] = grain(96)[:32]
    Image.fromarray(image).save(tmp_path / "half.png")
    folder = Folder(FolderSource(path=str(tmp_path)), Normaliser(4))
    flat = 0
    for number in range(20):
        patch, _ = folder.cut(np.random.default_rng(number), number, 24)
        assert np.isfinite(patch).all()
        flat += int(np.ptp(patch) == 0)
    assert flat > 0


def test_pages_and_channels_of_a_folder(tmp_path: Path) -> None:
    stack = np.stack([grain(70), 255 - grain(70)])
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    cuts = [
        Folder(FolderSource(path=str(tmp_path), page=page), Normaliser(8)).cut(
            np.random.default_rng(0), 0, 48
        )
        for page in range(2)
    ]
    np.testing.assert_allclose(cuts[0][0], -cuts[1][0], atol=1e-5)
