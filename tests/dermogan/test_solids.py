"""Systems of volumes: losses by hand, patches, training and resuming, blocks without seams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import SOLIDS, alike, rows, state, tiny
from torch import Tensor, nn

import simcell
from dermogan import run as loop
from dermogan.data import Data
from dermogan.model import load_model
from dermogan.networks import UNet3dGenerator, product
from dermogan.recipe import load_recipe
from dermogan.solids import faded, probabilities, spans, whole
from dermogan.stacks import Stacks, cores, pad_to, stretched, varied, wanted
from dermogan.systems import Patches, build_system
from dermogan.systems.cyclegan3d import SolidTask
from dermogan.systems.solid import SolidSystem
from dermogan.systems.solids import dice_of_channels, weighted_mae
from dermogan.systems.vox2vox import Vox2VoxSystem
from dermogan.trainer import train
from dermogan.validators import SolidValidator, validator
from dermogan.volumefile import write_volume
from dermogan.volumetric import Stack
from simcell import SimcellError

SMALL = ["frame.shape=[16, 32, 32]", "frame.margin_um=4"]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)


def batch(name: str, step: int = 0, *sets: str) -> tuple[Any, Patches]:
    recipe = tiny(name, *sets)
    made = Data(recipe, 1).batch(step)
    return build_system(recipe.system), Patches.of(made, torch.device("cpu"))


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


# Losses


def test_dice_of_channels_by_hand() -> None:
    made = torch.zeros(1, 2, 1, 1, 4)
    true = torch.zeros(1, 2, 1, 1, 4)
    made[0, 0] = torch.tensor([1.0, 1.0, 0.5, 0.0])
    true[0, 0] = torch.tensor([1.0, 0.0, 1.0, 0.0])
    # 2 * 1.5 + 1 over 2.5 + 2 + 1; an empty channel that is found empty loses nothing
    assert dice_of_channels(made, true).item() == pytest.approx((1 - 4 / 5.5) / 2)


def test_golgi_weigh_more() -> None:
    one, other = torch.zeros(2, 3, 2, 2, 2), torch.zeros(2, 3, 2, 2, 2)
    one[:, 0], one[:, 1] = 0.3, 0.2
    found = weighted_mae(one, other, torch.tensor([1.0, 3.5, 1.0]))
    assert found.item() == pytest.approx((0.3 + 3.5 * 0.2) / 5.5)


class _Fixed(nn.Module):
    """A network that gives the same everywhere, whatever it sees."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, x: Tensor) -> Tensor:
        return self.values[None, :, None, None, None].expand(len(x), -1, *x.shape[2:])


def _same() -> _Fixed:
    network = _Fixed(1.0, 1.0, 1.0)
    network.multiple = 1  # type: ignore[assignment]
    return network


