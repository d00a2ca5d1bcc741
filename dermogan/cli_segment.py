"""The command ``segment``: parses, calls, prints."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import click

from dermogan.cli_maps import map_maker, map_plans, refuse, shows
from dermogan.cli_volumes import solid_maker, solid_plans
from simcell import SimcellError

if TYPE_CHECKING:
    from dermogan.expects import Fit
    from dermogan.refine import Refinement
    from dermogan.tiles import Predictor, Whole


_BY_THEMSELVES = ("cellpose", "fiap")
_ALWAYS = ("labels", "images", "cells")
_TILE = 1024


class _Job(NamedTuple):
    """How every image of a run is segmented."""

    predictor: Predictor | Whole
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
  dermogan segment images/ -m fiap --diameter 40 --set layer=spinosum -o fiap
  dermogan segment stack.tif -m otsu --page 3 -o otsu
  dermogan segment images/ -m confluent -o cells --split stardist
  dermogan segment images/ -m run/model.safetensors -o cells --split stardist --weights star/
  dermogan segment images/ -m cellpose --weights cyto3 -o cells
  dermogan segment slide.ome.zarr -m run/model.safetensors -o cells --format ome-zarr
  dermogan segment mosaic.tif -m run/model.safetensors -o maps --tile 2048     a model of classes
  dermogan segment stack.tif -m nucleus-golgi -o cells --voxel-um 1.5,0.4,0.4  a model of volumes
  dermogan segment stack.tif -m multi-otsu --refine golgi=absent -o nuclei     volumes, no model

Writes labels/NAME.tif, cells/NAME.csv (centres and areas), overlays/NAME.png and
probabilities/NAME.tif; with --format ome-zarr images/NAME.ome.zarr with the labels in it,
and probabilities/NAME.ome.zarr. A model of classes writes classes/NAME.tif, their probabilities
in 8 bits, an overlay in colours, and which class is which in classes.csv. A model of volumes
writes nuclei/NAME.tif, golgi/NAME.tif, an overlay, and objects/NAME.csv: centres, volumes, pairs
and the vectors from nuclei to their Golgi."""
)
@click.argument("images", nargs=-1, required=True)
@click.option(
    "-m", "--model", required=True, help="Model file or name, classical method, or cellpose."
)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "--diameter",
    metavar="PX|auto|any",
    help="Diameter of a typical cell in px; rescales. auto: estimated for each image. any: no "
    "rescaling. Default: what the model prefers.",
)
@click.option("--spacing-um", type=float, help="Size of a pixel in µm, in place of --diameter.")
@click.option("--voxel-um", metavar="Z,Y,X", help="Size of a voxel in µm, of volumes.")
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
    help="How touching cells are parted; stardist needs pip install stardist.",
)
@click.option(
    "--weights",
    help="StarDist or Cellpose model: file, folder or pretrained name; the shipped StarDist if not "
    "given.",
)
@click.option(
    "--refine", "refinements", multiple=True, metavar="FIELD=VALUE", help="Part of the refinement."
)
@click.option(
    "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Part of a classical method."
)
@click.option("--channel", type=click.IntRange(0), help="Channel to take, from 0.")
@click.option("--page", type=click.IntRange(0), help="Page of stacks to take, from 0.")
@click.option(
    "--tile", type=click.IntRange(16), default=_TILE, show_default=True, help="px; 64 of volumes."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["tiff", "ome-zarr"]),
    default="tiff",
    show_default=True,
    help="Of labels and probabilities.",
)
@click.option(
    "--turns",
    is_flag=True,
    help="Average over eight turns and mirrors: steadier borders for 8 times the work.",
)
@click.option("--labels-only", is_flag=True, help="Write labels and cells alone.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def segment(
    images: tuple[str, ...],
    model: str,
    out: Path,
    diameter: str | None,
    spacing_um: float | None,
    voxel_um: str | None,
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
    turns: bool,
    labels_only: bool,
    overwrite: bool,
) -> None:
    """Segment images: files, folders, patterns. A bad one is named and skipped; exit code 1."""
    from dermogan.images import name_of
    from dermogan.segmentation import FOLDERS, ZARR_FOLDERS, targets
    from dermogan.turns import Turned

    files = _files(images)
    usual = {"threshold": 0.5, "split": "watershed", "format": "tiff"}
    told: dict[str, object] = {"spacing-um": spacing_um, "polarity": polarity, "weights": weights}
    told |= {"set": settings, "threshold": threshold, "split": split, "format": format_}
    told |= {"turns": turns or None}
    shown = shows(model)
    if shown == "volume":
        refuse(told | {"page": page}, usual, "takes volumes")
        plans = solid_plans(files, out, labels_only=labels_only)
        _check_vacant(plans, overwrite=overwrite)
        block = None if tile == _TILE else tile
        _all(plans, out, solid_maker(model, voxel_um, diameter, refinements, channel, block))
        return
    refuse({"voxel-um": voxel_um}, {}, "takes flat images")
    if shown == "classes":
        refuse(told | {"diameter": diameter, "refine": refinements}, usual)
        plans = map_plans(files, out, labels_only=labels_only)
        _check_vacant(plans, overwrite=overwrite)
        _all(plans, out, map_maker(model, out, channel, page, tile, overwrite=overwrite))
        return
    folders = FOLDERS if format_ == "tiff" else ZARR_FOLDERS
    if labels_only:
        folders = {name: folders[name] for name in folders if name in _ALWAYS}
    plans = {file: targets(out, name_of(file), folders) for file in files}
    _check_vacant(plans, overwrite=overwrite)
    if model in _BY_THEMSELVES:
        _check_flows(split, refinements, turns=turns)
    given = _refinement(threshold, split, None if model == "cellpose" else weights, refinements)
    if given.split == "stardist":
        from dermogan.stars import load

        load(given.weights)  # what is wrong with it concerns no single image
    fitting = (polarity, spacing_um, _diameter(diameter))
    predictor, fitted = _fitted(model, settings, weights, *fitting)
    if turns:
        predictor = Turned(cast("Predictor", predictor))
    job = _Job(predictor, given, fitted.diameter_px, tile, channel, page, fitted.invert)
    _all(plans, out, partial(_one, job))


