"""A run whose mirror, inputs and output are objects in an S3 store: moto's, over HTTP.

Spark's own S3 client (hadoop-aws) is no part of pyspark, and none is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs
from pyspark.sql import SparkSession

from ocspark import locations, storage
from ocspark.catalogue.full_catalogue import RunResult, run_full_catalogue
from ocspark.catalogue.request import open_request
from ocspark.catalogue.stages import RunStages
from ocspark.catalogue.unchanged import check_unchanged
from ocspark.errors import BusyError, InputError
from ocspark.settings import Settings, make_settings
from ocspark.store.folder import TASKS, RunFolder, files_of
from ocspark.store.lock import hold_lock
from tests.helpers.hats import mixed_orders
from tests.helpers.stored_stars import do, works
from tests.helpers.toy import Toy
from tests.helpers.toyrun import assert_same_bits

BUCKET = "catalogues"


@pytest.fixture(scope="module")
def client() -> Iterator[dict[str, str]]:
    """A store with one bucket; the environment by which a client finds it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield environment
    server.stop()


@pytest.fixture
def bucket(client: dict[str, str]) -> Iterator[str]:
    yield f"s3://{BUCKET}"
    for file in storage.list_files(f"s3://{BUCKET}", recursive=True):
        storage.remove_file(file)


def copy(source: str, target: str) -> None:
    (old, there), (new, here) = storage.resolve(source), storage.resolve(target)
    fs.copy_files(there, here, source_filesystem=old, destination_filesystem=new)


@pytest.fixture
def stored(toy: Toy, bucket: str, tmp_path: Path) -> Settings:
    """Settings of a run of which everything is in the store."""
    (tmp_path / "hats").mkdir()
    mixed_orders(toy.sources, tmp_path / "hats", folder=False)
    copy(str(tmp_path / "hats"), f"{bucket}/hats")
    members = pd.read_csv(toy.folder / "members.csv")
    (tmp_path / "members").mkdir()
    for name, rows in (("one", members[::2]), ("two", members[1::2])):
        rows.to_parquet(tmp_path / "members" / f"{name}.parquet", index=False)
    copy(str(tmp_path / "members"), f"{bucket}/members")
    copy(str(toy.folder / "clusters.csv"), f"{bucket}/clusters.csv")
    return make_settings(
        toy.settings(
            mirror={"path": f"{bucket}/hats"},
            clusters={"path": f"{bucket}/clusters.csv"},
            members={"path": f"{bucket}/members"},
            output={"path": f"{bucket}/runs", "non_members": True},
        )
    )


def test_inputs_are_what_they_are_on_a_disk(stored: Settings, tmp_path: Path) -> None:
    places = ("mirror", "clusters", "members", "output")
    local = stored.model_dump()
    for section in places:
        local[section]["path"] = local[section]["path"].replace(f"s3://{BUCKET}", str(tmp_path))
    copy(f"s3://{BUCKET}/clusters.csv", str(tmp_path / "clusters.csv"))
    here, there = (open_request(settings, None) for settings in (make_settings(local), stored))
    assert there.run_id == here.run_id and there.fingerprint == here.fingerprint
    assert there.inputs.files[0].file.path.startswith(f"s3://{BUCKET}/hats/")


