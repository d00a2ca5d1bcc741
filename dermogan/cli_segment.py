"""The commands ``segment`` and ``evaluate``: parse, call, print."""

from __future__ import annotations

import glob
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

from simcell import SimcellError

if TYPE_CHECKING:
    from dermogan.evaluate import Evaluation
    from dermogan.expects import Fit
    from dermogan.refine import Refinement
    from dermogan.tiles import Predictor


_ALWAYS = ("labels", "images", "cells")


class _Job(NamedTuple):
    """How every image of a run is segmented."""

    predictor: Predictor
    refinement: Refinement
    diameter: float | Literal["auto"] | None
    tile: int
    channel: int | None
    page: int | None
    invert: bool


@click.command(
    epilog="""\b
Examples:
  dermogan segment photo.tif -m run/model.safetensors -o cells
  dermogan segment images/ -m run/model.safetensors -o cells --diameter 24
  dermogan segment images/ -m confluent -o cells --diameter auto
  dermogan segment 'day?/*.png' -m gabor-watershed --set polarity=dark -o gabor
  dermogan segment stack.tif -m otsu --page 3 -o otsu
  dermogan segment images/ -m run/model.safetensors -o cells --split stardist --weights star/
  dermogan segment slide.ome.zarr -m run/model.safetensors -o cells --format ome-zarr

Writes labels/NAME.tif, cells/NAME.csv (centres and areas), overlays/NAME.png and
probabilities/NAME.tif; with --format ome-zarr images/NAME.ome.zarr with the labels in it,
and probabilities/NAME.ome.zarr."""
)
@click.argument("images", nargs=-1, required=True)
@click.option("-m", "--model", required=True, help="Model file or name, or a classical method.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "--diameter",
    metavar="PX|auto|any",
    help="Diameter of a typical cell in px; rescales. auto: estimated for each image. any: no "
    "rescaling. Default: what the model prefers.",
)
@click.option("--spacing-um", type=float, help="Size of a pixel in µm, in place of --diameter.")
@click.option(
    "--polarity",
    type=click.Choice(["bright", "dark"]),
    help="Of the membranes, or cells; inverts the image for a model of the other one.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="Probability of membranes, or cells.",
)
@click.option(
    "--split",
    type=click.Choice(["watershed", "stardist"]),
    default="watershed",
    show_default=True,
    help="How touching cells are parted.",
)
@click.option("--weights", help="StarDist model: folder or pretrained name.")
@click.option(
    "--refine", "refinements", multiple=True, metavar="FIELD=VALUE", help="Part of the refinement."
)
@click.option(
    "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Part of a classical method."
)
@click.option("--channel", type=click.IntRange(0), help="Channel to take, from 0.")
@click.option("--page", type=click.IntRange(0), help="Page of stacks to take, from 0.")
@click.option("--tile", type=click.IntRange(16), default=1024, show_default=True, help="px.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["tiff", "ome-zarr"]),
    default="tiff",
    show_default=True,
    help="Of labels and probabilities.",
)
@click.option("--labels-only", is_flag=True, help="Write labels and cells alone.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def segment(
    images: tuple[str, ...],
    model: str,
    out: Path,
    diameter: str | None,
    spacing_um: float | None,
    polarity: Literal["bright", "dark"] | None,
    threshold: float,
    split: str,
    weights: str | None,
    refinements: tuple[str, ...],
    settings: tuple[str, ...],
    channel: int | None,
    page: int | None,
    tile: int,
    format_: str,
    labels_only: bool,
    overwrite: bool,
) -> None:
    """Segment images: files, folders, patterns. A bad one is named and skipped; exit code 1."""
    from dermogan.images import name_of
    from dermogan.segment import FOLDERS, ZARR_FOLDERS, targets

    files = _files(images)
    folders = FOLDERS if format_ == "tiff" else ZARR_FOLDERS
    if labels_only:
        folders = {name: folders[name] for name in folders if name in _ALWAYS}
    plans = {file: targets(out, name_of(file), folders) for file in files}
    _check_vacant(plans, overwrite=overwrite)
    given = _refinement(threshold, split, weights, refinements)
    if given.split == "stardist":
        from dermogan.stars import load

        load(given.weights)  # what is wrong with it concerns no single image
    predictor, fitted = _fitted(model, settings, polarity, spacing_um, _diameter(diameter))
    job = _Job(predictor, given, fitted.diameter_px, tile, channel, page, fitted.invert)
    width = max(len(str(file)) for file in files)
    bad = 0
    for file, plan in plans.items():
        try:
            said = _one(job, file, plan)
        except (SimcellError, OSError, MemoryError) as error:
            bad += 1
            reason = str(error) if isinstance(error, SimcellError) else _reason(file, error)
            click.echo(f"dermogan: {' '.join(reason.split())}", err=True)
        else:
            click.echo(f"{file!s:<{width}}  {said}")
    click.echo(f"{len(files) - bad} of {len(files)} images -> {out}")
    if bad:
        click.get_current_context().exit(1)


