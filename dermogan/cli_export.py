"""The command ``export``: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


@click.command(
    epilog="""\b
Examples:
  dermogan export confluent -o confluent.onnx
  dermogan export run -o skin.onnx                    the model of a training run
  dermogan export confluent -o confluent.zip --format bioimageio
  dermogan export run -o skin.zip --format bioimageio --author 'A. Name' --licence CC-BY-4.0

Grey levels go in as they are in the image: the local normalisation is in the graph. Number of
images, height and width are free. What was made is run and compared with the model before
it is written. Needs pip install 'simcell[dermogan,export]'."""
)
@click.argument("model")
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="File, .onnx or .zip."
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "bioimageio"]),
    default="onnx",
    show_default=True,
    help="ONNX, or a package of the BioImage Model Zoo.",
)
@click.option(
    "--author",
    "authors",
    multiple=True,
    metavar="NAME",
    help="Named in the package; repeatable.  [default: the simcell authors]",
)
@click.option(
    "--licence",
    default="BSD-3-Clause",
    show_default=True,
    metavar="SPDX",
    help="Of the weights, named in the package.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def export(
    model: str,
    out: Path,
    kind: Literal["onnx", "bioimageio"],
    authors: tuple[str, ...],
    licence: str,
    overwrite: bool,
) -> None:
    """Write MODEL as ONNX, or as a package of the BioImage Model Zoo."""
    from dermogan.exchange import export as write

    made = write(model, out, format=kind, authors=authors, licence=licence, overwrite=overwrite)
    size = made.path.stat().st_size / 1e6
    click.echo(f"{made.path}  {size:.2f} MB  off by at most {made.difference:.1e}")
