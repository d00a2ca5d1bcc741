"""Systems that name classes: networks, every loss by hand, what they learn from."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny import MAPS, tiny
from torch import Tensor, nn

from dermogan import losses
from dermogan.confusion import Confusion, confusion
from dermogan.data import Data
from dermogan.errors import DermoganError
from dermogan.networks import PyramidNet, product, pyramid
from dermogan.recipe import load_recipe
from dermogan.semantic import Pyramid
from dermogan.simulated import Drawn
from dermogan.systems import Patches, build_system
from dermogan.systems.cascade import CascadeSystem, coarse
from dermogan.systems.layers import LayersSystem
from dermogan.validate import Validator
from dermogan.windows import OPEN, Windows
from simcell import SimcellError


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)


# Losses

LOGITS = torch.tensor([[[[0.0, math.log(3), 9.0]], [[0.0, 0.0, -9.0]]]])
CLASSES = torch.tensor([[[1, 2, 0]]])


def test_cross_entropy_of_classes() -> None:
    # -log 1/2 with weight 1 and -log 1/4 with weight 20; the third pixel is of no class
    found = losses.class_cross_entropy(LOGITS, CLASSES, torch.tensor([1.0, 20.0]))
    assert found.item() == pytest.approx((1 + 20 * 2) * math.log(2) / 21)
    plain = losses.class_cross_entropy(LOGITS, CLASSES, torch.ones(2))
    assert plain.item() == pytest.approx(1.5 * math.log(2))


def test_pixels_without_a_class_teach_nothing() -> None:
    logits = LOGITS.clone().requires_grad_()
    losses.class_cross_entropy(logits, CLASSES, torch.ones(2)).backward()
    assert logits.grad is not None
    assert logits.grad[..., 2].tolist() == [[[0.0], [0.0]]]
    assert (logits.grad[..., :2] != 0).all()
    nothing = losses.class_cross_entropy(logits, torch.zeros_like(CLASSES), torch.ones(2))
    nothing.backward()
    assert nothing.item() == 0
    assert torch.isfinite(logits.grad).all()


def test_distances_and_the_boundary_loss() -> None:
    classes = np.array([[1, 1, 2, 2, 0]])
    found = losses.signed_distances(classes, 3, 2.0)
    half = [-0.75, -0.25, 0.25, 0.75]
    assert found[:, 0].tolist() == [[*half, 0], [*(-h for h in half), 0], [1, 1, 1, 1, 0]]
    sure = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.5], [0.0, 0.0, 0.0, 1.0, 0.5], [0.0] * 5])
    # one pixel too many of class 1: -0.75 - 0.25 + 0.25 - 0.75, over five
    lost = losses.boundary(sure[None, :, None], torch.from_numpy(found)[None])
    assert lost.item() == pytest.approx(-0.3)


def test_distances_of_a_class_that_is_everywhere() -> None:
    found = losses.signed_distances(np.ones((3, 4), int), 2, 5.0)
    assert (found[0] == -1).all()
    assert (found[1] == 1).all()


def test_a_thick_band_pays() -> None:
    """The loss is least for the band as it is, whatever the weights of the cross-entropy."""
    rows = np.repeat(np.arange(40)[:, None], 8, axis=1)
    truth = np.where(abs(rows - 20) <= 2, 2, 1)
    distances = torch.from_numpy(losses.signed_distances(truth, 2, 10.0))[None]
    lost = []
    for half in (1, 2, 3, 5):
        band = torch.from_numpy((abs(rows - 20) <= half).astype(np.float32))
        lost.append(losses.boundary(torch.stack([1 - band, band])[None], distances).item())
    assert min(lost) == lost[1]
    assert lost[3] > lost[2] > lost[1]


# Scores


def test_confusion_by_hand() -> None:
    truth = np.array([[1, 1, 1, 1, 2, 2], [3, 3, 0, 0, 2, 2]])
    predicted = np.array([[1, 1, 1, 2, 2, 2], [3, 0, 1, 2, 1, 3]])
    found = confusion(truth, predicted, 4)
    assert found.counts.tolist() == [
        [3, 1, 0, 0, 0],
        [1, 2, 1, 0, 0],
        [0, 0, 1, 0, 1],
        [0, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(found.sensitivity, [3 / 4, 2 / 4, 1 / 2, np.nan])
    np.testing.assert_allclose(found.specificity, [5 / 6, 5 / 6, 7 / 8, np.nan])
    np.testing.assert_allclose(found.accuracy, [8 / 10, 7 / 10, 8 / 10, np.nan])
    np.testing.assert_allclose(found.dice, [6 / 8, 4 / 7, 2 / 4, np.nan])
    assert found.overall == 0.6
    assert found.shares[0].tolist() == [0.75, 0.25, 0, 0, 0]
    assert (found + found).counts.tolist() == (2 * found.counts).tolist()
    assert math.isnan(Confusion(np.zeros((2, 3), np.int64)).overall)


def test_confusion_of_what_does_not_fit() -> None:
    ones = np.ones((2, 3), np.uint8)
    with pytest.raises(SimcellError, match=r"prediction has \(3, 2\) pixels, truth \(2, 3\)"):
        confusion(ones, ones.T, 2)
    with pytest.raises(SimcellError, match="prediction: holds class 3, there are 2"):
        confusion(ones, 3 * ones, 2)


# Networks


def test_a_network_at_half_the_size() -> None:
    network = PyramidNet(4, 2, [2], 5).eval()
    x = torch.randn(1, 1, 32, 48)
    (coarse,) = network.levels(x)
    assert coarse.shape == (1, 5, 16, 24)
    expected = network.parts[0](nn.functional.avg_pool2d(x, 2))
    assert torch.equal(coarse, expected)
    grown = nn.functional.interpolate(coarse, scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(network(x), grown)
    assert network.multiple == Pyramid(base=4, depth=2, scales=(2,)).multiple == 8


def test_a_cascade_hands_on_what_it_found() -> None:
    network = PyramidNet(2, 1, [4, 2, 1], 3).eval()
    x = torch.randn(1, 1, 32, 48)
    found = network.levels(x)
    assert [one.shape[-2:] for one in found] == [(8, 12), (16, 24), (32, 48)]
    assert [len(part.up) for part in network.parts] == [1, 2, 3]
    before = nn.functional.interpolate(
        torch.softmax(found[0], 1), scale_factor=2.0, mode="bilinear"
    )
    seen = torch.cat([nn.functional.avg_pool2d(x, 2), before], dim=1)
    torch.testing.assert_close(found[1], network.parts[1](seen))
    torch.testing.assert_close(network(x), found[2])
    assert network.multiple == Pyramid(base=2, depth=1, scales=(4, 2, 1)).multiple == 8


def test_texture_stands_beside_the_shrunk_image() -> None:
    network = PyramidNet(2, 1, [4, 2], 3, texture=5).eval()
    x = torch.randn(1, 1, 32, 48)
    assert network.texture is not None
    fine = network.texture(x)
    assert fine.shape == (1, 5, 16, 24)
    coarse, last = network.levels(x)
    pool = nn.functional.avg_pool2d
    torch.testing.assert_close(
        coarse, network.parts[0](torch.cat([pool(x, 4), pool(fine, 2)], dim=1))
    )
    before = nn.functional.interpolate(torch.softmax(coarse, 1), scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(last, network.parts[1](torch.cat([pool(x, 2), fine, before], dim=1)))


def test_texture_is_of_what_means_do_not_show() -> None:
    """Two images whose means over all pixels of the network are alike are told apart."""
    flat = torch.zeros(1, 1, 32, 32)
    rows = torch.tensor([1.0, -1.0]).repeat(16)[:, None].expand(32, 32)[None, None]
    blind, seeing = PyramidNet(2, 1, [2], 2).eval(), PyramidNet(2, 1, [2], 2, texture=3).eval()
    assert torch.equal(blind(flat), blind(rows))
    assert not torch.allclose(seeing(flat), seeing(rows), atol=1e-5)


@pytest.mark.parametrize(("scales", "sides"), [((4, 2, 1), (1,)), ((6, 3), (3,))])
def test_texture_wants_halvings(scales: tuple[int, ...], sides: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match=r"texture = 4: is found while the image is halved"):
        Pyramid(scales=scales, texture=4)
    assert Pyramid(scales=sides).texture == 0


@pytest.mark.parametrize(
    ("scales", "texture"), [([2], 0), ([4, 2, 1], 0), ([4, 2], 3), ([8, 4], 2)]
)
def test_a_pixel_reaches_no_farther_than_is_said(scales: list[int], texture: int) -> None:
    network = PyramidNet(2, 1, scales, 2, texture).double().eval()
    for part in network.parameters():
        nn.init.uniform_(part, 0.1, 0.2)  # nothing cancels
    x = torch.rand(1, 1, 384, 384).double().requires_grad_()
    network(x)[0, 0, 192, 192].backward()
    assert x.grad is not None
    seen = x.grad[0, 0].abs().nonzero()
    reach = int((seen - 192).abs().max())
    assert 0.6 * network.reach_px < reach <= network.reach_px


# Systems


def batch(name: str) -> tuple[nn.Module, Patches]:
    recipe = tiny(name)
    return build_system(recipe.system), Patches.of(Data(recipe, 1).batch(0), torch.device("cpu"))


class _Fixed(nn.Module):
    """A network whose logits are given."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, x: Tensor) -> Tensor:
        del x
        return self.logits


