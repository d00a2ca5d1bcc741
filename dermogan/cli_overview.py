"""The part of the command ``benchmark`` that has to do with all sets together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dermogan.cli_volumes import score_volumes, volume_sets
from dermogan.cli_worlds import score_world
from simcell import SimcellError

if TYPE_CHECKING:
    from dermogan.benchmark.overview import Line
    from dermogan.benchmark.score import Result
    from dermogan.benchmark.volumes import VolumeSet

FILES = ("table.md", "table.csv", "table.json")


@dataclass(frozen=True)
class Plan:
    """What is measured beside cells.

    Attributes
    ----------
    models : dict of list of str
        By the kind of set that they go with.
    stacks : list of VolumeSet
        Of the user's own.
    protocols : list of Line
    """

    models: dict[str, list[str]]
    stacks: list[VolumeSet]
    protocols: list[Line]

    @property
    def cells(self) -> tuple[str, ...]:
        """Models of cells that are asked for."""
        return tuple(self.models["cells"])


def planned(
    models: Sequence[str], protocols: Sequence[str], stacks: Sequence[Path], voxel_um: str | None
) -> Plan:
    """Read what is asked for; what cannot be used is refused before any work."""
    from dermogan.benchmark import overview
    from dermogan.benchmark.maps import chosen
    from dermogan.benchmark.volumes import methods_of
    from dermogan.benchmark.worlds import WORLDS

    lines = [line for text in protocols for line in overview.of_protocol(text)]
    plan = Plan(overview.divided(models), volume_sets(stacks, voxel_um), lines)
    for name, world in WORLDS.items():
        if plan.models[name]:
            chosen(world, plan.models[name])
    methods_of(plan.models[overview.VOLUMES])
    if plan.stacks and not plan.models[overview.VOLUMES]:
        msg = "--volumes: no --model shows volumes; give one, such as nucleus-golgi"
        raise SimcellError(msg)
    return plan


def finish(
    plan: Plan, cells: Sequence[Result], out: Path, first: int | None, *, quiet: bool
) -> None:
    """Measure models on all sets but those of cells, and write the table of all."""
    from dermogan.benchmark import overview
    from dermogan.benchmark.volumes import simulated
    from dermogan.benchmark.worlds import WORLDS
    from dermogan.files import write_whole

    lines = [*overview.of_cells(cells), *plan.protocols]
    if volumes := plan.models[overview.VOLUMES]:
        among = [simulated(), *plan.stacks]
        found = score_volumes(volumes, out / overview.VOLUMES, first, among, quiet=quiet)
        lines += overview.of_volumes(found)
    for name, world in WORLDS.items():
        if given := plan.models[name]:
            rows = score_world(name, given, out / name, first, quiet=quiet)
            lines += overview.of_maps(world, rows)
    texts = (overview.as_markdown, overview.as_csv, overview.as_json)
    for file, text in zip(FILES, texts, strict=True):
        write_whole(out / file, text(lines).encode())
    click.echo(f"\n{overview.as_markdown(lines)}{', '.join(FILES)} -> {out}")


def refuse_mixed(given: Mapping[str, object], *, everything: bool, no_simulated: bool) -> None:
    """Refuse options that go with other sets."""
    for option, value in given.items():
        if value and not everything:
            msg = f"--{option}: goes with --world all; leave it out, or add that"
            raise SimcellError(msg)
    if everything and no_simulated:
        msg = "--no-simulated: goes with --world cells; all has sets that are nothing else"
        raise SimcellError(msg)


def refuse_written(homes: Sequence[Path], names: Sequence[str]) -> None:
    """Refuse to write over files."""
    for path in (home / name for home in homes for name in names):
        if path.exists():
            msg = f"{path}: exists already; choose another --out or add --overwrite"
            raise SimcellError(msg)
