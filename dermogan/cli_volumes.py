"""The parts of the commands that have to do with volumes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dermogan.cli_maps import progress
from simcell import SimcellError

if TYPE_CHECKING:
    from dermogan.benchmark.volumes import Result, VolumeSet
    from dermogan.instances import Splitting
    from dermogan.model import Model
    from dermogan.solidscores import SolidScores
    from dermogan.solidsegment import SolidSegmentation
    from dermogan.volumefile import Volume, Voxel

_SHOWN = ("dice_nuclei", "dice_golgi", "f1_nuclei", "f1_golgi", "pairing", "pairs_found")
FILES = ("benchmark.csv", "benchmark.md")


def solid_plans(files: list[Path], out: Path, *, labels_only: bool) -> dict[Path, dict[str, Path]]:
    """Return what is written of every volume."""
    from dermogan.images import name_of
    from dermogan.segmentation import targets
    from dermogan.solidsegment import FOLDERS

    kept = [name for name in FOLDERS if name != "overlays" or not labels_only]
    return {file: targets(out, name_of(file), {k: FOLDERS[k] for k in kept}) for file in files}


def solid_maker(
    model: str,
    voxel_um: str | None,
    diameter: str | None,
    settings: tuple[str, ...],
    channel: int | None,
    block: int | None,
) -> Callable[[Path, dict[str, Path]], str]:
    """Return what segments a file and says in a line what was found."""
    from dermogan.errors import need

    need("torch")
    from dermogan.solidsegment import MULTI_OTSU, thresholded, write_solid
    from dermogan.volumefile import read_volume, spacing_of

    told, options = voxel(voxel_um), splitting(settings)
    size = None if diameter in (None, "any") else _number("--diameter", diameter)
    if model == MULTI_OTSU:
        if size or block:
            msg = f"--{'diameter' if size else 'tile'}: goes with models, {MULTI_OTSU} is none"
            raise SimcellError(f"{msg}; leave it out")

        def plain(file: Path, volume: Volume) -> SolidSegmentation:
            return thresholded(volume.voxels, spacing_of(file, volume, told), options)

        find: Callable[[Path, Volume], SolidSegmentation] = plain
    else:
        find = _modelled(need("dermogan.model").load_model(model), told, size, block, options)

    def one(file: Path, plan: dict[str, Path]) -> str:
        start = time.perf_counter()
        volume = read_volume(file, channel=channel)
        made = find(file, volume)
        write_solid(made, volume.voxels, plan)
        table = made.found.table
        nuclei = table["class"] == "nuclei"
        pairs = int((nuclei & (table["pair"] > 0)).sum())
        counts = f"{nuclei.sum()} nuclei, {(~nuclei).sum()} Golgi, {pairs} pairs"
        sides = " × ".join(f"{side:g}" for side in made.spacing_um)
        known = "" if told or volume.spacing_um else " (taken for granted; give --voxel-um)"
        return f"{counts}, voxels of {sides} µm{known}  {time.perf_counter() - start:6.1f} s"

    return one


def _modelled(
    model: Model, told: Voxel | None, size: float | None, block: int | None, options: Splitting
) -> Callable[[Path, Volume], SolidSegmentation]:
    from dermogan.solids import BLOCK
    from dermogan.solidsegment import segment_volume

    def find(file: Path, volume: Volume) -> SolidSegmentation:
        with progress(file.name) as report:
            return segment_volume(
                model,
                volume.voxels,
                told or volume.spacing_um,
                diameter_px=size,
                side=block or BLOCK,
                options=options,
                report=report,
            )

    return find


def _number(option: str, text: str | None) -> float:
    try:
        found = float(text or "")
    except ValueError:
        found = 0.0
    if not 3 <= found < 1e4:
        msg = f"{option} {text}: must be at least 3 px of y and x; measure a nucleus"
        raise SimcellError(msg)
    return found


def voxel(text: str | None) -> Voxel | None:
    """Read the size of a voxel: Z,Y,X, or one number for all."""
    if text is None:
        return None
    try:
        sides = [float(part) for part in text.split(",")]
    except ValueError:
        sides = []
    if len(sides) == 1:
        sides *= 3
    if len(sides) != 3 or not all(0 < side < 1e4 for side in sides):
        msg = f"--voxel-um {text}: give Z,Y,X in µm, such as 2,0.5,0.5"
        raise SimcellError(msg)
    return sides[0], sides[1], sides[2]


def splitting(settings: tuple[str, ...]) -> Splitting:
    """Read --refine FIELD=VALUE."""
    from pydantic import ValidationError

    from dermogan.instances import Splitting

    given: dict[str, Any] = {}
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals or field not in Splitting.model_fields:
            known = ", ".join(Splitting.model_fields)
            msg = f"--refine {setting}: give FIELD=VALUE with one of {known}"
            raise SimcellError(msg)
        given[field] = value
    try:
        return Splitting.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"--refine {first['loc'][0]}={first['input']}: {first['msg']}"
        raise SimcellError(msg) from error


def evaluated(predicted: Path, truth: Path, out: Path | None, *, common: bool) -> str:
    """Score the objects of volumes, and return the scores as a table."""
    from dermogan.solidfiles import evaluate_solids

    found = evaluate_solids(predicted, truth, common=common)
    if out is not None:
        out.write_text(as_csv(found), "utf-8")
    return in_words(found)


def as_csv(found: dict[str, SolidScores]) -> str:
    """Return a row of scores for every volume, and one for all; what is not known is empty."""
    from dermogan.solidscores import SolidScores

    rows = {**found, "all": sum(found.values(), SolidScores())}
    names = list(SolidScores().row())
    lines = [",".join(["volume", *names])]
    for name, scores in rows.items():
        cells = ["" if value != value else f"{value:.6g}" for value in scores.row().values()]
        lines.append(",".join([name, *cells]))
    return "\n".join(lines) + "\n"


def in_words(found: dict[str, SolidScores]) -> str:
    """Return the scores of every volume, and of all together, as a table."""
    from dermogan.solidscores import SolidScores

    rows = {**found, "all": sum(found.values(), SolidScores())}
    width = max(len(name) for name in rows)
    lines = [f"{'':<{width}}" + "".join(f"{name:>13}" for name in _SHOWN)]
    for name, scores in rows.items():
        row = scores.row()
        cells = ("–" if row[key] != row[key] else f"{row[key]:.3f}" for key in _SHOWN)
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>13}" for cell in cells))
    return "\n".join(lines)


@click.command(
    epilog="""\b
