"""Comparisons as a whole: verdicts, advice, the page, the record and the command."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

import simcell
from simcell.cli import main
from simcell.compare import compare
from simcell.compare.measured import Measured
from simcell.compare.page import Sources, page
from simcell.compare.report import record, write_report
from simcell.describe.field import Field
from simcell.describe.read import fields_of
from simcell.errors import SimcellError

SMALL = ["frame.shape=[176,176]"]
KEYS = {"schema", "simcell", "seed", "real", "synthetic", "notes", "classifier", "verdicts",
        "changes", "statistics", "curves"}  # fmt: skip
ROW = {"name", "group", "about", "real", "real_low", "real_high", "synthetic", "synthetic_low",
       "synthetic_high", "size", "low", "high", "covered", "verdict", "real_values",
       "synthetic_values"}  # fmt: skip


def fields(name, count, seed, sets=SMALL):
    preset = simcell.load_preset(name).with_set(sets)
    samples = (
        simcell.simulate(preset.scene(seed=seed, index=i), seed=seed, index=i) for i in range(count)
    )
    return fields_of(samples)


@pytest.fixture(scope="module")
def apart():
    preset = simcell.load_preset("confluent").with_set(SMALL)
    return compare(fields("honeycomb", 8, 1), fields("confluent", 20, 2), preset=preset)


def test_a_preset_is_like_itself():
    found = compare(fields("rcm-sg", 12, 1), fields("rcm-sg", 12, 2))
    counts = found.verdicts
    assert counts["off"] == 0
    assert counts["alike"] >= 0.8 * len(found.rows)
    assert 0.3 <= found.image_gap.accuracy <= 0.7
    assert 0.3 <= found.outline_gap.accuracy <= 0.7


def test_where_annotation_ends_tells_no_outlines_apart():
    large = ["frame.shape=[288,288]"]
    part = []
    for whole in fields("honeycomb", 10, 1, large):
        rows, columns = np.indices(whole.shape)
        far = np.hypot(rows - 150, columns - 130) > 120
        kept = np.where(np.isin(whole.labels, np.unique(whole.labels[far])), 0, whole.labels)
        part.append(Field(whole.name, whole.spacing_um, labels=kept, annotated=kept > 0))
    found = compare(part, fields("honeycomb", 10, 2, large))
    # With squares of which a tenth is not annotated, it would be 0.7.
    assert 0.3 <= found.outline_gap.accuracy <= 0.6


def test_distances_do_not_depend_on_where_the_annotation_ends():
    ratios = []
    for whole in fields("honeycomb", 4, 3):
        cut = np.unique(
            np.concatenate([whole.labels[[0, -1]].ravel(), whole.labels[:, [0, -1]].ravel()])
        )
        kept = np.where(np.isin(whole.labels, cut), 0, whole.labels)
        part = Field("part", whole.spacing_um, labels=kept, annotated=kept > 0)
        one, other = (Measured(field) for field in (whole, part))
        ratios.append(other.scale_um / one.scale_um)
    # By numbers of cells, of which the frame cuts many, it would be 1.2.
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.025)


def test_another_tissue_is_told_apart_and_the_advice_names_its_preset(apart):
    assert apart.verdicts["off"] >= 3
    assert apart.image_gap.low > 0.5
    size = next(row for row in apart.rows if row.statistic.name == "area_um2")
    assert (size.effect.verdict, size.effect.size > 1) == ("off", True)
    assert 1 <= len(apart.changes) <= 3
    tree = simcell.load_preset("confluent").base.model_dump()
    for change in apart.changes:
        if change.path is not None:
            node = tree
            for part in change.path.split("."):
                node = node[part]
            assert change.path in change.how


def test_advice_points_the_right_way(apart):
    found = {change.statistic: change.how for change in apart.changes}
    density = next(row for row in apart.rows if row.statistic.name == "density")
    assert density.effect.synthetic < density.effect.real
    for name in {"area_um2", "density"} & set(found):
        assert found[name].startswith("Raise")


class Tags(HTMLParser):
    """Checks that tags close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_is_well_formed(apart):
    text = page(apart, Sources("real <b>&", "confluent", "1.0", ("a <note>",)))
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    kinds = {tag for tag, _ in tags.seen}
    assert not kinds & {"script", "link", "iframe", "b", "note"}
    for _, attributes in tags.seen:
        assert attributes.get("src", "data:").startswith("data:image/png;base64,") or (
            "src" not in attributes
        )
        assert "href" not in attributes
    assert not re.search(r"https?://|url\(|@import", text)
    assert "nan" not in re.sub(r'"data:[^"]*"', "", text)
    assert "real &lt;b&gt;&amp;" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_record_has_one_layout(apart):
    found = record(apart, Sources("a", "b", "1.0"))
    assert set(found) == KEYS
    assert all(set(row) == ROW for row in found["statistics"])
    assert found["schema"] == 1
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {panel["name"] for panel in found["curves"]} >= {"l", "pcf", "g", "lewis", "aboav",
                                                            "spectrum", "noise"}  # fmt: skip
    assert sum(found["verdicts"].values()) == len(found["statistics"])


