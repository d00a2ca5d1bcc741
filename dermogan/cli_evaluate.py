"""The command ``evaluate``: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcell import SimcellError

if TYPE_CHECKING:
    from dermogan.evaluation import Evaluation


@click.command(
    epilog="""\b
Examples:
  dermogan evaluate cells/ truth/ -o scores.csv
  dermogan evaluate cells/ masks/ --annotated labels           truth covers a part of each image
  dermogan evaluate cells/ masks/ --annotated areas/           where it does is drawn in areas/
  dermogan evaluate cells/ points/ --radius 8 --figure scores.png   truth is x, y tables"""
)
@click.argument("predicted", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table of all images, CSV.")
@click.option("--figure", type=click.Path(path_type=Path), help="Picture; needs matplotlib.")
@click.option(
    "--annotated",
    default="all",
    show_default=True,
    metavar="all|labels|FOLDER",
    help="Where the truth is known; predictions more than half outside do not count.",
)
@click.option("--radius", type=float, help="Largest distance of centres in px, for points.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="Distance in px forgiven to outlines.",
)
@click.option("--common", is_flag=True, help="Score only what both folders have.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def evaluate(
    predicted: Path,
    truth: Path,
    out: Path | None,
    figure: Path | None,
    annotated: str,
    radius: float | None,
    tolerance: float,
    common: bool,
    overwrite: bool,
) -> None:
    """Score label images, or centres, against truth of the same names."""
    from dermogan.evaluation import Options
    from dermogan.evaluation import evaluate as run

    for path in (out, figure):
        if path is not None and path.exists() and not overwrite:
            msg = f"{path}: exists already; choose another name or add --overwrite"
            raise SimcellError(msg)
    if figure is not None:
        from dermogan.figure import library

        library()
    where: Any = annotated if annotated in {"all", "labels"} else Path(annotated)
    found = run(predicted, truth, Options(where, radius, tolerance), common=common)
    if out is not None:
        out.write_text(found.csv(), "utf-8")
    if figure is not None:
        from dermogan.figure import draw

        draw(found, figure, f"{predicted} against {truth}, {len(found.names)} images")
    click.echo(_scores(found))
    for path in (out, figure):
        if path is not None:
            click.echo(path)


def _scores(found: Evaluation) -> str:
    """Return the summary of all images as a table."""
    true, guessed = (int(found.column(f"n_{which}").sum()) for which in ("true", "predicted"))
    lines = [
        f"{len(found.names)} images, {true} true cells, {guessed} predicted",
        f"{'':<17}{'mean':>7}  {'95 %':<15}{'median':>7}  {'95 %':<15}{'sd':>6}{'pooled':>9}",
    ]
    for each in found.summaries():
        ends = [
            f"{low:.3f} – {high:.3f}" for low, high in (each.mean_interval, each.median_interval)
        ]
        pooled = f"{found.pooled[each.name]:9.3f}" if each.name in found.pooled else ""
        lines.append(
            f"{each.name:<17}{each.mean:7.3f}  {ends[0]:<15}{each.median:7.3f}  {ends[1]:<15}"
            f"{each.sd:6.3f}{pooled}"
        )
    return "\n".join(lines)
