"""The command ``benchmark``: parse, call, print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dermogan.cli_overview import FILES as TABLES
from dermogan.cli_overview import finish, planned, refuse_mixed, refuse_written
from dermogan.cli_worlds import SETS, WORLDS, refuse_cells, score_world
from simcell import SimcellError

if TYPE_CHECKING:
    from dermogan.benchmark.methods import Method
    from dermogan.benchmark.score import Result
    from dermogan.benchmark.sets import Set, Told

FILES = ("benchmark.json", "benchmark.csv", "benchmark.md", "benchmark.png")


@click.command(
    epilog="""\b
Examples:
  dermogan benchmark -o benchmark                     all that there is
  dermogan benchmark --method gabor --model mine=run -o benchmark
  dermogan benchmark --model dermogan=run1 --model dermogan=run2 --method models -o seeds
  dermogan benchmark --data cornea --polarity dark --annotated labels --no-simulated -o cornea
  dermogan benchmark --data a --data b --polarity b=dark --shows a=cells -o both
  dermogan benchmark --method gabor --weights stardist-model/ -o gabor
  dermogan benchmark --world oct --model mine=run -o layers       models that name classes
  dermogan benchmark --world all -o all                           every set, and one table
  dermogan benchmark --world all --model vox2vox=run --protocol protocol/protocol.json -o all

A folder of --data has images/ and, by the same names, masks/ (label images) or points/ (x, y
tables). Its options are VALUE for all folders, or FOLDER=VALUE. Writes benchmark.json, .csv, .md
and, where matplotlib is installed, .png; with --world all those in a folder for each set, and
table.md, .csv, .json."""
)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "--data", multiple=True, type=click.Path(path_type=Path), help="Folder of images; repeatable."
)
@click.option(
    "--world",
    type=click.Choice(WORLDS),
    default="cells",
    show_default=True,
    help="What is simulated: cells, or what models of classes name: layers in oct, mosaic. All: "
    "volumes too, each model on the set of its kind.",
)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    metavar="[NAME=]FILE",
    help="protocol.json of dermogan protocol, to stand in the table of all.",
)
@click.option(
    "--volumes",
    "stacks",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of volumes, with --world all; as of benchmark-volumes --data.",
)
@click.option("--voxel-um", metavar="Z,Y,X", help="Of those, if their files do not tell.")
@click.option("--no-simulated", is_flag=True, help="Leave out the simulated images.")
@click.option("--method", "names", multiple=True, help="One method, or a group; all by default.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="[NAME=]MODEL",
    help="Instead of all that have names.",
)
@click.option(
    "--weights",
    help="StarDist model: file, folder or pretrained name.  [the shipped one, if it can be used]",
)
@click.option("--cellpose", help="Cellpose model: file, or name; its rows say if there is none.")
@click.option(
    "--polarity", multiple=True, metavar="[FOLDER=]bright|dark", help="Bright if not told."
)
@click.option(
    "--shows", multiple=True, metavar="[FOLDER=]membranes|cells", help="Membranes if not told."
)
@click.option(
    "--annotated", multiple=True, metavar="[FOLDER=]all|labels", help="Where the truth is known."
)
@click.option(
    "--diameter",
    multiple=True,
    metavar="[FOLDER=]PX|auto",
    help="Of a cell; that of the truth if not told; auto: as segment does without.",
)
@click.option(
    "--radius", multiple=True, metavar="[FOLDER=]PX", help="For points; half a cell if not told."
)
@click.option("--first", type=click.IntRange(1), help="Only so many images of every set.")
@click.option(
    "--cache", type=click.Path(path_type=Path), help="Folder to keep simulated images in."
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Of every library."
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def benchmark(
    out: Path,
    data: tuple[Path, ...],
    world: str,
    protocols: tuple[str, ...],
    stacks: tuple[Path, ...],
    voxel_um: str | None,
    no_simulated: bool,
    names: tuple[str, ...],
    models: tuple[str, ...],
    weights: str | None,
    cellpose: str | None,
    polarity: tuple[str, ...],
    shows: tuple[str, ...],
    annotated: tuple[str, ...],
    diameter: tuple[str, ...],
    radius: tuple[str, ...],
    first: int | None,
    cache: Path | None,
    threads: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Compare methods on simulated images that no model was trained on, and on your own."""
    from dermogan.errors import need

    everything = world == "all"
    extra = {"protocol": protocols, "volumes": stacks, "voxel-um": voxel_um}
    refuse_mixed(extra, everything=everything, no_simulated=no_simulated)
    if not overwrite:
        homes = [out, *(out / name for name in (*SETS, "volumes") if everything)]
        refuse_written(homes, [*FILES, *(TABLES if everything else ())])
    given = {
        "polarity": polarity,
        "shows": shows,
        "annotated": annotated,
        "diameter": diameter,
        "radius": radius,
    }
    if world not in ("cells", "all"):
        told = {
            "data": data,
            "method": names,
            "weights": weights,
            "cellpose": cellpose,
            "cache": cache,
            **given,
        }
        refuse_cells(world, told | {"no-simulated": no_simulated})
        need("torch").set_num_threads(threads)
        need("cv2").setNumThreads(threads)
        score_world(world, models, out, first, quiet=quiet)
        return
    sets = _sets(data, given, cache, simulated=not no_simulated)
    need("torch").set_num_threads(threads)
    need("cv2").setNumThreads(threads)
    from dermogan.stars import lacking, load

    lacks = "" if weights is not None else lacking()
    if weights is not None:
        load(weights)  # what is wrong with it concerns no single image
    from dermogan.benchmark.methods import UNTRAINED, methods

    plan = planned(models, protocols, stacks, voxel_um) if everything else None
    if plan:
        if models and not plan.cells:  # not all that have names
            names = tuple(name for name in names or UNTRAINED if name != "models") or ("otsu",)
        models = plan.cells
    chosen = methods(names, models, lacks=lacks, cellpose=cellpose)
    results = _measured([each.first(first) for each in sets], chosen, weights, quiet=quiet)
    _write(results, out / "cells" if plan else out)
    if plan:
        finish(plan, results, out, first, quiet=quiet)


