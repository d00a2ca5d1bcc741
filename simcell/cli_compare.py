"""The command ``simcell compare``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simcell.errors import SimcellError

if TYPE_CHECKING:
    from simcell.compare import Comparison
    from simcell.describe.field import Field
    from simcell.describe.files import Say
    from simcell.preset import Preset

_FOLDERS = ("images", "labels", "masks", "points")


@click.command(
    epilog="""\b
Examples:
  simcell compare imgs/ my-tissue.yaml --labels masks/ --spacing-um 0.5 -o report
  simcell compare imgs/ rcm-sg --spacing-um 0.5 -n 48 -o report      without labels
  simcell compare imgs/ priors.zarr --points centres.csv --spacing-um 0.5 -o report
  simcell compare imgs/ other-imgs/ --spacing-um 0.5 -o report       two folders"""
)
@click.argument("real", type=click.Path(path_type=Path))
@click.argument("synthetic")
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the report."
)
@click.option("--labels", type=click.Path(), help="Label images of REAL, named as its images are.")
@click.option("--points", type=click.Path(), help="Centres of REAL's cells: CSV, or a folder.")
@click.option("--spacing-um", type=float, help="Size of a pixel of REAL in µm.")
@click.option(
    "--synthetic-labels", type=click.Path(), help="Label images of SYNTHETIC, where it is a folder."
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(2, 1000),
    default=40,
    show_default=True,
    help="Samples drawn from a preset, or read from a dataset.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed."
)
@click.option(
    "--stretch",
    is_flag=True,
    help="Spread every image's grey levels over the scale first, where brightness means nothing.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
def compare(
    real: Path,
    synthetic: str,
    out: Path,
    labels: str | None,
    points: str | None,
    spacing_um: float | None,
    synthetic_labels: str | None,
    count: int,
    seed: int,
    stretch: bool,
    overwrite: bool,
) -> None:
    """Say how far SYNTHETIC images are from REAL ones: a page, a JSON file, what to change.

    REAL is a folder of images, or one that holds folders images/, masks/ and points/. To
    compare labels alone, give their folder as REAL and as --labels. SYNTHETIC is a preset,
    from which samples are drawn, a dataset of `simcell generate`, or a folder like REAL.
    """
    from simcell import __version__
    from simcell.compare import compare as run
    from simcell.compare.page import Sources
    from simcell.compare.report import refuse_existing, write_report

    refuse_existing(out, overwrite=overwrite)
    notes: list[str] = []

    def say(line: str) -> None:
        notes.append(line)
        click.echo(f"note     {line}", err=True)

    ours = _read(real, labels, points, spacing_um, say)
    theirs, preset = _synthetic(synthetic, synthetic_labels, spacing_um, count, seed, say)
    found = run(ours, theirs, preset=preset, seed=seed, stretch=stretch)
    name = _called(Path(synthetic)) if preset is None else preset.name
    sources = Sources(_called(real), name, __version__, tuple(notes))
    path = write_report(found, sources, out, overwrite=overwrite)
    click.echo(_in_words(found))
    click.echo(f"report   {path}")


def _called(place: Path) -> str:
    """Name a folder by its last two parts, as many are called `images`."""
    return "/".join(place.resolve().parts[-2:])


def _read(
    place: Path, labels: str | None, points: str | None, spacing_um: float | None, say: Say
) -> list[Field]:
    """Read a folder of images, or one with images/, masks/ or labels/, and points/ in it."""
    from simcell.describe.read import read_fields

    inside = {name: str(place / name) for name in _FOLDERS if (place / name).is_dir()}
    if not inside:
        named = {Path(other).resolve() for other in (labels, points) if other is not None}
        images = None if place.resolve() in named else place
        return read_fields(labels, images, points, spacing_um, say)
    return read_fields(
        labels or inside.get("labels") or inside.get("masks"),
        inside.get("images"),
        points or inside.get("points"),
        spacing_um,
        say,
    )


def _synthetic(
    name: str, labels: str | None, spacing_um: float | None, count: int, seed: int, say: Say
) -> tuple[list[Field], Preset | None]:
    """Draw from a preset, or read a dataset, or a folder of pictures."""
    from simcell.describe.read import fields_of
    from simcell.preset import Preset, load_preset
    from simcell.stages import simulate

    place = Path(name)
    if (place / "zarr.json").exists():
        from simcell.batch import open_dataset

        data = open_dataset(name)
        return fields_of(data[:count]), Preset.from_text(data.header.preset)
    if place.is_dir():
        return _read(place, labels, None, spacing_um, say)[:count], None
    if labels is not None:
        msg = f"--synthetic-labels: goes with a folder of images; {name!r} has labels of its own"
        raise SimcellError(msg)
    preset = load_preset(name)
    with click.progressbar(range(count), label="simulating", file=sys.stderr) as bar:
        samples = (simulate(preset.scene(seed=seed, index=i), seed=seed, index=i) for i in bar)
        return fields_of(samples), preset


def _in_words(found: Comparison) -> str:
    """Say the most important in a few lines."""
    lines = []
    for what, gap in (("images", found.image_gap), ("outlines", found.outline_gap)):
        if gap is not None:
            lines.append(
                f"{what:8} a simple classifier {gap.words}: {gap.accuracy:.0%} right "
                f"({gap.low:.0%} to {gap.high:.0%}; 50% = cannot tell)"
            )
    counts = ", ".join(f"{n} {verdict}" for verdict, n in found.verdicts.items() if n)
    lines.append(f"numbers  {counts}")
    for place, change in enumerate(found.changes, 1):
        lines.append(f"change {place} {change.what}: {change.how}")
    return "\n".join(lines)
