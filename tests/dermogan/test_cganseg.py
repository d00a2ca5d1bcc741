"""cGAN-Seg: networks against plain twins, every loss by hand, who learns from what, resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from few import annotated, small
from tiny import alike, rows, state
from torch import Tensor, nn
from torch.nn import functional

import simcell
from dermogan import run as loop
from dermogan.cli import main
from dermogan.data import Data
from dermogan.domains import LabelledSource
from dermogan.images import read_image, read_labels
from dermogan.imagine import Maker, masks_of_preset
from dermogan.labelled import files_of
from dermogan.model import load_model
from dermogan.networks import BatchNorm, generator, unremembered
from dermogan.networks.attention import LinearAttention, attentive
from dermogan.networks.residual import around
from dermogan.networks.style import EqualLinear, Modulated, StyleUNetMaker
from dermogan.recipe import CganSeg, Recipe, Supervised
from dermogan.systems import Patches, build_system
from dermogan.systems.cganseg import CganSegSystem
from dermogan.systems.diffaug import CHANGES, differentiable
from dermogan.trainer import train
from simcell import SimcellError

MORE = "data.priors={kind: preset, preset: nonconfluent, set: [imaging.kind=none]}"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)


def called(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


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
        (nn.init.uniform_ if "weight" in name else nn.init.zeros_)(
            part, *([0.05, 0.2] if "weight" in name else [])
        )
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


# Losses


class _Affine(nn.Module):
    """A network whose output can be worked out by hand."""

    def __init__(self, gain: float, shift: float) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.tensor(gain)), shift

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        del others
        return self.gain * x + self.shift


class _Twice(nn.Module):
    """Features that are the image, and twice of it at half the size."""

    said = "itself"

    def forward(self, x: Tensor) -> list[Tensor]:
        return [x, 2 * x[..., ::2]]


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def lost(logit: float, mask: float) -> float:
    """Return cross-entropy and Dice of constant images of 16 pixels."""
    p = sigmoid(logit)
    crossed = -(mask * np.log(p) + (1 - mask) * np.log(1 - p))
    return float(crossed + 1 - (2 * 16 * p * mask + 1) / (16 * (p + mask) + 1))


@pytest.mark.parametrize("masks", ["soft", "straight", "cut"])
def test_all_losses_by_hand(masks: str) -> None:
    """Equations 6 to 17 on constant images, with affine networks."""
    sets = ["system.differentiable=0", "system.weights.grey=0.5", f"system.masks={masks}"]
    system = build_system(small(Path(), *sets).system)
    assert isinstance(system, CganSegSystem)
    system.segmenter, system.maker = _Affine(2.0, 0.5), _Affine(0.7, -0.3)  # type: ignore[assignment]
    system.judge_image, system.judge_mask = _Affine(0.5, 0.1), _Affine(1.5, -0.2)  # type: ignore[assignment]
    system._features = (_Twice(),)  # type: ignore[assignment]
    image, mask = torch.full((2, 1, 4, 4), 0.3), torch.full((2, 1, 4, 4), 0.8)
    more, noise = torch.full((2, 1, 4, 4), 0.2), torch.zeros(2, 9, 16, 16)
    given = Patches(0, 0, 0, pair_images=image, pair_priors=mask, priors=more, noise=noise)
    outcome = system.maker_losses(given)

    def apart(made: float) -> float:  # half the greys, and the mean of once and twice of them
        return 0.5 * abs(made - 0.3) + 1.5 * abs(made - 0.3)

    logit = 2 * 0.3 + 0.5
    found = sigmoid(logit) if masks == "soft" else 1.0
    made, dense, again = 0.7 * 0.8 - 0.3, 0.7 * 0.2 - 0.3, 0.7 * found - 0.3
    expected = {
        "adversarial_image": ((0.5 * made - 0.9) ** 2 + (0.5 * dense - 0.9) ** 2) / 2,
        "adversarial_mask": (1.5 * found - 1.2) ** 2,
        "reconstruction_image": apart(again),
        "reconstruction_mask": (lost(2 * made + 0.5, 0.8) + lost(2 * dense + 0.5, 0.2)) / 2,
        "identity_image": apart(made),
        "identity_mask": lost(logit, 0.8),
    }
    assert {k: v.item() for k, v in outcome.parts.items()} == pytest.approx(expected)
    weights = (1, 1, 100, 100, 50, 50)
    total = sum(w * v for w, v in zip(weights, expected.values(), strict=True))
    assert outcome.total.item() == pytest.approx(total)

    judged = system.judge_losses(given, outcome.made)
    fakes = ((0.5 * made + 0.1) ** 2 + (0.5 * dense + 0.1) ** 2) / 2
    expected = {
        "judge_image": (0.5 * 0.3 + 0.1 - 1) ** 2 / 2 + fakes / 2,
        "judge_mask": (1.5 * 0.8 - 0.2 - 1) ** 2 / 2 + (1.5 * found - 0.2) ** 2 / 2,
    }
    assert {k: v.item() for k, v in judged.parts.items()} == pytest.approx(expected)
    assert judged.total.item() == pytest.approx(sum(expected.values()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return annotated(tmp_path_factory.mktemp("few"))


def given_to(recipe: Recipe) -> tuple[CganSegSystem, Patches]:
    system = build_system(recipe.system)
    assert isinstance(system, CganSegSystem)
    return system, Patches.of(Data(recipe, 1).batch(0), torch.device("cpu"))


def learnt(network: nn.Module) -> bool:
    return any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize(("masks", "learns"), [("soft", True), ("straight", True), ("cut", False)])
def test_what_teaches_the_segmenter(folder: Path, masks: str, learns: bool) -> None:
    """With masks that are thresholded, neither the judge nor the way back does."""
    for part in ("adversarial_mask", "reconstruction_image"):
        system, given = given_to(small(folder, f"system.masks={masks}", "system.perceptual=null"))
        loss = system.maker_losses(given).parts[part]
        if loss.requires_grad:
            loss.backward()
        assert learnt(system.segmenter) is learns
    system, given = given_to(small(folder, "system.perceptual=null"))
    system.maker_losses(given).parts["reconstruction_mask"].backward()
    assert learnt(system.segmenter)
    assert learnt(system.maker)


def test_every_network_learns_in_its_half(folder: Path) -> None:
    system, given = given_to(small(folder, MORE))
    for judge in system.judges():
        judge.requires_grad_(False)
    outcome = system.maker_losses(given)
    outcome.total.backward()
    lame = [n for m in system.makers() for n, p in m.named_parameters() if p.grad is None]
    assert lame == []
    assert outcome.made["more_images"].shape == given.priors.shape
    assert not any(learnt(judge) for judge in system.judges())
    system.zero_grad()
    for judge in system.judges():
        judge.requires_grad_(True)
    system.judge_losses(given, outcome.made).total.backward()
    assert all(learnt(judge) for judge in system.judges())
    assert not any(learnt(maker) for maker in system.makers())
    assert system.product is system.segmenter
    assert system.seen_by_product(given) is given.pair_images


def test_what_compares_images_is_said_and_not_kept(folder: Path) -> None:
    system, _ = given_to(small(folder))
    assert "by the model confluent" in system.notes()[0]
    kept = {name.partition(".")[0] for name in system.state_dict()}
    assert kept == {"segmenter", "maker", "judge_image", "judge_mask"}
    system, _ = given_to(small(folder, "system.perceptual=null"))
    assert system.notes()[0].endswith("by their grey values alone")


# Runs


def test_it_trains_and_resumes_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    recipe = small(folder, MORE)
    assert isinstance(recipe.system, CganSeg)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    summary = train(recipe, whole, seed=3, quiet=True)

    class _PowerCut(Exception):
        pass

    original = loop.save_checkpoint

    def cut(path: Path, content: dict[str, Any]) -> None:
        original(path, content)
        if content["step"] == 2:
            raise _PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", cut)
        with pytest.raises(_PowerCut):
            train(recipe, parts, seed=3, quiet=True)
    train(recipe, parts, seed=3, resume=True, quiet=True)
    alike(state(whole), state(parts))
    assert rows(whole) == rows(parts)
    assert rows(whole)[0][1:7] == [
        f"{loss}_{of}"
        for loss in ("adversarial", "reconstruction", "identity")
        for of in ("image", "mask")
    ]
    model = load_model(whole)
    assert (model.output, model.card["score"]) == ("filled", summary.score)
    assert model.predict(np.zeros((1, 1, 16, 16), np.float32)).shape == (1, 1, 16, 16)
    _imagined(folder, whole, tmp_path / "made")


def _imagined(folder: Path, run: Path, out: Path) -> None:
    """Images of the masks of a folder are annotated images, and the same every time."""
    command = ["imagine", run, "--masks", folder / "masks", "-o", out, "-n", 3]
    done = called(*command, "--real", folder / "images", "--square", 16)
    assert done.exit_code == 0, done.output
    assert "by the model confluent" in done.output
    assert done.output.endswith("36 real and 27 made squares\n")
    files = files_of(LabelledSource(path=str(out)))
    assert len(files) == 3
    for (image, mask), (_, given) in zip(
        files, files_of(LabelledSource(path=str(folder))), strict=False
    ):
        assert np.array_equal(read_labels(mask), read_labels(given))
        assert read_image(image).std() > 0
    maker, labels = Maker.of(run), np.zeros((30, 45), int)
    labels[5:20, 5:20] = 1
    one = maker.image(labels, 0, 3)
    assert one.shape == labels.shape
    assert np.array_equal(one, maker.image(labels, 0, 3))
    assert -1 <= one.min() < one.max() <= 1
    for given, needle in (
        ((run, "-o", out, "--preset", "discs"), "exists already"),
        ((run, "-o", out / "new"), "needs --masks or --preset"),
        ((folder, "-o", out / "new", "--preset", "discs"), "has no checkpoint.pt"),
        ((run, "-o", out / "new", "--masks", run), "no label images"),
    ):
        bad = called("imagine", *given)
        assert bad.exit_code == 2
        assert needle in bad.output


def test_cells_of_a_preset_without_their_images() -> None:
    preset = simcell.load_preset("nonconfluent").with_set(["frame.shape=[48, 64]"])
    (name, labels), *_ = masks_of_preset(preset, 1, 5)
    assert (name, labels.shape) == ("nonconfluent-0000", (48, 64))
    with pytest.raises(SimcellError, match="makes volumes"):
        next(masks_of_preset(simcell.load_preset("nucleus-golgi"), 1, 0))
