"""Layers of skin in a vertical section, and what hides between them.

Decision: a pixel belongs to the junction if its centre lies at most half of
``dej_um`` from the junction's curve, in whatever direction: the band is as thick on
a steep flank as on a flat top. A band that is drawn up and down by the same amount
would be thin on the flanks. The glass and the glycerol go before the band, the band
before epidermis and dermis.

Decision: follicles, ducts and bright cells change the picture and not the classes,
since an annotator draws layers. Their places are in the pattern's marks.

Decision: layers go on beyond the field, so that a margin has nothing to make whole.
Points in the margin still become follicles that reach into the field.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit

from simcell.arrays import BoolArray, FloatArray, Grid, Layers, Pattern
from simcell.cells.profiles import Profiles, draw
from simcell.cells.table import Cells, tabulate
from simcell.rng import Streams
from simcell.scene.skin import CONFOUNDERS, LAYERS, SkinConfounders, SkinLayers

GLASS, GLYCEROL, EPIDERMIS, JUNCTION, DERMIS = range(1, 6)
HAIR, DUCT, MERKEL, LANGERHANS = range(1, 5)
_NEAR_UM = 10.0  # distances to the junction are exact up to here: a layer of basal cells


def grow(
    spec: SkinLayers,
    pattern: Pattern,
    region: BoolArray,
    grid: Grid,
    margin_px: int,
    streams: Streams,
) -> Cells:
    """Draw the curves, classify the pixels, place the confounders. See ``simcell.cells.grow``."""
    spacing = grid.spacing_um[0]
    near = max(_NEAR_UM, 0.5 * spec.dej_um + spacing)
    beyond = max(margin_px, int(np.ceil(near / spacing))) + 1
    curves = draw(spec, grid.shape[1], beyond, spacing, streams)
    inner = slice(margin_px, -margin_px or None)
    confounders = place(spec.confounders, pattern, curves, grid, streams)
    layers = classify(spec, curves, grid, near, confounders)
    layers.classes[~region[inner, inner]] = 0
    count = len(LAYERS) - 1
    kinds = {"type": np.arange(1.0, count + 1.0)}
    made = tabulate(
        layers.classes.astype(np.int32),
        Pattern(np.zeros((count, 2)), kinds),
        np.bincount(layers.classes.ravel(), minlength=count + 1)[1:].astype(np.float64),
        np.zeros(count),
        grid,
        0,
    )
    # A layer grows from no point: its middle stands for it.
    for axis in ("y", "x"):
        made.objects[f"seed_{axis}_um"] = made.objects[f"centroid_{axis}_um"]
    return replace(made, pattern=confounders, layers=layers)


def classify(
    spec: SkinLayers, curves: Profiles, grid: Grid, near_um: float, confounders: Pattern
) -> Layers:
    """Find the layer of every pixel, its depth and its distance to the junction."""
    (height, width), spacing = grid.shape, grid.spacing_um[0]
    reach = (len(curves.x_um) - width) // 2
    middle = slice(reach, reach + width)
    y = ((np.arange(height) + 0.5) * spacing)[:, None]
    glass, surface, junction = (
        curve[middle] for curve in (curves.glass, curves.surface, curves.junction)
    )
    distance = curve_distance(
        height, width, 0.5 - reach, curves.junction / spacing, near_um / spacing
    )
    distance *= spacing
    below = y > junction
    classes = np.where(below, np.uint8(DERMIS), np.uint8(EPIDERMIS))
    classes[distance <= 0.5 * spec.dej_um] = JUNCTION
    classes[y <= surface] = GLYCEROL
    classes[y <= glass] = GLASS
    signed = np.where(below, distance, -distance).astype(np.float32)
    depth = (y - surface).astype(np.float32)
    return Layers(classes, depth, signed, junction - surface, glass, confounders)


@njit(cache=True)
def curve_distance(
    height: int, width: int, start: float, curve: FloatArray, reach: float
) -> FloatArray:
    """Distance of every pixel's centre to a curve over x, in pixels, ``reach`` at most.

    Parameters
    ----------
    height, width : int
        Size of the field.
    start : float
        x of the curve's first node; nodes are a pixel apart.
    curve : FloatArray
        y at the nodes.
    reach : float
        Larger distances are given as this.

    Returns
    -------
    FloatArray
    """
    squared = np.full((height, width), reach * reach)
    for k in range(len(curve) - 1):
        ax, ay, dy = start + k, curve[k], curve[k + 1] - curve[k]
        length = 1.0 + dy * dy
        left, right = max(0, int(ax - reach - 1)), min(width, int(ax + reach + 3))
        top = max(0, int(min(ay, ay + dy) - reach - 1))
        bottom = min(height, int(max(ay, ay + dy) + reach + 2))
        for r in range(top, bottom):
            py = r + 0.5 - ay
            for c in range(left, right):
                px = c + 0.5 - ax
                t = min(max((py * dy + px) / length, 0.0), 1.0)
                d = (py - t * dy) ** 2 + (px - t) ** 2
                if d < squared[r, c]:
                    squared[r, c] = d
    distance: FloatArray = np.sqrt(squared)
    return distance


def place(
    spec: SkinConfounders, pattern: Pattern, curves: Profiles, grid: Grid, streams: Streams
) -> Pattern:
    """Make every point beside or in the field a confounder; move it to the depth of its kind."""
    y = pattern.points[:, 0]
    # Points above and below the field belong to no depth of it: they would count twice.
    pattern = pattern.keep(np.asarray((y >= 0) & (y < grid.size_um[0])))
    rng, count = streams("cells.confounders"), len(pattern)
    share = np.cumsum([getattr(spec, name) for name in CONFOUNDERS])
    kind = 1 + np.searchsorted(share, rng.random(count) * share[-1], side="right")
    sizes = (spec.hair_radius_um, spec.duct_radius_um, spec.cell_radius_um, spec.cell_radius_um)
    spread = np.clip(1.0 + spec.radius_cv * rng.standard_normal(count), 0.4, 2.0)
    slope = np.where(kind == HAIR, spec.hair_slope * rng.uniform(-1.0, 1.0, count), 0.0)
    height = rng.random(count)
    x = pattern.points[:, 1]
    surface = np.interp(x, curves.x_um, curves.surface)
    epidermis = np.interp(x, curves.x_um, curves.junction) - surface
    # Langerhans cells lie in the middle of the epidermis, Merkel cells just above the junction.
    down = np.select(
        [kind == MERKEL, kind == LANGERHANS],
        [epidermis - spec.cell_radius_um * (1.0 + height), epidermis * (0.35 + 0.4 * height)],
        0.0,
    )
    marks: dict[str, FloatArray] = pattern.marks | {
        "confounder": kind.astype(np.float64),
        "radius_um": np.array(sizes)[kind - 1] * spread,
        "slope": slope,
    }
    points = np.stack([surface + np.maximum(down, 0.0), x], axis=1)
    return Pattern(points, marks, pattern.notes)
