"""Merging catalogues: what is one cluster, what is doubtful, where every value is from."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from ocspark.errors import InputError
from ocspark.inputs.catalogues import Catalogue, read_catalogue
from ocspark.inputs.clusters import CLUSTER_COLUMNS, REQUIRED
from ocspark.inputs.merge import MergedCatalogue, merge_catalogues
from ocspark.names import matching_name
from tests.helpers.cluster_tables import ROW, write

DATA = Path(__file__).parents[2] / "../shared/data/catalogues"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data/catalogues")
#: map, file, clusters, of them with all that the main job needs (counted in the files)
REAL = [
    ("cantat_gaudin_2020", "cg20.csv", 2017, 1867),
    ("cantat_gaudin_2020_vizier", "vizier_cantat2020.csv", 2017, 0),
    ("castro_ginard_2022", "vizier_castro2022.csv", 628, 628),
    ("hunt_2023", "vizier_hunt2023.csv", 6806, 6806),
    ("tarricq_2022", "vizier_tarricq2022.csv", 467, 0),
]


def catalogue(folder: Path, name: str, *changes: dict, drop: tuple[str, ...] = ()) -> Catalogue:
    """A catalogue with one row per set of changes to M 67."""
    table = pd.DataFrame([{**ROW, "radius_deg": 0.2, **change} for change in changes])
    path = write(table.drop(columns=list(drop)), folder, "csv", name)
    return read_catalogue(path, "--input")


def real(name: str) -> Catalogue:
    file = next(file for known, file, _, _ in REAL if known == name)
    return read_catalogue(f"{name}={DATA / file}", "--input")


def one(merged: MergedCatalogue) -> pd.Series:
    assert len(merged.table) == 1
    return merged.table.iloc[0]


@pytest.mark.parametrize("name", ["NGC 2682", "ngc_2682", "NGC-02682", "Cl NGC 2682"])
def test_spellings_of_a_name_are_one_cluster(tmp_path, name):
    first, second = catalogue(tmp_path, "a", {}), catalogue(tmp_path, "b", {"cluster": name})
    row = one(merge_catalogues([first, second]))
    assert row["cluster"] == "NGC_2682"
    assert row["catalogues"] == f"a; b: {name} (name)"


def test_an_alias_is_a_name_of_the_cluster(tmp_path):
    first = catalogue(tmp_path, "a", {"cluster": "M 67"})
    second = catalogue(tmp_path, "b", {"cluster": "Gold 1,Old 1", "aliases": "MWSC 1585, M_67"})
    third = catalogue(tmp_path, "c", {"cluster": "Old_1"})
    row = one(merge_catalogues([first, second, third]))
    assert row["catalogues"] == "a; b: Gold 1 (alias); c: Old_1 (alias)"
    assert row["aliases"] == "Gold 1, Old 1, MWSC 1585"


def test_other_names_at_the_same_place_with_the_same_motion_are_one_cluster(tmp_path):
    first = catalogue(tmp_path, "a", {})
    second = catalogue(tmp_path, "b", {"cluster": "X 1", "ra": 132.9, "pmra": -10.9})
    merged = merge_catalogues([first, second])
    assert one(merged)["catalogues"] == "a; b: X 1 (position)"
    assert merged.doubtful.empty


@pytest.mark.parametrize(
    ("change", "rows", "reason"),
    [
        ({"pmra": -9.0}, 2, None),  # nine dispersions: another cluster
        ({"pmra": -10.4}, 2, "close, but not enough"),
        ({"ra": 133.1}, 2, "close, but not enough"),
        ({"parallax": 1.3}, 2, "close, but not enough"),
        ({"ra": 140.0}, 2, None),
        ({"cluster": "NGC2682", "pmra": -9.0}, 1, "the same name, but unlike in proper motion"),
        ({"cluster": "NGC2682", "ra": 140.0}, 1, "the same name, but unlike in position"),
        ({"cluster": "NGC2682", "parallax": 9.0}, 1, "the same name, but unlike in parallax"),
        ({"cluster": "NGC2682", "pmra": -10.4}, 1, None),
        ({"aliases": "NGC 2682", "ra": 140.0}, 2, "the same by an alias, but unlike in position"),
    ],
)
def test_what_agrees_only_in_part_is_listed_with_the_reason(tmp_path, change, rows, reason):
    first = catalogue(tmp_path, "a", {})
    second = catalogue(tmp_path, "b", {"cluster": "X 1", **change})
    merged = merge_catalogues([first, second])
    assert len(merged.table) == rows
    told = merged.doubtful
    if reason is None:
        assert told.empty
        return
    assert len(told) == 1
    doubt = told.iloc[0]
    assert reason in doubt["reason"]
    assert {doubt["cluster"], doubt["other"]} == {"NGC_2682", change.get("cluster", "X 1")}
    assert doubt["outcome"] == ("kept apart" if rows == 2 else "not merged")


def test_one_to_many_takes_the_best_and_lists_the_others(tmp_path):
    first = catalogue(tmp_path, "a", {})
    many = catalogue(
        tmp_path,
        "b",
        {"cluster": "X 1", "ra": 132.85},
        {"cluster": "X 2", "ra": 132.90},
        {"cluster": "X 3", "aliases": "NGC_2682", "ra": 132.95},
    )
    merged = merge_catalogues([first], [many])
    assert one(merged)["catalogues"] == "a; b: X 3 (alias)"
    assert merged.doubtful["other"].tolist() == ["X 1", "X 2"]
    assert merged.doubtful["reason"].str.startswith("several match").all()


def test_no_two_clusters_get_one_name(tmp_path):
    """The third catalogue tells apart what position made one cluster of the first two."""
    first = catalogue(tmp_path, "a", {"cluster": "B 1"})
    second = catalogue(tmp_path, "b", {"cluster": "A 1"})
    third = catalogue(tmp_path, "c", {"cluster": "A 1"}, {"cluster": "B 1", "ra": 132.9})
    merged = merge_catalogues([first, second, third])
    assert one(merged)["catalogues"] == "a; b: A 1 (position); c: A 1 (name)"
    assert merged.doubtful[["cluster", "other", "outcome"]].to_numpy().tolist() == [
        ["B 1", "B 1", "not merged"]
    ]


def test_an_alias_of_two_clusters_stays_with_neither(tmp_path):
    far = {"cluster": "B 2", "ra": 10.0, "aliases": "MWSC 7"}
    merged = merge_catalogues([catalogue(tmp_path, "a", {"aliases": "MWSC 7, M 67"}, far)])
    assert merged.table["aliases"].tolist() == ["", "M 67"]
    assert merged.doubtful["reason"].tolist() == ["both are called MWSC 7"]


def test_values_come_from_the_first_catalogue_that_has_them_and_say_so(tmp_path):
    bare = ("pmra_dispersion", "pmdec_dispersion", "parallax_dispersion")
    first = catalogue(tmp_path, "a", {"log_age": np.nan, "a0": np.nan, "distance": 870}, drop=bare)
    second = catalogue(tmp_path, "b", {"ra": 132.9, "log_age": 9.5, "a0": 0.2, "distance": 900})
    row = one(merge_catalogues([first], [second]))
    assert (row["ra"], row["ra_source"]) == (132.846, "a")
    assert (row["pmra_dispersion"], row["pmra_dispersion_source"]) == (0.193, "b")
    # age, extinction and distance belong together: all are b's, which has all
    assert [row[c] for c in ("log_age", "a0", "distance")] == [9.5, 0.2, 900.0]
    assert [row[f"{c}_source"] for c in ("log_age", "a0", "distance")] == ["b", "b", "b"]
    assert row["missing"] == ""


def test_what_no_catalogue_has_is_missing_and_never_made_up(tmp_path):
    first = catalogue(tmp_path, "a", {"log_age": np.nan}, drop=("parallax_dispersion",))
    second = catalogue(tmp_path, "b", {"a0": 0.3}, drop=("parallax_dispersion", "log_age"))
    row = one(merge_catalogues([first], [second]))
    assert row["missing"] == "parallax_dispersion, log_age"
    assert np.isnan(row["log_age"])
    assert row["log_age_source"] == ""
    assert (row["a0"], row["a0_source"]) == (0.07, "a")


def test_a_preference_turns_the_order_for_a_group(tmp_path):
    first = catalogue(tmp_path, "a", {})
    second = catalogue(tmp_path, "b", {"log_age": 9.5, "a0": 0.2, "distance": 900, "ra": 132.9})
    row = one(merge_catalogues([first], [second], {"a0": ["b"]}))
    assert [row[c] for c in ("log_age", "a0", "distance", "ra")] == [9.5, 0.2, 900.0, 132.846]


def test_a_catalogue_that_fills_adds_no_cluster(tmp_path):
    other = {"cluster": "Z 9", "ra": 20.0}
    merged = merge_catalogues(
        [catalogue(tmp_path, "a", {})], [catalogue(tmp_path, "b", {"cluster": "Z 8"}, other)]
    )
    assert len(merged.table) == 1
    assert merged.counts["b"] == {
        "read": 2, "added": 0, "by name": 0, "by alias": 0, "by shared alias": 0,
        "by position": 1, "not merged": 1,
    }  # fmt: skip


def test_the_result_does_not_depend_on_the_order_of_rows(tmp_path):
    rows = [
        {"cluster": f"N {i}", "ra": 132.8 + 0.03 * i, "aliases": f"K {i % 3}"} for i in range(6)
    ]
    others = [{"cluster": f"O {i}", "ra": 132.8 + 0.04 * i} for i in range(5)]
    results = []
    for turn in (1, -1):
        folder = tmp_path / str(turn)
        folder.mkdir()
        tables = catalogue(folder, "a", *rows[::turn]), catalogue(folder, "b", *others[::turn])
        results.append(merge_catalogues(list(tables)))
    pd.testing.assert_frame_equal(results[0].table, results[1].table)
    pd.testing.assert_frame_equal(results[0].doubtful, results[1].doubtful)


def test_bad_choices_are_named(tmp_path):
    first = catalogue(tmp_path, "a", {})
    with pytest.raises(InputError, match="catalogue a is there twice"):
        merge_catalogues([first], [first])
    with pytest.raises(InputError, match="--prefer age"):
        merge_catalogues([first], [], {"age": ["a"]})
    with pytest.raises(InputError, match="no catalogue z"):
        merge_catalogues([first], [], {"a0": ["z"]})
    with pytest.raises(InputError, match=r"c\.csv.*'NGC_2682' is there twice, as 'NGC 02682'"):
        catalogue(tmp_path, "c", {}, {"cluster": "NGC 02682", "ra": 10.0})
    with pytest.raises(InputError, match="no such column map"):
        read_catalogue("nobody_1999=x.csv", "--input")
    with pytest.raises(
        InputError, match=r"column Name \(MAP: cluster\) is missing.* MAP is not needed"
    ):
        read_catalogue(f"hunt_2023={write(pd.DataFrame([ROW]), tmp_path, name='cg20')}", "--input")


# --- the real catalogues ------------------------------------------------------------------------


@needs_data
@pytest.mark.parametrize(("name", "file", "n_clusters", "n_complete"), REAL)
def test_real_catalogues_load_with_their_maps(name, file, n_clusters, n_complete):
    got = real(name)
    assert len(got.table) == n_clusters == len(pd.read_csv(DATA / file))
    assert got.table[list(REQUIRED)].notna().all(axis=1).sum() == n_complete
    assert set(CLUSTER_COLUMNS) <= set(got.table)
    assert len({n for own in got.names for n in own}) == n_clusters


@pytest.fixture(scope="module")
def merged() -> MergedCatalogue:
    """The paper's set: CG20 and Castro-Ginard et al. 2022, with values of two others."""
    adding = [real("cantat_gaudin_2020"), real("castro_ginard_2022")]
    return merge_catalogues(adding, [real("hunt_2023"), real("tarricq_2022")])