def _one(job: _Job, file: Path, plan: dict[str, Path]) -> str:
    """Segment one file and say in a line what was found."""
    from dermogan.images import read_picture
    from dermogan.segment import segment as run
    from dermogan.segment import write

    start = time.perf_counter()
    picture = read_picture(file, channel=job.channel, page=job.page)
    image = picture.pixels
    try:
        found = run(
            job.predictor,
            -image if job.invert else image,
            diameter_px=job.diameter,
            tile_px=job.tile,
            refinement=job.refinement,
        )
    except SimcellError as error:
        msg = f"{file}: {error}"
        raise SimcellError(msg) from error
    write(found, image, plan, picture.spacing_um)
    size = f"{image.shape[0]} × {image.shape[1]}"
    of = f" of {found.diameter_px:4.1f} px" if found.diameter_px else ""
    spent = time.perf_counter() - start
    return f"{len(found.cells):6d} cells{of}  {size:>13} px  {spent:6.1f} s"


def _reason(file: Path, error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return f"{file}: out of memory; use a smaller --tile, or a part of the image"
    return f"{error.filename or file}: {error.strerror or error}"


def _diameter(text: str | None) -> float | Literal["auto", "any"] | None:
    """Read --diameter."""
    if text is None:
        return None
    for word in ("auto", "any"):
        if text == word:
            return word
    try:
        diameter = float(text)
    except ValueError:
        diameter = 0.0
    if not diameter >= 3:
        msg = f"--diameter {text}: must be auto, any, or at least 3 px; measure a cell of the image"
        raise SimcellError(msg)
    return diameter


def _files(named: tuple[str, ...]) -> list[Path]:
    """Return the files that arguments mean, each once, and refuse what means none."""
    from dermogan.formats import KINDS, is_zarr
    from dermogan.images import image_files

    found: dict[Path, None] = {}
    for name in named:
        path = Path(name)
        if path.is_dir() and not is_zarr(path):
            matches, lack = image_files(path), f"holds no image ({KINDS})"
        elif path.exists() or not glob.has_magic(name):
            matches, lack = [path], ""  # a missing file is told of in its turn
        else:
            matches, lack = (
                [Path(p) for p in sorted(glob.glob(name, recursive=True))],
                "matches nothing",
            )
        if not matches:
            msg = f"{name}: {lack}; name files, folders or patterns of images"
            raise SimcellError(msg)
        found |= dict.fromkeys(matches)
    return list(found)


def _check_vacant(plans: dict[Path, dict[str, Path]], *, overwrite: bool) -> None:
    """Refuse to write two results to one file, or over a file that exists."""
    owner: dict[Path, Path] = {}
    for file, plan in plans.items():
        for path in plan.values():
            other = owner.setdefault(path, file)
            if other != file:
                msg = f"{file} and {other} would both be written to {path}; segment them apart"
                raise SimcellError(msg)
            if path.exists() and not overwrite:
                msg = f"{path}: exists already; choose another --out or add --overwrite"
                raise SimcellError(msg)


def _refinement(
    threshold: float, split: str, weights: str | None, settings: tuple[str, ...]
) -> Refinement:
    from pydantic import ValidationError

    from dermogan.refine import Refinement

    if weights is not None and split != "stardist":
        msg = f"--weights {weights}: goes with --split stardist"
        raise SimcellError(msg)
    given: dict[str, Any] = {"threshold": threshold, "split": split}
    if weights is not None:
        given["weights"] = weights
    free = [key for key in Refinement.model_fields if key not in {*given, "weights", "diameter_px"}]
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals or field not in free:
            msg = f"--refine {setting}: give FIELD=VALUE with one of {', '.join(free)}"
            raise SimcellError(msg)
        given[field] = value
    try:
        return Refinement.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"--refine {first['loc'][0]}={first['input']}: {first['msg']}"
        raise SimcellError(msg) from error


def _fitted(
    model: str,
    settings: tuple[str, ...],
    polarity: Literal["bright", "dark"] | None,
    spacing_um: float | None,
    diameter: float | Literal["auto", "any"] | None,
) -> tuple[Predictor, Fit]:
    """Load a model, or a method, and say how images are fitted to it."""
    from dermogan.classical import NAMES
    from dermogan.expects import fit

    if model in NAMES:
        if spacing_um is not None:
            msg = f"--spacing-um {spacing_um:g}: goes with a trained model; give --diameter"
            raise SimcellError(msg)
        told = () if polarity is None else (f"polarity={polarity}",)
        return _load(model, (*told, *settings)), fit(None, diameter=diameter)
    found = _load(model, settings)
    expects = getattr(found, "expects", None)
    return found, fit(expects, polarity=polarity, spacing_um=spacing_um, diameter=diameter)


def _load(model: str, settings: tuple[str, ...]) -> Predictor:
    """Load a classical method by name, or else a trained model."""
    from dermogan.classical import NAMES, load_classical

    if model in NAMES:
        return load_classical(model, settings)
    if settings:
        msg = f"--set {settings[0]}: goes with a classical method: {', '.join(NAMES)}"
        raise SimcellError(msg)
    from dermogan.errors import need

    need("torch")
    found: Predictor = need("dermogan.model").load_model(model)
    return found


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
    from dermogan.evaluate import Options
    from dermogan.evaluate import evaluate as run

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
