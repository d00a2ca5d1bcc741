"""Datasets in the layouts that other tools read.

Decision: an export streams one sample at a time into a folder beside its place,
which is renamed once it is whole. Nobody trains on half an export, and an
interrupted one simply starts again from the dataset.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from pydantic import BaseModel, ConfigDict

from simcell.errors import SimcellError
from simcell.io.coco import write_coco
from simcell.io.dataset import Dataset
from simcell.io.files import PARTIAL, explained, flush_tree, remove_tree
from simcell.io.header import Header
from simcell.io.ome_tiff import write_ome_tiff
from simcell.io.ome_zarr import write_ome_zarr
from simcell.io.outputs import CARD, FORMATS, Format, check_sides, check_writable, remove_output
from simcell.io.png import write_png
from simcell.io.tiff import write_stardist, write_tiff


def export(dataset: Dataset, out: str | Path, format: Format, *, overwrite: bool = False) -> Path:
    """Write a dataset in another layout.

    Parameters
    ----------
    dataset : Dataset
        What to write; a slice of a dataset works too.
    out : str or Path
        Folder to make.
    format : {"ome-zarr", "ome-tiff", "tiff", "stardist", "coco", "png"}
        ``ome-zarr``: images/ with one OME-Zarr 0.5 image a sample, its labels inside,
        and priors/. ``ome-tiff``: images/, priors/ and labels/ with units and pyramids
        for Fiji and QuPath. ``tiff``: the same as plain files that ImageJ
        opens with their scale. These three hold objects.csv. ``stardist``: images/ and
        masks/, as StarDist and Cellpose train on. ``coco``: images/ and
        annotations.json with one mask a cell. ``png``: images/ and a contact sheet.
        The last two are for flat images alone. All hold preset.yaml.
    overwrite : bool
        Replace an earlier output of simcell.

    Returns
    -------
    Path
        The folder.
    """
    out = Path(out)
    if format not in FORMATS or format == "zarr":
        msg = f"format = {format!r}: use one of {', '.join(FORMATS[1:])}"
        raise SimcellError(msg)
    check_sides(format, dataset.header.arrays["labels"].shape)
    check_writable(out, overwrite=overwrite)
    unfinished = out.with_name(f".{out.name}{PARTIAL}")
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        remove_tree(unfinished)
        try:
            unfinished.mkdir()
            _write(dataset, unfinished, format)
            _write_origin(dataset, unfinished, format)
            flush_tree(unfinished)
            remove_output(out)
            unfinished.rename(out)
        except BaseException:
            remove_tree(unfinished)
            raise
    return out


class Card(BaseModel):
    """What an export says about itself, in simcell.json."""

    model_config = ConfigDict(frozen=True)

    format: Format
    samples: int
    objects: int
    dataset: Header


def read_card(folder: Path) -> Card:
    """Read what an export says about itself."""
    file = folder / CARD
    try:
        return Card.model_validate_json(file.read_bytes())
    except (OSError, ValueError) as error:
        msg = f"{file}: cannot be read; make the export again with --overwrite"
        raise SimcellError(msg) from error


def _write_origin(dataset: Dataset, folder: Path, format: Format) -> None:
    (folder / "preset.yaml").write_text(dataset.header.preset, "utf-8")
    objects = int(dataset.counts.sum())
    card = Card(format=format, samples=len(dataset), objects=objects, dataset=dataset.header)
    (folder / CARD).write_text(card.model_dump_json(indent=1), "utf-8")


def _write(dataset: Dataset, folder: Path, format: Format) -> None:
    match format:
        case "ome-zarr":
            write_ome_zarr(dataset, folder)
        case "ome-tiff":
            write_ome_tiff(dataset, folder)
        case "tiff":
            write_tiff(dataset, folder)
        case "stardist":
            write_stardist(dataset, folder)
        case "coco":
            write_coco(dataset, folder)
        case "png":
            write_png(dataset, folder)
        case "zarr":
            raise AssertionError
        case _:
            assert_never(format)
