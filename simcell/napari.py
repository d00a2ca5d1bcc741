"""What napari shows of simcell: presets as sample data, datasets as layers.

napari finds this module through ``napari.yaml`` beside it; nothing here imports napari.
The manifest lists every shipped preset, and is written by ``python -m simcell.napari``.

Decision: layers lie in µm from the corner of the field, the centre of the first pixel
half a pixel away from it, so that positions of the objects table can be added as points.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from simcell.preset import Preset
    from simcell.sample import Sample

Layer: TypeAlias = tuple[Any, dict[str, Any], str]
"""Data, settings and kind of one layer of napari."""

SAMPLE = "sample_"
"""Functions of this module that make a preset's sample begin with it."""
LARGEST_PX = 16_000_000
"""Pixels of the largest sample that is simulated while napari waits."""

_KINDS = {"image": "image", "prior": "image", "labels": "labels", "classes": "labels"}


def __getattr__(name: str) -> Callable[[], list[Layer]]:
    """Return the function that makes one preset's sample: ``sample_rcm_sg`` for rcm-sg."""
    from simcell.preset import shipped_folder

    files = shipped_folder().glob("*.yaml") if name.startswith(SAMPLE) else []
    for file in files:
        if name == function_name(file.stem):
            return partial(preset_layers, str(file))
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def function_name(preset: str) -> str:
    """Return the name of the function that makes a preset's sample.

    Examples
    --------
    >>> function_name("rcm-sg")
    'sample_rcm_sg'
    """
    return SAMPLE + preset.replace("-", "_").replace(".", "_")


def preset_layers(name: str, seed: int = 0, index: int = 0) -> list[Layer]:
    """Simulate one sample of a preset and return its layers.

    Parameters
    ----------
    name : str
        A preset, or the path of one.
    seed, index : int
        Address of the sample.

    Returns
    -------
    list of tuple
        Image, prior, labels with the objects table as features, classes; what there is.
    """
    from simcell.preset import load_preset
    from simcell.stages import simulate

    preset = _fitting(load_preset(name))
    sample = simulate(preset.scene(seed=seed, index=index), seed=seed, index=index)
    return sample_layers(sample, preset.name)


def _fitting(preset: Preset) -> Preset:
    """Return the preset with a field that can be simulated while one waits."""
    shape = preset.base.frame.shape
    deep = shape[0] if len(shape) == 3 else 1
    side = int((LARGEST_PX / deep) ** 0.5)
    if deep * shape[-2] * shape[-1] <= LARGEST_PX:
        return preset
    smaller = [*shape[:-2], *(min(n, side) for n in shape[-2:])]
    return preset.with_set([f"frame.shape={smaller}"])


def sample_layers(sample: Sample, title: str) -> list[Layer]:
    """Return the layers of a sample.

    Parameters
    ----------
    sample : Sample
    title : str
        What the layers' names begin with.
    """
    arrays = {name: getattr(sample, name) for name in _KINDS}
    layers = _layers(arrays, title, sample.grid.spacing_um)
    for _, settings, kind in layers:
        if kind == "labels" and settings["name"].endswith("labels") and sample.objects is not None:
            settings["features"] = _features(sample.objects)
    return layers


def _features(objects: NDArray[np.void]) -> dict[str, NDArray[Any]]:
    """Return the columns of the objects table; napari finds a label's row by ``index``."""
    names = objects.dtype.names or ()
    return {"index": objects["label"], **{name: objects[name] for name in names}}


def get_reader(path: str | Sequence[str]) -> Callable[[str], list[Layer]] | None:
    """Return the function that opens a dataset of simcell, or None where there is none.

    Parameters
    ----------
    path : str
        A folder; of several, none are opened.
    """
    from simcell.io.outputs import format_of

    if not isinstance(path, str) or format_of(Path(path)) != "zarr":
        return None
    return dataset_layers


def dataset_layers(path: str) -> list[Layer]:
    """Return the layers of a dataset, its samples along the first axis.

    Nothing but the layout is read; napari reads the samples that are looked at.
    """
    from simcell.batch import open_dataset

    dataset = open_dataset(path)
    arrays = {name: dataset.array(name) for name in dataset.header.arrays}
    return _layers(arrays, dataset.header.name, dataset.spacing_um(0), stacked=True)


def _layers(
    arrays: Mapping[str, Any], title: str, spacing_um: tuple[float, ...], *, stacked: bool = False
) -> list[Layer]:
    """Return a layer for every array there is, ((sample,) (c,) (z,) y, x)."""
    ndim, samples = len(spacing_um), int(stacked)
    there = [name for name in _KINDS if arrays.get(name) is not None]
    layers: list[Layer] = []
    for name in there:
        array = arrays[name]
        settings: dict[str, Any] = {
            "name": f"{title} {name}",
            "visible": name in (there[0], "labels"),
            "scale": (1.0,) * samples + spacing_um,
            "translate": (0.0,) * samples + tuple(side / 2 for side in spacing_um),
            "units": ("pixel",) * samples + ("micrometer",) * ndim,
            "axis_labels": ("sample",) * samples + tuple("zyx"[-ndim:]),
        }
        if name == "prior":
            settings |= {"contrast_limits": (0, 255), "blending": "additive"}
        if array.ndim > samples + ndim:
            count = array.shape[samples]
            settings["channel_axis"] = samples
            settings["name"] = [f"{title} {name} {number + 1}" for number in range(count)]
            if name == "prior":
                settings["contrast_limits"] = [(0, 255)] * count
        layers.append((array, settings, _KINDS[name]))
    return layers


def manifest() -> str:
    """Return the manifest of the plugin: the reader, and a sample for every shipped preset."""
    from simcell.preset import shipped_folder

    module = "simcell.napari"
    commands = [
        {"id": "simcell.read", "title": "Open dataset", "python_name": f"{module}:get_reader"}
    ]
    samples = []
    for name in sorted(file.stem for file in shipped_folder().glob("*.yaml")):
        call = function_name(name)
        command = {"id": f"simcell.{call}", "title": f"Simulate {name}"}
        commands.append({**command, "python_name": f"{module}:{call}"})
        samples.append({"key": name, "display_name": name, "command": command["id"]})
    reader = {
        "command": "simcell.read",
        "filename_patterns": ["*.zarr"],
        "accepts_directories": True,
    }
    content = {
        "name": "simcell",
        "display_name": "simcell",
        "contributions": {"commands": commands, "readers": [reader], "sample_data": samples},
    }
    return _HEADING + yaml.safe_dump(content, sort_keys=False, width=100)


_HEADING = "# Written by `python -m simcell.napari > simcell/napari.yaml`; do not edit.\n"

if __name__ == "__main__":
    sys.stdout.write(manifest())
