"""How results show themselves: tables when printed and in notebooks, names as text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd

from ocspark.api.results import Comparison, Differences, Run, RunPlan
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.catalogue.plan import StagePlan
from ocspark.tables.differences import CHANGE_REASONS

NASTY = "<script>alert(1)</script> & 'NGC 1'"


class Cells(HTMLParser):
    """The heads and cells of all tables of a page, and the tags that it has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside &= tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def test_a_run_is_a_table_of_its_clusters(finished: RunResult) -> None:
    run = Run(finished.path, finished.record)
    run.clusters.loc[0, "cluster"] = NASTY
    page = Cells(run._repr_html_())
    assert NASTY in str(run) and NASTY in page.cells and "script" not in page.tags
    done = run.clusters[run.clusters["status"] == "done"]
    for name in done["cluster"]:
        members = int(done.set_index("cluster").at[name, "n_p50"])
        line = next(line for line in str(run).splitlines() if line.strip().startswith(name))
        assert f"{members:,}" in line.split() or "posterior" in line


def test_a_plan_is_a_table_of_its_stages() -> None:
    stages = [StagePlan("search", 2, 1, 3, 0, 4, 0, 1_234_567)]
    plan = RunPlan("run-1", "runs/run-1", False, False, None, stages, {NASTY: ["a", "b"]}, 3)
    page = Cells(plan._repr_html_())
    assert {"search", "1,234,567", NASTY, "2"} <= set(page.cells) and "script" not in page.tags
    assert "redone, because of" in repr(plan)
    done = RunPlan("run-1", "runs/run-1", True, True, None, [], {}, 3)
    assert "nothing to do" in done._repr_html_() and "table" not in Cells(done._repr_html_()).tags


def test_a_comparison_is_a_table_for_each_cut(tmp_path: Path) -> None:
    counts = {"n_listed": 10, "n_ours": 12, "n_both": 9, "recovered": 0.9}
    row = {**counts, "recovered_in_cone": 1.0, "n_not_in_cone": 1}
    (tmp_path / "clusters").mkdir()
    rows = [{"cluster": f"UBC {i}", "cut": "all", **row} for i in range(30)]
    rows.append({"cluster": NASTY, "cut": "all", **row})
    pd.DataFrame(rows).to_parquet(tmp_path / "clusters/x.parquet")
    record = {
        "name": NASTY,
        "cuts": [{"name": "all", "description": "all stars"}],
        "combined": {"all": {**row, "n_listed": 310}},
    }
    shown = Comparison(str(tmp_path), record)
    assert "combined" not in repr(shown) and repr(shown).count("90.0%") == 32
    page = Cells(shown._repr_html_())
    assert {NASTY, "310", "90.0 %"} <= set(page.cells) and "script" not in page.tags
    assert "… and 11 more" in shown._repr_html_()


def test_differences_are_a_table_of_what_changed_most(tmp_path: Path) -> None:
    names = "n_members with_n_members n_kept n_gained n_lost n_changed".split()
    (tmp_path / "clusters").mkdir()
    table = pd.DataFrame(
        [["same", 9, 9, 9, 0, 0, 0], [NASTY, 1200, 1100, 1000, 100, 200, 5]],
        columns=["cluster", *names],
    )
    table.to_parquet(tmp_path / "clusters/x.parquet")
    totals = {name: int(table[name].sum()) for name in names}
    totals |= {f"n_{change}_{r}": 1 for change in ("gained", "lost") for r in CHANGE_REASONS}
    sides = {s: {"run_id": s, "release": "dr3"} for s in ("run", "with_run")}
    shown = Differences(str(tmp_path), {**sides, "totals": totals, "members": ["votes >= 0.5"]})
    assert "totals" not in repr(shown) and NASTY in repr(shown) and "same" not in repr(shown)
    page = Cells(shown._repr_html_())
    assert {NASTY, "1,200", "200"} <= set(page.cells) and "script" not in page.tags
