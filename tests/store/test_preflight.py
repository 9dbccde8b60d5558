"""What a job is told before it begins where its workers see other storage or packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ocspark.errors import InputError
from ocspark.store import preflight
from ocspark.store.preflight import check_workers


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look although the workers are on this machine."""
    monkeypatch.setattr(preflight, "_is_local", lambda spark: False)


def test_workers_that_see_everything_leave_nothing_behind(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "mirror.parquet").touch()
    check_workers(spark, str(tmp_path / "run"), [str(tmp_path / "mirror.parquet")])
    assert list((tmp_path / "run").iterdir()) == []


def test_a_file_that_workers_do_not_see_is_named(spark: SparkSession, tmp_path: Path) -> None:
    absent = str(tmp_path / "mirror.parquet")
    with pytest.raises(InputError, match=f"{absent}: a task on .* does not see this file; exp"):
        check_workers(spark, str(tmp_path), [absent])
    assert list(tmp_path.iterdir()) == []


def test_another_version_of_a_package_is_named(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = preflight._versions() | {"numpy": "0.1"}
    monkeypatch.setattr(preflight, "_versions", lambda: here)  # of the driver alone
    with pytest.raises(InputError, match=r"numpy: \S+ on .*, 0\.1 on the driver"):
        check_workers(spark, str(tmp_path))
