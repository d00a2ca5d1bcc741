"""SIMCEP-like cells: size laws, outlines, overlap limit, parts and their truth."""

import numpy as np
import pytest

from simcell.arrays import Grid, Pattern
from simcell.cells import grow
from simcell.cells.bitmaps import place
from simcell.cells.contours import contours, radii
from simcell.rng import Streams
from simcell.scene.cells import Simcep, SimcepShape, SimcepSpots, SimcepType

GRID = Grid((256, 256), (1.0, 1.0))
ROUND = SimcepShape(radius_um=8, alpha=0, beta=0)
NUCLEI = (SimcepType(cytoplasm=None, nucleus=ROUND),)


def grown(spec, points, *, margin=0, periodic=False, marks=None, seed=0):
    side = 256 + 2 * margin
    pattern = Pattern(np.asarray(points, float).reshape(-1, 2), marks or {})
    region = np.ones((side, side), bool)
    return grow(spec, pattern, region, GRID, margin, Streams(seed, 0), periodic=periodic)


def lattice(step=32, at=16.0):
    axis = np.arange(at, 256, step)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)


def crowd(count=200, seed=1):
    return np.random.default_rng(seed).random((count, 2)) * 256


def inside_by_angles(polygon, y, x):
    """Winding number of a polygon about a point: the slow twin of the scanline fill."""
    angle = np.arctan2(polygon[:, 0] - y, polygon[:, 1] - x)
    turn = np.diff(np.append(angle, angle[0]))
    return abs(np.sum((turn + np.pi) % (2 * np.pi) - np.pi)) > np.pi


def test_a_bitmap_holds_the_pixels_whose_centres_lie_inside():
    outline = contours(SimcepShape(alpha=0.15, beta=0.1), 1, np.random.default_rng(3)) * 7.3
    centre = np.array([[20.31, 17.86]])
    placed, _ = place(centre, outline, np.zeros((1, 1, 2)), np.ones((1, 1), bool), (0, 0), 1.0)
    side = placed.side[0]
    bitmap = placed.bits.reshape(side, side)
    r0, c0 = placed.corner[0]
    wanted = [
        [inside_by_angles(outline[0] + centre[0], r0 + r + 0.5, c0 + c + 0.5) for c in range(side)]
        for r in range(side)
    ]
    assert np.array_equal(bitmap, np.array(wanted))
    assert placed.area[0] == bitmap.sum() > 100


def test_knots_lie_where_simcep_puts_them():
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)
    spec = SimcepShape(alpha=0.2, beta=0.1)
    outline = contours(spec, 3, rng)
    noise = twin.uniform(-1, 1, (3, 4, 10))
    theta = np.linspace(0, 2 * np.pi, 11)[:-1]
    x = 0.2 * noise[:, 2] + np.cos(theta + 0.1 * noise[:, 3])
    y = 0.2 * noise[:, 0] + np.sin(theta + 0.1 * noise[:, 1])
    # Of 48 vertices, those of knots 0 and 5 fall on a knot.
    assert np.allclose(outline[:, [0, 24], 0], y[:, [0, 5]])
    assert np.allclose(outline[:, [0, 24], 1], x[:, [0, 5]])


def test_fewer_harmonics_are_smoother():
    def bending(harmonics):
        spec = SimcepShape(alpha=0.2, beta=0.1, harmonics=harmonics)
        outline = contours(spec, 200, np.random.default_rng(0))
        return np.abs(np.diff(outline, 2, axis=1)).mean()

    assert bending(1) < bending(2) < bending(4) < bending(None)


@pytest.mark.parametrize("law", ["normal", "lognormal", "uniform"])
def test_radii_follow_their_law(law):
    drawn = radii(
        SimcepShape(radius_um=8, radius_cv=0.2, radius_law=law), 40_000, np.random.default_rng(0)
    )
    assert drawn.mean() == pytest.approx(8, rel=0.01)
    assert drawn.std() / drawn.mean() == pytest.approx(0.2, rel=0.03)
    skew = np.mean(((drawn - drawn.mean()) / drawn.std()) ** 3)
    assert skew == pytest.approx(3 * 0.2 + 0.2**3 if law == "lognormal" else 0, abs=0.06)
    if law == "uniform":
        assert np.ptp(drawn) < 8 * 0.2 * np.sqrt(12) * 1.001


