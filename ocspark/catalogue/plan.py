"""Plan a run: report what it would do and why, without doing it."""

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

#: Number of clusters that are named for each reason.
_NAMED = 3


@dataclass(frozen=True)
class StagePlan:
    """Plan of one stage.

    Attributes
    ----------
    name : str
        Name of the stage.
    reused, redone : int
        Clusters whose rows are copied, and clusters that are computed again.
    portions, portions_done : int or None, int
        Portions of the mirror to read, and those that are done. The number is None for pass 2,
        whose portions are cut by the counts of pass 1.
    copies, copies_done : int
        Tasks that copy rows, and those that are done.
    rows : int
        Rows of the mirror to read, at most.
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
    """Plan of a run; its `repr` is text for people.

    Attributes
    ----------
    run_id, path : str
        Id of the run, and its directory.
    finished : bool
        Whether the run is finished, so that there is nothing to do.
    begun : bool
        Whether an unfinished run is continued.
    base : str or None
        The earlier run whose rows are copied, in words.
    stages : list of StagePlan
        Plans of the stages. Pass 2 may read fewer rows: it is not known yet which clusters have
        enough training members.
    why : dict
        Reason to names of the clusters that are computed again for it, in some stage.
    n_clusters : int
        Number of clusters with a cone.
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
        base = self.base or "no run"
        lines = [f"run {self.run_id} {state}, in {self.path}"]
        lines += [f"{self.n_clusters} clusters with a cone; unchanged ones copied from: {base}"]
        row = "{:<13}{:>9}{:>9}  {:>16}  {:>16}  {:>18}".format
        lines += [row("", "reused", "redone", "copies (done)", "portions (done)", "mirror rows")]
        for stage in self.stages:
            lines.append(
                row(
                    stage.name,
                    f"{stage.reused:,}",
                    f"{stage.redone:,}",
                    f"{stage.copies:,} ({stage.copies_done:,})",
                    portions_of(stage),
                    f"{stage.rows:,}" if stage.rows else "-",
                )
            )
        lines += ["redone, because of" if self.why else "nothing has changed"]
        for reason, names in sorted(self.why.items(), key=lambda item: -len(item[1])):
            some = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
            lines.append(f"  {reason}: {len(names):,} ({some})")
        return "\n".join(lines)


def plan_full_catalogue(settings: Settings, spark: SparkSession | None = None) -> RunPlan:
    """Return what `run_full_catalogue` would do; nothing is written, no mirror row is read.

    A mirror that is a Spark table is read once, to count and hash its rows, as a run does.

    Parameters
    ----------
    settings : Settings
        Settings of the run.
    spark : SparkSession, optional
        By default the active one, or a new one.

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


def portions_of(stage: StagePlan) -> str:
    """Return the portions of a stage and how many are done, as text."""
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
