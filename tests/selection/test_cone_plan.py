"""The physical plan of search and candidates: broadcast hash joins, no shuffle."""

from __future__ import annotations

import contextlib
import io

from pyspark.sql import DataFrame, SparkSession

from ocspark.membership.engine import Sampling
from ocspark.membership.evaluate import Evaluation, evaluate_candidates
from ocspark.mirror.read import read_sources
from ocspark.runs.full_catalogue import RunResult
from ocspark.runs.inputs import RunInputs, read_inputs
from ocspark.runs.units import RunDirectory
from ocspark.selection.cone import search_cones
from ocspark.selection.training import find_training_members, mark_listed, model_from_row
from ocspark.settings import make_settings
from tests.toy import Toy


def plan_of(frame: DataFrame) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        frame.explain("formatted")
    return text.getvalue()


def assert_broadcast_joins_only(plan: str, n_joins: int) -> None:
    assert plan.count("BroadcastHashJoin") >= n_joins
    for shuffling in ("Exchange hashpartitioning", "Exchange SinglePartition", "SortMergeJoin"):
        assert shuffling not in plan
    # formatted plans write "(7) Exchange" for a shuffle and "(5) BroadcastExchange" for a broadcast
    assert ") Exchange" not in plan
    assert "BroadcastNestedLoopJoin" not in plan and "CartesianProduct" not in plan


def cone_of(spark: SparkSession, inputs: RunInputs) -> DataFrame:
    sources = read_sources(spark, inputs.files, inputs.release.columns)
    return search_cones(spark, sources, inputs.cones, [f.file for f in inputs.files])


def test_search_and_candidates_join_by_broadcast_without_a_shuffle(
    toy: Toy, spark: SparkSession, finished: RunResult
) -> None:
    inputs = read_inputs(make_settings(toy.settings()))
    cone = cone_of(spark, inputs)
    assert_broadcast_joins_only(plan_of(cone), 2)

    listed = spark.createDataFrame(inputs.listed())
    assert_broadcast_joins_only(plan_of(find_training_members(mark_listed(cone, listed))), 3)

    rows = RunDirectory(finished.path).read_arrow("_models").to_pylist()
    models = {r["cluster_key"]: model_from_row(r, "x") for r in rows if r["reason"] is None}
    evaluation = Evaluation(models, inputs.network, Sampling(5, 10, 1, True), inputs.calibration)
    candidates = evaluate_candidates(spark, cone, evaluation, non_members=False)
    plan = plan_of(candidates)
    assert_broadcast_joins_only(plan, 4)
    assert "MapInArrow" in plan


def test_only_files_that_a_cone_touches_are_read(
    toy: Toy, spark: SparkSession, tmp_path_factory: object
) -> None:
    from ocspark.mirror.write import write_hats

    path = toy.folder / "pruned"
    if not path.exists():
        sources = spark.createDataFrame(toy.sources)
        write_hats(sources, str(path), order=4, catalogue_name="toy")
    one = make_settings(toy.settings(mirror={"path": str(path)}, clusters={"names": ["Pole_1"]}))
    inputs = read_inputs(one)
    assert 0 < len(inputs.files) < len(inputs.mirror.files)
    read = read_sources(spark, inputs.files, inputs.release.columns)
    assert {f.rsplit("/", 2)[1] for f in read.inputFiles()} == {
        f"Npix={f.file.pixel}" for f in inputs.files
    }
    dec = toy.sources["dec"]
    assert (dec > 87).sum() <= sum(f.rows for f in inputs.files) < len(dec)