def test_the_losses_of_layers_by_hand() -> None:
    spec = (
        load_recipe("oct-unet-paper").with_set(["system.boundary=3", "system.boundary_px=2"]).system
    )
    system = LayersSystem(spec)  # type: ignore[arg-type]
    logits = torch.zeros(1, 5, 1, 4)
    logits[0, 3, 0, 2] = math.log(4)  # the junction has 1/2 there, the others 1/8
    system.network = _Fixed(logits)  # type: ignore[assignment]
    classes = torch.tensor([[[[3.0, 3.0, 4.0, 0.0]]]])
    outcome = system.maker_losses(Patches(0, 0, 0, pair_images=classes, pair_priors=classes))
    crossed = (2 * math.log(5) + 20 * math.log(2)) / 22
    # pixel by pixel: others (three classes, 1 each), epidermis and junction
    near = [3 / 5 + (-0.75 + 0.75) / 5, 3 / 5 + (-0.25 + 0.25) / 5, 3 / 8 + 0.25 / 8 - 0.25 / 2]
    assert outcome.parts["cross_entropy"].item() == pytest.approx(crossed)
    assert outcome.parts["boundary"].item() == pytest.approx(sum(near) / 4)
    assert outcome.total.item() == pytest.approx(crossed + 3 * sum(near) / 4)
    assert outcome.made["classes"].flatten().tolist() == pytest.approx([0.2, 0.2, 0.8, 0.2])


