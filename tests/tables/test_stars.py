"""Stars are columns of one length; a column that is missing is an error, and never nulls."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ocspark.release import load_release
from ocspark.selection.calibrate import calibrate, release_calibration
from ocspark.tables.arrow import split_by_cluster, split_by_key, stars_of_batch, stars_to_batch
from ocspark.tables.fields import DOUBLE, LONG, Field
from ocspark.tables.stars import CalibratedStars, RawStars

FIELDS = [Field(name, kind, "", "") for name, kind in (("source_id", LONG), ("ra", DOUBLE))]


def three() -> RawStars:
    return RawStars({"source_id": np.array([3, 1, 2]), "ra": np.array([0.5, 1.5, 2.5])})


def test_a_missing_column_is_an_error_when_it_is_read_selected_or_written():
    for use in (
        lambda: three()["dec"],
        lambda: three().select(["ra", "dec"]),
    ):
        with pytest.raises(KeyError, match="dec"):
            use()
    with pytest.raises(ValueError, match=r"columns missing: .'dec'"):
        stars_to_batch(three(), [*FIELDS, Field("dec", DOUBLE, "", "")])


def test_a_column_is_null_only_where_it_is_said_to_be_absent():
    batch = stars_to_batch(three(), [*FIELDS, Field("dec", DOUBLE, "", "")], ["dec"])
    assert batch.column("dec").null_count == 3
    assert batch.column("ra").to_pylist() == [0.5, 1.5, 2.5]


def test_columns_of_several_lengths_are_refused():
    with pytest.raises(ValueError, match=r"several lengths.*'dec': 2"):
        three().with_columns({"dec": np.zeros(2)})


@pytest.mark.parametrize(
    "rows", [np.array([2, 0]), np.array([True, False, True]), slice(None, None, 2)]
)
def test_some_rows_have_all_columns_and_the_same_type(rows):
    some = three().take(rows)
    assert type(some) is RawStars and len(some) == 2
    np.testing.assert_array_equal(some["ra"], three()["ra"][rows])
    np.testing.assert_array_equal(some["source_id"], three()["source_id"][rows])


def test_rows_are_divided_by_cluster_in_their_order_and_others_left_out():
    keys = np.array([7, 5, 7])
    batch = pa.record_batch({"cluster_key": keys, "source_id": [3, 1, 2]})
    parts = [(key, stars["source_id"].tolist()) for key, stars in split_by_key(batch, RawStars)]
    assert parts == [(5, [1]), (7, [3, 2])]
    ((name, stars),) = split_by_cluster(batch, {7: "seven"}, RawStars)
    assert (name, len(stars), type(stars)) == ("seven", 2, RawStars)
    assert len(stars_of_batch(batch.slice(0, 0), RawStars)) == 0


def test_calibrating_makes_another_type_and_leaves_the_raw_parallax_alone():
    raw = RawStars(
        {
            "parallax": np.array([1.0]),
            "parallax_bias": np.array([-0.04]),
            **{f"phot_{band}_mean_mag": np.array([15.0]) for band in ("g", "bp", "rp")},
            **{f"phot_{band}_n_obs": np.array([200]) for band in ("g", "rp")},
        }
    )
    calibrated = calibrate(raw, release_calibration(load_release("dr4")))
    assert type(calibrated) is CalibratedStars
    assert (raw["parallax"][0], calibrated["parallax"][0]) == (1.0, 1.04)
