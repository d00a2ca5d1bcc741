"""Datasets on disk, their exports, and pictures of samples.

A dataset is one Zarr v3 group (`store`) with a header (`header`). Its shards are
written one by one (`parts`), its tables joined at the end (`tables`), and all of it
is read back as a sequence of samples (`dataset`).
"""

from simcell.io.dataset import Dataset
from simcell.io.export import export
from simcell.io.outputs import FORMATS, Format
from simcell.io.preview import contact_sheet

__all__ = ["FORMATS", "Dataset", "Format", "contact_sheet", "export"]
