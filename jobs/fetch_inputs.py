"""Fetch inputs from the servers that have them.

Example:
    python jobs/fetch_inputs.py catalogue cantat_gaudin_2020 --output inputs

Each KIND has a --help of its own. Files that are there already are not fetched again.
"""

from __future__ import annotations

import argparse

import pandas as pd

from ocspark import cli, storage
from ocspark.errors import InputError
from ocspark.fetch import bulk, isochrones, vizier
from ocspark.fetch.client import Client
from ocspark.fetch.cones import MAX_RADIUS_DEG, Archive
from ocspark.fetch.folder import Folder
from ocspark.fetch.hats import fetch_hats
from ocspark.fetch.values import values_of_clusters
from ocspark.names import cluster_key
from ocspark.release import load_release
from ocspark.selection.cones import make_cones
from ocspark.settings import SearchSettings

#: Values of a cluster that options give: their units and meaning.
VALUES = {
    "ra": ("DEG", "right ascension"),
    "dec": ("DEG", "declination"),
    "parallax": ("MAS", "parallax"),
    "pmra": ("MAS/YR", "proper motion in right ascension"),
    "pmdec": ("MAS/YR", "proper motion in declination"),
    "distance": ("PC", "distance"),
}


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
    cone = _kind(kinds, "cone", "cones of the Gaia archive, around clusters, as a small mirror")
    cone.add_argument(
        "names", nargs="*", metavar="NAME", help="clusters; all of --clusters if not given"
    )
    cone.add_argument(
        "--clusters",
        metavar="TABLE",
        help="table that has the clusters; they are looked up in Hunt & Reffert (2023) and at CDS "
        "if not given",
    )
    cone.add_argument(
        "--columns", metavar="MAP", help="column map of TABLE: a name in conf/catalogues or a file"
    )
    cone.add_argument("--release", default="dr3", metavar="R", help="such as dr3, or a YAML file")
    cone.add_argument(
        "--max-radius",
        type=float,
        default=MAX_RADIUS_DEG,
        metavar="DEG",
        help="largest radius of a cone, which is that of 50 pc otherwise",
    )
    cone.add_argument(
        "--wait",
        type=float,
        default=120.0,
        metavar="MINUTES",
        help="longest wait for the archive to do a query",
    )
    for value, (unit, meaning) in VALUES.items():
        cone.add_argument(f"--{value}", type=float, metavar=unit, help=f"{meaning} of one cluster")
    for many in (files, hats):
        many.add_argument(
            "--connections", type=int, default=2, metavar="N", help="files at once, 1 to 8"
        )
    options = parser.parse_args()
    if options.kind == "cone":
        _fetch_cones(options, Client())
        return 0
    came = _fetch(options, Client())
    cli.show_results(
        options,
        {"path": options.output, "new_files": came},
        [f"[ocspark] {came} new files in {options.output}"],
    )
    return 0


def _fetch_cones(options: argparse.Namespace, client: Client) -> None:
    """Fetch cones and say what mirror they are."""
    values = values_of_clusters(
        client,
        options.names,
        {name: getattr(options, name) for name in VALUES},
        storage.join(options.output, "catalogue"),
        table=options.clusters,
        columns=options.columns,
    )
    keys = [cluster_key(name) for name in values]
    clusters = pd.DataFrame(values.values()).assign(cluster_key=keys)
    cones = make_cones(clusters, SearchSettings(max_radius_deg=options.max_radius))
    folder = storage.join(options.output, "archive")
    archive = Archive(client, options.release, folder, wait_s=60.0 * options.wait)
    mirror = archive.fetch_mirror(cones.table, list(values))
    cli.show_results(
        options,
        {"mirror": mirror, "cones": list(values), "max_radius_deg": options.max_radius},
        [
            f"[ocspark] {len(values)} cones are a mirror: mirror.path={mirror} "
            f"search.max_radius_deg={options.max_radius:g}"
        ],
    )


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
