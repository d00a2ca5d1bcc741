"""From a network's output to cells: tissue, membranes without holes, one label a cell.

The steps, in the order of `refine`:

1. Tissue: the alpha shape of the membranes, so that it has one closed outer contour
   (`dermogan.roi`). Only for outputs that show membranes.
2. Holes: pieces of cell too small to be one become membrane, specks of membrane inside a
   cell become cell, by connected components.
3. Split: a watershed on the signed distance from the membrane, plus the network's own
   certainty, that forgets shallow peaks (`dermogan.split`), or StarDist (`dermogan.stars`).

Decision: cells of a ``membrane`` output grow until they meet in the middle of the membrane:
where cells touch, a membrane is their border and no third thing. Those of a ``filled`` output
keep the outline of the mask; those of ``interior_boundary`` grow over the boundary.

Decision: lengths of all steps are shares of one number, the cell's diameter, given
or measured from the map itself.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from skimage.measure import label

from dermogan.bands import stitched
from dermogan.roi import tissue
from dermogan.split import basins
from dermogan.starfile import NAME
from dermogan.stars import Predict, load, star_cells
from dermogan.tiles import Map, Output
from simcell import SimcellError

Mask = NDArray[np.bool_]

_MARGIN = 6.0  # diameters that bands overlap by, on either side

CHANNELS: dict[Output, int] = {"membrane": 1, "filled": 1, "interior_boundary": 2}


class Refinement(BaseModel):
    """How a map becomes cells; diameters are those of a typical cell."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    threshold: float = Field(
        0.5, gt=0, lt=1, description="Probability above which a pixel is membrane, or cell."
    )
    diameter_px: float | None = Field(
        None, ge=3, description="Diameter of a typical cell; measured from the map if not given."
    )
    tissue_radius: float = Field(
        1.0, ge=0, description="Radius of the alpha shape in diameters; 0: the whole image."
    )
    smallest: float = Field(
        0.15, ge=0, le=1, description="Smallest cell, as a share of a disc of the diameter."
    )
    depth: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Height of a peak that is a cell of its own, in diameters; default: 0.05 for "
        "filled cells, else 0.12.",
    )
    certainty: float | None = Field(
        None,
        ge=0,
        le=2,
        description="Weight of the probability in the relief, in diameters; default: 0.4 for "
        "filled cells, else 0.15.",
    )
    smooth: float = Field(
        0.1, ge=0, le=1, description="Gaussian blur of the relief, sigma in diameters."
    )
    split: Literal["watershed", "stardist"] = "watershed"
    weights: str = Field(
        NAME, description="StarDist's model: ours, a file, a folder, or a pretrained name."
    )


