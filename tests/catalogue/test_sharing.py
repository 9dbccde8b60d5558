"""Stars shared between clusters: which clusters may have some in common, and what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark.catalogue.sharing import TOTAL_PIECES, Claimant, ShareStars, neighbours
from ocspark.names import cluster_key
from ocspark.posterior.settings import PosteriorSettings
from ocspark.selection.cones import make_cones
from ocspark.settings import SearchSettings
from ocspark.store.files import TableFile, TableWriters
from ocspark.tables.candidates import CANDIDATES
from ocspark.tables.fields import struct
from ocspark.tables.posterior import CLAIMS

PAIR = {
    "cluster_key": [1, 2],
    "ra": [359.5, 0.5],
    "dec": [0.0, 0.0],
    "pmra": [1.0, 1.0],
    "pmdec": [0.0, 0.0],
    "pmra_dispersion": [0.1, 0.2],
    "pmdec_dispersion": [0.1, 0.2],
    "parallax": [1.0, 1.0],
    "parallax_dispersion": [0.02, 0.03],
    "distance": [1000.0, 1000.0],
}


@pytest.mark.parametrize(
    ("change", "near"),
    [
        ({}, True),
        ({"ra": [359.5, 5.1]}, True),  # cones of 50 pc at 1,000 pc: 2.86° each
        ({"ra": [359.5, 5.3]}, False),
        ({"pmra": [1.0, 3.99]}, True),  # ten dispersions each: 1 + 2 mas/yr
        ({"pmra": [1.0, 3.2], "pmdec": [0.0, 2.1]}, False),
        ({"parallax": [1.0, 1.49]}, True),  # 0.2 + 0.3 mas
        ({"parallax": [1.51, 1.0]}, False),
    ],
)
def test_clusters_are_neighbours_where_cones_and_cuts_in_motion_and_parallax_overlap(
    change: dict[str, list[float]], near: bool
) -> None:
    clusters = pd.DataFrame({**PAIR, **change})
    found = neighbours(make_cones(clusters, SearchSettings()).table)
    assert found == ({1: {2}, 2: {1}} if near else {1: frozenset(), 2: frozenset()})
    assert neighbours(make_cones(clusters, SearchSettings()).table[:0]) == {}


A, B = cluster_key("A"), cluster_key("B")
#: Of cluster A by itself: 1 is claimed by B as well, 2 is not claimed, 3 lies beyond R = 10 pc.
STARS: dict[str, list[Any]] = {
    "cluster": ["A", "A", "A"],
    "source_id": [1, 2, 3],
    "f_r": [2.0, 9.0, 11.0],
    "phot_g_mean_mag": [15.0, 16.0, 14.0],
    "probability": [0.9, 0.7, 0.8],
    "posterior": [0.8, 0.0, None],
    "posterior_low": [0.7, 0.0, None],
    "posterior_high": [0.9, 0.0, None],
}
FIT = {
    "cluster_key": A,
    "posterior_reason": None,
    "posterior_radius_pc": 10.0,
    "posterior_offset_sum": 4.0,
    "posterior_flags": "small cone",
}


def share(
    folder: Path, others: frozenset[int], **fit: Any
) -> tuple[dict[str, Any], list[TableFile], dict[str, list[Any]]]:
    """Share A's stars: its totals, files of candidates written anew, and their posteriors."""
    writers = TableWriters(str(folder), "before")
    schema = to_arrow_schema(struct(CANDIDATES))
    stars = [dict(zip(STARS, star, strict=True)) for star in zip(*STARS.values(), strict=True)]
    rows = pa.Table.from_pylist(stars, schema)
    writers.write("candidates", "A", rows.replace_schema_metadata({"device": "cpu"}), {"n_p50": 3})
    claims = {
        "cluster_key": [A, B, B],
        "source_id": [1, 1, 7],
        "q": [0.8, 0.5, 0.9],
        "q_low": [0.7, 0.4, 0.9],
        "q_high": [0.9, 0.6, 0.9],
    }
    writers.add("_claims", pa.RecordBatch.from_pydict(claims, to_arrow_schema(struct(CLAIMS))))
    files = {file.table: file for file in writers.close()}
    cluster = Claimant(A, files["candidates"], {**FIT, **fit}, others, (files["_claims"].name,))
    writers = TableWriters(str(folder), "after")
    ShareStars(str(folder), PosteriorSettings())([cluster], writers)
    written = writers.close()
    (totals,) = (file for file in written if file.table == TOTAL_PIECES)
    anew = [file for file in written if file.table == "candidates"]
    now = pd.read_parquet(folder / (anew[0] if anew else files["candidates"]).name)
    columns = {name: now[name].tolist() for name in STARS if name.startswith("posterior")}
    (row,) = pd.read_parquet(folder / totals.name).to_dict("records")
    return row, anew, columns


def test_a_star_that_another_cluster_claims_is_shared_in_a_file_of_its_own(tmp_path: Path) -> None:
    totals, (file,), columns = share(tmp_path, frozenset({B}))
    # odds of 4 and 1, of which the field's are 1: 4/6; with A's of 7/3 and 9, 7/13 and 9/11
    assert columns["posterior"][:2] == pytest.approx([4 / 6, 0.0])
    assert columns["posterior_low"][:2] == pytest.approx([7 / 13, 0.0])
    assert columns["posterior_high"][:2] == pytest.approx([9 / 11, 0.0])
    assert all(pd.isna(values[2]) for values in columns.values())
    assert (file.rows, file.counts, file.device) == (3, {"n_p50": 3}, "cpu")
    assert totals["n_members"] == 1 and totals["expected_members"] == pytest.approx(4 / 6)
    assert totals["contaminants_posterior_50"] == pytest.approx(2 / 6)
    assert totals["contaminants_votes_50"] == pytest.approx(2 / 6 + 1.0)
    assert (totals["members_by"], totals["posterior_flags"]) == ("posterior", "small cone")


def test_where_no_other_cluster_claims_anything_no_file_is_written(tmp_path: Path) -> None:
    totals, anew, columns = share(tmp_path, frozenset())
    assert not anew and columns["posterior"][:2] == [0.8, 0.0]
    assert totals["expected_members"] == pytest.approx(0.8)


def test_votes_tell_members_where_the_moved_off_sum_is_too_large(tmp_path: Path) -> None:
    totals, _, columns = share(tmp_path, frozenset(), posterior_offset_sum=5.1)
    assert (totals["members_by"], totals["posterior_flags"]) == ("votes", "moved-off; small cone")
    assert totals["n_members"] == 1 and columns["posterior"][0] == 0.8


def test_a_cluster_without_a_posterior_has_none_whatever_its_file_had(tmp_path: Path) -> None:
    totals, anew, columns = share(tmp_path, frozenset({B}), posterior_reason="few members")
    assert len(anew) == 1
    assert all(pd.isna(value) for values in columns.values() for value in values)
    assert totals["members_by"] == "votes" and pd.isna(totals["n_members"])
