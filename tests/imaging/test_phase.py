"""Phase contrast: small phases, halo, shade-off, reversal, thickness, photons."""

import numpy as np
import pytest

from simcell.arrays import Grid
from simcell.fields import border_distance
from simcell.imaging import View, render
from simcell.imaging.phase import _roundest, add_debris, phases, through_ring
from simcell.rng import Streams
from simcell.scene.camera import FluoCamera
from simcell.scene.phase import (
    PhaseCells,
    PhaseContrast,
    PhaseDebris,
    PhaseField,
    PhaseNucleus,
    PhaseOptics,
    PhaseRounded,
)

EVEN = PhaseField(uneven=0, falloff=0)
CLEAN = FluoCamera(photons=1e6, read_noise=0, gain=0.02, offset=0, bits=16)
SHARP = {"psf_um": 0.0}


def disc(radius, side=201, value=1.0):
    y, x = np.mgrid[:side, :side] - side // 2
    return (np.hypot(y, x) <= radius).astype(np.float32) * np.float32(value)


def view_of(labels, spacing=1.0):
    count = int(labels.max())
    at = [np.argwhere(labels == k + 1).mean(axis=0) + 0.5 for k in range(count)]
    centres = np.array(at).reshape(-1, 2) * spacing
    grid = Grid(labels.shape, (spacing, spacing))
    labels = labels.astype(np.int32)
    return View(labels, border_distance(labels) * np.float32(spacing), centres, labels > 0, grid)


def bare(**changes):
    """Domes alone: no grain, nuclei, rounded cells or debris."""
    fields = {
        "cells": PhaseCells(phase=0.5, cell_cv=0, flat=0, grain=0),
        "nucleus": PhaseNucleus(phase=0, nucleoli=0),
        "rounded": PhaseRounded(share=0),
        "debris": PhaseDebris(density=0),
        "field": EVEN,
        "camera": CLEAN,
    }
    return PhaseContrast(**(fields | changes))


def test_nothing_that_delays_light_gives_an_even_background():
    image = render(bare(), view_of(np.zeros((128, 128), np.int32)), Streams(0, 0))
    counts = image / 0.02
    assert abs(counts.mean() - 1e6) < 4 * 1e3 / 128
    assert counts.std() == pytest.approx(1e3, rel=0.03)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_small_phase_changes_the_light_in_proportion(sign):
    spec = PhaseOptics(polarity="positive" if sign > 0 else "negative", ring=0.4, leak=0, **SHARP)
    phase = disc(30)
    for small in (1e-3, 2e-3):
        change = through_ring(small * phase, spec, 1.0) - 1
        np.testing.assert_allclose(change, -sign * 2 / 0.4 * small * phase, atol=3e-5)


def test_light_adds_up_as_waves_do():
    """|direct + scattered|² by complex numbers, any phase."""
    phase = np.linspace(-4, 9, 400, dtype=np.float32).reshape(20, 20)
    for name, turn in (("positive", -1j), ("negative", 1j)):
        spec = PhaseOptics(polarity=name, ring=0.5, leak=0, **SHARP)
        wave = 0.5 * turn + np.exp(1j * phase.astype(complex)) - 1
        np.testing.assert_allclose(
            through_ring(phase, spec, 1.0), np.abs(wave) ** 2 / 0.25, rtol=1e-4, atol=1e-4
        )


def test_half_a_wave_turns_dark_cells_bright():
    spec = PhaseOptics(leak=0, ring=0.5, **SHARP)
    light = through_ring(np.array([[0.3, np.pi]] * 2, np.float32), spec, 1.0)
    assert light[0, 0] < 0.2
    assert light[0, 1] == pytest.approx(1 + 4 / 0.25, rel=1e-4)


@pytest.mark.parametrize("polarity", ["positive", "negative"])
def test_the_halo_lies_outside_and_has_the_other_sign(polarity):
    sign = 1 if polarity == "positive" else -1
    light = through_ring(disc(12, value=0.1), PhaseOptics(polarity=polarity, **SHARP), 1.0)
    middle, out, far = light[100, 100], light[100, 114], light[100, 170]
    assert sign * (middle - 1) < -0.1
    assert sign * (out - 1) > 0.03
    assert far == pytest.approx(1, abs=1e-4)


