"""The command line: parses, calls the public API, prints.

Everything heavy is imported inside the command that needs it, so that
``simcell --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import click

from simcell import __version__
from simcell.cli_compare import compare
from simcell.cli_fit import fit
from simcell.cli_new import new
from simcell.commands import Commands
from simcell.errors import SimcellError

if TYPE_CHECKING:
    from simcell.batch import Summary
    from simcell.check import Finding
    from simcell.preset import Preset
    from simcell.sample import Sample

Format = Literal["zarr", "ome-zarr", "ome-tiff", "tiff", "stardist", "coco", "png"]
F = TypeVar("F", bound=Callable[..., Any])


_LARGE = 2**23  # pixels of a sample, above which a preview shows only one


@click.group(
    cls=Commands,
    program="simcell",
    resumes="generate",
    smaller="a smaller field, or fewer workers",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  simcell presets                                     what there is
  simcell presets rcm-sg                              one of them, with every parameter
  simcell generate --preset rcm-sg                    16 samples, to look at
  simcell generate --preset rcm-sg -n 400 --out priors.zarr --seed 7 --workers 2
  simcell show priors.zarr -o sheet.png               a contact sheet
  simcell check --preset rcm-sg -n 64                 do samples measure what they should?
  simcell new my-tissue --like rcm-sg                 a preset to edit, every number explained
  simcell fit --labels masks/ --images imgs/ --spacing-um 0.5 -o my-tissue.yaml
  simcell compare imgs/ my-tissue.yaml --labels masks/ --spacing-um 0.5 -o report""",
)
@click.version_option(__version__, prog_name="simcell")
def main() -> None:
    """Simulate microscopy priors and images of tissue, with exact labels."""


main.add_command(fit)
main.add_command(new)
main.add_command(compare)


def _preset_options(command: F) -> F:
    """Add --preset, --from-masks and --set."""
    command = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="PATH=VALUE",
        help="Override one number of the scene; repeatable. A value that varied is fixed.",
    )(command)
    command = click.option(
        "--from-masks",
        "masks",
        metavar="DIR",
        help="Folder of label images whose objects take the place of the preset's cells; "
        "the preset is `colony` unless named.",
    )(command)
    return click.option(
        "--preset",
        "name",
        metavar="NAME|FILE",
        help="Shipped preset, preset in $SIMCELL_PRESETS, or YAML file.",
    )(command)


def _load(name: str | None, assignments: tuple[str, ...], masks: str | None = None) -> Preset:
    from simcell.preset import load_preset

    if masks is not None:
        return load_preset(name or "colony").with_masks(masks).with_set(assignments)
    if name is None:
        msg = "--preset: missing; name a preset or a YAML file (see `simcell presets`)"
        raise SimcellError(msg)
    return load_preset(name).with_set(assignments)


_SEEDS = click.IntRange(0, 2**32 - 1)
_SEED = click.option("--seed", type=_SEEDS, default=0, show_default=True, help="Random seed.")


