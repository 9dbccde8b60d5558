"""Member lists: formats, duplicates, ids of an older release, and everything malformed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from ocspark.errors import InputError
from ocspark.inputs.clusters import read_clusters
from ocspark.inputs.members import read_members
from ocspark.names import cluster_key
from tests.helpers.cluster_tables import rows
from tests.helpers.cluster_tables import write as write_cluster_table

DATA = Path(__file__).parents[2] / "../shared/data/members"
BIG = 6917528997577384321  # a Gaia id that no float holds
FORMATS = ["csv", "csv.gz", "parquet", "ecsv", "fits", "vot"]
MEMBERS = pd.DataFrame(
    {
        "cluster": ["NGC_1", "NGC_1", "NGC 1", "Blanco 1", "Unknown_7"],
        "source_id": np.array([BIG, 12, 11, BIG, 5], dtype=np.int64),
        "probability": [1.0, 0.7, 0.9, 0.5, 1.0],
    }
)
KNOWN = frozenset({cluster_key("NGC_1"), cluster_key("Blanco_1"), cluster_key("Empty_1")})


def write(table: pd.DataFrame, folder: Path, kind: str = "csv", name: str = "members") -> str:
    return write_cluster_table(table, folder, kind, name)


def list_of(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["cluster", "source_id", "probability"])


def refused(table: pd.DataFrame | str, folder: Path, *words: str, columns=None, kind="csv") -> None:
    path = table if isinstance(table, str) else write(table, folder, kind)
    with pytest.raises(InputError) as caught:
        read_members(path, columns or {}, KNOWN)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_sorted_list(tmp_path, kind):
    got = read_members(write(MEMBERS, tmp_path, kind), {}, KNOWN)
    ngc, blanco = cluster_key("NGC_1"), cluster_key("Blanco_1")
    expected = sorted([(ngc, 11, 0.9), (ngc, 12, 0.7), (ngc, BIG, 1.0), (blanco, BIG, 0.5)])
    assert [tuple(row) for row in got.table.itertuples(index=False)] == expected
    assert got.table["source_id"].dtype == np.int64
    assert got.unknown_clusters == ["Unknown_7"]
    assert got.counts["rows"] == 5
    assert got.counts["clusters"] == 3
    assert got.counts["clusters_not_in_table"] == 1
    assert got.counts["identical_duplicates"] == 0


@pytest.mark.parametrize("kind", FORMATS)
def test_a_column_map_works_in_every_format(tmp_path, kind):
    names = {"cluster": "Cluster", "source_id": "GaiaDR3", "probability": "Proba"}
    got = read_members(write(MEMBERS.rename(columns=names), tmp_path, kind), names, KNOWN)
    assert len(got.table) == 4


def test_columns_in_capitals_are_those_of_the_archive(tmp_path):
    path = write(MEMBERS.rename(columns=str.upper), tmp_path)
    assert len(read_members(path, {}, KNOWN).table) == 4
    path = write(
        MEMBERS.assign(x=1).rename(columns={"source_id": "Source_ID", "x": "SOURCE_ID"}), tmp_path
    )
    refused(path, tmp_path, "column source_id is missing", "Source_ID")


def test_ids_as_text_keep_every_digit(tmp_path):
    table = MEMBERS.astype({"source_id": str})
    got = read_members(write(table, tmp_path, "vot"), {}, KNOWN)
    assert got.table["source_id"].max() == BIG


def test_the_same_row_again_is_dropped_and_counted_under_any_spelling(tmp_path):
    table = list_of(("NGC_1", 1, 1.0), ("NGC 1", 1, 1.0), ("NGC_1", 2, 1.0), ("NGC_1", 1, 1.0))
    got = read_members(write(table, tmp_path), {}, KNOWN)
    assert got.table["source_id"].tolist() == [1, 2]
    assert got.counts["identical_duplicates"] == 2


def test_a_star_twice_with_other_probabilities_is_refused(tmp_path):
    table = list_of(("NGC_1", 1, 1.0), ("NGC_1", BIG, 1.0), ("NGC 1", BIG, 0.9))
    refused(table, tmp_path, "members.csv", "NGC", str(BIG), "twice")


def test_a_star_may_be_listed_for_two_clusters(tmp_path):
    table = list_of(("NGC_1", 1, 1.0), ("Blanco_1", 1, 0.3))
    assert len(read_members(write(table, tmp_path), {}, KNOWN).table) == 2


def test_a_list_for_unknown_clusters_only_is_refused_with_the_nearest_name(tmp_path):
    table = list_of(("NGC 11", 1, 1.0), ("Y", 2, 1.0))
    path = write(table, tmp_path)
    with pytest.raises(InputError, match=r"none of its 2 clusters .*'NGC 11'.*mean NGC_1\?"):
        read_members(path, {}, KNOWN, known_names=["Blanco_1", "NGC_1"])


@pytest.mark.parametrize("column", ["cluster", "source_id", "probability"])
def test_a_missing_column_is_named(tmp_path, column):
    refused(MEMBERS.drop(columns=column), tmp_path, "members.csv", column, "missing")


def test_names_match_by_the_rules_of_merging(tmp_path):
    table = rows({"cluster": "NGC_2423"}, {"cluster": "Berkeley_17"}, {"cluster": "Stock 1"})
    clusters = read_clusters(write(table, tmp_path, name="clusters"), {})
    listed = list_of(("NGC2423", 1, 1.0), ("Be 17", 2, 1.0), ("St 1", 3, 1.0), ("Stock 1", 4, 1.0))
    path = write(listed, tmp_path)
    got = read_members(path, {}, clusters.all_keys, None, clusters.other_names)
    owners = dict(zip(got.table["source_id"], got.table["cluster_key"], strict=True))
    # a list that has a cluster under its own name has not got it under another
    assert owners == {
        1: cluster_key("NGC_2423"),
        2: cluster_key("Berkeley_17"),
        4: cluster_key("Stock 1"),
    }
    assert got.counts["clusters_under_other_names"] == 2
    assert got.unknown_clusters == ["St 1"]


def test_an_empty_list_is_refused(tmp_path):
    refused(MEMBERS.iloc[:0], tmp_path, "members.csv", "empty")


@pytest.mark.parametrize("kind", FORMATS)
def test_ids_in_floating_point_are_refused(tmp_path, kind):
    table = MEMBERS.astype({"source_id": np.float64})
    refused(table, tmp_path, f"members.{kind}", "source_id", "64-bit integer", kind=kind)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_missing_id_is_refused(tmp_path, kind):
    table = MEMBERS.astype({"source_id": "Int64"})
    table.loc[2, "source_id"] = pd.NA
    refused(table, tmp_path, "source_id", "row 3", kind=kind)


@pytest.mark.parametrize("value", ["Gaia DR3 12", "1.5", "1e18", "99999999999999999999999"])
def test_an_id_that_is_no_integer_is_refused(tmp_path, value):
    table = MEMBERS.astype({"source_id": object})
    table.loc[1, "source_id"] = value
    refused(table.astype({"source_id": str}), tmp_path, "source_id, row 2", value, kind="parquet")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_id_beyond_63_bits_is_refused(tmp_path, kind):
    table = MEMBERS.assign(source_id=np.array([1, 2, 3, 4, 2**63 + 5], dtype=np.uint64))
    refused(table, tmp_path, "source_id, row 5", "9223372036854775813", kind=kind)


@pytest.mark.parametrize("value", [1.01, -0.1, 90.0, np.nan, np.inf])
def test_a_probability_outside_0_to_1_is_refused(tmp_path, value):
    table = MEMBERS.copy()
    table.loc[3, "probability"] = value
    refused(table, tmp_path, "members.csv", "probability", "row 4")


@pytest.mark.parametrize("kind", ["parquet", "fits", "vot", "csv"])
def test_probabilities_in_single_precision_are_the_decimals_they_stand_for(tmp_path, kind):
    steps = np.arange(1, 11) / 10
    table = list_of(*[("NGC_1", i, p) for i, p in enumerate(steps)])
    table["probability"] = table["probability"].astype(np.float32)
    if kind == "csv":  # as what had them in single precision writes them in double
        table["probability"] = table["probability"].astype(np.float64)
    got = read_members(write(table, tmp_path, kind), {}, KNOWN).table["probability"]
    np.testing.assert_array_equal(got, steps)


def test_probabilities_in_double_precision_keep_their_bits(tmp_path):
    values = np.random.default_rng(2).random(50)
    table = list_of(*[("NGC_1", i, p) for i, p in enumerate(values)])
    got = read_members(write(table, tmp_path), {}, KNOWN).table["probability"]
    np.testing.assert_array_equal(got, values)


@pytest.mark.parametrize(("value", "meant"), [(1.0000001, 1.0), (-1e-9, 0.0), (1.0 + 1e-15, 1.0)])
def test_noise_of_rounding_around_0_and_1_is_taken_away(tmp_path, value, meant):
    table = list_of(("NGC_1", 1, value), ("NGC_1", 2, 0.3))
    got = read_members(write(table, tmp_path), {}, KNOWN)
    assert got.table["probability"].tolist() == [meant, 0.3]


@pytest.mark.parametrize("kind", ["ecsv", "fits", "vot"])
def test_percent_are_divided_by_100_if_that_is_their_unit_and_refused_if_none_is(tmp_path, kind):
    def listed(values: list[float], unit: str | None) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.{kind}"
        table = Table.from_pandas(list_of(*[("NGC_1", i, value) for i, value in enumerate(values)]))
        if kind == "fits":  # astropy writes no unit that FITS does not know; others do
            hdu = fits.table_to_hdu(table)
            hdu.header["TUNIT3"] = unit or ""
            hdu.writeto(path)
        else:
            table["probability"].unit = unit
            table.write(path, format={"ecsv": "ascii.ecsv", "vot": "votable"}[kind])
        return str(path)

    got = read_members(listed([90.0, 100.0, 0.5], "%"), {}, KNOWN)
    assert got.table["probability"].tolist() == [0.9, 1.0, 0.005]
    path = listed([90.0, 100.0, 0.5], None)
    refused(path, tmp_path, "row 1", "within [0, 1]", "may be percent")
    refused(listed([0.9, 1.0, 0.5], "%"), tmp_path, "is in %, but the largest value is 1")


def test_a_probability_that_is_no_number_is_refused(tmp_path):
    table = MEMBERS.astype({"probability": object})
    table.loc[0, "probability"] = "high"
    refused(table, tmp_path, "members.csv", "probability", "row 1", "high")


def test_a_row_without_a_cluster_is_refused(tmp_path):
    table = MEMBERS.astype({"cluster": object})
    table.loc[0, "cluster"] = None
    refused(table, tmp_path, "members.csv", "cluster")


def test_a_file_that_is_missing_cut_or_foreign_is_named(tmp_path):
    refused(str(tmp_path / "no.csv"), tmp_path, "members.path", "no.csv")
    path = Path(write(pd.concat([MEMBERS] * 500), tmp_path, "parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    refused(str(path), tmp_path, "members.path", "members.parquet")
    (tmp_path / "members.fits").write_text("cluster,source_id\n")
    refused(str(tmp_path / "members.fits"), tmp_path, "members.path", "members.fits")


# --- ids of an older release (method §3) -------------------------------------------------------


def neighbourhood(*rows: tuple, columns=("dr2_source_id", "dr3_source_id")) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*columns, "angular_distance", "magnitude_difference"])


def brought(folder: Path, members: pd.DataFrame, table: pd.DataFrame, kind: str = "csv"):
    path = write(table, folder, kind, "neighbourhood")
    return read_members(write(members, folder), {}, KNOWN, path)


def ids(got) -> list[int]:
    return got.table["source_id"].tolist()


def test_an_old_id_becomes_the_new_one_and_keeps_its_probability(tmp_path):
    table = neighbourhood((1, BIG, 5.0, 0.0), (2, 22, 1.0, 0.0), (3, 33, 1.0, 0.0))
    got = brought(tmp_path, list_of(("NGC_1", 1, 0.8), ("NGC_1", 2, 1.0)), table, "parquet")
    rows = got.table[["source_id", "probability"]].itertuples(index=False)
    assert [tuple(row) for row in rows] == [(22, 1.0), (BIG, 0.8)]
    assert got.counts["ids_lost"] == 0


@pytest.mark.parametrize("turn", [1, -1])
def test_the_nearest_neighbour_is_taken_whatever_the_order(tmp_path, turn):
    table = neighbourhood((1, 10, 90.0, 0.0), (1, 11, 20.0, 3.0), (1, 12, 50.0, 0.1))[::turn]
    got = brought(tmp_path, list_of(("NGC_1", 1, 1.0)), table)
    assert ids(got) == [11]
    assert got.counts["ids_with_several_neighbours"] == 1


@pytest.mark.parametrize("turn", [1, -1])
def test_of_equally_near_ones_the_smallest_magnitude_difference_is_taken_without_its_sign(
    tmp_path, turn
):
    table = neighbourhood((1, 10, 20.0, -0.5), (1, 11, 20.0, 0.2), (1, 12, 20.0, -0.1))[::turn]
    assert ids(brought(tmp_path, list_of(("NGC_1", 1, 1.0)), table)) == [12]


def test_an_unknown_magnitude_difference_comes_last(tmp_path):
    table = neighbourhood((1, 10, 20.0, np.nan), (1, 11, 20.0, 4.0))
    assert ids(brought(tmp_path, list_of(("NGC_1", 1, 1.0)), table)) == [11]


def test_repeated_pairs_count_once(tmp_path):
    table = neighbourhood((1, 10, 20.0, 0.1), (1, 10, 20.0, 0.1), (1, 10, 20.0, 0.1))
    got = brought(tmp_path, list_of(("NGC_1", 1, 1.0)), table)
    assert ids(got) == [10]
    assert got.counts["ids_with_several_neighbours"] == 0
    assert got.counts["ids_merged"] == 0


def test_ids_without_a_neighbour_are_lost_and_counted(tmp_path):
    members = list_of(("NGC_1", 1, 1.0), ("NGC_1", 2, 1.0), ("Blanco_1", 2, 1.0), ("NGC_1", 3, 1.0))
    got = brought(tmp_path, members, neighbourhood((1, 10, 1.0, 0.0), (9, 90, 1.0, 0.0)))
    assert ids(got) == [10]
    assert got.counts["ids_lost"] == 2  # stars, not rows


@pytest.mark.parametrize("turn", [1, -1])
def test_two_old_ids_of_one_new_star_merge_into_the_nearer_one(tmp_path, turn):
    members = list_of(("NGC_1", 1, 0.4), ("NGC_1", 2, 0.9))
    table = neighbourhood((1, 10, 30.0, 0.0), (2, 10, 10.0, 0.0))[::turn]
    got = brought(tmp_path, members[::turn], table)
    assert ids(got) == [10]
    assert got.table["probability"].tolist() == [0.9]
    assert got.counts["ids_merged"] == 1


def test_a_star_of_two_clusters_is_brought_forward_in_both(tmp_path):
    members = list_of(("NGC_1", 1, 0.4), ("Blanco_1", 1, 0.9))
    got = brought(tmp_path, members, neighbourhood((1, 10, 1.0, 0.0)))
    assert ids(got) == [10, 10]
    assert got.table["cluster_key"].nunique() == 2
    assert got.counts["ids_merged"] == 0


@pytest.mark.parametrize(
    "columns",
    [
        ("dr3_source_id", "dr4_source_id"),
        ("dr2_source_id", "source_id"),
        ("DR2_SOURCE_ID", "EDR3_SOURCE_ID"),
        ("gaia_dr2_source_id", "gaia_source_id"),
        ("source_id_dr9", "source_id_dr10"),
        ("old_source_id", "new_source_id"),
        ("old_source_id", "dr3_source_id"),
    ],
)
@pytest.mark.parametrize("turn", [1, -1])
def test_the_names_of_the_id_columns_tell_which_release_is_older(tmp_path, columns, turn):
    table = neighbourhood((1, 10, 1.0, 0.0), (10, 1, 1.0, 0.0), (2, 20, 1.0, 0.0), columns=columns)
    table = table[[*columns[::turn], "angular_distance", "magnitude_difference"]]
    assert ids(brought(tmp_path, list_of(("NGC_1", 1, 1.0), ("NGC_1", 2, 1.0)), table)) == [10, 20]


@pytest.mark.parametrize(
    "columns",
    [
        ("a_source_id", "b_source_id"),
        ("source_id", "new_source_id"),
        ("edr3_source_id", "dr3_source_id"),
        ("source_id", "source_id_2"),
    ],
)
def test_id_columns_that_do_not_tell_which_is_older_are_refused(tmp_path, columns):
    table = neighbourhood((1, 10, 1.0, 0.0), columns=columns)
    expected = rf"members\.neighbourhood: .*{columns[0]} and {columns[1]} do not tell which"
    with pytest.raises(InputError, match=expected):
        brought(tmp_path, list_of(("NGC_1", 1, 1.0)), table)


def test_a_neighbourhood_table_of_another_release_is_refused(tmp_path):
    with pytest.raises(InputError, match="none of the 2 listed ids is among its old ones"):
        brought(
            tmp_path,
            list_of(("NGC_1", 10, 1.0), ("NGC_1", 11, 1.0)),
            neighbourhood((1, 10, 1.0, 0.0), (2, 11, 1.0, 0.0)),
        )


@pytest.mark.parametrize(
    "column", ["dr2_source_id", "dr3_source_id", "angular_distance", "magnitude_difference"]
)
def test_a_neighbourhood_table_that_lacks_a_column_is_refused(tmp_path, column):
    table = neighbourhood((1, 10, 1.0, 0.0)).drop(columns=column)
    with pytest.raises(InputError, match=r"members\.neighbourhood.*expected two"):
        brought(tmp_path, list_of(("NGC_1", 1, 1.0)), table)


def test_a_neighbourhood_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"members\.neighbourhood.*nowhere\.parquet"):
        read_members(write(MEMBERS, tmp_path), {}, KNOWN, str(tmp_path / "nowhere.parquet"))


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data/members")
def test_the_dr2_list_comes_forward_through_the_sample_neighbourhood():
    raw = pd.read_parquet(DATA / "cg18_dr2.parquet")
    pairs = pd.read_parquet(DATA / "dr2_neighbourhood_sample.parquet")
    known = frozenset(cluster_key(n) for n in raw["cluster"].unique())
    got = read_members(
        str(DATA / "cg18_dr2.parquet"),
        {},
        known,
        str(DATA / "dr2_neighbourhood_sample.parquet"),
    )
    listed = set(raw["source_id"])
    old, new = pairs["dr2_source_id"], pairs["dr3_source_id"]
    assert got.counts["ids_lost"] == len(listed - set(old))
    assert set(got.table["source_id"]) <= set(new)
    # a star that is listed and has one neighbour only must have it
    single = pairs[~old.duplicated(keep=False) & ~new.duplicated(keep=False) & old.isin(listed)]
    assert len(single) > 1000
    assert set(single["dr3_source_id"]) <= set(got.table["source_id"])


#: file, rows, clusters, identical rows (counted in the files)
LISTS = [
    ("cg18_dr2.parquet", 401_448, 1_229, 0),
    ("t22_edr3.parquet", 144_047, 387, 0),
    ("almeida_edr3.parquet", 286_204, 1_321, 76),
]


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data/members")
@pytest.mark.parametrize(("file", "n_rows", "n_clusters", "n_identical"), LISTS)
def test_real_lists_load_whole(file, n_rows, n_clusters, n_identical):
    raw = pd.read_parquet(DATA / file, columns=["cluster", "source_id", "probability"])
    cg20 = pd.read_csv(DATA.parent / "catalogues/cg20.csv")["oc"]
    got = read_members(str(DATA / file), {}, frozenset(cluster_key(name) for name in cg20))
    known = raw[raw["cluster"].isin(cg20)].drop_duplicates()
    assert (got.counts["rows"], got.counts["clusters"]) == (n_rows, n_clusters)
    assert got.counts["identical_duplicates"] == n_identical
    assert got.counts["clusters_not_in_table"] == len(set(raw["cluster"]) - set(cg20))
    assert len(got.table) == len(known)
    assert got.table["source_id"].sum() == known["source_id"].sum()
    assert got.table["probability"].sum() == pytest.approx(known["probability"].sum(), rel=1e-12)


def test_the_best_match_is_that_of_a_plain_loop_over_all_pairs(tmp_path):
    """Many to many, with ties in distance and in |magnitude difference|, and repeated pairs."""
    rng = np.random.default_rng(3)
    pairs = neighbourhood(
        *zip(
            rng.integers(0, 60, 400),
            rng.integers(1000, 1060, 400),
            rng.integers(0, 4, 400) * 10.0,
            rng.integers(-2, 3, 400) * 0.1,
            strict=True,
        )
    )
    listed = list_of(*[("NGC_1", i, i / 100) for i in range(80)])
    got = brought(tmp_path, listed, pairs, "parquet")
    best: dict[int, tuple] = {}
    several: dict[int, set[int]] = {}
    for old, new, distance, size in pairs.itertuples(index=False):
        several.setdefault(old, set()).add(new)
        rank = (distance, abs(size), new)
        best[old] = min(best.get(old, rank), rank)
    owner: dict[int, tuple] = {}
    for old, (distance, size, new) in best.items():
        owner[new] = min(owner.get(new, (distance, size, old)), (distance, size, old))
    expected = sorted((new, old / 100) for new, (_, _, old) in owner.items())
    rows = got.table[["source_id", "probability"]].itertuples(index=False)
    assert [tuple(row) for row in rows] == expected
    assert got.counts["ids_lost"] == 80 - len(best)
    assert got.counts["ids_with_several_neighbours"] == sum(len(s) > 1 for s in several.values())
    assert got.counts["ids_merged"] == len(best) - len(owner)


@pytest.mark.parametrize(
    ("column", "value"),
    [("dr2_source_id", "Gaia 1"), ("dr3_source_id", 1.5), ("angular_distance", "near")],
)
def test_a_neighbourhood_table_with_text_for_numbers_is_refused(tmp_path, column, value):
    table = neighbourhood((1, 10, 1.0, 0.0), (2, 20, 1.0, 0.0)).astype({column: object})
    table.loc[1, column] = value
    with pytest.raises(InputError, match=rf"members\.neighbourhood: .*column {column}"):
        brought(tmp_path, list_of(("NGC_1", 1, 1.0)), table)


def test_other_names_count_for_clusters_that_the_list_does_not_have_by_name(tmp_path):
    names = {"m 67": cluster_key("NGC_1"), "king 1": cluster_key("NGC_1"), "mel 9": 5}
    single = read_members(write(list_of(("M67", 1, 1.0)), tmp_path), {}, KNOWN, None, names)
    assert single.table["cluster_key"].tolist() == [cluster_key("NGC_1")]
    assert single.counts["clusters_under_other_names"] == 1
    # told apart by the list, or there by its own name: then they are not the cluster
    apart = list_of(("M 67", 1, 1.0), ("King_1", 2, 1.0), ("Blanco 1", 3, 1.0))
    got = read_members(write(apart, tmp_path), {}, KNOWN, None, names)
    assert got.unknown_clusters == ["King_1", "M 67"]
    both = list_of(("M 67", 1, 1.0), ("NGC 1", 2, 1.0))
    got = read_members(write(both, tmp_path), {}, KNOWN, None, names)
    assert ids(got) == [2]
    assert got.counts["clusters_under_other_names"] == 0