def test_areas_follow_the_size_law_of_each_type():
    small = SimcepType(share=0.75, cytoplasm=None, nucleus=ROUND)
    large = SimcepType(share=0.25, cytoplasm=None, nucleus=SimcepShape(radius_um=14, radius_cv=0.1))
    cells = grown(Simcep(types=(small, large)), lattice())
    kind, area = cells.objects["type"], cells.objects["amodal_area_um2"]
    assert np.mean(kind == 2) == pytest.approx(0.25, abs=0.15)
    assert np.allclose(area[kind == 1], np.pi * 64, rtol=0.04)  # pixels of a disc on a lattice
    assert area[kind == 2].mean() == pytest.approx(np.pi * 196, rel=0.15)


def shares(cells, count):
    """Largest shared area over the smaller area, from the bounding discs' true rasters."""
    y, x = np.mgrid[:256, :256] + 0.5
    seeds = np.stack([cells.objects["seed_y_um"], cells.objects["seed_x_um"]], 1)
    masks = [(y - a) ** 2 + (x - b) ** 2 <= 64 for a, b in np.unique(seeds, axis=0)]
    assert len(masks) <= count
    return max(
        (a & b).sum() / min(a.sum(), b.sum()) for i, a in enumerate(masks) for b in masks[:i]
    )


@pytest.mark.parametrize("limit", [0.0, 0.1, 0.4])
def test_no_pair_overlaps_more_than_the_limit(limit):
    cells = grown(Simcep(types=NUCLEI, overlap_limit=limit), crowd(120))
    worst = shares(cells, 120)
    # Outlines are polygons of 48 sides: a pixel or two less than a disc.
    assert worst <= limit + 0.015
    assert worst >= limit - 0.1
    free = grown(Simcep(types=NUCLEI, overlap_limit=1.0), crowd(120))
    assert shares(free, 120) > 0.6
    assert free.pattern.notes["moved"] == 0


def test_what_finds_no_place_is_counted():
    cells = grown(Simcep(types=NUCLEI, overlap_limit=0.0, tries=3), crowd(900))
    rejected = cells.pattern.notes["rejected"]
    assert 100 < rejected < 900
    assert len(cells.pattern) == 900 - rejected
    assert cells.pattern.notes["moved"] > 10


def test_refused_objects_stay_near_their_points():
    points = np.full((4, 2), 128.0)
    cells = grown(Simcep(types=NUCLEI, overlap_limit=0.0), points)
    assert len(cells.pattern) == 4
    away = np.linalg.norm(cells.pattern.points - 128, axis=1)
    assert np.all(away < 100)
    assert away[0] == 0
    assert np.all(away[1:] > 12)


def test_moved_objects_keep_to_the_region():
    region = np.zeros((256, 256), bool)
    region[64:192, 64:192] = True
    pattern = Pattern(64 + np.random.default_rng(0).random((200, 2)) * 128)
    spec = Simcep(types=NUCLEI, overlap_limit=0.05)
    cells = grow(spec, pattern, region, GRID, 0, Streams(0, 0))
    assert cells.pattern.notes["moved"] > 5
    assert np.all((cells.pattern.points >= 64) & (cells.pattern.points < 192))


def test_the_torus_is_seamless():
    spec = Simcep(types=NUCLEI, overlap_limit=0.05)
    cells = grown(spec, crowd(150), margin=20, periodic=True)
    labels = cells.labels
    assert np.mean((labels[:, 0] > 0) == (labels[:, -1] > 0)) > 0.85
    seeds = np.unique(cells.pattern.points % 256, axis=0)
    # Rounding may tell a copy from its original.
    seeds = seeds[np.append(True, np.any(np.diff(seeds, axis=0) > 1e-6, axis=1))]
    gap = seeds[:, None] - seeds[None]
    gap -= 256 * np.round(gap / 256)
    distance = np.linalg.norm(gap, axis=-1) + 1e3 * np.eye(len(seeds))
    # Two discs of radius 8 share 5 % of their area at a distance of 12.9.
    assert distance.min() > 12.3


