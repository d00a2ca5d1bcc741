"""The command ``simcell fit``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simcell.errors import SimcellError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simcell.fit import Fitted
    from simcell.fit.estimate import Estimate

_HEADS = {
    "estimated": "estimated from the data",
    "taken": "taken, not from the data",
    "unidentified": "what these data cannot tell (a guess, or taken): look here first",
}


@click.command(
    epilog="""\b
Examples:
  simcell fit --labels masks/ --images imgs/ --like confluent --spacing-um 0.5 -o my-tissue.yaml
  simcell fit --labels masks/ --spacing-um 0.5 -o my-tissue.yaml     shapes alone, in a minute
  simcell fit --points centres.csv --like rcm-sg --spacing-um 0.5 -o my-tissue.yaml
  simcell fit --images imgs/ --like nonconfluent --spacing-um 0.3 --minutes 10 -o nuclei.yaml"""
)
@click.option(
    "--labels", multiple=True, metavar="PATH", help="Label images: folder, files, pattern."
)
@click.option("--images", multiple=True, metavar="PATH", help="Grey images, named as the labels.")
@click.option(
    "--points", multiple=True, metavar="CSV", help="Tables of centres: columns y, x or y_um, x_um."
)
@click.option(
    "--like",
    default="confluent",
    show_default=True,
    metavar="NAME|FILE",
    help="Preset that all else is taken from; `nonconfluent` for cells that stand apart.",
)
@click.option("--spacing-um", type=float, help="Size of a pixel in µm.  [default: the files']")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default="my-tissue.yaml",
    show_default=True,
    help="Preset to write.",
)
@click.option("--name", help="Of the preset.  [default: the file's]")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed."
)
@click.option(
    "--minutes",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    help="Budget of matching images.",
)
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Local processes."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def fit(
    labels: tuple[str, ...],
    images: tuple[str, ...],
    points: tuple[str, ...],
    like: str,
    spacing_um: float | None,
    out: Path,
    name: str | None,
    seed: int,
    minutes: float,
    workers: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Fit a preset to your own tissue: label images, centres, images, or several of these.

    What was estimated, what was taken from --like and what the data cannot tell is shown,
    and stands beside every number of the preset.
    """
    _check_out(out, overwrite)
    from simcell.describe.read import read_fields
    from simcell.fit import fit as run
    from simcell.io.files import explained, write_whole
    from simcell.preset import load_preset

    start = load_preset(like)
    notes: list[str] = []
    fields = read_fields(labels or None, images or None, points or None, spacing_um, notes.append)
    if not quiet:
        for line in notes:
            click.echo(f"note: {line}", err=True)
    fitted = run(
        fields,
        start,
        name=name or out.stem,
        seed=seed,
        minutes=minutes,
        workers=workers,
        progress=False if quiet else None,
        notes=notes,
    )
    with explained(out):
        write_whole(out, fitted.text.encode())
    if not quiet:
        click.echo(_in_words(fitted, out))


def _check_out(out: Path, overwrite: bool) -> None:
    if out.suffix.lower() not in {".yaml", ".yml"}:
        msg = f"{out}: must end in .yaml or .yml; choose another --out"
        raise SimcellError(msg)
    if out.exists() and not overwrite:
        msg = f"{out}: exists already; choose another --out or add --overwrite"
        raise SimcellError(msg)


def _in_words(fitted: Fitted, out: Path) -> str:
    lines: list[str] = []
    for status, head in _HEADS.items():
        chosen = [one for one in fitted.estimates if one.status == status]
        if chosen:
            lines += [head, *_table(chosen), ""]
    reached = [note for note in fitted.notes if note.startswith("not reached")]
    lines += [*reached, ""] if reached else []
    shown = f"{out}" if os.sep in f"{out}" else f".{os.sep}{out}"
    lines += [
        f"{out}",
        "next:",
        f"  simcell check --preset {shown}              does it measure what the data do?",
        f"  simcell show --preset {shown} -o sheet.png  look at it beside your images",
    ]
    return "\n".join(lines)


def _table(estimates: Iterable[Estimate]) -> list[str]:
    rows = [(one.path, _short(one.value), one.interval, one.how) for one in estimates]
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    return [
        "  " + "  ".join([*(row[k].ljust(widths[k]) for k in range(3)), row[3]]).rstrip()
        for row in rows
    ]


def _short(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else f"{value}"
    return text if len(text) <= 24 else text[:21] + "..."
