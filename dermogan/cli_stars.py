"""The command ``train-stardist``: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    epilog="""\b
Examples:
  dermogan train-stardist -o mine.safetensors
  dermogan train-stardist -o mine.safetensors --steps 6000 --seed 1
  dermogan segment images/ -m confluent -o cells --split stardist --weights mine.safetensors

Without options it makes the model that is shipped (`dermogan models stardist`), up to what
another processor or library rounds otherwise. Needs pip install stardist tensorflow."""
)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="Model file to write."
)
@click.option("--steps", type=click.IntRange(1), default=1500, show_default=True)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed."
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Of TensorFlow."
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def train_stardist(
    out: Path, steps: int, seed: int, threads: int, overwrite: bool, quiet: bool
) -> None:
    """Train a StarDist model that splits cells, on simulated cells alone."""
    from dermogan.cards import SUFFIX
    from dermogan.errors import DermoganError

    if out.suffix != SUFFIX:
        msg = f"--out {out}: models end in {SUFFIX}; try {out.with_suffix(SUFFIX)}"
        raise DermoganError(msg)
    if out.exists() and not overwrite:
        msg = f"{out}: exists already; choose another --out or add --overwrite"
        raise DermoganError(msg)
    from dermogan.report import bar
    from dermogan.startrain import Plan, train_stars

    with bar(out.stem, 0, steps, quiet=quiet) as shown:
        card = train_stars(Plan(steps=steps, seed=seed), out, threads=threads, report=shown.step)
    found = card["thresholds"]
    click.echo(
        f"{out}  {out.stat().st_size / 1e6:.2f} MB  {60 * card['cpu_hours']:.1f} CPU min  "
        f"thresholds: probability {found['prob']:.2f}, overlap {found['nms']:.2f}"
    )