def _sets(
    folders: Sequence[Path],
    given: dict[str, tuple[str, ...]],
    cache: Path | None,
    *,
    simulated: bool,
) -> list[Set]:
    from dermogan.benchmark import sets

    found = [sets.simulated(cache)] if simulated else []
    own = [folder.resolve().name for folder in folders]
    twice = next((name for k, name in enumerate(own) if name in own[:k]), None)
    if twice:
        msg = f"--data: two folders are named {twice}; rename one of them"
        raise SimcellError(msg)
    told = _told(given, own)
    found += [sets.folder_set(folder, told[folder.resolve().name]) for folder in folders]
    if not found:
        msg = "--no-simulated: then --data is needed; name a folder of images and masks"
        raise SimcellError(msg)
    return found


def _told(given: dict[str, tuple[str, ...]], names: Sequence[str]) -> dict[str, Told]:
    """Return what the options tell of every folder; the last word counts."""
    from dermogan.benchmark.sets import Told

    fields: dict[str, dict[str, Any]] = {name: {} for name in names}
    for option, values in given.items():
        for value in values:
            name, equals, word = value.rpartition("=")
            if equals and name not in fields:
                msg = f"--{option} {value}: no --data folder is named {name!r}"
                raise SimcellError(f"{msg}; there is {', '.join(names) or 'none'}")
            field = f"{option}_px" if option in {"diameter", "radius"} else option
            for each in [name] if equals else names:
                fields[each][field] = _value(option, word)
    return {name: Told(**told) for name, told in fields.items()}


_WORDS = {
    "polarity": ("bright", "dark"),
    "shows": ("membranes", "cells"),
    "annotated": ("all", "labels"),
    "diameter": ("auto",),
    "radius": (),
}


def _value(option: str, word: str) -> str | float:
    if word in _WORDS[option]:
        return word
    allowed = list(_WORDS[option])
    if option in {"diameter", "radius"}:
        least = 3.0 if option == "diameter" else 0.0
        try:
            if least <= float(word) < float("inf") and float(word) > 0:
                return float(word)
        except ValueError:
            pass
        allowed.append(f"a number of px, at least {least:g}" if least else "px above 0")
    msg = f"--{option} {word}: must be {' or '.join(allowed)}"
    raise SimcellError(msg)


def _measured(
    sets: Sequence[Set], methods: Sequence[Method], weights: str | None, *, quiet: bool
) -> list[Result]:
    from rich.console import Console
    from rich.progress import Progress

    from dermogan.benchmark.score import measure

    able = sum(not method.lacks for method in methods)
    total = able * sum(len(each.pictures) for each in sets)
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    shown: Any = nullcontext() if hidden else Progress(console=console, transient=True)
    surveys = [each.survey() for each in sets]  # a bad file of the last is named at once
    results = []
    with shown as bar:
        task = bar.add_task("", total=total) if bar else None

        def report(text: str, name: str = "") -> None:
            if bar and task is not None:
                bar.update(task, advance=1, description=f"{name} {text}")

        for each, known in zip(sets, surveys, strict=True):
            said = _named(report, each.name)
            results.append(measure(each, methods, weights=weights, known=known, report=said))
    return results


def _named(report: Callable[[str, str], None], name: str) -> Callable[[str], None]:
    return lambda text: report(text, name)


def _write(results: Sequence[Result], out: Path) -> None:
    from dermogan.benchmark import tables
    from dermogan.files import write_whole

    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "benchmark.json": tables.as_json(results),
        "benchmark.csv": tables.as_csv(results),
        "benchmark.md": tables.as_markdown(results),
    }
    for name, text in texts.items():
        write_whole(out / name, text.encode())
    written = list(texts)
    click.echo(texts["benchmark.md"], nl=False)
    for line in tables.failures(results):
        click.echo(line)
    try:
        from dermogan.figure import library

        library()
    except SimcellError:
        click.echo("no plot: matplotlib is not installed; run: pip install matplotlib")
    else:
        from dermogan.benchmark.plot import draw

        draw(results, out / "benchmark.png")
        written.append("benchmark.png")
    click.echo(f"{', '.join(written)} -> {out}")
