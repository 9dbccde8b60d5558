"""Tables of published catalogues are read by the column maps that are shipped for them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.table import Table

from ocspark.errors import InputError
from ocspark.inputs import column_maps
from ocspark.inputs.catalogues import read_catalogue
from ocspark.inputs.clusters import CLUSTER_COLUMNS, OPTIONAL, read_cluster, read_clusters
from ocspark.inputs.column_maps import choose_columns, shipped_maps
from ocspark.inputs.members import MEMBER_COLUMNS, read_members
from ocspark.names import cluster_key
from tests.helpers.toyrun import ROOT

DATA = ROOT / "../shared/data/catalogues"
KNOWN = frozenset({cluster_key("NGC_2682")})
#: Without dispersions, as VizieR's CG20, and what one needs to find its members all the same.
BARE = ("ra", "dec", "pmra", "pmdec", "parallax", "log_age")


def clusters(**columns: object) -> pd.DataFrame:
    """Return a table of one cluster with the values of M67."""
    values = dict(
        zip(
            CLUSTER_COLUMNS,
            [
                "NGC_2682",
                132.846,
                11.814,
                -10.986,
                -2.964,
                0.2,
                0.2,
                1.135,
                0.05,
                9.63,
                0.07,
                889.0,
            ],
            strict=True,
        )
    )
    return pd.DataFrame({str(new): [values[old]] for old, new in columns.items()})


def test_maps_name_canonical_columns_and_differ() -> None:
    for section, names in (
        ("clusters", {*CLUSTER_COLUMNS, *OPTIONAL}),
        ("members", set(MEMBER_COLUMNS)),
    ):
        maps = shipped_maps(section)
        assert all(own.columns.keys() <= names for own in maps)
        spelled = {tuple(sorted(own.columns.items())) for own in maps}
        assert len(spelled) == len(maps) > 4


@pytest.mark.parametrize("own", shipped_maps("clusters"), ids=lambda own: own.name)
def test_a_cluster_table_is_recognised_by_its_columns(own: column_maps.ColumnMap) -> None:
    columns = {name: own.columns.get(name, name) for name in CLUSTER_COLUMNS}
    table = clusters(**columns)
    units = {"log_age": 10 ** (9.63 - 6), "distance": 0.889} if own.name == "ucc" else {}
    table = table.assign(**{columns[name]: value for name, value in units.items()})
    got = read_clusters(table, {})
    assert got.columns == column_maps.ColumnMap(own.name, columns)
    expected = clusters(**{name: name for name in CLUSTER_COLUMNS})
    pd.testing.assert_frame_equal(got.table[list(CLUSTER_COLUMNS)], expected, check_exact=False)


@pytest.mark.parametrize("own", shipped_maps("members"), ids=lambda own: own.name)
def test_a_member_list_is_recognised_by_its_columns(own: column_maps.ColumnMap) -> None:
    values = ["NGC_2682", 604917629355039360, 0.7]
    table = pd.DataFrame({own.columns[n]: [v] for n, v in zip(MEMBER_COLUMNS, values, strict=True)})
    got = read_members(table, {}, KNOWN)
    assert got.columns == own
    assert list(got.table.itertuples(index=False, name=None)) == [(*KNOWN, *values[1:])]


def test_canonical_columns_need_no_map() -> None:
    table = clusters(**{name: name for name in CLUSTER_COLUMNS}).assign(Cluster="x", plx=9.0)
    got = read_clusters(table, {})
    assert got.columns.name == "" and got.table["parallax"].tolist() == [1.135]


def test_names_as_formats_change_them_are_recognised(tmp_path: Path) -> None:
    """CDS's ReadMe has RAdeg for RA_ICRS; an ID of a VOTable holds no *."""
    own = next(m for m in shipped_maps("clusters") if m.name == "cantat_gaudin_2020_vizier")
    spelled = {**own.columns, "ra": "RAdeg", "dec": "DEdeg", "pmra": "pmRA_"}
    spelled.pop("radius_deg")
    Table.from_pandas(clusters(**spelled)).write(tmp_path / "cg20.vot", format="votable")
    got = read_cluster(str(tmp_path / "cg20.vot"), {}, "NGC 2682", BARE, "table")
    assert got["ra"] == 132.846 and got["pmra"] == -10.986 and "pmra_dispersion" not in got


def test_a_map_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    own = next(m for m in shipped_maps("clusters") if m.name == "hunt_2023")
    with caplog.at_level(logging.INFO, "ocspark"):
        read_clusters(clusters(**{n: own.columns[n] for n in CLUSTER_COLUMNS}), {})
    assert [record.getMessage() for record in caplog.records] == [
        "clusters: the DataFrame given: columns as in hunt_2023 (conf/catalogues/hunt_2023.yaml)"
    ]


