"""Contact sheets: the right panels, whole pixels, outlines inside their cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from large_samples import deep_sample
from PIL import Image

from simcell.arrays import Grid
from simcell.errors import SimcellError
from simcell.io import contact_sheet
from simcell.io.preview import label_colours, outlined
from simcell.sample import Sample


def test_rows_columns_and_file(handmade: Callable[..., Sample], tmp_path: Path) -> None:
    samples = [handmade(index) for index in range(3)]
    sheet = contact_sheet(samples, tmp_path / "sheet.png", title="tissue")
    assert sheet.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sheet.png")), sheet)
    side = 24 * 16 + 34 + 12  # Panels are 16 times as large, with a caption and a gap.
    assert sheet.shape == (3 * side + 12, 3 * (20 * 16 + 12) + 12, 3)
    wide = contact_sheet(samples, columns=2)
    assert wide.shape[0] == 2 * side + 12
    np.testing.assert_array_equal(contact_sheet(samples, title="tissue"), sheet)


def test_pixels_are_repeated_not_invented(handmade: Callable[..., Sample]) -> None:
    sample = handmade(1)
    sheet = contact_sheet([sample])
    left = 12 + 20 * 16 + 12
    prior = sheet[12 + 34 : 12 + 34 + 24 * 16, left : left + 20 * 16, 0]
    np.testing.assert_array_equal(prior[::16, ::16], sample.prior)
    np.testing.assert_array_equal(prior[15::16, 15::16], sample.prior)


@pytest.mark.parametrize("lacking", [("image",), ("image", "prior"), ("labels", "objects")])
def test_panels_that_are_missing_are_left_out(
    handmade: Callable[..., Sample], lacking: tuple[str, ...]
) -> None:
    sample = replace(handmade(0), **dict.fromkeys(lacking))
    panels = sum(getattr(sample, name) is not None for name in ("image", "prior", "labels"))
    assert contact_sheet([sample]).shape[1] == panels * (20 * 16 + 12) + 12


def test_nothing_to_draw_is_refused(handmade: Callable[..., Sample]) -> None:
    with pytest.raises(SimcellError, match="0 samples"):
        contact_sheet([])
    with pytest.raises(SimcellError, match="at least one"):
        contact_sheet([handmade(0)], columns=0)
    bare = replace(handmade(0), image=None, prior=None, labels=None, objects=None)
    with pytest.raises(SimcellError, match="sample 0: nothing to draw"):
        contact_sheet([bare])


def field_of_lines(every: int) -> Sample:
    from simcell.scene import Scene

    lines = np.zeros((1000, 1000), np.uint8)
    lines[::every] = lines[:, ::every] = 255
    return Sample(Scene(), 0, 0, Grid(lines.shape, (0.5, 0.5)), prior=lines)


def test_one_pixel_membranes_survive_on_a_large_field() -> None:
    sheet = contact_sheet([field_of_lines(100)])
    assert max(sheet.shape) < 500
    panel = sheet[46:-12, 12:-12, 0]
    bright = (panel[:, :200] == 255).all(axis=1).nonzero()[0]  # Left of the scale bar.
    assert len(bright) == 10
    np.testing.assert_allclose(np.diff(bright), 100 / 3, atol=1)


def test_dark_lines_survive_too() -> None:
    sample = field_of_lines(100)
    sheet = contact_sheet([replace(sample, prior=255 - sample.prior)])
    panel = sheet[46:-12, 12:-12, 0]
    assert (panel[:, 5] == 0).sum() >= 9


def test_outlines_lie_inside_their_label() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[5:20, 5:20], labels[5:20, 20:35] = 1, 2
    under = np.full((40, 40, 3), 80, np.uint8)
    for thickness in (1, 3):
        drawn = outlined(labels, under, thickness)
        changed = (drawn != 60).any(axis=-1)
        inner = np.zeros((40, 40), bool)
        for left in (5, 20):
            inner[5 + thickness : 20 - thickness, left + thickness : left + 15 - thickness] = True
        np.testing.assert_array_equal(changed, (labels > 0) & ~inner)
    colours = label_colours(2)
    assert (drawn[5, 10] == colours[1]).all()
    assert (drawn[5, 30] == colours[2]).all()
    assert (outlined(labels)[12, 12] == colours[1] // 3).all()


def test_colours_are_stable_bright_and_differ_between_neighbours() -> None:
    colours = label_colours(200).astype(int)
    np.testing.assert_array_equal(colours[:51], label_colours(50))
    assert (colours[0] == 0).all()
    assert colours[1:].max(axis=1).min() > 200
    assert np.abs(np.diff(colours[1:], axis=0)).sum(axis=1).min() > 60


@pytest.mark.parametrize("spacing_um", [0.001, 0.37, 1.0, 900.0])
def test_scale_bars_have_round_lengths(
    handmade: Callable[..., Sample], spacing_um: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simcell.io import preview

    said: list[str] = []
    original = preview._micrometres

    def listen(draw: object, at: tuple[int, int], number: str, font: object) -> None:
        said.append(number)
        original(draw, at, number, font)

    monkeypatch.setattr(preview, "_micrometres", listen)
    sample = handmade(0, spacing_um=spacing_um)
    # A dark image: no white pixel of its own may touch the bar.
    sheet = contact_sheet([replace(sample, image=np.zeros_like(sample.image))])
    (number,) = said
    assert number.strip("0.")[0] in "125"
    row = sheet[12 + 34 + 24 * 16 - 12 - 3, 12 : 12 + 20 * 16]
    bar = (row == 255).all(axis=-1).sum()
    assert bar == pytest.approx(float(number) / spacing_um * 16, abs=1)
    assert 0.1 * 320 <= bar <= 0.25 * 320 + 1


def test_channels_of_an_image_are_coloured() -> None:
    volume = deep_sample(0)
    grey = volume.image
    assert grey is not None
    assert grey.ndim == 3
    lit = contact_sheet([replace(volume, image=np.stack([grey, grey[..., ::-1]]))])
    dark = contact_sheet([replace(volume, image=np.zeros((2, *grey.shape), grey.dtype))])
    panel = lit[(lit != dark).any(axis=-1)].astype(int)
    assert len(panel) > 100
    assert (panel[:, 0] != panel[:, 1]).mean() > 0.5
