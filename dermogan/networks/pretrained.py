"""Weights of an EfficientNet encoder that others trained, from a file on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from dermogan.errors import DermoganError, need
from dermogan.networks.efficientnet import Bottleneck, EfficientNetUNet
from dermogan.networks.norm import BatchNorm

Names = Iterator[tuple[nn.Module, str]]
_STEMS = ("features.0.0.weight", "conv_stem.weight")
_RENAMED = {"mean": "running_mean", "variance": "running_var"}


def load_encoder(network: EfficientNetUNet, file: str) -> None:
    """Put trained weights into the encoder of a network; its decoder is left as it is.

    Parameters
    ----------
    network : EfficientNetUNet
        Of the width and depth that the weights are of. A network of one channel gets the sum of
        the weights of red, green and blue.
    file : str
        A .safetensors file, or one of ``torch.save``, of a model's state; named as torchvision
        (``features.0.0.weight``) or timm (``conv_stem.weight``) name it.

    Raises
    ------
    DermoganError
        Where the file cannot be read, or its weights do not fit.
    """
    theirs = _read(Path(file))
    if _STEMS[0] in theirs:
        names = _torchvision(network)
    elif _STEMS[1] in theirs:
        names = _timm(network)
    else:
        msg = f"{file}: neither {_STEMS[0]} (torchvision) nor {_STEMS[1]} (timm) in it"
        raise DermoganError(f"{msg}; give the state of an EfficientNet")
    with torch.no_grad():
        for module, prefix in names:
            for name, mine in [*module.named_parameters(), *module.named_buffers()]:
                key = f"{prefix}.{_RENAMED.get(name, name) if _is_norm(module) else name}"
                mine.copy_(_fitting(theirs, key, mine, file))


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, BatchNorm)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            found = need("safetensors.torch").load_file(str(file))
        else:
            found = torch.load(file, map_location="cpu", weights_only=True)
            found = found.get("state_dict", found)
        return {name: value for name, value in found.items() if isinstance(value, Tensor)}
    except Exception as error:  # whatever is wrong with the file
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        msg = f"system.network.weights = {file}: cannot be read as weights ({reason})"
        raise DermoganError(msg) from None


def _fitting(theirs: dict[str, Tensor], key: str, mine: Tensor, file: str) -> Tensor:
    if key not in theirs:
        msg = f"{file}: {key} is missing; set system.network.width and depth to those of the file"
        raise DermoganError(msg)
    value = theirs[key].float()
    if key in _STEMS and mine.shape[1] == 1:
        value = value.sum(dim=1, keepdim=True)  # a grey image is the same in all colours
    if value.shape != mine.shape:
        msg = f"{file}: {key} is {list(value.shape)}, {list(mine.shape)} is needed; set "
        raise DermoganError(f"{msg}system.network.width and depth to those of the file")
    return value


def _torchvision(network: EfficientNetUNet) -> Names:
    yield from zip(list(network.stem)[:2], ("features.0.0", "features.0.1"), strict=True)
    for number, at, block in _blocks(network):
        start = f"features.{number + 1}.{at}.block"
        parts = [block.deep, block.squeeze, block.project]
        for place, part in enumerate([block.expand, *parts] if block.expand else parts):
            if part is block.squeeze:
                yield block.squeeze.reduce, f"{start}.{place}.fc1"
                yield block.squeeze.expand, f"{start}.{place}.fc2"
            else:
                assert isinstance(part, nn.Sequential)
                yield part[0], f"{start}.{place}.0"
                yield part[1], f"{start}.{place}.1"


def _timm(network: EfficientNetUNet) -> Names:
    yield from zip(list(network.stem)[:2], ("conv_stem", "bn1"), strict=True)
    for number, at, block in _blocks(network):
        start = f"blocks.{number}.{at}"
        convs = ["conv_pw", "conv_dw", "conv_pwl"] if block.expand else ["conv_dw", "conv_pw"]
        parts = [block.expand] if block.expand else []
        for place, part in enumerate([*parts, block.deep, block.project]):
            yield part[0], f"{start}.{convs[place]}"
            yield part[1], f"{start}.bn{place + 1}"
        yield block.squeeze.reduce, f"{start}.se.conv_reduce"
        yield block.squeeze.expand, f"{start}.se.conv_expand"


def _blocks(network: EfficientNetUNet) -> Iterator[tuple[int, int, Bottleneck]]:
    for number, stage in enumerate(network.stages):
        assert isinstance(stage, nn.Sequential)
        for at, block in enumerate(stage):
            assert isinstance(block, Bottleneck)
            yield number, at, block