def test_the_losses_of_a_cascade_by_hand() -> None:
    weights = ["system.level_weights=[1, 2, 3]"]
    weights += ["system.network.scales=[4, 2, 1]", "system.network.texture=0"]
    system = CascadeSystem(load_recipe("mosaic-cascade").with_set(weights).system)  # type: ignore[arg-type]
    classes = torch.zeros(1, 1, 4, 4)
    classes[0, 0, 2, 2], classes[0, 0, 1, 1], classes[0, 0, 3, 1] = 1, 2, 3
    levels = [torch.zeros(1, 6, side, side) for side in (1, 2, 4)]
    levels[0][0, 0] = math.log(5)  # class 1 has 1/2
    levels[1][0, 2] = math.log(3)  # class 3 has 3/8, the others 1/8
    levels[2][0, 1] = math.log(15)  # class 2 has 3/4, the others 1/20
    system.network.levels = lambda _: levels  # type: ignore[method-assign, assignment]
    outcome = system.maker_losses(Patches(0, 0, 0, pair_images=classes, pair_priors=classes))
    # the middle of the only block of 4; of blocks of 2, the pixels (1, 1) (1, 3) (3, 1) (3, 3)
    expected = {
        "cross_entropy_4": -math.log(1 / 2),
        "cross_entropy_2": -(math.log(1 / 8) + math.log(3 / 8)) / 2,
        "cross_entropy_1": -(math.log(3 / 4) + 2 * math.log(1 / 20)) / 3,
    }
    assert {k: v.item() for k, v in outcome.parts.items()} == pytest.approx(expected)
    total = sum(w * v for w, v in zip((1, 2, 3), expected.values(), strict=True))
    assert outcome.total.item() == pytest.approx(total)
    assert coarse(torch.arange(16).reshape(1, 4, 4), 2).tolist() == [[[5, 7], [13, 15]]]


