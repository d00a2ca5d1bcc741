"""Nuclei and Golgi one by one, their pairs, scores, files and commands."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray
from scipy import ndimage
from tiny import tiny

import simcell
from dermogan.benchmark import volumes
from dermogan.cli import main
from dermogan.instances import Splitting, gaps, paired, pieces, split
from dermogan.model import load_model
from dermogan.solidscores import Class, SolidScores, Truth, pairs_of, score, truth_of
from dermogan.solidsegment import nearest, segment_volume
from dermogan.stacks import wanted
from dermogan.trainer import train
from dermogan.volumefile import read_solid_labels, read_volume, write_volume
from simcell import SimcellError

SMALL = ["frame.shape=[16, 32, 32]", "frame.margin_um=4"]
UM = (1.0, 0.5, 0.5)


def ball(
    shape: tuple[int, ...], centre_um: tuple[float, ...], radius_um: float
) -> NDArray[np.bool_]:
    """Return the voxels whose middle lies in a ball."""
    axes = [(np.arange(n) + 0.5) * s - c for n, s, c in zip(shape, UM, centre_um, strict=True)]
    return sum(a**2 for a in np.ix_(*axes)) <= radius_um**2  # type: ignore[no-any-return]


def two_cells() -> tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]:
    """Two nuclei that touch, each with a Golgi; the map of nuclei, Golgi and cores."""
    shape = (16, 32, 60)
    centres = [(8.0, 8.0, 8.0), (8.0, 8.0, 20.0)]
    nuclei = [ball(shape, c, 6.2) for c in centres]
    golgi = [ball(shape, (8.0, 8.0, x), 2.0) for x in (6.0, 23.0)]
    core = [ball(shape, c, 5.0) for c in centres]
    masks = [nuclei[0] | nuclei[1], golgi[0] | golgi[1], core[0] | core[1]]
    masks[0] &= ~masks[1]
    return np.stack(masks).astype(np.uint8) * 255, [*nuclei, *golgi]


# Objects


@pytest.mark.parametrize("channels", [3, 2])
def test_nuclei_that_touch_come_apart_and_find_their_golgi(channels: int) -> None:
    maps, (one, other, golgi, _) = two_cells()
    found = split(maps[:channels], UM, Splitting(bump_um=1.0))
    assert (found.nuclei.max(), found.golgi.max()) == (2, 2)
    mine = found.nuclei[8, 16, 20]
    assert mine != found.nuclei[8, 16, 40]
    alone = one & ~other & ~golgi
    assert (found.nuclei[alone] == mine).mean() > 0.98
    table = found.table
    assert list(table["class"]) == ["nuclei"] * 2 + ["golgi"] * 2
    row = table[mine - 1]
    partner = table[2 + row["pair"] - 1]
    assert partner["pair"] == mine
    assert [partner[f"{a}_um"] for a in "zyx"] == pytest.approx([8, 8, 6])
    assert partner["volume_um3"] == pytest.approx(golgi.sum() * 0.25)
    assert row["to_golgi_x_um"] == pytest.approx(6 - row["x_um"])
    assert row["to_golgi_z_um"] == pytest.approx(0, abs=1e-9)
    assert row["to_golgi_um"] == pytest.approx(abs(6 - row["x_um"]))
    assert math.isnan(partner["to_golgi_um"])


def test_specks_are_dropped_and_the_largest_piece_kept() -> None:
    labels = np.zeros((1, 3, 9), np.int32)
    labels[0, :, :3], labels[0, 0, 4], labels[0, 2, 6:] = 7, 7, 2
    assert pieces(labels, 4).tolist() == [[[1, 1, 1, 0, 0, 0, 0, 0, 0]] * 3]
    assert pieces(labels, 3).max() == 2
    maps, _ = two_cells()
    assert split(maps, UM, Splitting(golgi_um3=100)).golgi.max() == 0
    assert not len(split(np.zeros_like(maps), UM).table)


def test_what_looks_like_golgi_may_be_nucleus() -> None:
    maps, (one, *_) = two_cells()
    found = split(maps, UM, Splitting(golgi="absent"))
    assert (found.nuclei.max(), found.golgi.max()) == (2, 0)
    assert (found.nuclei[one] > 0).all()


def test_cores_that_join_are_parted_at_their_neck() -> None:
    maps, (one, other, _, _) = two_cells()
    maps[2] |= 255 * ball(maps[2].shape, (8.0, 8.0, 14.0), 1.6).astype(np.uint8)
    maps[1] = 0
    assert ndimage.label(maps[2], np.ones((3, 3, 3)))[1] == 1
    found = split(maps, UM, Splitting(bump_um=1.0, golgi="absent"))
    assert found.nuclei.max() == 2
    assert found.nuclei[8, 16, 16] != found.nuclei[8, 16, 40]
    assert one[8, 16, 16]
    assert other[8, 16, 40]


def test_tissue_without_a_core_is_a_cell() -> None:
    maps, (_, other, *_) = two_cells()
    maps[:, other] = 0
    maps[0, 2:14, 12:20, 50:58] = 255
    found = split(maps, UM)
    assert found.nuclei.max() == 2
    assert found.nuclei[8, 16, 54] != found.nuclei[8, 16, 20]


def test_gaps_by_hand() -> None:
    nuclei, golgi = np.zeros((2, 1, 1, 12), np.int32)
    nuclei[..., :3], nuclei[..., 9:], golgi[..., 5:6] = 1, 2, 1
    assert gaps(nuclei, golgi, UM, 5).tolist() == [[1.5], [2.0]]
    assert gaps(nuclei, golgi, UM, 0.5).tolist() == [[1.5], [np.inf]]
    assert paired(nuclei, golgi, UM, 5).tolist() == [[1, 1]]
    assert paired(nuclei, golgi[..., ::-1] * 0, UM, 5).shape == (0, 2)


def test_pairs_are_those_that_together_lie_nearest() -> None:
    """The nearest Golgi of the second nucleus is all that the first could have."""
    nuclei, golgi = np.zeros((2, 1, 1, 40), np.int32)
    nuclei[..., 0:4], nuclei[..., 14:18] = 1, 2
    golgi[..., 10:12], golgi[..., 22:24] = 1, 2
    assert paired(nuclei, golgi, UM, 5).tolist() == [[1, 1], [2, 2]]
    assert paired(nuclei, golgi, UM, 2.4).tolist() == [[2, 1]]  # the others are too far


def test_simulated_masks_give_their_objects_back() -> None:
    scene = simcell.load_preset("nucleus-golgi").with_set(["frame.shape=[24, 56, 56]"])
    made = simcell.simulate(scene.scene(seed=4, index=0), seed=4, index=0)
    truth = truth_of(made)
    found = split((wanted(made, 0.35) * 255).astype(np.uint8), made.grid.spacing_um)
    scores = score(found.nuclei, found.golgi, pairs_of(found.table), truth)
    assert scores.nuclei.f1 > 0.95
    assert scores.golgi.f1 > 0.95
    assert scores.pairs > 3
    assert scores.pairs_found > 0.9
    table = made.objects
    assert table is not None
    assert truth.pairs is not None
    whole = (table["type"] == 1) & (table["volume_um3"] >= Splitting().nucleus_um3)
    assert truth.nuclei.max() == whole.sum()
    assert truth.nuclei.min() == (-1 if (table["type"] == 1).sum() > whole.sum() else 0)


# Scores


def test_scores_by_hand() -> None:
    true = np.int32([[[1, 1, 1, 1, 0, 2, 2, 0, 3, 3]]])
    made = np.int32([[[0, 1, 1, 1, 1, 0, 2, 0, 3, 3]]])
    golgi = np.int32([[[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]])
    pairs = np.array([[1, 1]])
    found = score(made, golgi, np.array([[3, 1]]), Truth(true, golgi, pairs))
    # IoU 3/5, 1/2 (no hit), 1
    assert found.nuclei == Class(shared=6, made=7, true=8, hits=2, found=3, wanted=3)
    assert found.nuclei.dice == pytest.approx(12 / 15)
    assert found.nuclei.f1 == pytest.approx(4 / 6)
    assert (found.nuclei.precision, found.nuclei.recall) == pytest.approx((6 / 7, 6 / 8))
    assert found.golgi.f1 == 1
    assert (found.pairs, found.seen, found.joined) == (1, 1, 0)
    right = score(made, golgi, pairs, Truth(true, golgi, pairs))
    assert (right.pairing, right.pairs_found) == (1, 1)
    both = found + right
    assert (both.pairing, both.nuclei.wanted, both.pairs) == (0.5, 6, 2)
    nuclei_alone = score(made, golgi, pairs, Truth(true)).row()
    assert math.isnan(nuclei_alone["dice_golgi"])
    assert math.isnan(nuclei_alone["pairing"])


def test_a_pair_whose_golgi_is_lost_is_not_paired() -> None:
    true = np.int32([[[1, 1, 1]]])
    golgi = np.int32([[[0, 0, 1]]])
    found = score(true, 0 * golgi, np.empty((0, 2), int), Truth(true, golgi, np.array([[1, 1]])))
    assert (found.pairs, found.seen) == (1, 0)
    assert math.isnan(found.pairing)
    assert found.pairs_found == 0


def test_slivers_are_tissue_and_no_objects() -> None:
    true, made = np.int32([[[-1, 0, 1, 1]]]), np.int32([[[0, 0, 1, 1]]])
    found = score(made, made, np.empty((0, 2), int), Truth(true)).nuclei
    assert (found.true, found.wanted, found.f1) == (3, 1, 1)


# Files


def test_a_volume_comes_back_in_its_size(tmp_path: Path) -> None:
    volume = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    write_volume(tmp_path / "a.tif", volume, (1.75, 0.8, 0.7))
    found = read_volume(tmp_path / "a.tif")
    assert np.array_equal(found.voxels, volume)
    assert found.spacing_um == pytest.approx((1.75, 0.8, 0.7), rel=1e-5)
    ome = {"axes": "ZYX", "PhysicalSizeZ": 900, "PhysicalSizeZUnit": "nm"}
    ome |= {"PhysicalSizeY": 0.5, "PhysicalSizeX": 0.4}
    tifffile.imwrite(tmp_path / "b.ome.tif", volume, photometric="minisblack", metadata=ome)
    assert read_volume(tmp_path / "b.ome.tif").spacing_um == pytest.approx((0.9, 0.5, 0.4))
    np.save(tmp_path / "c.npy", volume[..., :2])
    assert read_volume(tmp_path / "c.npy").spacing_um is None


def test_volumes_that_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros((8, 8)))
    with pytest.raises(SimcellError, match=r"flat.npy: has shape \(8, 8\)"):
        read_volume(tmp_path / "flat.npy")
    np.save(tmp_path / "nan.npy", np.full((2, 8, 8), np.nan))
    with pytest.raises(SimcellError, match=r"holds NaN or infinite"):
        read_volume(tmp_path / "nan.npy")
    np.save(tmp_path / "half.npy", np.full((2, 8, 8), 0.5))
    with pytest.raises(SimcellError, match="values that are no labels"):
        read_solid_labels(tmp_path / "half.npy")
    colours = np.zeros((2, 3, 8, 8), np.uint8)
    tifffile.imwrite(tmp_path / "c.tif", colours, imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(SimcellError, match="has 3 channels; name one by --channel"):
        read_volume(tmp_path / "c.tif")
    assert read_volume(tmp_path / "c.tif", channel=2).voxels.shape == (2, 8, 8)


def test_labels_are_brought_back_by_the_nearest_voxel() -> None:
    labels = np.int32([[[1, 2]], [[3, 4]]])
    assert nearest(labels, (2, 1, 4)).tolist() == [[[1, 1, 2, 2]], [[3, 3, 4, 4]]]
    assert np.array_equal(nearest(nearest(labels, (6, 5, 8)), labels.shape), labels)


# Commands


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("solid") / "run"
    train(tiny("unet-3d", "budget.steps=1"), folder, quiet=True)
    return folder


def call(*args: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(one) for one in args], prog_name="dermogan")
    return done.exit_code, done.output


def test_a_model_of_volumes_knows_its_voxel(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its preset may be a file that is not at hand when it is used."""
    model = load_model(run)
    assert model.card["voxel_um"] == [0.5, 0.5, 0.5]
    monkeypatch.setattr(simcell, "load_preset", lambda _: pytest.fail("the preset is opened"))
    found = segment_volume(model, np.random.default_rng(0).random((8, 16, 16)), (1.0, 0.5, 0.5))
    assert found.found.nuclei.shape == (8, 16, 16)


