"""Networks: gradients, reach, fixed statistics, shapes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from dermogan.networks import Generator, PatchDiscriminator, folded, generator, glorot
from dermogan.networks.norm import BatchNorm, InstanceNorm
from dermogan.recipe import GeneratorSpec, ResNet, UNet


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)
    torch.set_num_threads(1)


SMALL: list[GeneratorSpec] = [
    UNet(base=3, depth=2),
    UNet(base=3, depth=2, norm="batch"),
    ResNet(base=3, blocks=2),
]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_the_norm(batch: int, layout: torch.memory_format) -> None:
    """Against numerical differences, in the memory formats in which torch's own goes wrong."""
    norm = InstanceNorm(3).double()
    nn.init.normal_(norm.weight)
    x = torch.randn(batch, 3, 4, 5, dtype=torch.float64).to(memory_format=layout)
    x.requires_grad_(True)
    assert torch.autograd.gradcheck(norm, (x,))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_the_norm_in_single_precision(layout: torch.memory_format) -> None:
    norm, wide = InstanceNorm(8), InstanceNorm(8).double()
    x = torch.randn(1, 8, 16, 16).to(memory_format=layout)
    weight = torch.randn(1, 8, 16, 16)

    def gradient(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
        x = x.clone(memory_format=torch.preserve_format).requires_grad_(True)
        return torch.autograd.grad((network(x) * weight.to(x.dtype)).sum(), x)[0]

    by_hand = gradient(wide, x.double())
    assert torch.allclose(gradient(norm, x).double(), by_hand, atol=1e-4)


def test_the_norm_is_torchs_own() -> None:
    x = torch.randn(2, 5, 8, 8) * 3 + 1
    assert torch.allclose(InstanceNorm(5)(x), functional.instance_norm(x), atol=1e-5)


def test_the_norm_remembers_the_mean_of_what_it_saw() -> None:
    norm = InstanceNorm(4)
    seen = [torch.randn(2, 4, 8, 8) * s + s for s in (1.0, 2.0, 5.0)]
    for x in seen:
        norm(x)
    means = torch.stack([x.mean((2, 3)).mean(0) for x in seen]).mean(0)
    variances = torch.stack([x.var((2, 3), unbiased=False).mean(0) for x in seen]).mean(0)
    assert torch.allclose(norm.mean, means, atol=1e-5)
    assert torch.allclose(norm.variance, variances, rtol=1e-4)
    x = torch.randn(1, 4, 8, 8)
    expected = (x - means[:, None, None]) / variances[:, None, None].sqrt()
    assert torch.allclose(norm.eval()(x), expected, atol=1e-4)


def test_the_norm_of_batches_is_torchs_own_and_can_be_frozen() -> None:
    norm = BatchNorm(4)
    x = torch.randn(3, 4, 8, 8) * 3 + 1
    assert torch.allclose(norm(x), functional.batch_norm(x, None, None, training=True), atol=1e-5)
    first = x.mean((0, 2, 3))
    assert torch.allclose(norm.mean, first, atol=1e-5)
    norm(x + 1)
    mean = norm.mean.clone()
    assert torch.allclose(mean, first + 0.05, atol=1e-5)
    norm.frozen = True
    shift = norm.mean[:, None, None]
    assert torch.allclose(norm(x), (x - shift) * norm.variance[:, None, None].rsqrt(), atol=1e-4)
    assert torch.equal(norm.mean, mean)
    assert torch.equal(norm(x), norm.eval()(x))


@pytest.mark.parametrize("spec", SMALL)
def test_folding_changes_nothing(spec: GeneratorSpec) -> None:
    network = _trained_a_little(spec)
    with torch.no_grad():
        for part in network.modules():  # nothing that happens to be 0 or 1
            if isinstance(part, BatchNorm | InstanceNorm):
                part.weight.uniform_(0.5, 2)
                part.bias.normal_()
        x = torch.randn(1, 1, 32, 32)
        before = network(x)
        assert torch.allclose(folded(network)(x), before, atol=1e-4)
    assert not [p for p in network.modules() if isinstance(p, BatchNorm | InstanceNorm)]


def _trained_a_little(spec: GeneratorSpec) -> Generator:
    network = generator(spec)
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(2, 1, 64, 64))
    return network.eval()


@pytest.mark.parametrize("spec", SMALL)
def test_an_output_sees_as_far_as_the_reach(spec: GeneratorSpec) -> None:
    network = _trained_a_little(spec)
    side = 128
    far = 0
    for row in range(side // 2 - 4, side // 2 + 4):  # all phases of the coarse grid
        x = torch.randn(1, 1, side, side, requires_grad=True)
        (gradient,) = torch.autograd.grad(network(x)[0, 0, row, side // 2], x)
        rows = gradient[0, 0].abs().sum(1).nonzero()[:, 0]
        far = max(far, row - int(rows[0]), int(rows[-1]) - row)
    assert far == network.reach_px


@pytest.mark.parametrize("spec", SMALL)
def test_a_tile_is_as_the_whole(spec: GeneratorSpec) -> None:
    network = _trained_a_little(spec)
    image = torch.randn(1, 1, 128, 128)
    with torch.no_grad():
        whole, tile = network(image), network(image[..., 32:112, 32:112])
    halo = network.reach_px
    inside = slice(32 + halo, 112 - halo)
    assert 80 - 2 * halo > 0
    there = tile[..., halo:-halo, halo:-halo]
    assert torch.allclose(there, whole[..., inside, inside], atol=1e-5)


@pytest.mark.parametrize("spec", SMALL)
def test_shapes_and_noise_channels(spec: GeneratorSpec) -> None:
    assert generator(spec, channels=3)(torch.randn(2, 3, 32, 48)).shape == (2, 1, 32, 48)


@pytest.mark.parametrize(("layers", "width"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_patches_of_the_discriminator(layers: int, width: int) -> None:
    judge = PatchDiscriminator(2, layers).eval()
    x = torch.randn(1, 1, 320, 320, requires_grad=True)
    judged = judge(x)
    middle = judged.shape[-1] // 2
    (gradient,) = torch.autograd.grad(judged[0, 0, middle, middle], x)
    rows = gradient[0, 0].abs().sum(1).nonzero()[:, 0]
    assert int(rows[-1] - rows[0]) + 1 == width


def test_the_published_generator_has_its_size() -> None:
    count = sum(p.numel() for p in generator(ResNet(base=64, blocks=9)).parameters())
    # 11.37 M with transposed convolutions, three colours and biases; ours has one grey channel.
    assert count == pytest.approx(11.37e6, rel=0.01)


def test_glorots_normal_distribution() -> None:
    network = generator(ResNet(base=32, blocks=1))
    glorot(network)
    parts = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    part = max(parts, key=lambda part: part.weight.numel())
    inputs, outputs = part.in_channels * 9, part.out_channels * 9
    assert float(part.weight.detach().std()) == pytest.approx(
        (2 / (inputs + outputs)) ** 0.5, rel=0.03
    )