def test_a_wide_cell_shades_off_towards_its_middle():
    light = through_ring(disc(60, value=0.1), PhaseOptics(leak=1.0, **SHARP), 1.0)
    assert abs(light[100, 100] - 1) < 0.01
    assert light[100, 159] < 0.85
    assert through_ring(disc(60, value=0.1), PhaseOptics(leak=0.5, **SHARP), 1.0)[
        100, 100
    ] == pytest.approx(1 - 2 / 0.5 * 0.05, abs=0.012)


def test_halo_and_shade_off_are_one_subtraction():
    """In the linear regime: image = phase minus a Gaussian low-pass, whatever the object."""
    from scipy.ndimage import gaussian_filter

    phase = 1e-3 * np.random.default_rng(0).random((160, 160)).astype(np.float32)
    phase[40:90, 30:120] += 5e-3
    spec = PhaseOptics(leak=0.8, halo_um=4, ring=0.5, **SHARP)
    seen = phase - 0.8 * gaussian_filter(phase.astype(float), 4, mode="reflect", truncate=6)
    np.testing.assert_allclose(through_ring(phase, spec, 1.0) - 1, -4 * seen, atol=6e-4)


def test_light_is_neither_made_nor_lost_to_first_order():
    """With the whole low-pass subtracted, a small phase only moves light about."""
    light = through_ring(disc(20, value=1e-3), PhaseOptics(leak=1.0), 1.0)
    assert abs((light - 1).mean()) < 0.01 * np.abs(light - 1).mean()


def test_thickness_is_a_slab_a_dome_and_a_nucleus():
    labels = (disc(30, 81) > 0).astype(np.int32)
    view = view_of(labels)
    depth = view.distance_um / view.distance_um[labels > 0].max()
    dome = phases(bare(), view, Streams(0, 0))
    np.testing.assert_allclose(dome, 0.5 * depth * (2 - depth) * labels, atol=1e-5)
    slab = PhaseCells(phase=0.5, cell_cv=0, flat=1, edge_um=2, grain=0)
    flat = phases(bare(cells=slab), view, Streams(0, 0))
    np.testing.assert_allclose(flat, 0.5 * (1 - np.exp(-view.distance_um / 2)) * labels, atol=1e-5)
    lens = phases(bare(nucleus=PhaseNucleus(phase=0.3, share=0.5, nucleoli=0)), view, Streams(0, 0))
    assert (lens - dome)[40, 40] == pytest.approx(0.3, abs=1e-3)
    radius = 0.5 * view.distance_um[labels > 0].max()
    assert ((lens - dome) > 1e-6).sum() == pytest.approx(np.pi * radius**2, rel=0.03)


def test_cells_differ_in_thickness_by_their_law():
    labels = np.arange(1, 401).reshape(20, 20).repeat(7, 0).repeat(7, 1)
    spec = bare(cells=PhaseCells(phase=0.5, cell_cv=0.3, flat=0, grain=0))
    phase = phases(spec, view_of(labels), Streams(1, 0))
    peak = phase[3::7, 3::7].ravel()
    assert abs(peak.mean() / 0.5 - 1) < 4 * 0.3 / 20
    assert 0.24 < peak.std() / 0.5 < 0.36


def test_grain_has_the_strength_and_size_asked_for():
    labels = np.ones((300, 300), np.int32)
    cells = PhaseCells(phase=1, cell_cv=0, flat=1, edge_um=0.01, grain=0.1, grain_um=4.71)
    grain = phases(bare(cells=cells), view_of(labels), Streams(0, 0))
    assert grain.std() == pytest.approx(0.1, rel=0.05)
    along = np.corrcoef(grain[:, :-2].ravel(), grain[:, 2:].ravel())[0, 1]
    assert along == pytest.approx(np.exp(-(2**2) / (4 * 2**2)), abs=0.05)


