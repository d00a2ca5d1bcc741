"""The objects of all samples of an export, as one CSV file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simcell.io.dataset import Dataset


@contextmanager
def objects_csv(dataset: Dataset, folder: Path) -> Iterator[Callable[[int, str], None]]:
    """Open objects.csv: one row a label, with the file and the index of its sample.

    Parameters
    ----------
    dataset : Dataset
        Whose tables are read, one sample at a time.
    folder : Path
        Where the file goes.

    Yields
    ------
    callable
        Takes the place of a sample in the dataset and the name of its files; writes
        its rows. Called beside the sample's arrays, it finds the tables read already.
    """
    with (folder / "objects.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "index", *dataset.header.columns])

        def add(place: int, name: str) -> None:
            rows: list[tuple[Any, ...]] = dataset.objects(place).tolist()
            table.writerows([name, dataset.number(place), *row] for row in rows)

        yield add
