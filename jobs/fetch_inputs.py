"""Fetch inputs from the servers that have them.

Example:
    python jobs/fetch_inputs.py catalogue cantat_gaudin_2020 --output inputs

Each KIND has a --help of its own. Files that are there already are not fetched again.
"""

from __future__ import annotations

import argparse

from ocspark import cli
from ocspark.errors import InputError
from ocspark.fetch import bulk, isochrones, vizier
from ocspark.fetch.client import Client
from ocspark.fetch.folder import Folder
from ocspark.fetch.hats import fetch_hats
from ocspark.release import load_release


def main() -> int:
    """Fetch and say how many files came."""
    parser = cli.Parser(description=__doc__, shows_results=False)
    kinds = parser.add_subparsers(
        dest="kind", required=True, metavar="KIND", parser_class=cli.Parser
    )
    names = ", ".join(vizier.TABLES)
    catalogue = _kind(kinds, "catalogue", "cluster tables and member lists of VizieR")
    catalogue.add_argument("names", nargs="+", metavar="NAME", help=f"{names}, or VizieR's name")
    catalogue.add_argument("--server", default=vizier.SERVER, metavar="URL", help="server to ask")
    curves = _kind(kinds, "isochrones", "PARSEC isochrones of the CMD form")
    curves.add_argument(
        "--metallicity",
        type=float,
        nargs="+",
        required=True,
        metavar="Z",
        help="mass fractions of metals",
    )
    curves.add_argument(
        "--log-age",
        type=float,
        nargs=3,
        default=(6.6, 10.1, 0.05),
        metavar=("FIRST", "LAST", "STEP"),
        help="grid of log10 of the age in years",
    )
    curves.add_argument("--server", default=isochrones.SERVER, metavar="URL", help="server to ask")
    files = _kind(kinds, "bulk", "ESA's files of a release")
    files.add_argument("--release", required=True, metavar="R", help="such as dr3, or a YAML file")
    files.add_argument(
        "--files", metavar="PATTERN", help="names of the files to fetch; the release's if not given"
    )
    files.add_argument(
        "--server", metavar="URL", help="server and folder; the release's if not given"
    )
    hats = _kind(kinds, "hats", "a public HATS catalogue")
    hats.add_argument(
        "--from", required=True, dest="source", metavar="URL", help="http, https or s3 address"
    )
    for many in (files, hats):
        many.add_argument(
            "--connections", type=int, default=2, metavar="N", help="files at once, 1 to 8"
        )
    options = parser.parse_args()
    came = _fetch(options, Client())
    cli.show_results(
        options,
        {"path": options.output, "new_files": came},
        [f"[ocspark] {came} new files in {options.output}"],
    )
    return 0


def _kind(kinds: argparse._SubParsersAction, name: str, help_text: str) -> argparse.ArgumentParser:
    kind: argparse.ArgumentParser = kinds.add_parser(
        name, help=help_text, description=f"Fetch {help_text}."
    )
    kind.add_argument("--output", required=True, metavar="DIR", help="folder to fill")
    return kind


def _fetch(options: argparse.Namespace, client: Client) -> int:
    if not 1 <= getattr(options, "connections", 1) <= 8:
        raise InputError(f"--connections {options.connections}: expected 1 to 8")
    if options.kind == "bulk":
        server, pattern = bulk.bulk_place(load_release(options.release))
        return bulk.fetch_bulk(
            client,
            options.output,
            options.server or server,
            options.files or pattern,
            options.connections,
        )
    if options.kind == "hats":
        return fetch_hats(client, options.source, options.output, options.connections)
    if options.kind == "catalogue":
        wanted = [vizier.wanted_table(client, name, options.server) for name in options.names]
    else:
        ages = tuple(options.log_age)
        wanted = [
            isochrones.wanted_isochrones(client, z, ages, options.server)
            for z in options.metallicity
        ]
    return Folder(options.output).fetch(wanted, options.kind)


if __name__ == "__main__":
    cli.run_job(main)
