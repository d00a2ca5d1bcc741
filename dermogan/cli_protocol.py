"""The command ``protocol``: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path

import click

_SCENARIOS = ("cgan-few", "conventional-few", "conventional-many")


@click.command(
    epilog="""\b
Examples:
  dermogan protocol my-cells -o protocol --few 10
  dermogan protocol my-cells -o protocol --few 10 --folds 3 --set budget.steps=600
  simcell generate --preset colony -n 60 --format stardist --out colonies
  dermogan protocol colonies -o protocol --scenario cgan-few --scenario conventional-few

The folder has images/ and, by the same names, masks/ (label images). Run again after a stop, it
goes on where it was. Writes protocol.json, .csv and .md, and every model and what it found below
fold-1/, fold-2/ ..."""
)
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "--recipe", "name", default="cgan-seg", show_default=True, metavar="NAME|FILE", help="Of cgan."
)
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Number.")
@click.option(
    "--few", type=click.IntRange(1), default=10, show_default=True, help="Images that are few."
)
@click.option(
    "--validation",
    type=click.IntRange(2),
    default=4,
    show_default=True,
    help="Images that choose the model which is kept.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=click.Choice(_SCENARIOS),
    help="Only this one; repeatable.",
)
@click.option(
    "--set", "assignments", multiple=True, metavar="PATH=VALUE", help="Part of the recipe."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed."
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Of torch, on the CPU."
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def protocol(
    data: Path,
    out: Path,
    name: str,
    folds: int,
    few: int,
    validation: int,
    scenarios: tuple[str, ...],
    assignments: tuple[str, ...],
    seed: int,
    threads: int,
    quiet: bool,
) -> None:
    """Measure what cGAN-Seg gains on few annotated images, by cross-validation."""
    from dermogan.errors import need
    from dermogan.recipe import load_recipe

    need("torch")
    from dermogan.protocol import Plan, as_markdown, carry_out, write

    recipe = load_recipe(name).with_set(assignments)
    plan = Plan(data, recipe, folds, few, validation, seed)
    say = (lambda _: None) if quiet else (lambda line: click.echo(line, err=True))
    chosen = scenarios or _SCENARIOS
    found = carry_out(plan, out, chosen, threads=threads, quiet=quiet, say=say)
    files = write(found, out)
    click.echo(as_markdown(found), nl=False)
    click.echo(f"{', '.join(path.name for path in files)} -> {out}")
