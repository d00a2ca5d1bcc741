"""Pairs in a volume: laws of their marks, overlap, shapes, and that blocks do not show."""

import numpy as np
import pytest
from scipy.stats import kstest

from simcell import points
from simcell.arrays import Block, Grid, Pattern, Window
from simcell.cells import pairs, solids, volume, warp
from simcell.errors import SimcellError
from simcell.rng import Streams
from simcell.scene import Frame, Scene
from simcell.scene.points import HardCore
from simcell.scene.prior import Channels
from simcell.scene.region import Full
from simcell.scene.volume import FluorescenceVolume, NucleusGolgi
from simcell.stages import lay_out

PATCH_MM3 = 128 * 128 * 64 * 0.5**3 * 1e-9
MARGIN = 20.0


def scattered(grid, density, seed=0, distance=8.0):
    window = Window(tuple(side + 2 * MARGIN for side in grid.size_um), periodic=True)
    spec = HardCore(density=density, distance_um=distance)
    drawn = points.sample(spec, window, Streams(seed, 0)("points"))
    return Pattern(drawn.points - MARGIN, drawn.marks, drawn.notes)


GRID = Grid((64, 128, 128), (0.5,) * 3)


@pytest.fixture(scope="module")
def crowded():
    spec = NucleusGolgi()
    return spec, *pairs.place(spec, scattered(GRID, 57 / PATCH_MM3), GRID, Streams(0, 0))


def test_marks_follow_the_laws_asked_for(crowded):
    spec, found, pattern = crowded
    n = len(found)
    assert n > 300
    for values, low, high in (
        (found.semi[:, 0], spec.long_min_um, spec.long_max_um),
        (found.golgi, spec.golgi_min_um, spec.golgi_max_um),
        (found.offset, -spec.offset_max_um, spec.offset_max_um),
        # The two short axes are sorted; both together are uniform.
        (found.semi[:, 1:].ravel(), spec.short_min_um, spec.short_max_um),
    ):
        assert kstest(values, "uniform", (low, high - low)).pvalue > 1e-3
    assert np.all(found.semi[:, 1] >= found.semi[:, 2])
    assert np.array_equal(pattern.marks["long_um"], found.semi[:, 0])


