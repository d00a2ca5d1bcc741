"""Reflectance confocal mosaics: patterns of tissue, stitched from fields.

First the reflectance of every pattern, regions fading into each other, then the
point spread function, the fields of the mosaic, speckle, photons and the detector.
Every random number is hashed from the place of its pixel, cell, papilla or field,
so that bands of rows fit together to the last bit.

Decision: a field's stitching error moves what it shows, but not the labels: who
annotates a mosaic does not follow an error of a few µm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcell import hashed, words
from simcell.arrays import Block, Grid, Image, Painted, PaintedMosaic
from simcell.fields import FWHM
from simcell.imaging import stitching
from simcell.imaging.detector import SIGMA_OF_GRAIN, digitise, gamma
from simcell.imaging.lattice import Seen, lattice, see
from simcell.imaging.patterns import ARTIFACT, BUBBLES, CORNEUM, NON_LESION, STRIPES, Light
from simcell.imaging.tissue import Fields, Ground, Papillae, Regions, reflect, wanted, weights
from simcell.rng import Streams
from simcell.scene.mosaic import MosaicNoise, RcmMosaic

_GRAIN_UM, _FIBRE_UM, _CLOUD_UM, _BROAD_UM = 1.6, 6.0, 40.0, 150.0  # correlation lengths
_STRIPE_UM = 6.0
_PLATE_UM = 240.0  # distance of the skin's plates, and of bubbles
_SHAKE = 0.3
_STIFF = np.float32(0.4)


def halo(spec: RcmMosaic, grid: Grid) -> tuple[int, ...]:
    """Return how many pixels beyond a block its image depends on, along each axis."""
    spacing = grid.spacing_um[0]
    edge = stitching.halo(spec.tiles, spacing) + hashed.reach(spec.psf_um / FWHM / spacing)
    return edge, edge


def image(spec: RcmMosaic, painted: Painted, grid: Grid, streams: Streams) -> NDArray[np.uint8]:
    """Image a painted block; the result is smaller by the halo.

    Parameters
    ----------
    spec : RcmMosaic
    painted : PaintedMosaic
        A block with the halo around it.
    grid : Grid
        The whole field.
    streams : Streams

    Returns
    -------
    uint8 array
        Image (y, x) of the block without its halo.
    """
    assert isinstance(painted, PaintedMosaic)
    spacing, outer = grid.spacing_um[0], painted.block
    inner = outer.grown(tuple(-edge for edge in halo(spec, grid)))
    signal = reflectance(spec, painted, spacing, streams)
    signal = hashed.soften(signal, (spec.psf_um / FWHM / spacing,) * 2)
    signal = stitching.stitch(spec.tiles, signal, inner, spacing, streams)
    signal *= speckle(spec.noise, inner, spacing, streams)
    noise = hashed.normals(words.key(streams("imaging.detector")), inner)
    shot, read = spec.gain**2 / spec.noise.photons, spec.noise.read_noise**2
    return digitise(signal, noise, spec.gain, spec.offset, shot, read)


def reflectance(
    spec: RcmMosaic, painted: PaintedMosaic, spacing_um: float, streams: Streams
) -> Image:
    """Reflectance of a block before any optics."""
    ground = Ground(
        painted.region,
        painted.region_gap_um,
        painted.papilla,
        painted.wall_um,
        painted.radial_um,
    )
    looks = regions(spec, painted.kinds, streams)
    share = weights(painted.region, painted.region_gap_um, painted.border_um)
    return reflect(
        ground,
        share,
        _fields(painted.block, spacing_um, streams),
        _light(spec, spacing_um),
        *_cells(spec, painted, share, looks, spacing_um, streams),
        looks,
        _papillae(spec, painted.room_um, streams),
        spec.uneven,
    )


def speckle(spec: MosaicNoise, block: Block, spacing_um: float, streams: Streams) -> Image:
    """Multiplicative speckle of a block: gamma distributed, mean 1; see ``detector.speckle``."""
    sigma = spec.speckle_um / spacing_um * SIGMA_OF_GRAIN
    taps = hashed.reach(sigma)
    of = words.key(streams("imaging.speckle"))
    field = hashed.soften(hashed.normals(of, block.grown((taps, taps))), (sigma, sigma))
    if taps:
        kernel = np.exp(-0.5 * (np.arange(-taps, taps + 1) / sigma) ** 2)
        field *= np.float32(1.0 / np.square(kernel / kernel.sum()).sum())
    return gamma(field, spec.looks)


def regions(spec: RcmMosaic, kinds: NDArray[np.uint8], streams: Streams) -> Regions:
    """Draw how every region of the field looks."""
    rng = streams("imaging.regions")
    level = np.clip(1.0 + spec.region_cv * rng.standard_normal(len(kinds)), 0.3, 3.0)
    variant = rng.random(len(kinds))
    of = spec.artifacts
    chances = np.cumsum([of.bubbles, of.stripes, of.corneum, of.empty])
    which = np.searchsorted(chances / chances[-1], variant, side="right").astype(np.float64)
    cobblestone = (variant < spec.epidermis.cobblestone).astype(np.float64)
    variant = np.where(kinds == ARTIFACT, which, variant)
    return Regions(kinds, level, np.where(kinds == NON_LESION, cobblestone, variant))


def _papillae(spec: RcmMosaic, room_um: NDArray[np.float64], streams: Streams) -> Papillae:
    rng = streams("imaging.papillae")
    nests = spec.nests
    chance = rng.random(len(room_um))
    radius = nests.radius_um * (1.0 + nests.radius_cv * rng.standard_normal(len(room_um)))
    # Nests touch, but do not grow into each other.
    radius = np.clip(radius, 0.4 * nests.radius_um, np.maximum(1.05 * room_um, 8.0))
    present = rng.random(len(room_um)) < nests.present
    focus = rng.random(len(room_um))
    return Papillae(chance, focus, room_um, np.where(present, radius, 0.0))


def _fields(block: Block, spacing_um: float, streams: Streams) -> Fields:
    def smooth(name: str, scale_um: float) -> Image:
        of = words.key(streams(f"imaging.{name}"))
        return hashed.smooth(of, block, (scale_um / spacing_um,) * 2)

    rows = Block((block.start[0], 0), (block.shape[0], 1))
    of = words.key(streams("imaging.stripes"))
    stripe = hashed.smooth(of, rows, (_STRIPE_UM / spacing_um, 0.0))
    return Fields(
        smooth("grain", _GRAIN_UM),
        smooth("fibre", _FIBRE_UM),
        smooth("cloud", _CLOUD_UM),
        smooth("broad", _BROAD_UM),
        np.ascontiguousarray(stripe[:, 0]),
    )


def _light(spec: RcmMosaic, spacing_um: float) -> Light:
    skin, papillae, nests, plain = spec.epidermis, spec.papillae, spec.nests, spec.plain
    return Light(
        body=skin.brightness,
        membrane=skin.membrane,
        furrow=skin.furrow_um,
        interior=papillae.interior,
        rim=papillae.rim,
        rim_um=papillae.rim_um,
        between=papillae.between_um,
        cord=papillae.cord,
        cord_um=papillae.cord_um,
        nest=nests.brightness,
        around=nests.around,
        darkest=plain.darkest,
        brightest=plain.brightest,
        fibres=plain.fibres,
        cells=plain.cells,
        line=max(1.2, 0.6 * spacing_um),
        nucleus=0.24 * skin.cell_um,
        basal=papillae.basal_um,
        plate=_PLATE_UM,
    )


def _cells(
    spec: RcmMosaic,
    painted: PaintedMosaic,
    share: Image,
    looks: Regions,
    spacing_um: float,
    streams: Streams,
) -> tuple[Seen, Seen, Seen]:
    """Look up keratinocytes, basal cells, and the skin's plates (or bubbles), where shown."""
    rng = streams("imaging.cells")
    keys = np.array([words.key(rng) for _ in range(9)], np.uint64).reshape(3, 3)
    kind, variant = looks.kind, looks.variant
    honeycomb = (kind == NON_LESION) & (variant == 0)
    striped = (kind == ARTIFACT) & (variant == STRIPES)
    plates = (kind == ARTIFACT) & ((variant == BUBBLES) | (variant == CORNEUM))
    shown = (
        honeycomb | striped,
        ~honeycomb & (kind != ARTIFACT),
        plates | (kind == NON_LESION) & (spec.epidermis.furrow_um > 0),
    )
    y, x = ((start + 0.5) * spacing_um for start in painted.block.start)
    bend_y, bend_x = painted.bend_um
    # Plates and bubbles are hardly bent.
    bends = (painted.bend_um, painted.bend_um, (_STIFF * bend_y, _STIFF * bend_x))
    box = (
        y + min(float(bend_y.min()), 0.0),  # plates bend less, down to not at all
        y + len(bend_y) * spacing_um + max(float(bend_y.max()), 0.0),
        x + min(float(bend_x.min()), 0.0),
        x + bend_x.shape[1] * spacing_um + max(float(bend_x.max()), 0.0),
    )
    pitches = (spec.epidermis.cell_um, spec.papillae.basal_um, _PLATE_UM)
    large, small, plate = (
        see(
            lattice(key, pitch, _SHAKE, box),
            (y, x),
            spacing_um,
            bend[0],
            bend[1],
            wanted(painted.region, share, chosen),
        )
        for key, pitch, bend, chosen in zip(keys, pitches, bends, shown, strict=True)
    )
    return large, small, plate
