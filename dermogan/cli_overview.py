"""The part of the command ``benchmark`` that has to do with all sets together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dermogan.cli_volumes import score_volumes
from dermogan.cli_worlds import score_world
from simcell import SimcellError

if TYPE_CHECKING:
    from dermogan.benchmark.overview import Line
    from dermogan.benchmark.score import Result
    from dermogan.benchmark.volumes import VolumeSet

FILES = ("table.md", "table.csv", "table.json")


def finish(
    cells: Sequence[Result],
    models: dict[str, list[str]],
    protocols: Sequence[Line],
    stacks: Sequence[VolumeSet],
    out: Path,
    first: int | None,
    *,
    quiet: bool,
) -> None:
    """Measure models on all sets but those of cells, and write the table of all."""
    from dermogan.benchmark import overview
    from dermogan.benchmark.volumes import simulated
    from dermogan.benchmark.worlds import WORLDS
    from dermogan.files import write_whole

    lines = [*overview.of_cells(cells), *protocols]
    if volumes := models[overview.VOLUMES]:
        among = [simulated(), *stacks]
        found = score_volumes(volumes, out / overview.VOLUMES, first, among, quiet=quiet)
        lines += overview.of_volumes(found)
    for name, world in WORLDS.items():
        if models[name]:
            rows = score_world(name, models[name], out / name, first, quiet=quiet)
            lines += overview.of_maps(world, rows)
    texts = (overview.as_markdown, overview.as_csv, overview.as_json)
    for file, text in zip(FILES, texts, strict=True):
        write_whole(out / file, text(lines).encode())
    click.echo(f"\n{overview.as_markdown(lines)}{', '.join(FILES)} -> {out}")


def prepared(
    models: Sequence[str], protocols: Sequence[str]
) -> tuple[dict[str, list[str]], list[Line]]:
    """Return the models of every set, and the lines of protocols; bad ones are refused here."""
    from dermogan.benchmark import overview

    found = overview.divided(models)
    return found, [line for text in protocols for line in overview.of_protocol(text)]


def refuse_written(homes: Sequence[Path], names: Sequence[str]) -> None:
    """Refuse to write over files."""
    for path in (home / name for home in homes for name in names):
        if path.exists():
            msg = f"{path}: exists already; choose another --out or add --overwrite"
            raise SimcellError(msg)
