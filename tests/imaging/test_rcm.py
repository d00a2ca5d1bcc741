"""Every knob of the RCM model moves what it names, and nothing else."""

import numpy as np
import pytest

from simcell import imaging
from simcell.arrays import Grid
from simcell.fields import border_distance
from simcell.imaging import View, rcm
from simcell.rng import Streams
from simcell.scene.imaging import NOISE_LEVELS, NoImage, Rcm, RcmNoise

SPACING = 0.5
CELL = 40  # pixels
QUIET = {
    "membrane": {"width_cv": 0, "strength_cv": 0},
    "cytoplasm": {"cell_cv": 0, "grain": 0},
    "nucleus": {"visible": 0},
    "organelles": {"density": 0},
    "keratin": {"density": 0},
    "defocus": {"share": 0},
    "field": {"uneven": 0, "tilt": 0, "furrow": 0.05, "furrow_edge_um": 0},
    "noise": {"looks": 1000, "speckle_um": 0, "photons": 1e6, "read_noise": 0, "jitter_um": 0},
    "psf_um": 0,
    "offset": 0,
}


def _view(cells=6, border=0):
    labels = np.arange(1, cells**2 + 1, dtype=np.int32).reshape(cells, cells)
    labels = np.pad(labels.repeat(CELL, 0).repeat(CELL, 1), border)
    y, x = np.mgrid[:cells, :cells] * CELL + CELL / 2 + border
    centres = np.stack([y.ravel(), x.ravel()], axis=1) * SPACING
    grid = Grid(labels.shape, (SPACING, SPACING))
    distance = border_distance(labels) * np.float32(SPACING)
    return View(labels, distance, centres, labels > 0, grid)


def _spec(**changes):
    tree = {k: dict(v) if isinstance(v, dict) else v for k, v in QUIET.items()}
    for path, value in changes.items():
        if isinstance(value, dict):
            tree[path] = {**tree[path], **value}
        else:
            tree[path] = value
    return Rcm.model_validate(tree)


def _image(view=None, seed=0, **changes):
    return rcm.image(_spec(**changes), view or _view(), Streams(seed, 0)) / 255.0


def test_no_image():
    assert imaging.render(NoImage(), _view(), Streams(0, 0)) is None


def test_quiet_image_shows_the_levels_of_its_parts():
    image = _image(membrane={"brightness": 0.7, "width_um": 2.0}, cytoplasm={"brightness": 0.3})
    assert image[20, 20] == pytest.approx(0.3, abs=0.03)
    assert image[20, CELL] == pytest.approx(0.7, abs=0.06)


