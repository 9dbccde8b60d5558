"""Compare the mock's field with real Gaia cones: a picture of each and a table of distances."""

from __future__ import annotations

import json

import pandas as pd

from ocspark import storage
from ocspark.cli import Parser, run_job
from ocspark.errors import InputError
from ocspark.inputs.files import read_table
from ocspark.mock.catalogue import MockCatalogue
from ocspark.mock.compare import COLUMNS, compare, draw_cone, read_cones
from ocspark.mock.compare_figures import field_figure
from ocspark.mock.observe import Observatory
from ocspark.release import load_release


def main() -> int:
    """Draw the mock at the release's density in each cone only; needs no Spark."""
    parser = Parser(description=__doc__)
    parser.add_argument("--sources", required=True, metavar="FILE", help="real sources")
    parser.add_argument("--cones", required=True, metavar="FILE", help="index of their cones")
    parser.add_argument("--members", nargs="*", default=[], metavar="FILE", help="to leave out")
    parser.add_argument(
        "--cone",
        nargs="+",
        required=True,
        metavar="NAME[:DEG]",
        help="cones, each with an inner radius to leave out",
    )
    parser.add_argument("--release", default="dr3")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--output", required=True, metavar="DIR")
    options = parser.parse_args()
    release = load_release(options.release)
    observatory = Observatory.of(release)
    sources = read_table(options.sources, "--sources")
    for path in options.members:
        members = read_table(path, "--members")
        ids = next((c for c in members.columns if str(c).lower().endswith("source_id")), None)
        if ids is None:
            raise InputError(f"--members {path}: expected a column source_id")
        sources = sources[~sources["source_id"].isin(members[ids].astype("int64"))]
    wanted = [(name, float(inner or 0.0)) for name, _, inner in _split(options.cone)]
    cones = read_cones(read_table(options.cones, "--cones"), wanted)
    absent = [column for column in COLUMNS if release.columns[column] not in sources.columns]
    if absent:
        raise InputError(f"--sources {options.sources}: column {absent[0]} is missing")
    sources = sources.rename(columns={native: name for name, native in release.columns.items()})
    catalogue = MockCatalogue.build(
        release.expected_rows, options.seed, observatory, lambda ages, dust: []
    )
    storage.make_directory(options.output)
    table = {}
    for cone in cones:
        real, mock = cone.cut(sources), draw_cone(catalogue, cone)
        errors = [
            observatory.astrometric_errors(t["phot_g_mean_mag"].to_numpy(float))[0]
            for t in (real, mock)
        ]
        table[cone.name] = compare(real, mock, *errors)
        picture = field_figure(cone.name, real, mock, *errors)
        storage.write_file(storage.join(options.output, f"{cone.name}.png"), picture)
    text = json.dumps({name: _rounded(row) for name, row in table.items()}, indent=1)
    storage.write_file(storage.join(options.output, "distances.json"), text + "\n")
    print(pd.DataFrame(table).T.round(3).to_string())
    return 0


def _split(cones: list[str]) -> list[tuple[str, str, str]]:
    return [cone.partition(":") for cone in cones]


def _rounded(row: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in row.items()}


if __name__ == "__main__":
    run_job(main)
