"""The command ``imagine``: parses, calls, prints."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simcell import SimcellError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dermogan.imagine import Labels


@click.command(
    epilog="""\b
Examples:
  dermogan imagine run --masks my-cells/masks -o made
  dermogan imagine run --preset dense -n 50 -o made       cells denser than any annotated
  dermogan imagine run --preset colony --set 'frame.shape=[256, 256]' -n 50 -o made
  dermogan imagine run --masks my-cells/masks --real my-cells/images -o made     FID and KID

The run is one of the recipe cgan-seg. Writes images/ and masks/, which `dermogan train` takes as
annotated images."""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--masks", type=click.Path(path_type=Path), help="Folder of label images.")
@click.option("--preset", metavar="NAME|FILE", help="Cells to simulate, in place of masks.")
@click.option(
    "--set", "assignments", multiple=True, metavar="PATH=VALUE", help="Part of the preset."
)
@click.option("-n", "count", type=click.IntRange(1), help="Images.  [all masks; 10 of a preset]")
@click.option("--real", type=click.Path(path_type=Path), help="Folder of images to compare with.")
@click.option(
    "--weights",
    default="confluent",
    show_default=True,
    help="What compares them: VGG weights of torchvision (.pth), or a model.",
)
@click.option(
    "--square",
    type=click.IntRange(16),
    default=64,
    show_default=True,
    help="Side of what is compared, in px.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed."
)
def imagine(
    run: Path,
    out: Path,
    masks: Path | None,
    preset: str | None,
    assignments: tuple[str, ...],
    count: int | None,
    real: Path | None,
    weights: str,
    square: int,
    seed: int,
) -> None:
    """Make images of masks, in the look of the images that a run of cgan-seg learnt from."""
    from dermogan.errors import need

    if (masks is None) == (preset is None):
        msg = "imagine: needs --masks or --preset, and not both"
        raise SimcellError(msg)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"{out}: exists already; choose another --out"
        raise SimcellError(msg)
    need("torch")
    from dermogan.imagine import Maker, write

    maker, made = Maker.of(run), []
    for index, (name, labels) in enumerate(_given(masks, preset, assignments, count, seed)):
        made.append(maker.image(labels, seed, index))
        write(out, name, made[-1], labels)
    click.echo(f"{len(made)} images -> {out}")
    if real is not None:
        from dermogan.fidelity import fidelity
        from dermogan.images import image_files
        from dermogan.perceptual import features

        found = fidelity(maker.normalised(image_files(real)), made, features(weights), square)
        click.echo(
            f"FID {found.fid:.3f}, KID {found.kid:.4f} by {found.by}; "
            f"{found.squares[0]} real and {found.squares[1]} made squares"
        )


def _given(
    masks: Path | None,
    preset: str | None,
    assignments: tuple[str, ...],
    count: int | None,
    seed: int,
) -> Iterator[tuple[str, Labels]]:
    """Return names and label images."""
    from dermogan.imagine import masks_of_folder, masks_of_preset
    from simcell import load_preset

    if masks is not None:
        if assignments:
            msg = f"--set {assignments[0]}: goes with --preset"
            raise SimcellError(msg)
        return islice(masks_of_folder(masks), count)
    assert preset is not None
    chosen = load_preset(preset).with_set(assignments)
    return iter(masks_of_preset(chosen, count or 10, seed))
