"""Where paths and URIs lead."""

from __future__ import annotations

import pytest

from ocspark import locations, storage
from ocspark.cli import run_job
from ocspark.errors import InputError
from tests.helpers.stores import azure, free_port


@pytest.mark.parametrize(
    ("path", "spelled"),
    [
        ("s3a://b/k", "s3://b/k"),
        ("gcs://b/k", "gs://b/k"),
        ("wasbs://c@a.blob.core.windows.net/k", "abfss://c@a.dfs.core.windows.net/k"),
        ("hdfs:/data", "hdfs:///data"),
        ("hdfs://name:8020/data", "hdfs://name:8020/data"),
        ("file:///data/x", "/data/x"),
        ("file:/data/x", "/data/x"),
        ("dbfs:/Volumes/m/g/v", "/Volumes/m/g/v"),
        ("data/a:b.csv", "data/a:b.csv"),
    ],
)
def test_other_spellings_of_a_place_are_known(path: str, spelled: str) -> None:
    assert locations.normalise(path) == spelled


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("https://server/file", "download it first"),
        ("ftp://server/file", "no storage of that kind"),
        ("s3:/bucket/key", "expected s3://NAME/PATH"),
        ("s3://bucket/key?region=x", "options under `storage`"),
        ("dbfs:/mnt/gaia", "expected dbfs:/Volumes/"),
    ],
)
def test_a_place_that_is_none_is_never_taken_for_a_local_path(path: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        storage.exists(path)


def test_options_that_are_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        InputError, match=r"storage\.s3\.endpont: unknown option; expected endpoint"
    ):
        locations.configure({"s3": {"endpont": "http://x"}})
    monkeypatch.setenv(locations.OPTIONS_VARIABLE, "[1]")
    with pytest.raises(InputError, match="OCSPARK_STORAGE: expected JSON"):
        storage.exists("s3://bucket/key")


def test_a_place_has_one_client() -> None:
    locations.configure({"gs": {"anonymous": True}})
    one, again, other = (storage.resolve(f"gs://{name}/x")[0] for name in ("a", "a", "b"))
    assert one is again and one is not other
    locations.configure({})


def read_in_a_job(path: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code of a job that reads a file, and its one line."""
    with pytest.raises(SystemExit) as stop:
        run_job(lambda: len(storage.read_bytes(path)))
    (line,) = capsys.readouterr().err.splitlines()
    return int(str(stop.value.code)), line


def test_a_storage_that_does_not_answer_is_one_line_with_the_uri(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = {"access_key": "a", "secret_key": "b", "region": "us-east-1"}
    locations.configure({"s3": {"endpoint": f"http://127.0.0.1:{free_port()}", **keys}})
    code, line = read_in_a_job("s3://gaia/clusters.csv", capsys)
    locations.configure({})
    assert code == 1 and line.startswith("ocspark: storage: s3://gaia/clusters.csv: ")
    assert "connect" in line


def test_wrong_keys_are_one_line_with_the_uri(capsys: pytest.CaptureFixture[str]) -> None:
    with azure() as (place, options):
        (given,) = options.values()
        wrong = given["account_key"][:-4] + "AA=="
        locations.configure({place: {**given, "account_key": wrong}})
        code, line = read_in_a_job(f"{place}/clusters.csv", capsys)
        locations.configure({})
    assert code == 1 and line.startswith(f"ocspark: storage: {place}/clusters.csv: ")
    assert "AuthorizationFailure" in line or "AuthenticationFailed" in line


def test_a_file_of_the_web_is_refused_with_what_is_possible(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, line = read_in_a_job("https://server/clusters.csv", capsys)
    assert code == 2 and line.startswith("ocspark: https://server/clusters.csv: ")
    assert "download it first (jobs/fetch_inputs.py); expected s3://" in line
