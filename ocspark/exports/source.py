"""Define the source of an export: a table that is read as record batches, as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.errors import InputError
from ocspark.store.finished_run import FinishedRun
from ocspark.store.progress import Progress
from ocspark.tables.fields import STRING, Field, struct
from ocspark.tables.member_rule import MemberRule, are_members, describe_rules

#: Largest number of rows of a batch.
BATCH_ROWS = 50_000
#: A function called with the number of rows of a file after they have been yielded.
Watch = Callable[[int], None]

#: Column of members that names their cluster's rule (`ocspark.tables.member_rule`).
MEMBERS_BY = Field(
    "members_by", STRING, "", "Probability that makes it a member: posterior or votes"
)


@dataclass(frozen=True, kw_only=True)
class RowFilter:
    """The rows of a table to export.

    Attributes
    ----------
    members : bool
        Whether to take members only, by the rules of `ocspark.tables.member_rule`; a level implies
        it.
    min_posterior, min_probability : float, optional
        Least posterior or votes of members.
    bright, faint : float, optional
        Limits in G [mag].
    """

    members: bool = False
    min_posterior: float | None = None
    min_probability: float | None = None
    bright: float | None = None
    faint: float | None = None

    @property
    def only_members(self) -> bool:
        """Return whether only members are taken."""
        levels = (self.min_posterior, self.min_probability)
        return self.members or any(level is not None for level in levels)

    def columns(self) -> list[str]:
        """Return the columns that decide which rows are taken."""
        magnitude = self.bright is not None or self.faint is not None
        names = ["cluster", "posterior", "probability"] if self.only_members else []
        return names + (["phot_g_mean_mag"] if magnitude else [])

    def rules(self, run: FinishedRun) -> dict[str, MemberRule]:
        """Return the member rule of each cluster of a run; none if all candidates are taken."""
        if not self.only_members:
            return {}
        return run.member_rules(self.min_posterior, self.min_probability)

    def apply(self, batch: pa.RecordBatch, rules: Mapping[str, MemberRule]) -> pa.RecordBatch:
        """Return the rows to take; members get the column `MEMBERS_BY`.

        Parameters
        ----------
        batch : RecordBatch
            Rows with `columns`. A missing value fails its condition.
        rules : mapping
            From `rules`.
        """
        for limit, test in ((self.bright, pc.greater_equal), (self.faint, pc.less_equal)):
            if limit is not None:
                batch = batch.filter(test(batch["phot_g_mean_mag"], limit))
        if not rules:
            return batch
        are = are_members(pa.Table.from_batches([batch]), rules)
        batch = batch.filter(pa.array(are))
        names = batch["cluster"].dictionary_encode()
        by = pa.array([rules[name].members_by for name in names.dictionary.to_pylist()])
        return batch.append_column(MEMBERS_BY.name, by.cast(pa.string()).take(names.indices))


NO_FILTER = RowFilter()


@dataclass(frozen=True)
class Source:
    """A table to export.

    Attributes
    ----------
    name, title : str
        Name and one-line title.
    fields : sequence of Field
        Columns of the table.
    batches : callable
        Function that yields record batches, given the names of columns (None for all) and a `Watch`
        or None.
    facts : mapping
        Origin of the table: ``run_id``, ``model``, ``release``, ``release_number``, ``epoch``
        [Julian year] and, if only members are taken, the rule in words as ``members``.
    widths : mapping
        Widths [bytes] of text columns that do not depend on the data.
    header : mapping
        Further FITS keywords.
    """

    name: str
    title: str
    fields: Sequence[Field]
    batches: Callable[[Sequence[str] | None, Watch | None], Iterator[pa.RecordBatch]]
    facts: Mapping[str, Any]
    widths: Mapping[str, int] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> pa.Schema:
        """Schema of the batches."""
        return arrow_schema(self.fields)

    @property
    def provenance(self) -> dict[str, str]:
        """The origin that is written in files: run, release, model and rule of members."""
        names = ("run_id", "release", "model", "members")
        return {name: str(self.facts[name]) for name in names if name in self.facts}


@dataclass(frozen=True)
class Measure:
    """Sizes of a source.

    Attributes
    ----------
    rows : int
        Number of rows.
    widths : mapping
        Length of the longest text of each text column [bytes of UTF-8].
    not_ascii : mapping
        A text that is not ASCII, of each column that has one.
    """

    rows: int
    widths: Mapping[str, int]
    not_ascii: Mapping[str, str]


def arrow_schema(fields: Sequence[Field]) -> pa.Schema:
    """Return the Arrow schema of fields."""
    return to_arrow_schema(struct(list(fields)))


def run_facts(run: FinishedRun) -> dict[str, Any]:
    """Return the origin of an export; see `Source.facts`.

    Raises
    ------
    InputError
        If run.json is not a run's.
    """
    release = run.release
    try:
        run_id, model = run.record["run_id"], run.record["model"]["name"]
    except (KeyError, TypeError) as error:
        raise InputError(f"--run: {run.path}/run.json: has no {error}; expected a run's") from None
    return {
        "run_id": run_id,
        "model": model,
        "release": release.name,
        "release_number": release.number,
        "epoch": release.epoch,
    }


def run_table(run: FinishedRun, table: str, rows: RowFilter = NO_FILTER) -> Source:
    """Return a table of a run as a source.

    Parameters
    ----------
    run : FinishedRun
        The run.
    table : str
        Name of the table.
    rows : RowFilter
        Rows to take.

    Raises
    ------
    InputError
        If the run has no such table, or the table lacks a column.
    """
    columns = run.fields(table)
    lacking = [name for name in rows.columns() if name not in {f.name for f in columns}]
    if lacking:
        raise InputError(
            f"--table {table}: has no column {lacking[0]} to select rows by; expected candidates"
        )
    files, facts = run.data_files(table), run_facts(run)
    rules = rows.rules(run)
    fields, title = columns, f"{table.replace('_', ' ').capitalize()} of open clusters"
    if rules:
        fields, title = [*columns, MEMBERS_BY], "Members of open clusters"
        facts["members"] = describe_rules(rules)

    def batches(
        names: Sequence[str] | None = None, watch: Watch | None = None
    ) -> Iterator[pa.RecordBatch]:
        schema = arrow_schema([f for f in fields if names is None or f.name in names])
        read = [f.name for f in columns if f.name in {*schema.names, *rows.columns()}]
        for file in files:
            n_rows = 0
            for batch in _read(file, read):
                n_rows += batch.num_rows
                taken = rows.apply(batch, rules)
                if taken.num_rows:
                    yield taken.select(schema.names).cast(schema)
            if watch is not None:
                watch(n_rows)

    return Source(table, title, fields, batches, {**facts, "n_files": len(files)})


def _read(file: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file of a run."""
    filesystem, inner = storage.resolve(file)
    try:
        with pq.ParquetFile(inner, filesystem=filesystem) as parquet:
            yield from parquet.iter_batches(BATCH_ROWS, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"--run: {file}: cannot be read: {error}") from None


