"""The command ``simcell new``."""

from __future__ import annotations

from pathlib import Path

import click

from simcell.errors import SimcellError


@click.command(
    epilog="""\b
Examples:
  simcell new my-tissue --like rcm-sg
  simcell new my-tissue --like confluent --spacing-um 0.8 -o presets/my-tissue.yaml"""
)
@click.argument("name")
@click.option(
    "--like",
    default="confluent",
    show_default=True,
    metavar="NAME|FILE",
    help="Preset to start from; `simcell presets` lists them.",
)
@click.option("--spacing-um", type=float, help="Size of a pixel of your images in µm.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="File to write.  [default: NAME.yaml]"
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def new(name: str, like: str, spacing_um: float | None, out: Path | None, overwrite: bool) -> None:
    """Write NAME.yaml: a preset of your own to edit, with what every number means beside it."""
    from simcell.explain import starter
    from simcell.io.files import explained, write_whole
    from simcell.preset import Preset, load_preset

    path = out or Path(f"{name}.yaml")
    if path.suffix not in {".yaml", ".yml"}:
        msg = f"{path}: must end in .yaml or .yml; choose another --out"
        raise SimcellError(msg)
    if path.exists() and not overwrite:
        msg = f"{path}: exists already; choose another NAME or add --overwrite"
        raise SimcellError(msg)
    preset = load_preset(like)
    if spacing_um is not None:
        preset = preset.with_set([f"frame.spacing_um={spacing_um}"])
    text = starter(preset, name)
    Preset.from_text(text, f"new {name}")  # refuses a name that no preset can have
    with explained(path):
        write_whole(path, text.encode())
    click.echo(_next_steps(path))


def _next_steps(path: Path) -> str:
    shown = f"{path}" if "/" in f"{path}" else f"./{path}"
    return f"""{path}

next steps
  1. edit {path}: sizes first (points, cells), then light (imaging), then ranges (vary)
  2. simcell show --preset {shown} -o sheet.png     look at it beside your images
  3. simcell check --preset {shown} -n 64           what samples measure, for `expect`
  4. simcell generate --preset {shown} -n 400 --out {path.stem}.zarr
with images or labels at hand, `simcell fit --like {shown}` sets the numbers for you"""
