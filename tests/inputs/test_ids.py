"""Source ids that have lost digits are refused by name; real ones never are."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocspark.errors import InputError
from ocspark.inputs.ids import (
    SUSPICIOUS_BITS_OF_PART,
    digits_lost,
    digits_lost_by_part,
    id_column,
)

MEMBERS = Path(__file__).parents[2] / "../shared/data/members"
LISTS = ["cg18_dr2.parquet", "t22_edr3.parquet", "almeida_edr3.parquet"]


def gaia_ids(n: int, low: float, high: float, seed: int = 1) -> np.ndarray:
    """Ids as Gaia makes them: a HEALPix cell of level 12 times 2³⁵, and a multiple of 2⁷."""
    rng = np.random.default_rng(seed)
    cell = rng.integers(int(low) >> 35, int(high) >> 35, n)
    return (cell << 35) + (rng.integers(0, 1 << 28, n) << 7)


def through_a_float(ids: np.ndarray) -> np.ndarray:
    return ids.astype(np.float64).astype(np.int64)


@pytest.mark.parametrize(("low", "high", "n"), [(2**61, 2**62, 10), (2**62, 2**62.4, 7)])
def test_as_few_as_ten_ids_through_a_float_are_seen(low, high, n):
    ids = gaia_ids(n, low, high)
    assert digits_lost(ids) == ""
    assert f"all {n} ids fit a double exactly" in digits_lost(through_a_float(ids))


def test_ids_below_2_to_the_60_lose_nothing_in_a_double_and_are_not_refused():
    """Those of a sixth of the sky, the Hyades and Pleiades among them."""
    ids = gaia_ids(5000, 2**53, 2**60)
    np.testing.assert_array_equal(through_a_float(ids), ids)
    assert digits_lost(ids) == ""


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_ids_through_single_precision_are_seen(kind):
    ids = gaia_ids(200, 2**61, 2**62)
    with np.errstate(over="ignore"):
        rough = np.minimum(ids.astype(kind).astype(np.float64), 2.0**62).astype(np.int64)
    assert digits_lost(np.append(rough, rough[:1] + 2**41 * np.arange(12))) != ""


def test_fifteen_digits_are_excel_s():
    ids = gaia_ids(3, 2**61, 2**62) // 10_000 * 10_000
    assert "beyond the fifteenth are zeros, as Excel makes them" in digits_lost(ids)
    assert digits_lost(ids + np.array([0, 0, 128])) == ""


@pytest.mark.skipif(not MEMBERS.exists(), reason="needs ../shared/data/members")
@pytest.mark.parametrize("name", LISTS)
def test_no_cluster_of_real_lists_looks_as_if_digits_were_lost(name):
    table = pd.read_parquet(MEMBERS / name, columns=["cluster", "source_id"])
    parts = pd.factorize(table["cluster"])[0]
    ids = table["source_id"].to_numpy()
    assert digits_lost(ids) == "" and digits_lost_by_part(ids, parts) is None
    rough = through_a_float(ids)
    assert "digits" in digits_lost(rough)
    for part in np.unique(parts):
        own = parts == part
        assert digits_lost(ids[own]) == ""
        n_lost = int((ids[own] != rough[own]).sum())
        if n_lost >= 10:  # of a list of one cluster, what has changed is seen
            assert digits_lost(rough[own]) != ""


def test_a_part_of_a_list_with_lost_digits_is_found():
    ids = np.concatenate((gaia_ids(500, 2**61, 2**62), through_a_float(gaia_ids(40, 2**61, 2**62))))
    parts = np.repeat([7, 9], [500, 40])
    assert digits_lost(ids) == ""
    assert digits_lost(ids[500:], SUSPICIOUS_BITS_OF_PART) != ""
    assert digits_lost_by_part(ids, parts)[0] == 9


@pytest.mark.parametrize(
    "value",
    ["3.03044E+18", "3,03044E+18", "3030442582338182016.0", "1_000", "٣", "0x10", "-5", "Gaia 1"],
)
def test_the_row_and_the_value_that_are_wrong_are_named(value):
    table = pd.DataFrame({"id": ["12", "14", value, "15"]})
    with pytest.raises(InputError, match=r"column id, row 3: expected a 64-bit integer") as caught:
        id_column(table, "id", "f.csv", "members")
    assert repr(value) in str(caught.value)
    assert ("scientific notation" in str(caught.value)) == ("E+" in value)


@pytest.mark.parametrize(
    "values",
    [
        [BIG := 6917528997577384321, 12],
        np.array([BIG, 12], dtype=np.uint64),
        [str(BIG), "12"],
        [Decimal(BIG), Decimal(12)],
        pd.array([BIG, 12], dtype="Int64"),
    ],
)
def test_every_digit_is_kept_whatever_the_type(values):
    ids = id_column(pd.DataFrame({"id": values}), "id", "f", "members")
    assert ids.dtype == np.int64 and ids.tolist() == [BIG, 12]