def refused(table: pd.DataFrame, columns: dict[str, str] | str, *words: str) -> None:
    with pytest.raises(InputError) as error:
        read_clusters(table, columns)
    for word in words:
        assert word in str(error.value)


def test_everything_that_is_missing_is_named_with_the_nearest_map() -> None:
    own = next(m for m in shipped_maps("clusters") if m.name == "cantat_gaudin_2020_vizier")
    table = clusters(**{n: own.columns[n] for n in CLUSTER_COLUMNS if n in own.columns})
    missing = "columns pmra_dispersion, pmdec_dispersion, parallax_dispersion are missing"
    near = "it looks like cantat_gaudin_2020_vizier (conf/catalogues/cantat_gaudin_2020_vizier.yaml"
    refused(table, {}, missing, near, "jobs/merge_catalogues.py")
    refused(table, {"cluster": "oc"}, near)


def test_columns_that_are_given_wrongly_are_named_with_the_map_that_fits() -> None:
    own = next(m for m in shipped_maps("clusters") if m.name == "hunt_2023")
    table = clusters(**{n: own.columns[n] for n in CLUSTER_COLUMNS})
    fits = "hunt_2023.yaml), which fits if clusters.columns is not given"
    refused(table, {"cluster": "oc"}, "oc (clusters.columns: cluster)", fits)


def test_without_a_near_map_like_columns_are_named() -> None:
    table = clusters(cluster="name", ra="RA", dec="dec", pmra="pm_ra", parallax="plx")
    refused(
        table,
        {},
        "columns cluster, pmra, pmdec, pmra_dispersion",
        "perhaps clusters.columns: {cluster: name, pmra: pm_ra, parallax: plx}",
    )


def test_a_table_that_two_maps_read_differently_is_refused() -> None:
    first, second = (
        next(m for m in shipped_maps("members") if m.name == name)
        for name in ("cantat_gaudin_2018", "tarricq_2022")
    )
    both = [*first.columns.values(), *second.columns.values()]
    with pytest.raises(InputError, match=r"fit cantat_gaudin_2018 \(conf.* and tarricq_2022 \("):
        choose_columns(both, {}, MEMBER_COLUMNS, (), "members", ("members", "x.csv"))


def test_a_map_is_given_by_name_or_path(tmp_path: Path) -> None:
    own = next(m for m in shipped_maps("clusters") if m.name == "castro_ginard_2022")
    table = clusters(**{n: own.columns[n] for n in CLUSTER_COLUMNS})
    assert read_clusters(table, "castro_ginard_2022").columns.name == "castro_ginard_2022"
    file = tmp_path / "mine.yaml"
    columns = {**own.columns, "a0": "logAge"}
    file.write_text(yaml.safe_dump({"clusters": {"columns": columns}}))
    assert read_clusters(table, str(file)).table["a0"].tolist() == [9.63]
    refused(table, "castro_ginard_2020", "no such column map; did you mean castro_ginard_2022")
    refused(table.drop(columns="AV"), "castro_ginard_2022", "a0 is missing", "castro_ginard_2022")


def test_units_in_the_names_of_columns_count() -> None:
    columns = {name: name for name in CLUSTER_COLUMNS}
    table = clusters(**columns).rename(columns={"distance": "d [kpc]", "pmra": "pmra_[arcsec/yr]"})
    table = table.assign(**{"d [kpc]": 0.889, "pmra_[arcsec/yr]": -0.010986, "x [Fe/H]": 0.03})
    named = {"distance": "d [kpc]", "pmra": "pmra_[arcsec/yr]", "metallicity": "x [Fe/H]"}
    got = read_clusters(table, named).table.iloc[0]
    np.testing.assert_allclose(
        got[["distance", "pmra", "metallicity"]].tolist(), [889, -10.986, 0.03]
    )


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data/catalogues")
@pytest.mark.parametrize(
    ("file", "name", "rows"),
    [
        ("cg20", "cantat_gaudin_2020", 2017),
        ("vizier_castro2022", "castro_ginard_2022", 628),
        ("vizier_hunt2023", "hunt_2023", 6806),
    ],
)
def test_real_catalogues_are_recognised(file: str, name: str, rows: int) -> None:
    path = str(DATA / f"{file}.csv")
    got = read_clusters(path, {})
    assert (got.columns.name, len(got.table)) == (name, rows)
    pd.testing.assert_frame_equal(read_clusters(path, name).table, got.table)
    whole = read_catalogue(path, "--input").table
    pd.testing.assert_frame_equal(whole, read_catalogue(f"{name}={path}", "--input").table)
