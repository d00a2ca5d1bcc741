"""What a dataset says about itself: the attributes of its Zarr group.

Decision: the header is written before the first sample and holds all that a
reader or a resumed run must know, so that no file has to be guessed from another.
``complete`` turns true in the very last write of a run.
"""

from __future__ import annotations

import json
from math import ceil
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simcell.errors import SimcellError
from simcell.sample import Sample

ARRAYS = ("image", "prior", "labels", "classes")
"""Arrays of a sample that a dataset stores; ``image`` and ``classes`` may be absent."""
GROUPS = ("objects", "adjacency", "drawn")
"""Tables of a dataset, one group each."""
PARTS = ".parts"
"""Folder of finished shards' tables, until they are joined."""

Dtype: TypeAlias = Literal["uint8", "uint16", "uint32"]
SHARDS_PER_DATASET = 64
SHARD_SAMPLES = 64
SHARD_BYTES = 64 * 2**20
UINT16_PIXELS = 32 * 2**16
BAND_PIXELS = 2**24
BAND_ROWS = (512, 256, 128, 96, 64, 32)


class ArraySpec(BaseModel):
    """Shape and dtype of one sample's array."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[int, ...]
    dtype: Dtype

    @property
    def nbytes(self) -> int:
        """Bytes of one sample's array in memory."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class Header(BaseModel):
    """Attributes of a dataset.

    Attributes
    ----------
    format_version : int
        Of the layout on disk.
    complete : bool
        Every sample and every table is there.
    name, preset : str
        The preset's name, and its canonical YAML with all overrides.
    seed, n : int
        Seed of the dataset and number of its samples.
    versions : dict of str to str
        Of simcell and numpy, on which bitwise equality depends.
    spacing_um : tuple of float, optional
        Size of a pixel along each axis; None while incomplete, and where samples
        differ. The array ``spacing_um`` (N, ndim) always has it.
    shard : int
        Samples in one shard.
    rows : int, optional
        Rows along y in one shard, where a sample is so large that it is stored in
        bands of rows; None where samples are stored whole.
    arrays : dict of str to ArraySpec
        The arrays of a sample.
    columns : dict of str to str
        Columns of the objects table and their dtypes.
    drawn : tuple of str
        Dotted paths of the numbers that the preset varies.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    complete: bool = False
    name: str
    preset: str
    seed: int = Field(ge=0, lt=2**32)
    n: int = Field(ge=1, lt=2**32)
    versions: dict[str, str]
    spacing_um: tuple[float, ...] | None = None
    shard: int = Field(ge=1)
    rows: int | None = Field(None, ge=1)
    arrays: dict[str, ArraySpec]
    columns: dict[str, str]
    drawn: tuple[str, ...]

    @property
    def height(self) -> int:
        """Rows of a sample along y."""
        return self.arrays["labels"].shape[-2]

    @property
    def bands(self) -> int:
        """Number of bands of a sample: 1 where samples are stored whole."""
        return 1 if self.rows is None else ceil(self.height / self.rows)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return ceil(self.n / self.shard) * self.bands

    def indices(self, shard: int) -> range:
        """Return the indices of the samples in one shard, or of which it holds a band."""
        group = shard // self.bands
        return range(group * self.shard, min((group + 1) * self.shard, self.n))

    def band(self, shard: int) -> range:
        """Return the rows along y that a shard holds."""
        rows = self.rows or self.height
        start = shard % self.bands * rows
        return range(start, min(start + rows, self.height))

    def steps(self, shard: int) -> int:
        """Return how many steps of progress a shard is: its samples, or one for a band."""
        return len(self.indices(shard)) if self.rows is None else 1


def plan(
    *, name: str, preset: str, seed: int, n: int, first: Sample, drawn: tuple[str, ...]
) -> Header:
    """Lay out a dataset of ``n`` samples like ``first``.

    The shard depends on the number and size of the samples alone, never on the
    workers: a dataset has the same bytes whoever made it.
    """
    assert first.labels is not None
    assert first.objects is not None
    assert first.versions is not None
    arrays = {
        key: ArraySpec(shape=array.shape, dtype=_dtype(key, array, array.size))
        for key in ARRAYS
        if (array := getattr(first, key)) is not None
    }
    fitting = SHARD_BYTES // max(sum(spec.nbytes for spec in arrays.values()), 1)
    return Header(
        name=name,
        preset=preset,
        seed=seed,
        n=n,
        versions=first.versions,
        shard=max(1, min(ceil(n / SHARDS_PER_DATASET), fitting, SHARD_SAMPLES)),
        arrays=arrays,
        columns={key: first.objects.dtype[key].str for key in first.objects.dtype.names or ()},
        drawn=drawn,
    )


def plan_in_bands(
    *,
    name: str,
    preset: str,
    seed: int,
    n: int,
    first: dict[str, NDArray[Any]],
    height: int,
    columns: np.dtype[np.void],
    versions: dict[str, str],
    drawn: tuple[str, ...],
) -> Header:
    """Lay out a dataset of ``n`` samples that are stored in bands.

    Parameters
    ----------
    first : dict of str to array
        Some rows of the arrays of sample 0.
    height : int
        All rows of a sample along y.
    columns : dtype
        Of the objects table.
    """
    arrays = {}
    for key in ARRAYS:
        if key in first:
            shape = (*first[key].shape[:-2], height, first[key].shape[-1])
            size = int(np.prod(shape, dtype=np.int64))
            arrays[key] = ArraySpec(shape=shape, dtype=_dtype(key, first[key], size))
    across = int(np.prod(arrays["labels"].shape, dtype=np.int64)) // height
    rows = next((r for r in BAND_ROWS if r * across <= BAND_PIXELS), BAND_ROWS[-1])
    return Header(
        name=name,
        preset=preset,
        seed=seed,
        n=n,
        versions=versions,
        shard=1,
        rows=rows,
        arrays=arrays,
        columns={key: columns[key].str for key in columns.names or ()},
        drawn=drawn,
    )


def _dtype(name: str, array: NDArray[Any], size: int) -> Dtype:
    """Choose the smallest dtype; labels get 16 bits up to two million pixels.

    A field of that size holds more than 65535 objects only if they are smaller
    than 32 pixels each; the writer refuses such a sample.
    """
    if name == "labels":
        return "uint16" if size < UINT16_PIXELS else "uint32"
    assert array.dtype in (np.uint8, np.uint16)
    return "uint8" if array.dtype == np.uint8 else "uint16"


def read_header(path: Path) -> Header:
    """Read the header of the dataset at ``path``.

    Raises
    ------
    SimcellError
        Where there is no dataset, or its header cannot be used.
    """
    file = path / "zarr.json"
    if not file.is_file():
        found = "holds no zarr.json" if path.exists() else "does not exist"
        msg = f"{path}: {found}; give the folder of a dataset that simcell wrote"
        raise SimcellError(msg)
    try:
        attributes = json.loads(file.read_text("utf-8"))["attributes"]
        assert "format_version" in attributes
        header = Header.model_validate(attributes)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "attributes"
        msg = f"{file}: attribute {field} = {first['input']!r:.80}: {first['msg']}; {_REMAKE}"
        raise SimcellError(msg) from error
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        msg = f"{file}: not the header of a simcell dataset; {_REMAKE}"
        raise SimcellError(msg) from error
    return header


_REMAKE = "restore the file, or make the dataset again"
