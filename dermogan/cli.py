"""The command line: parses, calls the public API, prints.

Everything heavy is imported inside the command that needs it, so that
``dermogan --help`` answers at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dermogan import __version__
from dermogan.cli_activations import activations
from dermogan.cli_benchmark import benchmark
from dermogan.cli_evaluate import evaluate
from dermogan.cli_export import export
from dermogan.cli_imagine import imagine
from dermogan.cli_models import models, pack
from dermogan.cli_protocol import protocol
from dermogan.cli_segment import segment
from dermogan.cli_stars import train_stardist
from dermogan.cli_volumes import benchmark_volumes
from simcell.commands import Commands

if TYPE_CHECKING:
    from dermogan.trainer import Summary


@click.group(
    cls=Commands,
    program="dermogan",
    resumes="train",
    smaller="smaller patches, batches or tiles",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  dermogan recipes                                    what there is
  dermogan recipes supervised --yaml > mine.yaml      a start for a recipe of your own
  dermogan train --recipe supervised -o run           a model in run/model.safetensors
  dermogan segment images/ -m run/model.safetensors -o cells
  dermogan evaluate cells/labels truth/               F1 by IoU, d-accuracy, ...""",
)
@click.version_option(__version__, prog_name="dermogan")
def main() -> None:
    """Learn from simulated tissue to segment real images."""


main.add_command(segment)
main.add_command(evaluate)
main.add_command(benchmark)
main.add_command(benchmark_volumes)
main.add_command(models)
main.add_command(pack)
main.add_command(export)
main.add_command(activations)
main.add_command(train_stardist)
main.add_command(protocol)
main.add_command(imagine)


@main.command(
    epilog="""\b
Examples:
  dermogan train --recipe supervised -o run
  dermogan train --recipe supervised -o run --resume            after Ctrl-C, or a power cut
  dermogan train --recipe dermogan --images my-images -o run    learn the look of your own
  dermogan train --recipe supervised --preset my-tissue.yaml -o run    simcell fit writes presets
  dermogan train --recipe mine.yaml -o run --steps 20000 --seed 1
  dermogan train --recipe dermogan-paper -o run --accelerator cuda --precision bf16-mixed"""
)
@click.option(
    "--recipe",
    "name",
    metavar="NAME|FILE",
    required=True,
    help="Shipped recipe, recipe in $DERMOGAN_RECIPES, or YAML file.",
)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of your own images, unlabelled, in place of the recipe's.",
)
@click.option(
    "--preset",
    metavar="NAME|FILE",
    help="Tissue to simulate, in place of the recipe's; as it is in the preset.",
)
@click.option(
    "--weights",
    metavar="FILE|MODEL",
    help="What compares images in cgan-seg: VGG weights of torchvision (.pth), or a model.",
)
@click.option("--steps", type=click.IntRange(1), help="Instead of the recipe's budget.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace the run in the folder.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed."
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Of torch, on the CPU."
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="PATH=VALUE",
    help="Override one number of the recipe; repeatable.",
)
@click.option(
    "--accelerator",
    type=click.Choice(["cpu", "cuda", "mps", "auto"]),
    default="cpu",
    show_default=True,
    help="What computes.",
)
@click.option(
    "--devices", type=click.IntRange(1), default=1, show_default=True, help="How many of them."
)
@click.option(
    "--strategy",
    type=click.Choice(["auto", "ddp", "ddp_spawn"]),
    default="auto",
    show_default=True,
    help="How several devices work together.",
)
@click.option(
    "--precision",
    type=click.Choice(["32-true", "bf16-mixed"]),
    default="32-true",
    show_default=True,
    help="Of the arithmetic.",
)
@click.option(
    "--tensorboard/--no-tensorboard",
    default=None,
    help="A log for TensorBoard beside the CSV.  [default: where it is installed]",
)
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def train(
    name: str,
    out: Path,
    images: Path | None,
    preset: str | None,
    weights: str | None,
    steps: int | None,
    resume: bool,
    overwrite: bool,
    seed: int,
    threads: int,
    assignments: tuple[str, ...],
    accelerator: str,
    devices: int,
    strategy: str,
    precision: str,
    tensorboard: bool | None,
    quiet: bool,
) -> None:
    """Train what a recipe says; keep the model that is best in validation, or the last."""
    from dermogan.errors import DermoganError
    from dermogan.recipe import load_recipe

    recipe = load_recipe(name)
    if preset is not None:
        recipe = recipe.with_preset(preset)
    if images is not None:
        if recipe.data.images is None:
            msg = f"--images {images}: the recipe {recipe.name} learns from simulated pairs alone"
            raise DermoganError(f"{msg}; try --recipe dermogan")
        folder = json.dumps({"kind": "folder", "path": str(images)})  # JSON is YAML too
        recipe = recipe.with_set([f"data.images={folder}"])
    if weights is not None:
        if recipe.system.kind != "cgan-seg":
            msg = f"--weights {weights}: the recipe {recipe.name} takes none; leave it out"
            raise DermoganError(msg)
        recipe = recipe.with_set([f"system.perceptual={json.dumps(weights)}"])
    recipe = recipe.with_set(assignments)
    if steps is not None:
        recipe = recipe.with_set([f"budget.steps={steps}"])
    import dermogan

    summary = dermogan.train(
        recipe,
        out,
        seed=seed,
        resume=resume,
        overwrite=overwrite,
        threads=threads,
        accelerator=accelerator,
        devices=devices,
        strategy=strategy,
        precision=precision,
        tensorboard=tensorboard,
        quiet=quiet,
    )
    if not quiet:
        click.echo(_in_words(summary))


def _in_words(summary: Summary) -> str:
    return (
        f"model    {summary.path}\n"
        f"score    {summary.score:.3f} at step {summary.best_step} of {summary.steps}\n"
        f"time     {summary.seconds:.0f} s; {summary.start_s:.0f} s until the first batch, "
        f"{summary.wait_share:.1%} of the rest waiting for batches"
    )


@main.command(
    epilog="""\b
Examples:
  dermogan recipes
  dermogan recipes supervised
  dermogan recipes supervised --yaml > mine.yaml"""
)
@click.argument("name", required=False)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print it as a YAML file, defaults included.")
def recipes(name: str | None, as_yaml: bool) -> None:
    """List recipes, or show one."""
    from dermogan.errors import DermoganError
    from dermogan.recipe import load_recipe, recipe_files

    if name is not None:
        recipe = load_recipe(name)
        about = "" if as_yaml else f"{recipe.name}: {recipe.about}\n\n"
        click.echo(about + recipe.text, nl=False)
        return
    if as_yaml:
        msg = "recipes: --yaml needs a NAME; see `dermogan recipes`"
        raise DermoganError(msg)
    for file in recipe_files():
        recipe = load_recipe(file)
        click.echo(f"{recipe.name:<16} {recipe.about}")
