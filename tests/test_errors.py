"""The one line that says why no cluster of a run can be done."""

from __future__ import annotations

from ocspark.errors import NoClusterError


def test_a_few_clusters_have_their_own_reasons() -> None:
    error = NoClusterError(
        {"NGC 1": "no isochrone", "NGC 2": "3 listed; needs 15"}, "runs/x/clusters"
    )
    assert str(error) == (
        "clusters: none of 2 can be done: NGC 1: no isochrone; NGC 2: 3 listed; needs 15; "
        "the reason of each is in runs/x/clusters"
    )


def test_of_many_clusters_the_commonest_reasons_come_first() -> None:
    reasons = {f"UBC {i}": f"{i} listed with p >= 0.{i}; needs 15" for i in range(300)}
    error = NoClusterError({"NGC 1": "no isochrone", **reasons})
    assert str(error) == (
        "clusters: none of 301 can be done: 300 such as UBC 0: 0 listed with p >= 0.0; needs 15; "
        "NGC 1: no isochrone"
    )
    assert error.reasons["UBC 7"].startswith("7 listed")
