"""A release's columns are found whatever their spelling, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ocspark.errors import InputError
from ocspark.mirror.columns import carry, find_columns
from ocspark.mirror.footers import check_files
from ocspark.mirror.layout import list_pieces
from ocspark.release import Release, load_release
from ocspark.settings import conf_path
from tests.helpers.toy import Toy

DR3 = load_release("dr3")
NAMES = [DR3.columns[name][0] for name in DR3.needed]


def release(**changes: Any) -> Release:
    """DR3's description with some of it changed; of `columns` only those given."""
    tree = yaml.safe_load(conf_path("releases", "dr3.yaml").read_text())
    columns = {**tree["columns"], **changes.pop("columns", {})}
    return Release.model_validate({**tree, **changes, "columns": columns})


def test_the_spelling_that_is_there_is_the_one_that_is_read() -> None:
    known = release(columns={"solution": ["astrometric_params", "astrometric_params_solved"]})
    assert known.columns["solution"] == ("astrometric_params", "astrometric_params_solved")
    old, _ = find_columns(NAMES, known, "a")
    assert old.names["solution"] == "astrometric_params_solved"
    renamed = ["astrometric_params" if n == "astrometric_params_solved" else n for n in NAMES]
    with pytest.raises(InputError, match="looks like dr4"):  # by a column that DR3 does not have
        find_columns(renamed, DR3, "a")
    new, _ = find_columns(renamed, known, "a")
    assert new.names["solution"] == "astrometric_params"
    with pytest.raises(InputError, match=r"a: columns .* are both there; expected one of them"):
        find_columns([*NAMES, "astrometric_params"], known, "a")


def test_letter_case_never_matters_and_two_of_a_name_are_refused() -> None:
    found, _ = find_columns([name.upper() for name in NAMES], DR3, "a")
    assert found.names["nu_eff"] == "NU_EFF_USED_IN_ASTROMETRY"
    with pytest.raises(InputError, match="columns parallax and Parallax are both there"):
        find_columns([*NAMES, "Parallax"], DR3, "a")


def test_all_that_is_missing_is_named_with_its_spellings() -> None:
    known = release(columns={"pmra": ["pmra", "pm_ra"]})
    left = [name for name in NAMES if name not in ("pmra", "ecl_lat")]
    with pytest.raises(InputError, match=r"columns pmra or pm_ra, ecl_lat are missing"):
        find_columns(left, known, "a")


def test_what_no_calculation_uses_may_be_absent() -> None:
    unused = ("ecl_lat", "nu_eff_used_in_astrometry", "pseudocolour", "astrometric_params_solved")
    names = [name for name in NAMES if name not in unused]
    dr4 = load_release("dr4")
    found, _ = find_columns([*names, "tentative_parallax_bias"], dr4, "a")
    assert set(found.names) == set(dr4.needed)
    assert not {"ecl_lat", "nu_eff", "pseudocolour", "solution"} & set(found.names)
    assert not [r for r in found.reasons if "colour" in r]
    with pytest.raises(InputError, match=r"columns ecl_lat, .* are missing"):
        find_columns(names, DR3, "a")


def test_the_epoch_decides_which_release_a_foreign_column_is_in() -> None:
    names = [*NAMES, "astrometric_params"]  # DR4's, joined to a DR3 mirror
    with pytest.raises(InputError, match="astrometric_params is not of this release"):
        find_columns(names, DR3, "a")
    _, warning = find_columns(names, DR3, "a", (2016.0, 2016.0))
    assert warning is not None and "taken for dr3 by its ref_epoch" in warning
    with pytest.raises(InputError, match=r"ref_epoch is 2017\.5; expected 2016 of dr3"):
        find_columns(NAMES, DR3, "a", (2017.5, 2017.5))
    with pytest.raises(InputError, match=r"ref_epoch is 2016 to 2017\.5"):
        find_columns(NAMES, DR3, "a", (2016.0, 2017.5))


def test_the_epoch_is_read_from_the_footers(
    toy: Toy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = toy.sources.assign(ref_epoch=2016.0, astrometric_params=np.int16(3))
    rows.to_parquet(tmp_path / "a.parquet")
    rows[1:].to_parquet(tmp_path / "b.parquet")
    files = list_pieces(str(tmp_path)).files
    with caplog.at_level("WARNING", "ocspark"):
        check_files(files, DR3, None)
    assert caplog.text.count("taken for dr3 by its ref_epoch") == 1
    rows.assign(ref_epoch=2015.5).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: ref_epoch is 2015\.5"):
        check_files(files, DR3, None)


def test_carried_columns_have_the_data_models_units_or_the_files() -> None:
    schema = pa.schema(
        [
            pa.field("RUWE", pa.float32()),
            pa.field("radial_velocity", pa.float32(), metadata={"unit": "km.s**-1"}),
            pa.field("own", pa.int16(), metadata={"unit": "mag", "ucd": "phot.mag"}),
            pa.field("flag", pa.bool_()),
            pa.field("vbroad", pa.float32(), metadata={"unit": "m/s"}),
            pa.field("list", pa.list_(pa.float64())),
        ]
    )
    wanted = ["ruwe", "radial_velocity", "own", "flag", "vbroad"]
    columns = carry(wanted, schema, "a")
    assert [c.column for c in columns] == ["RUWE", *wanted[1:]]
    facts = [(c.field.type.simpleString(), c.field.unit, c.field.ucd) for c in columns]
    assert facts == [
        ("float", "", "stat.error"),
        ("float", "km/s", "spect.dopplerVeloc.opt;em.opt.I"),
        ("smallint", "mag", "phot.mag"),
        ("boolean", "", ""),
        ("float", "m/s", "spect.line.broad"),
    ]
    with pytest.raises(InputError, match=r"output\.columns: a: column list is list<"):
        carry(["list"], schema, "a")
    with pytest.raises(InputError, match=r"output\.columns: a: column teff is missing"):
        carry(["teff"], schema, "a")


def test_types_of_columns_that_are_only_carried_may_differ_from_file_to_file_no_more_than_others(
    toy: Toy, tmp_path: Path
) -> None:
    for name, kind in (("a", pa.float32()), ("b", pa.float64())):
        table = pa.Table.from_pandas(toy.sources, preserve_index=False)
        table = table.append_column("ruwe", pa.array(np.ones(len(table)), kind))
        pq.write_table(table, tmp_path / f"{name}.parquet")
    files = list_pieces(str(tmp_path)).files
    check_files(files, DR3, None)
    with pytest.raises(InputError, match="column ruwe is double; expected float"):
        check_files(files, DR3, None, ["ruwe"])
