"""Domains of volumes: simulated while training, stored datasets, folders of volumes.

A volume is stretched between two percentiles of its own to -1..1. Where it is smaller than a patch
it is mirrored, as thin stacks are along z.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

import simcell
from dermogan.domains import (
    Augment,
    DatasetSource,
    FolderSource,
    LabelledSource,
    Paired,
    PresetSource,
    Source,
)
from dermogan.errors import DermoganError
from dermogan.filters import FloatImage
from dermogan.images import image_files
from dermogan.simulated import check_extremes, drawn
from dermogan.tiles import mirrored
from dermogan.volumefile import read_volume
from dermogan.volumetric import CLASSES, Stack
from simcell import SimcellError

Box = tuple[int, ...]


def stretched(volume: NDArray[Any], spec: Stack) -> FloatImage:
    """Stretch a volume's contrast to -1..1; what lies beyond the percentiles is cut off.

    Examples
    --------
    >>> stretched(np.arange(101.0).reshape(1, 1, 101), Stack(low=0, high=50))[0, 0, [0, 25, 80]]
    array([-1.,  0.,  1.], dtype=float32)
    """
    low, high = np.percentile(volume, [spec.low, spec.high])
    scale = np.float32(2 / max(high - low, 1e-6))
    found = (volume.astype(np.float32) - np.float32(low)) * scale - np.float32(1)
    return np.clip(found, -1, 1, out=found)


def wanted(sample: simcell.Sample, core: float) -> FloatImage:
    """Return what is to be found in a sample: masks (channels, z, y, x) of 0 and 1."""
    assert sample.prior is not None
    masks = [part > 0 for part in sample.prior]
    if core:
        masks.append(cores(sample, core))
    return np.stack(masks).astype(np.float32)


def cores(sample: simcell.Sample, share: float) -> NDArray[np.bool_]:
    """Return what lies deeper in a cell than a share of its greatest depth.

    A cell is a nucleus and its Golgi. The frame is no surface: a cell that it cuts is as deep there
    as further inside.
    """
    assert sample.labels is not None
    assert sample.objects is not None
    table = sample.objects
    cell = np.zeros(int(table["label"].max(initial=0)) + 1, np.int32)
    cell[table["label"]] = np.where(table["type"] == 1, table["label"], table["partner"])
    cells = cell[sample.labels]
    found = np.zeros(cells.shape, np.bool_)
    for label, box in enumerate(ndimage.find_objects(cells), 1):
        if box is None:
            continue
        around = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
        mine = cells[around] == label
        far = ndimage.distance_transform_edt(mine, sampling=sample.grid.spacing_um)
        found[around] |= mine if mine.all() else far > share * far.max()
    return found


def pad_to(array: NDArray[Any], box: Box) -> NDArray[Any]:
    """Mirror the last three axes of an array until they are as long as a box."""
    for axis, least in zip((-3, -2, -1), box, strict=True):
        length = array.shape[axis]
        if length < least:
            start = (least - length) // 2
            places = mirrored(np.arange(-start, least - start), length)
            array = np.take(array, places, axis=axis)
    return array


class Stacks:
    """Volumes that patches are cut from, by the number of a patch.

    Parameters
    ----------
    box : tuple of int
        Sides of a patch (z, y, x).
    pick : callable
        Returns the number of a volume from a random generator and the number of a patch.
    opened : callable
        Returns a stretched volume, and its masks where it has some, by its number.
    notes : sequence of str
        One line for everything that was left out.
    """

    def __init__(
        self,
        box: Box,
        pick: Callable[[Generator, int], int],
        opened: Callable[[int], tuple[FloatImage, FloatImage | None]],
        notes: Sequence[str] = (),
    ) -> None:
        self._box, self._pick, self._opened, self.notes = box, pick, opened, notes

    @classmethod
    def of(
        cls,
        source: Source | Paired,
        seed: int,
        spec: Stack,
        core: float,
    ) -> Stacks:
        """Open where a domain of volumes comes from."""
        if isinstance(source, FolderSource):
            return _folder(source, spec)
        sample, count = simulated(source, seed)

        def pair(index: int) -> tuple[FloatImage, FloatImage]:
            found = sample(index)
            masks = wanted(found, core)
            if found.image is None:
                return np.zeros(masks.shape[1:], np.float32), masks
            return stretched(found.image, spec), masks

        def pick(rng: Generator, number: int) -> int:
            return number if count is None else int(rng.integers(count))

        return cls(spec.patch, pick, pair)

    def cut(
        self, rng: Generator, number: int, scale: float
    ) -> tuple[FloatImage, FloatImage | None]:
        """Cut what is magnified to a patch: stretched (z, y, x), and its masks if it has some."""
        box = tuple(max(2, round(side / scale)) for side in self._box)
        volume, masks = self._opened(self._pick(rng, number))
        volume = pad_to(volume, box)
        starts = [int(rng.integers(n - b + 1)) for n, b in zip(volume.shape, box, strict=True)]
        at = tuple(slice(s, s + b) for s, b in zip(starts, box, strict=True))
        if masks is not None:
            masks = pad_to(masks, box)[(slice(None), *at)]
        return volume[at], masks


def simulated(source: Paired, seed: int) -> tuple[Callable[[int], simcell.Sample], int | None]:
    """Return what gives simulated volumes by their number, and how many; None = without end."""
    if isinstance(source, LabelledSource):
        msg = "data: kind labelled: volumes are learnt from simulated ones; use preset or dataset"
        raise DermoganError(msg)
    if isinstance(source, DatasetSource):
        data = simcell.open_dataset(source.path)
        check(data[0].scene, source.path)
        return data.__getitem__, len(data)
    preset = simcell.load_preset(source.preset).with_set(source.set)
    check(preset.base, f"preset {source.preset}")
    check_extremes(preset, source.extremes)

    def made(index: int) -> simcell.Sample:
        return drawn(preset, seed, index, source.extremes)

    return made, source.count


def spacing_of(source: Paired) -> tuple[float, float, float]:
    """Return the size of a voxel (z, y, x) in µm of simulated volumes."""
    if isinstance(source, DatasetSource):
        scene = simcell.open_dataset(source.path)[0].scene
    else:
        assert isinstance(source, PresetSource)
        scene = simcell.load_preset(source.preset).with_set(source.set).base
    side = scene.frame.spacing_um
    return (side, side, side)


def check(scene: simcell.Scene, where: str) -> None:
    """Refuse what has no depth, or shows something else than nuclei and Golgi."""
    shown = scene.prior.classes if scene.prior.kind == "channels" else 0
    if len(scene.frame.shape) != 3 or shown != len(CLASSES):
        msg = f"{where}: is no volume with a prior of {len(CLASSES)} channels, nuclei and Golgi"
        raise DermoganError(f"{msg}; try nucleus-golgi")


def _folder(source: FolderSource, spec: Stack) -> Stacks:
    """Open a folder of volumes; each is read once."""
    folder = Path(source.path)
    files = image_files(folder, deep=True) if folder.is_dir() else []
    volumes: list[FloatImage] = []
    notes: list[str] = []
    for file in files:
        try:
            volumes.append(stretched(read_volume(file, channel=source.channel).voxels, spec))
        except SimcellError as error:
            if source.bad == "refuse":
                msg = f"{error}; or remove it, or set bad: skip"
                raise DermoganError(msg) from None
            notes.append(f"skipped {error}")
    if not volumes:
        msg = f"{folder}: holds no volume that can be used; needs stacks (z, y, x)"
        raise DermoganError(msg)
    sizes = np.cumsum([volume.size for volume in volumes])

    def pick(rng: Generator, number: int) -> int:
        del number
        return int(np.searchsorted(sizes, rng.integers(sizes[-1]), side="right"))

    return Stacks(spec.patch, pick, lambda index: (volumes[index], None), notes)


def varied(
    volume: FloatImage, masks: FloatImage | None, box: Box, augment: Augment, rng: Generator
) -> tuple[FloatImage, FloatImage | None]:
    """Bring a cut to the size of a box, turn and mirror it, and vary how the volume looks.

    Turned by quarters about z, mirrored along all axes; contrast is a gain above black, so that
    bright parts may saturate.
    """
    if volume.shape != box:
        factors = [b / n for b, n in zip(box, volume.shape, strict=True)]
        volume = ndimage.zoom(volume, factors, order=1, mode="nearest", grid_mode=True)
        if masks is not None:
            masks = np.stack(
                [ndimage.zoom(m, factors, order=0, mode="nearest", grid_mode=True) for m in masks]
            )
    turn = int(rng.integers(4)) if augment.turns == "all" and box[1] == box[2] else 0
    steps = tuple(slice(None, None, -1 if rng.integers(2) else 1) for _ in range(3))
    volume = np.rot90(volume, turn, (1, 2))[steps]
    gain, lift, noise, blur = rng.uniform([-1, -1, 0, 0], 1)
    if augment.blur * blur > 0.2:
        volume = ndimage.gaussian_filter(volume, augment.blur * blur, truncate=3)
    volume = (volume + 1) * np.float32(1 + augment.contrast * gain) - np.float32(
        1 + augment.brightness * lift
    )
    if augment.noise:
        volume += np.float32(augment.noise * noise) * rng.standard_normal(box, dtype=np.float32)
    if masks is not None:
        masks = np.ascontiguousarray(np.rot90(masks, turn, (2, 3))[(slice(None), *steps)])
    return np.clip(np.ascontiguousarray(volume), -1, 1), masks