@main.command(
    epilog="""\b
Examples:
  simcell generate --preset rcm-sg -n 400 --out priors.zarr --seed 7 --workers 2
  simcell generate --preset rcm-ss -n 50 --out train --format stardist
  simcell generate --preset rcm-sg -n 4 --out look --format ome-zarr    for napari, with labels
  simcell generate --preset rcm-sg --set frame.shape=[1000,1000] --set imaging.noise=high
  simcell generate --from-masks my-labels -n 200      new arrangements of your own objects
  simcell generate --preset rcm-sg -n 400 --out priors.zarr --resume    after Ctrl-C
  simcell generate --preset rcm-sg -n 100000 --out big.zarr --cluster tcp://head:8786"""
)
@_preset_options
@click.option("-n", "count", type=click.IntRange(1), default=16, show_default=True, help="Samples.")
@click.option("--out", type=click.Path(), help="Output; by default named after the preset.")
@_SEED
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Local processes."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(get_args(Format)),
    default="zarr",
    show_default=True,
    help="A dataset, or a folder for other tools; coco and png hold flat images alone.",
)
@click.option("--resume", is_flag=True, help="Finish an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output of simcell.")
@click.option("--cluster", metavar="ADDRESS", help="Dask scheduler, such as tcp://host:8786.")
@click.option("--preview/--no-preview", default=True, show_default=True, help="Save a picture too.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def generate(
    name: str | None,
    masks: str | None,
    assignments: tuple[str, ...],
    count: int,
    out: str | None,
    seed: int,
    workers: int,
    format_: Format,
    resume: bool,
    overwrite: bool,
    cluster: str | None,
    preview: bool,
    quiet: bool,
) -> None:
    """Simulate a dataset: images, priors, labels and a table of cells."""
    preset = _load(name, assignments, masks)
    if out is None:
        out = f"{preset.name}.zarr" if format_ == "zarr" else f"{preset.name}-{format_}"
    from simcell.batch import generate as run

    picture = _beside(out)
    if preview and not (resume or overwrite) and picture.exists() and not Path(out).exists():
        msg = f"{picture}: exists, and is where the preview goes; add --overwrite or --no-preview"
        raise SimcellError(msg)
    summary = run(
        preset,
        count,
        out,
        seed=seed,
        workers=workers,
        format=format_,
        resume=resume,
        overwrite=overwrite,
        cluster=cluster,
        progress=False if quiet else None,
    )
    lines = [_in_words(summary)]
    if preview:
        shown = min(count, 6 if _pixels(preset) <= _LARGE else 1)
        stored = format_ == "zarr"
        samples = _stored(out, shown) if stored else _simulated(preset, shown, seed)
        _draw(samples, picture, preset.name)
        lines.append(f"preview  {picture}")
    if not quiet:
        click.echo("\n".join(lines))


def _in_words(summary: Summary) -> str:
    made = f"{summary.made} made" if summary.made < summary.n else "all made"
    speed = f"{made} in {summary.seconds:.1f} s, {summary.samples_per_second:.1f} per second"
    asked, got = summary.packing or (0.0, 0.0)
    full = f"\npacking  {asked:.0f} per {summary.unit} asked for, {got:.0f} fit"
    return (
        f"output   {summary.path} ({summary.bytes_on_disk / 1e6:.1f} MB)\n"
        f"samples  {summary.n} ({speed if summary.made else 'all there before'})\n"
        f"cells    {summary.cells_per_image:.1f} per sample"
        f"{full if got < 0.98 * asked else ''}"
    )


def _beside(out: str) -> Path:
    """Return where the preview of an output goes: beside it, never into it."""
    if not out:
        msg = "--out: empty; name a folder to make"
        raise SimcellError(msg)
    path = Path(os.path.abspath(out))
    return path.with_name(f"{path.name.removesuffix('.zarr')}-preview.png")


def _pixels(preset: Preset) -> int:
    return prod(preset.base.frame.shape)


def _simulated(preset: Preset, count: int, seed: int) -> Iterable[Sample]:
    """Simulate samples to look at; of one that does not fit in memory, its middle."""
    from simcell.scene import MAX_PIXELS
    from simcell.stages import excerpt, simulate

    make = simulate if _pixels(preset) <= MAX_PIXELS else excerpt
    for index in range(count):
        yield make(preset.scene(seed=seed, index=index), seed=seed, index=index)


def _stored(path: str, count: int) -> Iterable[Sample]:
    """Read samples to look at; of one that does not fit in memory, its middle."""
    from simcell.batch import open_dataset
    from simcell.scene import MAX_PIXELS

    data = open_dataset(path)
    if prod(data.header.arrays["labels"].shape) <= MAX_PIXELS:
        return data[:count]
    return (data.excerpt(item) for item in range(min(count, len(data))))


def _draw(samples: Iterable[Sample], picture: Path, title: str) -> None:
    """Write a contact sheet, wholly or not at all."""
    from io import BytesIO

    from PIL import Image

    from simcell.io.files import explained, write_whole
    from simcell.io.preview import contact_sheet

    content = BytesIO()
    sheet = Image.fromarray(contact_sheet(samples, title=title))
    sheet.save(content, "PNG" if picture.suffix.lower() == ".png" else "JPEG")
    with explained(picture):
        write_whole(picture, content.getvalue())


