"""Search windows displaced in proper motion: the same field without the cluster.

All that the mixture calls a member in a displaced window, with the field fitted anew, is there by
chance. A cluster of mock stars put into such a window (a twin) shows how much of a cluster is found
in a real field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ocspark.catalogue.inputs import RunInputs
from ocspark.inputs.clusters import CLUSTER_COLUMNS
from ocspark.membership.engine import Sampling
from ocspark.membership.evaluate import Evaluation, evaluate_candidates
from ocspark.mirror.portions import cut_by_rows
from ocspark.mirror.scan import Scan
from ocspark.mock.clusters import listed_cluster
from ocspark.mock.dust import ExtinctionGrid
from ocspark.mock.observatory import Observatory
from ocspark.mock.planted import MAX_CLUSTERS, plant
from ocspark.names import cluster_key
from ocspark.posterior.colours import MemberColours
from ocspark.posterior.mixture import Mixture
from ocspark.posterior.stars import (
    Candidates,
    ClusterToFit,
    RelativeStars,
    candidates_of,
    relative_stars,
)
from ocspark.selection.cones import make_cones
from ocspark.selection.model import ClusterModel
from ocspark.selection.sources_in_cones import batches_in_cones
from ocspark.tables.arrow import stars_to_batch
from ocspark.tables.run import cone_fields
from ocspark.tables.stars import RawStars

#: Number of displaced windows of a cluster, and their distance in half-widths of the cluster's own
#: window (the 99th percentile over its candidates), so that they do not overlap it.
DIRECTIONS, AWAY = 4, 2.0
#: Probability in the mock's member list that makes a star of a twin a training member.
_LISTED = 1.0


@dataclass(frozen=True)
class Window:
    """A window that is searched for candidates: a cluster's own, or one displaced in motion.

    Attributes
    ----------
    model : ClusterModel
        The cluster as the run characterised it, or the same at the displaced motion.
    cluster : ClusterToFit
        The cluster as the mixture takes it.
    row : mapping
        Its row of the cluster table, in canonical columns.
    """

    model: ClusterModel
    cluster: ClusterToFit
    row: Mapping[str, Any]

    def candidates(self, table: pa.Table) -> Candidates:
        """Return the rows of this window's candidates table, as the mixture takes them."""
        columns = {name: table[name].to_numpy() for name in table.column_names}
        return candidates_of(columns, self.model.ra, self.model.dec, self.model.distance)

    def stars(self, table: pa.Table) -> RelativeStars:
        """Return the candidates within R, to which the mixture is fitted, about the cluster."""
        return relative_stars(self.candidates(table), self.cluster)[0]

    def displaced(self, number: int, distance: float) -> Window:
        """Return the window displaced in proper motion, without training members.

        Parameters
        ----------
        number : int
            Number of the direction, of `DIRECTIONS`.
        distance : float
            Displacement [mas/yr].
        """
        angle = 2.0 * np.pi * number / DIRECTIONS
        moved = {"pmra": distance * np.cos(angle), "pmdec": distance * np.sin(angle)}
        name = f"{self.model.cluster} displaced {number}"
        key = cluster_key(name)
        here = {axis: getattr(self.model, axis) + step for axis, step in moved.items()}
        model = replace(
            self.model,
            cluster=name,
            cluster_key=key,
            training_id=np.empty(0, dtype=np.int64),
            pmra=here["pmra"],
            pmdec=here["pmdec"],
        )
        cluster = replace(self.cluster, key=key, **here)
        row = {column: self.row[column] for column in CLUSTER_COLUMNS}
        row |= {axis: row[axis] + step for axis, step in moved.items()}
        return Window(model, cluster, {**row, "cluster": name, "cluster_key": key})


def displaced_windows(window: Window, candidates: pa.Table) -> list[Window]:
    """Return the displaced windows of a cluster.

    Parameters
    ----------
    window : Window
        The cluster's own window.
    candidates : Table
        The cluster's own candidates.
    """
    half_width = window.stars(candidates).half_width[:2].max(axis=0)
    distance = AWAY * float(np.quantile(half_width, 0.99))
    return [window.displaced(number, distance) for number in range(DIRECTIONS)]


