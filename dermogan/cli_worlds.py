"""The part of the command ``benchmark`` that has to do with class maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcell import SimcellError

if TYPE_CHECKING:
    from dermogan.benchmark.maps import MapRow

SETS = ("cells", "oct", "mosaic")
WORLDS = (*SETS, "all")


def refuse_cells(world: str, given: Mapping[str, object]) -> None:
    """Refuse options that have to do with cells alone."""
    for name, value in given.items():
        if value:
            msg = f"--{name}: goes with --world cells, {world} has classes; leave it out"
            raise SimcellError(msg)


def score_world(
    name: str, models: Sequence[str], out: Path, first: int | None, *, quiet: bool
) -> list[MapRow]:
    """Score models of classes on a frozen set, write the tables and the confusion of the first."""
    from rich.console import Console
    from rich.progress import Progress

    from dermogan.benchmark import maps
    from dermogan.benchmark.worlds import WORLDS as FROZEN
    from dermogan.files import write_whole

    world = FROZEN[name]
    chosen = maps.chosen(world, models)
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    shown: Any = nullcontext() if hidden else Progress(console=console, transient=True)
    with shown as bar:
        task = bar.add_task("", total=len(chosen) * (first or world.count)) if bar else None

        def report(text: str) -> None:
            if bar and task is not None:
                bar.update(task, advance=1, description=text)

        rows = maps.measure_maps(world, chosen, first=first, report=report)
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "benchmark.json": maps.as_json(world, rows),
        "benchmark.csv": maps.as_csv(world, rows),
        "benchmark.md": maps.as_markdown(world, rows),
    }
    for file, text in texts.items():
        write_whole(out / file, text.encode())
    written = list(texts)
    click.echo(texts["benchmark.md"], nl=False)
    try:
        from dermogan.figure import draw_confusion, library

        library()
    except SimcellError:
        click.echo("no plot: matplotlib is not installed; run: pip install matplotlib")
    else:
        draw_confusion(rows[0].scores, out / "benchmark.png")
        written.append("benchmark.png")
    click.echo(f"{', '.join(written)} -> {out}")
    return rows
