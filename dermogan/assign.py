"""Best one-to-one pairings, of as many things as an image holds.

Decision: pairs are kept as a list, never as a matrix: an image of 10,000 × 10,000 pixels
holds 10⁵ cells, of which each overlaps a handful. One sparse assignment finds the
best pairing of all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import KDTree

Index = NDArray[np.int64]
Float = NDArray[np.float64]


class Pairs(NamedTuple):
    """Pairs of one thing on the left and one on the right, with a weight.

    Attributes
    ----------
    left, right : int64 array (n,)
        Places, from 0.
    weight : float64 array (n,)
        What pairing them is worth, at least 0.
    """

    left: Index
    right: Index
    weight: Float

    def where(self, chosen: NDArray[np.bool_]) -> Pairs:
        """Return some of the pairs."""
        return Pairs(self.left[chosen], self.right[chosen], self.weight[chosen])


def best_pairs(pairs: Pairs) -> Pairs:
    """Choose pairs so that everything is used at most once and the weights add up to most.

    Parameters
    ----------
    pairs : Pairs
        What may be paired; each pair once. Pairs of weight 0 are never chosen.

    Examples
    --------
    >>> offered = Pairs(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.6, 0.5, 0.4]))
    >>> chosen = best_pairs(offered)
    >>> chosen.left.tolist(), chosen.right.tolist()
    ([0, 1], [1, 0])
    """
    pairs = pairs.where(pairs.weight > 0)
    if len(pairs.left) == 0:
        return pairs
    lefts, left = np.unique(pairs.left, return_inverse=True)
    rights, right = np.unique(pairs.right, return_inverse=True)
    # Everything on the left gets a partner of its own that is worth nothing, so that
    # a full matching always exists. Costs stay above 0: sparse matrices drop zeros.
    top = float(pairs.weight.max()) + 1.0
    own = np.arange(len(lefts))
    rows = np.concatenate([left, own])
    columns = np.concatenate([right, len(rights) + own])
    cost = np.concatenate([top - pairs.weight, np.full(len(lefts), top)])
    table = csr_array((cost, (rows, columns)), shape=(len(lefts), len(rights) + len(lefts)))
    row, column = min_weight_full_bipartite_matching(table)
    real = column < len(rights)
    place = np.full(len(lefts), -1)
    place[row[real]] = column[real]
    return pairs.where(place[left] == right)


def near_pairs(left: Float, right: Float, radius: float) -> Pairs:
    """List the pairs of points at most ``radius`` apart.

    Parameters
    ----------
    left, right : float64 array (n, 2)
        Positions.
    radius : float
        In the unit of the positions.

    Returns
    -------
    Pairs
        Weighted so that more pairs always beat nearer ones.
    """
    if len(left) == 0 or len(right) == 0:
        none = np.empty(0, np.int64)
        return Pairs(none, none, np.empty(0))
    found = KDTree(left).sparse_distance_matrix(KDTree(right), radius, output_type="ndarray")
    most = min(len(left), len(right))
    nearness = 1.0 - found["v"] / (radius or 1.0)
    # All distances of a pairing together are worth less than one more pair.
    weight = 1.0 + nearness / (2 * most)
    return Pairs(found["i"].astype(np.int64), found["j"].astype(np.int64), weight)
