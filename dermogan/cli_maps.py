"""The part of the command ``segment`` that has to do with class maps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from simcell import SimcellError

if TYPE_CHECKING:
    from dermogan.model import Model


def shows(model: str) -> str:
    """Return what a model shows; what is wrong with it is told when it is loaded."""
    from dermogan.cards import find_model, read_header
    from dermogan.classical import FIAP, NAMES

    if model == "multi-otsu":
        return "volume"
    if model in {*NAMES, FIAP, "cellpose"}:
        return ""
    try:
        return str(read_header(find_model(model)).card.get("output"))
    except SimcellError:
        return ""


def refuse(
    given: Mapping[str, object], usual: Mapping[str, object], shown: str = "names classes"
) -> None:
    """Refuse options that have to do with cells alone, where they are not as usual."""
    for name, value in given.items():
        if value in (None, ()) or value == usual.get(name):
            continue
        first = value[0] if isinstance(value, tuple) else value
        said = f"--{name}" if value is True else f"--{name} {first}"
        msg = f"{said}: goes with models of cells, this one {shown}; leave it out"
        raise SimcellError(msg)


def map_plans(files: list[Path], out: Path, *, labels_only: bool) -> dict[Path, dict[str, Path]]:
    """Return what is written of every file."""
    from dermogan.classmaps import FOLDERS
    from dermogan.images import name_of
    from dermogan.segmentation import targets

    folders = {name: FOLDERS[name] for name in FOLDERS if name == "classes" or not labels_only}
    return {file: targets(out, name_of(file), folders) for file in files}


def map_maker(
    model: str, out: Path, channel: int | None, page: int | None, tile: int, *, overwrite: bool
) -> Callable[[Path, dict[str, Path]], str]:
    """Write which class is which, and return what writes the map of a file."""
    from dermogan.classmaps import LEGEND, class_map, legend, write_map
    from dermogan.errors import need
    from dermogan.files import write_whole
    from dermogan.images import read_picture

    need("torch")
    found: Model = need("dermogan.model").load_model(model)
    table, place = legend(found.classes), out / LEGEND
    if place.exists() and place.read_text("utf-8") != table and not overwrite:
        msg = f"{place}: is of other classes; choose another --out or add --overwrite"
        raise SimcellError(msg)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(place, table.encode())

    def one(file: Path, plan: dict[str, Path]) -> str:
        start = time.perf_counter()
        picture = read_picture(file, channel=channel, page=page)
        with progress(file.name) as report:
            made = class_map(found, found.classes, picture.pixels, tile_px=tile, report=report)
        write_map(made, picture.pixels, plan, picture.spacing_um)
        shares = ", ".join(f"{name} {share:.0%}" for name, share in made.shares.items() if share)
        return f"{shares}  {time.perf_counter() - start:6.1f} s"

    return one


@contextmanager
def progress(name: str) -> Iterator[Callable[[float], None]]:
    """Open a progress bar on a terminal; it is gone when all is done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(name, total=1.0)
        yield lambda share: shown.update(task, completed=share)
