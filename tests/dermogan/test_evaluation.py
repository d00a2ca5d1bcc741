"""Folders against folders: names, tables, intervals, and everything that may be wrong."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from label_cases import CASES, case

from dermogan import cli_evaluate, metrics
from dermogan.evaluation import Options, evaluate, pooled, read_points, summary
from dermogan.metrics import Counts
from simcell import SimcellError


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Label images of known scores, in files of different kinds."""
    predicted, truth = tmp_path / "predicted", tmp_path / "truth"
    predicted.mkdir()
    truth.mkdir()
    for name in CASES:
        true, guess = case(name)
        np.save(truth / f"{name}.npy", true)
        tifffile.imwrite(predicted / f"{name}.tif", guess.astype(np.uint16))
    return predicted, truth


def test_rows_are_the_metrics_of_the_pairs(folders: tuple[Path, Path]) -> None:
    found = evaluate(*folders)
    assert found.names == sorted(CASES)
    for name, row in zip(found.names, found.rows, strict=True):
        true, guess = case(name)
        by_iou = metrics.objects(true, guess)
        assert [row[f"f1_{at}"] for at in range(50, 100, 5)] == [c.f1 for c in by_iou]
        assert row["ap"] == metrics.average_precision(by_iou)
        assert row["d_f1"] == metrics.any_overlap(true, guess).f1
        assert row["dice"] == metrics.dice(true, guess)
        assert row["boundary_f1"] == metrics.boundary_f1(true, guess)
        assert row["n_true"] == len(np.unique(true[true > 0]))
        assert row["n_predicted"] == len(np.unique(guess[guess > 0]))


def test_pooled_scores_count_all_objects_alike(folders: tuple[Path, Path]) -> None:
    found = evaluate(*folders)
    counts = [metrics.objects(*case(name))[0] for name in CASES]
    tp, fp, fn = (sum(getattr(c, k) for c in counts) for k in ("found", "made_up", "missed"))
    assert found.pooled["f1_50"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert found.pooled["f1_50"] != pytest.approx(found.column("f1_50").mean(), abs=1e-3)
    both = pooled([Counts(1, 0, 0, 0.5), Counts(3, 2, 1, 0.9)])
    assert (both.found, both.made_up, both.missed) == (4, 2, 1)
    assert both.quality == pytest.approx(0.8)


def test_annotated_areas_of_labels_and_of_masks(folders: tuple[Path, Path], tmp_path: Path) -> None:
    areas = tmp_path / "areas"
    areas.mkdir()
    for name in CASES:
        np.save(areas / f"{name}.npy", (case(name)[0] > 0).astype(np.uint8))
    plain = evaluate(*folders)
    by_labels = evaluate(*folders, Options("labels"))
    by_masks = evaluate(*folders, Options(areas))
    assert by_labels.csv() == by_masks.csv()
    at = plain.names.index("crowded")
    true, guess = case("crowded")
    assert by_labels.rows[at]["n_predicted"] < plain.rows[at]["n_predicted"]
    assert by_labels.rows[at]["f1_50"] == metrics.objects(true, guess, [0.5], true > 0)[0].f1
    (areas / "empty.npy").unlink()
    with pytest.raises(SimcellError, match="has no mask of 'empty'"):
        evaluate(*folders, Options(areas))


def test_intervals_of_the_mean_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(8)
    covered = 0
    for draw in range(300):
        low, high = summary("x", rng.normal(0.7, 0.1, 30), seed=draw).mean_interval
        covered += low <= 0.7 <= high
    # 95 % less what the percentile interval of 30 images lacks; three standard errors.
    assert 0.90 < covered / 300 < 0.985


def test_summaries_are_reproducible_and_of_their_column(folders: tuple[Path, Path]) -> None:
    found = evaluate(*folders)
    assert found.summaries(seed=1) == found.summaries(seed=1)
    one = next(s for s in found.summaries() if s.name == "f1_50")
    values = found.column("f1_50")
    assert (one.mean, one.median) == (values.mean(), np.median(values))
    assert one.sd == pytest.approx(values.std(ddof=1))
    assert one.mean_interval[0] < one.mean < one.mean_interval[1]
    assert summary("x", np.array([0.4])).mean_interval == (0.4, 0.4)


def points_file(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x,y\n3,5\n1.5,2\n", [[5, 3], [2, 1.5]]),
        ("y_px,x_px\n3,5\n\n", [[3, 5]]),
        ("label,y_px,x_px,area_px\n1,3,5,20\n", [[3, 5]]),
        ("x_1based,y_1based\n1,6\n", [[5, 0]]),
        ("\ufefflabel,Centroid_Y,centroid_x\n1,3,5\n", [[3, 5]]),
        ("x,y\n", []),
    ],
)
def test_tables_of_points(tmp_path: Path, text: str, expected: list[list[float]]) -> None:
    assert read_points(points_file(tmp_path / "p.csv", text)).tolist() == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3,5\n1,2\n", "must name columns x and y; it is '3,5'"),
        ("", "must name columns"),
        ("x,y\n1,2\n3\n", "line 3 is '3'; numbers"),
        ("x,y\n1,two\n", "line 2 is '1,two'"),
        ("x,y\n1,nan\n", "NaN"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SimcellError, match=said):
        read_points(points_file(tmp_path / "p.csv", text))


