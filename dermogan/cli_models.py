"""The commands ``models`` and ``pack``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click


@click.command(
    epilog="""\b
Examples:
  dermogan models
  dermogan models confluent                           its card and its recipe
  dermogan models stardist                            the same of what --split stardist uses
  dermogan models run/model.safetensors"""
)
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """List models that have names, or show what one says of itself."""
    from dermogan.cards import SHIPPED, find_model, read_header
    from dermogan.starfile import NAME, shipped_stars, star_header

    if name is not None:
        header = star_header(shipped_stars()) if name == NAME else read_header(find_model(name))
        click.echo(f"{header.path}\n\n{_card(header.card)}\n{header.recipe}", nl=False)
        return
    rows = _rows()
    if len(rows) == 1:
        click.echo(f"no models in $DERMOGAN_MODELS nor in {SHIPPED}; `dermogan pack` makes one")
        return
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False))
        click.echo("  ".join((*cells, row[-1])).rstrip())


def _rows() -> list[tuple[str, ...]]:
    from dermogan.cards import Header, model_files, read_header, table
    from dermogan.errors import DermoganError
    from dermogan.starfile import NAME, shipped_stars, star_header

    found: list[tuple[str, Header | DermoganError]] = []
    for stem, file in model_files().items():
        try:
            found.append((stem, read_header(file)))
        except DermoganError as error:  # one damaged file hides no others
            found.append((stem, error))
    if (stars := shipped_stars()).is_file():
        found.append((NAME, star_header(stars)))
    return table(found)


def _card(card: dict[str, Any]) -> str:
    from simcell.settings import write

    first = ["name", "about", "output", "diameter_px", "expects", "thresholds", "scores"]
    order = [*(key for key in first if key in card), *(key for key in card if key not in first)]
    return write({key: card[key] for key in order})


@click.command(
    epilog="""\b
Examples:
  dermogan pack run -o models/skin.safetensors --about 'Skin, reflectance' --polarity bright
  dermogan pack skin -o models/skin.safetensors --scores scores.json --overwrite
  DERMOGAN_MODELS=models dermogan segment photo.tif -m skin -o cells"""
)
@click.argument("run")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Model file.")
@click.option("--name", help="Of the model; the same as the file's.")
@click.option("--about", help="What it is for, in a sentence.")
@click.option(
    "--polarity",
    type=click.Choice(["bright", "dark", "either"]),
    help="Of the membranes (or cells) that it was taught; either if not given.",
)
@click.option(
    "--spacing-um",
    metavar="UM|any",
    help="Size of a pixel that it was taught; if not given, that of its presets.",
)
@click.option(
    "--estimate/--no-estimate",
    default=None,
    help="The size of cells is estimated for every image, and the image rescaled.",
)
@click.option("--scores", type=click.Path(path_type=Path), help="JSON to add to the card.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def pack(
    run: str,
    out: Path,
    name: str | None,
    about: str | None,
    polarity: Literal["bright", "dark", "either"] | None,
    spacing_um: str | None,
    estimate: bool | None,
    scores: Path | None,
    overwrite: bool,
) -> None:
    """Make a model file that has a name, and says what it expects, out of a training run."""
    from dermogan.errors import DermoganError, need

    if name is not None and name != out.stem:
        msg = f"--name {name}: models are found by their files' names; write {name}{out.suffix}"
        raise DermoganError(msg)
    need("torch")
    import dermogan.pack as packing

    facts = packing.Facts(
        about=about,
        polarity=polarity,
        spacing_um=_spacing(spacing_um),
        scores=packing.read_scores(scores) if scores else None,
        estimate=estimate,
    )
    path = packing.pack(run, out, facts, overwrite=overwrite)
    click.echo(f"{path}  {path.stat().st_size / 1e6:.2f} MB")


def _spacing(text: str | None) -> float | Literal["any"] | None:
    from dermogan.errors import DermoganError

    if text is None:
        return None
    if text == "any":
        return "any"
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        msg = f"--spacing-um {text}: give a size above 0 µm, or any"
        raise DermoganError(msg)
    return value
