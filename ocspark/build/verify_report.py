"""The report of a mirror's verification: one entry per check, as JSON and as lines to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel

from ocspark.build.findings import MAX_EXAMPLES

Status = Literal["passed", "failed", "not applicable"]


class Check(BaseModel):
    """One check: what must hold, whether it does, numbers, and up to ten examples of faults."""

    name: str
    description: str
    status: Status
    counts: dict[str, int]
    examples: list[str]


class ColumnReport(BaseModel):
    """A column of the mirror: its Arrow type, its share of nulls and NaN, and its role.

    `needed` says that the release's column map names it; the others are extra.
    """

    name: str
    type: str
    null_fraction: float
    needed: bool


class ValueReport(BaseModel):
    """A fact about a mirror's values: as found, as expected of the release, whether they agree."""

    name: str
    found: str
    expected: str
    passed: bool


class Report(BaseModel):
    """All that was found about a mirror.

    `expected_rows` is None where any number was allowed; `inputs_sha256` stands for the mirror's
    files, what they were checked against, and the checks.
    """

    mirror: str
    release: str
    expected_rows: int | None
    rows: int
    files: int
    passed: bool
    checks: list[Check]
    columns: list[ColumnReport]
    values: list[ValueReport]
    seconds: float
    inputs_sha256: str = ""

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [check.name for check in self.checks if check.status == "failed"]


def make_check(
    name: str,
    description: str,
    examples: Iterable[str],
    faults: int | None = None,
    applies: bool = True,
    counts: Mapping[str, int] | None = None,
) -> Check:
    """Return a check that fails if there is a fault.

    Parameters
    ----------
    name, description : str
        The description says what must hold.
    examples : iterable of str
        Faults in words.
    faults : int, optional
        Their number, where `examples` are only some of them.
    applies : bool
        False for checks of a layout that the mirror does not have.
    counts : mapping, optional
        Further numbers to report.
    """
    shown = list(examples)
    n = len(shown) if faults is None else faults
    status: Status = "failed" if n else "passed"
    return Check(
        name=name,
        description=description,
        status=status if applies else "not applicable",
        counts={"faults": n, **(counts or {})},
        examples=shown[:MAX_EXAMPLES],
    )


def report_lines(report: Report) -> list[str]:
    """Return the report as lines: a row per check, examples below it, columns with nulls."""
    lines = [f"{report.mirror}: {report.rows:,} rows in {report.files:,} files"]
    for check in report.checks:
        mark = {"passed": "ok", "failed": "FAILED", "not applicable": "–"}[check.status]
        counts = ", ".join(f"{name} {n:,}" for name, n in check.counts.items())
        lines.append(f"{mark:<7}{check.name:<20}{check.description} ({counts})")
        lines += [f"{'':>9}{example}" for example in check.examples]
    if report.values:
        width = max(len(value.name) for value in report.values)
        lines.append(f"values:{'':<{width + 4}}{'found':>14}   expected")
    for value in report.values:
        mark = "ok" if value.passed else "FAILED"
        lines.append(f"{mark:<9}{value.name:<{width}}  {value.found:>14}   {value.expected}")
    lines.append("share of missing values, columns of the release:")
    for column in report.columns:
        if column.needed:
            lines.append(f"{'':>9}{column.name:<30}{column.type:<8}{column.null_fraction:>9.4%}")
    extra = [column.name for column in report.columns if not column.needed]
    if extra:
        more = ", …" if len(extra) > 20 else ""
        lines.append(f"{len(extra)} more columns: {', '.join(extra[:20])}{more}")
    return lines
