"""Packages of the BioImage Model Zoo: a description in YAML, and the files that it names, in a zip.

The description follows version 0.5.12 of the specification (bioimage.io). It is written out as
plain text here, and read back by the zoo's own library in the tests, so that exporting needs none
of its many packages.

Decision: tiles overlap by the halo, which holds the reach of the local normalisation too. Software
that cuts images into tiles makes no seams then, but for the spread of the whole image, which
is that of a tile there.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

import simcell
from dermogan.cards import Expects
from dermogan.exchange.graph import halo_px
from dermogan.exchange.onnxfile import OPSET, TOLERANCE, FloatImage, facts, smallest_px
from dermogan.exchange.words import documentation, papers
from dermogan.model import Model
from dermogan.recipe import UNet
from dermogan.tiles import predict

SPECIFICATION = "0.5.12"
_WEIGHTS = "weights.onnx"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same package for the same model


@dataclass(frozen=True)
class Labels:
    """What a package says of its model beside what the model says of itself.

    Attributes
    ----------
    name : str
    authors : tuple of str
    licence : str
        Identifier of SPDX.
    """

    name: str
    authors: tuple[str, ...]
    licence: str


def package_bytes(
    model: Model, labels: Labels, source: Path, content: bytes, image: FloatImage
) -> bytes:
    """Return the zip of a model.

    Parameters
    ----------
    model : Model
    labels : Labels
    source : Path
        Its file, which goes into the package as well.
    content : bytes
        The model in ONNX.
    image : float32 array (y, x)
        What the package is tested with.
    """
    probability = predict(model, image, tile_px=max(image.shape))
    files = {
        _WEIGHTS: content,
        "test_input.npy": _npy(image[None, None]),
        "test_output.npy": _npy(probability[None]),
        "cover.png": _cover(image, probability[0]),
        "README.md": documentation(model, labels.name, halo_px(model), OPSET).encode(),
        f"{_plain(labels.name)}.safetensors": source.read_bytes(),
    }
    told = _description(model, labels, files)
    text = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=100)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"bioimageio.yaml": text.encode(), **files}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return zipped.getvalue()


def _description(model: Model, labels: Labels, files: dict[str, bytes]) -> dict[str, Any]:
    def named(file: str) -> dict[str, str]:
        return {"source": file, "sha256": hashlib.sha256(files[file]).hexdigest()}

    own = f"{_plain(labels.name)}.safetensors"
    return {
        "format_version": SPECIFICATION,
        "type": "model",
        "name": f"dermogan {_plain(labels.name)}"[:64],
        "description": str(model.card.get("about") or model.recipe.about)[:512],
        "version": simcell.__version__,
        "authors": [{"name": author} for author in labels.authors],
        "license": labels.licence,
        "cite": papers(model),
        "tags": _tags(model),
        "covers": [named("cover.png")],
        "documentation": named("README.md"),
        "attachments": [named(own)],
        "inputs": [_input(model) | {"test_tensor": named("test_input.npy")}],
        "outputs": [_output(model) | {"test_tensor": named("test_output.npy")}],
        "weights": {
            "onnx": named(_WEIGHTS)
            | {
                "opset_version": OPSET,
                "comment": "From grey levels to the probability: local normalisation, mirrored "
                "borders, network and sigmoid are in the graph.",
            }
        },
        "config": {"bioimageio": _for_the_zoo(model), "dermogan": facts(model, labels.name)},
    }


def _input(model: Model) -> dict[str, Any]:
    size = {"min": smallest_px(model), "step": model.multiple}
    return {
        "id": "image",
        "description": "Grey levels as they are in the image, of any range; "
        "the graph normalises them by itself.",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": ["grey"]},
            *({"type": "space", "id": side, "size": size, **_pixel(model)} for side in "yx"),
        ],
        "data": {"type": "float32"},
        "preprocessing": [],
    }


def _output(model: Model) -> dict[str, Any]:
    halo = halo_px(model)
    shown = "membranes" if model.output == "membrane" else "cells, filled"
    return {
        "id": "probability",
        "description": f"Probability, 0 to 1, of {shown}; a sigmoid is in the graph.",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": [model.output]},
            *(
                {
                    "type": "space",
                    "id": side,
                    "size": {"tensor_id": "image", "axis_id": side},
                    "halo": halo,
                    **_pixel(model),
                }
                for side in "yx"
            ),
        ],
        "data": {"type": "float32", "range": [0.0, 1.0]},
        "postprocessing": [],
    }


def _pixel(model: Model) -> dict[str, Any]:
    """Return the size of a pixel, where the model was taught one."""
    spacing = (model.expects or Expects()).spacing_um
    return {"unit": "micrometer", "scale": spacing} if spacing else {}


def _for_the_zoo(model: Model) -> dict[str, Any]:
    parameters = sum(each.numel() for each in model.network.parameters())
    return {
        "reproducibility_tolerance": [
            {
                "weights_formats": ["onnx"],
                "relative_tolerance": 0.0,
                "absolute_tolerance": TOLERANCE,
            }
        ],
        "architecture_type": "2D U-Net" if _is_unet(model) else "2D ResNet",
        "target_structure": ["cell membrane" if model.output == "membrane" else "cells"],
        "task": "segmentation",
        "model_parameter_count": parameters,
    }


def _is_unet(model: Model) -> bool:
    return isinstance(model.recipe.system.network, UNet)


def _tags(model: Model) -> list[str]:
    kind = "unet" if _is_unet(model) else "resnet"
    return ["2d", "segmentation", "cells", model.output, kind, "pytorch", "synthetic-data"]


def _plain(name: str) -> str:
    """Return a name of letters, digits, underscores and minuses.

    Examples
    --------
    >>> _plain("skin, 2 µm.v1")
    'skin-2-m-v1'
    """
    return re.sub(r"[^0-9A-Za-z_]+", "-", name).strip("-") or "model"


def _npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array))
    return file.getvalue()


def _cover(image: FloatImage, probability: FloatImage) -> bytes:
    """Return a picture twice as wide as high: the image, and what the model makes of it."""
    low, high = np.percentile(image, [0.5, 99.5])
    grey = np.clip((image - low) / max(high - low, 1e-12), 0, 1)
    both = (np.hstack([grey, probability]) * 255).round().astype(np.uint8)
    good, data = cv2.imencode(".png", both)
    assert good
    return data.tobytes()
