"""Size that two objects share: closed form for balls, quadrature for ellipsoids.

An object is a disc or ball of the mark's radius, stretched to an ellipse or a
spheroid of the same size: long semi-axis r ρ^(-1/2) and short r ρ^(1/2) in
2-D, r ρ^(-2/3) and twice r ρ^(1/3) in 3-D, for the axis ratio ρ.
"""

from __future__ import annotations

import numpy as np

from simcell.arrays import FloatArray
from simcell.points._kernel import part

NODES_FLAT, NODES = 32, 16
"""Lines through an overlap in 2-D and per axis in 3-D: right to 0.2 % of the smaller object."""


@part
def shared_disc(d: float, a: float, b: float) -> float:
    """Return the area that discs of radii a and b share at centre distance d."""
    if d >= a + b:
        return 0.0
    if d <= abs(a - b):
        return float(np.pi * min(a, b) ** 2)
    along = (d * d + a * a - b * b) / (2.0 * d)
    height = np.sqrt(max(a * a - along * along, 0.0))
    sector_a = a * a * np.arctan2(height, along)
    sector_b = b * b * np.arctan2(height, d - along)
    return float(sector_a + sector_b - d * height)


@part
def shared_ball(d: float, a: float, b: float) -> float:
    """Return the volume that balls of radii a and b share at centre distance d."""
    if d >= a + b:
        return 0.0
    if d <= abs(a - b):
        return float(4.0 / 3.0 * np.pi * min(a, b) ** 3)
    depth = a + b - d
    return float(
        np.pi * depth * depth * (d * d + 2.0 * d * (a + b) - 3.0 * (a - b) ** 2) / (12.0 * d)
    )


@part
def _shape(marks: FloatArray, row: int, flat: bool, out: FloatArray) -> None:
    """Write the Cholesky steps of an object's quadratic form, in the order z, y, x.

    ``out`` holds the half extent in z; the shift of the centre in y per z and
    the squared half extent in y at z = 0; the shifts of the centre in x per z
    and per y and the squared half extent in x at the centre.
    """
    ratio = marks[row, 2]
    rise = 0.0 if flat else marks[row, 4]
    level = np.sqrt(1.0 - rise * rise)
    along = np.array((rise, level * np.sin(marks[row, 3]), level * np.cos(marks[row, 3])))
    short = marks[row, 1] * ratio ** (0.5 if flat else 1.0 / 3.0)
    long = short / ratio
    iso, extra = short * short, long * long - short * short
    zz = iso + extra * along[0] ** 2
    zy, zx = extra * along[0] * along[1], extra * along[0] * along[2]
    yy = iso + extra * along[1] ** 2 - zy * zy / zz
    yx = extra * along[1] * along[2] - zy * zx / zz
    xx = iso + extra * along[2] ** 2 - zx * zx / zz - yx * yx / yy
    out[0] = np.sqrt(zz)
    out[1] = zy / zz
    out[2] = yy
    out[3] = zx / zz - yx / yy * (zy / zz)
    out[4] = yx / yy
    out[5] = xx


@part
def _on_line(
    a: FloatArray, b: FloatArray, z: float, y: float, u: float, v: float, dx: float
) -> float:
    """Return the length shared on the line (z, y), which b sees as (u, v)."""
    rest_a = 1.0 - (z / a[0]) ** 2 - (y - a[1] * z) ** 2 / a[2]
    rest_b = 1.0 - (u / b[0]) ** 2 - (v - b[1] * u) ** 2 / b[2]
    if rest_a <= 0.0 or rest_b <= 0.0:
        return 0.0
    middle_a, half_a = a[3] * z + a[4] * y, np.sqrt(rest_a * a[5])
    middle_b, half_b = dx + b[3] * u + b[4] * v, np.sqrt(rest_b * b[5])
    low = max(middle_a - half_a, middle_b - half_b)
    return float(max(min(middle_a + half_a, middle_b + half_b) - low, 0.0))


@part
def _slice(
    a: FloatArray, b: FloatArray, z: float, dz: float, dy: float, dx: float, nodes: int
) -> float:
    """Return the area shared in the plane z."""
    half_a = np.sqrt(max(a[2] * (1.0 - (z / a[0]) ** 2), 0.0))
    half_b = np.sqrt(max(b[2] * (1.0 - ((z - dz) / b[0]) ** 2), 0.0))
    shift = dy + b[1] * (z - dz)
    low = max(a[1] * z - half_a, shift - half_b)
    high = min(a[1] * z + half_a, shift + half_b)
    if low >= high:
        return 0.0
    total = 0.0
    for k in range(nodes):
        angle = np.pi * (k + 0.5) / nodes
        y = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(angle)
        total += np.sin(angle) * _on_line(a, b, z, y, z - dz, y - dy, dx)
    return float(total * 0.5 * (high - low) * np.pi / nodes)


@part
def shared_ellipsoid(
    dz: float, dy: float, dx: float, marks: FloatArray, row_a: int, row_b: int, flat: bool
) -> float:
    """Return the shared size by midpoint sums in the angle, smooth at either end."""
    power = -0.5 if flat else -2.0 / 3.0
    touch = marks[row_a, 1] * marks[row_a, 2] ** power + marks[row_b, 1] * marks[row_b, 2] ** power
    if dz * dz + dy * dy + dx * dx >= touch * touch:
        return 0.0
    a, b = np.empty(6), np.empty(6)
    _shape(marks, row_a, flat, a)
    _shape(marks, row_b, flat, b)
    if flat:
        return _slice(a, b, 0.0, 0.0, dy, dx, NODES_FLAT)
    low, high = max(-a[0], dz - b[0]), min(a[0], dz + b[0])
    if low >= high:
        return 0.0
    total = 0.0
    for k in range(NODES):
        angle = np.pi * (k + 0.5) / NODES
        z = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(angle)
        total += np.sin(angle) * _slice(a, b, z, dz, dy, dx, NODES)
    return float(total * 0.5 * (high - low) * np.pi / NODES)


@part
def shared_size(
    dz: float, dy: float, dx: float, marks: FloatArray, row_a: int, row_b: int, flat: bool
) -> float:
    """Return the area or volume that two objects share; b lies (dz, dy, dx) from a.

    Marks are rows of type, radius, axis ratio, orientation and sin(elevation).
    """
    if marks[row_a, 2] < 1.0 or marks[row_b, 2] < 1.0:
        return shared_ellipsoid(dz, dy, dx, marks, row_a, row_b, flat)
    apart = np.sqrt(dz * dz + dy * dy + dx * dx)
    if flat:
        return shared_disc(apart, marks[row_a, 1], marks[row_b, 1])
    return shared_ball(apart, marks[row_a, 1], marks[row_b, 1])
