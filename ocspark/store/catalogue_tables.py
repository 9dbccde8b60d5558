"""``output.path: table:CATALOG.SCHEMA.PREFIX``: a finished run's tables in the session's catalogue.

Each table of a run becomes ``PREFIX_<table>``, of the session's default format (Delta on
Databricks, Parquet elsewhere). A run replaces its own rows and no others: those with its run_id,
by which Delta tables are clustered and others partitioned. ``PREFIX_runs`` gets its row last, with
run.json, so a run that is named there is whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.errors import InputError
from ocspark.locations import TABLE_PREFIX
from ocspark.store.folder import RunFolder
from ocspark.store.table_version import default_format, table_format
from ocspark.tables.candidates import carried_fields
from ocspark.tables.clusters import RUNS
from ocspark.tables.fields import STRING, Field, struct
from ocspark.tables.run_tables import RESULT_TABLES, fields_of

_RUN_ID = Field("run_id", STRING, "", "Run that wrote the row")
_PART = r"`(?:[^`]|``)+`|[^.`]+"
_NAME = re.compile(rf"(?:{_PART})(?:\.(?:{_PART})){{0,2}}")


@dataclass(frozen=True)
class CatalogueTables:
    """The tables that have a prefix in a schema.

    Attributes
    ----------
    schema : tuple of str
        Catalogue and schema, schema alone, or nothing for the session's own.
    prefix : str
    """

    schema: tuple[str, ...]
    prefix: str

    @staticmethod
    def parse(path: str, option: str = "output.path") -> CatalogueTables:
        """Return what ``table:CATALOG.SCHEMA.PREFIX`` names; parts may stand in backticks.

        Parameters
        ----------
        path : str
        option : str
            Its name in errors.

        Raises
        ------
        InputError
            If it is no such name.
        """
        text = path.removeprefix(TABLE_PREFIX)
        parts = [
            part[1:-1].replace("``", "`") if part.startswith("`") else part
            for part in re.findall(_PART, text)
        ]
        if not _NAME.fullmatch(text) or not all(part.strip() for part in parts):
            raise InputError(f"{option}: {path}: expected table:CATALOG.SCHEMA.PREFIX")
        return CatalogueTables(tuple(parts[:-1]), parts[-1])

    def name(self, table: str) -> str:
        """Return the quoted name of one table, as SQL takes it."""
        return ".".join(_quoted(part) for part in (*self.schema, f"{self.prefix}_{table}"))

    def check(self, spark: SparkSession, tables: list[str], carried: Sequence[Field] = ()) -> None:
        """Check now that the tables can be written at the end of a run.

        Parameters
        ----------
        spark : SparkSession
        tables : list of str
        carried : sequence of Field
            Columns of the mirror that candidates have.

        Raises
        ------
        InputError
            If the schema is not there, or a table has other columns.
        """
        try:
            if self.schema:
                where = ".".join(map(_quoted, self.schema))
                spark.sql(f"DESCRIBE SCHEMA {where}").collect()
            for table in [*tables, "runs"]:
                if not spark.catalog.tableExists(self.name(table)):
                    continue
                fields = RUNS if table == "runs" else [*fields_of(table, carried), _RUN_ID]
                there, wanted = spark.table(self.name(table)).columns, [f.name for f in fields]
                if sorted(there) != sorted(wanted):
                    odd = sorted(set(there) ^ set(wanted)) or there
                    raise InputError(
                        f"output.path: {self.name(table)}: has or lacks column {odd[0]}; expected "
                        "the columns of this version (another prefix makes new tables)"
                    )
        except AnalysisException as error:
            raise InputError(f"output.path: {str(error).splitlines()[0]}") from None

    def publish(self, spark: SparkSession, run: RunFolder, record: Mapping[str, Any]) -> None:
        """Write a run's tables, in place of what an earlier attempt wrote of it, and its row last.

        Parameters
        ----------
        spark : SparkSession
        run : RunFolder
            All its tables are written.
        record : mapping
            The content of run.json.
        """
        run_id = record["run_id"]
        carried = carried_fields(record)
        for table in RESULT_TABLES:
            fields = fields_of(table, carried)
            if storage.list_files(run.path(table)):
                self._replace(spark, table, run.read(spark, table, fields), fields, run_id)
        own = [f for f in RUNS if f.name != "run_id"]
        row = spark.createDataFrame([(record["finished"], json.dumps(record))], struct(own))
        self._replace(spark, "runs", row, own, run_id)

    def newest_record(self, spark: SparkSession, option: str) -> str:
        """Return run.json of the run that ended last.

        Parameters
        ----------
        spark : SparkSession
        option : str
            Its name in errors.

        Raises
        ------
        InputError
            If there is none.
        """
        try:
            row = spark.table(self.name("runs")).orderBy(F.desc("finished")).first()
        except AnalysisException as error:
            raise InputError(f"{option}: {str(error).splitlines()[0]}") from None
        if row is None:
            raise InputError(f"{option}: {self.name('runs')}: no run; expected a finished one")
        return str(row["record"])

    def read(
        self, spark: SparkSession, table: str, fields: Sequence[Field], run_id: str
    ) -> DataFrame:
        """Return a run's rows of a table."""
        rows = spark.table(self.name(table)).where(F.col("run_id") == run_id)
        return rows.select([F.col(_quoted(field.name)) for field in fields])

    def _replace(
        self, spark: SparkSession, table: str, rows: DataFrame, fields: list[Field], run_id: str
    ) -> None:
        name, view = self.name(table), f"ocspark_{uuid4().hex}"
        if not spark.catalog.tableExists(name):
            spark.sql(_create(name, fields, default_format(spark)))
        own = f"run_id = {_text(run_id)}"
        columns, insert = spark.table(name).columns, f"INSERT INTO {name} REPLACE WHERE {own}"
        if table_format(spark, name) != "delta":
            # a static partition: without it Parquet would lose the rows of all other runs
            insert = f"INSERT OVERWRITE TABLE {name} PARTITION ({own})"
            columns.remove("run_id")
        rows = rows.withColumn("run_id", F.lit(run_id))
        rows.select([F.col(_quoted(c)) for c in columns]).createOrReplaceTempView(view)
        try:
            spark.sql(f"{insert} SELECT * FROM {view}").collect()
        finally:
            spark.catalog.dropTempView(view)


def _create(name: str, fields: Sequence[Field], table_format: str) -> str:
    """Return the statement that creates a table of the catalogue.

    Delta has statistics of a table's first columns only, and clusters by such columns.
    """
    if table_format == "delta":
        columns = ", ".join(map(_column, [_RUN_ID, *fields]))
        keys = ", ".join(["run_id", *(f.name for f in fields if f.name == "cluster")])
        return f"CREATE TABLE IF NOT EXISTS {name} ({columns}) USING delta CLUSTER BY ({keys})"
    columns = ", ".join(map(_column, [*fields, _RUN_ID]))
    return f"CREATE TABLE IF NOT EXISTS {name} ({columns}) PARTITIONED BY (run_id)"


def _column(field: Field) -> str:
    comment = f"{field.description} [{field.unit}]" if field.unit else field.description
    return f"{_quoted(field.name)} {field.type.simpleString()} COMMENT {_text(comment)}"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
