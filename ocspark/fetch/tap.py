"""Queries of a table service (IVOA TAP 1.1): a job is sent, waited for, and its result fetched.

The protocol of jobs (UWS 1.1) is spoken directly: astroquery's client of it knows no time-outs and
does not try again.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from ocspark.errors import InputError
from ocspark.fetch.client import Client, NotThere, plain_text

log = logging.getLogger("ocspark")

#: Phases in which a job may still end well.
_RUNNING = ("PENDING", "QUEUED", "EXECUTING", "HELD", "SUSPENDED")
#: First and longest wait between two questions after a job [s]; each is longer than the last.
_FIRST_WAIT_S, _LONGEST_WAIT_S, _GROWTH = 1.0, 30.0, 1.5


@dataclass(frozen=True)
class TableService:
    """A TAP service.

    Attributes
    ----------
    client : Client
    server : str
        Address, such as ``https://gea.esac.esa.int/tap-server/tap``.
    wait_s : float
        How long a job may take [s].
    """

    client: Client
    server: str
    wait_s: float = 7200.0

    def fetch(self, query: str, part: Path, what: str) -> None:
        """Do a query and write its result, a VOTable, to a file.

        If an earlier call with the same `part` has sent the query, its job is waited for.

        Parameters
        ----------
        query : str
            In ADQL.
        part : Path
            Where the result is written; the job's address is noted beside it.
        what : str
            What the query is for, for the log and errors.

        Raises
        ------
        InputError
            If the service refuses the query, fails, does not answer, or is not done in time.
        """
        note = part.with_name(part.name + ".job")
        job = self._noted(note, query)
        if job is None:
            job = self._send(query)
            note.write_text(json.dumps({"job": job, "query": query}))
        try:
            self._wait(job, note, what)
            self.client.download(f"{job}/results/result", part)
        except NotThere as error:
            note.unlink(missing_ok=True)  # results are kept for some days only
            raise InputError(f"{what}: {error} (the same command sends the query again)") from None

    def remove(self, part: Path) -> None:
        """Remove from the server the job whose result has come to `part`, if it still knows it."""
        note = part.with_name(part.name + ".job")
        if note.exists():
            job = json.loads(note.read_text())["job"]
            note.unlink()
            try:
                self.client.delete(job)
            except InputError as error:
                log.info("%s", error)

    def _noted(self, note: Path, query: str) -> str | None:
        """Return the job of an earlier call for the same query, if the server still has it."""
        try:
            known = json.loads(note.read_text())
            if known["query"] != query:
                return None
            self.client.read(f"{known['job']}/phase")
            return str(known["job"])
        except (OSError, ValueError, KeyError, NotThere):
            return None

    def _send(self, query: str) -> str:
        form = {"REQUEST": "doQuery", "LANG": "ADQL", "FORMAT": "votable", "PHASE": "RUN"}
        return self.client.submit(f"{self.server}/async", [*form.items(), ("QUERY", query)])

    def _wait(self, job: str, note: Path, what: str) -> None:
        """Wait until a job has ended well."""
        waited, wait, before = 0.0, _FIRST_WAIT_S, ""
        while (phase := self._phase(job)) in _RUNNING:
            if phase in ("PENDING", "HELD"):
                self.client.read(f"{job}/phase", [("PHASE", "RUN")])
            if phase != before:
                log.info("%s: the query is %s", what, phase.lower())
            if waited >= self.wait_s:
                raise InputError(
                    f"{what}: the query is still {phase} after {waited / 60:.0f} minutes ({job}); "
                    "the same command goes on waiting for it"
                )
            self.client.wait(wait)
            waited, wait, before = waited + wait, min(wait * _GROWTH, _LONGEST_WAIT_S), phase
        if phase == "COMPLETED":
            return
        note.unlink(missing_ok=True)
        said = self._error(job) if phase == "ERROR" else ""
        raise InputError(f"{what}: the query ended as {phase}{said} ({job})")

    def _phase(self, job: str) -> str:
        return self.client.read(f"{job}/phase").decode("utf-8", "replace").strip().upper()

    def _error(self, job: str) -> str:
        try:
            page = self.client.read(f"{job}/error").decode("utf-8", "replace")
        except InputError:
            return ""
        return f": {plain_text(page)}"
