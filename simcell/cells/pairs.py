"""Marks of nucleus-Golgi pairs, and where they find room.

Decision: pairs are tried one after another. The first try is at the pair's own
point; each further one turns the pair anew and moves it, on average a little
farther from the point. A try is refused where the pair shares more than
``overlap_limit`` of the smaller object's volume with any object of another pair.
Shared volumes are those of the ellipsoids before the elastic deformation, counted
on quasi-random points inside the smaller one. A pair that finds no room is left
out, and the note ``achieved_density`` says so.

References
----------
Shoemake, Uniform random rotations, Graphics Gems III (1992): turns in space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcell.arrays import MM_IN_UM, BoolArray, FloatArray, Grid, Pattern
from simcell.cells.shared import in_ball, shared
from simcell.rng import Streams
from simcell.scene.volume import NucleusGolgi
from simcell.words import key, mix, quantile

_ROTATIONS = ("full", "in_plane", "upright")
_INSIDE = 96
"""Quasi-random points on which shared volumes are counted."""
_STEP = 0.4
"""Move of a second try, in short semi-axes; the t-th is farther by the root of t - 1."""


@dataclass(frozen=True)
class Pairs:
    """Pairs that found room; lengths in µm, axes (z, y, x).

    Attributes
    ----------
    centre : FloatArray
        Of the nucleus (n, 3).
    turn : FloatArray
        Rotations (n, 3, 3): the columns are the directions of the three semi-axes.
    semi : FloatArray
        Semi-axes (n, 3) of the nucleus, the long one first.
    golgi : FloatArray
        Radius (n,) of the Golgi.
    offset : FloatArray
        Of the Golgi's centre (n,) from the nucleus's, along the long axis.
    """

    centre: FloatArray
    turn: FloatArray
    semi: FloatArray
    golgi: FloatArray
    offset: FloatArray

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.centre)

    @property
    def golgi_centre(self) -> FloatArray:
        """Centres (n, 3) of the Golgi."""
        return self.centre + self.offset[:, None] * self.turn[:, :, 0]


def place(
    spec: NucleusGolgi, pattern: Pattern, grid: Grid, streams: Streams
) -> tuple[Pairs, Pattern]:
    """Draw the pairs' marks and find room for them.

    Parameters
    ----------
    spec : NucleusGolgi
    pattern : Pattern
        Points in µm from the corner of the field.
    grid : Grid
    streams : Streams

    Returns
    -------
    Pairs
    Pattern
        The pairs that found room, with their marks and the note
        ``achieved_density`` per mm³.
    """
    points = pattern.points.copy()
    used = np.ones(len(points), np.bool_)
    if spec.layer_um is not None:
        depth = grid.size_um[0]
        used = (points[:, 0] >= 0) & (points[:, 0] < depth)
        points[:, 0] = 0.5 * depth + (points[:, 0] / depth - 0.5) * min(spec.layer_um, depth)
    points = points[used]
    semi, golgi, offset = _marks(spec, len(points), streams)
    bounds = np.maximum(semi[:, 0], np.abs(offset) + golgi)
    centre, turn = np.zeros((len(points), 3)), np.zeros((len(points), 3, 3))
    taken = _find_room(
        points,
        semi,
        golgi,
        offset,
        bounds,
        in_ball(_INSIDE),
        spec.overlap_limit,
        spec.tries,
        _ROTATIONS.index(spec.rotation),
        0.0 if spec.layer_um is not None else 1.0,
        _STEP * spec.short_max_um,
        key(streams("cells.places")),
        centre,
        turn,
    )
    pairs = Pairs(centre[taken], turn[taken], semi[taken], golgi[taken], offset[taken])
    return pairs, _used(pairs, pattern, used, taken, grid)


def _used(pairs: Pairs, pattern: Pattern, used: BoolArray, taken: BoolArray, grid: Grid) -> Pattern:
    marks = {
        "long_um": pairs.semi[:, 0],
        "middle_um": pairs.semi[:, 1],
        "short_um": pairs.semi[:, 2],
        "golgi_um": pairs.golgi,
        "offset_um": pairs.offset,
    }
    for k, name in enumerate("zyx"):
        marks[f"axis_{name}"] = pairs.turn[:, k, 0]
    kept = {name: values[used][taken] for name, values in pattern.marks.items()}
    notes = dict(pattern.notes)
    # Without a count of its own, the process had what lies in the field.
    inside = np.all((pattern.points >= 0) & (pattern.points < grid.size_um), axis=1)
    had = inside.sum() / float(np.prod(grid.size_um)) * MM_IN_UM**3
    share = float(taken.mean()) if len(taken) else 1.0
    notes["achieved_density"] = notes.get("achieved_density", float(had)) * share
    return Pattern(pairs.centre, kept | marks, notes)


def _marks(
    spec: NucleusGolgi, n: int, streams: Streams
) -> tuple[FloatArray, FloatArray, FloatArray]:
    rng = streams("cells.sizes")
    short = rng.uniform(spec.short_min_um, spec.short_max_um, (n, 2))
    long = rng.uniform(spec.long_min_um, spec.long_max_um, n)
    semi = np.column_stack([long, np.sort(short, axis=1)[:, ::-1]])
    rng = streams("cells.golgi")
    golgi = rng.uniform(spec.golgi_min_um, spec.golgi_max_um, n)
    offset = rng.uniform(-spec.offset_max_um, spec.offset_max_um, n)
    if spec.offset_from == "tip":
        offset += long
    return semi, golgi, offset


@njit(cache=True)
def _find_room(
    points: FloatArray,
    semi: FloatArray,
    golgi: FloatArray,
    offset: FloatArray,
    bounds: FloatArray,
    inside: FloatArray,
    limit: float,
    tries: int,
    rotation: int,
    rise: float,
    step: float,
    of: np.uint64,
    centre: FloatArray,
    turn: FloatArray,
) -> BoolArray:
    """Fill ``centre`` and ``turn`` in order; tell which pairs found room."""
    n = len(points)
    taken = np.zeros(n, np.bool_)
    if n == 0:
        return taken
    reach = 2.0 * bounds.max()
    low = np.array([points[:, 0].min(), points[:, 1].min(), points[:, 2].min()])
    sides = np.ones(3, np.int64)
    for k in range(3):
        sides[k] = max(1, min(256, int((points[:, k].max() - low[k]) / reach)))
    first = np.full((sides[0], sides[1], sides[2]), -1, np.int64)
    later = np.full(n, -1, np.int64)
    for i in range(n):
        for t in range(tries):
            _pose(of, i, t, rotation, rise, step * np.sqrt(t), points[i], centre[i], turn[i])
            if _fits(
                i,
                low,
                reach,
                first,
                later,
                bounds,
                centre,
                turn,
                semi,
                golgi,
                offset,
                inside,
                limit,
            ):
                taken[i] = True
                z, y, x = _cell(centre[i], low, reach, sides)
                later[i] = first[z, y, x]
                first[z, y, x] = i
                break
    return taken


@njit(cache=True, inline="always")
def _cell(
    point: FloatArray, low: FloatArray, reach: float, sides: NDArray[np.int64]
) -> tuple[int, int, int]:
    z = min(max(int(np.floor((point[0] - low[0]) / reach)), 0), sides[0] - 1)
    y = min(max(int(np.floor((point[1] - low[1]) / reach)), 0), sides[1] - 1)
    x = min(max(int(np.floor((point[2] - low[2]) / reach)), 0), sides[2] - 1)
    return z, y, x


@njit(cache=True)
def _normal(of: np.uint64, i: int, t: int, k: int) -> float:
    word = mix(of + np.uint64(i) * np.uint64(0x9E3779B97F4A7C15))
    word = mix(word + np.uint64(8 * t + k) * np.uint64(0x9E3779B97F4A7C15))
    return float(quantile((np.float64(word >> np.uint64(12)) + 0.5) * 2.0**-52))


@njit(cache=True)
def _pose(
    of: np.uint64,
    i: int,
    t: int,
    rotation: int,
    rise: float,
    move: float,
    point: FloatArray,
    centre: FloatArray,
    turn: FloatArray,
) -> None:
    """Draw the place and the direction of one try."""
    a, b, c, d = _normal(of, i, t, 0), _normal(of, i, t, 1), 0.0, 0.0
    if rotation:  # about z alone
        size = np.sqrt(a * a + b * b)
        turn[:] = 0.0
        # Columns, in the plane: long axis there, across it, along z; upright: long axis along z.
        first = 0 if rotation == 1 else 1
        turn[1, first], turn[2, first] = a / size, b / size
        turn[1, first + 1], turn[2, first + 1] = -b / size, a / size
        turn[0, 2 if rotation == 1 else 0] = 1.0
    else:
        c, d = _normal(of, i, t, 2), _normal(of, i, t, 3)
        size = np.sqrt(a * a + b * b + c * c + d * d)
        a, b, c, d = a / size, b / size, c / size, d / size
        turn[0, 0], turn[0, 1], turn[0, 2] = (
            1 - 2 * (c * c + d * d),
            2 * (b * c - a * d),
            2 * (b * d + a * c),
        )
        turn[1, 0], turn[1, 1], turn[1, 2] = (
            2 * (b * c + a * d),
            1 - 2 * (b * b + d * d),
            2 * (c * d - a * b),
        )
        turn[2, 0], turn[2, 1], turn[2, 2] = (
            2 * (b * d - a * c),
            2 * (c * d + a * b),
            1 - 2 * (b * b + c * c),
        )
    for k in range(3):
        centre[k] = point[k]
        if t > 0:
            centre[k] += move * (rise if k == 0 else 1.0) * _normal(of, i, t, 4 + k)


@njit(cache=True)
def _fits(
    i: int,
    low: FloatArray,
    reach: float,
    first: NDArray[np.int64],
    later: NDArray[np.int64],
    bounds: FloatArray,
    centre: FloatArray,
    turn: FloatArray,
    semi: FloatArray,
    golgi: FloatArray,
    offset: FloatArray,
    inside: FloatArray,
    limit: float,
) -> bool:
    """Tell whether a pair shares little enough with every pair placed so far."""
    sides = np.array(first.shape)
    z, y, x = _cell(centre[i], low, reach, sides)
    for cz in range(max(z - 1, 0), min(z + 2, sides[0])):
        for cy in range(max(y - 1, 0), min(y + 2, sides[1])):
            for cx in range(max(x - 1, 0), min(x + 2, sides[2])):
                j = first[cz, cy, cx]
                while j >= 0:
                    far = 0.0
                    for k in range(3):
                        far += (centre[i, k] - centre[j, k]) ** 2
                    near = far < (bounds[i] + bounds[j]) ** 2
                    if near and _clash(i, j, centre, turn, semi, golgi, offset, inside, limit):
                        return False
                    j = later[j]
    return True


@njit(cache=True)
def _clash(
    i: int,
    j: int,
    centre: FloatArray,
    turn: FloatArray,
    semi: FloatArray,
    golgi: FloatArray,
    offset: FloatArray,
    inside: FloatArray,
    limit: float,
) -> bool:
    """Tell whether any object of one pair shares too much with any of the other."""
    ball_i, ball_j = np.full(3, golgi[i]), np.full(3, golgi[j])
    at_i = centre[i] + offset[i] * turn[i, :, 0]
    at_j = centre[j] + offset[j] * turn[j, :, 0]
    return (
        shared(centre[i], turn[i], semi[i], centre[j], turn[j], semi[j], inside, limit) > limit
        or shared(at_i, turn[i], ball_i, centre[j], turn[j], semi[j], inside, limit) > limit
        or shared(centre[i], turn[i], semi[i], at_j, turn[j], ball_j, inside, limit) > limit
        or shared(at_i, turn[i], ball_i, at_j, turn[j], ball_j, inside, limit) > limit
    )