def measure(source: Source) -> Measure:
    """Count the rows of a source and measure its texts, in one pass over its text columns."""
    texts = [f.name for f in source.fields if pa.types.is_string(source.schema.field(f.name).type)]
    rows, widths, not_ascii = 0, dict.fromkeys(texts, 1), dict[str, str]()
    for batch in source.batches(texts or [source.fields[0].name], None):
        rows += batch.num_rows
        for name in texts:
            column = batch[name].dictionary_encode().dictionary
            widths[name] = max(widths[name], pc.max(pc.binary_length(column)).as_py() or 0)
            strange = column.filter(pc.invert(pc.string_is_ascii(column)))
            if len(strange):
                not_ascii[name] = strange[0].as_py()
    return Measure(rows, {**widths, **source.widths}, not_ascii)


def require_ascii(measured: Measure, kind: str) -> None:
    """Refuse texts that are not ASCII.

    Parameters
    ----------
    measured : Measure
        Sizes of the source.
    kind : str
        Format of the file, for the error.

    Raises
    ------
    InputError
        Names the column and the text.
    """
    for name, text in measured.not_ascii.items():
        raise InputError(
            f"--format {kind}: {name} {text!r} is not ASCII, as this format needs; "
            "expected votable, ecsv, csv or hats"
        )


def watch_files(source: Source) -> Watch | None:
    """Return a function that reports the progress of writing, None if the files are not known."""
    n_files = source.facts.get("n_files")
    if not n_files:
        return None
    progress = Progress(f"export {source.name}", n_files, None, "files")
    return lambda rows: progress.done(rows, reused=False)
