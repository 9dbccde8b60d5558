"""Inputs as people have them, each with the right value that their README gives."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from ocspark.build.bulk import list_bulk
from ocspark.build.formats import read_tables
from ocspark.build.wanted import Fault, WantedColumns
from ocspark.errors import InputError
from ocspark.inputs.clusters import ClusterTable, read_clusters
from ocspark.inputs.isochrones import read_isochrones
from ocspark.inputs.members import MemberList, read_members
from ocspark.names import cluster_key

CASES = Path(__file__).parents[2] / "../shared/data/cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="needs ../shared/data/cases")


def clusters(name: str = "base/clusters.csv") -> ClusterTable:
    columns = yaml.safe_load((CASES / "base/columns.yaml").read_text())["clusters"]["columns"]
    return read_clusters(str(CASES / name), columns)


def members(name: str, table: ClusterTable | None = None) -> MemberList:
    table = table or clusters()
    return read_members(str(CASES / name), {}, table.all_keys, None, table.other_names)


def n_listed(found: MemberList, cluster: str, level: float) -> int:
    own = found.table[found.table["cluster_key"] == cluster_key(cluster)]
    return int((own["probability"] >= level).sum())


def sources(name: str, columns: list[str], table: str | None = None) -> pa.Table:
    wanted = WantedColumns({column: pa.float64() for column in columns}, False, table=table)
    (file,) = list_bulk(str(CASES / name)).files
    return pa.concat_tables(read_tables(file, wanted))


def test_01_a_distance_in_kpc_is_the_reason_why_a_cluster_is_left_out():
    faults = clusters("01_distance_kpc.csv").table.set_index("cluster")["fault"]
    assert "0.943 pc does not go with its parallax of 1.045 mas (957 pc)" in faults["NGC_2423"]


@pytest.mark.parametrize("name", ["base/members.csv", "02_float32_probability.parquet"])
def test_02_probabilities_of_0_9_in_single_precision_are_0_9(name):
    found = members(name)
    assert [n_listed(found, c, 0.9) for c in ("NGC 2423", "NGC 2548")] == [333, 379]
    assert [n_listed(found, c, 1.0) for c in ("NGC 2423", "NGC 2548")] == [263, 309]


def test_08_comment_signs_in_names_are_text():
    table = clusters("08_hash_in_names_clusters.csv")
    found = members("08_hash_in_names_members.csv", table)
    assert table.table["cluster"].tolist() == ["My #1"] and found.unknown_clusters == ["My #2"]
    assert n_listed(found, "My #1", 1.0) == 263


def test_12_one_of_two_tables_is_chosen_or_none_is_read():
    with pytest.raises(Fault, match=r"2 tables .* chosen by --table"):
        sources("12_two_tables.fits", ["ra"])
    assert sources("12_two_tables.fits", ["ra"], "2").num_rows == 100


def test_14_names_mean_what_merging_takes_them_for():
    found = members("14_no_name_matches.csv")
    assert [n_listed(found, c, 1.0) for c in ("NGC 2423", "NGC 2548")] == [263, 309]
    assert found.counts["clusters_under_other_names"] == 2


def test_15_tabs_are_found():
    table = read_clusters(str(CASES / "15_tabs.csv"), {}).table
    assert table["cluster"].tolist() == ["NGC 2423", "NGC 2548"]
    assert table["ra"].tolist() == [114.299, 123.412]


REFUSED = {
    "03_ids_through_float64.csv": (members, "all 572 ids fit a double exactly"),
    "07_unknown_unit.vot": (clusters, "column distance is in Kpc; expected pc"),
    "09_isochrones_with_extinction.dat": (
        lambda name: read_isochrones(str(CASES / name), None),
        "an extinction of Av=1.0 is in the magnitudes",
    ),
    "13_overflow.vot": (members, "QUERY_STATUS OVERFLOW"),
    "15_bad_id_in_row_3.csv": (members, "row 3: expected a 64-bit integer, got 'Gaia DR2 5'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_right_is_refused(name):
    read, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        read(name)
    assert words in str(caught.value) and name in str(caught.value)
