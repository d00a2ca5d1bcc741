"""Statistics measure what they name."""

import numpy as np
import pytest

import simcell
from simcell.check import check
from simcell.measure import STATISTICS, seeded_inside, surrounded


@pytest.fixture(scope="module")
def samples():
    preset = simcell.load_preset("rcm-sg").with_set(["region.kind=full", "points.density=2300"])
    return [simcell.simulate(preset.scene(seed=1, index=i), seed=1, index=i) for i in range(24)]


def test_density_measured_is_density_asked(samples):
    value, error = STATISTICS["cells_per_mm2"].measure(samples)
    assert abs(value - 2300) < 4 * error + 5
    assert error < 60


def test_area_is_the_inverse_of_density(samples):
    value, error = STATISTICS["area_um2"].measure(samples)
    assert abs(value - 1e6 / 2300) < 4 * error + 2


def test_counting_by_seeds_is_unbiased_and_by_visible_cells_is_not(samples):
    by_seed = np.mean([seeded_inside(s).sum() for s in samples])
    visible = np.mean([len(s.objects) for s in samples])
    assert abs(by_seed - 2300 * 0.128**2) < 1.5
    assert visible > by_seed + 5


def test_surrounded_cells_have_about_six_neighbours(samples):
    value, error = STATISTICS["neighbours"].measure(samples)
    assert abs(value - 6) < 4 * error + 0.25
    assert not any(s.objects["touches_border"][surrounded(s)].any() for s in samples)


def test_jackknife_error_is_that_of_a_mean():
    rng = np.random.default_rng(0)
    rows = [rng.normal(0, 1, (50, 1)) for _ in range(40)]
    value, error = STATISTICS["circularity"].combine(rows)
    assert abs(value) < 4 / np.sqrt(2000)
    assert error == pytest.approx(1 / np.sqrt(2000), rel=0.4)


def test_image_statistics_move_with_the_image():
    def level(statistic, *sets):
        preset = simcell.load_preset("rcm-sg").with_set(sets)
        batch = [simcell.simulate(preset.base, seed=s, index=0) for s in range(3)]
        return STATISTICS[statistic].measure(batch)[0]

    assert (
        level("contrast", "imaging.membrane.brightness=1.0")
        > level("contrast", "imaging.membrane.brightness=0.3") + 0.1
    )
    assert level("roughness", "imaging.noise=high") > level("roughness", "imaging.noise=low") * 1.2
    assert level("saturated", "imaging.gain=6") > 0.05
    assert level("image_mean", "imaging.gain=2") > level("image_mean", "imaging.gain=1")


def test_check_finds_what_is_off():
    preset = simcell.load_preset("rcm-sg")
    good = check(preset, 24)
    assert not [f.name for f in good if f.off]
    assert sum(f.expected for f in good) == len(preset.expect) >= 6
    bad = check(preset.with_set(["points.density=1200", "imaging.membrane.brightness=0.05"]), 12)
    assert {"cells_per_mm2", "contrast"} <= {f.name for f in bad if f.off}


SHIPPED = ["rcm-ss", "rcm-sg-clean", "discs", "honeycomb", "islands"]
SHIPPED += ["simcep", "simcep-nuclei", "simcep-bacteria", "dermogan2", "skin-oct"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_presets_meet_their_expectations(name):
    findings = check(simcell.load_preset(name), 16, seed=11)
    assert not [(f.name, f.value) for f in findings if f.off]
    assert any(f.expected for f in findings)


def skin(seed, *sets):
    preset = simcell.load_preset("skin-oct").with_set(["imaging.kind=none", *sets])
    return simcell.simulate(preset.base, seed=seed, index=0)


@pytest.mark.parametrize("dej", [4.0, 5.0, 8.0])
def test_thickness_of_the_junction_is_that_along_its_normal(dej):
    steep = ["cells.rete_um=45", "cells.rete_period_um=80", f"cells.dej_um={dej}"]
    samples = [skin(seed, *steep) for seed in range(8)]
    assert STATISTICS["junction_um"].measure(samples)[0] == pytest.approx(dej, rel=0.015)
    # Counted up and down the band is thicker by far: the statistic does not measure that.
    up_down = np.mean([(s.classes == 4).sum(axis=0).mean() * 0.9 for s in samples])
    assert up_down > 1.15 * dej


def test_layers_measure_as_thick_as_they_were_asked_for():
    flat = ["cells.gap_um=18", "cells.surface_um=0", "cells.furrows_per_mm=0"]
    flat += ["cells.rete_um=0", "cells.epidermis_cv=0", "cells.glass_slope=0"]
    sample = skin(0, *flat)
    assert STATISTICS["glycerol_um"].measure([sample])[0] == pytest.approx(18, abs=0.9)
    assert STATISTICS["epidermis_um"].measure([sample])[0] == pytest.approx(68, abs=0.9)
    shares = [STATISTICS[f"class_{number}"].measure([sample])[0] for number in range(1, 6)]
    assert sum(shares) == pytest.approx(1)
    assert shares[0] == pytest.approx(16 / 201.6, abs=1 / 224)


def test_statistics_of_layers_say_nothing_of_other_cells():
    sample = simcell.simulate(simcell.load_preset("discs").base, seed=0, index=0)
    for name in ("junction_um", "epidermis_um", "glycerol_um", "class_1"):
        assert len(STATISTICS[name].collect(sample)) == 0
