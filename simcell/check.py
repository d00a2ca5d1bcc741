"""Compare what the samples of a preset measure with what it expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simcell.measure import STATISTICS
from simcell.preset import Preset
from simcell.stages import simulate


@dataclass(frozen=True)
class Finding:
    """One statistic, measured over the samples.

    Attributes
    ----------
    name, about : str
    value, error : float
        Measured value and its standard error.
    low, high : float
        Expected range; NaN where the preset expects nothing.
    """

    name: str
    about: str
    value: float
    error: float
    low: float = np.nan
    high: float = np.nan

    @property
    def expected(self) -> bool:
        """Whether the preset says anything about this statistic."""
        return not np.isnan(self.low)

    @property
    def off(self) -> bool:
        """Whether the value lies outside what is expected (or cannot be measured)."""
        return self.expected and not self.low <= self.value <= self.high


def check(
    preset: Preset, n: int = 64, *, seed: int = 0, report: Callable[[int], None] | None = None
) -> list[Finding]:
    """Simulate ``n`` samples and compare them with the preset's ``expect`` block.

    Parameters
    ----------
    preset : Preset
    n : int
        Number of samples.
    seed : int
    report : callable, optional
        Called with the number of finished samples.

    Returns
    -------
    list of Finding
        Expected statistics first, then all others that the samples have.

    Examples
    --------
    >>> import simcell
    >>> findings = check(simcell.load_preset("rcm-sg"), 4)
    >>> findings[0].name in simcell.load_preset("rcm-sg").expect
    True
    """
    rows: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]] = {
        name: [] for name in STATISTICS
    }
    for index in range(n):
        sample = simulate(preset.scene(seed=seed, index=index), seed=seed, index=index)
        for name, statistic in STATISTICS.items():
            rows[name].append(statistic.collect(sample))
        if report is not None:
            report(index + 1)
    order = [*preset.expect, *(name for name in STATISTICS if name not in preset.expect)]
    findings = []
    for name in order:
        value, error = STATISTICS[name].combine(rows[name])
        wanted = preset.expect.get(name)
        ends = (np.nan, np.nan) if wanted is None else (wanted.low, wanted.high)
        if wanted is not None or not np.isnan(value):
            findings.append(Finding(name, STATISTICS[name].about, value, error, *ends))
    return findings