@dataclass(frozen=True)
class WindowSearch:
    """A search of windows for candidates with votes, among the mirror's sources or mock stars.

    It reads the mirror in this process, so it is for small data sets, not for a whole catalogue.

    Attributes
    ----------
    inputs : RunInputs
        Inputs of the run whose clusters are searched.
    """

    inputs: RunInputs

    def search(self, windows: Sequence[Window]) -> dict[str, pa.Table]:
        """Return the candidates of each window, by its name, sorted by source_id."""
        rows = pd.DataFrame([dict(window.row) for window in windows])
        cones = make_cones(rows, self.inputs.settings.search)
        evaluation = self._evaluation([window.model for window in windows])
        found: dict[str, list[pa.RecordBatch]] = {}
        for portion in cut_by_rows(self.inputs.files, self.inputs.file_names, cones.cover):
            scans = (Scan(piece, self.inputs.columns) for piece in portion.pieces)
            for batch in batches_in_cones(scans, cones.cuts, cones.cover):
                for part, _ in evaluate_candidates(batch, evaluation, non_members=False):
                    found.setdefault(part["cluster"][0].as_py(), []).append(part)
        return {name: _sorted(parts) for name, parts in found.items()}

    def twin(
        self, window: Window, candidates: pa.Table, index: int, n_members: float, seed: int
    ) -> tuple[Window, pa.Table]:
        """Put a cluster of mock stars into a displaced window.

        Age, extinction, distance and dispersion are the real cluster's. Stars with probability 1 in
        the mock's member list are training members.

        Parameters
        ----------
        window : Window
            The displaced window.
        candidates : Table
            Candidates of that window: the real field.
        index : int
            Number of the twin, which selects the ids of its stars.
        n_members : float
            Expected number of members with G < 18.
        seed : int
            Seed of the mock stars.

        Returns
        -------
        Window
            The window with the twin's training members.
        Table
            Candidates of field and twin sorted by source_id, with ``is_true``.
        """
        isochrones = self.inputs.isochrones
        planted = plant(
            replace(
                listed_cluster(window.row, MAX_CLUSTERS - 1 - index, seed, isochrones.ages()),
                n_bright=n_members,
            ),
            isochrones.at(window.model.isochrone_log_age).points,
            self._mock[0],
            self._mock[1],
            seed,
        )
        faintest = float(np.nanmax(candidates["phot_g_mean_mag"].to_numpy()))
        sources = planted.sources
        kept = planted.true["is_member"] & (sources["phot_g_mean_mag"] <= faintest)
        complete = np.all(
            [np.isfinite(sources[name].astype(float)) for name in _NEEDED_OF_TWINS], axis=0
        )
        kept &= complete
        listed = sources["source_id"][kept & (planted.probability >= _LISTED)]
        model = replace(window.model, training_id=np.sort(listed))
        columns = {name: values[kept] for name, values in sources.items()}
        columns["cluster_key"] = np.full(int(kept.sum()), model.cluster_key)
        fields = cone_fields(self.inputs.columns.names)
        batch = stars_to_batch(RawStars(columns), fields)
        evaluated = evaluate_candidates(batch, self._evaluation([model]), non_members=False)
        parts = [part.candidates for part in evaluated]
        stars = _sorted([*candidates.to_batches(), *parts])
        true = np.isin(stars["source_id"].to_numpy(), sources["source_id"][kept])
        return replace(window, model=model), stars.append_column("is_true", pa.array(true))

    def _evaluation(self, models: Sequence[ClusterModel]) -> Evaluation:
        membership = self.inputs.settings.membership
        sampling = Sampling(**membership.model_dump(exclude={"device"}))
        by_key = {model.cluster_key: model for model in models}
        return Evaluation(by_key, self.inputs.network, sampling, self.inputs.calibration)

    @cached_property
    def _mock(self) -> tuple[ExtinctionGrid, Observatory]:
        return ExtinctionGrid.build(), Observatory.from_release(self.inputs.release)


#: Columns without which a mock star is left out.
_NEEDED_OF_TWINS = ("parallax", "pmra", "pmdec", "phot_bp_mean_mag", "phot_rp_mean_mag")


def _sorted(parts: Sequence[pa.RecordBatch]) -> pa.Table:
    """Return batches as one table sorted by source_id."""
    plain = [part.replace_schema_metadata(None) for part in parts]
    return pa.Table.from_batches(plain).sort_by("source_id")


def refit_without_members(
    window: Window, candidates: pa.Table, training: RelativeStars
) -> tuple[RelativeStars, NDArray[np.float64]]:
    """Fit the mixture to a displaced window as if it contained the cluster's training members.

    Parameters
    ----------
    window : Window
        The displaced window.
    candidates : Table
        Candidates of that window.
    training : RelativeStars
        The cluster's training members, relative to the cluster.

    Returns
    -------
    RelativeStars
        The candidates within R.
    array, shape (n,)
        Their probabilities of membership, though none is a member.
    """
    stars = window.stars(candidates)
    colours = MemberColours(window.cluster.isochrone)
    mixture = Mixture(stars, colours, window.cluster.covered_radius_pc, training)
    if not len(mixture.near):  # no star there moves like the cluster
        return stars, np.zeros(len(stars))
    return stars, mixture.fit().q
