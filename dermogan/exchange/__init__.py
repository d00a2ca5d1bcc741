"""Models for other software: ONNX files, and packages of the BioImage Model Zoo.

Decision: the exported graph takes grey levels as they are in the image, and does all that dermogan
does up to the probability: local normalisation, the filter, mirrored borders, the network. No
format's list of preprocessings has a local normalisation, and who has to rebuild it from a
description builds another one. The price: the graph is larger by some twenty operators, and
the share of the spread of a whole image that it mixes in is that of what it is given, be it a tile.

Decision: what was made is run in ONNX Runtime and compared with the model before it is written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from dermogan.cards import find_model
from dermogan.errors import DermoganError, need
from dermogan.files import write_whole
from dermogan.starfile import NAME, star_header

__all__ = ["Exported", "Format", "export"]

Format = Literal["onnx", "bioimageio"]
ENDINGS: dict[str, str] = {"onnx": ".onnx", "bioimageio": ".zip"}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    path : Path
    difference : float
        Largest difference of its probabilities from the model's own, on a simulated image.
    """

    path: Path
    difference: float


def export(
    model: str | os.PathLike[str],
    out: Path,
    *,
    format: Format = "onnx",
    authors: Sequence[str] = (),
    licence: str = "BSD-3-Clause",
    overwrite: bool = False,
) -> Exported:
    """Write a model for other software.

    Parameters
    ----------
    model : str or path
        A model file, the folder of a training run, or the name of a model.
    out : Path
        File to write: ``.onnx``, or ``.zip`` for the BioImage Model Zoo.
    format : {"onnx", "bioimageio"}
    authors : sequence of str
        Named in the package; by default the authors of simcell.
    licence : str
        Of the weights, named in the package: an identifier of SPDX.
    overwrite : bool
        Replace the file if it exists.
    """
    if format not in get_args(Format):
        msg = f"format = {format!r}: must be one of {', '.join(get_args(Format))}"
        raise DermoganError(msg)
    out = Path(out)
    if out.suffix != ENDINGS[format]:
        msg = f"{out}: files of the format {format} end in {ENDINGS[format]}"
        raise DermoganError(f"{msg}; try {out.with_suffix(ENDINGS[format])}")
    if out.exists() and not overwrite:
        msg = f"{out}: exists already; choose another --out or add --overwrite"
        raise DermoganError(msg)
    source = _file(model)
    for package in ("torch", "onnx", "onnxscript", "onnxruntime"):
        need(package, extra="dermogan" if package == "torch" else "export")
    from dermogan.exchange.onnxfile import onnx_bytes
    from dermogan.exchange.zoo import Labels, package_bytes
    from dermogan.model import load_model

    loaded = load_model(source)
    if loaded.output == "volume":
        msg = f"{os.fspath(model)}: takes volumes; export a model that shows membrane or filled"
        raise DermoganError(msg)
    if loaded.output == "classes":
        msg = f"{os.fspath(model)}: names classes, whose edges tiles treat in another way"
        raise DermoganError(f"{msg}; export a model that shows membrane or filled")
    name = source.parent.name if source.name == "model.safetensors" else source.stem
    name = str(loaded.card.get("name", name))
    made, image, difference = onnx_bytes(loaded, name)
    content = made
    if format == "bioimageio":
        labels = Labels(name, tuple(authors) or ("the simcell authors",), licence)
        content = package_bytes(loaded, labels, source, made, image)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, content)
    return Exported(out, difference)


def _file(model: str | os.PathLike[str]) -> Path:
    """Return a model's file; StarDist's are none, as they see no image."""
    stars = os.fspath(model) == NAME
    if not stars:
        path = find_model(model)
        try:
            star_header(path)
        except DermoganError:
            return path
    msg = f"{os.fspath(model)}: splits the maps of other models and sees no image"
    raise DermoganError(f"{msg}; export one of `dermogan models` that shows membrane or filled")
