"""Reading a dataset back, as a sequence of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, overload

import numpy as np
import zarr
from numpy.typing import NDArray

from simcell.arrays import Grid, IntArray, middle
from simcell.errors import SimcellError
from simcell.io.header import Header, read_header
from simcell.io.parts import samples_done
from simcell.io.store import array_file, missing_file
from simcell.sample import Sample
from simcell.scene import Scene

SceneOf = Callable[[int], Scene]
_CACHED_BLOCKS = 4


class Dataset(Sequence[Sample]):
    """Ordered samples on disk; reads like a sequence.

    Samples are read when asked for. A slice is again a dataset, and reads nothing.
    Two arrays of a `Sample` are not stored and come back as None: ``region`` and
    ``pattern``; simulate the sample's scene again to have them.

    Parameters
    ----------
    path : str or Path
        Folder of a complete dataset.
    scenes : callable
        Takes the header; returns the function that makes the scene of an index.

    Raises
    ------
    SimcellError
        Where the dataset is incomplete or damaged; the text names the file.
    """

    def __init__(self, path: str | Path, scenes: Callable[[Header], SceneOf]) -> None:
        self.path = Path(path)
        self.header = read_header(self.path)
        if not self.header.complete:
            msg = (
                f"{self.path}: incomplete, {samples_done(self.path, self.header)} of "
                f"{self.header.n} samples are done; run generate again with --resume"
            )
            raise SimcellError(msg)
        self._scene_of = scenes(self.header)
        self._indices = range(self.header.n)
        self._arrays = {name: self._open(name) for name in self._expected()}
        self._check_lengths()
        self._blocks: dict[int, dict[str, NDArray[Any]]] = {}

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._indices)

    @overload
    def __getitem__(self, item: int) -> Sample: ...
    @overload
    def __getitem__(self, item: slice) -> Dataset: ...
    def __getitem__(self, item: int | slice) -> Sample | Dataset:
        """Return one sample, or a dataset of some of them."""
        if isinstance(item, slice):
            part = copy(self)
            part._indices = self._indices[item]
            return part
        return self._sample(self._indices[item])

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples in order."""
        return (self._sample(index) for index in self._indices)

    def __repr__(self) -> str:
        """Say what this is, without reading it."""
        return f"<Dataset {self.path}: {len(self)} samples of {self.header.name!r}>"

    @property
    def attrs(self) -> dict[str, Any]:
        """Preset, seed, number of samples, versions, spacing and layout."""
        return self.header.model_dump()

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of objects of every sample."""
        offset = self._rows("objects/offset", slice(None))
        return np.asarray(np.diff(offset)[self._indices], np.int64)

    def read(self, name: str, item: int) -> NDArray[Any]:
        """Return one stored array of one sample as it lies on disk: the fast way.

        Parameters
        ----------
        name : str
            ``"image"``, ``"prior"``, ``"labels"`` or ``"classes"``.
        item : int
            Position in this dataset.
        """
        self._check_name(name)
        return self._rows(name, self._indices[item])

    def band(self, name: str, item: int, rows: range) -> NDArray[Any]:
        """Return some rows along y of one stored array of one sample.

        Parameters
        ----------
        name : str
            ``"image"``, ``"prior"``, ``"labels"`` or ``"classes"``.
        item : int
            Position in this dataset.
        rows : range
            Rows in steps of one; whole bands of ``attrs["rows"]`` are read fastest.
        """
        self._check_name(name)
        array, index = self._arrays[name], self._indices[item]
        held = self.header.rows or self.header.height
        shard = index // self.header.shard * self.header.bands + rows.start // held
        with self._damage(array_file(self.path, self.header, name, shard)):
            return np.asarray(array[index, ..., rows.start : rows.stop, :])

    def excerpt(self, item: int, side: int = 512) -> Sample:
        """Return the middle of one sample, as `simcell.stages.excerpt` does."""
        *depth, height, width = self.header.arrays["labels"].shape
        rows, columns = middle(height, side), middle(width, side)
        index = self._indices[item]
        made: dict[str, Any] = {
            name: self.band(name, item, rows)[..., columns.start : columns.stop]
            for name in self.header.arrays
        }
        made["labels"] = made["labels"].astype(np.int32)
        scene = self._scene_of(index)
        grid = Grid((*depth, len(rows), len(columns)), scene.frame.grid.spacing_um)
        return Sample(scene, self.header.seed, index, grid, versions=self.header.versions, **made)

    def _check_name(self, name: str) -> None:
        if name not in self.header.arrays:
            held = ", ".join(self.header.arrays)
            msg = f"{self.path}: no array {name!r}; this dataset holds {held}"
            raise SimcellError(msg)

    def array(self, name: str) -> zarr.Array[Any]:
        """Return one stored array of all samples on disk (n, ...), read where it is indexed.

        Parameters
        ----------
        name : str
            As for `read`.
        """
        return self._arrays[name]

    def objects(self, item: int) -> NDArray[np.void]:
        """Return the objects table of one sample, without its arrays."""
        return self._objects(self._indices[item])

    def spacing_um(self, item: int) -> tuple[float, ...]:
        """Return the size of a pixel of one sample along each axis."""
        shard, at = divmod(self._indices[item], self.header.shard)
        return tuple(self._block(shard)["spacing_um"][at].tolist())

    def number(self, item: int) -> int:
        """Return the index that a sample was simulated with."""
        return self._indices[item]

    def drawn(self, name: str) -> list[Any]:
        """Return the values that a varied number took, one per sample.

        Parameters
        ----------
        name : str
            Dotted path, one of ``attrs["drawn"]``.
        """
        if name not in self.header.drawn:
            varied = ", ".join(self.header.drawn) or "nothing"
            msg = f"{self.path}: {name!r} is not varied; the preset varies {varied}"
            raise SimcellError(msg)
        column: list[Any] = self._rows(f"drawn/{name}", slice(None)).tolist()
        attributes: dict[str, Any] = self._arrays[f"drawn/{name}"].attrs.asdict()
        coded = attributes.get("values")
        if coded is not None:
            column = [coded[code] for code in column]
        return [column[index] for index in self._indices]

    def _sample(self, index: int) -> Sample:
        tables = self._block(index // self.header.shard)
        at = index % self.header.shard
        pairs = slice(*tables["adjacency/offset"][at : at + 2])
        arrays = {name: self._rows(name, index) for name in self.header.arrays}
        labels: IntArray = arrays["labels"].astype(np.int32)
        spacing = tuple(tables["spacing_um"][at].tolist())
        try:
            return Sample(
                scene=self._scene_of(index),
                seed=self.header.seed,
                index=index,
                grid=Grid(labels.shape, spacing),
                labels=labels,
                prior=arrays.get("prior"),
                classes=arrays.get("classes"),
                image=arrays.get("image"),
                objects=self._objects(index),
                adjacency=tables["adjacency/pairs"][pairs],
                versions=self.header.versions,
            )
        except AssertionError as error:
            msg = f"{self.path}: sample {index} is damaged: {error}; make the dataset again"
            raise SimcellError(msg) from error

    def _objects(self, index: int) -> NDArray[np.void]:
        shard, at = divmod(index, self.header.shard)
        tables = self._block(shard)
        rows = slice(*tables["objects/offset"][at : at + 2])
        columns = list(self.header.columns.items())
        objects = np.empty(rows.stop - rows.start, np.dtype(columns))
        for name, _ in columns:
            objects[name] = tables[f"objects/{name}"][rows]
        return objects

    def _block(self, shard: int) -> dict[str, NDArray[Any]]:
        """Return `_read_block`, remembering the latest few."""
        block = self._blocks.get(shard)
        if block is None:
            block = self._read_block(shard)
            while len(self._blocks) >= _CACHED_BLOCKS:
                self._blocks.pop(next(iter(self._blocks)))
            self._blocks[shard] = block
        return block

    def _read_block(self, shard: int) -> dict[str, NDArray[Any]]:
        """Read the table rows of one shard's samples; offsets count from its first row."""
        indices = self.header.indices(shard * self.header.bands)
        tables = {"spacing_um": self._rows("spacing_um", slice(indices.start, indices.stop))}
        for group, columns in (("objects", list(self.header.columns)), ("adjacency", ["pairs"])):
            offset = self._rows(f"{group}/offset", slice(indices.start, indices.stop + 1))
            rows = slice(int(offset[0]), int(offset[-1]))
            tables[f"{group}/offset"] = offset - offset[0]
            for name in columns:
                tables[f"{group}/{name}"] = self._rows(f"{group}/{name}", rows)
                tables[f"{group}/{name}"].flags.writeable = False
        return tables

    def _expected(self) -> list[str]:
        """Name every array that a complete dataset of this header has."""
        return [
            *self.header.arrays,
            *(f"objects/{name}" for name in ("offset", *self.header.columns)),
            *(f"adjacency/{name}" for name in ("offset", "pairs")),
            *(f"drawn/{name}" for name in self.header.drawn),
            "spacing_um",
        ]

    def _open(self, name: str) -> zarr.Array[Any]:
        where = self.path / name
        with self._damage(where / "zarr.json"):
            array = zarr.open_array(where, mode="r")
            missing = missing_file(where, array)
        if missing is not None:
            msg = f"{missing}: missing or empty; {_REMAKE}"
            raise SimcellError(msg)
        return array

    def _check_lengths(self) -> None:
        for name, array in self._arrays.items():
            group = name.partition("/")[0]
            if name.endswith("/offset"):
                rows = self.header.n + 1
            elif group in ("objects", "adjacency"):
                rows = int(self._rows(f"{group}/offset", -1))
            else:
                rows = self.header.n
            if array.shape[0] != rows:
                msg = f"{self.path / name}: {array.shape[0]} rows, {rows} expected; {_REMAKE}"
                raise SimcellError(msg)

    def _rows(self, name: str, rows: int | slice) -> NDArray[Any]:
        first = rows if isinstance(rows, int) else rows.start or 0
        array = self._arrays[name]
        whole = array.shards or array.chunks
        key = [first % max(array.shape[0], 1) // whole[0], *[0] * (array.ndim - 1)]
        with self._damage(self.path.joinpath(name, "c", *map(str, key))):
            return np.asarray(array[rows])

    @contextmanager
    def _damage(self, file: Path) -> Iterator[None]:
        """Name the file that cannot be read, whatever the reason."""
        try:
            yield
        except (ValueError, KeyError, TypeError, RuntimeError, OSError) as error:
            found = "missing" if not file.exists() else f"damaged ({str(error)[:100]})"
            msg = f"{file}: {found}; {_REMAKE}"
            raise SimcellError(msg) from error


_REMAKE = "restore the file, or make the dataset again"
