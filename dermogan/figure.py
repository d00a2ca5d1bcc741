"""Figures of scores: F1 over thresholds, image by image, and confusion. Needs matplotlib."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from dermogan.evaluation import Evaluation
from dermogan.mapscores import MapScores
from dermogan.metrics import THRESHOLDS
from simcell import SimcellError


def library() -> Any:  # noqa: ANN401 - an optional library
    """Return matplotlib's figures, or say that it is missing."""
    try:
        return import_module("matplotlib.figure")
    except ImportError as error:
        msg = "--figure: matplotlib is not installed; run: pip install matplotlib"
        raise SimcellError(msg) from error


def draw(found: Evaluation, path: Path, title: str = "") -> None:
    """Draw scores to a file, of a kind that its ending says.

    Parameters
    ----------
    found : Evaluation
        Scores.
    path : Path
        A .png, .pdf or .svg file.
    title : str
        Title.
    """
    figure = library().Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    by_iou = [f"f1_{round(100 * at)}" for at in THRESHOLDS]
    if set(by_iou) <= set(found.rows[0]):
        curves = np.array([found.column(name) for name in by_iou])
        left.plot(THRESHOLDS, curves, color="0.85", linewidth=0.8)
        left.plot(THRESHOLDS, curves.mean(axis=1), "o-", color="C0", label="mean")
        left.plot(THRESHOLDS, np.median(curves, axis=1), "s--", color="C1", label="median")
        left.set(xlabel="IoU threshold", ylabel="F1", ylim=(0, 1.02))
        left.legend(frameon=False)
    else:
        left.plot(found.column("n_true"), found.column("n_predicted"), "o", color="C0")
        top = 1.05 * max(*found.column("n_true"), *found.column("n_predicted"), 1)
        left.plot([0, top], [0, top], color="0.8", zorder=0)
        left.set(xlabel="true cells", ylabel="predicted cells")
    shown = [name for name in ("f1_50", "f1_75", "centre_f1", "d_f1") if name in found.rows[0]]
    columns = [found.column(name) for name in shown]
    right.boxplot(columns, showfliers=False, widths=0.5)
    for place, values in enumerate(columns, 1):
        across = place + np.linspace(-0.15, 0.15, len(values))
        right.plot(across, np.sort(values), ".", color="C0", alpha=0.6)
    right.set(ylim=(0, 1.02), ylabel="score of an image")
    right.set_xticks(range(1, len(shown) + 1), shown)
    figure.suptitle(title)
    figure.savefig(path, dpi=150)


def draw_confusion(found: MapScores, path: Path) -> None:
    """Draw what the pixels of each class were taken for, in percent, to a file."""
    missed = bool(found.table.counts[:, -1].any())
    shares = 100 * found.table.shares[:, : len(found.names) + missed]
    columns = [*found.names, "none"][: shares.shape[1]]
    side = 1.6 + 0.75 * len(found.names)
    figure = library().Figure(figsize=(side + 0.75 * missed, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, vmin=0, vmax=100, cmap="Blues")
    for (row, column), share in np.ndenumerate(shares):
        shown = "–" if np.isnan(share) else f"{share:.0f}" if share >= 0.95 else f"{share:.1f}"
        colour = "white" if share > 60 else "black"
        axes.text(column, row, shown, ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.set_yticks(range(len(found.names)), found.names)
    axes.set(xlabel="predicted", ylabel="true", title="% of the true pixels")
    figure.savefig(path, dpi=150)
