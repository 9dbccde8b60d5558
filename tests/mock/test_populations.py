"""Densities of the populations have the scales that they are given."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.mock.frame import SUN_RADIUS_PC
from ocspark.mock.populations import POPULATIONS, density

BY_NAME = {population.name: population for population in POPULATIONS}
AT_SUN = (np.array(SUN_RADIUS_PC), np.array(0.0))


@pytest.mark.parametrize("name", ["young disc", "thin disc", "thick disc"])
def test_a_disc_falls_by_e_in_a_scale_length_and_in_a_scale_height(name: str) -> None:
    disc = BY_NAME[name]
    here = density(disc, *AT_SUN)
    assert here == pytest.approx(disc.density)
    radius, height = AT_SUN
    assert here / density(disc, radius + disc.length_pc, height) == pytest.approx(np.e)
    for sign in (-1.0, 1.0):
        assert here / density(disc, radius, sign * disc.height_pc) == pytest.approx(np.e)


def test_thin_discs_are_the_unit_of_density() -> None:
    thin = [BY_NAME[name] for name in ("young disc", "thin disc")]
    assert sum(density(p, *AT_SUN) for p in thin) == pytest.approx(1.0)


def test_the_halo_is_the_flattened_power_law_of_juric() -> None:
    """Jurić et al. (2008): exponent 2.77, axis ratio 0.64."""
    halo = BY_NAME["halo"]
    far = np.array([50_000.0, 100_000.0])
    inner, outer = density(halo, far, np.zeros(2))
    assert np.log2(inner / outer) == pytest.approx(2.77, abs=0.01)
    assert density(halo, far[:1], np.zeros(1)) == pytest.approx(
        density(halo, np.zeros(1), 0.64 * far[:1])
    )


def test_the_bulge_falls_by_e_along_both_its_axes() -> None:
    bulge = BY_NAME["bulge"]
    centre = density(bulge, np.array(0.0), np.array(0.0))
    assert centre / density(bulge, np.array(bulge.length_pc), np.array(0.0)) == pytest.approx(np.e)
    assert centre / density(bulge, np.array(0.0), np.array(bulge.height_pc)) == pytest.approx(np.e)


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda p: p.name)
def test_shares_of_metallicities_add_up_to_one(population) -> None:
    assert sum(share for _, share in population.metallicities) == pytest.approx(1.0)
