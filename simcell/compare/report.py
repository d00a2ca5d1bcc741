"""The report on disk: a folder with a page for people and a JSON file for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from simcell.compare.classifier import Gap
from simcell.compare.comparison import Comparison
from simcell.compare.curves import Panel, Side
from simcell.compare.page import Sources, page
from simcell.compare.statistics import Row
from simcell.errors import SimcellError
from simcell.io.files import explained, write_whole

SCHEMA = 1
"""Version of the JSON file's layout; it changes only when a program that reads it must."""
PAGE, RECORD = "index.html", "report.json"


def write_report(
    found: Comparison, sources: Sources, folder: Path, *, overwrite: bool = False
) -> Path:
    """Write ``index.html`` and ``report.json``.

    Parameters
    ----------
    found : Comparison
    sources : Sources
    folder : Path
        Made if it is not there.
    overwrite : bool
        Replace the two files where they are there already.

    Returns
    -------
    Path
        Of the page.
    """
    refuse_existing(folder, overwrite=overwrite)
    with explained(folder):
        text = json.dumps(record(found, sources), indent=1, ensure_ascii=False, allow_nan=False)
        write_whole(folder / RECORD, f"{text}\n".encode())
        write_whole(folder / PAGE, page(found, sources).encode())
    return folder / PAGE


def refuse_existing(folder: Path, *, overwrite: bool) -> None:
    """Raise where a report would replace something."""
    if folder.exists() and not folder.is_dir():
        msg = f"{folder}: is a file; name a folder for the report"
        raise SimcellError(msg)
    there = next((name for name in (PAGE, RECORD) if (folder / name).exists()), None)
    if there is not None and not overwrite:
        msg = f"{folder / there}: exists already; choose another folder or add --overwrite"
        raise SimcellError(msg)


def record(found: Comparison, sources: Sources) -> dict[str, Any]:
    """Return everything that was found as plain data; what cannot be told is None."""
    content = {
        "schema": SCHEMA,
        "simcell": sources.version,
        "seed": found.seed,
        "real": {"name": sources.real, "fields": [m.field.name for m in found.real]},
        "synthetic": {
            "name": sources.synthetic,
            "fields": [m.field.name for m in found.synthetic],
        },
        "notes": list(sources.notes),
        "classifier": {"images": _gap(found.image_gap), "outlines": _gap(found.outline_gap)},
        "verdicts": dict(found.verdicts),
        "changes": [asdict(change) for change in found.changes],
        "statistics": [_row(row) for row in found.rows],
        "curves": [_panel(panel) for panel in found.panels],
    }
    plain: dict[str, Any] = _plain(content)
    return plain


def _gap(gap: Gap | None) -> dict[str, Any] | None:
    if gap is None:
        return None
    telling = [{"feature": name, "shift": shift} for name, shift in gap.telling]
    return {**asdict(gap), "telling": telling}


def _row(row: Row) -> dict[str, Any]:
    about = {key: getattr(row.statistic, key) for key in ("name", "group", "about")}
    real, synthetic = row.values
    return about | asdict(row.effect) | {"real_values": real, "synthetic_values": synthetic}


def _panel(panel: Panel) -> dict[str, Any]:
    keys = ("name", "group", "title", "x_label", "y_label", "note", "p_values")
    return {key: getattr(panel, key) for key in keys} | {
        "real": _side(panel.real),
        "synthetic": _side(panel.synthetic),
    }


def _side(side: Side) -> dict[str, Any]:
    return {"x": side.x, "middle": side.middle, "low": side.low, "high": side.high}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any part of a record
    """Turn arrays into lists and numbers without value into None, six figures each."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(part) for part in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
