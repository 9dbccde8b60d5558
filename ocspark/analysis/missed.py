"""Find out why listed stars are no candidates: look them up in the mirror and test conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark.mirror.columns import MirrorColumns
from ocspark.mirror.opened import open_mirror
from ocspark.mirror.read import read_raw_rows, read_rows
from ocspark.mirror.sources import kept_sources
from ocspark.release import Release
from ocspark.selection.calibrate import Calibration, calibrate, release_calibration
from ocspark.selection.candidates import (
    describe_stars,
    passes_isochrone,
    passes_parallax,
    passes_proper_motion,
)
from ocspark.selection.cones import Cones, cones_of
from ocspark.selection.model import ClusterModel
from ocspark.selection.run_models import read_models
from ocspark.session import ship
from ocspark.sky.cover import cover_pixels
from ocspark.sky.healpix import SOURCE_ID_ORDER, source_id_pixels
from ocspark.sky.sphere import separation_rad
from ocspark.store.finished_run import FinishedRun
from ocspark.tables.analysis import LISTED_STARS
from ocspark.tables.arrow import split_by_cluster, stars_to_batch
from ocspark.tables.fields import struct
from ocspark.tables.stars import CalibratedStars, RawStars

#: Columns of a listed star that come from the mirror.
_JUDGED = [LISTED_STARS[0], LISTED_STARS[1], *LISTED_STARS[3:]]
#: Columns of candidates, which these stars are not.
_OF_CANDIDATES = ("probability", "posterior", "is_training_member")


def judge(
    stars: CalibratedStars, raw: RawStars, model: ClusterModel, cone: Mapping[str, float]
) -> dict[str, NDArray[np.bool_]]:
    """Return whether each star meets each of the selection's conditions.

    Parameters
    ----------
    stars : CalibratedStars
        The stars as Eqs. 1–3 take them.
    raw : RawStars
        The same stars as the cone's cuts take them.
    model : ClusterModel
        The cluster as its training members describe it.
    cone : mapping
        Centre and cuts of the cone: a row of ``Cones.table`` (method §1).

    Returns
    -------
    dict of bool arrays
        within_radius, in_cone, passes_proper_motion, passes_parallax, passes_isochrone.
    """
    apart = separation_rad(stars["ra"], stars["dec"], cone["ra"], cone["dec"])
    within = apart <= cone["radius_rad"]
    motion = np.hypot(stars["pmra"] - cone["pmra"], stars["pmdec"] - cone["pmdec"])
    parallax = np.abs(raw["parallax"] - cone["parallax"])
    return {
        "within_radius": within,
        "in_cone": within & (motion <= cone["pm_limit"]) & (parallax <= cone["parallax_limit"]),
        "passes_proper_motion": passes_proper_motion(
            stars, model.pmra, model.pmdec, model.delta_pm
        ),
        "passes_parallax": passes_parallax(
            stars, model.parallax, model.delta_plx_plus, model.delta_plx_minus
        ),
        "passes_isochrone": passes_isochrone(stars, model.curve, model.delta_c, model.delta_g),
    }


def look_up_stars(
    spark: SparkSession, run: FinishedRun, missing: DataFrame, cells: pd.DataFrame, mirror_path: str
) -> DataFrame:
    """Look up listed stars that are no candidates in the mirror, and test them.

    Files of the mirror (or ranges of a table, and an overlay of the run) are read once if a cone of
    these clusters touches them or the position encoded in a star's id lies in them. Cones are those
    that the run searched. A star in none of these files counts as not in the mirror and in no cone.

    Parameters
    ----------
    spark : SparkSession
        Session that reads the mirror.
    run : FinishedRun
        The run.
    missing : DataFrame
        Listed stars that are no candidates: cluster, source_id, list_probability.
    cells : DataFrame
        cluster_key and source_id of the whole list (pandas), by which files are chosen.
    mirror_path : str
        Path of the run's mirror.

    Returns
    -------
    DataFrame
        The columns of `LISTED_STARS`.
    """
    release = run.release
    table = run.read_arrow("_cones").to_pandas()
    table = table[table["cluster_key"].isin(cells["cluster_key"].unique())]
    cones = cones_of(table.reset_index(drop=True))
    mirror = open_mirror(mirror_path, release, spark, run.record.get("overlay"))
    ids = cells["source_id"].to_numpy(np.int64)
    files = mirror.check_touched(
        cones.cover, cover_pixels(SOURCE_ID_ORDER, np.unique(source_id_pixels(ids)))
    )
    keys = run.clusters.loc[run.clusters["status"] == "done", ["cluster", "cluster_key"]]
    named = spark.createDataFrame(pa.Table.from_pandas(keys, preserve_index=False))
    wanted = missing.join(F.broadcast(named), "cluster").select("cluster_key", "source_id")
    columns = files[0].columns
    found = read_rows(spark, files, columns).join(F.broadcast(wanted), "source_id")
    judged = _judge(spark, found, run, cones, columns, release)
    source_id = F.col(f"`{columns.names['source_id']}`").alias("source_id")
    there = (
        read_raw_rows(spark, files)
        .select(source_id)
        .join(F.broadcast(wanted.select("source_id").distinct()), "source_id")
    )
    there = there.distinct().withColumn("there", F.lit(True))
    found = missing.join(judged, ["cluster", "source_id"], "left").join(there, "source_id", "left")
    facts = {
        "in_mirror": F.coalesce("there", F.lit(False)),
        "kept": F.coalesce("kept", F.lit(False)),
        "in_cone": F.coalesce("in_cone", F.lit(False)),
    }
    return found.withColumns(facts).select([f.name for f in LISTED_STARS])


def _judge(
    spark: SparkSession,
    found: DataFrame,
    run: FinishedRun,
    cones: Cones,
    columns: MirrorColumns,
    release: Release,
) -> DataFrame:
    models = read_models(run)
    bounds = cones.table.set_index("cluster_key").to_dict("index")
    shipped = ship(spark, (models, bounds, release_calibration(release)))
    schema = struct(_JUDGED)

    def judge_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        models, cone_of, calibration = shipped()
        for batch in batches:
            sources = kept_sources(batch, columns, ["cluster_key"])
            for model, stars in split_by_cluster(sources, models, RawStars):
                yield _judged_batch(stars, model, cone_of[model.cluster_key], calibration)

    return found.mapInArrow(judge_batches, schema)


def _judged_batch(
    raw: RawStars, model: ClusterModel, cone: Mapping[str, float], calibration: Calibration
) -> pa.RecordBatch:
    stars = describe_stars(calibrate(raw, calibration), model)
    there = np.ones(len(raw), dtype=bool)
    stars = stars.with_columns({"in_mirror": there, "kept": there})
    stars = stars.with_columns(judge(stars, raw, model, cone))
    return stars_to_batch(stars, _JUDGED, _OF_CANDIDATES)
