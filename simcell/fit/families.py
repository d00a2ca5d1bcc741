"""Families of point processes: quick estimates of each from several patterns.

Windows may be masked. Estimators are pooled over patterns and corrected for edges:
pseudo-likelihood within the windows less a border for Gibbs processes, minimum contrast on
Ripley's K for clusters, the least distance for hard cores.

References
----------
Baddeley & Turner (2000), Practical maximum pseudolikelihood for spatial point patterns,
Aust. N. Z. J. Stat. 42:283-322.
Diggle (2013), Statistical Analysis of Spatial and Spatio-Temporal Point Patterns, ch. 6.
Waagepetersen (2007), An estimating function approach to inference for inhomogeneous
Neyman-Scott processes, Biometrics 63:252-258.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from simcell.arrays import MM_IN_UM, FloatArray, Window
from simcell.points._edges import edge_distance, pair_weights, pairs_within
from simcell.scene.points import PointSpec

Seen = Sequence[tuple[FloatArray, Window]]
"""Patterns: points (n, 2) in µm, each with its window."""
_GRID = 48  # places along the longer side of a window, at which the intensity is integrated
_RADII = 24  # interaction distances that are tried
_POWER = 0.25  # of K in the contrast, which evens its variance out


@dataclass(frozen=True)
class Family:
    """A family of point processes.

    Attributes
    ----------
    kind : str
        As in ``points.kind``.
    names : tuple of str
        Its numbers, as in the scene.
    fit : callable
        Estimates, in the order of the names, from patterns.
    words : str
        By which means.
    repels : bool
        Whether its points shun each other.
    """

    kind: str
    names: tuple[str, ...]
    fit: Callable[[Seen], FloatArray]
    words: str
    repels: bool = False

    def spec(self, values: FloatArray) -> PointSpec:
        """Return the process with these numbers."""
        from pydantic import TypeAdapter

        numbers: dict[str, Any] = dict(zip(self.names, map(float, values), strict=True))
        made: PointSpec = TypeAdapter(PointSpec).validate_python({"kind": self.kind, **numbers})
        return made


def side_of(seen: Seen) -> float:
    """Square root of the mean area for a point, in µm."""
    count = sum(len(points) for points, _ in seen)
    return float((sum(window.volume for _, window in seen) / max(count, 1)) ** 0.5)


def _poisson(seen: Seen) -> FloatArray:
    return np.array([MM_IN_UM**2 / side_of(seen) ** 2])


def least_distance(seen: Seen) -> float:
    """Return the least distance of two points, in µm."""
    least = np.inf
    for points, _ in seen:
        if len(points) > 1:
            least = min(least, float(np.asarray(cKDTree(points).query(points, k=[2])[0]).min()))
    return max(least, 1e-3) if np.isfinite(least) else side_of(seen)


def _hard_core(seen: Seen) -> FloatArray:
    # No packing of points is denser than the closest one.
    most = 0.98 * np.pi / 12**0.5 / (np.pi / 4 * least_distance(seen) ** 2) * MM_IN_UM**2
    return np.array([min(float(_poisson(seen)[0]), most), least_distance(seen)])


def _hard_core_gibbs(seen: Seen) -> FloatArray:
    reach = least_distance(seen)
    points, area = _counted(seen, np.array([reach * (1 - 1e-9)]))
    free = max(float(area[0, 0]), 1e-9)
    return np.array([max(float(points[0, 0]), 1.0) / free * MM_IN_UM**2, reach])


def farthest(seen: Seen) -> float:
    """Return the largest distance of repulsion that is looked for, in µm."""
    # Within a border as wide as that nothing is looked at: some must be left.
    shortest = min(min(window.size_um) for _, window in seen)
    return float(min(1.6 * side_of(seen), 0.3 * shortest))


def _strauss(seen: Seen) -> FloatArray:
    """Maximise the pseudo-likelihood over distance and gamma; the activity follows."""
    longest = farthest(seen)
    radii = np.linspace(0.1, 1.0, _RADII) * longest
    points, area = _counted(seen, radii)
    gammas = np.concatenate([[0.0], np.linspace(0.01, 1.0, 100)])
    best, found = -np.inf, np.array([MM_IN_UM**2 / side_of(seen) ** 2, 1.0, longest])
    orders = np.arange(points.shape[1])
    for k, radius in enumerate(radii):
        total, close = float(points[k].sum()), float((points[k] * orders).sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            powers = gammas[:, None] ** orders
            room = powers @ area[k]
            gain = np.where(close > 0, close * np.log(gammas), 0.0) - total * np.log(room)
        at = int(np.argmax(np.where(np.isfinite(gain), gain, -np.inf)))
        if gain[at] > best + 1e-9:
            best = float(gain[at])
            found = np.array([total / float(room[at]) * MM_IN_UM**2, gammas[at], radius])
    return found


def _counted(seen: Seen, radii: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Count points, and the area of places, by their number of neighbours within each radius.

    Only those farther from the edge than the largest radius are looked at.

    Returns
    -------
    points, area : FloatArray
        Number of points, and area in µm², (radii, 1 + most neighbours).
    """
    reach = float(radii.max())
    of_points: list[FloatArray] = []
    of_places: list[FloatArray] = []
    for points, window in seen:
        deep = edge_distance(points, window) >= reach if len(points) else np.zeros(0, np.bool_)
        places, area = _places(window)
        places = places[edge_distance(places, window) >= reach]
        of_points.append(_neighbours(points, points[deep], radii, 1))
        of_places.append(_neighbours(points, places, radii, 0))
        of_places[-1] = np.hstack([of_places[-1], np.full((len(of_places[-1]), 1), area)])
    most = int(
        max((c[:, : len(radii)].max(initial=0) for c in (*of_points, *of_places)), default=0)
    )
    counted = np.zeros((len(radii), most + 1)), np.zeros((len(radii), most + 1))
    for here, there in zip(of_points, of_places, strict=True):
        for k in range(len(radii)):
            np.add.at(counted[0][k], here[:, k].astype(int), 1.0)
            np.add.at(counted[1][k], there[:, k].astype(int), there[:, -1])
    return counted


