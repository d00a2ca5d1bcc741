"""The command ``evaluate``: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcell import SimcellError

if TYPE_CHECKING:
    from dermogan.evaluation import Evaluation
    from dermogan.mapscores import MapScores


@click.command(
    epilog="""\b
Examples:
  dermogan evaluate cells/ truth/ -o scores.csv
  dermogan evaluate cells/ masks/ --annotated labels           truth covers a part of each image
  dermogan evaluate cells/ masks/ --annotated areas/           where it does is drawn in areas/
  dermogan evaluate cells/ points/ --radius 8 --figure scores.png   truth is x, y tables
  dermogan evaluate maps/ data/classes/ -o confusion.csv       maps/ is of a model of classes
  dermogan evaluate volumes/ truth/ -o scores.csv              volumes/ is of a model of volumes
  dermogan evaluate maps/ truth/ --classes glass,glycerol,skin --band glycerol --spacing-um 0.9"""
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
@click.option(
    "--classes",
    metavar="NAME,NAME",
    help="Score class maps, of classes 1, 2, ... of these names; not needed for maps of segment.",
)
@click.option("--band", metavar="NAME", help="Class whose thickness and place are measured.")
@click.option("--spacing-um", type=click.FloatRange(0, min_open=True), help="Pixel, for --band.")
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
    classes: str | None,
    band: str | None,
    spacing_um: float | None,
    common: bool,
    overwrite: bool,
) -> None:
    """Score label images, class maps, or centres, against truth of the same names."""
    for path in (out, figure):
        if path is not None and path.exists() and not overwrite:
            msg = f"{path}: exists already; choose another name or add --overwrite"
            raise SimcellError(msg)
    if figure is not None:
        from dermogan.figure import library

        library()
    if (predicted / "nuclei").is_dir():
        usual = (annotated, radius, tolerance, classes, band, spacing_um, figure)
        told = usual == ("all", None, 2.0, None, None, None, None)
        _check(told, "of volumes: --out, --common and --overwrite alone can be given")
        from dermogan.cli_volumes import evaluated

        said = evaluated(predicted, truth, out, common=common)
    elif classes is not None or (predicted / "classes").is_dir():
        plain = (annotated, radius, tolerance) == ("all", None, 2.0)
        _check(plain, "--annotated, --radius, --tolerance: go with cells, these are class maps")
        said = _maps(predicted, truth, (classes, band, spacing_um), out, figure, common=common)
    else:
        plain = (band, spacing_um) == (None, None)
        _check(plain, "--band, --spacing-um: go with class maps; name them with --classes")
        said = _cells(predicted, truth, (annotated, radius, tolerance), out, figure, common=common)
    click.echo(said)
    for path in (out, figure):
        if path is not None:
            click.echo(path)


def _check(good: bool, complaint: str) -> None:
    if not good:
        raise SimcellError(complaint)


def _cells(
    predicted: Path,
    truth: Path,
    given: tuple[str, float | None, float],
    out: Path | None,
    figure: Path | None,
    *,
    common: bool,
) -> str:
    """Score cells; ``given`` are annotated, radius and tolerance."""
    from dermogan.evaluation import Options
    from dermogan.evaluation import evaluate as run

    annotated, radius, tolerance = given
    where: Any = annotated if annotated in {"all", "labels"} else Path(annotated)
    found = run(predicted, truth, Options(where, radius, tolerance), common=common)
    if out is not None:
        out.write_text(found.csv(), "utf-8")
    if figure is not None:
        from dermogan.figure import draw

        draw(found, figure, f"{predicted} against {truth}, {len(found.names)} images")
    return _scores(found)


def _maps(
    predicted: Path,
    truth: Path,
    given: tuple[str | None, str | None, float | None],
    out: Path | None,
    figure: Path | None,
    *,
    common: bool,
) -> str:
    """Score class maps; ``given`` are classes, band and the size of a pixel."""
    from dermogan.mapscores import class_names, evaluate_maps

    classes, band, spacing_um = given
    names = class_names(predicted, classes)
    found = evaluate_maps(predicted, truth, names, band=band, spacing_um=spacing_um, common=common)
    if out is not None:
        out.write_text(found.csv(), "utf-8")
    if figure is not None:
        from dermogan.figure import draw_confusion

        draw_confusion(found, figure)
    return _map_scores(found, band)


def _map_scores(found: MapScores, band: str | None) -> str:
    """Return the scores of classes as a table."""
    table, width = found.table, max(9, *(len(name) for name in found.names))
    lines = [
        f"{found.images} images, {table.counts.sum()} pixels with a class, "
        f"{table.overall:.1%} of them right",
        f"{'':<{width}}{'sensitivity':>13}{'specificity':>13}{'accuracy':>10}{'dice':>8}",
    ]
    for at, name in enumerate(found.names):
        lines.append(
            f"{name:<{width}}{table.sensitivity[at]:13.3f}{table.specificity[at]:13.3f}"
            f"{table.accuracy[at]:10.3f}{table.dice[at]:8.3f}"
        )
    if found.band is not None:
        seen = found.band
        lines.append(
            f"{band}: found in {seen.found:.1%} of {len(seen.true_um)} columns, "
            f"thickness {seen.thickness_bias:+.1%}, depth {seen.bias_um:+.2f} µm, "
            f"{seen.error_um:.2f} µm off on average"
        )
    return "\n".join(lines)


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
