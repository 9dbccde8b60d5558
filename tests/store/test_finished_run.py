"""A finished run is read from its files, one cluster from its own; what is no run is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import ocspark
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.errors import InputError
from ocspark.selection.run_models import read_models
from ocspark.store.finished_run import FinishedRun, open_run


def test_one_cluster_is_read_from_its_own_file(
    finished: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(finished.path)
    opened: list[str] = []
    read_table = pq.read_table

    def watched(path: str, **options: object) -> object:
        opened.append(path)
        return read_table(path, **options)

    row = run.clusters[run.clusters["status"] == "done"].iloc[0]
    with monkeypatch.context() as patch:
        patch.setattr(pq, "read_table", watched)
        stars = run.read_cluster("candidates", row["cluster_key"]).to_pandas()
        assert len(opened) == 1
    every = pd.read_parquet(f"{finished.path}/candidates")
    expected = every[every["cluster"] == row["cluster"]].sort_values("source_id")
    pd.testing.assert_frame_equal(stars, expected.reset_index(drop=True), check_exact=True)
    # nothing else of the run's candidates is needed
    alone = tmp_path / "alone"
    shutil.copytree(finished.path, alone)
    for file in (alone / "candidates").iterdir():
        if file.name != Path(opened[0]).name:
            file.unlink()
    members = ocspark.members_of(str(alone), row["cluster"], min_probability=0.0)
    assert sorted(members["source_id"]) == expected["source_id"].tolist()


def test_a_file_of_several_clusters_gives_the_rows_of_one(finished: RunResult) -> None:
    run = open_run(finished.path)
    every = pd.read_parquet(f"{finished.path}/training_members")
    for key, name in run.cluster_names.items():
        rows = run.read_cluster("training_members", key).to_pandas()
        expected = every[every["cluster"] == name].sort_values("source_id", ignore_index=True)
        pd.testing.assert_frame_equal(rows, expected, check_exact=True)


def test_the_newest_run_of_a_folder_is_opened(finished: RunResult, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "one")
    (tmp_path / "latest").write_text("one\n")
    assert open_run(str(tmp_path)).path == f"{tmp_path}/one"
    (tmp_path / "latest").write_text("")  # as on Azure and HDFS while it is written
    with pytest.raises(InputError, match=r"run\.json: no such file"):
        open_run(str(tmp_path))


def test_what_is_no_finished_run_is_named(finished: RunResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--run: .*run.json: no such file"):
        open_run(str(tmp_path))
    (tmp_path / "_inputs.json").write_text("{}")
    with pytest.raises(InputError, match=r"--with-run: .*has not finished"):
        open_run(str(tmp_path), "--with-run")
    (tmp_path / "run.json").write_text("half of")  # as on Azure and HDFS while it is written
    with pytest.raises(InputError, match=r"--run: .*has not finished"):
        open_run(str(tmp_path))
    (tmp_path / "_inputs.json").unlink()
    with pytest.raises(InputError, match=r"run.json: not JSON"):
        open_run(str(tmp_path))
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"_files.json: damaged, or made by another version"):
        len(open_run(str(tmp_path)).files)
    with pytest.raises(InputError, match="candidates: no such table"):
        open_run(str(tmp_path)).read_arrow("candidates")


@pytest.mark.parametrize(
    ("table", "column"),
    [("clusters", "cone_ra"), ("_models", "isochrone_metallicity")],
)
def test_a_run_of_an_older_version_is_named(
    finished: RunResult, tmp_path: Path, table: str, column: str
) -> None:
    old = tmp_path / "old"
    shutil.copytree(finished.path, old)
    rows = pd.read_parquet(old / table).drop(columns=column)
    shutil.rmtree(old / table)
    (old / table).mkdir()
    rows.to_parquet(old / table / "one.parquet", index=False)
    with pytest.raises(InputError, match=f"{table}: has no column {column}.*older ocspark"):
        _look_at(open_run(str(old)), table)


def _look_at(run: FinishedRun, table: str) -> object:
    return run.clusters if table == "clusters" else read_models(run)
