"""Systems: losses against the formulas, coupling, who learns from what."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import NAMES, tiny
from torch import Tensor, nn

from dermogan.data import Data
from dermogan.networks import BatchNorm
from dermogan.recipe import DermoGan, Weights
from dermogan.systems import Patches, build_system
from dermogan.systems.cyclegan import CycleGanSystem
from dermogan.systems.dermogan import DermoGanSystem, couple
from dermogan.systems.pool import Pool
from dermogan.systems.supervised import SupervisedSystem
from dermogan.systems.task import Task, scrambled


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)


def patches(name: str, *sets: str) -> tuple[object, Patches]:
    recipe = tiny(name, *sets)
    batch = Data(recipe, 1).batch(recipe.warm_steps)
    return build_system(recipe.system), Patches.of(batch, torch.device("cpu"))


def norm(network: nn.Module) -> float:
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    return float(torch.stack([g.abs().sum() for g in grads]).sum()) if grads else 0.0


# Coupling


ONE = {"adversarial": torch.tensor(1.0), "identity": torch.tensor(2.0), "cycle": torch.tensor(6.0)}
TWO = {"adversarial": torch.tensor(3.0), "identity": torch.tensor(1.0), "cycle": torch.tensor(4.0)}


@pytest.mark.parametrize(
    ("coupling", "expected"),
    [
        ("paper", 9.0),  # the larger of 9 and 8
        ("sum", 17.0),
        ("term_max", 11.0),  # 3 + 2 + 6
        ("agreement", 17.0 + 0.5 * 4.0),
    ],
)
def test_couplings_by_hand(coupling: str, expected: float) -> None:
    spec = DermoGan(coupling=coupling, weights=Weights(agreement=0.5))  # type: ignore[arg-type]
    assert float(couple(spec, ONE, TWO, torch.tensor(4.0))) == expected


def test_the_papers_coupling_drives_the_worse_task() -> None:
    one = {name: value.clone().requires_grad_() for name, value in ONE.items()}
    two = {name: value.clone().requires_grad_() for name, value in TWO.items()}
    couple(DermoGan(coupling="paper"), one, two, torch.tensor(0.0)).backward()
    assert all(float(value.grad) == 1 for value in one.values() if value.grad is not None)
    assert all(value.grad is None or float(value.grad) == 0 for value in two.values())


# One task


class _Affine(nn.Module):
    """A network whose output can be worked out by hand."""

    def __init__(self, gain: float, shift: float) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.tensor(gain)), shift

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x[:, :1] + self.shift


def test_a_tasks_losses_by_hand() -> None:
    """Affine makers and judges on constant images: all six losses in closed form."""
    weights = "system.weights.translated=1"
    spec = tiny("cyclegan-image", "system.mask_noise=0.5", weights).system
    task = Task(spec, "a")  # type: ignore[arg-type]
    task.to_prior, task.to_image = _Affine(2.0, 0.5), _Affine(1.0, -1.0)  # type: ignore[assignment]
    task.judge_prior, task.judge_image = _Affine(1.0, -0.1), _Affine(0.5, 0.0)  # type: ignore[assignment]
    image, prior = torch.full((2, 1, 4, 4), 0.3), torch.full((2, 1, 4, 4), 0.8)
    noise = torch.full((2, 9, 4, 4), -1.0)
    half = task.losses(image, prior, noise)

    def to_prior(x: float) -> float:
        return 1 / (1 + np.exp(-(2 * x + 0.5)))

    def to_image(x: float) -> float:
        return float(np.tanh(x - 1))

    back = to_prior(to_image(0.8))
    crossed = -(0.8 * np.log(back) + 0.2 * np.log(1 - back))
    overlap = 1 - (2 * 16 * back * 0.8 + 1) / (16 * (back + 0.8) + 1)  # both of 2 images alike
    expected = {
        "adversarial": (to_prior(0.3) - 0.1 - 1) ** 2,
        "identity": abs(to_prior(0.8) - 0.8),
        "cycle": abs(back - 0.8),
        "translated": overlap + crossed,
    }
    assert {k: v.item() for k, v in half.prior_trio.items()} == pytest.approx(expected)
    expected = {
        "adversarial": (0.5 * to_image(0.8) - 1) ** 2,
        "identity": abs(to_image(0.3) - 0.3),
        "cycle": abs(to_image(to_prior(0.3) - 0.5) - 0.3),
    }
    assert {k: v.item() for k, v in half.image_trio.items()} == pytest.approx(expected)

    made = {"prior_a": half.made_prior, "image_a": half.made_image}
    judged = task.judged(image, prior, made, Patches(0, 0, 0))
    expected = {
        "judge_prior_a": (0.8 - 0.1 - 1) ** 2 / 2 + (to_prior(0.3) - 0.1) ** 2 / 2,
        "judge_image_a": (0.15 - 1) ** 2 / 2 + (0.5 * to_image(0.8)) ** 2 / 2,
    }
    assert {k: v.item() for k, v in judged.items()} == pytest.approx(expected)


def test_noise_reaches_the_maker_of_images() -> None:
    spec = tiny("cyclegan-image", "system.z_noise=2").system
    task = Task(spec, "a")  # type: ignore[arg-type]
    prior, noise = torch.rand(1, 1, 32, 32), torch.randn(1, 9, 32, 32)
    assert not torch.equal(task.image(prior, noise), task.image(prior, -noise))
    beyond = noise.clone()
    beyond[:, 3:] = 0
    assert torch.equal(task.image(prior, noise), task.image(prior, beyond))


def test_scrambled_textures_keep_their_spectrum_and_nothing_else() -> None:
    rng = torch.Generator().manual_seed(0)
    grain = torch.randn(2, 1, 64, 64, generator=rng)
    grain = (grain + grain.roll(1, 3)) * torch.tensor([1.0, 3.0])[:, None, None, None] + 5
    noise = torch.randn(2, 1, 64, 64, generator=rng)
    made = scrambled(grain, noise)
    for n in range(2):
        one, other = grain[n, 0] - grain[n, 0].mean(), made[n, 0]
        assert abs(other.mean()) < 1e-5
        spectrum = torch.fft.rfft2(one).abs()
        torch.testing.assert_close(torch.fft.rfft2(other).abs(), spectrum, atol=1e-2, rtol=1e-3)
        assert abs(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]) < 0.1
    assert torch.equal(made, scrambled(grain, noise))
    assert not torch.allclose(made, scrambled(grain, noise.roll(1, 0)))


def test_made_images_get_the_texture_that_is_unexplained() -> None:
    """Makers that say nothing of the image leave all of it unexplained."""
    task = Task(tiny("cyclegan-image", "system.texture=0.5").system, "a")  # type: ignore[arg-type]
    task.to_image = _Affine(0.0, 0.1)  # type: ignore[assignment]
    image, noise = 0.2 * torch.randn(2, 1, 32, 32), torch.randn(2, 9, 32, 32)
    half = task.losses(image, torch.rand(2, 1, 32, 32), noise)
    expected = np.tanh(0.1) + 0.5 * scrambled(image, noise[:, :1])
    torch.testing.assert_close(half.made_image, expected.clamp(-1, 1).float())


# Whole systems


@pytest.mark.parametrize("name", ["dermogan", "dermogan2"])
def test_the_first_steps_learn_from_pairs_alone(name: str) -> None:
    recipe = tiny(name, "system.warm_steps=2")
    system = build_system(recipe.system)
    data = Data(recipe, 1)
    warm, later = (Patches.of(data.batch(step), torch.device("cpu")) for step in (1, 2))
    assert warm.images is None
    outcome = system.maker_losses(warm)
    pairs, pictures = outcome.parts["pairs"], outcome.parts["pictures"]
    weights = recipe.system.weights  # type: ignore[union-attr]
    expected = weights.pairs * pairs + weights.cycle * pictures
    assert outcome.total.item() == pytest.approx(expected.item())
    outcome.total.backward()
    assert isinstance(system, DermoGanSystem)
    for task in (system.of_images, system.of_filtered):
        assert norm(task.to_prior) > 0
        assert norm(task.to_image) > 0
    assert system.is_warming(1)
    assert system.product(warm.pair_images).shape == warm.pair_images.shape
    before = _statistics(system.product)
    assert not system.is_warming(2)
    assert "adversarial_prior_a" in system.maker_losses(later).parts
    assert torch.equal(_statistics(system.product), before)  # frozen
    assert system.is_warming(1)
    system.product(later.pair_images)
    assert not torch.equal(_statistics(system.product), before)


def _statistics(network: nn.Module) -> Tensor:
    return torch.cat([part.mean for part in network.modules() if isinstance(part, BatchNorm)])


def test_makers_of_images_start_on_pairs_too() -> None:
    """As many as there is noise: the first images of a larger batch of pairs."""
    task = Task(tiny("cyclegan-image").system, "a")  # type: ignore[arg-type]
    task.to_image = _Affine(1.0, -1.0)  # type: ignore[assignment]
    image, prior = torch.full((3, 1, 4, 4), 0.3), torch.full((3, 1, 4, 4), 0.8)
    image[1:] = 99
    lost = task.pictured(image, prior, torch.zeros(1, 9, 4, 4))
    assert lost.item() == pytest.approx(abs(np.tanh(-0.2) - 0.3))


def test_the_first_steps_have_a_batch_of_their_own() -> None:
    recipe = tiny("dermogan", "data.batch=1", "data.pairs_batch=3", "system.warm_steps=1")
    data = Data(recipe, 1)
    warm, later = data.batch(0), data.batch(1)
    assert warm.images is None
    names = ("pair_images", "pair_filtered", "noise")
    assert [len(getattr(warm, name)) for name in names] == [3, 3, 1]
    assert [len(getattr(later, name)) for name in ("images", *names)] == [1, 1, 1, 1]
    again = Data(tiny("dermogan", "data.batch=3", "data.pairs_batch=null"), 1).batch(0)
    assert again.pair_images is not None
    assert np.array_equal(again.pair_images, warm.pair_images)  # whatever the others' batch


@pytest.mark.parametrize("name", NAMES)
def test_the_total_is_the_weighted_sum_of_its_parts(name: str) -> None:
    system, given = patches(name)
    outcome = system.maker_losses(given)  # type: ignore[attr-defined]
    parts = {key: value.item() for key, value in outcome.parts.items()}
    if isinstance(system, SupervisedSystem):
        expected = parts["dice"] + parts["cross_entropy"]
    else:
        w = system.spec.weights  # type: ignore[attr-defined]
        trios = {
            key: w.adversarial * parts[f"adversarial_{key}"]
            + w.identity * parts.get(f"identity_{key}", 0.0)
            + w.cycle * parts[f"cycle_{key}"]
            + w.translated * parts.get(f"translated_{key}", 0.0)
            for key in ("prior_a", "image_a", "prior_c", "image_c")
            if f"cycle_{key}" in parts
        }
        expected = sum(trios.values())
        if name == "dermogan-paper":
            expected -= min(trios["prior_a"], trios["prior_c"])
        if name in ("dermogan", "dermogan2"):
            expected += w.agreement * parts["agreement"] + w.pairs * parts["pairs"]
    assert outcome.total.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_learns_in_its_half(name: str) -> None:
    system, given = patches(name)
    for judge in system.judges():  # type: ignore[attr-defined]
        judge.requires_grad_(False)
    outcome = system.maker_losses(given)  # type: ignore[attr-defined]
    outcome.total.backward()
    assert all(norm(maker) > 0 for maker in system.makers())  # type: ignore[attr-defined]
    judges = system.judges()  # type: ignore[attr-defined]
    assert [norm(judge) for judge in judges] == [0.0] * len(judges)
    if judges:
        for network in (*judges, *system.makers()):  # type: ignore[attr-defined]
            network.requires_grad_(True)
            network.zero_grad()
        system.judge_losses(given, outcome.made).total.backward()  # type: ignore[attr-defined]
        assert all(norm(judge) > 0 for judge in judges)
        assert all(norm(maker) == 0 for maker in system.makers())  # type: ignore[attr-defined]


def test_networks_of_systems() -> None:
    count = {name: build_system(tiny(name).system) for name in NAMES}
    sizes = {name: (len(s.makers()), len(s.judges())) for name, s in count.items()}
    assert sizes["supervised"] == (1, 0)
    assert sizes["cyclegan-image"] == sizes["cyclegan-filter"] == (2, 2)
    assert sizes["dermogan"] == sizes["dermogan2"] == sizes["dermogan-paper"] == (4, 4)


def test_what_the_shipped_network_gets() -> None:
    system, given = patches("cyclegan-filter")
    assert isinstance(system, CycleGanSystem)
    assert system.seen_by_product(given) is given.filtered
    system, given = patches("dermogan")
    assert isinstance(system, DermoGanSystem)
    assert system.seen_by_product(given) is given.images
    assert system.product is system.of_images.to_prior


# The pool


def test_the_pool_keeps_and_returns_older_images() -> None:
    pool = Pool(3, "test")
    made = torch.arange(40.0).reshape(40, 1, 1, 1)
    out = torch.cat(
        [pool.exchange(made[i : i + 2], Patches(0, i // 2, i)) for i in range(0, 40, 2)]
    ).flatten()
    assert out[:3].tolist() == [0, 1, 2]
    assert len(pool.kept) == 3
    older = out < torch.arange(40.0)
    assert 8 < int(older.sum()) < 30
    assert len(set(out[older].tolist())) == int(older.sum())  # what leaves is replaced
    other = Pool(3, "test")
    other.load_state_dict(pool.state_dict())
    ahead = torch.full((8, 1, 1, 1), 99.0)
    assert torch.equal(
        other.exchange(ahead, Patches(0, 20, 40)), pool.exchange(ahead, Patches(0, 20, 40))
    )


def test_a_pool_of_nothing_passes_all() -> None:
    made = torch.randn(4, 1, 2, 2)
    assert torch.equal(Pool(0, "test").exchange(made, Patches(0, 0, 0)), made)