@needs_data
def test_the_papers_set_has_about_2500_clusters(merged):
    table = merged.table
    assert len(table) == 2017 + 628
    own = table["log_age_source"].isin(["cantat_gaudin_2020", "castro_ginard_2022"])
    assert own.sum() == 1867 + 628  # CG20 lacks the age of 150; "around 2500 OCs" have all
    assert (table["log_age_source"] == "hunt_2023").sum() == 111
    assert (table["missing"] == "log_age, a0, distance").sum() == 39
    assert (table["missing"] != "").sum() == 39
    assert merged.counts["hunt_2023"]["by name"] > 2100
    assert merged.counts["tarricq_2022"]["by name"] == 466


@needs_data
def test_no_cluster_is_in_the_papers_set_twice(merged):
    """Another way than the code's: a tree on the sphere, all pairs within one larger radius."""
    table, doubtful = merged.table, merged.doubtful
    listed = {frozenset(pair) for pair in zip(doubtful["cluster"], doubtful["other"], strict=True)}
    ra, dec = np.radians(table["ra"]), np.radians(table["dec"])
    places = np.column_stack((np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)))
    tree = cKDTree(places)
    rows = table.to_dict("records")
    pairs = 0
    for i, near in enumerate(tree.query_ball_point(places, np.radians(6.0))):
        for j in (j for j in near if j > i):
            a, b = rows[i], rows[j]
            apart = np.degrees(np.linalg.norm(places[i] - places[j]))
            sigma = np.hypot(max(a["pmra_dispersion"], b["pmra_dispersion"]), 0.1)
            motion = np.hypot(a["pmra"] - b["pmra"], a["pmdec"] - b["pmdec"]) / sigma
            spread = np.hypot(max(a["parallax_dispersion"], b["parallax_dispersion"]), 0.05)
            parallax = abs(a["parallax"] - b["parallax"]) / spread
            if apart < max(a["radius_deg"], b["radius_deg"]) and motion < 1 and parallax < 1:
                assert frozenset((a["cluster"], b["cluster"])) in listed
                pairs += 1
    assert pairs > 5  # CG20 itself has such pairs, as Gulliver 6 and UBC 17b