def test_nucleoli_lie_in_the_nuclei():
    labels = np.pad(np.arange(1, 26).reshape(5, 5).repeat(40, 0).repeat(40, 1), 4)
    view = view_of(labels)
    plain = phases(bare(), view, Streams(0, 0))
    nucleus = PhaseNucleus(phase=0, nucleoli=3, nucleolus_phase=0.4, nucleolus_um=1, share=0.6)
    extra = phases(bare(nucleus=nucleus), view, Streams(0, 0)) - plain
    rows, columns = np.nonzero(extra > 0.1)
    out = np.hypot((rows - 4) % 40 - 19.5, (columns - 4) % 40 - 19.5)
    assert out.max() < 0.5 * 0.6 * 20 + 3
    total = extra.sum() / (0.4 * 2 * np.pi)
    assert abs(total - 75) < 4 * np.sqrt(75)


def test_the_roundest_small_cells_round_up():
    area = np.array([100.0, 100, 100, 400, 20, np.inf])
    deepest = np.array([3.0, 5.6, 5.0, 11.0, 2.5, 9.0])
    rng = np.random.default_rng(0)
    assert np.flatnonzero(_roundest(area, deepest, 1.0, rng)).tolist() == [0, 1, 2, 3]
    drawn = [tuple(np.flatnonzero(_roundest(area, deepest, 0.25, rng))) for _ in range(2000)]
    share = np.mean([len(chosen) for chosen in drawn]) / 4
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 8000)
    assert {chosen for chosen in drawn if len(chosen) == 1} == {(1,)}


def test_a_rounded_cell_is_a_bright_ball():
    view = view_of((disc(8, 81) > 0).astype(np.int32))
    spec = bare(rounded=PhaseRounded(share=1, phase=2.6))
    phase = phases(spec, view, Streams(0, 0))
    depth = np.where(view.labels > 0, view.distance_um, 0)
    depth /= depth.max()
    np.testing.assert_allclose(
        phase, 2.6 * np.sqrt(depth * (2 - depth)) * view.labels, rtol=1e-4, atol=1e-4
    )
    image = render(spec, view, Streams(0, 0))
    assert image[40, 40] > 2 * image[5, 5]


def test_debris_lies_anywhere_and_its_number_is_poisson():
    view = view_of(np.zeros((400, 400), np.int32))
    spec = PhaseDebris(density=400, radius_um=1, radius_cv=0, phase=1)
    totals = []
    for seed in range(30):
        phase = np.zeros((400, 400), np.float32)
        add_debris(phase, spec, view, np.random.default_rng(seed))
        totals.append(phase.sum() / (2 * np.pi))
    # 64 specks a field, of mean 1; peaks uniform in 0.3 to 1.7; some are cut by the edge.
    assert abs(np.mean(totals) - 64 * 0.99) < 4 * np.sqrt(64 * 1.16 / 30)


@pytest.mark.parametrize("photons", [50.0, 2000.0])
def test_the_variance_of_photons_is_their_mean(photons):
    spec = bare(camera=FluoCamera(photons=photons, read_noise=0, gain=1, offset=0, bits=16))
    image = render(spec, view_of(np.zeros((256, 256), np.int32)), Streams(0, 0)).astype(float)
    assert image.var() / image.mean() == pytest.approx(1, abs=0.03)
    assert image.mean() == pytest.approx(photons, rel=0.01)


def test_the_lamp_fades_and_is_uneven():
    view = view_of(np.zeros((300, 300), np.int32))
    faded = render(
        bare(field=PhaseField(uneven=0, falloff=0.4, misalignment=0)), view, Streams(0, 0)
    )
    assert faded[150, 150] / 2e4 == pytest.approx(1, abs=0.01)
    assert faded[:8, :8].mean() / 2e4 == pytest.approx(0.62, abs=0.005)
    cloudy = bare(field=PhaseField(uneven=0.1, scale_um=10, falloff=0))
    assert np.log(render(cloudy, view, Streams(0, 0))).std() == pytest.approx(0.1, rel=0.15)


def test_a_wider_pixel_shows_the_same_cells():
    """Lengths are in µm: at half the resolution the halo is half as many pixels wide."""
    fine = through_ring(disc(40, 401, 0.1), PhaseOptics(), 0.5)
    coarse = through_ring(disc(20, 201, 0.1), PhaseOptics(), 1.0)
    np.testing.assert_allclose(fine[200, 200::16], coarse[100, 100::8], atol=0.03)
