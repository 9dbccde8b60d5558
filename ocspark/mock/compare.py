"""Compare the mock's field with real fields: the same cones and cuts, distances between samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import hpgeom
import numpy as np
import pandas as pd
from scipy.stats import ks_2samp, wasserstein_distance

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.files import read_table
from ocspark.mock.catalogue import MockCatalogue
from ocspark.mock.compare_figures import field_figure
from ocspark.mock.frame import Array
from ocspark.mock.observatory import Observatory
from ocspark.mock.plan import CELL_ROWS, MAX_ORDER, tile
from ocspark.release import load_release
from ocspark.sky.healpix import finer
from ocspark.sky.sphere import separation_rad
from ocspark.tables.source_columns import matching

#: Columns needed of real sources, by canonical names.
COLUMNS = (
    "ra dec parallax pmra pmdec parallax_error phot_g_mean_mag phot_bp_mean_mag phot_rp_mean_mag"
).split()
#: Edges of the bins in colour G − RP and in G [mag].
_COLOUR_EDGES, _MAG_EDGES = np.linspace(-0.2, 1.6, 19), np.linspace(6.0, 21.0, 16)


class Cone(NamedTuple):
    """A field on the sky: a ring about a centre, with limits in G [mag] and parallax [mas]."""

    name: str
    ra: float
    dec: float
    inner_deg: float
    radius_deg: float
    g_limit: float
    parallax_min: float
    parallax_max: float

    def cut(self, sources: pd.DataFrame) -> pd.DataFrame:
        """Return the sources inside; those without a parallax too, if `parallax_min` is below 0."""
        away = np.degrees(separation_rad(sources["ra"], sources["dec"], self.ra, self.dec))
        within = (away <= self.radius_deg) & (away >= self.inner_deg)
        bright = sources["phot_g_mean_mag"] <= self.g_limit
        parallax = sources["parallax"].between(self.parallax_min, self.parallax_max)
        if self.parallax_min <= 0:
            parallax |= sources["parallax"].isna()
        return sources[within & bright & parallax]


def compare_fields(
    sources: str,
    cones: str,
    wanted: Sequence[tuple[str, float]],
    output: str,
    *,
    members: Sequence[str] = (),
    release: str = "dr3",
    seed: int = 42,
) -> pd.DataFrame:
    """Draw the mock in some cones, at a release's density, and compare it with real sources.

    Parameters
    ----------
    sources : str
        File of the real sources.
    cones : str
        File of the cones in which they lie; see `read_cones`.
    wanted : sequence of (str, float)
        Names of the cones to compare, each with the radius [deg] of a circle to leave out.
    output : str
        Folder that gets a figure of each cone and ``distances.json``.
    members : sequence of str
        Files of cluster members to leave out of the real sources.
    release : str
        Name of the data release.
    seed : int
        Seed of the mock.

    Returns
    -------
    DataFrame
        A row per cone, with the columns of `compare_samples`.

    Raises
    ------
    InputError
        If a file lacks a column or a cone.
    """
    described = load_release(release)
    observatory = Observatory.from_release(described)
    fields = read_cones(read_table(cones, "--cones"), wanted)
    real_sources = _without_members(read_table(sources, "--sources"), members)
    native = {}
    for name in COLUMNS:
        found = matching(real_sources.columns, described.columns[name])
        if len(found) != 1:
            names = " or ".join(described.columns[name])
            raise InputError(f"--sources {sources}: expected one column {names}, got {len(found)}")
        native[found[0]] = name
    real_sources = real_sources.rename(columns=native)
    catalogue = MockCatalogue.build(
        described.expected_rows, seed, observatory, lambda ages, dust: []
    )
    storage.make_directory(output)
    rows = {}
    for cone in fields:
        real, mock = cone.cut(real_sources), draw_cone(catalogue, cone)
        errors, mock_errors = (
            observatory.astrometric_errors(t["phot_g_mean_mag"].to_numpy(float))[0]
            for t in (real, mock)
        )
        rows[cone.name] = compare_samples(real, mock, errors, mock_errors)
        picture = field_figure(cone.name, real, mock, errors, mock_errors)
        storage.write_file(storage.join(output, f"{cone.name}.png"), picture)
    rounded = {cone: {k: round(v, 4) for k, v in row.items()} for cone, row in rows.items()}
    text = json.dumps(rounded, indent=1) + "\n"
    storage.write_file(storage.join(output, "distances.json"), text)
    return pd.DataFrame(rows).T


def _without_members(sources: pd.DataFrame, members: Sequence[str]) -> pd.DataFrame:
    """Return the sources that no file of members names."""
    for path in members:
        listed = read_table(path, "--members")
        ids = next((c for c in listed.columns if str(c).lower().endswith("source_id")), None)
        if ids is None:
            raise InputError(f"--members {path}: expected a column source_id")
        sources = sources[~sources["source_id"].isin(listed[ids].astype("int64"))]
    return sources


def draw_cone(catalogue: MockCatalogue, cone: Cone) -> pd.DataFrame:
    """Return the mock's sources in a cone in canonical columns, drawing only the cells needed."""
    cells = tile(catalogue.expected, CELL_ROWS)
    touched = hpgeom.query_circle(
        1 << MAX_ORDER, cone.ra, cone.dec, cone.radius_deg, inclusive=True, nest=True
    )
    touched = finer(touched, MAX_ORDER)
    index = np.unique(np.searchsorted(cells.first, touched, side="right") - 1)
    drawn = [catalogue.cell(cell) for cell in cells.take(index)]
    table = pd.concat([pd.DataFrame({n: c[n] for n in [*COLUMNS, "solution"]}) for c in drawn])
    return cone.cut(table)


