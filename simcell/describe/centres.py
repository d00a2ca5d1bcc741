"""Centres of cells from tables (CSV), in whatever columns people keep them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from simcell.arrays import FloatArray
from simcell.describe.files import Say
from simcell.errors import SimcellError

_IMAGE = ("image", "file", "filename", "name", "sample")
_ROWS = ("centroid_y_um", "seed_y_um", "y_um", "y_1based", "centroid_y", "y_px", "y", "row")
_COLUMNS = ("centroid_x_um", "seed_x_um", "x_um", "x_1based", "centroid_x", "x_px", "x", "column")


def read_centres(
    path: Path, spacing_um: tuple[float, float] | None, say: Say
) -> dict[str, FloatArray]:
    """Read centres, as (y, x) in µm by the stem of the image that they belong to.

    Columns ``y_um`` and ``x_um`` are µm, ``y`` and ``x`` pixels from the first pixel's
    corner, ``y_1based`` pixels counted from 1. A column ``image`` or ``file`` tells several
    images apart; else all belong to the image of the table's name. Two columns without
    names are x and y in pixels.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
        rows = [row for row in csv.reader(lines, _dialect(lines)) if any(c.strip() for c in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"points: {str(path)!r} cannot be read ({error}); give a CSV with columns y and x"
        raise SimcellError(msg) from error
    if not rows:
        msg = f"points: {str(path)!r} is empty; give a CSV with columns y and x"
        raise SimcellError(msg)
    names = [cell.strip().lower() for cell in rows[0]]
    if _is_number(names[0]) and len(names) >= 2:
        say(f"{path.name}: no names of columns; the first two are taken as x and y in pixels")
        names, rows = ["x", "y", *([""] * (len(names) - 2))], [[], *rows]
    down, across = _column(path, names, _ROWS), _column(path, names, _COLUMNS)
    own = next((names.index(n) for n in _IMAGE if n in names), None)
    found: dict[str, list[tuple[float, float]]] = {}
    for number, row in enumerate(rows[1:], 1):
        stem = path.stem if own is None else Path(row[own].strip()).stem
        found.setdefault(stem, []).append(_place(path, number, row, down, across))
    factors = _factors(path, names[down], names[across], spacing_um, say)
    shift = np.array([0.5 if names[k].endswith("1based") else 0.0 for k in (down, across)])
    return {stem: (np.array(at) - shift) * factors for stem, at in found.items()}


def _dialect(lines: list[str]) -> type[csv.Dialect]:
    """Find what separates columns: commas, semicolons, tabs or spaces."""
    chosen = next((c for c in ",;\t" if lines and c in lines[0]), " ")
    base: type[csv.Dialect] = csv.excel
    return type("Found", (base,), {"delimiter": chosen, "skipinitialspace": True})


def _column(path: Path, names: list[str], known: tuple[str, ...]) -> int:
    for name in known:
        if name in names:
            return names.index(name)
    msg = (
        f"points: {str(path)!r} has columns {', '.join(names)}; name two of them y and x (pixels) "
        "or y_um and x_um"
    )
    raise SimcellError(msg)


def _place(path: Path, number: int, row: list[str], down: int, across: int) -> tuple[float, float]:
    try:
        y, x = float(row[down]), float(row[across])
    except (ValueError, IndexError):
        y, x = np.nan, np.nan
    if not (np.isfinite(y) and np.isfinite(x)):
        msg = f"points: {str(path)!r}, row {number} = {row}: no two numbers; mend or remove it"
        raise SimcellError(msg)
    return y, x


def _factors(
    path: Path, y: str, x: str, spacing_um: tuple[float, float] | None, say: Say
) -> FloatArray:
    """Return what makes µm of the columns' numbers."""
    if y.endswith("_um") and x.endswith("_um"):
        return np.ones(2)
    if spacing_um is None:
        msg = f"points: {str(path)!r} is in pixels; give their size with --spacing-um"
        raise SimcellError(msg)
    if not y.endswith(("1based", "px")):
        say(f"{path.name}: columns {y!r} and {x!r} are taken as pixels")
    return np.array(spacing_um)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
