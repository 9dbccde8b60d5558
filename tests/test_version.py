"""The version is the same wherever it stands, and CITATION.cff has what its readers require."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

import ocspark

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_the_version_is_the_same_everywhere() -> None:
    changes = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert changes is not None
    assert PROJECT["version"] == ocspark.__version__ == CITATION["version"] == changes[1]
    assert CITATION["date-released"] == changes[2]
    texts = [path.read_text() for path in ROOT.glob("notebooks/*.ipynb")]
    wheels = re.findall(r"ocspark-([\d.]+)-py3-none-any\.whl", "".join(texts))
    assert wheels and set(wheels) == {PROJECT["version"]}


def test_citation_has_what_its_schema_requires() -> None:
    """Of the Citation File Format 1.2.0: https://doi.org/10.5281/zenodo.5171937."""
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(CITATION)
    assert CITATION["license"] == PROJECT["license"]
    for work in CITATION["references"]:
        assert {"type", "title", "authors"} <= set(work)
        assert re.fullmatch(r"10\.\d{4,9}/\S+", work["doi"])
    people = [
        *CITATION["authors"],
        *(a for work in CITATION["references"] for a in work["authors"]),
    ]
    assert all(set(who) in ({"name"}, {"family-names", "given-names"}) for who in people)
