"""Report the inputs of a run to users: warnings, and numbers of rows read and dropped."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from ocspark.catalogue.inputs import RunInputs

log = logging.getLogger("ocspark")


def input_warnings(inputs: RunInputs) -> list[str]:
    """Return what a reader of the results must know of the inputs, one sentence each.

    A draft release or what it lacks; isochrones, ids or weights of another release.
    """
    release, network = inputs.release.name, inputs.network
    found = []
    if inputs.release.correlations == "zero":
        found.append(f"release {release} has no correlations: they are taken as zero")
    if inputs.release.magnitude_errors.method == "spline" and "n_obs" not in inputs.release.uses:
        found.append(
            f"release {release} has no numbers of observations: magnitude errors are "
            "for the same number of observations of every source"
        )
    if inputs.release.zero_point == "none":
        found.append(f"release {release} has no zero point: parallaxes are not corrected")
    if inputs.release.draft:
        found.append(
            f"release {release} is a draft: columns, codes and calibrations are from "
            "announcements, not from the published data model"
        )
    isochrones, own = inputs.isochrones.passbands, inputs.release.passbands
    if isochrones and own and isochrones != own:
        found.append(
            f"the isochrones are in passbands of Gaia (E)DR{isochrones}, those of {release} "
            f"are DR{own}'s"
        )
    column = inputs.members.columns.columns.get("source_id", "")
    of_list, of_run = (re.search(r"dr(\d+)", name.lower()) for name in (column, release))
    brought = inputs.settings.members.neighbourhood is not None
    if of_list and of_run and of_list.group(1) != of_run.group(1) and not brought:
        found.append(
            f"the member list's ids are of another release than {release} by the name of their "
            f"column, {column}, and no members.neighbourhood brings them forward"
        )
    if network.release and network.release != release:
        found.append(
            f"the weights {network.name} were trained on {network.release}, and are used on "
            f"{release}"
        )
    return found


def log_inputs(inputs: RunInputs) -> None:
    """Log warnings, numbers of clusters and members, and what was dropped."""
    for warning in input_warnings(inputs):
        log.warning("WARNING: %s", warning)
    clusters, members = inputs.clusters, inputs.members
    log.info(
        "%d clusters (%d identical rows dropped), %d cannot be processed; %d listed members",
        len(clusters.table),
        clusters.n_identical,
        len(inputs.skipped),
        len(members.table),
    )
    if inputs.not_listed:
        log.info(
            "%d clusters have no star in the member list: %s",
            len(inputs.not_listed),
            _first_names(inputs.not_listed),
        )
    if members.counts["clusters_under_other_names"]:
        log.info(
            "%d clusters of the member list are found under other names",
            members.counts["clusters_under_other_names"],
        )
    if members.unknown_clusters:
        log.info(
            "%d clusters of the member list are not in the cluster table: %s",
            members.counts["clusters_not_in_table"],
            _first_names(members.unknown_clusters),
        )
    if members.counts["identical_duplicates"]:
        log.info(
            "%d identical rows of the member list dropped",
            members.counts["identical_duplicates"],
        )


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
