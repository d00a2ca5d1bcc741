"""Outlines that press on each other, spindles, and neighbours that point alike."""

import numpy as np
import pytest
from scipy.special import hyp2f1
from scipy.stats import kstest

from simcell import cells
from simcell.arrays import Grid, Pattern
from simcell.cells.outlines import _directions, _spindle, _waves, stamp
from simcell.rng import Streams
from simcell.scene.cells import Outlines

GRID = Grid((160, 160), (0.5, 0.5))


def grow(spec, points, seed=0, periodic=False, margin=20, **marks):
    pattern = Pattern(np.atleast_2d(np.asarray(points, float)), marks)
    region = np.ones(GRID.padded(margin).shape, bool)
    return cells.grow(spec, pattern, region, GRID, margin, Streams(seed, 0), periodic=periodic)


def crowd(count, seed=1):
    return np.random.default_rng(seed).uniform(0, 80, (count, 2))


def inner(shape, centre, axes, turn, waves, taper):
    """Distance from a centre over the outline's radius in the same direction, plainly."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    dy, dx = y - centre[0], x - centre[1]
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / axes[0]
    v = (dy * np.cos(turn) - dx * np.sin(turn)) / axes[1]
    angle = np.arctan2(v, u)
    radius = 1.0 + sum(
        a * np.cos((k + 2) * angle) + b * np.sin((k + 2) * angle) for k, (a, b) in enumerate(waves)
    )
    # The spindle |v| = (1 - u²)^t in each direction, from points along its rim.
    along = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 20001))
    rim = np.arctan2((1 - along**2) ** taper, along)[::-1], np.hypot(along, (1 - along**2) ** taper)
    spindle = np.interp(np.abs(angle), rim[0], rim[1][::-1])
    return np.hypot(u, v) / (np.maximum(radius, 0.15) * spindle)


@pytest.mark.parametrize("taper", [0.25, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("share", [True, False])
def test_stamping_equals_its_plain_twin(share, taper):
    rng = np.random.default_rng(4)
    shape, n = (120, 140), 14
    centres = rng.uniform(0, 130, (n, 2))
    axes = rng.uniform(8, 30, (n, 2))
    turn = rng.uniform(-3, 3, n)
    waves = _waves(Outlines(waviness=0.15), n, Streams(0, 0)).reshape(n, -1, 2)
    image, total, _, claims = stamp(shape, 0, centres, axes, turn, waves, _spindle(taper), share)
    out = np.array([inner(shape, *o, taper) for o in zip(centres, axes, turn, waves, strict=True)])
    assert np.mean(claims != (out <= 1).sum(axis=0)) < 0.01
    if share:
        wanted = np.where(out.min(axis=0) <= 1, out.argmin(axis=0) + 1, 0)
    else:
        wanted = ((out <= 1) * np.arange(1, n + 1)[:, None, None]).max(axis=0)
    assert np.mean(image != wanted) < 0.004
    assert len(np.unique(wanted)) > 8
    whole = np.all((centres - axes.max(axis=1)[:, None] * 1.6 > 0), axis=1) & np.all(
        centres + axes.max(axis=1)[:, None] * 1.6 < shape, axis=1
    )
    assert np.allclose(total[whole], (out <= 1).sum(axis=(1, 2))[whole], rtol=0.02)


def test_equal_discs_meet_halfway():
    grown = grow(Outlines(meet="share", radius_um=10), [[40, 34], [40, 46]])
    left, right = grown.objects[np.argsort(grown.objects["seed_x_um"])]
    assert left["area_um2"] == pytest.approx(right["area_um2"], rel=0.01)
    edge = np.flatnonzero(np.diff(grown.labels[80]) != 0)
    assert 79 in edge
    assert left["overlap"] == right["overlap"] == 0
    segment = 100 * np.arccos(0.6) - 6 * 8
    assert left["amodal_area_um2"] == pytest.approx(np.pi * 100 - segment, rel=0.01)


def test_a_larger_disc_takes_more():
    grown = grow(Outlines(meet="share"), [[40, 34], [40, 46]], radius_um=np.array([12.0, 6.0]))
    assert grown.labels[80, 2 * 41] == grown.labels[80, 2 * 34]
    assert grown.labels[80, 2 * 43] == grown.labels[80, 2 * 46]


@pytest.mark.parametrize("periodic", [True, False])
def test_nothing_is_hidden_where_cells_share(periodic):
    grown = grow(Outlines(meet="share", radius_um=9, min_visible=0.2), crowd(70), 2, periodic)
    assert not grown.objects["overlap"].any()
    whole = grown.objects[~grown.objects["touches_border"]]
    assert len(whole) > 20
    np.testing.assert_allclose(whole["amodal_area_um2"], whole["area_um2"])


def test_the_thickest_crowd_still_shares_all_of_its_ground():
    # Each outline is far larger than what it gets: shared ground does not count as hidden.
    points = crowd(60)
    grown = grow(Outlines(meet="share", radius_um=40, min_visible=0.2), points)
    assert np.all(grown.labels > 0)
    assert len(np.unique(grown.objects[["seed_y_um", "seed_x_um"]])) == len(points)
    assert grown.objects["area_um2"].max() < 0.2 * np.pi * 40**2


def test_one_that_gets_far_less_than_its_fair_share_is_left_out():
    turn = np.arange(6) * np.pi / 3
    points = 40 + np.stack([np.cos(turn), np.sin(turn)], axis=1)
    points = np.concatenate([[[40.0, 40.0]], points])
    for least, count in ((0.0, 7), (0.2, 6)):
        spec = Outlines(meet="share", radius_um=10, min_visible=least)
        seeds = grow(spec, points).objects[["seed_y_um", "seed_x_um"]]
        assert len(np.unique(seeds)) == count


def test_sharing_covers_the_same_ground_as_covering():
    points = crowd(60)
    one, other = (
        grow(Outlines(meet=meet, radius_um=8, waviness=0.1, min_visible=0), points)
        for meet in ("share", "cover")
    )
    assert np.array_equal(one.labels > 0, other.labels > 0)
    assert one.objects["area_um2"].std() < other.objects["area_um2"].std()


@pytest.mark.parametrize("taper", [0.1, 0.5, 0.8, 1.2, 3.0])
def test_every_taper_has_the_area_of_the_radius(taper):
    spec = Outlines(taper=taper, radius_um=14)
    row = grow(spec, [40.0, 40.0], axis_ratio=np.array([0.5]), orientation_rad=np.array([0.4]))
    assert row.objects[0]["area_um2"] == pytest.approx(np.pi * 14**2, rel=0.015)
    assert row.objects[0]["orientation_rad"] == pytest.approx(0.4, abs=0.02)


def test_a_high_taper_draws_out_the_ends():
    """Of one area, a spindle is longer than an ellipse and slimmer near its ends."""
    spans = {}
    for taper in (0.5, 2.0):
        grown = grow(Outlines(taper=taper, radius_um=10), [40.0, 40.0], axis_ratio=np.array([0.4]))
        x = np.flatnonzero((grown.labels > 0).any(axis=0))
        tips = (grown.labels > 0)[:, [x[6], x[-7]]].sum(axis=0)
        spans[taper] = (len(x), tips.max())
    assert spans[2.0][0] > 1.08 * spans[0.5][0]
    assert spans[2.0][1] < 0.5 * spans[0.5][1]


def test_axis_ratios_are_uniform_and_marks_come_first():
    spec = Outlines(axis_ratio_min=0.3, axis_ratio_max=0.8, radius_um=2)
    pattern = grow(spec, crowd(400)).pattern
    assert kstest(pattern.marks["axis_ratio"], "uniform", (0.3, 0.5)).pvalue > 1e-3
    turn = pattern.marks["orientation_rad"]
    assert kstest(turn, "uniform", (-np.pi / 2, np.pi)).pvalue > 1e-3
    given = grow(spec, crowd(5), axis_ratio=np.full(5, 0.9)).pattern
    assert np.all(given.marks["axis_ratio"] == 0.9)


@pytest.mark.parametrize("apart", [0.5, 1.0, 2.0])
def test_neighbours_point_alike_as_the_field_says(apart):
    """Phases of a Gaussian vector field of correlation ρ: mean of cos 2(a - b)."""
    spec = Outlines(axis_ratio_min=0.5, align_um=30)
    pair = np.array([[0.0, 0.0], [0.0, 30 * apart]])
    turns = np.array([_directions(spec, pair, Streams(5, i)) for i in range(3000)])
    together = np.cos(2 * (turns[:, 0] - turns[:, 1]))
    rho = np.exp(-0.5 * apart**2)
    theory = np.pi / 4 * rho * hyp2f1(0.5, 0.5, 2, rho**2)
    assert abs(together.mean() - theory) < 4 * together.std() / np.sqrt(len(together)) + 0.005
    assert kstest(turns[:, 0], "uniform", (-np.pi / 2, np.pi)).pvalue > 1e-3


def test_ratios_must_be_in_order():
    with pytest.raises(ValueError, match=r"axis_ratio_min = 0.9: must not exceed"):
        Outlines(axis_ratio_min=0.9, axis_ratio_max=0.5)


def test_pixels_that_a_thin_end_loses_are_no_cells():
    spec = Outlines(taper=2.5, axis_ratio_min=0.1, axis_ratio_max=0.2, radius_um=6)
    y, x = np.meshgrid(np.arange(15.0, 80, 22), np.arange(15.0, 80, 22), indexing="ij")
    points = np.stack([y.ravel(), x.ravel()], axis=1)
    grown = grow(spec, points, margin=40)
    assert len(grown.objects) == len(points)
    seeds = grown.objects["seed_y_um"] * 1000 + grown.objects["seed_x_um"]
    assert len(np.unique(seeds)) == len(points)