def test_points_against_labels_and_against_points(tmp_path: Path) -> None:
    labels = np.zeros((30, 30), np.uint16)
    labels[2:9, 2:9] = 1
    labels[15:26, 15:26] = 2
    tifffile.imwrite(tmp_path / "a.tif", labels)
    truth = points_file(tmp_path / "true.csv", "x,y\n5,5\n16,16\n28,3\n")
    points = points_file(tmp_path / "points.csv", "x,y\n5,6\n16,16\n")
    row = evaluate(tmp_path / "a.tif", truth, Options(radius_px=3)).rows[0]
    assert (row["n_true"], row["n_predicted"]) == (3, 2)
    assert row["centre_f1"] == pytest.approx(2 / 5)  # (16, 16) lies 5.7 from its centroid
    assert row["d_f1"] == pytest.approx(4 / 5)  # but inside the object
    row = evaluate(points, truth, Options(radius_px=3)).rows[0]
    assert row["centre_f1"] == pytest.approx(4 / 5)
    assert "d_f1" not in row
    for options, said in (
        (Options(), "--radius is missing"),
        (Options("labels", 3), "--annotated"),
    ):
        with pytest.raises(SimcellError, match=said):
            evaluate(points, truth, options)
    with pytest.raises(SimcellError, match="points cannot be scored against"):
        evaluate(points, tmp_path / "a.tif")


def test_files_that_do_not_belong_together(folders: tuple[Path, Path], tmp_path: Path) -> None:
    predicted, truth = folders
    (truth / "sparse.npy").unlink()
    (predicted / "equal.tif").unlink()
    with pytest.raises(SimcellError, match=r"truth: has no 'sparse' \(1 lack\)"):
        evaluate(predicted, truth)
    assert evaluate(predicted, truth, common=True).names == sorted(set(CASES) - {"sparse", "equal"})
    np.save(truth / "halves.npy", np.ones((3, 3), int))
    with pytest.raises(SimcellError, match=r"halves.tif: prediction has \(96, 80\) pixels"):
        evaluate(predicted, truth, common=True)
    (predicted / "split.png").write_text("")
    with pytest.raises(SimcellError, match="has the same name"):
        evaluate(predicted, truth, common=True)
    (tmp_path / "none").mkdir()
    with pytest.raises(SimcellError, match="no two files have one name"):
        evaluate(tmp_path / "none", truth)
    with pytest.raises(SimcellError, match="lost: no such folder"):
        evaluate(tmp_path / "lost", truth)


def run(*words: object) -> Result:
    return CliRunner().invoke(cli_evaluate.evaluate, [str(word) for word in words])


def test_command_prints_a_summary_and_writes_a_table(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "scores.csv"
    result = run(*folders, "-o", out)
    assert result.exit_code == 0, result.output
    found = evaluate(*folders)
    line = next(line for line in result.stdout.splitlines() if line.startswith("f1_50"))
    assert float(line.split()[1]) == pytest.approx(found.column("f1_50").mean(), abs=5e-4)
    assert float(line.split()[-1]) == pytest.approx(found.pooled["f1_50"], abs=5e-4)
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == found.names
    assert [float(row["ap"]) for row in rows] == pytest.approx(
        found.column("ap").tolist(), rel=1e-5
    )
    again = run(*folders, "-o", out)
    assert "scores.csv: exists already" in str(again.exception)
    assert run(*folders, "-o", out, "--overwrite").exit_code == 0


def test_command_takes_the_labels_of_an_output(folders: tuple[Path, Path]) -> None:
    predicted, truth = folders
    (predicted.parent / "out").mkdir()
    predicted.rename(predicted.parent / "out" / "labels")
    result = run(predicted.parent / "out", truth, "--annotated", "labels")
    assert result.exit_code == 0, result.output
    assert f"{len(CASES)} images" in result.stdout


def test_figures_need_matplotlib(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run(*folders, "--figure", tmp_path / "f.png", "-o", tmp_path / "t.csv")
    assert "--figure: matplotlib is not installed" in str(result.exception)
    assert not (tmp_path / "t.csv").exists()


def test_a_figure_is_drawn(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = run(*folders, "--figure", tmp_path / "f.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "f.png").read_bytes()[:4] == b"\x89PNG"
    points = points_file(tmp_path / "p.csv", "x,y\n5,5\n9,9\n")
    assert run(points, points, "--radius", 2, "--figure", tmp_path / "g.png").exit_code == 0
