"""Summarise a run: the clusters table, one row per input cluster, and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark.catalogue.inputs import RunInputs
from ocspark.names import normalise_name
from ocspark.selection.characterise_clusters import too_few
from ocspark.selection.model import ClusterModel
from ocspark.tables.clusters import CLUSTERS
from ocspark.tables.fields import Field, struct
from ocspark.tables.posterior import FITTED, SHARED
from ocspark.tables.run import IN_PARALLAX, KEPT, NOT_KEPT

_OF_MODEL = (
    "training_probability ra dec pmra pmdec parallax delta_pm delta_plx_plus delta_plx_minus "
    "delta_c delta_g isochrone_log_age isochrone_age_offset isochrone_metallicity"
).split()

#: A warning is given if more than this share of the sources in the cones lack a value.
MOST_LACKING = 0.01
_COUNTS = ("n_candidates", "n_errors_mended", "n_p10", "n_p50", "n_p90")
_OF_POSTERIOR = [field.name for field in (*SHARED, *FITTED)]


def count_lacking(table: pa.Table) -> dict[int, dict[str, int]]:
    """Return numbers of sources by cluster_key and missing value, the most frequent first.

    Parameters
    ----------
    table : pa.Table
        A `LACKING` table.
    """
    total = table.group_by(["cluster_key", "reason"]).aggregate([("n_lacking", "sum")])
    counts: dict[int, dict[str, int]] = {}
    ordered = total.sort_by([("n_lacking_sum", "descending"), ("reason", "ascending")])
    for row in ordered.to_pylist():
        counts.setdefault(row["cluster_key"], {})[row["reason"]] = row["n_lacking_sum"]
    return counts


def lacking_in_all(lacking: Mapping[int, Mapping[str, int]]) -> dict[str, int]:
    """Return numbers of sources in all cones by missing value, the most frequent first."""
    total: Counter[str] = Counter()
    for counts in lacking.values():
        total.update({reason: n for reason, n in counts.items() if reason != IN_PARALLAX})
    return dict(total.most_common())


def lacking_warnings(total: Mapping[str, int], n_cone: int) -> list[str]:
    """Return a warning for each value that more than `MOST_LACKING` of the sources lack.

    Parameters
    ----------
    total : mapping
        Counts from `lacking_in_all`.
    n_cone : int
        Number of kept sources in the cones.
    """
    n_all = n_cone + total.get(NOT_KEPT, 0)
    alike: dict[tuple[int, bool], list[str]] = {}  # equal counts are mostly of the same sources
    for reason, n in total.items():
        if reason != NOT_KEPT and n > MOST_LACKING * n_all:
            alike.setdefault((n, reason.endswith(KEPT)), []).append(reason.removesuffix(KEPT))
    warnings = []
    for (n, kept), reasons in alike.items():
        what = f"are {'used without' if kept else 'not kept:'} {', '.join(reasons)}"
        warnings.append(f"{n:,} of {n_all:,} sources in the cones ({n / n_all:.1%}) {what}")
    return warnings


#: Ways in which listed members are not found, by the name of their count.
_MEMBERS_LOST = {
    "ids_lost": "have no neighbour in this release",
    "ids_merged": "have their neighbour in common with a nearer star",
    "ids_with_several_neighbours": "have several neighbours, of which the nearest is taken",
    "not_in_cones": "are not among the kept sources of their cone",
}


def member_warnings(counts: Mapping[str, int], n_listed: int) -> list[str]:
    """Return a warning for each way in which more than `MOST_LACKING` of a list was lost.

    Parameters
    ----------
    counts : mapping
        Counts of the member list, as in run.json.
    n_listed : int
        Number of listed members at the probability levels used.
    """
    warnings = []
    for name, what in _MEMBERS_LOST.items():
        total = counts["rows"] if name.startswith("ids_") else n_listed
        n = counts.get(name, 0)
        if n > MOST_LACKING * total:
            warnings.append(f"{n:,} of {total:,} listed members ({n / total:.1%}) {what}")
    return warnings


def summarise_clusters(
    inputs: RunInputs,
    n_cone: Mapping[int, int],
    lacking: Mapping[int, Mapping[str, int]],
    characterised: Mapping[int, Mapping[str, Any]],
    models: Mapping[int, ClusterModel],
    counts: Mapping[int, Mapping[str, int]],
    posteriors: Mapping[int, Mapping[str, Any]],
    n_sources: Mapping[int, int] | None = None,
) -> pd.DataFrame:
    """Return the `CLUSTERS` table as pandas, in the order of the cluster table.

    Parameters
    ----------
    inputs : RunInputs
        Inputs of the run.
    n_cone : mapping
        cluster_key to the number of kept sources in its cone.
    lacking : mapping
        Counts from `count_lacking`.
    characterised : mapping
        cluster_key to its row of the `MODELS` table, which skipped clusters may have, too.
    models : mapping
        cluster_key to the model of each evaluated cluster.
    counts : mapping
        cluster_key to counts of candidates.
    posteriors : mapping
        cluster_key to the columns of `SHARED` and `FITTED`, for clusters with candidates.
    n_sources : mapping, optional
        cluster_key of cones without kept sources to the number of all sources there.
    """
    cones = inputs.cones.table.set_index("cluster_key")
    listed, levels = inputs.n_listed(), inputs.levels
    seen = inputs.seen_by_network()
    rows = []
    for cluster in inputs.clusters.table.to_dict("records"):
        key = cluster["cluster_key"]
        found = characterised.get(key, {})
        level = found.get("training_probability", levels[-1])
        row: dict[str, Any] = {
            "cluster": cluster["cluster"],
            "n_listed": int(listed[level].loc[key]),
            "n_training_members": int(found.get("n_training_members", 0)),
            "training_probability": level,
            "model_saw_cluster": normalise_name(cluster["cluster"]) in seen,
            "cone_ra": cluster["ra"],
            "cone_dec": cluster["dec"],
            **{name: cluster[name] for name in ("distance", "log_age", "a0")},
        }
        if key in cones.index:
            row["cone_ra"], row["cone_dec"] = cones.at[key, "ra"], cones.at[key, "dec"]
            row["radius_deg"] = cones.at[key, "radius_deg"]
            row["radius_bounded"] = bool(cones.at[key, "radius_bounded"])
            row["n_cone"] = n_cone.get(key, 0)
            counts_of = dict(lacking.get(key, {}))
            in_parallax = counts_of.pop(IN_PARALLAX, 0)
            row["n_not_kept"] = counts_of.pop(NOT_KEPT, 0)
            row["lacking"] = "; ".join(f"{reason}: {n}" for reason, n in counts_of.items())
        if key in models:
            row |= _done(models[key], inputs, counts.get(key, {}))
            row |= {name: posteriors.get(key, {}).get(name) for name in _OF_POSTERIOR}
        else:
            row |= {"status": "skipped", "reason": _reason(key, row, found, inputs)}
            if key in cones.index and not row["n_cone"]:
                there = max((n_sources or {}).get(key, 0), in_parallax)
                row["reason"] = _why_empty(row, cones.loc[key], there, in_parallax)
        rows.append(row)
    table = pd.DataFrame(rows, columns=[f.name for f in CLUSTERS])
    return table


def _done(model: ClusterModel, inputs: RunInputs, counts: Mapping[str, int]) -> dict[str, Any]:
    wanted = inputs.settings.membership.support_size
    return {
        "status": "done",
        "n_support": len(model.support_id),
        "support_size": min(wanted, len(model.support_id)),
        **{name: getattr(model, name) for name in _OF_MODEL},
        **{name: counts.get(name, 0) for name in _COUNTS},
    }


def _reason(key: int, row: Mapping[str, Any], found: Mapping[str, Any], inputs: RunInputs) -> str:
    if key in inputs.skipped:
        return inputs.skipped[key]
    if found.get("reason"):
        return str(found["reason"])
    needed = inputs.settings.members.min_members
    return too_few(0, row["n_listed"], row["training_probability"], needed)


def _why_empty(
    row: Mapping[str, Any], cone: Mapping[str, Any], n_sources: int, in_parallax: int
) -> str:
    """Return the reason why a cone has no kept sources: the cut that none passes."""
    if row["n_not_kept"]:
        return (
            f"no sources in the cone: {row['n_not_kept']} pass its cuts, and none of them has what "
            f"is needed ({row['lacking']})"
        )
    place = f"within {cone['radius_deg']:.3g} deg of ra {cone['ra']:g}, dec {cone['dec']:g}"
    if not n_sources:
        return f"no sources in the cone: the mirror has none {place}"
    there = f"no sources in the cone: the mirror has {n_sources} {place}"
    parallax = f"a parallax within {cone['parallax_limit']:.3g} mas of {cone['parallax']:g}"
    if not in_parallax:
        return f"{there}; none has {parallax}"
    return (
        f"{there}; there and close by {in_parallax} have {parallax}, but none in the cone a proper "
        f"motion within {cone['pm_limit']:.3g} mas/yr of {cone['pmra']:g}, {cone['pmdec']:g}"
    )


def typed_table(rows: pd.DataFrame, fields: list[Field]) -> pa.Table:
    """Return a small pandas table as Arrow, with the columns and types of `fields`."""
    schema = to_arrow_schema(struct(fields))
    columns = [
        pa.array([None if pd.isna(v) else v for v in rows[field.name].tolist()], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
