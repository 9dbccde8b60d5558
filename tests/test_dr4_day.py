"""The plan of ``conf/releases/README.md`` for DR4's day, each command run as it stands there.

DR4 is a mock of the draft's shape, served as bulk files with surprises: capitals, another name of
the bias, a column of DR3's that came back. ``OCSPARK_DAY_SOURCES`` makes it larger.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import SparkSession

from ocspark.catalogue.full_catalogue import run_full_catalogue
from ocspark.mock.generate import write_mock
from ocspark.mock.parameters import MockParameters
from ocspark.settings import make_settings
from tests.helpers.server import serving
from tests.helpers.toyrun import ROOT

README = (ROOT / "conf/releases/README.md").read_text()
COMMANDS = [
    line.strip()
    for block in re.findall(r"^```\n(.*?)^```", README, re.M | re.S)
    for line in block.replace("\\\n", " ").splitlines()
]
SOURCES = int(os.environ.get("OCSPARK_DAY_SOURCES", 40_000))
N_FILES = 6
#: What ESA's files call it in the end.
NEW_NAME = "parallax_bias_estimate"


def job(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    """Run a command of the README with its paths in `folder`; return its exit code."""
    name, text = re.search(r"jobs/(\w+)\.py (.*)", command).groups()  # type: ignore[union-attr]
    words = shlex.split(re.sub(r"\b(dr[34])/", rf"{folder}/\1/", text))
    monkeypatch.setattr(sys, "argv", [name, *words, *more])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / f"jobs/{name}.py"), run_name="__main__")
    return int(stop.value.code or 0)


def other_ids(ids: np.ndarray) -> np.ndarray:
    """Ids of the other release: neighbouring stars of a cell have changed places."""
    return np.asarray(ids) ^ 1


@pytest.fixture(scope="module")
def day(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what is there before the day: the old release, its run, the old list."""
    folder = tmp_path_factory.mktemp("day")
    for release in ("dr3", "dr4"):
        write_mock(
            spark, str(folder / "mock" / release), MockParameters(SOURCES, 4, 5, release=release)
        )
    (folder / "dr3").mkdir()
    old = folder / "mock/dr3"
    for file in (old / "mirror/dataset").rglob("*.parquet"):
        table = pq.ParquetFile(file).read()
        ids = pa.array(other_ids(table["source_id"].to_numpy()))
        place = table.schema.get_field_index("source_id")
        pq.write_table(table.set_column(place, "source_id", ids), file)
    members = pd.read_parquet(old / "members.parquet")
    members["source_id"] = other_ids(members["source_id"])
    members.to_parquet(folder / "dr3/members.parquet", index=False)
    settings = {
        "clusters": {"path": f"{old}/clusters.parquet"},
        "members": {"path": f"{folder}/dr3/members.parquet"},
        "isochrones": {"path": f"{old}/isochrones"},
        "membership": {"n_samples": 20},
    }
    (folder / "dr4").mkdir()
    (folder / "dr4/dr4_run.yaml").write_text(yaml.safe_dump(settings))
    run_full_catalogue(
        make_settings(
            {
                **settings,
                "mirror": {"path": f"{old}/mirror"},
                "output": {"path": f"{folder}/dr3/runs"},
            }
        ),
        spark,
    )
    neighbourhood(folder)
    return folder


def neighbourhood(folder: Path) -> None:
    """Write ESA's table of old and new ids; a listed star has got lost, two have become one."""
    files = sorted((folder / "mock/dr4/mirror/dataset").rglob("*.parquet"))
    new = np.concatenate([pq.ParquetFile(f).read(["source_id"])["source_id"] for f in files])
    old = other_ids(new)
    listed = pd.read_parquet(folder / "dr3/members.parquet")["source_id"].to_numpy()
    pairs = pd.DataFrame({"SOURCE_ID": new, "DR3_SOURCE_ID": old})
    pairs["ANGULAR_DISTANCE"], pairs["MAGNITUDE_DIFFERENCE"] = 1.0, 0.001
    pairs = pairs[pairs["DR3_SOURCE_ID"] != listed[0]]
    merged = pairs["DR3_SOURCE_ID"] == listed[1]
    pairs.loc[merged, "SOURCE_ID"] = other_ids(listed[2:3])[0]
    pairs.loc[merged, "ANGULAR_DISTANCE"] = 90.0
    pairs.to_parquet(folder / "dr4/dr3_neighbourhood.parquet", index=False)


