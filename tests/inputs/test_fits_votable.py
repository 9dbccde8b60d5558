"""Files with several tables or half a table: named, chosen, or refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from ocspark.errors import InputError
from ocspark.inputs.clusters import read_clusters
from ocspark.inputs.files import read_table
from ocspark.inputs.members import read_members
from ocspark.names import cluster_key
from tests.helpers.cluster_tables import THREE, two_tables, write

KEYS = frozenset({cluster_key("C 0 0")})
KINDS = ["fits", "vot"]


@pytest.mark.parametrize("kind", KINDS)
def test_several_tables_are_named_and_none_is_taken_unasked(tmp_path, kind):
    path = two_tables(tmp_path, kind)
    shown = rf"two.{kind}: 2 tables in one file: 1 \(stars, 900 rows\), 2 \(clusters, 3 rows\)"
    readers = {
        "clusters": lambda: read_clusters(str(path), {}),
        "members": lambda: read_members(str(path), {}, KEYS),
    }
    for section, reader in readers.items():
        expected = rf"(?i){section}.path: .*{shown}; expected one of them chosen by {section}.table"
        with pytest.raises(InputError, match=expected):
            reader()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("swap", [False, True])
def test_a_table_is_chosen_by_name_or_number(tmp_path, kind, swap):
    path = str(two_tables(tmp_path, kind, swap))
    for chosen in ("Clusters", "CLUSTERS", 1 if swap else 2, "1" if swap else "2"):
        got = read_clusters(path, {}, None, chosen).table
        assert got["cluster"].tolist() == THREE["cluster"].tolist()
    assert len(read_members(path, {}, KEYS, chosen="stars").table) == 900
    for chosen in ("galaxies", 3, 0, -1):
        with pytest.raises(InputError, match=rf"no table {chosen!r}; the file has 1 \("):
            read_clusters(path, {}, None, chosen)


@pytest.mark.parametrize("kind", ["csv", "parquet", "ecsv"])
def test_a_choice_where_there_is_none_is_refused(tmp_path, kind):
    path = write(THREE, tmp_path, kind)
    with pytest.raises(InputError, match="no table 'stars'; the file has one table"):
        read_clusters(path, {}, None, "stars")
    assert len(read_clusters(path, {}, None, 1).table) == 3


@pytest.mark.parametrize("status", ["OVERFLOW", "ERROR", "overflow"])
@pytest.mark.parametrize("place", ["</TABLE>", "</RESOURCE>"])
def test_what_a_server_has_cut_is_refused(tmp_path, status, place):
    path = tmp_path / "c.vot"
    Table.from_pandas(THREE).write(path, format="votable")
    info = f'<INFO name="QUERY_STATUS" value="{status}">truncated result\n(maxtup=3)</INFO>'
    text = path.read_text()
    inner = place == "</TABLE>"  # within the table, or behind it in the resource
    changed = (
        text.replace("</DATA>", f"</DATA>{info}")
        if inner
        else text.replace(place, f"{info}{place}")
    )
    path.write_text(changed)
    expected = rf"c.vot: .*not whole \(QUERY_STATUS {status}: truncated result \(maxtup=3\)\)"
    with pytest.raises(InputError, match=expected):
        read_clusters(str(path), {})
    path.write_text(changed.replace(f'value="{status}"', 'value="OK"'))
    assert len(read_clusters(str(path), {}).table) == 3


def test_an_error_of_a_server_without_a_table_is_told(tmp_path):
    (tmp_path / "c.vot").write_text(
        '<?xml version="1.0"?><VOTABLE version="1.3"><RESOURCE type="results"><INFO '
        'name="QUERY_STATUS" value="ERROR">Column not found: paralax</INFO></RESOURCE></VOTABLE>'
    )
    with pytest.raises(InputError, match="QUERY_STATUS ERROR: Column not found: paralax"):
        read_table(tmp_path / "c.vot", "clusters.path")


def test_a_file_without_a_table_is_refused(tmp_path):
    fits.PrimaryHDU(np.zeros((5, 5))).writeto(tmp_path / "image.fits")
    with pytest.raises(InputError, match=r"image.fits: .*no table in it"):
        read_table(tmp_path / "image.fits", "clusters.path")


def test_a_table_of_the_aas_journals_is_read_with_its_units(tmp_path):
    table = Table({"Name": ["NGC 1", "IC 22"], "RAdeg": [1.25, 2.5]})
    table["RAdeg"].unit = "deg"
    table.write(tmp_path / "t1.txt", format="ascii.mrt")
    got = read_table(tmp_path / "t1.txt", "clusters.path")
    assert got.to_dict("list") == {"Name": ["NGC 1", "IC 22"], "RAdeg": [1.25, 2.5]}
    assert got.attrs["units"] == {"RAdeg": "deg"}


def test_an_index_of_pandas_is_columns(tmp_path):
    table = THREE.set_index("cluster")
    table.to_parquet(tmp_path / "c.parquet")
    for source in (str(tmp_path / "c.parquet"), table):
        assert read_clusters(source, {}).table["cluster"].tolist() == THREE["cluster"].tolist()
    THREE.iloc[1:].to_parquet(tmp_path / "d.parquet")  # an index without a name
    THREE.to_csv(tmp_path / "e.csv")
    for name, n in (("d.parquet", 2), ("e.csv", 3)):
        pd.testing.assert_frame_equal(
            read_clusters(str(tmp_path / name), {}).table,
            read_clusters(THREE.iloc[3 - n :], {}).table,
        )


@pytest.mark.parametrize("column", ["ra", "cluster"])
def test_a_wanted_column_that_is_there_twice_is_refused(tmp_path, column):
    twice = pd.concat([THREE, THREE[[column]]], axis=1)
    twice.to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(InputError, match=rf"c.csv: column {column} is there twice"):
        read_clusters(str(tmp_path / "c.csv"), {})
