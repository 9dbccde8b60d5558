"""Units: converted as their definitions say, refused where they are unknown or of another kind."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from ocspark.units import LOG_YEARS, to_unit, units_of_schema


@pytest.mark.parametrize(
    ("value", "given", "wanted", "expected"),
    [
        (0.00107, "arcsec", "mas", 1.07),
        (-0.0009, "arcsec/yr", "mas/yr", -0.9),
        (-9.0, "mas.yr**-1", "mas/yr", -9.0),  # as Gaia's archive writes it
        (1.4, "um**-1", "1/um", 1.4),
        (1.5, "mas yr^-1", "mas/yr", 1.5),
        (1500.0, "uas", "mas", 1.5),
        (0.943, "kpc", "pc", 943.0),
        (math.pi / 2, "rad", "deg", 90.0),
        (6.5, "hourangle", "deg", 97.5),
        (6.5, "h", "deg", 97.5),
        (30.0, "arcmin", "deg", 0.5),
        (30.0, "degrees", "deg", 30.0),
        (100.0, "Myr", LOG_YEARS, 8.0),
        (1.0, "Gyr", LOG_YEARS, 9.0),
        (4e8, "yr", LOG_YEARS, math.log10(4e8)),
        (8.4, "[yr]", LOG_YEARS, 8.4),  # VizieR's, of logarithms
        (8.4, "log(yr)", LOG_YEARS, 8.4),
        (8.4, "dex", LOG_YEARS, 8.4),
        (2.0, "[Myr]", LOG_YEARS, 8.0),
        (0.1, "[Sun]", "dex", 0.1),
        (90.0, "%", "", 0.9),
        (5.0, "'electron'.s**-1", "electron/s", 5.0),
        (0.4, "Vegamag", "mag", 0.4),
        (0.4, "---", "mag", 0.4),
        (0.4, "", "mag", 0.4),
    ],
)
def test_values_are_converted_by_the_units_definitions(value, given, wanted, expected):
    got = to_unit(np.array([value, np.nan]), given, wanted)
    assert got[0] == pytest.approx(expected, rel=1e-15)
    assert np.isnan(got[1])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Kpc", "pc"),
        ("pc", "mas"),
        ("mag", "pc"),
        ("km/s", "mas/yr"),
        ("mas", "mas/yr"),
        ("deg2", "deg"),
        ("h:m:s", "deg"),
        ("mag(AB)", "mag"),
        ("pc", LOG_YEARS),
        ("mag", LOG_YEARS),
        ("mas", ""),
        ("furlong", "pc"),
    ],
)
def test_a_unit_that_is_unknown_or_of_another_kind_is_named(given, wanted):
    with pytest.raises(ValueError) as caught:
        to_unit(np.ones(1), given, wanted)
    assert str(caught.value).startswith(f"is in {given}; expected {wanted or 'a number'}")


def test_nothing_changes_where_the_unit_is_the_wanted_one():
    values = np.array([1.1])
    assert to_unit(values, "milliarcsec", "mas") is values


def test_ages_in_years_that_must_be_logarithms_are_refused():
    with pytest.raises(ValueError, match=r"is in yr; .* up to 9.2, may be logarithms"):
        to_unit(np.array([8.4, np.nan, 9.2]), "yr", LOG_YEARS)
    assert to_unit(np.array([8.4, 1e9]), "yr", LOG_YEARS)[1] == 9.0


def test_a_logarithm_of_no_age_is_no_value_of_its_own():
    assert to_unit(np.array([0.0, -1.0]), "Myr", LOG_YEARS).tolist() == [-np.inf, -np.inf]


def test_parquet_tells_units_in_its_columns_or_as_astropy_writes_them(tmp_path):
    fields = [pa.field("a", pa.float64(), metadata={"unit": "kpc"}), pa.field("b", pa.int64())]
    assert units_of_schema(pa.schema(fields)) == {"a": "kpc"}
    table = Table({"a": [1.0], "b": [2]})
    table["a"].unit = "kpc"
    table.write(tmp_path / "table.parquet")
    assert units_of_schema(pq.read_schema(tmp_path / "table.parquet")) == {"a": "kpc"}


def test_metadata_of_others_tell_nothing():
    told = {b"table_meta_yaml": b"{[", b"org.apache.spark.sql.parquet.row.metadata": b"[]"}
    assert units_of_schema(pa.schema([pa.field("a", pa.int8())], told)) == {}
