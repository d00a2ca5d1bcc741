"""The command ``activations``: parse, call, print."""

from __future__ import annotations

from pathlib import Path

import click

from simcell import SimcellError


@click.command(
    epilog="""\b
Examples:
  dermogan activations oct -o activations.png
  dermogan activations run -o activations.png --size 224x512 --steps 100"""
)
@click.argument("model")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="PNG file.")
@click.option("--size", default="224x224", show_default=True, metavar="ROWSxCOLUMNS", help="px.")
@click.option("--steps", type=click.IntRange(1), default=60, show_default=True, help="Of ascent.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the noise.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def activations(model: str, out: Path, size: str, steps: int, seed: int, overwrite: bool) -> None:
    """Show what each class's filter looks for, and what the model of classes makes of it."""
    from dermogan.errors import need

    if out.exists() and not overwrite:
        msg = f"{out}: exists already; choose another name or add --overwrite"
        raise SimcellError(msg)
    sides = _sides(size)
    need("torch")
    activation = need("dermogan.activation")
    loaded = need("dermogan.model").load_model(model)
    if not loaded.classes:
        msg = f"{model}: finds {loaded.output} and no classes; give a model of classes, such as oct"
        raise SimcellError(msg)
    from dermogan.cli_maps import progress
    from dermogan.files import write_whole

    with progress(out.name) as report:
        images = activation.maximised(loaded, sides, steps=steps, seed=seed, report=report)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, activation.png(activation.picture(loaded, images)))
    click.echo(out)


def _sides(text: str) -> tuple[int, int]:
    rows, cross, columns = text.partition("x")
    try:
        sides = int(rows), int(columns)
    except ValueError:
        sides = 0, 0
    if not cross or min(sides) < 16 or max(sides) > 8192:
        msg = f"--size {text}: give ROWSxCOLUMNS of 16 to 8192 px, such as 224x512"
        raise SimcellError(msg)
    return sides
