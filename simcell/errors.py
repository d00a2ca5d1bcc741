"""The one exception family that a user of simcell meets."""

from __future__ import annotations


class SimcellError(ValueError):
    """Input that cannot be used.

    The text is one line and names four things: the field or file, the value
    found, what is allowed, and what to do about it.
    """