def test_a_public_collection_is_a_mirror_without_credentials(
    client: dict[str, str], stored: Settings, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Gaia DR3 lies at STScI: a collection whose table is below it, open to anyone."""
    copy(f"s3://{BUCKET}/hats", f"s3://{BUCKET}/public/gaia")
    properties = "obs_collection=gaia_dr3\nhats_primary_table_url=gaia\n"
    storage.write_file(f"s3://{BUCKET}/public/collection.properties", properties)
    for file in storage.list_files(f"s3://{BUCKET}/public", recursive=True):
        key = file.removeprefix(f"s3://{BUCKET}/")
        boto3.client("s3").put_object_acl(Bucket=BUCKET, Key=key, ACL="public-read")
    expected = open_request(stored, None)
    for name in client:
        monkeypatch.delenv(name)
    options = {"region": "us-east-1", "anonymous": True, "endpoint": client["AWS_ENDPOINT_URL"]}
    settings = toy.settings(
        mirror={"path": f"s3://{BUCKET}/public"}, storage={f"s3://{BUCKET}": options}
    )
    try:
        request = open_request(make_settings(settings), None)
        files = [file.file.path for file in request.inputs.files]
        assert files[0].startswith(f"s3://{BUCKET}/public/gaia/dataset/")
        whole = [(file.rows, file.footer_sha256) for file in expected.inputs.files]
        assert [(file.rows, file.footer_sha256) for file in request.inputs.files] == whole
    finally:
        locations.configure({})


def test_an_object_replaced_during_a_run_is_noticed(stored: Settings) -> None:
    request = open_request(stored, None)
    check_unchanged(request.inputs, request.fingerprint)
    file = request.inputs.files[0].file.path
    content = storage.read_bytes(file)
    storage.write_file(file, content[:-9] + b"?" + content[-8:])  # the footer's last byte
    with pytest.raises(InputError, match=f"mirror.path: {file}: "):
        check_unchanged(request.inputs, request.fingerprint)


@pytest.mark.parametrize("harm", ["gone", "cut", "flipped"])
def test_what_a_task_wrote_is_there_and_a_damaged_file_is_made_again(
    bucket: str, harm: str
) -> None:
    run = RunFolder(f"{bucket}/run")
    (file,) = files_of(do(run, works("one")))
    assert do(run, works("one"))[0]["reused"] and not run.missing_files([file])
    content = storage.read_bytes(run.path(file.name))
    if harm == "gone":
        storage.remove_file(run.path(file.name))
    else:
        storage.write_file(run.path(file.name), content[:-1] + b"?" * (harm == "flipped"))
    assert run.missing_files([file]) == ([] if harm == "flipped" else [file.name])
    (again,) = do(run, works("one"))
    (made,) = files_of([again])
    assert not again["reused"] and storage.read_bytes(run.path(made.name)) == content
    run.delete_unlisted_files([made], ["stars"])
    assert storage.list_files(run.root, recursive=True) == [
        run.path(TASKS, "count", "one.json"),
        run.path(made.name),
    ]


def test_one_of_two_holds_the_lock_and_a_dead_one_is_taken_over(bucket: str, hasty: None) -> None:
    path = f"{bucket}/run/_lock"
    dead = {"host": "elsewhere", "pid": 1, "born": "", "id": "dead"}
    storage.write_file(path, json.dumps(dead))
    with hold_lock(path), pytest.raises(BusyError, match="at work"):  # noqa: SIM117
        with hold_lock(path):
            raise AssertionError("both hold it")
    assert not storage.exists(path)


@pytest.fixture
def spark_with_store(
    spark: SparkSession, client: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> SparkSession:
    """A classic session whose tasks find the store."""
    for name, value in client.items():
        monkeypatch.setitem(spark.sparkContext.environment, name, value)
    return spark


def fetched(run: RunResult, folder: Path) -> str:
    folder.mkdir()
    copy(run.path, str(folder))
    return str(folder)


def test_a_run_on_objects_stops_goes_on_and_is_taken_over_from_with_the_same_bits(
    stored: Settings,
    spark_with_store: SparkSession,
    finished: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(stages: RunStages) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunStages, "_evaluate", die)
        with pytest.raises(KeyboardInterrupt):
            run_full_catalogue(stored, spark_with_store)
    root = stored.output.path
    assert not storage.exists(f"{root}/latest")
    run = run_full_catalogue(stored, spark_with_store)
    reused = {(task["step"], task["reused"]) for task in run.record["portions"]}
    assert {step for step, again in reused if again} == {"search", "characterise"}
    assert {step for step, again in reused if not again} == {"membership", "layout", "share"}
    own = {path.removeprefix(f"{run.path}/") for path in storage.list_files(run.path, True)}
    folders = {name.split("/")[0] for name in own if "/" in name}
    tables = {"candidates", "non_members", "training_members", "clusters", "luminosity_functions"}
    internal = "_search _counts _cells _lacking _cones _models _claims _fits"
    assert folders == tables | set(internal.split())
    assert storage.read_text(f"{root}/latest").strip() == run.record["run_id"]
    assert_same_bits(finished.path, fetched(run, tmp_path / "first"))
    assert run_full_catalogue(stored, spark_with_store).already_finished

    path = stored.clusters.path
    clusters = storage.read_text(path).replace("Pole_1", "Pole_7")
    storage.write_file(path, clusters)
    second = run_full_catalogue(stored, spark_with_store)
    assert second.record["base"]["run_id"] == run.record["run_id"]
    assert second.record["base"]["stages"]["membership"]["reused"] > 0
    nothing = stored.model_copy(
        update={"output": stored.output.model_copy(update={"base": None, "run_id": "from-nothing"})}
    )
    third = run_full_catalogue(nothing, spark_with_store)
    assert_same_bits(fetched(second, tmp_path / "second"), fetched(third, tmp_path / "third"))