@main.command(
    epilog="""\b
Examples:
  simcell presets
  simcell presets rcm-sg
  simcell presets rcm-sg --yaml > my-tissue.yaml      a start for a tissue of your own
  simcell presets --kinds                             every kind of region, points, cells ..."""
)
@click.argument("name", required=False)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print it as a YAML file, defaults included.")
@click.option("--kinds", is_flag=True, help="List the kinds that a scene is put together from.")
def presets(name: str | None, as_yaml: bool, kinds: bool) -> None:
    """List presets, or explain one with its parameters and ranges."""
    from simcell import explain

    if (as_yaml and name is None) or (kinds and (name is not None or as_yaml)):
        msg = "presets: give NAME, NAME --yaml, or --kinds alone"
        raise SimcellError(msg)
    if kinds:
        click.echo(explain.kinds())
    elif name is None:
        click.echo(explain.all_presets())
    else:
        preset = _load(name, ())
        click.echo(preset.text if as_yaml else explain.preset(preset))


@main.command(
    epilog="""\b
Examples:
  simcell show --preset rcm-sg -o sheet.png
  simcell show --from-masks my-labels --preset dense
  simcell show priors.zarr -o sheet.png -n 8"""
)
@click.argument("dataset", required=False, type=click.Path())
@_preset_options
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default="sheet.png",
    show_default=True,
    help="Picture to write, PNG or JPEG.",
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 100),
    default=6,
    show_default=True,
    help="Samples; of a dataset, the first ones.",
)
@click.option("--seed", type=_SEEDS, help="Random seed of a preset's samples.  [default: 0]")
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
def show(
    dataset: str | None,
    name: str | None,
    masks: str | None,
    assignments: tuple[str, ...],
    out: Path,
    count: int,
    seed: int | None,
    overwrite: bool,
) -> None:
    """Draw a contact sheet of a preset or a dataset: image, prior, outlines, scale bar."""
    if (dataset is None) == (name is None and masks is None):
        msg = "show: name either a dataset or --preset (or --from-masks)"
        raise SimcellError(msg)
    if dataset is not None and (assignments or seed is not None):
        msg = f"show {dataset}: a dataset is as it is; --set and --seed go with --preset"
        raise SimcellError(msg)
    if out.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        msg = f"{out}: must end in .png, .jpg or .jpeg; choose another --out"
        raise SimcellError(msg)
    if out.exists() and not overwrite:
        msg = f"{out}: exists already; choose another --out or add --overwrite"
        raise SimcellError(msg)
    if dataset is None:
        preset = _load(name, assignments, masks)
        _draw(_simulated(preset, count, seed or 0), out, preset.name)
    else:
        _draw(_stored(dataset, count), out, Path(dataset).name)
    click.echo(out)


@main.command(
    epilog="""\b
Examples:
  simcell check --preset rcm-sg -n 64
  simcell check --preset my-tissue.yaml --set points.density=3000
  simcell check --from-masks my-labels                what do samples of your objects measure?"""
)
@_preset_options
@click.option("-n", "count", type=click.IntRange(2), default=64, show_default=True, help="Samples.")
@_SEED
def check(
    name: str | None, masks: str | None, assignments: tuple[str, ...], count: int, seed: int
) -> None:
    """Simulate, measure, and compare with what the preset expects; exit code 1 when off."""
    preset = _load(name, assignments, masks)
    from simcell.check import check as run

    with click.progressbar(length=count, label="simulating", file=sys.stderr) as bar:
        findings = run(preset, count, seed=seed, report=lambda _: bar.update(1))
    click.echo(_findings_table(findings))
    off = [finding.name for finding in findings if finding.off]
    if off:
        click.echo(f"off: {', '.join(off)}")
        click.get_current_context().exit(1)
    expected = sum(finding.expected for finding in findings)
    click.echo(f"all {expected} expectations hold" if expected else "the preset expects nothing")


def _findings_table(findings: list[Finding]) -> str:
    lines = [f"{'':4}{'statistic':<15}{'measured':>12} {'± s.e.':<10}{'expected':<20}"]
    for finding in findings:
        verdict = "OFF" if finding.off else "ok" if finding.expected else ""
        wanted = f"{finding.low:g} to {finding.high:g}" if finding.expected else ""
        measured = f"{finding.value:12.4g} {finding.error:<10.2g}"
        lines.append(f"{verdict:<4}{finding.name:<15}{measured}{wanted:<20}{finding.about}")
    return "\n".join(line.rstrip() for line in lines)
