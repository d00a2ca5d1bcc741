"""How far synthetic images are from real ones, number by number."""

from simcell.compare.comparison import Comparison, compare

__all__ = ["Comparison", "compare"]