def test_labels_alone_centres_alone_and_images_alone():
    a, b = fields("rcm-sg", 3, 1), fields("rcm-sg", 3, 2)
    groups = {}
    for part in ("labels", "points", "image"):
        real = [
            Field(f.name, f.spacing_um, **{part: getattr(f, part)},
                  annotated=np.ones(f.shape, np.bool_))
            for f in a
        ]  # fmt: skip
        found = compare(real, b)
        groups[part] = {row.statistic.group for row in found.rows}
        assert page(found, Sources("a", "b", "1.0")).count("<h2>") >= 3
    assert groups == {
        "labels": {"centres", "cells"},
        "points": {"centres"},
        "image": {"grey"},
    }


def test_nothing_in_common_and_nothing_at_all():
    labels = Field("a", (1.0, 1.0), labels=np.kron(np.eye(4), np.ones((8, 8))).astype(np.int32))
    image = Field("b", (1.0, 1.0), image=np.ones((32, 32), np.float32))
    with pytest.raises(SimcellError, match="nothing in common"):
        compare([labels], [image])
    with pytest.raises(SimcellError, match="synthetic: no field"):
        compare([image], [])


def test_reports_replace_nothing_unasked(apart, tmp_path):
    sources = Sources("a", "b", "1.0")
    first = write_report(apart, sources, tmp_path / "report")
    before = first.read_bytes()
    with pytest.raises(SimcellError, match="--overwrite"):
        write_report(apart, sources, tmp_path / "report")
    write_report(apart, sources, tmp_path / "report", overwrite=True)
    assert first.read_bytes() == before


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("real")
    for field in fields("rcm-sg", 3, 5):
        name = field.name.replace(" ", "-").replace(",", "")
        for kind, pixels in (("images", field.image.astype(np.uint8)),
                             ("masks", field.labels.astype(np.uint16))):  # fmt: skip
            (root / kind).mkdir(exist_ok=True)
            assert cv2.imwrite(str(root / kind / f"{name}.png"), pixels)
    return root


def run(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_the_command_writes_both_files_and_says_the_most_important(folder, tmp_path):
    out = tmp_path / "report"
    result = run(folder, "rcm-ss", "--spacing-um", 0.5, "-n", 3, "-o", out)
    assert result.exit_code == 0, result.output
    assert "a simple classifier" in result.output
    assert sorted(file.name for file in out.iterdir()) == ["index.html", "report.json"]
    found = json.loads((out / "report.json").read_text())
    assert len(found["real"]["fields"]) == 3
    assert found["classifier"]["outlines"] is not None
    again = run(folder, "rcm-ss", "--spacing-um", 0.5, "-n", 3, "-o", out)
    assert again.exit_code == 2
    assert "--overwrite" in again.output


def test_the_command_refuses_what_it_cannot_use(folder, tmp_path):
    out = tmp_path / "report"
    cases = {
        "no such file or folder": (tmp_path / "none", "rcm-sg", "--spacing-um", 1),
        "--spacing-um": (folder, "rcm-sg"),
        "no such preset": (folder, "nothing-like-it", "--spacing-um", 1),
        "--synthetic-labels": (folder, "rcm-sg", "--synthetic-labels", folder, "--spacing-um", 1),
    }
    for reason, arguments in cases.items():
        result = run(*arguments, "-n", 2, "-o", out)
        assert result.exit_code == 2, result.output
        assert reason in result.output
        assert not Path(out).exists()
