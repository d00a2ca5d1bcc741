"""What may lie at an output path, and what may be deleted there.

Decision: simcell deletes only folders that it recognises by their own header and
that hold nothing else at their top. A folder is emptied before its header goes, so
that a deletion cut short is recognised, and finished, next time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from simcell.errors import SimcellError
from simcell.io.files import PARTIAL, explained, remove_tree
from simcell.io.header import ARRAYS, GROUPS, PARTS

Format: TypeAlias = Literal["zarr", "ome-zarr", "ome-tiff", "tiff", "stardist", "coco", "png"]
FORMATS: tuple[Format, ...] = get_args(Format)

CARD = "simcell.json"
"""What an export says about itself: its format and the header of its dataset."""

_CONTENT: dict[Format, tuple[str, ...]] = {
    "zarr": ("zarr.json", PARTS, "spacing_um", *ARRAYS, *GROUPS),
    "ome-zarr": ("images", "priors", "objects.csv", "preset.yaml", CARD),
    "ome-tiff": ("images", "priors", "labels", "classes", "objects.csv", "preset.yaml", CARD),
    "tiff": ("images", "priors", "labels", "classes", "objects.csv", "preset.yaml", CARD),
    "stardist": ("images", "masks", "preset.yaml", CARD),
    "coco": ("images", "annotations.json", "preset.yaml", CARD),
    "png": ("images", "sheet.png", "preset.yaml", CARD),
}


_FLAT: tuple[Format, ...] = ("coco", "png")


def check_sides(format: Format, shape: tuple[int, ...]) -> None:
    """Refuse a format that has no place for a field (z, y, x).

    Raises
    ------
    SimcellError
    """
    if format in _FLAT and len(shape) > 2:
        others = ", ".join(name for name in FORMATS if name not in _FLAT)
        msg = f"format = {format!r}: holds flat images, the field is {shape}; use one of {others}"
        raise SimcellError(msg)


def format_of(path: Path) -> Format | None:
    """Return what simcell wrote at ``path``, or None if it wrote nothing there."""
    try:
        attributes = json.loads((path / "zarr.json").read_text("utf-8"))["attributes"]
        if {"format_version", "preset", "shard"} <= set(attributes):
            return "zarr"
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        found = json.loads((path / CARD).read_text("utf-8"))["format"]
        return found if found in FORMATS else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_vacant(path: Path) -> bool:
    """Tell whether nothing lies at ``path``, or an empty folder."""
    if path.is_dir():
        return all(child.name.endswith(PARTIAL) for child in path.iterdir())
    return not path.exists() and not path.is_symlink()


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Refuse an output path that holds something, unless it may be replaced.

    Raises
    ------
    SimcellError
        Where simcell did not write what is there, whatever ``overwrite`` says, and
        where it did but ``overwrite`` is False.
    """
    if is_vacant(path):
        return
    found = format_of(path)
    if found is None:
        msg = f"{path}: exists and is not an output of simcell; choose another name"
        raise SimcellError(msg)
    if not overwrite:
        msg = f"{path}: exists; continue it with --resume, or replace it with --overwrite"
        raise SimcellError(msg)
    foreign = sorted({child.name for child in path.iterdir()} - set(_CONTENT[found]))
    foreign = [name for name in foreign if not name.endswith(PARTIAL)]
    if foreign:
        msg = f"{path}: holds {foreign[0]!r}, which simcell did not write; move it away first"
        raise SimcellError(msg)


def remove_output(path: Path) -> None:
    """Delete what simcell wrote at ``path``; refuses anything else."""
    check_writable(path, overwrite=True)
    if not path.is_dir():
        return
    header = path / ("zarr.json" if format_of(path) == "zarr" else CARD)
    with explained(path):
        for child in path.iterdir():
            if child.is_dir():
                remove_tree(child)
            elif child != header:
                child.unlink()
        header.unlink(missing_ok=True)
        path.rmdir()
