"""Nuclei and Golgi, one by one, out of maps of a volume, and which Golgi belongs to which nucleus.

A cell is a nucleus and the Golgi in or on it. Cells grow from markers by a watershed within all
that is nucleus or Golgi: the maxima of the distance to the outline, to that of the cores of cells
where a model shows them. What of a cell is Golgi is none of its nucleus.

Decision: pairs are those that together lie nearest (Hungarian method). Between a Golgi and a
nucleus counts the gap between their surfaces plus the distance of their centres: neighbours of
one nucleus touch its Golgi too, and the gap alone would not tell.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from simcell.settings import Spec

Voxel = tuple[float, ...]
Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]

OBJECT = np.dtype(
    [
        ("class", "U6"),
        ("label", np.int32),
        *((f"{axis}_um", np.float64) for axis in "zyx"),
        ("volume_um3", np.float64),
        ("pair", np.int32),
        *((f"to_golgi_{axis}_um", np.float64) for axis in "zyx"),
        ("to_golgi_um", np.float64),
    ]
)
"""Rows of the table of objects, of nuclei before Golgi: centre, volume, label of what it is paired
with (0 = nothing), and, of nuclei in pairs, the vector from their centre to that of their Golgi."""


class Splitting(Spec):
    """How maps become nuclei and Golgi."""

    threshold: float = Field(0.5, gt=0, lt=1, description="probability of nuclei and Golgi")
    core_threshold: float = Field(0.7, gt=0, lt=1, description="probability of cores")
    bump_um: float = Field(
        0.4, gt=0, le=100, description="how far a maximum of the distance must stand out"
    )
    nucleus_um3: float = Field(60.0, ge=0, description="smaller nuclei are dropped")
    golgi_um3: float = Field(10.0, ge=0, description="smaller Golgi are dropped")
    pair_um: float = Field(5.0, ge=0, le=1000, description="largest gap between a pair")
    golgi: Literal["present", "absent"] = Field(
        "present", description="absent: what looks like Golgi is nucleus"
    )


class Found(NamedTuple):
    """Objects of a volume.

    Attributes
    ----------
    nuclei, golgi : int32 array (z, y, x)
        0 = background, 1..n objects, each one piece.
    table : structured array
        `OBJECT` rows.
    """

    nuclei: Labels
    golgi: Labels
    table: NDArray[np.void]


def split(
    probability: NDArray[np.uint8], spacing_um: Voxel, options: Splitting | None = None
) -> Found:
    """Find nuclei, Golgi and pairs.

    Parameters
    ----------
    probability : uint8 array (2 or 3, z, y, x)
        Of nuclei, Golgi and cores; 255 = certain.
    spacing_um : tuple of float
    options : Splitting, optional
    """
    options = options or Splitting()
    voxel = float(np.prod(spacing_um))
    least = round(255 * options.threshold)
    tissue: Mask = np.any(probability[:2] > least, axis=0)
    is_golgi: Mask = tissue & (probability[1] > probability[0])
    if options.golgi == "absent":
        is_golgi[:] = False
    if len(probability) > 2:
        core = tissue & (probability[2] > round(255 * options.core_threshold))
        height = ndimage.gaussian_filter(probability[2].astype(np.float32), 1.0)
        # Cores of a model that is not sure join; their own necks part them.
        markers = middles(core, spacing_um, 0.5 * options.bump_um)[0]
        cells = grown(height, markers, tissue)
    else:
        cells = parted(tissue, spacing_um, options.bump_um)
    cells[is_golgi] = 0
    nuclei = pieces(cells, options.nucleus_um3 / voxel)
    golgi = pieces(parted(is_golgi, spacing_um, 2 * options.bump_um), options.golgi_um3 / voxel)
    return Found(nuclei, golgi, table_of(nuclei, golgi, spacing_um, options.pair_um))


def grown(height: NDArray[np.float32], core: Mask, tissue: Mask) -> Labels:
    """Let cells grow from their cores within the tissue, from high to low.

    Tissue without a core is a cell by itself.
    """
    markers, count = ndimage.label(core, np.ones((3, 3, 3)))
    islands, _ = ndimage.label(tissue)
    lone = tissue & ~np.isin(islands, np.unique(islands[core]))
    markers[lone] = islands[lone] + count
    return np.asarray(watershed(-height, markers, mask=tissue), np.int32)


def parted(mask: Mask, spacing_um: Voxel, bump_um: float) -> Labels:
    """Part what touches at its necks, where the distance to the outline has a saddle."""
    markers, smooth = middles(mask, spacing_um, bump_um)
    return grown(smooth, markers, mask)


def middles(mask: Mask, spacing_um: Voxel, bump_um: float) -> tuple[Mask, NDArray[np.float32]]:
    """Return the maxima of the distance to the outline that stand out, and that distance."""
    padded = np.pad(mask, 1, mode="edge")  # the frame is no outline
    inside = ndimage.distance_transform_edt(padded, sampling=spacing_um)[1:-1, 1:-1, 1:-1]
    smooth = ndimage.gaussian_filter(inside, 0.7).astype(np.float32)
    return h_maxima(smooth, bump_um).astype(bool) & mask, smooth


def pieces(labels: Labels, least: float) -> Labels:
    """Keep the largest piece of every label, number them anew, and drop what is smaller.

    Examples
    --------
    >>> pieces(np.int32([[[5, 5, 0, 5, 2]]]), 2).tolist()
    [[[1, 1, 0, 0, 0]]]
    """
    out = np.zeros_like(labels)
    count = 0
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        parts, several = ndimage.label(labels[box] == label)
        sizes = np.bincount(parts.reshape(-1))[1:]
        if several and sizes.max() >= least:
            count += 1
            out[box][parts == 1 + int(sizes.argmax())] = count
    return out


def table_of(nuclei: Labels, golgi: Labels, spacing_um: Voxel, pair_um: float) -> NDArray[np.void]:
    """Measure objects and pair them."""
    found = [_measured(labels, spacing_um) for labels in (nuclei, golgi)]
    pairs = paired(nuclei, golgi, spacing_um, pair_um)
    tables = []
    for name, (centres, volumes) in zip(("nuclei", "golgi"), found, strict=True):
        table = np.zeros(len(volumes), OBJECT)
        table["class"], table["label"] = name, np.arange(1, len(volumes) + 1)
        table["volume_um3"] = volumes
        for axis, column in zip("zyx", centres.T, strict=True):
            table[f"{axis}_um"] = column
        for axis in ("to_golgi_z_um", "to_golgi_y_um", "to_golgi_x_um", "to_golgi_um"):
            table[axis] = np.nan
        tables.append(table)
    for nucleus, other in pairs.tolist():
        row = tables[0][nucleus - 1]
        row["pair"], tables[1][other - 1]["pair"] = other, nucleus
        vector = found[1][0][other - 1] - found[0][0][nucleus - 1]
        row["to_golgi_z_um"], row["to_golgi_y_um"], row["to_golgi_x_um"] = vector
        row["to_golgi_um"] = np.linalg.norm(vector)
    return np.concatenate(tables)


def _measured(labels: Labels, spacing_um: Voxel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centres (n, 3) in µm from the frame's corner, and volumes (n,) in µm³."""
    count = int(labels.max(initial=0))
    index = np.arange(1, count + 1)
    sizes = np.bincount(labels.reshape(-1), minlength=count + 1)[1:]
    middle = ndimage.center_of_mass(labels > 0, labels, index) if count else []
    centres = (np.asarray(middle, np.float64).reshape(-1, 3) + 0.5) * spacing_um
    return centres, sizes.astype(np.float64) * float(np.prod(spacing_um))


