"""The BibTeX that a report offers."""

from __future__ import annotations

import re

import pytest

from ocspark.reports.citation import bibtex


def parse(text: str) -> dict[str, dict[str, str]]:
    """Entries of a BibTeX file by key; fails on unbalanced braces and on fields without commas."""
    entries = {}
    rest = text.strip()
    while rest:
        head = re.match(r"@(\w+)\{(\w+),\s*", rest)
        assert head is not None, rest[:40]
        rest, fields = rest[head.end() :], {}
        while not rest.startswith("}"):
            name = re.match(r"(\w+)\s*=\s*\{", rest)
            assert name is not None, rest[:40]
            depth, end = 1, name.end()
            while depth:
                depth += {"{": 1, "}": -1}.get(rest[end], 0)
                end += 1
            fields[name.group(1)] = rest[name.end() : end - 1]
            comma = re.match(r",\s*", rest[end:])
            assert comma is not None, rest[end : end + 40]
            rest = rest[end + comma.end() :]
        assert head.group(2) not in entries
        entries[head.group(2)] = fields
        rest = rest[1:].strip()
    return entries


@pytest.mark.parametrize(("release", "year"), [("dr3", "2023"), ("edr3", "2021"), ("dr2", "2018")])
def test_it_parses_and_names_method_mission_release_and_run(release: str, year: str) -> None:
    packages = {"packages": {"ocspark": "9.8"}}
    record = {"release": release, "run_id": "my_run", "environment": packages}
    entries = parse(bibtex(record))
    assert entries["vanGroeningen2023"]["doi"] == "10.1051/0004-6361/202345952"
    assert entries["GaiaCollaboration2016"]["doi"] == "10.1051/0004-6361/201629272"
    assert entries[f"GaiaCollaboration{year}"]["year"] == year
    assert entries["ocspark"]["note"] == r"run my\_run" and "9.8" in str(entries["ocspark"])
    assert len(parse(bibtex({**record, "release": "mine"}))) == 3