def test_nuclei_lie_in_their_cells_and_know_them():
    types = (SimcepType(cytoplasm=SimcepShape(radius_um=14, alpha=0.2), nucleus=ROUND),)
    whole, nuclei = (
        grown(Simcep(types=types, label=label, overlap_limit=0.3, depth_um=2.0), crowd(90))
        for label in ("cell", "nucleus")
    )
    assert np.array_equal(whole.parts.owner, nuclei.parts.owner)
    assert not whole.objects["parent"].any()
    assert np.all(whole.parts.body[whole.parts.nucleus])
    parent = nuclei.objects["parent"]
    assert np.all(parent > 0)
    for row in nuclei.objects:
        own = nuclei.labels == row["label"]
        assert np.all(nuclei.parts.owner[own] == row["parent"])
        assert row["depth_um"] == nuclei.pattern.marks["depth_um"][row["parent"] - 1]
    full = nuclei.objects["overlap"] == 0
    assert full.any()
    area = nuclei.objects["amodal_area_um2"][full & ~nuclei.objects["touches_border"]]
    assert np.allclose(area, np.pi * 64, rtol=0.05)


def test_depths_are_those_asked_for():
    cells = grown(Simcep(types=NUCLEI, overlap_limit=1.0, depth_um=3.0), crowd(800))
    depth = cells.pattern.marks["depth_um"]
    assert depth.mean() == pytest.approx(0, abs=0.4)
    assert depth.std() == pytest.approx(3.0, rel=0.1)
    assert np.array_equal(cells.parts.depth_um, depth)


def test_hidden_shares_and_whole_areas():
    cells = grown(Simcep(types=NUCLEI, overlap_limit=1.0), [[128, 124], [128, 132]])
    below, above = cells.objects[np.argsort(cells.objects["seed_x_um"])]
    half = 2 * np.arccos(4 / 8) * 64 - 2 * 4 * np.sqrt(64 - 16)  # two discs, 8 apart
    assert below["overlap"] == pytest.approx(half / (np.pi * 64), abs=0.03)
    assert above["overlap"] == 0
    assert below["amodal_area_um2"] == pytest.approx(np.pi * 64, rel=0.04)


@pytest.mark.parametrize("where", ["cytoplasm", "nucleus"])
def test_spots_are_as_many_as_asked_and_where_they_belong(where):
    spots = SimcepSpots(count=3.0, radius_um=0.5, where=where)
    kind = SimcepType(cytoplasm=SimcepShape(radius_um=14), nucleus=ROUND, spots=spots)
    cells = grown(Simcep(types=(kind,)), lattice(), margin=0)
    parts, number = cells.parts, len(cells.pattern)
    # A spot of half a pixel's radius is one pixel; few meet.
    assert parts.spot.sum() == pytest.approx(3.0 * number, abs=4 * np.sqrt(3.0 * number))
    assert np.all(parts.body[parts.spot])
    assert np.all(parts.nucleus[parts.spot] == (where == "nucleus"))
    assert np.array_equal(parts.classes() == 3, parts.spot)


def test_marks_of_the_point_process_win():
    marks = {
        "radius_um": np.array([10.0]),
        "axis_ratio": np.array([0.5]),
        "orientation_rad": np.array([0.7]),
    }
    row = grown(Simcep(types=NUCLEI), [[128, 128]], marks=marks).objects[0]
    assert row["area_um2"] == pytest.approx(np.pi * 100, rel=0.02)
    assert row["minor_um"] / row["major_um"] == pytest.approx(0.5, rel=0.03)
    assert row["orientation_rad"] == pytest.approx(0.7, abs=0.03)


def test_no_points_and_no_parts():
    assert len(grown(Simcep(), np.zeros((0, 2))).objects) == 0
    with pytest.raises(ValueError, match="nothing is left"):
        SimcepType(cytoplasm=None, nucleus=None)
