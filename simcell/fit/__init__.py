"""From what a user has of a tissue to a preset that makes more of it."""

from simcell.fit.run import Fitted, fit

__all__ = ["Fitted", "fit"]