def bulk_files(mirror: Path) -> dict[str, bytes]:
    """Return the mock's sources as gzipped ECSV files with their MD5 list, surprises and all."""
    files = sorted((mirror / "dataset").rglob("*.parquet"))
    table = pa.concat_tables(pq.ParquetFile(f).read() for f in files).drop(["_healpix_29"])
    table = table.append_column("ruwe", pa.array(np.linspace(0.9, 1.6, len(table)), pa.float32()))
    # DR3's column, back again, which is no sign of DR3 where the epoch is DR4's
    table = table.append_column("phot_bp_rp_excess_factor", pa.array(np.ones(len(table))))
    names = [NEW_NAME if n == "tentative_parallax_bias" else n for n in table.column_names]
    table = table.rename_columns([n.upper() if n == "source_id" else n for n in names])
    kinds = {"double": "float64", "float": "float32"}
    head = ["%ECSV 1.0", "---", "delimiter: ','", "datatype:"]
    for field in table.schema:
        kind = kinds.get(str(field.type), str(field.type))
        head += ["-", f"  name: {field.name}", f"  datatype: {kind}"]
    text = "".join(f"# {line}\n" for line in head)
    served, size = {}, -(-len(table) // N_FILES)
    for number in range(N_FILES):
        sink = pa.BufferOutputStream()
        csv.write_csv(
            table.slice(number * size, size), sink, csv.WriteOptions(quoting_style="none")
        )
        rows = re.sub(rb"(?<=,)(?=[,\n])", b"null", sink.getvalue().to_pybytes())
        name = f"GaiaSource_{number:06d}-{number + 1:06d}.ecsv.gz"
        served[name] = gzip.compress(text.encode() + rows, 1, mtime=0)
    lines = [f"{hashlib.md5(content).hexdigest()}  {name}\n" for name, content in served.items()]
    return {**served, "_MD5SUM.txt": "".join(lines).encode()}


@pytest.mark.slow
def test_the_plan_of_the_day(
    day: Path,
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    commands = iter(COMMANDS)
    release = yaml.safe_load((ROOT / "conf/releases/dr4.yaml").read_text())

    def step(expected: int, *more: str) -> str:
        command = next(commands)
        assert job(command, day, monkeypatch, *more) == expected, command
        said = capsys.readouterr()
        return said.out + said.err

    with serving() as server:
        # the folder answers before anything is there: that is no release
        place = f"/{release['bulk']['folder']}"
        server.files[f"{place}/index.html"] = b"soon"
        url = f"{server.url}{place}"
        command = COMMANDS[0]
        assert job(command, day, monkeypatch, "--server", url) == 2
        assert "without its list of files a release is not there yet" in capsys.readouterr().err
        for name, content in bulk_files(day / "mock/dr4/mirror").items():
            server.files[f"{place}/{name}"] = content

        assert "1 new files" in step(0, "--server", url)
        said = step(2)
        assert "MISSING    parallax_bias (tentative_parallax_bias)" in said
        assert f"like it: {NEW_NAME}" in said
        assert "renamed    source_id: SOURCE_ID" in said
        assert "FOREIGN    phot_bp_rp_excess_factor is dr3's; no matter" in said

        rows = json.loads((day / "mock/dr4/mock.json").read_text())["rows"]["mirror"]
        release["columns"]["parallax_bias"] = ["tentative_parallax_bias", NEW_NAME]
        release["bulk"] |= {"server": server.url}
        release |= {"name": "dr4final", "draft": False, "expected_rows": rows}
        (day / "dr4/dr4.yaml").write_text(yaml.safe_dump(release))
        assert f"ok         all {19} columns that dr4final needs" in step(0)
        assert f"{N_FILES - 1} new files" in step(0)
    step(0)
    said = step(0)
    assert "rank correlation of parallax_bias and DR3's recipe" in said and "FAILED" not in said

    with caplog.at_level("WARNING", "ocspark"):
        step(0)
    run = day / "dr4/runs" / (day / "dr4/runs/latest").read_text().strip()
    check_run(run, json.loads((run / "run.json").read_text()), caplog.text)
    step(0)
    step(0)
    step(0)
    assert (day / "dr4/report/index.html").is_file()
    differences = pd.read_parquet(day / "dr4/differences/clusters")
    assert len(differences) == 4 and differences["n_kept"].sum() > 100
    assert list(commands) == []


def check_run(run: Path, record: dict[str, Any], log: str) -> None:
    """What a run on the mock must tell."""
    assert record["members"]["ids_lost"] == 1 and record["members"]["ids_merged"] == 1
    assert "phot_bp_rp_excess_factor is not of this release" in log
    candidates = pd.read_parquet(run / "candidates")
    assert candidates["ruwe"].between(0.9, 1.6).all()
    assert set(pd.read_parquet(run / "clusters")["status"]) == {"done"}
