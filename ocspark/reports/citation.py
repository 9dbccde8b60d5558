"""What to cite when results of a run are used, as BibTeX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_METHOD = """@article{vanGroeningen2023,
  author = {van Groeningen, M. G. J. and Castro-Ginard, A. and Brown, A. G. A. and
            Casamiquela, L. and Jordi, C.},
  title = {A machine learning-based tool for open cluster membership determination in {Gaia} {DR3}},
  journal = {Astronomy and Astrophysics},
  year = {2023},
  volume = {675},
  eid = {A68},
  doi = {10.1051/0004-6361/202345952},
}
"""
_MISSION = """@article{GaiaCollaboration2016,
  author = {{Gaia Collaboration} and Prusti, T. and de Bruijne, J. H. J. and others},
  title = {The {Gaia} mission},
  journal = {Astronomy and Astrophysics},
  year = {2016},
  volume = {595},
  eid = {A1},
  doi = {10.1051/0004-6361/201629272},
}
"""
#: A release's own paper: first named author, title, year, volume, DOI.
_RELEASES = {
    "dr2": (
        "Brown, A. G. A.",
        "{Gaia} Data Release 2: Summary of the contents and survey properties",
        "2018",
        "616",
        "10.1051/0004-6361/201833051",
    ),
    "edr3": (
        "Brown, A. G. A.",
        "{Gaia} Early Data Release 3: Summary of the contents and survey properties",
        "2021",
        "649",
        "10.1051/0004-6361/202039657",
    ),
    "dr3": (
        "Vallenari, A.",
        "{Gaia} Data Release 3: Summary of the content and survey properties",
        "2023",
        "674",
        "10.1051/0004-6361/202243940",
    ),
}


def bibtex(record: Mapping[str, Any]) -> str:
    """Return the entries to cite: the method, Gaia, the release if it has a paper, the program.

    Parameters
    ----------
    record : mapping
        A run's run.json.
    """
    entries = [_METHOD, _MISSION]
    if record["release"] in _RELEASES:
        author, title, year, volume, doi = _RELEASES[record["release"]]
        entries.append(
            f"@article{{GaiaCollaboration{year},\n"
            f"  author = {{{{Gaia Collaboration}} and {author} and others}},\n"
            f"  title = {{{title}}},\n"
            f"  journal = {{Astronomy and Astrophysics}},\n"
            f"  year = {{{year}}},\n  volume = {{{volume}}},\n  eid = {{A1}},\n"
            f"  doi = {{{doi}}},\n}}\n"
        )
    version = record["environment"]["packages"]["ocspark"]
    run_id = str(record["run_id"]).replace("_", r"\_")
    entries.append(
        "@misc{ocspark,\n  author = {{The ocspark developers}},\n"
        "  title = {ocspark: members of open clusters from the whole {Gaia} catalogue},\n"
        f"  howpublished = {{version {version}}},\n  note = {{run {run_id}}},\n}}\n"
    )
    return "\n".join(entries)