def _places(window: Window) -> tuple[FloatArray, float]:
    """Return a regular grid of places of a window, and the area that each stands for."""
    size = np.array(window.size_um)
    counts = np.maximum(np.round(_GRID * size / size.max()), 4).astype(int)
    axes = [(np.arange(n) + 0.5) * s / n for n, s in zip(counts, size, strict=True)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    return places[window.contains(places)], float(np.prod(size / counts))


def _neighbours(points: FloatArray, at: FloatArray, radii: FloatArray, own: int) -> FloatArray:
    """Count points within each radius of each place (n, radii), less the place's own."""
    counts = np.zeros((len(at), len(radii)))
    if len(at) and len(points):
        pairs = cKDTree(at).sparse_distance_matrix(
            cKDTree(points), float(radii.max()), output_type="ndarray"
        )
        bins = np.searchsorted(radii, pairs["v"])
        inside = bins < len(radii)
        np.add.at(counts, (pairs["i"][inside], bins[inside]), 1.0)
        counts = np.cumsum(counts, axis=1) - own
    return counts


def pooled_k(seen: Seen, radii: FloatArray) -> FloatArray:
    """Estimate K of several patterns together (translation correction).

    Each pattern's pairs are counted against its own intensity, so that patterns of
    different density do not look clustered; a pattern weighs as much as it has points.
    """
    total, weight = np.zeros(len(radii)), 0.0
    for points, window in seen:
        if len(points) < 3:
            continue
        pairs = pairs_within(points, window, float(radii.max()))
        weights = pair_weights(points, pairs, window, "translation")
        order = np.argsort(pairs.distance)
        upto = np.concatenate([[0.0], np.cumsum(weights[order])])
        sums = upto[np.searchsorted(pairs.distance[order], radii, side="right")]
        total += sums * window.volume / (len(points) - 1)
        weight += len(points)
    return total / max(weight, 1.0)


def _cluster(spread: str) -> Callable[[Seen], FloatArray]:
    """Fit clusters by minimum contrast on K; ``spread`` names the law of their members."""

    def curve(radii: FloatArray, area: float, size: float) -> FloatArray:
        if spread == "thomas":
            within = 1 - np.exp(-((radii / (2 * size)) ** 2))
        else:
            within = _within_disc(np.minimum(radii / (2 * size), 1.0))
        return np.pi * radii**2 + area * within

    def fit(seen: Seen) -> FloatArray:
        side = side_of(seen)
        shortest = min(min(window.size_um) for _, window in seen)
        radii = np.linspace(0.05, 1.0, 40) * min(6.0 * side, 0.25 * shortest)
        observed = pooled_k(seen, radii) ** _POWER

        def contrast(logs: FloatArray) -> float:
            area, size = np.exp(np.clip(logs, -20, 20))
            return float(((curve(radii, area, size) ** _POWER - observed) ** 2).sum())

        start = min(
            (np.log([a * side**2, s * side]) for a in (0.2, 1, 5, 20) for s in (0.3, 0.8, 2)),
            key=contrast,
        )
        found = minimize(contrast, start, method="Nelder-Mead", options={"maxiter": 150})
        area, size = np.exp(np.clip(found.x, -20, 20))
        size = float(np.clip(size, 0.02 * side, 0.5 * shortest))
        most = 0.3 * max(len(points) for points, _ in seen)
        members = float(np.clip(area / side**2, 1e-2, max(most, 1.0)))
        return np.array([MM_IN_UM**2 / side**2, members, size])

    return fit


def _within_disc(z: FloatArray) -> FloatArray:
    """Chance that two members of a disc are within 2 z of its radius (Diggle)."""
    root = np.sqrt(np.maximum(1 - z**2, 0.0))
    inner = (8 * z**2 - 4) * np.arccos(z) - 2 * np.arcsin(z) + 4 * z * root**3 - 6 * z * root
    return np.asarray(2 + inner / np.pi)


FAMILIES: tuple[Family, ...] = (
    Family("poisson", ("density",), _poisson, "count over area"),
    Family("hard_core", ("density", "distance_um"), _hard_core, "count; least distance", True),
    Family(
        "hard_core_gibbs",
        ("activity", "distance_um"),
        _hard_core_gibbs,
        "pseudo-likelihood; least distance",
        True,
    ),
    Family(
        "strauss", ("activity", "gamma", "distance_um"), _strauss, "profile pseudo-likelihood", True
    ),
    Family(
        "thomas",
        ("density", "cluster_size", "spread_um"),
        _cluster("thomas"),
        "minimum contrast on K",
    ),
    Family(
        "matern_cluster",
        ("density", "cluster_size", "radius_um"),
        _cluster("disc"),
        "minimum contrast on K",
    ),
)