def test_every_level_has_a_loss_of_its_own() -> None:
    """With the coarse loss alone, nothing but the coarse U-Net learns."""
    system, given = batch("mosaic-cascade")
    assert isinstance(system, CascadeSystem)
    system.maker_losses(given).parts["cross_entropy_8"].backward()
    learnt = [any(p.grad is not None for p in part.parameters()) for part in system.network.parts]
    assert learnt == [True, False, False]


@pytest.mark.parametrize("name", MAPS)
def test_all_of_a_network_learns(name: str) -> None:
    system, given = batch(name)
    outcome = system.maker_losses(given)  # type: ignore[operator]
    outcome.total.backward()
    lame = [n for n, p in system.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert lame == []


@pytest.mark.parametrize("name", MAPS)
def test_what_is_learnt_are_class_maps(name: str) -> None:
    recipe = tiny(name, "data.augment.scale_low=0.7", "data.augment.scale_high=1.4")
    maps = Data(recipe, 1).batch(0).pair_priors
    assert maps is not None
    count = len(recipe.system.classes)  # type: ignore[union-attr]
    assert set(np.unique(maps)) <= set(range(count + 1))  # the nearest class, never one between
    assert len(np.unique(maps)) > 1
    network = product(recipe.system)
    assert isinstance(network, PyramidNet)
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, count, 32, 32)
    assert network.multiple == recipe.multiple


def test_layers_stay_the_right_way_up() -> None:
    recipe = tiny("oct-unet", "data.batch=8")
    maps = Data(recipe, 3).batch(0).pair_priors
    assert maps is not None
    depth = maps[:, 0].mean(axis=2)  # glass above, dermis below
    assert (depth[:, -4:].mean(axis=1) > depth[:, :4].mean(axis=1)).all()
    turned = Data(tiny("oct-unet", "data.batch=8", "data.augment.turns=all"), 3).batch(0)
    assert turned.pair_priors is not None
    depth = turned.pair_priors[:, 0].mean(axis=2)
    assert not (depth[:, -4:].mean(axis=1) > depth[:, :4].mean(axis=1)).all()


def test_validation_scores_classes() -> None:
    recipe = tiny("oct-unet-paper")
    validator = Validator(recipe)

    class _Right(nn.Module):
        """Finds each sample's map again, by the image; one class for another, if asked to."""

        multiple, wrong = 1, 0

        def forward(self, x: Tensor) -> Tensor:
            (at,) = [k for k, one in enumerate(validator.images) if np.array_equal(one, x[0, 0])]
            classes = torch.from_numpy(validator.priors[at]).long()
            classes = torch.where(classes == self.wrong, 5, classes)
            return 9.0 * nn.functional.one_hot(classes - 1, 5).permute(2, 0, 1)[None]

    network = _Right()
    device = torch.device("cpu")
    assert validator(network, device).score == 1  # type: ignore[arg-type]
    shown = np.unique(np.stack(validator.priors))
    network.wrong = int(shown[0])
    assert 0 < network.wrong < 5
    finding = validator(network, device)  # type: ignore[arg-type]
    assert finding.score == pytest.approx((len(shown) - 1) / len(shown))
    assert finding.priors[0].max() <= 1


