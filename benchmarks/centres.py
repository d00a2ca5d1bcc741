"""Centres of cells on real images: models against blob detectors tuned on the truth itself.

`--data DIR` has images/ and points/ (x, y tables, first pixel 1). A detector is a Gaussian, or
a difference of two, and its local maxima; its scale, the distance of maxima and the sign are those
with the best F1 on these very images: it is flattered. Models see the
images as they are, or estimate the size of the cells where their card says so.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree
from skimage.feature import peak_local_max

from dermogan import load_model, segment
from dermogan.evaluation import pooled
from dermogan.images import image_files, read_image
from dermogan.metrics import centres

Float = NDArray[np.float64]
SIGMAS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)
APART = (1, 2, 3, 4, 6)


def read(data: Path) -> list[tuple[Float, Float]]:
    """Return images and true centres (y, x) in pixels from 0."""
    found = []
    for path in image_files(data / "images"):
        rows = np.genfromtxt(data / "points" / f"{path.stem}.csv", delimiter=",")[:, :2]
        rows = rows[np.isfinite(rows).all(1)]
        found.append((np.asarray(read_image(path), float), rows[:, ::-1] - 1))
    return found


def blobs(image: Float, sigma: float, ratio: float, apart: int, sign: int) -> Float:
    """Return the maxima of a smoothed image, less a smoother one where ratio is above 0."""
    smooth = gaussian_filter(image, sigma)
    if ratio:
        smooth = smooth - gaussian_filter(image, sigma * ratio)
    return peak_local_max(sign * smooth, min_distance=apart, exclude_border=False).astype(float)


def score(found: list[Float], truth: list[Float], radius: float) -> tuple[float, float]:
    """Return pooled F1, and the median of the images."""
    counts = [centres(t, f, radius) for t, f in zip(truth, found, strict=True)]
    return pooled(counts).f1, float(np.median([c.f1 for c in counts]))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", default=["confluent"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    images, truth = zip(*read(options.data), strict=True)
    spacing = np.median(np.concatenate([KDTree(t).query(t, 2)[0][:, 1] for t in truth]))
    radius = float(spacing / 2)
    print(f"{len(images)} images, {sum(map(len, truth))} cells, radius {radius:.2f} px")
    rows = []
    for sigma, ratio, apart, sign in product(SIGMAS, (0, 1.6, 3.0), APART, (1, -1)):
        found = [blobs(image, sigma, ratio, apart, sign) for image in images]
        rows.append((*score(found, list(truth), radius), (sigma, ratio, apart, sign)))
    f1, median, how = max(rows)
    print(f"best blob detector of {len(rows)}: F1 {f1:.3f}, median {median:.3f}, {how}")
    for name in options.model:
        model = load_model(name)
        told = model.expects is not None and model.expects.size == "estimated"
        size = "auto" if told else None  # as `dermogan segment` does
        cells = [segment(model, image, diameter_px=size).cells for image in images]
        found = [np.column_stack([c["y_px"], c["x_px"]]) for c in cells]
        print(f"{name}: F1 %.3f, median %.3f" % score(found, list(truth), radius))


if __name__ == "__main__":
    main()
