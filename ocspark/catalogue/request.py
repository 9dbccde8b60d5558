"""Prepare a run of the main job: inputs, id, directory, and the earlier run to copy from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyspark.sql import SparkSession

from ocspark import locations, storage
from ocspark.catalogue.dependence import STAGES, Dependence, depends_on
from ocspark.catalogue.fingerprint import default_run_id, fingerprint_run
from ocspark.catalogue.inputs import RunInputs, read_inputs
from ocspark.catalogue.reuse import BaseRun, Reuse, decide_reuse, open_base
from ocspark.errors import InputError
from ocspark.locations import is_table
from ocspark.membership.evaluate import expected_device
from ocspark.settings import OutputSettings, Settings
from ocspark.store.catalogue_tables import CatalogueTables
from ocspark.store.claim import Claim
from ocspark.store.finished_run import RECORD
from ocspark.store.folder import RunFolder
from ocspark.tables.run_tables import RESULT_TABLES

#: File in a run's directory with the id of the run that it copies from, so that a resumed run uses
#: the same one.
BASE = "_base"


@dataclass(frozen=True)
class Request:
    """A run that has not begun yet.

    Attributes
    ----------
    inputs : RunInputs
        Inputs of the run.
    fingerprint : dict
        Fingerprint from `fingerprint_run`.
    run_id : str
        Id of the run.
    root : str
        Folder of all runs.
    catalogue : CatalogueTables or None
        Tables of a catalogue to which the finished tables are written as well.
    overlay : str or None
        Files that are searched in addition to the mirror's; see `open_mirror`.
    """

    inputs: RunInputs
    fingerprint: dict[str, Any]
    run_id: str
    root: str
    catalogue: CatalogueTables | None
    overlay: str | None = None

    @cached_property
    def run(self) -> RunFolder:
        """Directory of the run."""
        return RunFolder(storage.join(self.root, self.run_id))

    @property
    def claim(self) -> Claim:
        """Claim on the directory of the run."""
        expected = "another run_id, or none"
        return Claim(self.run.root, self.fingerprint, "a run", "output.run_id", expected)

    @cached_property
    def tables(self) -> list[str]:
        """Tables that the stages of the run write."""
        wanted = [table for stage in STAGES for table in stage.tables]
        if not self.inputs.settings.output.non_members:
            wanted.remove("non_members")
        return wanted

    def finished(self) -> dict[str, Any] | None:
        """Return run.json if the run is finished.

        Raises
        ------
        InputError
            If the directory belongs to another run.
        """
        self.claim.check()
        record = storage.read_json(self.run.path(RECORD))
        return record if isinstance(record, dict) else None

    def dependence(self, spark: SparkSession) -> Dependence:
        """Return what each cluster's rows depend on, with the device of this session."""
        device = expected_device(self.inputs.settings.membership.device, spark)
        return depends_on(self.inputs, device)

    def base(self) -> BaseRun | None:
        """Return the run to copy from; a resumed run keeps the one that it began with."""
        wanted = self.inputs.settings.output.base
        began = self.run.path(BASE)
        if wanted == "latest" and storage.exists(began):
            wanted = storage.read_text(began).strip() or None
            if wanted and not storage.exists(storage.join(self.root, wanted, RECORD)):
                wanted = "latest"
        return open_base(self.root, wanted, self.run_id)

    def reuse(self, base: BaseRun | None, now: Dependence, damaged: frozenset[str]) -> Reuse:
        """Return which clusters are computed again; see `decide_reuse`."""
        return decide_reuse(base, now, self.tables, damaged)


def open_request(
    settings: Settings, spark: SparkSession | None, overlay: str | None = None
) -> Request:
    """Read and check all inputs of a run, and return it; nothing is written.

    Parameters
    ----------
    settings : Settings
        Settings of the run.
    spark : SparkSession or None
        Used if the mirror is a Spark table; by default the active one, or a new one.
    overlay : str, optional
        Files that are searched in addition to the mirror's; see `open_mirror`.

    Raises
    ------
    InputError
        For anything wrong with settings or inputs.
    """
    if settings.storage:
        locations.configure(settings.storage)
    root, catalogue = _output(settings.output)
    inputs = read_inputs(settings, spark, overlay)
    fingerprint = fingerprint_run(inputs.settings, inputs.release, inputs.network, inputs.files)
    run_id = settings.output.run_id or default_run_id(fingerprint)
    return Request(inputs, fingerprint, run_id, root, catalogue, overlay)


def catalogue_tables(request: Request) -> list[str]:
    """Return the tables that a run writes to a catalogue."""
    return [table for table in RESULT_TABLES if table in request.tables or table == "clusters"]


def _output(output: OutputSettings) -> tuple[str, CatalogueTables | None]:
    if not is_table(output.path):
        if output.work is not None:
            raise InputError("output.work: expected only where output.path is table:…")
        return output.path, None
    if output.work is None:
        raise InputError(
            f"output.work: expected a folder for the run's files, as output.path is {output.path}"
        )
    return output.work, CatalogueTables.parse(output.path)