@pytest.mark.parametrize(
    ("name", "sets", "needle"),
    [
        ("oct-unet", ["validation.score=dice"], "the system layers has class_accuracy or class_d"),
        ("supervised", ["validation.score=class_dice"], "supervised has membrane_f1 or dice"),
        ("oct-unet", ["system.class_weights=[1, 2]"], "5 numbers are needed, not all 0"),
        ("oct-unet", ["system.found_weights=[1, 2]"], "5 numbers are needed, or none"),
        ("oct-unet", ["system.network.scales=[4, 3]"], "each must divide the one before"),
        ("mosaic-cascade", ["system.found_weights=[1, 2]"], "6 numbers are needed, or none"),
        ("mosaic-cascade", ["system.level_weights=[1, 1]"], "3 numbers are needed, the last"),
        ("mosaic-cascade", ["system.level_weights=[1, 1, 0]"], "the last above 0"),
        ("oct-unet", ["data.patch_px=112"], "must be a multiple of 32; try 128"),
    ],
)
def test_recipes_that_are_refused(name: str, sets: list[str], needle: str) -> None:
    with pytest.raises(SimcellError) as error:
        load_recipe(name).with_set(sets)
    assert needle in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "preset", "needle"),
    [
        ("oct-unet", "rcm-mosaic", "has a map of 6 classes, the system layers learns from a map"),
        ("oct-unet", "rcm-sg", "data.pairs: has no class map"),
        ("supervised", "skin-oct", "supervised learns from no class map; choose another"),
    ],
)
def test_presets_that_do_not_fit(name: str, preset: str, needle: str) -> None:
    recipe = load_recipe(name).with_set([f"data.pairs={{kind: preset, preset: {preset}}}"])
    with pytest.raises(DermoganError, match=needle):
        Data(recipe, 0).batch(0)


def test_class_weights_are_the_papers() -> None:
    system = load_recipe("oct-unet-paper").system
    assert dict(zip(system.classes, system.class_weights, strict=True)) == {  # type: ignore[union-attr]
        "glass": 10,
        "glycerol": 10,
        "epidermis": 1,
        "junction": 20,
        "dermis": 1,
    }
    assert pyramid(system).scales == (2,)  # type: ignore[arg-type]


# Epochs


def test_every_window_once_an_epoch() -> None:
    windows = Windows((512, 300), 128, 10, 3)
    assert windows.grid == (3, 2)
    epochs = [[windows.place(60 * epoch + k) for k in range(60)] for epoch in (0, 1)]
    every = sorted((s, r, c) for s in range(10) for r in range(3) for c in range(2))
    assert sorted(epochs[0]) == sorted(epochs[1]) == every
    assert epochs[0] != epochs[1]
    for start in range(0, 60, 6 * OPEN):  # a few samples at a time
        assert len({place.sample for place in epochs[0][start : start + 6 * OPEN]}) <= OPEN
    assert len({place.sample for place in epochs[0][:8]}) > 1
    assert Windows((512, 300), 128, 10, 4).place(0) != windows.place(0) or (
        Windows((512, 300), 128, 10, 4).place(1) != windows.place(1)
    )


def test_samples_without_end() -> None:
    windows = Windows((256, 256), 128, None, 0)
    assert windows.grid == (1, 1)
    assert sorted(windows.place(k).sample for k in range(12)) == list(range(12))


def test_squares_lie_in_their_windows() -> None:
    windows, rng = Windows((512, 300), 128, 1, 0), np.random.default_rng(0)
    for number in range(6):
        place = windows.place(number)
        corners = np.array([windows.corner(rng, place, 100) for _ in range(400)])
        top, left = 128 * place.row, [0, 44][place.column]
        assert corners.min(axis=0).tolist() == pytest.approx([top, left], abs=3)
        assert corners.max(axis=0).tolist() == pytest.approx([top + 156, left + 156], abs=3)


def test_samples_are_made_once_for_all_their_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny("mosaic-cascade", "data.patch_px=16", "data.batch=4", "data.pairs.count=null")
    made: list[int] = []
    sample = Drawn.sample
    monkeypatch.setattr(Drawn, "sample", lambda self, i: made.append(i) or sample(self, i))
    data = Data(recipe, 1)
    batches = [data.batch(step) for step in range(8)]  # two epochs of four samples, four windows
    assert sorted(made) == list(range(8))
    again = Data(recipe, 1).batch(5)
    assert np.array_equal(again.pair_images, batches[5].pair_images)  # type: ignore[arg-type]
    assert len({one.pair_images.tobytes() for one in batches}) == 8  # type: ignore[union-attr]
    made.clear()
    kept = Data(recipe.with_set(["data.pairs.count=4"]), 1)
    for step in range(8):
        kept.batch(step)
    assert sorted(made) == [0, 1, 2, 3]