@needs_data
def test_no_name_in_the_papers_set_is_of_two_clusters(merged):
    names: dict[str, str] = {}
    for cluster, aliases in zip(merged.table["cluster"], merged.table["aliases"], strict=True):
        for name in {matching_name(n) for n in [cluster, *filter(None, aliases.split(","))]}:
            assert names.setdefault(name, cluster) == cluster
    assert len(names) > 5000
    assert merged.table["cluster"].map(matching_name).is_unique
    assert names["melotte 94"] == "NGC_2682"


@needs_data
def test_known_neighbours_stay_apart_and_known_synonyms_come_together(merged):
    table = merged.table.set_index("cluster")
    for one_, other in combinations(["NGC_869", "NGC_884", "NGC_2451A", "NGC_2451B"], 2):
        assert {one_, other} <= set(table.index)
    assert "hunt_2023: FoF 2117 (name)" in table.at["LP_2117", "catalogues"]
    assert "hunt_2023: FSR 0596 (position)" in table.at["UBC_191", "catalogues"]
    assert "hunt_2023: ESO 092-05 (name)" in table.at["ESO_092_05", "catalogues"]
    far = merged.doubtful.set_index(["cluster", "other"])
    assert "unlike in proper motion" in far.loc[("FSR_0238", "FSR 0238"), "reason"]


@needs_data
def test_without_dispersions_they_are_hunts_or_missing():
    adding = [real("cantat_gaudin_2020_vizier"), real("castro_ginard_2022")]
    table = merge_catalogues(adding, [real("hunt_2023")]).table
    known = table["pmra_dispersion"].notna()
    assert len(table) == 2645
    assert table.loc[known, "pmra_dispersion_source"].value_counts().to_dict() == {
        "hunt_2023": 1900,
        "castro_ginard_2022": 628,
    }
    assert table.loc[~known, "missing"].str.contains("pmra_dispersion").all()
    hunt = pd.read_csv(DATA / "vizier_hunt2023.csv").set_index("Name")
    assert (
        table.set_index("cluster").at["NGC_188", "pmra_dispersion"] == hunt.at["NGC 188", "s_pmRA"]
    )


@needs_data
def test_the_doubtful_list_is_short_enough_for_a_human(merged):
    assert 100 < len(merged.doubtful) < 250
    reasons = merged.doubtful["reason"].str.replace(
        r"(called|unlike in|one by).*", r"\1", regex=True
    )
    assert reasons.nunique() == 5
