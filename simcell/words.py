"""Random numbers that depend on nothing but a key and a place.

A key and the coordinates of a pixel are hashed (SplitMix64) to 64 bits, a word; words
become uniform or standard normal numbers.

References
----------
Doornik, An improved ziggurat method to generate normal random samples (2005).
Steele, Lea & Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
Wichura, Algorithm AS 241: the percentage points of the normal distribution,
Applied Statistics 37 (1988).
"""

from __future__ import annotations

from math import erfc

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from simcell.arrays import FloatArray, Image

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _edges(layers: int = 256, last: float = 3.6541528853610088) -> FloatArray:
    """Right edges of the ziggurat's layers of equal area, the lowest with the tail first."""
    height = np.exp(-0.5 * last**2)
    area = last * height + np.sqrt(np.pi / 2) * erfc(last / np.sqrt(2))
    edges = [area / height, last]
    while len(edges) < layers:
        height += area / edges[-1]
        edges.append(np.sqrt(-2.0 * np.log(height)))
    return np.array([*edges, 0.0])


_EDGE = _edges()
_HEIGHT = np.exp(-0.5 * _EDGE**2)
"""Of the curve over those edges."""
_STEP = (_EDGE[:256] * 2.0**-23).astype(np.float32)
_NEAR = _EDGE[1:].astype(np.float32)
"""For numbers of 24 bits: their unit in every layer, and below what they are good at once."""


def key(rng: Generator) -> np.uint64:
    """Draw the key of one field from its stream."""
    return np.uint64(rng.integers(2**64, dtype=np.uint64))


@njit(cache=True, inline="always")
def mix(word: np.uint64) -> np.uint64:
    """Scramble 64 bits (the finaliser of SplitMix64)."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@njit(cache=True, inline="always")
def row_key(of: np.uint64, z: int, y: int) -> np.uint64:
    """Return what the words of a row of pixels start from; see `word_at`."""
    word = mix(of + np.uint64(z) * GOLDEN)
    return mix(word + np.uint64(y) * GOLDEN)


@njit(cache=True, inline="always")
def word_at(row: np.uint64, x: int) -> np.uint64:
    """Return the 64 scrambled bits of pixel x of a row."""
    return mix(row + np.uint64(x) * GOLDEN)


@njit(cache=True, inline="always")
def unit_of(word: np.uint64) -> float:
    """Turn 64 bits into a number between 0 and 1, both excluded."""
    return (np.float64(np.int64(word >> np.uint64(12))) + 0.5) * 2.0**-52


@njit(cache=True, inline="always")
def normal_of(word: np.uint64) -> float:
    """Turn 64 scrambled bits into a standard normal number (ziggurat of 256 layers)."""
    layer = int(word & np.uint64(255))
    value = (np.float64(np.int64(word >> np.uint64(11))) * 2.0**-52 - 1.0) * _EDGE[layer]
    # Nearly always the first try is good.
    return value if abs(value) < _EDGE[layer + 1] else _at_the_edge(word, value, layer)


@njit(cache=True)
def fill_words(row: np.uint64, first: int, words: NDArray[np.uint64]) -> int:
    """Hash the words that a row of pixels shares, one for two pixels; pixel 0 is at ``first``.

    Returns
    -------
    int
        0, or 1 where pixel 0 is the second of its word; pixel x then has word (x + it) // 2.
    """
    odd = first & 1
    for k in range((len(words) + odd + 1) // 2):
        words[k] = word_at(row, (first >> 1) + k)
    return odd


@njit(cache=True)
def fill_normals(words: NDArray[np.uint64], odd: int, out: Image) -> None:
    """Turn each half of the words from `fill_words` into a standard normal number."""
    halves = words.view(np.uint32)[odd:]
    for x in range(len(out)):
        layer = halves[x] & np.uint32(255)
        value = np.float32(np.int32(halves[x]) >> np.int32(8)) * _STEP[layer]
        if abs(value) < _NEAR[layer]:
            out[x] = value
        else:
            word = words[(x + odd) >> 1] ^ np.uint64(halves[x])
            out[x] = _at_the_edge(word, np.float64(value), int(np.uint64(layer)))


@njit(cache=True)
def _at_the_edge(word: np.uint64, value: float, layer: int) -> float:
    """Go on where a number of the ziggurat lies in the tail, or beside the curve."""
    while True:
        if layer == 0:
            return _tail(word, value)
        word = mix(word + GOLDEN)
        low, high = _HEIGHT[layer], _HEIGHT[layer + 1]
        if high + unit_of(word) * (low - high) < np.exp(-0.5 * value * value):
            return value
        word = mix(word + GOLDEN)
        layer = int(word & np.uint64(255))
        value = (np.float64(np.int64(word >> np.uint64(11))) * 2.0**-52 - 1.0) * _EDGE[layer]
        if abs(value) < _EDGE[layer + 1]:
            return value


@njit(cache=True)
def _tail(word: np.uint64, value: float) -> float:
    while True:
        word = mix(word + GOLDEN)
        beyond = -np.log(unit_of(word)) / _EDGE[1]
        word = mix(word + GOLDEN)
        if -2.0 * np.log(unit_of(word)) > beyond * beyond:
            return float(_EDGE[1] + beyond if value > 0 else -_EDGE[1] - beyond)


@njit(cache=True, inline="always")
def _ratio(r: float, above: FloatArray, below: FloatArray) -> float:
    top, bottom = above[7], below[7]
    for k in range(6, -1, -1):
        top = top * r + above[k]
        bottom = bottom * r + below[k]
    return float(top / bottom)


# Coefficients of AS 241 (PPND16): the middle, the tails, the far tails.
_A = np.array([3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
               1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
               3.3430575583588128105e4, 2.5090809287301226727e3])  # fmt: skip
_B = np.array([1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
               2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
               5.2264952788528545610e3])  # fmt: skip
_C = np.array([1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
               3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
               2.27238449892691845833e-2, 7.74545014278341407640e-4])  # fmt: skip
_D = np.array([1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
               1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
               1.05075007164441684324e-9])  # fmt: skip
_E = np.array([6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
               2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
               2.71155556874348757815e-5, 2.01033439929228813265e-7])  # fmt: skip
_F = np.array([1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1,
               1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
               1.42151175831644588870e-7, 2.04426310338993978564e-15])  # fmt: skip


@njit(cache=True)
def quantile(p: float) -> float:
    """Return the standard normal's quantile of ``p`` in (0, 1), exact to 1e-15."""
    q = p - 0.5
    if abs(q) <= 0.425:
        return float(q * _ratio(0.180625 - q * q, _A, _B))
    r = np.sqrt(-np.log(min(p, 1.0 - p)))
    value = _ratio(r - 1.6, _C, _D) if r <= 5.0 else _ratio(r - 5.0, _E, _F)
    return float(-value if q < 0.0 else value)
