"""Results as JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from dermogan.benchmark.score import Outcome, Result, Row

NAMES = {
    "f1_50": "F1 at IoU 0.5",
    "f1_70": "F1 at IoU 0.7",
    "d_f1": "d-accuracy F1",
    "centre_f1": "F1 of centres",
}
"""Scores, in words."""


def as_json(results: Sequence[Result]) -> str:
    """Return everything, image by image."""
    return json.dumps({"sets": [_set(result) for result in results]}, indent=1) + "\n"


def _set(result: Result) -> dict[str, Any]:
    rows = []
    for row in result.ranked():
        entry: dict[str, Any] = {
            "method": row.method.name,
            "kind": row.method.kind,
            "stardist": row.method.stardist,
        }
        if row.outcomes:
            entry |= {name: _rounded(row.summary(name)) for name in result.scores}
            entry |= {
                "cpu_s": round(row.cpu_s, 4),
                "cpu_s_per_megapixel": round(row.cpu_s_per_megapixel, 4),
                "members": [_member(outcomes, result.scores) for outcomes in row.outcomes],
            }
        else:
            entry["missing"] = row.method.lacks
        rows.append(entry)
    return {"name": result.name, **result.facts, "methods": rows}


def _member(outcomes: Sequence[Outcome], scores: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "image": o.image,
            **{name: round(o.counts[name].f1, 6) for name in scores},
            "cpu_s": round(o.cpu_s, 4),
            **({"failure": o.failure} if o.failure else {}),
        }
        for o in outcomes
    ]


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 6) for key, value in values.items()}


def as_csv(results: Sequence[Result]) -> str:
    """Return a row for every set and method; scores that a set does not have are empty."""
    parts = ("median", "sd", "mean", "pooled", "spread")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    heads = [f"{name}_{part}" for name in NAMES for part in parts]
    last = ["cpu_s", "cpu_s_per_megapixel", "failures", "missing"]
    table.writerow(["set", "method", "kind", "stardist", "seeds", "images", *heads, *last])
    for result in results:
        for row in result.ranked():
            table.writerow(_line(result, row, parts))
    return text.getvalue()


def _line(result: Result, row: Row, parts: Sequence[str]) -> list[object]:
    method = row.method
    start: list[object] = [result.name, method.name, method.kind, int(method.stardist)]
    if not row.outcomes:
        return [*start, 0, 0, *[""] * (len(NAMES) * len(parts) + 3), method.lacks]
    values: list[object] = []
    for name in NAMES:
        told = row.summary(name) if name in result.scores else {}
        values += [f"{told[part]:.6g}" if told else "" for part in parts]
    costs = [f"{row.cpu_s:.4g}", f"{row.cpu_s_per_megapixel:.4g}", len(row.failures), ""]
    return [*start, len(row.outcomes), len(row.outcomes[0]), *values, *costs]


def as_markdown(results: Sequence[Result]) -> str:
    """Return a table for every set, the best method first."""
    return "\n".join(_table(result) for result in results)


def _table(result: Result) -> str:
    main, *others = result.scores
    facts = result.facts
    diameter = facts["diameter_px"]
    told = f"cells of {diameter:g} px" if diameter else "size of cells not told"
    partly = ", annotated in part" if facts["annotated"] == "labels" else ""
    lines = [
        f"### {result.name}",
        "",
        f"{facts['images']} images, {facts['polarity']} {facts['shows']}, {told}{partly}; "
        f"fingerprint {facts['fingerprint']}",
        "",
        f"| method | {NAMES[main]}: median | sd | pooled | "
        + "".join(f"{NAMES[name]}: median | " for name in others)
        + "CPU s / image |",
        "|---" + "|---:" * (len(others) + 4) + "|",
    ]
    for row in result.ranked():
        if not row.outcomes:
            blanks = " – |" * (len(others) + 4)
            lines.append(f"| {row.method.name} (missing: {row.method.lacks}) |{blanks}")
            continue
        first = row.summary(main)
        spread = f" ± {first['spread']:.3f}" if len(row.outcomes) > 1 else ""
        more = "".join(f" {row.summary(name)['median']:.3f} |" for name in others)
        lines.append(
            f"| {_named(row)} | {first['median']:.3f}{spread} | {first['sd']:.3f} | "
            f"{first['pooled']:.3f} |{more} {row.cpu_s:.3f} |"
        )
    return "\n".join(lines) + "\n"


def _named(row: Row) -> str:
    seeds = len(row.outcomes)
    name = row.method.name + (f" ({seeds} seeds)" if seeds > 1 else "")
    return f"{name} (fails on {len(row.failures)})" if row.failures else name


def failures(results: Sequence[Result]) -> list[str]:
    """Return a line for every method that failed: on how many images, and on the first why."""
    return [
        f"{row.method.name} failed on {len(row.failures)} of "
        f"{sum(len(member) for member in row.outcomes)} images of {result.name}, "
        f"which count 0; on {row.failures[0].image}: {row.failures[0].failure}"
        for result in results
        for row in result.ranked()
        if row.failures
    ]