def _all(
    plans: dict[Path, dict[str, Path]], out: Path, one: Callable[[Path, dict[str, Path]], str]
) -> None:
    """Segment one file after the other; bad ones are named and skipped."""
    width = max(len(str(file)) for file in plans)
    bad = 0
    for file, plan in plans.items():
        try:
            said = one(file, plan)
        except (SimcellError, OSError, MemoryError) as error:
            bad += 1
            reason = str(error) if isinstance(error, SimcellError) else _reason(file, error)
            click.echo(f"dermogan: {' '.join(reason.split())}", err=True)
        else:
            click.echo(f"{file!s:<{width}}  {said}")
    click.echo(f"{len(plans) - bad} of {len(plans)} images -> {out}")
    if bad:
        click.get_current_context().exit(1)


def _one(job: _Job, file: Path, plan: dict[str, Path]) -> str:
    """Segment one file and say in a line what was found."""
    import numpy as np

    from dermogan.images import read_picture
    from dermogan.segmentation import segment as run
    from dermogan.segmentation import write

    start = time.perf_counter()
    picture = read_picture(file, channel=job.channel, page=job.page)
    image = picture.pixels
    try:
        found = run(
            job.predictor,
            -image.astype(np.float32) if job.invert else image,  # unsigned numbers wrap
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
        msg = f"--weights {weights}: goes with --split stardist or -m cellpose"
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


def _check_flows(split: str, refinements: tuple[str, ...], *, turns: bool) -> None:
    """Refuse what does not touch a method that finds cells by itself."""
    if split != "watershed" or refinements or turns:
        which = f"--refine {refinements[0]}" if refinements else f"--split {split}"
        which = "--turns" if turns else which
        msg = f"{which}: goes with other models; this one finds cells by itself, see --set"
        raise SimcellError(msg)


def _fitted(
    model: str,
    settings: tuple[str, ...],
    weights: str | None,
    polarity: Literal["bright", "dark"] | None,
    spacing_um: float | None,
    diameter: float | Literal["auto", "any"] | None,
) -> tuple[Predictor | Whole, Fit]:
    """Load a model, or a method, and say how images are fitted to it."""
    from dermogan.classical import FIAP, NAMES
    from dermogan.expects import fit

    if model in {*NAMES, FIAP}:
        if spacing_um is not None:
            msg = f"--spacing-um {spacing_um:g}: goes with a trained model; give --diameter"
            raise SimcellError(msg)
        told = () if polarity is None else (f"polarity={polarity}",)
        return _load(model, (*told, *settings), None), fit(None, diameter=diameter)
    found = _load(model, settings, weights)
    expects = getattr(found, "expects", None)
    return found, fit(expects, polarity=polarity, spacing_um=spacing_um, diameter=diameter)


def _load(model: str, settings: tuple[str, ...], weights: str | None) -> Predictor | Whole:
    """Load a classical method or Cellpose by name, or else a trained model."""
    from dermogan.classical import FIAP, NAMES, load_classical, load_fiap
    from dermogan.starfile import NAME as STARS

    if model == "cellpose":
        from dermogan.flows import load_cellpose

        return load_cellpose(weights, settings)
    if model in NAMES:
        return load_classical(model, settings)
    if model == FIAP:
        return load_fiap(settings)
    if model == STARS:
        msg = f"-m {model}: splits the cells of other models; give one, and --split {model}"
        raise SimcellError(msg)
    if settings:
        msg = f"--set {settings[0]}: goes with a classical method: {', '.join((*NAMES, FIAP))}"
        raise SimcellError(msg)
    from dermogan.errors import need

    need("torch")
    found: Predictor = need("dermogan.model").load_model(model)
    return found
