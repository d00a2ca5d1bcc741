"""cGAN-Seg: every loss by hand, who learns from what, resume, images of masks."""

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

import simcell
from dermogan import run as loop
from dermogan.cli import main
from dermogan.data import Data
from dermogan.domains import LabelledSource
from dermogan.images import read_image, read_labels
from dermogan.imagine import Maker, masks_of_preset
from dermogan.labelled import files_of
from dermogan.model import load_model
from dermogan.recipe import CganSeg, Recipe
from dermogan.systems import Patches, build_system
from dermogan.systems.cganseg import CganSegSystem
from dermogan.trainer import train
from simcell import SimcellError

MORE = "data.priors={kind: preset, preset: nonconfluent, set: [imaging.kind=none]}"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)


def called(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


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


def test_weights_go_with_what_takes_some(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(small(folder).text)
    for recipe, needle in (
        (tmp_path / "mine.yaml", "vgg.pth: No such file"),
        ("supervised", "--weights vgg.pth: the recipe supervised takes none"),
    ):
        done = called("train", "--recipe", recipe, "-o", tmp_path / "run", "--weights", "vgg.pth")
        assert done.exit_code == 2
        assert needle in done.output
    assert not (tmp_path / "run").exists()


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