def test_segment_and_evaluate(run: Path, tmp_path: Path) -> None:
    made = volumes.sample(0, SMALL)
    assert made.image is not None
    (tmp_path / "in").mkdir()
    write_volume(tmp_path / "in" / "a.tif", made.image[::2], (1.0, 0.5, 0.5))
    out = tmp_path / "out"
    code, text = call("segment", tmp_path / "in", "-m", run, "-o", out)
    assert code == 0, text
    assert "voxels of 1 × 0.5 × 0.5 µm" in text
    found = read_volume(out / "nuclei" / "a.tif")
    assert found.voxels.shape == (8, 32, 32)
    assert found.spacing_um == pytest.approx((1, 0.5, 0.5), rel=1e-5)
    assert (out / "overlays" / "a.png").stat().st_size > 0
    with (out / "objects" / "a.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {row["class"] for row in table} <= {"nuclei", "golgi"}
    assert call("segment", tmp_path / "in", "-m", run, "-o", out)[0] == 2  # exists already
    code, text = call("evaluate", out, out, "-o", tmp_path / "scores.csv")
    assert code == 0, text
    scores = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert [row["volume"] for row in scores] == ["a", "all"]
    assert scores[0]["dice_nuclei"] in ("", "1")
    code, text = call("evaluate", out, out / "nuclei")  # of nuclei alone
    assert code == 0, text
    assert "–" in text


def test_sizes_that_are_told(run: Path) -> None:
    model, volume = load_model(run), np.random.default_rng(0).random((8, 16, 16))
    own = segment_volume(model, volume)
    assert own.spacing_um == (0.5, 0.5, 0.5)
    assert model.diameter_px is not None
    seen = segment_volume(model, volume, UM, diameter_px=model.diameter_px / 2)
    assert seen.spacing_um == UM
    assert seen.found.nuclei.shape == volume.shape
    with pytest.raises(SimcellError, match="a grey one"):
        segment_volume(model, volume[0])


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--voxel-um", "1,2"], "--voxel-um 1,2: give Z,Y,X in µm"),
        (["--diameter", "big"], "--diameter big: must be at least 3 px"),
        (["--refine", "glue=3"], "--refine glue=3: give FIELD=VALUE with one of threshold"),
        (["--refine", "threshold=3"], "--refine threshold=3: Input should be less than 1"),
        (["--split", "stardist"], "--split stardist: goes with models of cells, this one takes v"),
        (["--polarity", "dark"], "--polarity dark: goes with models of cells"),
    ],
)
def test_options_that_are_refused(
    run: Path, tmp_path: Path, options: list[str], needle: str
) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((8, 16, 16)))
    code, text = call("segment", tmp_path / "a.npy", "-m", run, "-o", tmp_path / "out", *options)
    assert code == 2
    assert needle in text


