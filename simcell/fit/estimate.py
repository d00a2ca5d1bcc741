"""What is known of one number of a scene after looking at data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simcell.vary import Distribution, Value

Status = Literal["estimated", "taken", "unidentified"]


@dataclass(frozen=True)
class Estimate:
    """One number of a scene, how well it is known, and how.

    Attributes
    ----------
    path : str
        Dotted path in the scene, such as ``imaging.noise.looks``.
    value : number, str or mapping
        The best single value.
    low, high : float, optional
        Ends of its 90 % interval; None where not known.
    vary : Distribution, optional
        Range that the preset draws from; None = the value alone.
    how : str
        From what and by which means, in a few words.
    status : {"estimated", "taken", "unidentified"}
        ``estimated``: from the data. ``taken``: from the preset that the fit started
        from. ``unidentified``: these data cannot tell; the value is a guess or taken.

    Examples
    --------
    >>> Estimate("points.density", 2500.0, 2400.0, 2610.0, how="1020 cells").interval
    '2400 to 2610'
    """

    path: str
    value: Value
    low: float | None = None
    high: float | None = None
    vary: Distribution | None = None
    how: str = ""
    status: Status = "estimated"

    @property
    def interval(self) -> str:
        """The 90 % interval in words; empty where not known."""
        if self.low is None or self.high is None:
            return ""
        return f"{self.low:.4g} to {self.high:.4g}"
