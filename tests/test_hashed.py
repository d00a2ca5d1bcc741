"""Fields whose values depend on place alone: their law, and that blocks do not show."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest, norm

from simcell import hashed, words
from simcell.arrays import Block, band

KEY = np.uint64(0xC0FFEE)
WHOLE = Block((-3, 10, -20), (24, 60, 70))
PARTS = [
    Block((-3, 10, -20), (1, 60, 70)),
    Block((4, 33, 0), (5, 7, 9)),
    Block((20, 69, 49), (1, 1, 1)),
]


def _cut(array, part):
    start = [p - w for p, w in zip(part.start, WHOLE.start, strict=True)]
    return array[tuple(slice(s, s + n) for s, n in zip(start, part.shape, strict=True))]


def _paired(of, block):
    """Standard normals, two of each word, row by row."""
    out = np.empty(block.shape, np.float32)
    (z, y, x), drawn = block.start, np.empty(block.shape[2], np.uint64)
    for i in range(block.shape[0]):
        for j in range(block.shape[1]):
            row = np.uint64(words.row_key(of, z + i, y + j))
            odd = words.fill_words(row, x, drawn)
            words.fill_normals(drawn, odd, out[i, j])
    return out


@pytest.mark.parametrize(
    "field",
    [
        hashed.normals,
        _paired,
        hashed.uniforms,
        lambda of, block: hashed.smooth(of, block, (2.5, 9.0, 0.5)),
    ],
    ids=["normals", "paired", "uniforms", "smooth"],
)
def test_a_block_is_the_same_alone_and_within_another(field):
    whole = field(KEY, WHOLE)
    for part in PARTS:
        assert np.array_equal(field(KEY, part), _cut(whole, part))
    assert not np.array_equal(whole, field(KEY + np.uint64(1), WHOLE))


@pytest.mark.parametrize("normals", [hashed.normals, _paired])
def test_normals_are_standard_normal_and_independent(normals):
    block = Block((0, -7, 1000), (40, 150, 150))
    values = normals(KEY, block).astype(float)
    n = values.size
    moments = [values.mean(), values.var() - 1, (values**3).mean(), (values**4).mean() - 3]
    for moment, variance in zip(moments, (1, 2, 6 + 9, 96), strict=True):
        assert abs(moment) < 4 * np.sqrt(variance / n)
    assert kstest(values.ravel()[::7], "norm").pvalue > 1e-3
    other = normals(KEY + np.uint64(1), block)
    assert abs((values * other).mean()) < 4 / np.sqrt(n)
    for axis in range(3):
        for lag in (1, 2, 16):
            moved = np.moveaxis(values, axis, 0)
            assert abs((moved[lag:] * moved[:-lag]).mean()) < 4 / np.sqrt(n * 0.5)


def test_uniforms_are_uniform_and_never_0_or_1():
    values = hashed.uniforms(KEY, Block((0, 0), (1000, 1000)))
    assert 0 < values.min() < values.max() < 1
    assert kstest(values.ravel().astype(float), "uniform").pvalue > 1e-3


def test_the_quantile_is_scipys():
    p = np.array([1e-300, 1e-15, 1e-6, 0.02, 0.075, 0.3, 0.5, 0.6, 0.93, 0.999999])
    ours = np.array([words.quantile(x) for x in p])
    assert np.allclose(ours, norm.ppf(p), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("scale", [1.7, 4.0, 11.0])
def test_smooth_fields_have_unit_variance_and_their_correlation_length(scale):
    """Over many independent fields, at single pixels: no pixel is special."""
    fields = np.stack(
        [hashed.smooth(np.uint64(k), Block((0, 0), (24, 24)), (scale, scale)) for k in range(4000)]
    )
    error = np.sqrt(2 / 4000)
    at = [(0, 0), (3, 17), (11, 12)]
    for y, x in at:
        assert abs(fields[:, y, x].var() - 1) < 4 * error
        assert abs(fields[:, y, x].mean()) < 4 / np.sqrt(4000)
    lag = round(scale)
    # Splines are not quite Gaussian: at one correlation length within 0.08 of exp(-1/2).
    found = np.mean(fields[:, :, lag:] * fields[:, :, :-lag])
    assert abs(found - np.exp(-0.5 * (lag / scale) ** 2)) < 0.08


def test_soften_is_a_gaussian_blur_whatever_the_block():
    sigma = (0.8, 2.0, 1.3)
    halo = tuple(hashed.reach(s) for s in sigma)
    values = hashed.normals(KEY, WHOLE.grown(halo))
    whole = hashed.soften(values, sigma)
    assert whole.shape == WHOLE.shape
    wanted = gaussian_filter(values.astype(float), sigma, truncate=6.0)
    wanted = wanted[tuple(slice(h, -h or None) for h in halo)]
    assert np.abs(whole - wanted).max() < 5e-3 * wanted.std()
    for part in PARTS:
        soft = hashed.soften(hashed.normals(KEY, part.grown(halo)), sigma)
        assert np.array_equal(soft, _cut(whole, part))


def test_soften_leaves_axes_without_blur_alone():
    values = hashed.normals(KEY, Block((0, 0), (9, 12)))
    assert np.array_equal(hashed.soften(values, (0.0, 0.04)), values)
    assert hashed.reach(0.0) == 0


def test_a_band_holds_its_rows_and_all_of_z_and_x():
    assert band((5, 40, 60), range(8, 20)) == Block((0, 8, 0), (5, 12, 60))
    assert band((40, 60), range(8, 20)) == Block((8, 0), (12, 60))
