"""Write a model as ONNX, and compare what it does there with the model."""

from __future__ import annotations

import json
import logging
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import simcell
from dermogan.domains import PresetSource
from dermogan.errors import DermoganError, need
from dermogan.exchange.graph import Whole, halo_px
from dermogan.filters import Normaliser
from dermogan.model import Model
from dermogan.tiles import mirrored, predict

FORMAT = "dermogan onnx 1"
OPSET = 18
TOLERANCE = 1e-4
"""Largest difference of probabilities from the model's own."""
_SMALLEST_EXAMPLE_PX = 256
_DIMENSIONS = ("batch", None, "height", "width")

FloatImage = NDArray[np.float32]


def onnx_bytes(model: Model, name: str) -> tuple[bytes, FloatImage, float]:
    """Return a model in ONNX, an image that it was run on, and how far it was off at most."""
    content = _named(_traced(Whole(model).eval()), facts(model, name))
    image = example(model)
    difference = _difference(content, model, image)
    if not difference <= TOLERANCE:
        msg = f"{name}: probabilities in ONNX Runtime differ by {difference:.2g} from the model's"
        raise DermoganError(
            f"{msg}, {TOLERANCE:g} is the most; try other versions of onnx or torch"
        )
    return content, image, difference


def facts(model: Model, name: str) -> dict[str, Any]:
    """Return what stands in the file beside the graph."""
    normaliser = Normaliser.of(model.recipe.data)
    return {
        "format": FORMAT,
        "name": name,
        "output": model.output,
        "input": "grey levels as in the image; normalised inside",
        "multiple": model.multiple,
        "halo_px": halo_px(model),
        "normalisation": {"sd_px": normaliser.sigma_px, "floor": normaliser.floor},
        "diameter_px": model.diameter_px,
        "opset": OPSET,
        "card": model.card,
        "recipe": model.recipe.text,
    }


def example(model: Model) -> FloatImage:
    """Simulate an image (y, x) of the kind that a model was validated on.

    Where that was no preset, of one that shows what the model shows.
    """
    side = smallest_px(model, _SMALLEST_EXAMPLE_PX)
    source = model.recipe.validation.source
    if isinstance(source, PresetSource):
        preset = simcell.load_preset(source.preset).with_set(source.set)
    else:
        preset = simcell.load_preset("confluent" if model.output == "membrane" else "nonconfluent")
    preset = preset.with_set([f"frame.shape=[{side}, {side}]"])
    sample = simcell.simulate(preset.scene(seed=0, index=0), seed=0, index=0)
    image = np.asarray(sample.image, np.float32)
    return image[np.ix_(*(mirrored(np.arange(side), length) for length in image.shape))]


def smallest_px(model: Model, at_least: int = 1) -> int:
    """Return the smallest side of a tile with a trusted pixel, a multiple of the network's."""
    return -(-max(2 * halo_px(model) + 1, at_least) // model.multiple) * model.multiple


def _traced(whole: Whole) -> Any:  # noqa: ANN401 - onnx has no types
    """Return the graph; sides and number of images are free."""
    dynamic = torch.export.Dim.DYNAMIC
    log = logging.getLogger("torch.onnx")
    level = log.level
    try:
        log.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch about its own parts
            program = torch.onnx.export(
                whole,
                (torch.rand(2, 1, 75, 130),),
                input_names=["image"],
                output_names=["probability"],
                dynamic_shapes={"image": {0: dynamic, 2: dynamic, 3: dynamic}},
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    finally:
        log.setLevel(level)
    assert program is not None
    return program.model_proto


def _named(proto: Any, told: dict[str, Any]) -> bytes:  # noqa: ANN401 - onnx has no types
    """Name sides and facts; drop what the exporter notes of the machine that it ran on."""
    graph = proto.graph
    del graph.value_info[:]
    for part in (graph, *graph.node, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in (*graph.input, *graph.output):
        for side, given in zip(tensor.type.tensor_type.shape.dim, _DIMENSIONS, strict=True):
            if given:
                side.dim_param = given
    proto.producer_name, proto.producer_version = "dermogan", simcell.__version__
    proto.doc_string = str(told["card"].get("about", ""))
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for key, value in told.items()
    }
    onnx = need("onnx", extra="export")
    onnx.helper.set_model_props(proto, texts)
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _difference(content: bytes, model: Model, image: FloatImage) -> float:
    runtime = need("onnxruntime", extra="export")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {"image": image[None, None]})[0][0]
    return float(np.abs(found - predict(model, image, tile_px=max(image.shape))).max())
