"""PNG images and one contact sheet, to look at and to show."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from simcell.io.dataset import Dataset
from simcell.io.files import file_name
from simcell.io.preview import contact_sheet
from simcell.io.tiff import picture

SHOWN = 12
"""Samples on the contact sheet, at most."""


def write_png(dataset: Dataset, folder: Path) -> None:
    """Write images/ and sheet.png."""
    (folder / "images").mkdir()
    for place, sample in enumerate(dataset):
        name = file_name(place, len(dataset), "png")
        Image.fromarray(picture(sample)).save(folder / "images" / name)
    shown = dataset[:SHOWN]
    contact_sheet(shown, folder / "sheet.png", title=dataset.header.name, columns=2)