def paired(nuclei: Labels, golgi: Labels, spacing_um: Voxel, most_um: float) -> NDArray[np.int64]:
    """Return the labels (n, 2) of nuclei and Golgi that belong together.

    Every object is in one pair at most; none whose surfaces are farther apart than ``most_um``.
    """
    gap = gaps(nuclei, golgi, spacing_um, most_um)
    if not np.isfinite(gap).any():
        return np.empty((0, 2), np.int64)
    ends = [_measured(labels, spacing_um)[0] for labels in (nuclei, golgi)]
    apart = np.linalg.norm(ends[0][:, None] - ends[1][None], axis=-1)
    cost = gap + apart
    never = 1e3 * (1 + cost[np.isfinite(cost)].max())
    rows, columns = linear_sum_assignment(np.where(np.isfinite(cost), cost, never))
    good = np.isfinite(cost[rows, columns])
    return np.stack([rows[good] + 1, columns[good] + 1], axis=1).astype(np.int64)


def gaps(nuclei: Labels, golgi: Labels, spacing_um: Voxel, most_um: float) -> NDArray[np.float64]:
    """Return the gaps (nuclei, golgi) between surfaces in µm; infinite beyond ``most_um``.

    Gaps are taken from middle to middle of voxels: those that touch have one of a voxel's side,
    which is allowed beyond ``most_um``.
    """
    limit = most_um + max(spacing_um)
    found = np.full((int(nuclei.max(initial=0)), int(golgi.max(initial=0))), np.inf)
    reach = [int(np.ceil(limit / side)) for side in spacing_um]
    for label, box in enumerate(ndimage.find_objects(golgi), 1):
        if box is None or not len(found):
            continue
        around = tuple(
            slice(max(s.start - r, 0), s.stop + r) for s, r in zip(box, reach, strict=True)
        )
        far = ndimage.distance_transform_edt(golgi[around] != label, sampling=spacing_um)
        near = nuclei[around]
        seen = np.unique(near[(near > 0) & (far <= limit)])
        if len(seen):
            found[seen - 1, label - 1] = ndimage.minimum(far, near, seen)
    return found
