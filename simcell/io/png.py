"""PNG images and one contact sheet, to look at and to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from simcell.io.dataset import Dataset
from simcell.io.files import file_name
from simcell.io.preview import contact_sheet, tinted
from simcell.io.tiff import picture
from simcell.sample import Sample

SHOWN = 12
"""Samples on the contact sheet, at most."""


def write_png(dataset: Dataset, folder: Path) -> None:
    """Write images/ and sheet.png."""
    (folder / "images").mkdir()
    for place, sample in enumerate(dataset):
        name = file_name(place, len(dataset), "png")
        Image.fromarray(flat_picture(sample)).save(folder / "images" / name)
    shown = dataset[:SHOWN]
    contact_sheet(shown, folder / "sheet.png", title=dataset.header.name, columns=2)


def flat_picture(sample: Sample) -> NDArray[Any]:
    """Return the picture of a flat sample, (y, x), or (y, x, 3) where it has channels."""
    chosen = picture(sample)
    return chosen if chosen.ndim == sample.grid.ndim else tinted(chosen)