def refine(
    probability: Map,
    output: Output,
    options: Refinement | None = None,
    *,
    band_px: int = 2**24,
) -> NDArray[np.int32]:
    """Turn a probability map into labels.

    Parameters
    ----------
    probability : float32 array (channels, y, x)
        In 0..1.
    output : {"membrane", "filled", "interior_boundary"}
        What the channels show.
    options : Refinement, optional
        How.
    band_px : int
        Larger images are split into cells band by band, of about so many pixels.

    Returns
    -------
    int32 array (y, x)
        0 = background, 1..n cells, each one piece.

    Examples
    --------
    >>> membrane = np.zeros((1, 41, 41), np.float32)
    >>> membrane[0, ::20] = membrane[0, :, ::20] = 1
    >>> labels = refine(membrane, "membrane")
    >>> int(labels.max()), labels[10, [10, 30]].tolist()
    (4, [1, 2])
    """
    options = options or Refinement()
    height, width = _checked(probability, output)
    rows = max(band_px // width, 1)
    diameter = options.diameter_px or _measured(probability, output, options, rows)
    # What splits simulated cells best: those that are filled touch along short, faint necks.
    depth, certainty = (0.05, 0.4) if output == "filled" else (0.12, 0.15)
    depth = depth if options.depth is None else options.depth
    certainty = certainty if options.certainty is None else options.certainty
    options = options.model_copy(
        update={"diameter_px": diameter, "depth": depth, "certainty": certainty}
    )
    ground = _ground(probability, output, options, rows)
    predict = load(options.weights) if options.split == "stardist" else None

    def cells(seen: slice) -> NDArray[np.int32]:
        area = None if ground is None else ground[seen]
        return _cells(np.asarray(probability[:, seen]), output, options, area, predict)

    if rows >= height:
        return cells(slice(0, height))
    margin = int(np.ceil(_MARGIN * diameter))
    return stitched((height, width), rows, margin, cells)


def _checked(probability: Map, output: Output) -> tuple[int, int]:
    """Return the sides of a map whose channels are those of the output."""
    wanted = CHANNELS.get(output)
    if probability.ndim != 3 or probability.shape[0] != wanted:
        msg = f"probability has shape {probability.shape}; {output!r} needs ({wanted}, y, x)"
        raise SimcellError(msg)
    return probability.shape[1], probability.shape[2]


def _measured(probability: Map, output: Output, options: Refinement, rows: int) -> float:
    """Measure the diameter in the middle of the image."""
    first = max((probability.shape[1] - rows) // 2, 0)
    middle = np.asarray(probability[:, first : first + rows])
    mask = _mask(evidence(middle, output)[0], output, options)
    return typical_diameter(mask, shared=output == "membrane")


def _mask(inside: Map, output: Output, options: Refinement) -> Mask:
    """Mark interiors of cells."""
    if output == "membrane":
        return np.asarray(inside >= 1 - options.threshold)
    return np.asarray(inside > options.threshold)


def _ground(probability: Map, output: Output, options: Refinement, rows: int) -> Mask | None:
    """Return where the tissue is, None = everywhere; the map is read band by band."""
    if output != "membrane" or options.tissue_radius == 0:
        return None
    membrane = np.empty(probability.shape[1:], np.bool_)
    for first in range(0, len(membrane), rows):
        inside = evidence(np.asarray(probability[:, first : first + rows]), output)[0]
        membrane[first : first + rows] = ~_mask(inside, output, options)
    diameter = options.diameter_px or 1.0
    return tissue(membrane, max(options.tissue_radius * diameter, 1.0), diameter**2)


def _cells(
    probability: Map,
    output: Output,
    options: Refinement,
    ground: Mask | None,
    predict: Predict | None,
) -> NDArray[np.int32]:
    """Find the cells of an image, or of a band of one; the diameter is known."""
    diameter = options.diameter_px or 1.0
    inside, between = evidence(probability, output)
    least = options.smallest * np.pi / 4 * diameter**2
    mask = without_specks(_mask(inside, output, options), least, 0.25 * least)
    area = np.ones(mask.shape, np.bool_) if ground is None else ground
    if output == "filled":
        area = mask
    elif output == "interior_boundary":
        area = without_specks(mask | (between > options.threshold), 0, 0.4 * least)
    if predict is not None:
        labels = _grown(star_cells(predict, inside, mask & area, diameter), area)
    else:
        relief = relief_of(mask, inside - between, diameter, options)
        labels = basins(relief, area, (options.depth or 0.0) * diameter)
    if ground is not None:
        labels = without_bays(labels, ground & ~_rim(ground) | ~mask)
    return without_small(labels, least)


def _rim(ground: Mask) -> Mask:
    """Mark the outermost pixels of the tissue; the frame of the image is none."""
    inner = cv2.erode(ground.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    return np.asarray(ground & (inner == 0))


def without_bays(labels: NDArray[np.int32], closed: Mask, most: float = 0.2) -> NDArray[np.int32]:
    """Drop what is no cell but a bay of the tissue's outer contour.

    Parameters
    ----------
    labels : int32 array (y, x)
        0 = background.
    closed : bool array (y, x)
        False on the tissue's rim where no membrane runs along it.
    most : float
        Cells with a larger share of such pixels on their outline are dropped.
    """
    frame = np.pad(labels, 1, mode="edge")
    sides = (frame[:-2, 1:-1], frame[2:, 1:-1], frame[1:-1, :-2], frame[1:-1, 2:])
    outline = np.zeros(labels.shape, np.bool_)
    for side in sides:
        outline |= side != labels
    count = int(labels.max(initial=0)) + 1
    around = np.bincount(labels[outline], minlength=count)
    bare = np.bincount(labels[outline & ~closed], minlength=count)
    kept = bare <= most * around
    return np.asarray(np.where(kept[labels], labels, 0), np.int32)


def evidence(probability: Map, output: Output) -> tuple[Map, Map]:
    """Return how surely each pixel is inside a cell, and between cells."""
    first = np.asarray(probability[0], np.float32)
    if output == "interior_boundary":
        return first, np.asarray(probability[1], np.float32)
    inverse = np.float32(1) - first
    return (inverse, first) if output == "membrane" else (first, inverse)


def typical_diameter(mask: Mask, *, shared: bool = False) -> float:
    """Measure the diameter of a typical cell: the median pixel's, over peaks of distance.

    Parameters
    ----------
    mask : bool array (y, x)
        Interiors of cells.
    shared : bool
        What lies between them is shared by them: its width belongs to cells, half and half.

    Examples
    --------
    >>> mask = np.ones((60, 60), bool)
    >>> mask[::20] = mask[:, ::20] = False
    >>> 18 < typical_diameter(mask) < 22
    True
    """
    far = _distance(mask)
    window = np.ones((5, 5), np.uint8)
    peaks = np.sort(far[(far == cv2.dilate(far, window)) & (far > 1)])
    if len(peaks) == 0:
        return 3.0
    weight = np.cumsum(peaks**2)
    radius = float(peaks[np.searchsorted(weight, weight[-1] / 2)])
    return max(2 * radius + (_width(~mask) if shared else 0.0), 3.0)


def _width(lines: Mask) -> float:
    """Return the width of lines: twice the median distance to their rims, on their ridges."""
    far = _distance(lines)
    ridge = far[lines & (far == cv2.dilate(far, np.ones((3, 3), np.uint8)))]
    return 2 * float(np.median(ridge)) - 1 if len(ridge) else 0.0


def _distance(mask: Mask) -> Map:
    """Return the distance to the nearest pixel that is not in the mask."""
    if mask.all():
        return np.full(mask.shape, float(max(mask.shape)), np.float32)
    far = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(far, np.float32)


def without_specks(mask: Mask, least_inside: float, least_outside: float) -> Mask:
    """Drop small pieces of a mask, and fill its small holes.

    Parameters
    ----------
    mask : bool array (y, x)
    least_inside, least_outside : float
        Pieces and holes with fewer pixels change sides.

    Examples
    --------
    >>> mask = np.array([[1, 1, 1, 0, 0, 0], [1, 0, 1, 0, 1, 0], [1, 1, 1, 0, 0, 0]], bool)
    >>> without_specks(mask, 2, 2).astype(int).tolist()
    [[1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]]
    """
    # Pieces share edges, holes share corners too: a line one pixel wide is a border.
    kept = mask & ~_small(mask, least_inside, 4)
    return np.asarray(kept | _small(~kept, least_outside, 8))


def _small(mask: Mask, least: float, connectivity: int) -> Mask:
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=connectivity
    )
    small = stats[:, cv2.CC_STAT_AREA] < least
    small[0] = False
    return np.asarray(small[pieces])


def relief_of(mask: Mask, certainty: Map, diameter: float, options: Refinement) -> Map:
    """Return a relief whose peaks are cells, above 0 inside the mask and below it outside."""
    relief = _distance(mask) - _distance(~mask)
    np.clip(relief, -diameter, diameter, out=relief)
    relief += np.float32((options.certainty or 0.0) * diameter) * certainty
    sigma = options.smooth * diameter
    if sigma > 0.3:
        cv2.GaussianBlur(relief, (0, 0), sigma, dst=relief, borderType=cv2.BORDER_REFLECT)
    return relief


def _grown(labels: NDArray[np.int32], area: Mask) -> NDArray[np.int32]:
    """Let labels grow over an area, each pixel to the nearest, and cut what lies outside."""
    from scipy.ndimage import distance_transform_edt

    if not labels.any():
        return labels
    y, x = distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return np.asarray(np.where(area, labels[y, x], 0), np.int32)


def without_small(labels: NDArray[np.int32], least_px: float) -> NDArray[np.int32]:
    """Keep the largest piece of every label, if it is large enough; number them anew by rows."""
    pieces: NDArray[np.int32] = label(labels, connectivity=1)  # type: ignore[no-untyped-call, unused-ignore]
    areas = np.bincount(pieces.reshape(-1))
    areas[0] = 0
    owner = np.zeros(len(areas), np.int64)
    owner[pieces.reshape(-1)] = labels.reshape(-1)
    order = np.lexsort((-areas, owner))
    first = np.ones(len(order), np.bool_)
    first[1:] = owner[order][1:] != owner[order][:-1]
    kept = np.sort(order[first & (areas[order] >= max(least_px, 1))])
    number = np.zeros(len(areas), np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(number[pieces], np.int32)
