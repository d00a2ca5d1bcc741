"""Networks and augmentation of cGAN-Seg against plain twins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from few import small
from torch import nn
from torch.nn import functional

from dermogan.networks import BatchNorm, generator, unremembered
from dermogan.networks.attention import LinearAttention, attentive
from dermogan.networks.residual import around
from dermogan.networks.style import EqualLinear, Modulated, StyleUNetMaker
from dermogan.recipe import Supervised
from dermogan.systems import Patches
from dermogan.systems.diffaug import CHANGES, differentiable


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)


# Networks


def test_modulation_is_a_convolution_with_weights_of_its_own_for_every_image() -> None:
    layer = Modulated(3, 4, 5)
    nn.init.normal_(layer.strength)
    nn.init.normal_(layer.bias)
    x, style, noise = torch.randn(2, 3, 6, 7), torch.randn(2, 5), torch.randn(2, 1, 6, 7)
    for n, one in enumerate(layer(x, style, noise)):
        weight = layer.weight * layer.of_style(style[n : n + 1])[0][None, :, None, None]
        weight = weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt()
        plain = functional.conv2d(x[n : n + 1], weight, padding=1)[0]
        plain = plain + layer.bias[:, None, None] + layer.strength[:, None, None] * noise[n]
        torch.testing.assert_close(one, torch.where(plain > 0, plain, 0.2 * plain))


def test_equal_layers_start_at_one_size_and_learn_slowly() -> None:
    layer = EqualLinear(400, 300, slow=0.1, bias=2.0)
    found = layer(torch.randn(50, 400))
    assert found.mean().item() == pytest.approx(2, abs=0.05)
    assert found.std().item() == pytest.approx(1, abs=0.05)
    assert layer.weight.std().item() == pytest.approx(10, rel=0.05)


def test_style_and_noise_reach_the_image() -> None:
    network = StyleUNetMaker(2, 2, 8).eval()
    mask, style, noise = torch.rand(1, 1, 16, 24), torch.randn(1, 8), torch.randn(1, 8, 16, 24)
    made = network(mask, style, noise)
    assert made.shape == mask.shape
    assert not torch.allclose(made, network(mask, -style, noise))
    assert torch.allclose(made, network(mask, 3 * style, noise), atol=1e-5)  # its length is none
    assert torch.equal(made, network(mask, style, -noise))  # at first noise has no strength
    nn.init.ones_(network.up[3].strength)
    assert not torch.allclose(network(mask, style, noise), network(mask, style, -noise))


def test_attention_in_linear_time_against_a_plain_one() -> None:
    layer = LinearAttention(4, heads=2, width=3)
    x = torch.randn(1, 4, 5, 6)
    three = functional.conv2d(x, layer.to_three.weight)[0].reshape(3, 2, 3, 30)
    found = torch.zeros(2, 3, 30)
    for head in range(2):
        ask, key, value = three[:, head]
        ask, key = ask.softmax(0) / 3**0.5, key.softmax(1)
        for at in range(30):  # what pixel `at` gets: values, by how well keys fit what it asks
            found[head, :, at] = (value * (key * ask[:, at : at + 1]).sum(0)).sum(1)
    expected = x + layer.back(found.reshape(1, 6, 5, 6))
    torch.testing.assert_close(layer(x), expected)
    judge = attentive(2, 3, 2, 3)
    assert isinstance(judge.body[2], LinearAttention)
    assert judge(torch.randn(1, 1, 32, 32)).shape[1] == 1


@pytest.mark.parametrize("kind", ["deepsea", "cellpose"])
def test_a_pixel_reaches_no_farther_than_is_said(kind: str) -> None:
    spec = Supervised.model_validate({"network": {"kind": kind, "base": 2, "depth": 2}}).network
    network = generator(spec).double().eval()
    for name, part in network.named_parameters():
        nn.init.uniform_(part, *((0.05, 0.2) if "weight" in name else (0.0, 0.0)))
    x = torch.rand(1, 1, 192, 192).double().requires_grad_()
    network(x)[0, 0, 96, 96].backward()
    assert x.grad is not None
    reach = int((x.grad[0, 0].abs().nonzero() - 96).abs().max())
    assert 0.6 * network.reach_px < reach <= network.reach_px
    assert network.multiple == 4


def test_the_style_of_a_place_is_the_mean_around_it() -> None:
    features = torch.randn(1, 3, 12, 12)
    mean = features[0, :, :7, 4:].mean((1, 2))  # around (2, 8), what there is of 9 x 9
    torch.testing.assert_close(around(features)[0, :, 2, 8], mean / mean.norm())


def test_what_is_seen_unremembered_leaves_no_trace() -> None:
    network = generator(small(Path()).system.network)
    network(torch.randn(2, 1, 16, 16))
    part = next(p for p in network.modules() if isinstance(p, BatchNorm))
    before, x = part.mean.clone(), 5 + torch.randn(2, 1, 16, 16)
    with unremembered(network):
        seen = network(x)
    assert torch.equal(part.mean, before)
    seen.sum().backward()
    assert torch.equal(seen, network(x))  # normalised by itself all the same
    assert not torch.equal(part.mean, before)


# Differentiable augmentation


def test_real_and_made_images_are_changed_alike() -> None:
    images, patches = torch.rand(6, 1, 16, 16), Patches(3, 0, 0)
    one = differentiable(images, patches, 1.0, "judge")
    assert torch.equal(one, differentiable(images, patches, 1.0, "judge"))
    assert not torch.equal(one, differentiable(images, patches, 1.0, "maker"))
    assert torch.equal(images, differentiable(images, patches, 0.0, "judge"))
    changed = [not torch.equal(a, b) for a, b in zip(one, images, strict=True)]
    assert 3 <= sum(changed) <= 6  # one of sixteen subsets is empty


@pytest.mark.parametrize("name", list(CHANGES))
def test_changes_pass_gradients_on(name: str) -> None:
    image = torch.rand(1, 16, 16, requires_grad=True)
    changed = CHANGES[name](image, np.random.default_rng(5))
    assert changed.shape == image.shape
    assert not torch.equal(changed, image)
    changed.sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_changes_by_hand() -> None:
    image = torch.arange(256.0).reshape(1, 16, 16)
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)
    moved = CHANGES["translation"](image, rng)
    y, x = (int(twin.integers(-2, 3)) for _ in range(2))
    assert (y, x) != (0, 0)
    rolled = torch.roll(image, (-y, -x), (1, 2))
    inside = moved != 0
    assert torch.equal(moved[inside], rolled[inside])
    assert int((~inside).sum()) - 256 + (16 - abs(y)) * (16 - abs(x)) in (0, 1)  # 0 is a grey
    gone = CHANGES["cutout"](torch.ones(1, 16, 16), np.random.default_rng(2))
    assert 0 < int((gone == 0).sum()) <= 64
    flat = CHANGES["contrast"](image, np.random.default_rng(3))
    assert flat.mean().item() == pytest.approx(image.mean().item())
    gain = flat.std() / image.std()
    assert 0.5 <= gain.item() <= 1.5
    assert gain.item() != pytest.approx(1, abs=1e-3)
