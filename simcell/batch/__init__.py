"""Many samples: indices to workers to a dataset, with progress and resume."""

from simcell.batch.run import Summary, generate
from simcell.batch.task import open_dataset
from simcell.io.export import export

__all__ = ["Summary", "export", "generate", "open_dataset"]
