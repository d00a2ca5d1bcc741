"""The network with an EfficientNet encoder: its shape, and weights that others trained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from tiny import tiny
from torch import Tensor, nn

from dermogan.encoder import EfficientNet
from dermogan.errors import DermoganError
from dermogan.networks import folded, generator
from dermogan.networks.efficientnet import STAGES, EfficientNetUNet
from dermogan.networks.pretrained import load_encoder
from dermogan.systems import Patches, build_system

SMALL = EfficientNet(width=0.25, depth=0.3, decoder=16)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)
    torch.set_num_threads(1)


def test_b3_has_the_published_shape() -> None:
    with torch.device("meta"):
        network = EfficientNetUNet(EfficientNet())
    stages = [list(stage) for stage in network.stages]  # type: ignore[call-overload]
    assert [len(stage) for stage in stages] == [2, 3, 3, 5, 5, 6, 2]
    widths = [stage[-1].project[0].out_channels for stage in stages]
    assert widths == [24, 32, 48, 96, 136, 232, 384]
    assert network.stem[0].out_channels == 40  # type: ignore[union-attr]
    encoder = [network.stem, network.stages]
    count = sum(p.numel() for part in encoder for p in part.parameters())
    classifier, head, two_colours = 1536 * 1000 + 1000, 384 * 1536 + 2 * 1536, 2 * 9 * 40
    assert count == 12_233_232 - classifier - head - two_colours  # of all of B3, as published


def test_sizes_pass_through() -> None:
    network = EfficientNetUNet(SMALL, channels=2, out=3).eval()
    assert network(torch.zeros(1, 2, 64, 32)).shape == (1, 3, 64, 32)
    assert network.multiple == SMALL.multiple == 32


def test_folding_changes_nothing() -> None:
    network = generator(SMALL).eval()
    for part in network.modules():
        if hasattr(part, "variance"):
            part.mean.uniform_(-1, 1)  # type: ignore[operator, union-attr]
            part.variance.uniform_(0.5, 2)  # type: ignore[operator, union-attr]
    x = torch.rand(1, 1, 32, 32)
    before = network(x)
    assert torch.allclose(folded(network)(x), before, atol=1e-4)


TORCHVISION = {
    "deep": ("1.0", "1.1"),
    "squeeze": ("2.fc1", "2.fc2"),
    "project": ("3.0", "3.1"),
    "expand": ("0.0", "0.1"),
}
TIMM = {
    "deep": ("conv_dw", "bn2"),
    "squeeze": ("se.conv_reduce", "se.conv_expand"),
    "project": ("conv_pwl", "bn3"),
    "expand": ("conv_pw", "bn1"),
}
# Of the first stage, which widens nothing.
FIRST = {
    "torchvision": {
        "deep": ("0.0", "0.1"),
        "squeeze": ("1.fc1", "1.fc2"),
        "project": ("2.0", "2.1"),
    },
    "timm": {
        "deep": ("conv_dw", "bn1"),
        "squeeze": ("se.conv_reduce", "se.conv_expand"),
        "project": ("conv_pw", "bn2"),
    },
}


def theirs(network: EfficientNetUNet, naming: str) -> dict[str, Tensor]:
    """Make a state as torchvision or timm name it, written down here by their own rules."""
    state: dict[str, Tensor] = {}

    def put(name: str, part: nn.Module) -> None:
        for key, value in [*part.named_parameters(), *part.named_buffers()]:
            key = {"mean": "running_mean", "variance": "running_var"}.get(key, key)
            state[f"{name}.{key}"] = torch.rand(value.shape)

    tv = naming == "torchvision"
    for name, part in zip(
        ("features.0.0", "features.0.1") if tv else ("conv_stem", "bn1"), network.stem, strict=False
    ):
        put(name, part)
    stem = "features.0.0.weight" if tv else "conv_stem.weight"
    state[stem] = state[stem].repeat(1, 3, 1, 1)  # of colours
    for s, (stage, (widening, *_)) in enumerate(zip(network.stages, STAGES, strict=True)):
        names = FIRST[naming] if widening == 1 else TORCHVISION if tv else TIMM
        for b, block in enumerate(stage):  # type: ignore[arg-type]
            start = f"features.{s + 1}.{b}.block" if tv else f"blocks.{s}.{b}"
            for part, ends in names.items():
                for end, one in zip(ends, getattr(block, part).children(), strict=False):
                    put(f"{start}.{end}", one)
    state["classifier.weight"] = torch.rand(3, 3)  # there, and not asked for
    return state


@pytest.mark.parametrize("naming", ["torchvision", "timm"])
@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_weights_of_others(naming: str, kind: str, tmp_path: Path) -> None:
    network = EfficientNetUNet(SMALL)
    state = theirs(network, naming)
    file = tmp_path / f"weights.{kind}"
    if kind == "pth":
        torch.save(state, file)
    else:
        from safetensors.torch import save_file

        save_file(state, file)
    decoder = network.up[0][0].weight.clone()  # type: ignore[index]
    load_encoder(network, str(file))
    assert torch.equal(network.up[0][0].weight, decoder)  # type: ignore[index]
    stem = "features.0.0.weight" if naming == "torchvision" else "conv_stem.weight"
    assert torch.allclose(network.stem[0].weight[:, 0], state[stem].sum(1))  # type: ignore[index]
    last = network.stages[6][0]  # type: ignore[index]
    key = "features.7.0.block.3.1" if naming == "torchvision" else "blocks.6.0.bn3"
    assert torch.equal(last.project[1].mean, state[f"{key}.running_mean"])
    middle = "features.2.0.block.2.fc2" if naming == "torchvision" else "blocks.1.0.se.conv_expand"
    squeeze = network.stages[1][0].squeeze  # type: ignore[index]
    assert torch.equal(squeeze.expand.bias, state[f"{middle}.bias"])
    system = build_system(
        tiny(
            "unet-efficientnet",
            f"system.network={{kind: efficientnet, width: 0.25, depth: 0.3, decoder: 16, "
            f"weights: {file}}}",
        ).system
    )
    assert torch.equal(system.product.stages[6][0].project[1].mean, state[f"{key}.running_mean"])  # type: ignore[index, union-attr]


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    network = EfficientNetUNet(SMALL)
    whole = theirs(network, "timm")
    file = tmp_path / "w.pth"
    less = {name: value for name, value in whole.items() if "bn3" not in name}
    wide = whole | {"conv_stem.weight": torch.rand(40, 3, 3, 3)}
    cases = (
        (less, "blocks.1.0.bn3.weight is missing; set system.network.width"),
        (wide, r"conv_stem.weight is \[40, 1, 3, 3\], \[8, 1, 3, 3\] is needed"),
        ({"layer1.weight": torch.rand(3)}, "neither features.0.0.weight (torchvision) nor"),
    )
    for state, said in cases:
        torch.save(state, file)
        with pytest.raises(DermoganError, match=re.escape(said) if "(" in said else said) as error:
            load_encoder(network, str(file))
        assert "\n" not in str(error.value)
    file.write_bytes(b"no weights")
    with pytest.raises(DermoganError, match="cannot be read as weights"):
        load_encoder(network, str(file))
    with pytest.raises(DermoganError, match="cannot be read as weights"):
        load_encoder(network, str(tmp_path / "none.safetensors"))


def test_losses_are_dice_and_focal() -> None:
    system = build_system(tiny("unet-efficientnet").system)
    given = Patches(
        0, 0, 0, pair_images=torch.rand(2, 1, 32, 32), pair_priors=torch.rand(2, 1, 32, 32)
    )
    outcome = system.maker_losses(given)
    y, q = given.pair_priors, outcome.made["prior"]
    shared = 2 * (q * y).sum((1, 2, 3)) + 1
    dice = (1 - shared / (q.sum((1, 2, 3)) + y.sum((1, 2, 3)) + 1)).mean()
    plain = -(y * q.log() + (1 - y) * (1 - q).log())
    assert outcome.parts["dice"].item() == pytest.approx(dice.item(), rel=1e-5)
    focal = ((y - q).abs() ** 2 * plain).mean()
    assert outcome.parts["cross_entropy"].item() == pytest.approx(focal.item(), rel=1e-4)
    assert outcome.total.item() == pytest.approx((dice + focal).item(), rel=1e-4)