Examples:
  dermogan benchmark-volumes -m unet=run -m cyclegan=run2 -o volumes
  dermogan benchmark-volumes -m nucleus-golgi --first 2 -o quick
  dermogan benchmark-volumes -m run --data embryos --voxel-um 1.75,0.8,0.8 -o embryos-scores

A folder of --data has images/ and, by the same names, masks/ (label volumes of nuclei).
Writes benchmark.csv and benchmark.md. multi-otsu, thresholds by Otsu's method for three levels
of grey, is always beside the models."""
)
@click.option(
    "-m", "--model", "models", multiple=True, metavar="[NAME=]MODEL", help="Model; repeatable."
)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of volumes without Golgi, in place of simulated ones; repeatable.",
)
@click.option("--voxel-um", metavar="Z,Y,X", help="Size of a voxel, if its files do not tell.")
@click.option("--first", type=click.IntRange(1), help="Only so many volumes.")
@click.option(
    "--refine", "refinements", multiple=True, metavar="FIELD=VALUE", help="As of segment."
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def benchmark_volumes(
    models: tuple[str, ...],
    out: Path,
    data: tuple[Path, ...],
    voxel_um: str | None,
    first: int | None,
    refinements: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Compare models of volumes on simulated ones with foreign imaging, or on your own."""
    for name in FILES:
        if (out / name).exists() and not overwrite:
            msg = f"{out / name}: exists already; choose another --out or add --overwrite"
            raise SimcellError(msg)
    options = splitting(refinements)
    from dermogan.errors import need

    need("torch").set_num_threads(1)
    score_volumes(models, out, first, volume_sets(data, voxel_um), options)


def volume_sets(folders: Sequence[Path], voxel_um: str | None) -> list[VolumeSet]:
    """Return the sets of folders; bad ones are refused here."""
    from dermogan.benchmark.volumes import PRESET, folder_set

    side = voxel(voxel_um)
    if side and not folders:
        msg = f"--voxel-um {voxel_um}: goes with folders of volumes; leave it out, or name one"
        raise SimcellError(msg)
    names = [PRESET.stem, *(folder.resolve().name for folder in folders)]
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice:
        msg = f"{twice}: two sets of volumes have this name; rename a folder"
        raise SimcellError(msg)
    return [folder_set(folder, side) for folder in folders]


def score_volumes(
    models: Sequence[str],
    out: Path,
    first: int | None,
    among: Sequence[VolumeSet] = (),
    options: Splitting | None = None,
    *,
    quiet: bool = False,
) -> list[Result]:
    """Score models of volumes on sets, or on the simulated one, and write the tables."""
    from dermogan.benchmark.volumes import as_markdown, as_table, measured, simulated
    from dermogan.files import write_whole

    said = None if quiet else lambda line: click.echo(line, err=True)
    results: list[Result] = []
    for each in among or [simulated()]:
        results += measured(models, first, options, among=each, said=said)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / FILES[0], as_table(results).encode())
    write_whole(out / FILES[1], as_markdown(results).encode())
    click.echo(as_markdown(results))
    return results