@pytest.mark.parametrize("width", [1.5, 3.0, 5.0])
def test_membrane_width_is_its_full_width_at_half_maximum(width):
    image = _image(membrane={"brightness": 0.9, "width_um": width}, cytoplasm={"brightness": 0.0})
    profile = image[20, CELL // 2 : CELL + CELL // 2]
    wide = (profile > 0.5 * profile.max()).sum() * SPACING
    # Both pixels at the border count as its middle.
    assert abs(wide - width) <= 2 * SPACING


def test_point_source_becomes_the_psf():
    from simcell.fields import blur

    point = np.zeros((65, 65), np.float32)
    point[32, 32] = 1
    fwhm_px = 6.0
    spot = blur(point, fwhm_px / rcm.FWHM)
    assert spot.sum() == pytest.approx(1, rel=0.01)
    y = np.arange(65) - 32
    sigma = np.sqrt((spot.sum(axis=1) * y**2).sum())
    assert sigma * rcm.FWHM == pytest.approx(fwhm_px, rel=0.05)


def test_brightness_varies_between_cells_by_the_spread_asked_for():
    view = _view(cells=12)
    centre = (view.centres_um / SPACING).astype(int)
    image = _image(view, cytoplasm={"brightness": 0.2, "cell_cv": 0.4})
    levels = image[centre[:, 0], centre[:, 1]]
    assert levels.mean() == pytest.approx(0.2, abs=4 * 0.08 / 12 + 0.005)
    assert levels.std() / levels.mean() == pytest.approx(0.4, abs=0.12)


@pytest.mark.parametrize("texture", ["value", "perlin"])
def test_grain_has_the_strength_asked_for(texture):
    image = _image(
        cytoplasm={"brightness": 0.3, "grain": 0.3, "texture": texture},
        membrane={"brightness": 0.3},
    )
    inside = _view().distance_um > 5
    assert image[inside].mean() == pytest.approx(0.3, abs=0.02)
    assert image[inside].std() / image[inside].mean() == pytest.approx(0.3, abs=0.05)


def test_octaves_add_finer_grain():
    def fine_power(octaves):
        noise = rcm.grain(
            _spec(cytoplasm={"grain_um": 3.0, "octaves": octaves}).cytoplasm, _view(), Streams(0, 0)
        )
        assert noise.std() == pytest.approx(1, abs=0.1)
        return np.mean(np.diff(noise, axis=1) ** 2)

    # The finest octave keeps its size: more octaves add coarser, smoother grain.
    assert fine_power(1) > fine_power(2) > fine_power(3)


def test_nuclei_are_dark_and_as_many_as_asked_for():
    view = _view(cells=14)
    centre = (view.centres_um / SPACING).astype(int)
    image = _image(
        view,
        cytoplasm={"brightness": 0.4},
        nucleus={"visible": 0.6, "depth": 0.8, "radius_um": 4.0, "offset_um": 0.0, "edge_um": 0.5},
    )
    dark = image[centre[:, 0], centre[:, 1]] < 0.3
    assert abs(dark.mean() - 0.6) < 4 * np.sqrt(0.24 / 196)
    area = (image < 0.3).sum() * SPACING**2 / dark.sum()
    assert area == pytest.approx(np.pi * 16, rel=0.15)


@pytest.mark.parametrize("kind", ["organelles", "keratin"])
def test_spots_have_the_density_and_light_asked_for(kind):
    view = _view()
    spot = {"density": 3000.0, "radius_um": 1.0, "radius_cv": 0.0, "brightness": 0.1}
    added = np.mean(
        [
            _image(view, seed=s, **{kind: spot}).mean() - _image(view, seed=s).mean()
            for s in range(6)
        ]
    )
    expected = 3000e-6 * 2 * np.pi * 1.0**2 * 0.1
    assert added == pytest.approx(expected, rel=0.2)


def test_defocus_lowers_contrast_and_keeps_light():
    sharp, soft = _image(), _image(defocus={"share": 0.8, "contrast": 0.0})
    assert soft.std() < 0.4 * sharp.std()
    assert soft.mean() == pytest.approx(sharp.mean(), rel=0.03)


def test_tilt_makes_a_gradient_and_uneven_light_makes_clouds():
    flat = _image(cytoplasm={"brightness": 0.2}).reshape(6, CELL, 6, CELL).mean((1, 3))
    tilted = _image(field={"tilt": 1.0}).reshape(6, CELL, 6, CELL).mean((1, 3))
    assert np.log(flat.max() / flat.min()) < 0.2  # cells at the rim have borders on fewer sides
    assert np.log(tilted.max() / tilted.min()) > 0.4
    cloudy = _image(field={"uneven": 0.5, "scale_um": 20}).reshape(6, CELL, 6, CELL).mean((1, 3))
    assert cloudy.std() / cloudy.mean() > 0.15


def test_furrows_are_dark_and_their_edge_soft():
    view = _view(cells=3, border=30)
    hard = _image(view)
    assert hard[:25].mean() == pytest.approx(0.05, abs=0.01)
    soft = _image(view, field={"furrow_edge_um": 4.0})
    rim = (view.labels > 0) & (view.distance_um < 3)
    rim[40:-40, 40:-40] = False
    assert soft[rim].mean() < 0.9 * hard[rim].mean()
    assert soft[90, 90] == pytest.approx(hard[90, 90], abs=0.02)


def test_gain_saturates():
    assert (_image(gain=20.0, cytoplasm={"brightness": 0.5}) == 1).mean() > 0.95


def test_named_noise_levels_expand_and_grow():
    noises = [
        np.std(_image(noise=RcmNoise.model_validate(level).model_dump()) - _image())
        for level in ("low", "medium", "high")
    ]
    assert noises[0] < noises[1] < noises[2]
    assert RcmNoise.model_validate("low").looks == NOISE_LEVELS["low"]["looks"]
    assert RcmNoise.model_validate("medium") == RcmNoise()


def test_one_knob_leaves_other_draws_alone():
    spots = {"density": 2000.0, "brightness": 0.3}
    noisy = {"noise": RcmNoise.model_validate("medium").model_dump()}
    plain, spotted = _image(**noisy), _image(**noisy, keratin=spots)
    # Where there is no spot, not one grey level changes.
    assert np.mean(plain == spotted) > 0.7


def test_defocus_clouds_have_the_contrast_asked_for():
    even = {"membrane": {"brightness": 0.3}, "cytoplasm": {"brightness": 0.3}}
    clouds = [
        _image(seed=s, **even, defocus={"share": 1.0, "contrast": 0.3, "blur_um": 4.0})
        for s in range(4)
    ]
    assert np.mean(clouds) == pytest.approx(0.3, rel=0.05)
    assert np.std(clouds) / np.mean(clouds) == pytest.approx(0.3, abs=0.05)


def test_no_ghost_of_the_tissue_turned_around():
    correlations = []
    for seed in range(8):
        image = _image(
            seed=seed, cytoplasm={"cell_cv": 0.4}, defocus={"share": 0.6, "blur_um": 1.5}
        )
        inside = image - image.mean()
        correlations.append(np.mean(inside * inside[::-1, ::-1]) / inside.var())
    borders = _image() - _image().mean()  # this lattice is symmetric by itself
    symmetric = np.mean(borders * borders[::-1, ::-1]) / borders.var()
    assert np.mean(correlations) < 0.75 * symmetric


@pytest.mark.parametrize("kind", ["organelles", "keratin"])
def test_spots_are_as_dense_at_the_edge_of_the_field_and_in_place(kind):
    spot = {"density": 4000.0, "radius_um": 3.0, "radius_cv": 0.0, "brightness": 0.2}
    dark = {"membrane": {"brightness": 0.0}, "cytoplasm": {"brightness": 0.0}}
    image = np.mean([_image(seed=s, **dark, **{kind: spot}) for s in range(60)], axis=0)
    edge = np.mean([image[:4].mean(), image[-4:].mean(), image[:, :4].mean(), image[:, -4:].mean()])
    inner = image[20:-20, 20:-20]
    assert edge == pytest.approx(inner.mean(), rel=0.2)  # 0.6 of it without spots outside


def test_spots_lie_where_they_were_drawn():
    from simcell.imaging.spots import add_gaussians

    canvas = np.zeros((40, 50), np.float32)
    add_gaussians(canvas, np.array([[12.5, 30.5]]), np.array([2.0]), np.array([1.0]))
    y, x = np.mgrid[:40, :50] + 0.5
    assert (canvas * y).sum() / canvas.sum() == pytest.approx(12.5)
    assert (canvas * x).sum() / canvas.sum() == pytest.approx(30.5)


def test_jitter_blurs_vertical_borders():
    still, shaken = _image(), _image(noise={"jitter_um": 1.0})
    quiet, moved = (np.abs(np.diff(image[10:30], axis=0)).mean() for image in (still, shaken))
    assert moved > 3 * quiet + 0.002


def test_a_hole_is_no_furrow():
    view = _view(cells=5)
    hole = view.labels == 13
    labels = np.where(hole, 0, view.labels)
    holed = View(labels, view.distance_um, view.centres_um, view.tissue, view.grid)
    soft = {"field": {"furrow_edge_um": 4.0, "furrow": 0.05}}
    around = (view.distance_um < 1.0) & ~hole
    around[: 2 * CELL - 6], around[3 * CELL + 6 :] = False, False
    around[:, : 2 * CELL - 6], around[:, 3 * CELL + 6 :] = False, False
    assert _image(holed, **soft)[around].mean() == pytest.approx(
        _image(view, **soft)[around].mean(), rel=0.02
    )
    assert _image(holed, **soft)[100, 100] < 0.05


def test_interlaced_frames_have_brighter_even_lines():
    plain, laced = _image(), _image(noise={**QUIET["noise"], "interlace": 0.2})
    inside = np.s_[4 : CELL - 4, 4 : CELL - 4]  # of a cell, away from its membrane
    ratio = laced[inside] / plain[inside]
    assert ratio[0::2].mean() == pytest.approx(1.1, abs=0.01)
    assert ratio[1::2].mean() == pytest.approx(0.9, abs=0.01)


def test_smeared_noise_is_alike_along_lines_and_not_across_them():
    noisy = {**QUIET["noise"], "read_noise": 0.03}
    made = []
    for smear_um in (0.0, 1.0):
        rest = _image(noise={**noisy, "smear_um": smear_um}) - _image()
        inside = rest[4 : CELL - 4, 4 : CELL - 4]
        inside = inside - inside.mean()
        along, across = (inside[:, 1:] * inside[:, :-1]).mean(), (inside[1:] * inside[:-1]).mean()
        made.append((inside.std(), along / inside.var(), across / inside.var()))
    assert made[1][0] == pytest.approx(made[0][0], rel=0.15)
    assert abs(made[0][1]) < 0.15
    assert made[1][1] > 0.5
    assert max(abs(made[0][2]), abs(made[1][2])) < 0.2


def test_lines_are_as_uneven_as_was_asked_for():
    plain, uneven = _image(), _image(noise={**QUIET["noise"], "lines": 0.05})
    inside = np.s_[4 : CELL - 4, 4 : CELL - 4]  # of a cell, away from its membrane
    ratio = (uneven[inside] / plain[inside]).mean(axis=1)
    assert ratio.std() == pytest.approx(0.05, rel=4 / np.sqrt(2 * len(ratio)))
    assert (uneven[inside] / plain[inside]).std(axis=1).max() < 0.01


def test_peaking_makes_borders_across_lines_stronger():
    plain = _image()
    sharp = _image(noise={**QUIET["noise"], "peaking": 1.0, "peaking_um": 2.0})
    middle = CELL // 2
    along, across = (
        np.ptp(sharp[line]) / np.ptp(plain[line])
        for line in (np.s_[middle, :], np.s_[:, middle])  # a row crosses upright borders
    )
    assert along > 1.3
    assert across < 1.15


def test_gamma_bends_grey_levels_about_those_of_cell_bodies():
    levels = np.array([[0.05, 0.2, 0.8]], np.float32)
    bent = levels.copy()
    rcm.respond(bent, 0.5, 0.2)
    assert np.allclose(bent, [[0.1, 0.2, 0.4]])
    rcm.respond(levels, 1.0, 0.2)
    assert np.allclose(levels, [[0.05, 0.2, 0.8]])
    plain, soft = _image(), _image(gamma=0.5)
    assert soft.max() < plain.max()
    assert np.median(soft) == pytest.approx(np.median(plain), rel=0.1)