def test_evaluations_that_are_refused(tmp_path: Path) -> None:
    labels = np.ones((2, 4, 4), np.int32).astype(np.uint8)
    for folder, name in (("out/nuclei", "a"), ("truth", "b"), ("small", "a")):
        (tmp_path / folder).mkdir(parents=True)
        np.save(tmp_path / folder / f"{name}.npy", labels[: 1 + (folder != "small")])
    code, text = call("evaluate", tmp_path / "out", tmp_path / "truth")
    assert (code, "truth: has no a; add it" in text) == (2, True)
    code, text = call("evaluate", tmp_path / "out", tmp_path / "truth", "--common")
    assert (code, "have no volume of the same name" in text) == (2, True)
    code, text = call("evaluate", tmp_path / "out", tmp_path / "truth", "--band", "x")
    assert (code, "of volumes: --out, --common" in text) == (2, True)


def test_the_benchmark(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = volumes.sample
    monkeypatch.setattr(volumes, "sample", lambda index: sample(index, SMALL))
    out = tmp_path / "out"
    code, text = call("benchmark-volumes", "-m", f"mine={run}", "-o", out, "--first", 2)
    assert code == 0, text
    rows = list(csv.DictReader((out / "benchmark.csv").read_text().splitlines()))
    assert {row["method"] for row in rows} == {"mine", "multi-otsu"}
    assert {row["volumes"] for row in rows} == {"2"}
    assert len({row["fingerprint"] for row in rows}) == 1
    assert all(0 <= float(row["dice_nuclei"]) <= 1 for row in rows)
    assert "| multi-otsu |" in (out / "benchmark.md").read_text()
    code, text = call("benchmark-volumes", "-m", "rcm", "-o", out, "--overwrite")
    assert (code, "a model of volumes is needed" in text) == (2, True)


def test_the_benchmark_takes_volumes_of_ones_own(run: Path, tmp_path: Path) -> None:
    own, out = tmp_path / "own", tmp_path / "out"
    z, y, x = np.indices((12, 30, 30)) * np.array([2.0, 0.8, 0.8]).reshape(3, 1, 1, 1)
    ball = ((z - 12) ** 2 + (y - 12) ** 2 + (x - 12) ** 2 < 36).astype(np.uint8)
    for folder, volume in (("images", 20 + 150 * ball), ("masks", ball)):
        (own / folder).mkdir(parents=True)
        np.save(own / folder / "a.npy", volume.astype(np.uint8))
    np.save(own / "images" / "b.npy", ball)
    words = ["benchmark-volumes", "-m", f"mine={run}", "--data", own, "-o", out]
    code, text = call(*words)
    assert (code, "does not tell the size of a voxel; add --voxel-um" in text) == (2, True)
    assert not out.exists()
    code, text = call(*words, "--voxel-um", "2,0.8,0.8")
    assert code == 0, text
    rows = {
        row["method"]: row
        for row in csv.DictReader((out / "benchmark.csv").read_text().splitlines())
    }
    assert {row["set"] for row in rows.values()} == {"own"}
    assert {row["volumes"] for row in rows.values()} == {"1"}  # nobody annotated b
    # A bright ball on black is found by thresholds alone, and none of it is Golgi.
    assert float(rows["multi-otsu"]["f1_nuclei"]) == 1
    assert float(rows["multi-otsu"]["dice_nuclei"]) > 0.7  # it takes the blurred edge too
    words = ["segment", own / "images" / "a.npy", "-m", "multi-otsu", "-o", tmp_path / "seg"]
    code, text = call(*words, "--voxel-um", "2,0.8,0.8", "--refine", "golgi=absent")
    assert (code, "1 nuclei, 0 Golgi" in text) == (0, True), text
    made = read_volume(tmp_path / "seg" / "nuclei" / "a.tif").voxels > 0
    assert made[ball > 0].all()
    np.save(own / "flat.npy", np.full((8, 16, 16), 7, np.uint8))
    code, text = call("segment", own / "flat.npy", "-m", "multi-otsu", "-o", tmp_path / "flat",
                      "--voxel-um", 1)  # fmt: skip
    assert (code, "0 nuclei, 0 Golgi" in text) == (0, True), text
    for word, value in (("--diameter", 20), ("--tile", 32)):
        code, text = call("segment", own / "images", "-m", "multi-otsu", "-o", tmp_path / "x",
                          word, value)  # fmt: skip
        assert (code, f"{word}: goes with models, multi-otsu is none" in text) == (2, True)
    code, text = call("segment", own / "images", "-m", "multi-otsu", "-o", tmp_path / "x")
    assert (code, "does not tell the size of a voxel" in text) == (1, True)
    assert rows["mine"]["dice_golgi"] == rows["mine"]["pairing"] == ""
    assert "| – |" in (out / "benchmark.md").read_text()
    np.save(own / "masks" / "a.npy", ball[1:])
    words = ["benchmark-volumes", "-m", f"mine={run}", "--data", own, "-o", out]
    code, text = call(*words, "--voxel-um", "2", "--overwrite")
    assert (code, "make them equal" in text) == (2, True)
    (own / "masks" / "a.npy").rename(own / "masks" / "c.npy")
    code, text = call(*words, "--voxel-um", "2", "--overwrite")
    assert (code, "has labels of the same name in masks/" in text) == (2, True)


def test_the_benchmark_is_foreign() -> None:
    """Every range of imaging lies outside that of the preset that is trained on."""
    own = simcell.load_preset("nucleus-golgi").vary
    theirs = simcell.load_preset(volumes.PRESET).vary
    imaging = [path for path in own if path.startswith("imaging.")]
    assert len(imaging) == 7
    for path in imaging:
        mine, other = own[path], theirs[path]
        assert other.low > mine.high or other.high < mine.low, path  # type: ignore[union-attr]
    fixed = [simcell.load_preset(name).base for name in ("nucleus-golgi", volumes.PRESET)]
    assert fixed[0].cells == fixed[1].cells


def test_scores_add_up_to_nothing() -> None:
    assert all(math.isnan(value) for value in SolidScores().row().values())