def test_directions_are_uniform_in_space_and_turned_rigidly(crowded):
    _, found, _ = crowded
    eye = np.swapaxes(found.turn, 1, 2) @ found.turn
    np.testing.assert_allclose(eye, np.broadcast_to(np.eye(3), eye.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(found.turn), 1)
    for column in range(3):
        for axis in range(3):
            # Each coordinate of a uniform direction is uniform in [-1, 1].
            assert kstest(found.turn[:, axis, column], "uniform", (-1, 2)).pvalue > 1e-3


def test_in_plane_pairs_turn_about_z_in_the_middle_layer():
    spec = NucleusGolgi(rotation="in_plane", layer_um=3.0)
    thin = scattered(GRID, 3e4)
    found, used = pairs.place(spec, thin, GRID, Streams(0, 0))
    assert np.all(found.turn[:, 0, :2] == 0)
    assert np.all(found.turn[:, 0, 2] == 1)
    angle = np.arctan2(found.turn[:, 1, 0], found.turn[:, 2, 0])
    assert kstest(angle, "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3
    middle = 0.5 * GRID.size_um[0]
    assert np.all(np.abs(used.points[:, 0] - middle) <= 1.5)
    # As many as there were points between top and bottom.
    inside = (thin.points[:, 0] >= 0) & (thin.points[:, 0] < GRID.size_um[0])
    assert len(found) >= 0.95 * inside.sum()


def test_upright_pairs_stand_along_z_and_turn_about_it():
    spec = NucleusGolgi(rotation="upright")
    found, _ = pairs.place(spec, scattered(GRID, 3e4), GRID, Streams(0, 0))
    assert np.all(found.turn[:, :, 0] == [1, 0, 0])
    eye = np.swapaxes(found.turn, 1, 2) @ found.turn
    np.testing.assert_allclose(eye, np.broadcast_to(np.eye(3), eye.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(found.turn), 1)
    angle = np.arctan2(found.turn[:, 1, 1], found.turn[:, 2, 1])
    assert kstest(angle, "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3


def test_golgi_lie_at_the_tip_where_asked():
    spec = NucleusGolgi(offset_from="tip")
    found, _ = pairs.place(spec, scattered(GRID, 5e4), GRID, Streams(0, 0))
    gap = found.offset - found.semi[:, 0]
    assert kstest(gap, "uniform", (-3, 6)).pvalue > 1e-3
    along = np.einsum("nk,nk->n", found.golgi_centre - found.centre, found.turn[:, :, 0])
    np.testing.assert_allclose(along, found.offset)


def reference_share(c1, turn1, semi1, c2, turn2, semi2, rng):
    """Shared volume over the smaller one's, by many random points of the smaller."""
    if np.prod(semi1) > np.prod(semi2):
        c1, turn1, semi1, c2, turn2, semi2 = c2, turn2, semi2, c1, turn1, semi1
    ball = rng.normal(size=(20_000, 3))
    ball *= rng.random((20_000, 1)) ** (1 / 3) / np.linalg.norm(ball, axis=1, keepdims=True)
    place = c1 + (ball * semi1) @ turn1.T
    return np.mean((np.square((place - c2) @ turn2 / semi2)).sum(axis=1) <= 1)


@pytest.mark.parametrize("per_patch", [45, 70])
def test_no_two_pairs_share_more_than_the_limit_and_the_density_is_got(per_patch):
    """At the densities of crowded patches every pair finds room within the limit."""
    grid = Grid((64, 96, 96), (0.5,) * 3)
    spec = NucleusGolgi(overlap_limit=0.2)
    density = per_patch / PATCH_MM3
    drawn = scattered(grid, density, seed=per_patch)
    found, used = pairs.place(spec, drawn, grid, Streams(per_patch, 0))
    assert used.notes["requested_density"] == density
    assert used.notes["achieved_density"] == pytest.approx(density, rel=0.01)
    window = np.prod([side + 2 * MARGIN for side in grid.size_um]) * 1e-9
    assert len(found) == pytest.approx(density * window, rel=0.01)
    solid = [
        (found.centre, found.turn, found.semi),
        (found.golgi_centre, found.turn, found.golgi[:, None].repeat(3, axis=1)),
    ]
    rng, worst = np.random.default_rng(0), 0.0
    for i in range(0, len(found), 8):
        far = np.linalg.norm(found.centre - found.centre[i], axis=1)
        for j in np.flatnonzero((far < 30) & (far > 0)):
            for a in solid:
                for b in solid:
                    share = reference_share(*(v[i] for v in a), *(v[j] for v in b), rng)
                    worst = max(worst, share)
    # 96 points inside an object find its shared part to a few percent.
    assert 0.12 < worst < 0.2 + 0.05


def test_pairs_without_room_are_left_out_and_the_density_says_so():
    spec = NucleusGolgi(overlap_limit=0.0, tries=2)
    grid = Grid((48, 48, 48), (0.5,) * 3)
    drawn = scattered(grid, 70 / PATCH_MM3)
    found, used = pairs.place(spec, drawn, grid, Streams(0, 0))
    assert len(found) < 0.8 * len(drawn)
    share = len(found) / len(drawn)
    assert used.notes["achieved_density"] == pytest.approx(share * drawn.notes["achieved_density"])


def one(spec, grid=None, seed=0, at=(16.0, 16.0, 16.0)):
    grid = grid or Grid((64, 64, 64), (0.5,) * 3)
    return volume.lay_out(spec, Pattern(np.array([at])), grid, Streams(seed, 0))


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.27, 0.666, 0.666)])
def test_without_deformation_voxels_are_those_of_the_ellipsoid(spacing):
    spec, grid = NucleusGolgi(elastic=0, offset_from="tip"), Grid((128, 80, 80), spacing)
    centre = tuple(0.5 * side for side in grid.size_um)
    pattern = Pattern(np.array([centre]))
    for seed in range(5):
        found, _ = pairs.place(spec, pattern, grid, Streams(seed, 0))
        layout = volume.lay_out(spec, pattern, grid, Streams(seed, 0))
        owner = layout.paint(Block((0, 0, 0), grid.shape)).owner
        places = (np.moveaxis(np.indices(grid.shape), 0, -1) + 0.5) * spacing
        w = (places - found.centre[0]) @ found.turn[0] / found.semi[0]
        ball = np.linalg.norm(places - found.golgi_centre[0], axis=-1) <= found.golgi[0]
        nucleus = (np.square(w).sum(axis=-1) <= 1) & ~ball
        assert np.mean(owner == 2) > 0
        # Only voxels on the surface to the last bit may differ.
        assert np.sum((owner == 2) != ball) <= 2
        assert np.sum((owner == 1) != nucleus) <= 2


def test_elastic_deformation_bends_but_keeps_the_mean_volume():
    ratios, bends = [], []
    for seed in range(60):
        plain, bent = one(NucleusGolgi(elastic=0), seed=seed), one(NucleusGolgi(), seed=seed)
        before = plain.objects[plain.objects["type"] == 1][0]
        after = bent.objects[bent.objects["type"] == 1][0]
        ratios.append(after["amodal_volume_um3"] / before["amodal_volume_um3"])
        bends.append(after["major_um"] / before["major_um"])
    # Strains of 1/8 to 1/2 over 1.5 √2: about 0.15 a direction, 0.25 of the volume.
    assert 0.15 < np.std(ratios) < 0.4
    assert abs(np.mean(ratios) - 1) < 4 * np.std(ratios) / np.sqrt(60) + 0.06
    assert np.std(bends) > 0.05


def test_wrinkles_finer_than_a_voxel_are_not_computed_and_change_next_to_nothing():
    grid = Grid((40, 48, 48), (0.5,) * 3)
    points = scattered(grid, 5e5)
    smooth, fine = (
        volume.lay_out(NucleusGolgi(elastic=elastic), points, grid, Streams(3, 0))
        .paint(Block((0, 0, 0), grid.shape))
        .labels
        for elastic in (0.0, 3e-4)
    )
    assert np.mean(smooth != fine) < 2e-3
    assert np.any(smooth != fine)
    warp = volume._warp(NucleusGolgi(elastic=3e-4), 3, grid, Streams(3, 0))
    assert warp.length_um == 0.5


@pytest.mark.parametrize("elastic", [0.05, 0.2, 0.75])
def test_objects_stay_one_piece_each_however_wavy(elastic):
    from skimage.measure import label as connected

    spec = NucleusGolgi(elastic=elastic)
    grid = Grid((40, 48, 48), (0.5,) * 3)
    layout = volume.lay_out(spec, scattered(grid, 5e5), grid, Streams(3, 0))
    labels = layout.paint(Block((0, 0, 0), grid.shape)).labels
    assert labels.max() == len(layout.objects) > 10
    assert connected(labels, background=0, connectivity=1).max() == labels.max()
    count = np.bincount(labels.ravel())[1:] * 0.125
    np.testing.assert_allclose(layout.objects["volume_um3"], count)


def test_a_shared_voxel_goes_to_the_pair_it_lies_deeper_in():
    spec, grid = NucleusGolgi(overlap_limit=1.0, tries=1), Grid((48, 48, 48), (0.5,) * 3)
    spec = spec.model_copy(update={"elastic": 0.0})
    pattern = Pattern(np.array([[12.0, 9.0, 12.0], [12.0, 15.0, 12.0]]))
    found, _ = pairs.place(spec, pattern, grid, Streams(1, 0))
    owner = (
        volume.lay_out(spec, pattern, grid, Streams(1, 0)).paint(Block((0, 0, 0), grid.shape)).owner
    )
    places = (np.moveaxis(np.indices(grid.shape), 0, -1) + 0.5) * 0.5
    depth = np.full((2, 2, *grid.shape), np.inf)
    for i in range(2):
        w = (places - found.centre[i]) @ found.turn[i] / found.semi[i]
        v = (places - found.golgi_centre[i]) / found.golgi[i]
        depth[i] = [np.square(w).sum(axis=-1), np.square(v).sum(axis=-1)]
    depth[depth > 1] = np.inf
    best = depth.min(axis=1)
    shared = np.isfinite(best).all(axis=0)
    assert shared.sum() > 500
    wins = np.argmin(best, axis=0)
    golgi = np.isfinite(np.take_along_axis(depth[:, 1], wins[None], 0)[0])
    # Owners number pairs by place; which is which, the voxels of one alone tell.
    first = (owner[np.isfinite(best[0]) & ~np.isfinite(best[1])].max() + 1) // 2 - 1
    numbers = 2 * np.where(wins == 0, first, 1 - first) + 1 + golgi
    agree = (owner == numbers)[shared]
    assert agree.mean() > 0.98, "but for fragments that are dropped"


def scene(imaging):
    return Scene(
        frame=Frame(shape=(24, 64, 50), spacing_um=0.5, margin_um=15),
        region=Full(),
        points=HardCore(density=4e5, distance_um=6),
        cells=NucleusGolgi(),
        prior=Channels(),
        imaging=imaging,
    )


@pytest.mark.parametrize("channels", [1, 2])
def test_bands_do_not_show(channels):
    canvas = lay_out(scene(FluorescenceVolume(channels=channels)), seed=5, index=2)
    whole = canvas.paint(range(64))
    assert whole["labels"].max() > 10
    for height in (1, 7, 64):
        parts = [canvas.paint(range(row, min(row + height, 64))) for row in range(0, 64, height)]
        for name, picture in whole.items():
            stitched = np.concatenate([part[name] for part in parts], axis=-2)
            assert np.array_equal(stitched, picture), name


def test_blocks_beyond_the_field_have_light_but_no_labels():
    canvas = lay_out(scene(FluorescenceVolume()), seed=5, index=2)
    painted = canvas.layout.paint(Block((-10, -10, -10), (44, 84, 70)))
    inner = (slice(10, 34), slice(10, 74), slice(10, 60))
    outside = painted.labels.copy()
    outside[inner] = 0
    assert not outside.any()
    assert np.array_equal(painted.labels[inner] > 0, painted.owner[inner] > 0)
    beyond = painted.owner[:, :10] > 0
    assert abs(beyond.mean() - (painted.owner[:, 10:74] > 0).mean()) < 0.15


def test_objects_beyond_the_field_are_the_same_however_far_a_block_reaches():
    canvas = lay_out(scene(FluorescenceVolume()), seed=5, index=2)
    near, far = (
        canvas.layout.paint(Block((0, 0, 0), canvas.grid.shape).grown((h, h, h))).owner
        for h in (3, 12)
    )
    assert near[:3].any()
    assert np.array_equal(near, far[9:-9, 9:-9, 9:-9])


def test_pairs_carved_no_farther_than_the_field_are_the_same_in_it():
    """Also their table, which counts voxels that are beyond."""
    points = scattered(GRID, 5e5)
    some, whole = (volume.lay_out(NucleusGolgi(), points, GRID, Streams(3, 0), h) for h in (0, 90))
    assert len(some.runs.runs) < len(whole.runs.runs)
    np.testing.assert_array_equal(some.objects, whole.objects)
    np.testing.assert_array_equal(some.adjacency, whole.adjacency)
    wide = Block((-9, 4, -20), (30, 30, 100))
    assert np.array_equal(some.paint(wide).owner, whole.paint(wide).owner)
    assert np.array_equal(some.paint(wide).labels, whole.paint(wide).labels)


def test_too_large_an_object_is_refused():
    spec = NucleusGolgi(long_min_um=500, long_max_um=500)
    with pytest.raises(SimcellError, match="500 µm is 1000 px, at most 200 px"):
        one(spec)


def test_ends_out_of_order_are_refused():
    with pytest.raises(ValueError, match=r"golgi_min_um = 5: must not exceed golgi_max_um = 4\.5"):
        NucleusGolgi(golgi_min_um=5)


def test_an_empty_pattern_gives_an_empty_table():
    layout = volume.lay_out(
        NucleusGolgi(), Pattern(np.zeros((0, 3))), Grid((8, 9, 10), (1.0,) * 3), Streams(0, 0)
    )
    assert len(layout.objects) == 0
    assert not layout.paint(Block((-2, 0, 0), (12, 9, 10))).owner.any()


def test_lattices_coarser_than_the_waves_would_be_wrong():
    """Nodes are at most an eighth of the spline's step apart, so that w is linear between."""
    bend = warp.Warp(10.0, np.ones((2, 3)), np.array([3, 4], np.uint64))
    turn = np.eye(3)[None].repeat(2, axis=0)
    built = solids.build(np.full((2, 3), 20.0), turn, np.full((2, 3), 8.0), GRID, bend, 0)
    assert np.all(built.steps * 0.5 <= bend.step_um / 8)
