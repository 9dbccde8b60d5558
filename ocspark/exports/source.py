"""What exports read: a table as record batches, over and over, never all of it at once."""

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

BATCH_ROWS = 50_000
#: Called with a file's rows when all of them have been handed on.
Watch = Callable[[int], None]


#: Column of rows that are members: by what, as `ocspark.tables.member_rule` has it.
MEMBERS_BY = Field("members_by", STRING, "", "What tells it a member: posterior or votes")


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """Which rows to take.

    Attributes
    ----------
    members : bool
        Members only, as `ocspark.tables.member_rule` has them; so also if a level is given.
    min_posterior, min_probability : float, optional
        Least posterior or votes of a member.
    bright, faint : float, optional
        G of the brightest and the faintest star [mag].
    """

    members: bool = False
    min_posterior: float | None = None
    min_probability: float | None = None
    bright: float | None = None
    faint: float | None = None

    @property
    def only_members(self) -> bool:
        """Whether candidates that are no members are left out."""
        levels = (self.min_posterior, self.min_probability)
        return self.members or any(level is not None for level in levels)

    def columns(self) -> list[str]:
        """Return the columns that the cuts look at."""
        magnitude = self.bright is not None or self.faint is not None
        names = ["cluster", "posterior", "probability"] if self.only_members else []
        return names + (["phot_g_mean_mag"] if magnitude else [])

    def rules(self, run: FinishedRun) -> dict[str, MemberRule]:
        """Return the rules for a run's members, none if all candidates are taken."""
        if not self.only_members:
            return {}
        return run.member_rules(self.min_posterior, self.min_probability)

    def apply(self, batch: pa.RecordBatch, rules: Mapping[str, MemberRule]) -> pa.RecordBatch:
        """Return the rows that pass, members with `MEMBERS_BY`; a missing value does not."""
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


NO_CUTS = Cuts()


@dataclass(frozen=True)
class Source:
    """A table to export.

    Attributes
    ----------
    name, title : str
        Its name, and what it is in a line.
    fields : sequence of Field
    batches : callable
        Given column names (None: all) and a `Watch` or None, yields record batches of them.
    facts : mapping
        What to say about where it comes from: ``run_id``, ``model``, ``release``,
        ``release_number``, ``epoch`` [yr]; and in words what is taken, as ``members``.
    widths : mapping
        Bytes of text columns whose width is not for the data to decide.
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
        """The batches' schema."""
        return arrow_schema(self.fields)

    @property
    def provenance(self) -> dict[str, str]:
        """What files say of where they come from: run, release, model, and which members."""
        told = ("run_id", "release", "model", "members")
        return {name: str(self.facts[name]) for name in told if name in self.facts}


@dataclass(frozen=True)
class Measure:
    """Rows of a source; bytes (UTF-8) of the longest text by column; texts that are not ASCII."""

    rows: int
    widths: Mapping[str, int]
    not_ascii: Mapping[str, str]


def arrow_schema(fields: Sequence[Field]) -> pa.Schema:
    """Return the Arrow schema of some fields."""
    return to_arrow_schema(struct(list(fields)))


def run_facts(run: FinishedRun) -> dict[str, Any]:
    """Return what an export says about the run it comes from."""
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


def run_table(run: FinishedRun, table: str, cuts: Cuts = NO_CUTS) -> Source:
    """Return a table of a run as a source.

    Raises
    ------
    InputError
        If the run has no such table, or it lacks a column of today's.
    """
    columns = run.fields(table)
    lacking = [name for name in cuts.columns() if name not in {f.name for f in columns}]
    if lacking:
        raise InputError(f"--table {table}: has no {lacking[0]} to cut at; expected candidates")
    files, facts = run.data_files(table), run_facts(run)
    rules = cuts.rules(run)
    fields, title = columns, f"{table.replace('_', ' ').capitalize()} of open clusters"
    if rules:
        fields, title = [*columns, MEMBERS_BY], "Members of open clusters"
        facts["members"] = describe_rules(rules)

    def batches(
        names: Sequence[str] | None = None, watch: Watch | None = None
    ) -> Iterator[pa.RecordBatch]:
        schema = arrow_schema([f for f in fields if names is None or f.name in names])
        read = [f.name for f in columns if f.name in {*schema.names, *cuts.columns()}]
        for file in files:
            n_rows = 0
            for batch in _read(file, read):
                n_rows += batch.num_rows
                rows = cuts.apply(batch, rules)
                if rows.num_rows:
                    yield rows.select(schema.names).cast(schema)
            if watch is not None:
                watch(n_rows)

    return Source(table, title, fields, batches, {**facts, "n_files": len(files)})


def _read(file: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    filesystem, inner = storage.resolve(file)
    try:
        with pq.ParquetFile(inner, filesystem=filesystem) as parquet:
            yield from parquet.iter_batches(BATCH_ROWS, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"--run: {file}: cannot be read: {error}") from None


def measure(source: Source) -> Measure:
    """Count a source's rows and find how wide its texts are, in one pass over its text columns."""
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
    """Refuse texts that a kind of file cannot hold.

    Raises
    ------
    InputError
    """
    for name, text in measured.not_ascii.items():
        raise InputError(
            f"--format {kind}: {name} {text!r} is not ASCII, which is all that this format holds; "
            "expected votable, ecsv, csv or hats"
        )


def watch_files(source: Source) -> Watch | None:
    """Return what reports the progress of the pass that writes."""
    n_files = source.facts.get("n_files")
    if not n_files:
        return None
    progress = Progress(f"export {source.name}", n_files, None, "files")
    return lambda rows: progress.done(rows, reused=False)
