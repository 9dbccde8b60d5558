"""The parameters of a mock, checked."""

from __future__ import annotations

from dataclasses import dataclass

from ocspark.errors import InputError
from ocspark.mock.planted import MAX_CLUSTERS

#: Raised by one whenever the same parameters give other stars or other columns.
GENERATOR_VERSION = 4
_MAX_SOURCES = 10**10


@dataclass(frozen=True)
class MockParameters:
    """Everything that the stars and files of a mock depend on.

    Attributes
    ----------
    sources : int
        Least number of field stars.
    clusters : int
        Number of planted clusters.
    seed : int
        Seed of every random draw.
    rows_per_partition : int
        Largest expected number of rows in a file of the mirror; it changes no row.
    release : str
        Name of the data release whose errors and columns the mock has (a file in
        ``conf/releases``).
    cluster_table : str
        SHA-256 of the table that the clusters come from, empty if they are drawn.
    around : int
        Number of clusters around which files are written, 0 for the whole sky; see
        `ocspark.mock.extent.slice_around`.
    min_distance_pc : float
        Least distance [pc] of those clusters.
    generator : int
        Version of the code that draws the stars.

    Raises
    ------
    InputError
        For a number out of range, naming the option of the command that sets it.
    """

    sources: int
    clusters: int
    seed: int
    rows_per_partition: int = 500_000
    release: str = "dr3"
    cluster_table: str = ""
    around: int = 0
    min_distance_pc: float = 0.0
    generator: int = GENERATOR_VERSION

    def __post_init__(self) -> None:
        if not 1 <= self.sources <= _MAX_SOURCES:
            raise InputError(f"--sources {self.sources}: expected 1 to {_MAX_SOURCES}")
        if not 1 <= self.clusters <= MAX_CLUSTERS:
            raise InputError(f"--clusters {self.clusters}: expected 1 to {MAX_CLUSTERS}")
        if not 0 <= self.around <= self.clusters:
            raise InputError(
                f"--around {self.around}: expected at most the {self.clusters} clusters there are, "
                "or 0 for the whole sky"
            )
        if not self.min_distance_pc >= 0.0:
            raise InputError(f"--min-distance {self.min_distance_pc:g}: expected 0 pc or more")
        if self.min_distance_pc and not self.around:
            raise InputError(
                f"--min-distance {self.min_distance_pc:g}: expected with --around, whose clusters "
                "it chooses from"
            )