class _Mean(nn.Module):
    """A judge that gives the mean of all channels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1, keepdim=True)


class _Gain(nn.Module):
    """A network whose channels are gains of the mean of what it sees, and a shift."""

    def __init__(self, shift: float, *gains: float) -> None:
        super().__init__()
        self.gains, self.shift = nn.Parameter(torch.tensor(gains)), shift

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1, keepdim=True) * self.gains[None, :, None, None, None] + self.shift


def full(*values: float) -> Tensor:
    return torch.tensor(values)[None, :, None, None, None].expand(2, -1, 2, 4, 4).clone()


def overlap(p: float, t: float) -> float:
    return 1 - (2 * 32 * p * t + 1) / (32 * (p + t) + 1)


def crossed(p: float, t: float) -> float:
    return float(-(t * np.log(p) + (1 - t) * np.log(1 - p)))


def test_the_losses_of_a_u_net_by_hand() -> None:
    sets = ["system.core=0", "system.dice=2", "system.cross_entropy=3"]
    system = SolidSystem(load_recipe("unet-3d").with_set(sets).system)  # type: ignore[arg-type]
    system.network = _Fixed(1.0, -2.0)  # type: ignore[assignment]
    given = Patches(0, 0, 0, pair_images=full(0.0), pair_priors=full(1.0, 0.0))
    found = system.maker_losses(given)
    p = sigmoid(1.0), sigmoid(-2.0)
    dice = (overlap(p[0], 1) + overlap(p[1], 0)) / 2
    entropy = (crossed(p[0], 1) + crossed(p[1], 0)) / 2
    parts = {name: value.item() for name, value in found.parts.items()}
    assert parts == pytest.approx({"dice": dice, "cross_entropy": entropy})
    assert found.total.item() == pytest.approx(2 * dice + 3 * entropy)


def test_the_losses_of_vox2vox_by_hand() -> None:
    system = Vox2VoxSystem(load_recipe("vox2vox").with_set(["system.core=0"]).system)  # type: ignore[arg-type]
    system.network, system.judge = _Fixed(1.0, -2.0), _Mean()  # type: ignore[assignment]
    given = Patches(0, 0, 0, pair_images=full(0.4), pair_priors=full(1.0, 0.0))
    found = system.maker_losses(given)
    p = sigmoid(1.0), sigmoid(-2.0)
    judged = (0.4 + p[0] + p[1]) / 3
    expected = {
        "dice": (overlap(p[0], 1) + overlap(p[1], 0)) / 2,
        "adversarial": (judged - 1) ** 2,
    }
    assert {k: v.item() for k, v in found.parts.items()} == pytest.approx(expected)
    total = 5 * expected["dice"] + expected["adversarial"]
    assert found.total.item() == pytest.approx(total)
    second = system.judge_losses(given, found.made)
    real = (0.4 + 1.0 + 0.0) / 3
    assert second.total.item() == pytest.approx(((real - 1) ** 2 + judged**2) / 2)
    assert system.network.values.grad is None


def test_the_losses_of_a_cycle_by_hand() -> None:
    sets = ["system.core=0", "system.mask_noise=0.5", "system.z_noise=0"]
    spec = load_recipe("cyclegan-3d").with_set(sets).system
    task = SolidTask(spec, "a")  # type: ignore[arg-type]
    task.to_prior, task.to_image = _Gain(0.5, 2.0, -1.0), _Gain(-1.0, 1.0)
    task.judge_prior, task.judge_image = _Mean(), _Mean()
    half = task.losses(full(0.3), full(0.8, 0.2), full(-1.0))

    def to_prior(x: float) -> tuple[float, float]:
        return sigmoid(2 * x + 0.5), sigmoid(-x + 0.5)

    def to_image(a: float, b: float) -> float:
        return float(np.tanh((a + b) / 2 - 1))

    def apart(made: tuple[float, float]) -> float:
        return (abs(made[0] - 0.8) + 3.5 * abs(made[1] - 0.2)) / 4.5

    made, image = to_prior(0.3), to_image(0.8, 0.2)
    drawn = 2 * (0.4 * 0.8 + 0.2) - 1
    expected = {
        "adversarial": (sum(made) / 2 - 1) ** 2,
        "cycle": apart(to_prior(image)),
        "identity": apart(to_prior(drawn)),
    }
    assert {k: v.item() for k, v in half.prior_trio.items()} == pytest.approx(expected)
    expected = {
        "adversarial": (image - 1) ** 2,
        "cycle": abs(to_image(made[0] - 0.5, made[1] - 0.5) - 0.3),
        "identity": abs(to_image(0.65, 0.65) - 0.3),
    }
    assert {k: v.item() for k, v in half.image_trio.items()} == pytest.approx(expected)
    paired = task.paired(full(0.3), full(1.0, 0.0)).item()
    both = [overlap(p, t) / 2 + crossed(p, t) / 2 for p, t in zip(made, (1, 0), strict=True)]
    assert paired == pytest.approx(sum(both))


@pytest.mark.parametrize("name", SOLIDS)
def test_all_of_a_network_learns(name: str) -> None:
    system, given = batch(name, 1)  # after the warm-up of a cycle-GAN
    outcome = system.maker_losses(given)
    outcome.total.backward()
    for maker in system.makers():
        lame = [n for n, p in maker.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        assert lame == []
    if system.judges():
        system.zero_grad()
        system.judge_losses(given, outcome.made).total.backward()
        assert all(p.grad is not None for j in system.judges() for p in j.parameters())


def test_the_rates_of_makers_and_judges(tmp_path: Path) -> None:
    recipe = tiny("vox2vox", "budget.steps=1", "optimiser.decay_from=1")
    train(recipe, tmp_path / "run", quiet=True)
    found = state(tmp_path / "run")["optimisers"]
    rates = [found[name]["param_groups"][0]["lr"] for name in ("makers", "judges")]
    assert rates == [recipe.optimiser.rate, recipe.optimiser.judges_rate]
    assert rates == [2e-3, 2e-4]


@pytest.mark.parametrize("name", SOLIDS)
def test_a_system_trains_and_resumes_bit_for_bit(name: str, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    train(tiny(name), one, seed=3, quiet=True)
    original = loop.save_checkpoint

    def cut(path: Path, content: dict[str, Any]) -> None:
        original(path, content)
        if content["step"] == 2:
            raise KeyError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", cut)
        with pytest.raises(KeyError):
            train(tiny(name), other, seed=3, quiet=True)
    train(tiny(name), other, seed=3, resume=True, quiet=True)
    alike(state(one), state(other))
    assert rows(one) == rows(other)
    model = load_model(other)
    assert (model.output, model.channels, model.multiple) == ("volume", 3, 4)
    assert model.diameter_px is not None
    assert list((one / "pictures").glob("step-*.png"))


# Patches


def sample(*sets: str) -> simcell.Sample:
    preset = simcell.load_preset("nucleus-golgi").with_set([*SMALL, *sets])
    return simcell.simulate(preset.scene(seed=2, index=0), seed=2, index=0)


def test_cores_lie_deep_in_cells_and_apart() -> None:
    made = sample()
    assert made.labels is not None
    assert made.objects is not None
    found, masks = cores(made, 0.35), wanted(made, 0.35)
    assert masks.shape == (3, 16, 32, 32)
    assert np.array_equal(masks[2] > 0, found)
    assert wanted(made, 0).shape == (2, 16, 32, 32)
    table = made.objects
    own = np.zeros(table["label"].max() + 1, int)
    own[table["label"]] = np.where(table["type"] == 1, table["label"], table["partner"])
    cells = own[made.labels]
    assert (cells[found] > 0).all()
    for axis in range(3):  # no voxel of a core has a neighbour outside its cell
        cell, core = (np.moveaxis(one, axis, 0) for one in (cells, found))
        same = cell[1:] == cell[:-1]
        assert same[core[1:]].all()
        assert same[core[:-1]].all()
    deeper = cores(made, 0.7)
    assert (deeper <= found).all()
    assert set(np.unique(cells[deeper])) == set(np.unique(cells[found])) == set(cells[cells > 0])
    assert deeper.sum() < 0.6 * found.sum()


def test_thin_volumes_are_mirrored() -> None:
    thin = np.arange(3.0).reshape(3, 1, 1)
    assert pad_to(thin, (7, 1, 1)).ravel().tolist() == [2, 1, 0, 1, 2, 1, 0]
    assert pad_to(thin, (2, 1, 1)) is thin


def test_patches_are_what_they_should_be() -> None:
    recipe = tiny("unet-3d", "data.augment.scale_low=0.7", "data.augment.scale_high=1.4")
    made = Data(recipe, 1).batch(0)
    assert made.pair_images is not None
    assert made.pair_priors is not None
    assert made.pair_images.shape == (2, 1, 8, 16, 16)
    assert made.pair_priors.shape == (2, 3, 8, 16, 16)
    assert set(np.unique(made.pair_priors)) == {0, 1}
    assert made.pair_images.min() >= -1
    assert made.pair_images.max() <= 1
    again = Data(recipe, 1).batch(0)
    assert np.array_equal(made.pair_images, again.pair_images)  # type: ignore[arg-type]
    assert not np.array_equal(made.pair_images[0], made.pair_images[1])


def test_masks_turn_with_their_volume() -> None:
    rng = np.random.default_rng(0)
    volume = rng.random((4, 6, 6)).astype(np.float32) * 2 - 1
    augment = load_recipe("unet-3d").with_set(["data.augment={turns: all}"]).data.augment
    seen = set()
    for seed in range(40):
        made, masks = varied(volume, volume[None], (4, 6, 6), augment, np.random.default_rng(seed))
        assert masks is not None
        np.testing.assert_allclose(made, masks[0], atol=1e-6)
        seen.add(made.tobytes())
    assert 12 <= len(seen) <= 16  # 8 ways to turn a square over, by top and bottom


def test_folders_of_volumes(tmp_path: Path) -> None:
    volume = np.arange(4 * 20 * 20, dtype=np.uint16).reshape(4, 20, 20)
    write_volume(tmp_path / "a.tif", volume, (1.0, 0.5, 0.5))
    folder = f"data.images={{kind: folder, path: {tmp_path}}}"
    images = Data(tiny("cyclegan-3d", folder), 0).batch(1).images
    assert images is not None
    assert images.shape == (2, 1, 8, 16, 16)  # thinner than a patch
    (tmp_path / "b.tif").write_bytes(b"no")
    with pytest.raises(SimcellError, match=r"b.tif: cannot be read"):
        Data(tiny("cyclegan-3d", folder), 0).batch(1)
    skipping = Data(tiny("cyclegan-3d", folder.replace("}", ", bad: skip}")), 0)
    assert skipping.batch(1).images is not None
    assert "b.tif" in skipping.notes()[0]
    with pytest.raises(SimcellError, match="holds no volume"):
        Data(tiny("cyclegan-3d", f"data.images={{kind: folder, path: {tmp_path}/no}}"), 0).batch(1)


@pytest.mark.parametrize(
    ("name", "sets", "needle"),
    [
        ("unet-3d", ["validation.score=dice"], "the system solid has volume_dice"),
        ("unet-3d", ["data.volume=null"], "data.volume: goes with systems of volumes; solid"),
        ("supervised", ["data.volume={}"], "supervised: set it to null"),
        ("unet-3d", ["data.volume.patch=[32, 60, 64]"], "multiples of 8; try [32, 64, 64]"),
        ("unet-3d", ["data.volume.low=99.9"], "must be below high = 99.8"),
        ("unet-3d", ["system.dice=0", "system.cross_entropy=0"], "nothing would be learnt"),
    ],
)
def test_recipes_that_are_refused(name: str, sets: list[str], needle: str) -> None:
    with pytest.raises(SimcellError) as error:
        load_recipe(name).with_set(sets)
    assert needle in str(error.value)
    assert "\n" not in str(error.value)


def test_presets_that_do_not_fit() -> None:
    recipe = load_recipe("unet-3d").with_set(["data.pairs={kind: preset, preset: rcm-sg}"])
    with pytest.raises(SimcellError, match="is no volume with a prior of 2 channels"):
        Data(recipe, 0).batch(0)


def test_a_cut_is_as_large_as_its_magnification_asks_for() -> None:
    volume = np.zeros((16, 32, 32), np.float32)
    stacks = Stacks((8, 16, 16), lambda rng, number: 0, lambda index: (volume, None))  # noqa: ARG005
    shapes = [stacks.cut(np.random.default_rng(0), 0, scale)[0].shape for scale in (1, 0.5, 2)]
    assert shapes == [(8, 16, 16), (16, 32, 32), (4, 8, 8)]


# Networks, validation, blocks


def test_a_voxel_reaches_no_farther_than_is_said() -> None:
    for shrink in (1, 2):
        network = UNet3dGenerator(1, 1, 2, 1, shrink).double().eval()
        for part in network.parameters():
            nn.init.uniform_(part, 0.1, 0.2)
        x = torch.rand(1, 1, 8, 8, 96).double().requires_grad_()
        network(x)[0, 0, 4, 4, 48].backward()
        assert x.grad is not None
        reach = int((x.grad[0, 0].abs().sum((0, 1)).nonzero() - 48).abs().max())
        assert 0.6 * network.reach_px < reach <= network.reach_px


def test_the_product_fits_its_spec() -> None:
    spec = load_recipe("unet-3d").system
    network = product(spec)
    assert network(torch.zeros(1, 1, 8, 16, 16)).shape == (1, 3, 8, 16, 16)
    assert network.multiple == load_recipe("unet-3d").multiple == 8


def test_blocks_are_as_the_whole_where_the_rim_is_wide_enough() -> None:
    network = UNet3dGenerator(1, 2, 2, 1).eval()
    assert network.reach_px < 20 // 2
    volume = np.random.default_rng(0).random((5, 90, 36)).astype(np.float32)
    once = whole(network, volume, 2, torch.device("cpu"))
    large = probabilities(network, volume, 2, 2, side=96, rim=20)
    shares: list[float] = []
    small = probabilities(network, volume, 2, 2, side=40, rim=20, report=shares.append)
    assert once.shape == small.shape == (2, 5, 90, 36)
    assert np.abs(large.astype(int) - small.astype(int)).max() <= 1
    assert large.std() > 1
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])


def test_what_blocks_count_adds_up() -> None:
    for length, side in ((90, 40), (64, 64), (129, 32)):
        total = np.zeros(length)
        for start, stop in spans(length, side, 8):
            total += faded(np.arange(length), (start, stop), length, 8)
        np.testing.assert_allclose(total, 1, atol=1e-6)


def test_validation_scores_nuclei_and_golgi() -> None:
    recipe = tiny("unet-3d")
    found = validator(recipe)
    assert isinstance(found, SolidValidator)

    class _Right(nn.Module):
        """Finds each volume's masks again; of Golgi none, if asked to."""

        multiple, blind = 1, False

        def forward(self, x: Tensor) -> Tensor:
            one = x[0, 0].numpy()
            (at,) = [k for k, v in enumerate(found._volumes) if np.array_equal(v, one)]
            masks = torch.from_numpy(found._masks[at].copy())
            masks[1] *= not self.blind
            return (20 * masks - 10)[None]

    network = _Right()
    assert found(network, torch.device("cpu")).score == 1  # type: ignore[arg-type]
    network.blind = True
    golgi = [mask[1].any() for mask in found._masks]
    expected = np.mean([0.5 if some else 1.0 for some in golgi])
    assert found(network, torch.device("cpu")).score == pytest.approx(expected)  # type: ignore[arg-type]
    with pytest.raises(SimcellError, match="mode collapse"):
        found(_same(), torch.device("cpu"))  # type: ignore[arg-type]


def test_contrast_is_cut_off_at_percentiles() -> None:
    found = stretched(np.arange(1001).reshape(7, 11, 13), Stack(low=10, high=90)).ravel()
    assert (found[:100] == -1).all()
    assert (found[901:] == 1).all()
    assert found[500] == pytest.approx(0, abs=1e-6)
