"""Every loss against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from dermogan import losses

HALF = torch.tensor([[0.5, 0.0], [1.0, 0.5]])


def test_least_squares_of_makers() -> None:
    # (0.25 + 1 + 0 + 0.25) / 4
    assert float(losses.lsgan_generator(HALF)) == pytest.approx(0.375)


def test_least_squares_of_judges() -> None:
    # real: 0.375 / 2; made: (0.25 + 0 + 1 + 0.25) / 4 / 2
    assert float(losses.lsgan_discriminator(HALF, HALF)) == pytest.approx(0.1875 + 0.1875)
    right = losses.lsgan_discriminator(torch.ones(3), torch.zeros(3))
    wrong = losses.lsgan_discriminator(torch.zeros(3), torch.ones(3))
    assert (float(right), float(wrong)) == (0.0, 1.0)


def test_makers_and_judges_are_adversaries() -> None:
    made = torch.tensor([0.3], requires_grad=True)
    (of_maker,) = torch.autograd.grad(losses.lsgan_generator(made), made)
    (of_judge,) = torch.autograd.grad(losses.lsgan_discriminator(torch.ones(1), made), made)
    assert float(of_maker) == pytest.approx(-1.4)
    assert float(of_judge) == pytest.approx(0.3)


def test_mean_absolute_error() -> None:
    assert float(losses.mae(HALF, torch.zeros(2, 2))) == pytest.approx(0.5)


def test_dice() -> None:
    probability = torch.tensor([[[[0.5, 1.0]]], [[[0.0, 0.0]]]])
    target = torch.tensor([[[[1.0, 1.0]]], [[[0.0, 0.0]]]])
    # first image: 1 - (2 * 1.5 + 1) / (1.5 + 2 + 1) = 1/9; second: 0
    assert float(losses.dice(probability, target)) == pytest.approx(1 / 18)


def test_cross_entropy() -> None:
    logits = torch.tensor([0.0, math.log(3)])
    target = torch.tensor([1.0, 0.0])
    # -log 0.5 and -log 0.25
    assert float(losses.cross_entropy(logits, target)) == pytest.approx(1.5 * math.log(2))
    # weighed by 0.5 ** 2 and 0.75 ** 2
    focal = (0.25 * math.log(2) + 0.5625 * 2 * math.log(2)) / 2
    assert float(losses.cross_entropy(logits, target, focal=2.0)) == pytest.approx(focal)


def test_focal_gradient_is_finite_where_all_is_learnt() -> None:
    logits = torch.tensor([200.0, -200.0], requires_grad=True)
    loss = losses.cross_entropy(logits, torch.tensor([1.0, 0.0]), focal=0.5)
    loss.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
