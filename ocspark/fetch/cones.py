"""Cones of a Gaia archive as a small mirror: what the main job would find in the whole of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.build.build_mirror import build_mirror
from ocspark.build.build_output import BuildOptions
from ocspark.errors import InputError
from ocspark.fetch.client import Client
from ocspark.fetch.folder import FileToFetch, Folder
from ocspark.fetch.tap import TableService
from ocspark.fetch.votables import read_votable, to_arrow
from ocspark.release import ArchiveTable, Release, load_release
from ocspark.store.claim import Claim
from ocspark.tables.source_columns import matching

log = logging.getLogger("ocspark")

#: Largest radius of a cone where nobody has chosen one [deg]: 50 pc at 286 pc.
MAX_RADIUS_DEG = 10.0
#: What the folder of cones holds, beside the mirrors made of them.
RESULTS = "cones"
#: Added to every limit, so that rounding loses no source [deg, mas, mas/yr].
_PAD_DEG, _PAD = 1e-5, 1e-6
#: Between two queries [s].
PAUSE_S = 2.0


@dataclass(frozen=True)
class Archive:
    """An archive, and the folder in which its answers are kept.

    Attributes
    ----------
    client : Client
    release : str
        Name or file of the release whose sources are wanted.
    output : path or URI
        Folder of the cones that have come and the mirrors made of them.
    columns : sequence of str
        Columns to fetch besides those that the release needs.
    wait_s : float
        How long a query may take [s].
    """

    client: Client
    release: str
    output: str
    columns: Sequence[str] = ()
    wait_s: float = 7200.0

    def fetch_mirror(
        self, cones: pd.DataFrame, names: Sequence[str], spark: SparkSession | None = None
    ) -> str:
        """Fetch the cones that are not there yet, one after another, and make a mirror of all.

        Parameters
        ----------
        cones : DataFrame
            As `ocspark.selection.cones.make_cones` returns them.
        names : sequence of str
            Of their clusters.
        spark : SparkSession, optional

        Returns
        -------
        str
            Path of the mirror, a HATS catalogue; the same for the same cones.

        Raises
        ------
        InputError
            If the release has no archive, some cones could not be fetched (the others are kept),
            or none has a source.
        BusyError
            If another process fetches into the folder.
        """
        release = load_release(self.release)
        if release.archive is None:
            raise InputError(
                f"release {release.name}: its description has no section archive, so no cones can "
                "be fetched; expected a mirror"
            )
        service = TableService(self.client, release.archive.server.rstrip("/"), self.wait_s)
        queries = [
            cone_query(release, release.archive, cone, self.columns)
            for cone in cones.to_dict("records")
        ]
        log_bounded(cones, names)
        claim = Claim(self.output, {"holds": "cones of a Gaia archive"}, "cones of a Gaia archive")
        with claim.hold():
            folder = Folder(storage.join(self.output, RESULTS))
            wanted = [
                _wanted(service, query, name) for query, name in zip(queries, names, strict=True)
            ]
            folder.fetch(wanted, "cones")
            files = sorted({file.name for file in wanted})
            return self._make_mirror(files, release.columns["source_id"], spark)

    def _make_mirror(
        self, files: Sequence[str], source_id: Sequence[str], spark: SparkSession | None
    ) -> str:
        digest = _digest(" ".join(files))
        mirror = storage.join(self.output, f"mirror-{digest}")
        sources = storage.join(self.output, f"sources-{digest}.parquet")
        if not storage.exists(storage.join(mirror, "hats.properties")):
            paths = [storage.join(self.output, RESULTS, file) for file in files]
            if not write_distinct(paths, sources, source_id):
                raise InputError(
                    "the archive has no sources in the cones; expected values nearer to the "
                    "clusters'"
                )
            build_mirror(BuildOptions(sources, mirror, self.release, columns="all"), spark)
        storage.remove_file(sources)
        return mirror


def log_bounded(cones: pd.DataFrame, names: Sequence[str]) -> None:
    """Say which cones are smaller than they should be, as search.max_radius_deg bounds them."""
    for cone, name in zip(cones.to_dict("records"), names, strict=True):
        if cone["radius_bounded"]:
            log.info(
                "%s: its cone is bounded to %g degrees by search.max_radius_deg",
                name,
                cone["radius_deg"],
            )


def cone_query(
    release: Release, archive: ArchiveTable, cone: Mapping[Any, Any], columns: Sequence[str] = ()
) -> str:
    """Return the query, in ADQL, for the sources of a cone that pass its cuts.

    Parameters
    ----------
    release : Release
        Its needed columns are asked for, and no others but `columns`.
    archive : ArchiveTable
    cone : mapping
        A row of `ocspark.selection.cones.make_cones`: ra, dec, radius_deg [deg], parallax,
        parallax_limit [mas], pmra, pmdec, pm_limit [mas/yr].
    columns : sequence of str
        More columns of the archive's table.
    """
    wanted = [release.columns[name][0] for name in release.needed]
    wanted += [name for name in columns if name not in wanted]
    cuts = [
        f"{release.columns[name][0]} BETWEEN {cone[name] - limit - _PAD:.9f} "
        f"AND {cone[name] + limit + _PAD:.9f}"
        for name, limit in (
            ("parallax", cone["parallax_limit"]),
            ("pmra", cone["pm_limit"]),
            ("pmdec", cone["pm_limit"]),
        )
    ]
    ra, dec = release.columns["ra"][0], release.columns["dec"][0]
    circle = f"{cone['ra']:.9f}, {cone['dec']:.9f}, {cone['radius_deg'] + _PAD_DEG:.9f}"
    place = f"1 = CONTAINS(POINT('ICRS', {ra}, {dec}), CIRCLE('ICRS', {circle}))"
    return f"SELECT {', '.join(wanted)} FROM {archive.table} WHERE {' AND '.join([place, *cuts])}"


def _wanted(service: TableService, query: str, name: str) -> FileToFetch:
    """Return the result of a query as a Parquet file, named after the query."""
    origin = f"{service.server}: {query}"

    def bring(part: Path) -> None:
        if not part.with_name(part.name + ".job").exists():
            service.client.wait(PAUSE_S)
        service.fetch(query, part, name)
        try:
            rows = read_votable(part, f"{name}: {service.server}")
        except InputError as error:
            part.unlink()
            hint = "; expected a smaller search.max_radius_deg" if "OVERFLOW" in str(error) else ""
            raise InputError(f"{error}{hint}") from None
        finally:
            service.remove(part)
        log.info("%s: %d sources", name, len(rows))
        pq.write_table(to_arrow(rows), part)

    return FileToFetch(f"cone-{_digest(query)}.parquet", origin, bring)


def write_distinct(paths: Sequence[str], output: str, source_id: Sequence[str]) -> int:
    """Write the sources of some Parquet files, each once, as one file; return how many they are.

    Cones overlap, and no source may be in a mirror twice.

    Parameters
    ----------
    paths : sequence of str
    output : path or URI
        Not written if there is no source.
    source_id : sequence of str
        Spellings of the column of ids.
    """
    seen = np.empty(0, dtype=np.int64)
    tables = []
    for path in paths:
        filesystem, inner = storage.resolve(path)
        table = pq.read_table(inner, filesystem=filesystem)
        ids = table[matching(table.column_names, source_id)[0]].to_numpy()
        fresh = ~np.isin(ids, seen)
        tables.append(table.filter(pa.array(fresh)))
        seen = np.union1d(seen, ids)
    if len(seen):
        filled = [table for table in tables if len(table)]
        whole = pa.concat_tables(filled, promote_options="permissive")
        with storage.open_whole(output) as stream:
            pq.write_table(whole, stream)
    return len(seen)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
