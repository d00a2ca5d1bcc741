"""FID and KID against closed forms; what compares images; VGG weights of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dermogan import perceptual
from dermogan.fidelity import described, fidelity, frechet, kernel
from dermogan.perceptual import Features, Own, Vgg, difference, features
from simcell import SimcellError


def sample(mean: np.ndarray, cov: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return points whose mean and covariance are just these."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(cov).T + mean


def test_fid_of_gaussians_in_closed_form() -> None:
    """Covariances that commute: the sum of (sd - sd)², in any rotated frame."""
    turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))
    first, second = turn @ np.diag([1.0, 4, 9]) @ turn.T, turn @ np.diag([4.0, 1, 25]) @ turn.T
    one = sample(np.zeros(3), first, 50, 1)
    other = sample(np.array([1.0, -2, 2]), second, 70, 2)
    expected = 9 + (2 - 1) ** 2 + (1 - 2) ** 2 + (5 - 3) ** 2
    assert frechet(one, other) == pytest.approx(expected)
    assert frechet(one, one[::-1]) == pytest.approx(0, abs=1e-6)
    assert frechet(one, one + 3) == pytest.approx(27)


def test_fid_of_covariances_that_do_not_commute() -> None:
    """The trace of the root of a product of 2 x 2: √(trace + 2 √determinant)."""
    first, second = np.array([[2.0, 1], [1, 3]]), np.array([[5.0, -2], [-2, 1]])
    product = first @ second
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    expected = np.trace(first) + np.trace(second) - 2 * root
    one, other = sample(np.zeros(2), first, 30, 1), sample(np.zeros(2), second, 40, 2)
    assert frechet(one, other) == pytest.approx(expected)


def test_kid_by_hand_and_without_bias() -> None:
    one, other = np.array([[1.0, 0], [0, 2]]), np.array([[2.0, 2], [0, 0], [4, 0]])
    cubic = (np.concatenate([one, other]) @ np.concatenate([one, other]).T / 2 + 1) ** 3
    pairs = [cubic[0, 1], np.mean([cubic[2, 3], cubic[2, 4], cubic[3, 4]])]
    assert kernel(one, other) == pytest.approx(sum(pairs) - 2 * cubic[:2, 2:].mean())
    rng = np.random.default_rng(0)
    found = [kernel(*rng.standard_normal((2, 12, 2))) for _ in range(2000)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(2000)


class _Plain(Features):
    """The image, and its mean and mean square."""

    said = "plain"

    def forward(self, x: Tensor) -> list[Tensor]:
        return [x, torch.cat([x, x**2], 1)]


def test_images_are_compared_square_by_square() -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (20, 33)).astype(np.float32)
    found = described([image], _Plain(), 8)
    assert found.shape == (8, 2)
    square = image[8:16, 24:32]
    np.testing.assert_allclose(found[7], [square.mean(), (square**2).mean()], rtol=1e-5)
    alike = fidelity([image], [image], _Plain(), 8)
    assert (alike.squares, alike.by) == ((8, 8), "plain")
    assert alike.fid == pytest.approx(0, abs=1e-9)
    assert fidelity([image], [image / 2], _Plain(), 8).fid > 0.01
    with pytest.raises(SimcellError, match="0 squares of 64 px: two are needed"):
        described([image], _Plain(), 64)


# Features


def test_features_of_a_model_of_ours_are_fixed() -> None:
    found = features("confluent")
    assert isinstance(found, Own)
    x = torch.rand(1, 1, 32, 32, requires_grad=True)
    levels = found(x)
    assert [level.shape[-1] for level in levels] == [32, 16, 8, 4]
    assert not any(p.requires_grad for p in found.parameters())
    loss = difference(levels, [torch.zeros_like(level) for level in levels])
    expected = np.mean([level.abs().mean().item() for level in levels])
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    with pytest.raises(SimcellError, match="no such model"):
        features("confluend")


@pytest.mark.parametrize("name", ["VGG16", "VGG19"])
def test_weights_of_vgg(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchvision writes them, but narrow: convolutions at its places, halvings between."""
    widths = (2, 3, 4, 5, 5)
    monkeypatch.setattr(perceptual, "_WIDTHS", widths)
    layers: list[nn.Module] = []
    channels, ends = 3, []
    for width, count in zip(widths, perceptual._SIZES[name], strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        ends.append(len(layers))
        layers.append(nn.MaxPool2d(2, 2))
    whole = nn.Sequential(*layers)
    weights = {f"features.{key}": value for key, value in whole.state_dict().items()}
    torch.save(weights | {"classifier.0.weight": torch.zeros(2)}, tmp_path / "vgg.pth")
    found = features(str(tmp_path / "vgg.pth"))
    assert isinstance(found, Vgg)
    assert found.said.startswith(name)
    grey = torch.rand(2, 1, 16, 16) * 2 - 1
    colours = (grey.expand(-1, 3, -1, -1) + 1) / 2
    mean, sd = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (colours - mean[:, None, None]) / sd[:, None, None]
    for end, level in zip(ends[:4], found(grey), strict=True):
        torch.testing.assert_close(level, whole[:end](x))


@pytest.mark.parametrize("content", [b"no weights", None])
def test_what_are_no_weights(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "vgg.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SimcellError, match=r"vgg\.pth: .*name another file") as error:
        features(str(path))
    assert "\n" not in str(error.value)
    torch.save({"features.0.weight": torch.zeros(2)}, path)
    with pytest.raises(SimcellError, match="not the weights of VGG16 or VGG19"):
        features(str(path))