def compare_samples(
    real: pd.DataFrame, mock: pd.DataFrame, errors: Array, mock_errors: Array
) -> dict[str, float]:
    """Return the sizes of two samples of a field, and distances between their distributions.

    Parameters
    ----------
    real, mock : DataFrame
        Sources, with `COLUMNS`.
    errors, mock_errors : array
        Parallax error of each source by the release's performance model [mas].

    Returns
    -------
    dict
        n_real, n_mock; Kolmogorov–Smirnov (ks_…) and Wasserstein (w1_…, in the quantity's unit)
        distances in G, colour G − RP, log10 of parallax errors over the model's, parallax, pmra
        and pmdec; tv_cmd, the total variation distance between the normalised histograms of colour
        and G; ks_noise, the median Kolmogorov–Smirnov distance of two samples of these sizes from
        one distribution.

    Raises
    ------
    InputError
        If a sample is empty.
    """
    if not len(real) or not len(mock):
        raise InputError(
            f"compare: {len(real)} real and {len(mock)} mock sources; expected a cone with both"
        )
    result: dict[str, float] = {"n_real": len(real), "n_mock": len(mock)}
    pairs = {
        "g": [t["phot_g_mean_mag"] for t in (real, mock)],
        "colour": [t["phot_g_mean_mag"] - t["phot_rp_mean_mag"] for t in (real, mock)],
        "log_error": [
            np.log10(t["parallax_error"] / e) for t, e in ((real, errors), (mock, mock_errors))
        ],
        **{name: [t[name] for t in (real, mock)] for name in ("parallax", "pmra", "pmdec")},
    }
    for name, (one, other) in pairs.items():
        one, other = one.dropna().to_numpy(float), other.dropna().to_numpy(float)
        result[f"ks_{name}"] = float(ks_2samp(one, other).statistic)
        result[f"w1_{name}"] = float(wasserstein_distance(one, other))
    planes = [_plane(t) for t in (real, mock)]
    result["tv_cmd"] = float(np.abs(planes[0] - planes[1]).sum() / 2.0)
    # the median of Kolmogorov's distribution
    result["ks_noise"] = float(0.8276 * np.sqrt(1.0 / len(real) + 1.0 / len(mock)))
    return result


def _plane(table: pd.DataFrame) -> Array:
    """Return the normalised histogram of colour and G."""
    colour = table["phot_g_mean_mag"] - table["phot_rp_mean_mag"]
    counts, _, _ = np.histogram2d(
        colour, table["phot_g_mean_mag"], bins=(_COLOUR_EDGES, _MAG_EDGES)
    )
    return np.asarray(counts / max(counts.sum(), 1.0))


def read_cones(index: pd.DataFrame, wanted: Sequence[tuple[str, float]]) -> list[Cone]:
    """Return cones of an index by name.

    Parameters
    ----------
    index : DataFrame
        A row per cone: cone (its name), ra, dec, radius_deg, g_limit, parallax_min, parallax_max.
    wanted : sequence of (str, float)
        Names of the cones, each with the radius [deg] of a circle to leave out.

    Raises
    ------
    InputError
        If the index lacks a cone.
    """
    rows = index.set_index("cone")
    absent = [name for name, _ in wanted if name not in rows.index]
    if absent:
        some = ", ".join(map(str, rows.index[:5]))
        raise InputError(f"--cones: no cone {absent[0]!r}; expected a cone of the file ({some}, …)")
    cones = []
    for name, inner in wanted:
        r = rows.loc[name]
        limits = (float(r["g_limit"]), float(r["parallax_min"]), float(r["parallax_max"]))
        cones.append(
            Cone(name, float(r["ra"]), float(r["dec"]), inner, float(r["radius_deg"]), *limits)
        )
    return cones
