"""A figure of all methods: F1 of every image, and what it costs. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dermogan.benchmark.score import Result, Row
from dermogan.benchmark.tables import NAMES
from dermogan.figure import library

_COLOURS = {"threshold": "#8c8c8c", "filter": "#3b7fb6", "model": "#c8443a"}
_WORDS = {"threshold": "threshold", "filter": "filter", "model": "trained network"}


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw results to a file: a row of two panels for every set.

    Parameters
    ----------
    results : sequence of Result
    path : Path
        A .png, .pdf or .svg file.
    """
    shown = [[row for row in result.ranked() if row.outcomes] for result in results]
    heights = [0.26 * len(rows) + 0.9 for rows in shown]
    figure = library().Figure(figsize=(10, sum(heights) + 0.3), layout="constrained")
    panels = figure.subplots(
        len(results), 2, squeeze=False, width_ratios=[2.4, 1], height_ratios=heights, sharey="row"
    )
    for result, rows, (left, right) in zip(results, shown, panels, strict=True):
        main = result.scores[0]
        for place, row in enumerate(rows):
            _dots(left, place, row, main)
            colour = _COLOURS[row.method.kind]
            right.plot([max(row.cpu_s, 1e-3)], [place], "s", color=colour, markersize=5)
        left.set_yticks(range(len(rows)), [row.method.name for row in rows])
        left.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.4, -0.6), xlabel=NAMES[main])
        left.set_title(f"{result.name}: {result.facts['images']} images", loc="left", fontsize=10)
        costs = np.log10([max(row.cpu_s, 1e-3) for row in rows])
        low = np.floor(costs.min())
        ends = (10**low, 10 ** max(np.ceil(costs.max()), low + 1))
        right.set(xscale="log", xlim=ends, xlabel="CPU seconds per image")
        right.tick_params(left=False)
        for panel in (left, right):
            panel.grid(axis="both", color="0.92")
            panel.set_axisbelow(True)
            panel.spines[["top", "right"]].set_visible(False)
    _legend(figure, panels[0][0], {row.method.kind for rows in shown for row in rows})
    figure.savefig(path, dpi=150)


def _dots(panel: Any, place: int, row: Row, main: str) -> None:  # noqa: ANN401 - of matplotlib
    """Draw every image as a dot, the median as a mark, and the standard deviation as a bar."""
    colour, values, told = _COLOURS[row.method.kind], row.f1(main).ravel(), row.summary(main)
    across = place + 0.09 * (np.arange(len(values)) % 7 - 3)
    panel.plot(values, across, ".", color=colour, alpha=0.4, markersize=5, markeredgewidth=0)
    ends = np.clip([told["median"] - told["sd"], told["median"] + told["sd"]], 0, 1)
    panel.plot(ends, [place, place], "-", color=colour, linewidth=1.5)
    face = "white" if row.method.stardist else colour
    panel.plot([told["median"]], [place], "o", color=colour, markerfacecolor=face, markersize=6)


def _legend(figure: Any, panel: Any, kinds: set[str]) -> None:  # noqa: ANN401 - of matplotlib
    for kind, colour in _COLOURS.items():
        if kind in kinds:
            panel.plot([], [], "o", color=colour, label=_WORDS[kind])
    panel.plot([], [], "o", color="0.3", markerfacecolor="white", label="with StarDist")
    panel.plot([], [], "-", color="0.3", label="± sd over images")
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=8)
