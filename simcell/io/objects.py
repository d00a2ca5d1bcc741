"""The objects of all samples of an export, as one CSV file."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simcell.io.dataset import Dataset


def write_objects(dataset: Dataset, folder: Path, name: Callable[[int], str]) -> None:
    """Write objects.csv: one row a label, with the file and the index of its sample.

    Parameters
    ----------
    dataset : Dataset
        Whose tables are read, one sample at a time.
    folder : Path
        Where the file goes.
    name : callable
        Takes the place of a sample in the dataset; returns the name of its files.
    """
    with (folder / "objects.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "index", *dataset.header.columns])
        for place in range(len(dataset)):
            rows: list[tuple[Any, ...]] = dataset.objects(place).tolist()
            table.writerows([name(place), dataset.number(place), *row] for row in rows)
