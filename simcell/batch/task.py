"""The unit of work: simulate one shard of a dataset and write it.

Decision: a task carries text and numbers only, and addresses samples by index. Any
process that sees the folder can do any shard, twice if need be, to the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

import cv2

from simcell.errors import SimcellError
from simcell.io.dataset import Dataset, SceneOf
from simcell.io.header import Header
from simcell.io.parts import Drawn, tables_of, write_band, write_shard
from simcell.preset import Preset
from simcell.sample import Sample
from simcell.scene import IN_BANDS, Scene
from simcell.stages import Canvas, lay_out, simulate, versions

WHOLE_PIXELS = 2**23
"""Samples of more pixels are stored in bands, where their cells can be."""


class SampleError(SimcellError):
    """One sample of the preset cannot be made, now or ever."""


@dataclass(frozen=True)
class Task:
    """A dataset in the making; call it with the number of a shard to make that shard.

    Attributes
    ----------
    path : Path
        Folder of the dataset; its skeleton exists.
    header : Header
        What the dataset is to hold.
    first : Sample, optional
        Sample 0, which was simulated to plan the dataset; spares doing it again.
    """

    path: Path
    header: Header
    first: Sample | None = None

    def __call__(self, shard: int) -> int:
        """Make one shard and return its number."""
        check_versions(self.header)
        with one_thread():
            if self.header.rows is None:
                write_shard(self.path, self.header, shard, self._samples(shard))
            else:
                self._band(shard)
        return shard

    def _band(self, shard: int) -> None:
        """Paint and write one band; a sample's tables go with its first one."""
        header = self.header
        index = header.indices(shard)[0]
        canvas = laid_out(header.preset, header.seed, index)
        tables = None
        if shard % header.bands == 0:
            layout, spacing = canvas.layout, canvas.grid.spacing_um
            drawn = preset_of(header.preset).draw(seed=header.seed, index=index)
            tables = tables_of(layout.objects, layout.adjacency, spacing, drawn, header)
        write_band(self.path, header, shard, canvas.paint(header.band(shard)), tables)

    def _samples(self, shard: int) -> Iterator[tuple[Sample, Drawn]]:
        text, seed = self.header.preset, self.header.seed
        for index in self.header.indices(shard):
            if index == 0 and self.first is not None:
                yield self.first, preset_of(text).draw(seed=seed, index=0)
            else:
                yield make(text, seed, index)


def make(text: str, seed: int, index: int) -> tuple[Sample, Drawn]:
    """Simulate one sample of the preset with this canonical text."""
    preset = preset_of(text)
    drawn = preset.draw(seed=seed, index=index)
    with _named(index, drawn):
        return simulate(preset.scene_with(drawn), seed=seed, index=index), drawn


@lru_cache(maxsize=1)
def laid_out(text: str, seed: int, index: int) -> Canvas:
    """Lay out one sample that is stored in bands, once for all its bands in a row."""
    preset = preset_of(text)
    drawn = preset.draw(seed=seed, index=index)
    with _named(index, drawn), one_thread():
        return lay_out(preset.scene_with(drawn), seed=seed, index=index)


def stored_in_bands(scene: Scene) -> bool:
    """Tell whether a sample is painted and stored in bands."""
    return scene.cells.kind in IN_BANDS and prod(scene.frame.shape) > WHOLE_PIXELS


@contextmanager
def _named(index: int, drawn: Drawn) -> Iterator[None]:
    """Say which sample cannot be made, and with what numbers."""
    try:
        yield
    except SimcellError as error:
        values = ", ".join(f"{path} = {_short(value)}" for path, value in drawn.items())
        msg = f"sample {index} cannot be made: {error}{f' (drawn: {values})' if values else ''}"
        raise SampleError(msg) from error


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@lru_cache(maxsize=4)
def preset_of(text: str) -> Preset:
    """Parse the canonical text of a preset, once per process."""
    return Preset.from_text(text)


def check_versions(header: Header) -> None:
    """Refuse to add samples that another version's samples would not equal."""
    for name, here in versions().items():
        there = header.versions.get(name)
        if there != here:
            msg = (
                f"versions differ: the dataset is made with {name} {there}, this is {here}; "
                f"install {name} {there}, or start again with --overwrite"
            )
            raise SimcellError(msg)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep OpenCV to one thread: a worker is one core, and workers share the machine."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C be Ctrl-C: inside a compiled kernel it surfaces as a SystemError."""
    try:
        yield
    except SystemError as error:
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise


@dataclass(frozen=True)
class _Replay:
    """Makes the scene of an index; can be sent to another process."""

    text: str
    seed: int

    def __call__(self, index: int) -> Scene:
        return preset_of(self.text).scene(seed=self.seed, index=index)


def _scenes(header: Header) -> SceneOf:
    return _Replay(header.preset, header.seed)


def open_dataset(path: str | Path) -> Dataset:
    """Open a dataset that `generate` made.

    Parameters
    ----------
    path : str or Path
        Its folder.

    Returns
    -------
    Dataset
        A sequence of samples, read when asked for.

    Raises
    ------
    SimcellError
        Where there is no complete and undamaged dataset; the text names the file.
    """
    return Dataset(path, _scenes)
