"""Plan a run: say what it would do and why, without doing any of it."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.catalogue.dependence import STAGES
from ocspark.catalogue.inputs import APPLICATION
from ocspark.catalogue.passes import search_pass
from ocspark.catalogue.request import Request, open_request
from ocspark.catalogue.reuse import Reuse, plan_copies
from ocspark.session import get_session
from ocspark.settings import Settings

#: Clusters named per reason.
_NAMED = 3


@dataclass(frozen=True)
class StagePlan:
    """One stage: clusters, tasks of each kind (those done already), mirror rows it may read.

    Portions of pass 2 are cut by what pass 1 counts, so their number is not known before: None.
    """

    name: str
    reused: int
    redone: int
    portions: int | None
    portions_done: int
    copies: int
    copies_done: int
    rows: int


@dataclass(frozen=True, repr=False)
class RunPlan:
    """The plan of a run; it shows itself as lines for people.

    Attributes
    ----------
    run_id, path : str
    finished : bool
        There is nothing to do then.
    begun : bool
        Whether there is an unfinished run to go on with.
    base : str or None
        The earlier run, in words.
    stages : list of StagePlan
        Rows of pass 2 at most: which clusters have enough training members is not known before.
    why : dict
        Reason to names of the clusters that are redone for it, at some stage.
    n_clusters : int
        Clusters that are not skipped beforehand.
    """

    run_id: str
    path: str
    finished: bool
    begun: bool
    base: str | None
    stages: list[StagePlan]
    why: dict[str, list[str]]
    n_clusters: int

    def __repr__(self) -> str:
        if self.finished:
            return f"run {self.run_id} is finished: nothing to do; tables are in {self.path}"
        state = "goes on" if self.begun else "is new"
        lines = [f"run {self.run_id} {state}, in {self.path}"]
        lines += [
            f"{self.n_clusters} clusters with a cone; taken over from: {self.base or 'no run'}"
        ]
        row = "{:<13}{:>9}{:>9}  {:>16}  {:>16}  {:>18}".format
        lines += [row("", "reused", "redone", "copies (done)", "portions (done)", "mirror rows")]
        for stage in self.stages:
            lines.append(
                row(
                    stage.name,
                    f"{stage.reused:,}",
                    f"{stage.redone:,}",
                    f"{stage.copies:,} ({stage.copies_done:,})",
                    _portions(stage),
                    f"{stage.rows:,}" if stage.rows else "-",
                )
            )
        lines += ["redone, because of" if self.why else "nothing has changed"]
        for reason, names in sorted(self.why.items(), key=lambda item: -len(item[1])):
            some = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
            lines.append(f"  {reason}: {len(names):,} ({some})")
        return "\n".join(lines)


def plan_full_catalogue(settings: Settings, spark: SparkSession | None = None) -> RunPlan:
    """Say what `run_full_catalogue` would do; nothing is written, no mirror row is read.

    (Where the mirror is a Spark table, it is read once to be counted and hashed, as a run does.)

    Raises
    ------
    InputError
        For anything wrong with settings or inputs.
    """
    request = open_request(settings, spark)
    run = request.run
    n_clusters = len(request.inputs.cones.table)
    if request.finished() is not None:
        return RunPlan(request.run_id, run.root, True, True, None, [], {}, n_clusters)
    session = spark or get_session(APPLICATION, settings.spark.config)
    base = request.base()
    reuse = request.reuse(base, request.dependence(session), frozenset())
    return RunPlan(
        run_id=request.run_id,
        path=run.root,
        finished=False,
        begun=storage.exists(run.path("_inputs.json")),
        base=f"{base.run_id}, finished {base.finished}" if base else None,
        stages=_stages(request, reuse),
        why=_why(request, reuse),
        n_clusters=n_clusters,
    )


def _portions(stage: StagePlan) -> str:
    if stage.portions is None:
        return f"? ({stage.portions_done:,})"
    return f"{stage.portions:,} ({stage.portions_done:,})" if stage.portions else "-"


def _stages(request: Request, reuse: Reuse) -> list[StagePlan]:
    copied = request.run.done_keys("kept")
    plans = []
    for stage in STAGES:
        again = reuse.redone[stage.name]
        portions: int | None = 0
        rows, done = 0, set[str]()
        if again and stage.name in ("search", "membership"):
            cones = request.inputs.cones.only(again)
            works = search_pass(request.inputs, cones).works()
            rows, portions = sum(work.rows for work in works), len(works)
            done = request.run.done_keys(stage.name)
            if stage.name == "membership" and not request.inputs.is_table:
                portions = None
        copies = {work.key for work in plan_copies(reuse, stage, request.tables)}
        plans.append(
            StagePlan(
                name=stage.name,
                reused=len(reuse.kept(stage.name)),
                redone=len(again),
                portions=portions,
                portions_done=len(done),
                copies=len(copies),
                copies_done=len(copies & copied),
                rows=rows,
            )
        )
    return plans


def _why(request: Request, reuse: Reuse) -> dict[str, list[str]]:
    names = request.inputs.clusters.table.set_index("cluster_key")["cluster"]
    why: dict[str, set[str]] = {}
    for stage in STAGES:
        for key, reasons in reuse.redone[stage.name].items():
            for reason in reasons:
                why.setdefault(reason, set()).add(str(names[key]))
    return {reason: sorted(clusters) for reason, clusters in why.items()}
