"""What a run leaves to look at: the log, the pictures, the progress bar."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dermogan.files import naming, write_whole
from dermogan.filters import FloatImage

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Picture = NDArray[np.uint8]

_SMOOTH = 0.95


class Log:
    """``log.csv``: a row for every step, with the losses, and the score where there is one.

    Parameters
    ----------
    path : Path
    first : int
        First step to come; rows from there on, of a run that was cut off, are dropped.
    """

    def __init__(self, path: Path, first: int) -> None:
        self._path = path
        rows: list[list[str]] = []
        if first and path.exists():
            with path.open(newline="", encoding="utf-8") as old:
                rows = _whole(list(csv.reader(old)), first)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_whole(path, text.getvalue().encode())
        self._columns = rows[0][1:-1] if rows else []

    def row(self, step: int, losses: dict[str, float], score: float | None) -> None:
        """Add the row of a step, counted from 1."""
        if not set(losses) <= set(self._columns):
            self._widen(losses)
        with naming(self._path), self._path.open("a", newline="", encoding="utf-8") as file:
            out = csv.writer(file, lineterminator="\n")
            values = [f"{losses[name]:.6g}" if name in losses else "" for name in self._columns]
            out.writerow([step, *values, "" if score is None else f"{score:.6g}"])

    def _widen(self, losses: dict[str, float]) -> None:
        """Add columns for losses that are new, as after a start on pairs alone."""
        with self._path.open(newline="", encoding="utf-8") as old:
            rows = list(csv.DictReader(old))
        self._columns += [name for name in losses if name not in self._columns]
        text = io.StringIO()
        out = csv.DictWriter(text, ["step", *self._columns, "score"], lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
        write_whole(self._path, text.getvalue().encode())


def _whole(rows: list[list[str]], last: int) -> list[list[str]]:
    """Keep the head and the rows up to a step, but none that a full disk cut off."""
    kept = rows[:1]
    for row in rows[1:]:
        if len(row) == len(kept[0]) and row[0].isdecimal() and int(row[0]) <= last:
            kept.append(row)
    return kept


def panel(rows: Sequence[Sequence[FloatImage]]) -> Picture:
    """Draw rows of pictures, each stretched to its own range; of volumes, a plane.

    Pictures that are smaller than the largest are drawn in its upper left corner.
    """
    greys = [[_grey(picture) for picture in row] for row in rows]
    sides = np.max([grey.shape for row in greys for grey in row], axis=0)
    for row in greys:
        row[:] = [
            np.pad(grey, [(0, side - n) for side, n in zip(sides, grey.shape, strict=True)])
            for grey in row
        ]
    return np.concatenate([np.concatenate(row, axis=1) for row in greys])


def png(picture: Picture) -> bytes:
    """Return a picture as a PNG file."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    return content.getvalue()


def _grey(picture: FloatImage) -> Picture:
    picture = picture[len(picture) // 2] if picture.ndim == 3 else picture
    low, high = float(picture.min()), float(picture.max())
    low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (min(low, -1.0), max(high, 1.0))
    grey = np.clip((picture - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    return np.pad(grey, 1, constant_values=128)


class Board:
    """The log again for TensorBoard: losses, scores and pictures, below ``tensorboard/``.

    Decision: a run that goes on writes a file of its own beside the first one, which says
    from which step it is; TensorBoard drops what was there of that step and later ones.

    Parameters
    ----------
    folder : Path
    first : int
        Steps done.
    on : bool
        False = nothing is written.
    """

    def __init__(self, folder: Path, first: int, *, on: bool) -> None:
        self._writer: Any = None
        if on:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder), purge_step=first + 1 if first else None)

    def row(self, step: int, losses: dict[str, float], score: float | None) -> None:
        """Add the values of a step, counted from 1."""
        if self._writer is None:
            return
        for name, value in losses.items():
            self._writer.add_scalar(f"loss/{name}", value, step)
        if score is not None:
            self._writer.add_scalar("validation/score", score, step)

    def picture(self, name: str, picture: Picture, step: int) -> None:
        """Add a picture of a step."""
        if self._writer is not None:
            self._writer.add_image(name, picture, step, dataformats="HW")

    def flush(self) -> None:
        """Bring all of it to the disk."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()


class Bar:
    """Progress with losses and the time left, on a terminal; nothing elsewhere."""

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress, self._task = progress, task
        self._smooth: dict[str, float] = {}

    def step(self, losses: dict[str, float]) -> None:
        """Go on by one step."""
        for name, value in losses.items():
            old = self._smooth.get(name, value)
            self._smooth[name] = _SMOOTH * old + (1 - _SMOOTH) * value
        if self._progress is not None and self._task is not None:
            text = " ".join(f"{name} {value:.3f}" for name, value in self._smooth.items())
            self._progress.update(self._task, advance=1, losses=text)

    def say(self, line: str) -> None:
        """Print a line above the bar, or on a plain output."""
        if self._progress is not None:
            self._progress.console.print(line, highlight=False)
        else:
            sys.stderr.write(f"{line}\n")


class Silent(Bar):
    """Says nothing."""

    def __init__(self) -> None:
        super().__init__(None, None)

    def say(self, line: str) -> None:
        """Say nothing."""


@contextmanager
def bar(name: str, first: int, steps: int, *, quiet: bool) -> Iterator[Bar]:
    """Open a progress bar on stderr; on a plain output only lines appear."""
    if quiet:
        yield Silent()
        return
    if not sys.stderr.isatty():
        yield Bar(None, None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Shown

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with Shown(*columns, console=Console(stderr=True)) as progress:
        yield Bar(progress, progress.add_task(name, total=steps, completed=first, losses=""))
