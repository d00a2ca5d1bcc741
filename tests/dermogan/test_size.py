"""The size of cells, as estimated by a model that is surest of one size."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from dermogan.segmentation import segment
from dermogan.size import estimate_diameter, looks
from simcell import SimcellError

Map = NDArray[np.float32]


class Knower:
    """Sees a grid's lines, and is the surer the nearer its period is to 20 pixels."""

    halo_px, multiple, diameter_px, channels = 0, 4, 20.0, 1
    output: Literal["membrane", "filled", "interior_boundary"] = "membrane"

    def normalise(self, image: Map) -> Map:
        return image

    def predict(self, batch: Map) -> Map:
        profile = batch[0, 0].mean(0) - batch[0, 0].mean()
        power = np.abs(np.fft.rfft(profile, 4096)) ** 2
        power[: 4096 // 200] = 0
        period = 4096 / max(float(power[: 4096 // 4].argmax()), 1.0)
        sure = np.exp(-2 * np.log(period / 20) ** 2)
        return (0.5 + (np.clip(batch, 0, 1) - 0.5) * sure).astype(np.float32)


def grid(period: float, side: int = 400) -> Map:
    place = np.arange(side) % period
    line = (place < 0.13 * period).astype(np.float32)
    return np.maximum(line[:, None], line[None])


@pytest.mark.parametrize("period", [11.0, 14.0, 20.0, 33.0, 60.0])
def test_periods_of_grids(period: float) -> None:
    found = estimate_diameter(Knower(), grid(period))
    # a square has the diameter of a disc of its area, 1.13 sides
    assert found == pytest.approx(1.13 * period, rel=0.25)


def test_looks_that_fit() -> None:
    small = [look.magnification for look in looks(Knower(), grid(20, 60))]
    assert min(small) == 1.0
    assert max(small) > 2.8
    assert len(looks(Knower(), grid(20, 2000))) == 9


def test_the_image_is_rescaled_only_where_it_pays() -> None:
    seen: list[tuple[int, ...]] = []

    class Spy(Knower):
        def normalise(self, image: Map) -> Map:
            seen.append(image.shape)
            return image

    near, far = grid(18), grid(55)
    assert segment(Spy(), near, diameter_px="auto").diameter_px == pytest.approx(20, rel=0.25)
    assert seen[-1] == near.shape
    found = segment(Spy(), far, diameter_px="auto")
    assert found.diameter_px == pytest.approx(62, rel=0.25)
    assert seen[-1][0] == pytest.approx(400 * 20 / 62, rel=0.25)
    assert found.labels.shape == far.shape


@pytest.mark.parametrize(
    ("changed", "image", "match"),
    [
        ({}, np.zeros((200, 200), np.float32), "no cells found at any magnification"),
        ({"output": "filled"}, grid(20), "models of membranes alone"),
    ],
)
def test_what_cannot_be_estimated(changed: dict[str, Any], image: Map, match: str) -> None:
    model = type("Changed", (Knower,), changed)()
    with pytest.raises(SimcellError, match=match):
        segment(model, image, diameter_px="auto")
