"""Make a mock Galaxy to try things on."""

from __future__ import annotations

import os
from typing import Any

from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.api.results import APPLICATION
from ocspark.mock.generate import finished_mock, write_mock
from ocspark.mock.parameters import MockParameters
from ocspark.session import get_session
from ocspark.store.progress import messages_shown


@messages_shown()
def make_mock(
    output: str | os.PathLike[str],
    sources: int = 100_000,
    clusters: int = 12,
    seed: int = 42,
    *,
    around: int = 0,
    min_distance: float = 0.0,
    release: str = "dr3",
    spark: SparkSession | None = None,
) -> dict[str, Any]:
    """Make a mock Galaxy with planted clusters, if it is not there yet.

    Parameters
    ----------
    output : str
        Folder: new, empty, or an earlier mock. Beside what the settings name it holds
        ``truth.parquet``, the stars that each cluster really has.
    sources : int
        Field stars. Gaia has 18,000 times as many as the default.
    clusters : int
        Planted clusters, named Mock_0001, Mock_0002, ….
    seed : int
        Seed of all that is drawn; the same seed makes the same mock.
    around : int
        Make only the part of the sky that the cones of so many clusters touch, for a sky as
        crowded as the real one (`sources` 1,811,709,771) at a fraction of its size: 14 clusters
        beyond 700 pc are 30 to 100 million sources, 2 to 8 GB. The seed chooses the clusters, the
        tables have only these, and ``mock.json`` names them under ``around``. 0: the whole sky.
    min_distance : float
        The least distance of those clusters [pc]; the cones of near ones are wide.
    release : str
        The release whose errors, gaps and columns it has.
    spark : SparkSession, optional
        Classic or Connect; by default the active session, or a new one.

    Returns
    -------
    dict
        Settings of a run on it: mirror, cluster table, member list, isochrones.

    Raises
    ------
    InputError
        For a folder that holds something else, or a number out of range.

    Examples
    --------
    >>> import ocspark
    >>> settings = ocspark.make_mock("mock", sources=5_000, clusters=2)
    >>> settings["mirror"]
    {'path': 'mock/mirror'}
    >>> run = ocspark.run(settings, output="runs/mock", membership={"n_samples": 10})
    """
    folder = os.fspath(output)
    parameters = MockParameters(
        sources, clusters, seed, release=release, around=around, min_distance_pc=min_distance
    )
    if finished_mock(folder, parameters) is None:
        write_mock(spark or get_session(APPLICATION), folder, parameters)
    names = {
        "mirror": "mirror",
        "clusters": "clusters.parquet",
        "members": "members.parquet",
        "isochrones": "isochrones",
    }
    places = {section: {"path": storage.join(folder, name)} for section, name in names.items()}
    return {"release": release, **places}
