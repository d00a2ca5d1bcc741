"""Specs of mosaics: patterns of a whole lesion, and how reflectance shows them."""

from __future__ import annotations

from typing import Literal

from simcell.scene._spec import Spec


class Mosaic(Spec):
    """Regions of the patterns that a mosaic of skin shows."""

    kind: Literal["mosaic"] = "mosaic"


class RcmMosaic(Spec):
    """Reflectance confocal mosaic, stitched from fields."""

    kind: Literal["rcm_mosaic"] = "rcm_mosaic"
